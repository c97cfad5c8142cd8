//! Folders of pictures as they lie on disks: one folder per class, perhaps inside one folder per part, or per writer.

use super::{DataError, is_picture};
use crate::text::Shown;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// Pictures by class name.
pub type Classes = BTreeMap<String, Vec<PathBuf>>;
/// Pictures by writer and class. The pictures of a folder without writers are under an empty name.
pub type Writers = BTreeMap<String, Classes>;

/// Pictures that are not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    pub place: PathBuf,
    pub pictures: usize,
    why: &'static str,
}

impl Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} in {}: {}", self.pictures, Shown::from(&self.place), self.why)
    }
}

/// What a folder of pictures contains.
pub struct Tree {
    /// The folder, or the one below it that has everything.
    pub path: PathBuf,
    pub train: Writers,
    pub validation: Option<Classes>,
    pub test: Option<Classes>,
    /// Pictures that belong to none of these.
    pub passed_over: Vec<PassedOver>,
}

impl Tree {
    /// Lists the pictures of a folder.
    ///
    /// # Errors
    /// If a folder cannot be read, has a name that cannot be displayed, or is a class without pictures.
    pub fn of(path: &Path) -> Result<Tree, DataError> {
        let path = unwrapped(path);
        let inner = folders(&path)?;
        let mut found = [None; PARTS.len()];
        for (name, folder) in &inner {
            if let Some(part) = part_of(name, folder) {
                found[part].get_or_insert(folder.as_path());
            }
        }
        // Without a training part all folders are classes, but for parts that have classes of the same names.
        if found[0].is_none() {
            let names = |folder: &Path| folders(folder).unwrap_or_default().into_iter().map(|(name, _)| name);
            let has = |class: &String| inner.iter().any(|(name, _)| name == class);
            found.iter_mut().for_each(|part| *part = part.filter(|folder| names(folder).all(|class| has(&class))));
        }
        let [train, validation, test] = found;
        let beside: Vec<&Path> = if train.is_none() { found.into_iter().flatten().collect() } else { Vec::new() };
        let mut passed_over = loose(&path);
        if train.is_some() {
            for (_, folder) in inner.iter().filter(|(_, folder)| !found.contains(&Some(folder))) {
                passed_over.extend(passed(folder, pictures_below(folder), "next to a folder of training pictures"));
            }
        }
        let mut of = |part: &Path, except: &[&Path]| writers_in(part, except, &mut passed_over);
        let train = of(train.unwrap_or(&path), &beside)?;
        let validation = validation.map(|part| of(part, &[]).map(merged)).transpose()?;
        let test = test.map(|part| of(part, &[]).map(merged)).transpose()?;
        Ok(Tree { train, validation, test, passed_over, path })
    }
}

/// Returns true if a folder has pictures in class folders, directly or in its parts.
pub fn has_classes(path: &Path) -> bool {
    let inner = match folders(path) {
        Ok(inner) => inner,
        // Such folder names are meant as classes, and listing the folder reports them.
        Err(error) => return matches!(error, DataError::ClassName(_)),
    };
    inner.iter().any(|(name, folder)| has_pictures(folder) || part_of(name, folder).is_some())
}

/// Returns true if a folder has pictures in class folders that are not directly in it: in a single folder that has
/// everything, or in folders of writers.
pub fn has_classes_below(path: &Path) -> bool {
    let path = unwrapped(path);
    has_classes(&path) || folders_below(&path).iter().any(|folder| has_classes(folder))
}

/// The pictures of all writers by class.
pub fn merged(writers: Writers) -> Classes {
    let mut all = Classes::new();
    for (class, files) in writers.into_values().flatten() {
        all.entry(class).or_default().extend(files);
    }
    all
}

/// The only folder below a folder without pictures, such as the one that an archive was packed from.
fn unwrapped(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    // A loop of links has no end.
    for _ in 0..8 {
        match &folders_below(&path)[..] {
            [only] if !has_pictures(&path) && !has_pictures(only) && !folders_below(only).is_empty() => {
                path = only.clone();
            }
            _ => break,
        }
    }
    path
}

/// The pictures of a folder by writer and class, without some folders in it.
fn writers_in(path: &Path, except: &[&Path], passed_over: &mut Vec<PassedOver>) -> Result<Writers, DataError> {
    let mut outer = folders(path)?;
    outer.retain(|(_, folder)| !except.contains(&folder.as_path()));
    let mut inner = Vec::new();
    for (name, folder) in &outer {
        let own = if has_pictures(folder) { Vec::new() } else { folders(folder)? };
        let (with_pictures, without): (Vec<_>, Vec<_>) = own.into_iter().partition(|(_, folder)| has_pictures(folder));
        passed_over.extend(without.iter().filter_map(|(_, folder)| passed(folder, pictures_below(folder), TOO_DEEP)));
        inner.push((name.as_str(), with_pictures));
    }
    let mut writers = Writers::new();
    if inner.is_empty() || inner.iter().any(|(_, folders)| folders.is_empty()) {
        let own: &mut Classes = writers.entry(String::new()).or_default();
        for ((name, class), (_, nested)) in outer.iter().zip(&inner) {
            own.insert(name.clone(), pictures_of(class, nested, passed_over)?);
        }
        return Ok(writers);
    }
    let by_writer = are_writers(&inner);
    for (name, folders) in &inner {
        for (nested, folder) in folders {
            let (writer, class) = if by_writer { (*name, nested.as_str()) } else { (nested.as_str(), *name) };
            let own = writers.entry(writer.into()).or_default();
            own.entry(class.into()).or_default().extend(pictures_of(folder, &[], passed_over)?);
        }
    }
    // Folders inside class folders are those of writers only if one of them occurs in several classes.
    if !by_writer && writers.values().all(|classes| classes.len() == 1) {
        return Ok(Writers::from([(String::new(), merged(writers))]));
    }
    Ok(writers)
}

/// Why pictures below a class folder are not used.
const TOO_DEEP: &str = "in folders inside a class folder";

/// Decides for two levels of folders with all pictures in the inner ones whether the outer ones are the writers and the inner
/// ones the classes, or the other way round. Classes are called by single characters or by numbers, have fewer names than
/// writers if both are, and otherwise are the inner folders if one of those occurs several times.
fn are_writers(inner: &[(&str, Vec<(String, PathBuf)>)]) -> bool {
    let outer: BTreeSet<&str> = inner.iter().map(|(name, _)| *name).collect();
    let all: Vec<&str> = inner.iter().flat_map(|(_, folders)| folders.iter().map(|(name, _)| name.as_str())).collect();
    let nested: BTreeSet<&str> = all.iter().copied().collect();
    let is_class = |name: &&str| name.chars().count() == 1 || name.parse::<u32>().is_ok();
    match [&outer, &nested].map(|names| names.iter().all(is_class)) {
        [outer_are, nested_are] if outer_are != nested_are => nested_are,
        [true, _] if nested.len() != outer.len() => nested.len() < outer.len(),
        _ => nested.len() < all.len(),
    }
}

/// The pictures in a class folder or, if it has none, those in the folders in it.
fn pictures_of(
    class: &Path,
    nested: &[(String, PathBuf)],
    passed_over: &mut Vec<PassedOver>,
) -> Result<Vec<PathBuf>, DataError> {
    let mut files = pictures_in(class)?;
    let mut unused = folders_below(class);
    if files.is_empty() {
        for (_, folder) in nested {
            files.extend(pictures_in(folder)?);
        }
        unused = nested.iter().flat_map(|(_, folder)| folders_below(folder)).collect();
    }
    let below = unused.iter().map(|inner| pictures_below(inner)).sum();
    passed_over.extend(passed(class, below, TOO_DEEP));
    passed_over.extend(passed(class, without_ending(class), "without a file extension"));
    if files.is_empty() { Err(DataError::EmptyClass(class.into())) } else { Ok(files) }
}

/// Folder names of the parts, case-insensitive.
const PARTS: [[&str; 2]; 3] = [["train", "training"], ["val", "validation"], ["test", "testing"]];

/// Which part a folder is, if any. A part contains folders and no pictures; other folders of that name are classes.
fn part_of(name: &str, folder: &Path) -> Option<usize> {
    let part = PARTS.iter().position(|names| names.contains(&name.to_lowercase().as_str()))?;
    let is_one = !has_pictures(folder) && folders(folder).is_ok_and(|inner| !inner.is_empty());
    is_one.then_some(part)
}

/// Returns true for hidden files, and for the metadata that macOS leaves in archives and on other disks.
pub fn is_left_over(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "__MACOSX" || name.to_string_lossy().starts_with('.'))
}

fn unreadable(path: &Path, error: std::io::Error) -> DataError {
    DataError::Unreadable { path: path.into(), reason: Shown::new(error) }
}

/// A report of unused pictures, if there are any.
fn passed(place: &Path, pictures: usize, why: &'static str) -> Option<PassedOver> {
    (pictures > 0).then(|| PassedOver { place: place.into(), pictures, why })
}

/// Pictures beside the folders of classes or parts.
fn loose(path: &Path) -> Vec<PassedOver> {
    let count = pictures_in(path).map_or(0, |pictures| pictures.len());
    passed(path, count, "not in a class folder").into_iter().collect()
}

/// Folders in a folder; unreadable folders and links count as empty.
fn folders_below(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|inner| inner.is_dir() && !inner.is_symlink() && !is_left_over(inner)).collect()
}

/// Number of pictures in a folder and in all folders below it.
fn pictures_below(path: &Path) -> usize {
    let mut count = 0;
    let mut open = vec![path.to_path_buf()];
    while let Some(folder) = open.pop() {
        count += pictures_in(&folder).map_or(0, |pictures| pictures.len());
        open.extend(folders_below(&folder));
    }
    count
}

/// Number of files without an extension.
fn without_ending(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_none() && path.is_file() && !is_left_over(path)).count()
}

/// The folders in a folder with their names, without hidden ones.
fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| unreadable(path, e))? {
        let entry = entry.map_err(|e| unreadable(path, e))?;
        let inner = entry.path();
        if !inner.is_dir() {
            continue;
        }
        let name = entry.file_name().into_string();
        let shown = |name: &String| !name.chars().any(|c| c.is_control() || c == '\\' || c == '/');
        match name.ok().filter(shown) {
            Some(_) if is_left_over(&inner) => {}
            Some(name) => found.push((name, inner)),
            None => return Err(DataError::ClassName(inner.into())),
        }
    }
    found.sort();
    Ok(found)
}

/// Why a folder that has neither pictures by class nor IDX files is not a data set, if the reason is clear.
pub fn unlike(path: &Path) -> Option<&'static str> {
    if std::fs::read_dir(path).ok()?.next().is_none() {
        return Some("it is empty");
    }
    has_pictures(path).then_some("its pictures are not in class folders")
}

fn has_pictures(folder: &Path) -> bool {
    let is_one = |path: &Path| is_picture(path) && !is_left_over(path);
    std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| is_one(&entry.path())))
}

/// The pictures in a folder, sorted by name.
///
/// # Errors
/// If the folder cannot be read.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, e))?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(|e| unreadable(folder, e)))
        .collect::<Result<Vec<PathBuf>, _>>()?;
    files.retain(|file| is_picture(file) && !is_left_over(file) && file.is_file());
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The writers and classes of a folder with these empty pictures.
    fn listed(files: &[&str]) -> (Vec<String>, Vec<String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert!(has_classes_below(folder.path()), "{files:?}");
        let tree = Tree::of(folder.path()).unwrap();
        let writers = tree.train.keys().cloned().collect();
        let classes = merged(tree.train);
        (writers, classes.keys().cloned().collect(), classes.values().map(Vec::len).sum())
    }

    #[test]
    fn writers_and_classes_are_told_apart() {
        for (files, writers, classes) in [
            (&["0/a.png", "1/b.png"][..], &[""][..], &["0", "1"][..]),
            (&["ann/0/a.png", "ann/1/b.png", "bob/0/c.png"], &["ann", "bob"], &["0", "1"]),
            (&["0/ann/a.png", "0/bob/b.png", "1/ann/c.png"], &["ann", "bob"], &["0", "1"]),
            // Both are numbers: there are fewer classes.
            (&["7/0/a.png", "7/1/b.png", "8/0/c.png", "9/1/d.png"], &["7", "8", "9"], &["0", "1"]),
            (&["ann/cat/a.png", "ann/dog/b.png", "bob/cat/c.png"], &["ann", "bob"], &["cat", "dog"]),
            // Nothing occurs twice, so the inner folders are neither classes nor writers.
            (&["cat/one/a.png", "dog/two/b.png", "dog/more/c.png"], &[""], &["cat", "dog"]),
            (&["set/digits/0/a.png", "set/digits/1/b.png"], &[""], &["0", "1"]),
            (&["set/train/0/a.png", "set/train/1/b.png", "set/test/1/c.png"], &[""], &["0", "1"]),
        ] {
            let (found, named, _) = listed(files);
            assert_eq!((&found[..], &named[..]), (&strings(writers)[..], &strings(classes)[..]), "{files:?}");
        }
        // Of a class folder, pictures directly in it are used.
        assert_eq!(listed(&["0/a.png", "0/old/b.png", "1/c.png", "1/d.png"]).2, 3);
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }
}
