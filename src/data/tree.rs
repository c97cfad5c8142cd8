//! Folders of pictures as they lie on disks: one folder per class, perhaps inside one folder per part, or per writer.

use super::split::PARTS;
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

/// The pictures of a folder by part, writer and class.
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
            let beside: Vec<&Path> = found.into_iter().flatten().collect();
            let names = |writers: Writers| merged(writers).into_keys().collect::<BTreeSet<String>>();
            let of =
                |part: &Path, except: &[&Path], known| writers_in(part, except, known, &mut Vec::new()).ok().map(names);
            let known = of(&path, &beside, None).unwrap_or_default();
            let is_part = |part: &&Path| of(part, &[], Some(&known)).is_some_and(|names| names.is_subset(&known));
            found.iter_mut().for_each(|part| *part = part.filter(|folder| is_part(folder)));
        }
        let [train, validation, test] = found;
        let beside: Vec<&Path> = if train.is_none() { found.into_iter().flatten().collect() } else { Vec::new() };
        let mut passed_over = loose(&path);
        if train.is_some() {
            for (_, folder) in inner.iter().filter(|(_, folder)| !found.contains(&Some(folder))) {
                passed_over.extend(passed(folder, pictures_below(folder), "next to a folder of training pictures"));
            }
        }
        let train = writers_in(train.unwrap_or(&path), &beside, None, &mut passed_over)?;
        let known = train.values().flat_map(|classes| classes.keys().cloned()).collect();
        let mut of = |part: &Path| writers_in(part, &[], Some(&known), &mut passed_over).map(merged);
        let validation = validation.map(&mut of).transpose()?;
        let test = test.map(&mut of).transpose()?;
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

/// The pictures of a folder by writer and class, without some folders in it. `known` are the classes of the training part.
fn writers_in(
    path: &Path,
    except: &[&Path],
    known: Option<&BTreeSet<String>>,
    passed_over: &mut Vec<PassedOver>,
) -> Result<Writers, DataError> {
    let mut outer = folders(path)?;
    outer.retain(|(_, folder)| !except.contains(&folder.as_path()));
    let mut inner = Vec::new();
    for (name, folder) in &outer {
        let (with_pictures, without): (Vec<_>, Vec<_>) =
            folders(folder)?.into_iter().partition(|(_, folder)| has_pictures(folder));
        inner.push(Inner { name, folder, own: pictures_in(folder)?.len(), with_pictures, without });
    }
    let mut writers = Writers::new();
    if !inner.iter().any(|of| of.own > 0 || !of.with_pictures.is_empty()) || !are_deeper(&inner) {
        let own: &mut Classes = writers.entry(String::new()).or_default();
        for of in &inner {
            own.insert(of.name.into(), pictures_of(of.folder, &of.with_pictures, passed_over)?);
        }
        return Ok(writers);
    }
    let by_writer = are_writers(&inner, known);
    for of in &inner {
        passed_over.extend(passed(of.folder, of.own, LOOSE));
        let deeper = of.without.iter().map(|(_, folder)| pictures_below(folder)).sum();
        passed_over.extend(passed(of.folder, deeper, TOO_DEEP));
        for (nested, folder) in &of.with_pictures {
            let (writer, class) = if by_writer { (of.name, nested.as_str()) } else { (nested.as_str(), of.name) };
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

/// A folder with the folders in it.
struct Inner<'a> {
    name: &'a str,
    folder: &'a Path,
    /// Number of pictures directly in it.
    own: usize,
    with_pictures: Vec<(String, PathBuf)>,
    without: Vec<(String, PathBuf)>,
}

/// Why pictures are not used.
const LOOSE: &str = "not in a class folder";
const TOO_DEEP: &str = "in folders inside a class folder";

/// Returns true if the pictures are a level deeper: every folder that has any has most of them there, and in more than one
/// folder if it has some of its own.
fn are_deeper(inner: &[Inner]) -> bool {
    let below = |of: &Inner| {
        of.with_pictures.iter().map(|(_, folder)| pictures_in(folder).map_or(0, |files| files.len())).sum::<usize>()
    };
    let is_deeper = |of: &Inner| match of.own {
        0 => !of.with_pictures.is_empty() || pictures_below(of.folder) == 0,
        own => of.with_pictures.len() > 1 && below(of) > own,
    };
    inner.iter().all(is_deeper)
}

/// Decides for two levels of folders whether the outer ones are the writers and the inner ones the classes, or the other way
/// round. Classes are those of the training part, or the digits, or called by single characters or by numbers, and fewer than
/// writers that are, too; otherwise they are the inner folders if one of those occurs several times.
fn are_writers(inner: &[Inner], known: Option<&BTreeSet<String>>) -> bool {
    let inner = || inner.iter().filter(|of| !of.with_pictures.is_empty());
    let outer: BTreeSet<&str> = inner().map(|of| of.name).collect();
    let all: Vec<&str> = inner().flat_map(|of| of.with_pictures.iter().map(|(name, _)| name.as_str())).collect();
    let nested: BTreeSet<&str> = all.iter().copied().collect();
    let differ = |is: &dyn Fn(&BTreeSet<&str>) -> bool| match [&outer, &nested].map(is) {
        [of_outer, of_nested] if of_outer != of_nested => Some(of_nested),
        _ => None,
    };
    let is_class = |name: &&str| name.chars().count() == 1 || name.parse::<u32>().is_ok();
    let are_known = |names: &BTreeSet<&str>| known.is_some_and(|known| names.iter().all(|&name| known.contains(name)));
    let are_digits =
        |names: &BTreeSet<&str>| names.iter().copied().eq((0..10).map(|digit| &"0123456789"[digit..=digit]));
    let are_classes = |names: &BTreeSet<&str>| names.iter().all(is_class);
    differ(&are_known).or_else(|| differ(&are_digits)).or_else(|| differ(&are_classes)).unwrap_or_else(|| {
        match are_classes(&outer) && nested.len() != outer.len() {
            true => nested.len() < outer.len(),
            false => nested.len() < all.len(),
        }
    })
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
        unused.retain(|folder| nested.iter().all(|(_, used)| used != folder));
        unused.extend(nested.iter().flat_map(|(_, folder)| folders_below(folder)));
    }
    let below = unused.iter().map(|inner| pictures_below(inner)).sum();
    passed_over.extend(passed(class, below, TOO_DEEP));
    passed_over.extend(passed(class, without_ending(class), "without a file extension"));
    if files.is_empty() { Err(DataError::EmptyClass(class.into())) } else { Ok(files) }
}

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
    passed(path, count, LOOSE).into_iter().collect()
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
        // A link to a folder around it has no end.
        let is_loop = || {
            inner.is_symlink()
                && inner.canonicalize().is_ok_and(|inner| path.canonicalize().is_ok_and(|path| path.starts_with(inner)))
        };
        if !inner.is_dir() || is_loop() {
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

/// Why a folder that has neither pictures by class nor arrays is not a data set, if the reason is clear.
pub fn unlike(path: &Path) -> Option<&'static str> {
    if std::fs::read_dir(path).ok()?.next().is_none() {
        return Some("it is empty");
    }
    if has_pictures(path) {
        return Some("its pictures are not in class folders");
    }
    (pictures_below(path) > 0).then_some("its pictures are deeper than in the class folders of writers")
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
        let tested = tree.test.unwrap_or_default();
        assert!(tested.keys().all(|class| tree.train.values().any(|own| own.contains_key(class))), "{files:?}");
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
            (
                &[
                    "0/1/a.png",
                    "0/2/b.png",
                    "1/1/c.png",
                    "2/1/a.png",
                    "3/1/a.png",
                    "4/1/a.png",
                    "5/1/a.png",
                    "6/1/a.png",
                    "7/1/a.png",
                    "8/2/a.png",
                    "9/1/a.png",
                ],
                &["1", "2"],
                &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            ),
            // A part beside writers, an empty folder, and stray pictures beside the classes.
            (&["ann/cat/a.png", "ann/dog/b.png", "bob/cat/c.png", "test/cat/d.png"], &["ann", "bob"], &["cat", "dog"]),
            (
                &["ann/cat/a.png", "ann/dog/b.png", "bob/cat/c.png", "bob/dog/d.png", "notes/n.txt", "ann/x.png"],
                &["ann", "bob"],
                &["cat", "dog"],
            ),
            // A test part of one writer.
            (
                &["train/ann/cat/a.png", "train/ann/dog/a.png", "train/bob/cat/a.png", "test/cid/cat/a.png"],
                &["ann", "bob"],
                &["cat", "dog"],
            ),
            // Nothing occurs twice, so the inner folders are neither classes nor writers.
            (&["cat/one/a.png", "dog/two/b.png", "dog/more/c.png"], &[""], &["cat", "dog"]),
            (&["set/digits/0/a.png", "set/digits/1/b.png"], &[""], &["0", "1"]),
            (&["set/train/0/a.png", "set/train/1/b.png", "set/test/1/c.png"], &[""], &["0", "1"]),
        ] {
            let (found, named, _) = listed(files);
            assert_eq!((&found[..], &named[..]), (&strings(writers)[..], &strings(classes)[..]), "{files:?}");
        }
        // Whatever is used or not is counted.
        let folder = tempfile::tempdir().unwrap();
        for file in ["a/1.png", "b/x/2.png", "b/y/z/3.png", "b/x/w/4.png", "5.png"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let tree = Tree::of(folder.path()).unwrap();
        assert_eq!(merged(tree.train).values().map(Vec::len).sum::<usize>(), 2);
        assert_eq!(tree.passed_over.iter().map(|one| one.pictures).sum::<usize>(), 3);
        // Of a class folder, pictures directly in it are used.
        assert_eq!(listed(&["0/a.png", "0/old/b.png", "1/c.png", "1/d.png"]).2, 3);
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }
}
