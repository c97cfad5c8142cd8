//! Folders of pictures: one folder per class, optionally inside one folder per part.

use super::split::take_test;
use super::{DataError, DataSet, Grey, Images, Loaded, Part, Prepare, Unfit, is_picture};
use crate::text::Shown;
use crate::threads::on_all_cores;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum number of classes: labels are bytes.
const CLASSES: usize = 256;

/// A folder of pictures whose files have been listed but not read.
#[derive(Clone, Debug)]
pub struct Folder {
    pub path: PathBuf,
    /// Class names in order: numeric if all are numbers, else alphabetic.
    pub classes: Vec<String>,
    train: Vec<(PathBuf, u8)>,
    /// Held out for validation, if there is a folder for it.
    validation: Vec<(PathBuf, u8)>,
    test: Vec<(PathBuf, u8)>,
    /// Pictures that belong to none of these.
    pub passed_over: Vec<PassedOver>,
    /// True if the folder has no test part.
    pub is_undivided: bool,
}

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

/// How the pictures of a folder are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub prepare: Prepare,
    /// Height and width of the images.
    pub size: [usize; 2],
    /// Skip pictures that cannot be read.
    pub skip_bad: bool,
}

/// Pictures by class name.
pub(super) type Classes = BTreeMap<String, Vec<PathBuf>>;

impl Folder {
    /// Returns true if a folder has pictures one or two levels below it.
    pub fn is_one(path: &Path) -> bool {
        let inner = match folders(path) {
            Ok(inner) => inner,
            // Such folder names are meant as classes, and opening the folder reports them.
            Err(error) => return matches!(error, DataError::ClassName(_)),
        };
        inner.iter().any(|(name, folder)| has_pictures(folder) || part_of(name, folder).is_some())
    }

    /// Lists the pictures of a folder. Without a test part, one is split off by seed, with the same share of each
    /// class, or all pictures are tested on if the set is needed as a `whole`.
    ///
    /// # Errors
    /// If there are no pictures, class names that cannot be displayed, too few or too many classes, or a class too
    /// small to split.
    pub fn open(path: &Path, seed: u64, whole: bool) -> Result<Folder, DataError> {
        let inner = folders(path)?;
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
        let [train, val, test] = found;
        let parts_beside: Vec<&Path> =
            if train.is_none() { [val, test].into_iter().flatten().collect() } else { Vec::new() };
        let used = |folder: &Path| train.is_none() || found.contains(&Some(folder));
        let mut passed_over = loose(path);
        for (_, folder) in inner.iter().filter(|(_, folder)| !used(folder)) {
            passed_over.extend(passed(folder, pictures_below(folder), "next to a folder of training pictures"));
        }
        for part in if train.is_some() { [train, val, test] } else { [Some(path), None, None] }.into_iter().flatten() {
            for (_, class) in folders(part)?.into_iter().filter(|(_, class)| !parts_beside.contains(&class.as_path())) {
                let nested = folders_below(&class).iter().map(|inner| pictures_below(inner)).sum();
                passed_over.extend(passed(&class, nested, "in folders inside a class folder"));
                passed_over.extend(passed(&class, without_ending(&class), "without a file extension"));
            }
        }
        let of = |part: &Path| classes_of(part, &[]);
        let classes = |train: Option<&Path>| classes_of(train.unwrap_or(path), &parts_beside);
        let is_undivided = val.or(test).is_none();
        let parts: [Classes; 3] = match (train, val, test) {
            (train, Some(val), Some(test)) => [classes(train)?, of(val)?, of(test)?],
            (train, None, Some(test)) | (train, Some(test), None) => [classes(train)?, Classes::new(), of(test)?],
            (train, None, None) => undivided(path, classes(train)?, seed, whole)?,
        };
        Folder::of(path, parts, passed_over, is_undivided)
    }

    /// The pictures that a table in a folder lists, split as [`Folder::open`] does.
    ///
    /// # Errors
    /// If the table cannot be used, or as [`Folder::open`].
    pub fn listed(table: &Path, seed: u64, whole: bool) -> Result<Folder, DataError> {
        let path = table.parent().unwrap_or(Path::new("."));
        let parts = undivided(path, super::listed::classes_of(table)?, seed, whole)?;
        Folder::of(path, parts, Vec::new(), true)
    }

    fn of(
        path: &Path,
        parts: [Classes; 3],
        passed_over: Vec<PassedOver>,
        is_undivided: bool,
    ) -> Result<Folder, DataError> {
        let mut classes: Vec<String> = parts.iter().flat_map(|part| part.keys().cloned()).collect();
        classes.sort();
        if classes.iter().all(|name| name.parse::<i64>().is_ok()) {
            classes.sort_by_key(|name| name.parse::<i64>().ok());
        }
        classes.dedup();
        match classes.len() {
            0 => return Err(DataError::NoPictures(path.into())),
            1 => return Err(DataError::OneClassFolder { folder: path.into(), class: classes.remove(0) }),
            n if n > CLASSES => return Err(DataError::TooManyClasses { folder: path.into(), classes: n }),
            _ => {}
        }
        if let Some(class) = classes.iter().find(|name| !parts[0].contains_key(*name)) {
            return Err(DataError::Untrained { folder: path.into(), class: class.clone() });
        }
        let label = |name: &String| classes.iter().position(|class| class == name).unwrap_or(0) as u8;
        let [train, validation, test] = parts.map(|part| {
            let of_class = |(name, files): (String, Vec<PathBuf>)| {
                let label = label(&name);
                files.into_iter().enumerate().map(move |(at, file)| (at, label, file))
            };
            // The first of each class, then the second of each, so that the first N have a fair share of all classes.
            let mut files: Vec<_> = part.into_iter().flat_map(of_class).collect();
            files.sort();
            files.into_iter().map(|(_, label, file)| (file, label)).collect::<Vec<_>>()
        });
        if train.is_empty() || test.is_empty() {
            return Err(DataError::NoPictures(path.into()));
        }
        Ok(Folder { path: path.into(), classes, train, validation, test, passed_over, is_undivided })
    }

    /// Number of pictures to train on, and of those in a folder for validation.
    pub fn training_images(&self) -> [usize; 2] {
        [self.train.len(), self.validation.len()]
    }

    /// Reads a part. Pictures for validation follow those for training.
    ///
    /// # Errors
    /// All files that cannot be used, unless they are skipped.
    pub fn load(&self, part: Part, reading: Reading) -> Result<Loaded, DataError> {
        let (first, last): (&[_], &[_]) = match part {
            Part::Train => (&self.train, &self.validation),
            Part::Test => (&self.test, &[]),
        };
        let (mut set, mut files, mut unfit) = read_all(first, reading);
        let (held_out, more, others) = read_all(last, reading);
        let count = held_out.labels.len();
        set.labels.extend(held_out.labels);
        set.images.bytes.extend(held_out.images.bytes);
        files.extend(more);
        unfit.extend(others);
        if !unfit.skipped.is_empty() && !reading.skip_bad {
            return Err(DataError::BadPictures(unfit.skipped));
        }
        let learned = &set.labels[..set.labels.len() - count];
        let without = self.classes.iter().enumerate().find(|(label, _)| !learned.contains(&(*label as u8)));
        let emptied = match (part, without) {
            (Part::Train, Some((_, class))) => Some(format!("training pictures of class {class:?}")),
            (Part::Train, None) if count == 0 && !last.is_empty() => Some("validation pictures".into()),
            (Part::Test, _) if learned.is_empty() => Some("test pictures".into()),
            _ => None,
        };
        if let Some(what) = emptied {
            return Err(DataError::AllBad { what: format!("{what} in {}", self.path.display()), bad: unfit.skipped });
        }
        Ok(Loaded { set, files, held_out: count, unfit })
    }

    /// Size of the first picture that can be read.
    ///
    /// # Errors
    /// If there is none.
    pub fn first_size(&self) -> Result<[usize; 2], DataError> {
        let mut bad = Vec::new();
        for (path, _) in &self.train {
            match Grey::read(path) {
                Ok(first) => return Ok([first.height, first.width]),
                Err(error) => bad.push(error),
            }
        }
        Err(DataError::AllBad { what: format!("training pictures in {}", self.path.display()), bad })
    }
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

/// The pictures of each class of a folder, sorted by name. Some folders in it are none.
fn classes_of(path: &Path, except: &[&Path]) -> Result<Classes, DataError> {
    let mut classes = Classes::new();
    for (name, folder) in folders(path)?.into_iter().filter(|(_, folder)| !except.contains(&folder.as_path())) {
        let files = pictures_in(&folder)?;
        if files.is_empty() {
            return Err(DataError::EmptyClass(folder.into()));
        }
        classes.insert(name, files);
    }
    Ok(classes)
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

/// The parts of a folder that has none: all pictures for both training and testing, or a test part by seed.
fn undivided(path: &Path, classes: Classes, seed: u64, whole: bool) -> Result<[Classes; 3], DataError> {
    if whole { Ok([classes.clone(), Classes::new(), classes]) } else { split(path, classes, seed) }
}

/// Training, no validation, and test.
fn split(path: &Path, classes: Classes, seed: u64) -> Result<[Classes; 3], DataError> {
    let (mut train, mut test) = (Classes::new(), Classes::new());
    for (at, (name, mut files)) in classes.into_iter().enumerate() {
        if files.len() < 2 {
            return Err(DataError::OnePicture { folder: path.into(), class: name });
        }
        let mut tested = take_test(&mut files, seed, at);
        files.sort();
        tested.sort();
        train.insert(name.clone(), files);
        test.insert(name, tested);
    }
    Ok([train, Classes::new(), test])
}

/// The pictures that can be read, their files, and the errors of the others.
fn read_all(files: &[(PathBuf, u8)], reading: Reading) -> (DataSet, Vec<PathBuf>, Unfit) {
    let [height, width] = reading.size;
    let mut set = DataSet { images: Images { height, width, bytes: Vec::new() }, labels: Vec::new() };
    let (mut good, mut unfit) = (Vec::new(), Unfit::default());
    let paths: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
    for (read, (path, label)) in read_pictures(&paths, reading).into_iter().zip(files) {
        match read {
            Ok(image) => {
                if !image.ink {
                    unfit.blank.push(path.clone());
                }
                set.images.bytes.extend(image.bytes);
                set.labels.push(*label);
                good.push(path.clone());
            }
            Err(error) => unfit.skipped.push(error),
        }
    }
    (set, good, unfit)
}

/// Reads and prepares pictures on all cores, in order.
pub fn read_pictures(paths: &[&Path], reading: Reading) -> Vec<Result<super::Image, DataError>> {
    read_as(paths, |path, grey| reading.prepare.apply(path, grey, reading.size))
}

/// Reads all characters of each picture, on all cores, in order.
pub fn read_characters(paths: &[&Path], size: [usize; 2]) -> Vec<Result<Vec<super::Character>, DataError>> {
    read_as(paths, |_, grey| Ok(super::characters(grey, size)))
}

fn read_as<T: Send>(
    paths: &[&Path],
    prepare: impl Fn(&Path, &Grey) -> Result<T, DataError> + Sync,
) -> Vec<Result<T, DataError>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(at) else { return done };
            done.push((at, Grey::read(path).and_then(|grey| prepare(path, &grey))));
        }
    };
    let mut read: Vec<_> = on_all_cores(paths.len(), work).into_iter().flatten().collect();
    read.sort_by_key(|(at, _)| *at);
    read.into_iter().map(|(_, image)| image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pictures_are_a_fair_share_of_all_classes() {
        let folder = tempfile::tempdir().unwrap();
        for (class, count) in [("a", 9), ("b", 4), ("c", 6)] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            (0..count).for_each(|n| std::fs::write(folder.path().join(format!("{class}/{n}.png")), "").unwrap());
        }
        let labels: Vec<u8> =
            Folder::open(folder.path(), 0, false).unwrap().train.iter().map(|(_, label)| *label).collect();
        assert_eq!(labels, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 0, 0, 0]);
    }
}
