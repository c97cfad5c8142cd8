//! Folders of pictures: one folder per class, optionally inside one folder per part.

use super::split::{SplitBy, take_test};
use super::tree::{Classes, PassedOver, Tree, Writers, merged};
use super::{DataError, DataSet, Grey, Images, Loaded, Part, Pictures, Prepare, Unfit};
use crate::random::{Purpose, Stream};
use crate::text::listed;
use crate::threads::on_all_cores;
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
    /// Message about folders of writers, if there are any.
    pub notice: Option<String>,
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

impl Folder {
    /// Lists the pictures of a folder. Without a test part, one is split off by seed: all pictures of some writers, or the
    /// same share of each class. All pictures are tested on if the set is needed as a whole.
    ///
    /// # Errors
    /// If there are no pictures, class names that cannot be displayed, too few or too many classes, or a class too
    /// small to split.
    pub fn open(path: &Path, pictures: Pictures) -> Result<Folder, DataError> {
        let Tree { path, train, validation, test, passed_over } = Tree::of(path)?;
        let is_undivided = validation.is_none() && test.is_none();
        let writers = train.len();
        let mut by_writer = 0;
        let parts = match (validation, test) {
            (Some(validation), Some(test)) => [merged(train), validation, test],
            (None, Some(test)) | (Some(test), None) => [merged(train), Classes::new(), test],
            (None, None) => {
                let (parts, tested) = divided(&path, train, pictures)?;
                by_writer = tested;
                parts
            }
        };
        let folder = Folder::of(&path, parts, passed_over, is_undivided)?;
        let tested = match by_writer {
            0 => String::new(),
            tested => format!(", {tested} of whom are kept for testing,"),
        };
        let classes = listed(&folder.classes);
        let notice =
            (writers > 1).then(|| format!("it has folders of {writers} writers{tested} with the classes {classes}"));
        Ok(Folder { notice, ..folder })
    }

    /// The pictures that a table in a folder lists, split as [`Folder::open`] does.
    ///
    /// # Errors
    /// If the table cannot be used, or as [`Folder::open`].
    pub fn listed(table: &Path, pictures: Pictures) -> Result<Folder, DataError> {
        let path = table.parent().unwrap_or(Path::new("."));
        let unknown_writer = Writers::from([(String::new(), super::listed::classes_of(table)?)]);
        let (parts, _) = divided(path, unknown_writer, pictures)?;
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
        Ok(Folder { path: path.into(), classes, train, validation, test, passed_over, is_undivided, notice: None })
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

/// Training, no validation, and test; and the number of writers whose pictures are the test part, if it is split by them. All
/// pictures are in both parts if the set is needed as a whole.
fn divided(path: &Path, writers: Writers, pictures: Pictures) -> Result<([Classes; 3], usize), DataError> {
    if pictures.whole {
        let all = merged(writers);
        return Ok(([all.clone(), Classes::new(), all], 0));
    }
    let mut rest = writers;
    let mut tested = Writers::new();
    if pictures.split_by == SplitBy::Writer && rest.len() > 1 {
        let mut names: Vec<String> = rest.keys().cloned().collect();
        let wanted = names.len().div_ceil(super::split::TEST);
        Stream::new(pictures.seed, Purpose::Writers, 0).shuffle(&mut names);
        for name in names {
            // Every class is trained on.
            let others = || rest.iter().filter(|(other, _)| **other != name);
            let is_known = |class: &String| others().any(|(_, classes)| classes.contains_key(class));
            if tested.len() < wanted && rest[&name].keys().all(is_known) {
                tested.extend(rest.remove_entry(&name));
            }
        }
    }
    match tested.len() {
        0 => Ok((split(path, merged(rest), pictures.seed)?, 0)),
        count => Ok(([merged(rest), Classes::new(), merged(tested)], count)),
    }
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
            Folder::open(folder.path(), Pictures::default()).unwrap().train.iter().map(|(_, label)| *label).collect();
        assert_eq!(labels, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 0, 0, 0]);
    }

    #[test]
    fn all_pictures_of_a_writer_are_in_one_part() {
        let folder = tempfile::tempdir().unwrap();
        for writer in ["ann", "bob", "cid", "dan", "eve", "fay"] {
            for class in ["0", "1"] {
                let place = folder.path().join(writer).join(class);
                std::fs::create_dir_all(&place).unwrap();
                (0..4).for_each(|n| std::fs::write(place.join(format!("{n}.png")), "").unwrap());
            }
        }
        // A class that only one writer has is trained on.
        let rare = folder.path().join("ann/2");
        std::fs::create_dir(&rare).unwrap();
        std::fs::write(rare.join("0.png"), "").unwrap();
        std::fs::write(rare.join("1.png"), "").unwrap();
        let writer = |file: &(PathBuf, u8)| file.0.iter().rev().nth(2).unwrap().to_owned();
        for seed in 0..10 {
            let pictures = Pictures { seed, ..Pictures::default() };
            let split = Folder::open(folder.path(), pictures).unwrap();
            let [train, test] = [&split.train, &split.test];
            assert_eq!((train.len(), test.len()), (34, 16), "two of six writers");
            assert!(train.iter().all(|one| test.iter().all(|other| writer(one) != writer(other))), "{seed}");
            assert!(split.notice.unwrap().contains("6 writers, 2 of whom"));
            let split = Folder::open(folder.path(), Pictures { split_by: SplitBy::Picture, ..pictures }).unwrap();
            assert_eq!((split.train.len(), split.test.len()), (39, 11), "a fifth of each class, rounded up");
            assert!(split.test.iter().any(|one| split.train.iter().any(|other| writer(one) == writer(other))));
        }
        let whole = Folder::open(folder.path(), Pictures { whole: true, ..Pictures::default() }).unwrap();
        assert_eq!(whole.test.len(), 50);
    }
}
