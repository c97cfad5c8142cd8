//! Finds and loads the data set that the user requested.

use super::arrays::{Arrays, below, has_arrays};
use super::fetch::{Checking, is_right};
use super::listed::listing;
use super::set::{Classes, DataSet, Part};
use super::split::SplitBy;
use super::tree::{has_classes, has_classes_below, unlike};
use super::{DataError, Fetcher, Folder, Known, OnProgress, PassedOver, Prepare, Reading, find, synthetic};
use crate::text::Shown;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A part of a data set as it was read.
#[derive(Debug)]
pub struct Loaded {
    pub set: DataSet,
    /// The file of each image, if they come from picture files.
    pub files: Vec<PathBuf>,
    /// Number of images at the end that are for validation.
    pub held_out: usize,
    pub unfit: Unfit,
}

/// Pictures that a network cannot learn from.
#[derive(Debug, Default)]
pub struct Unfit {
    /// Skipped pictures, and why.
    pub skipped: Vec<DataError>,
    /// Pictures without ink, which become blank images.
    pub blank: Vec<PathBuf>,
    /// Height and width of images that were prepared because the network takes others.
    pub scaled: Option<[usize; 2]>,
}

impl Unfit {
    /// Adds those of another part.
    pub fn extend(&mut self, others: Unfit) {
        self.skipped.extend(others.skipped);
        self.blank.extend(others.blank);
        self.scaled = self.scaled.or(others.scaled);
    }
}

/// How folders of pictures are read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pictures {
    /// `None` is [`Prepare::Mnist`].
    pub prepare: Option<Prepare>,
    pub skip_bad: bool,
    /// Seed of the split into training and test part, if there is no test part.
    pub seed: u64,
    /// What the test part of a set with folders of writers is split off by.
    pub split_by: SplitBy,
    /// Test on all images of a set that has no test part.
    pub whole: bool,
    /// Height and width of the images. `None` is 28x28, or with [`Prepare::None`] the size of the first picture.
    pub size: Option<[usize; 2]>,
}

/// Values of `--cache` and `--offline`, and how to read pictures.
#[derive(Clone, Debug, Default)]
pub struct Locator {
    pub cache: Option<PathBuf>,
    pub offline: bool,
    pub pictures: Pictures,
}

/// Maximum number of synthetic training images: what a program may reasonably hold in memory.
const MOST_SYNTHETIC: u32 = 10_000_000;

/// A data set that is available.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    /// The value of `--data`, for finding the set again.
    pub wanted: PathBuf,
    kind: Kind,
    /// Why this is not the set that `auto` looked for.
    pub notice: Option<String>,
}

#[derive(Clone, Debug)]
enum Kind {
    Arrays(Arrays),
    Pictures(Folder, Reading),
    /// Number of training images.
    Synthetic(u32),
}

impl Locator {
    /// The cache folder: `--cache`, else `MNIST_GPU_CACHE`, else the platform's.
    ///
    /// # Errors
    /// If the platform has none.
    pub fn cache(&self) -> Result<PathBuf, DataError> {
        let env = || std::env::var_os("MNIST_GPU_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from);
        let platform = || dirs::cache_dir().map(|dir| dir.join("mnist-gpu"));
        self.cache.clone().or_else(env).or_else(platform).ok_or(DataError::NoCache)
    }

    /// Finds a set, and downloads it if necessary.
    ///
    /// # Errors
    /// If the set is unknown, or is neither in the cache nor available.
    pub fn locate(&self, wanted: impl AsRef<Path>, progress: OnProgress) -> Result<Source, DataError> {
        let wanted = wanted.as_ref();
        let source = |name: &str, kind| Source { name: name.into(), wanted: wanted.into(), kind, notice: None };
        match wanted.to_str().unwrap_or_default() {
            "synthetic" => Ok(source("synthetic", Kind::Synthetic(synthetic::TRAIN))),
            name if name.starts_with("synthetic:") => {
                let count =
                    name["synthetic:".len()..].parse().ok().filter(|count| (2..=MOST_SYNTHETIC).contains(count));
                let count = count.ok_or_else(|| DataError::SyntheticCount(wanted.into()))?;
                Ok(source("synthetic", Kind::Synthetic(count)))
            }
            "auto" => match self.fetched("mnist", progress) {
                Ok((folder, known)) => Ok(source("mnist", Kind::Arrays(self.arrays(&folder, Some(known))?))),
                Err(reason) => {
                    let notice = format!("MNIST is unavailable, so the built-in synthetic digits are used. {reason}");
                    Ok(Source { notice: Some(notice), ..source("synthetic", Kind::Synthetic(synthetic::TRAIN)) })
                }
            },
            name if find(name).is_some() => {
                let (folder, known) = self.fetched(name, progress)?;
                Ok(source(name, Kind::Arrays(self.arrays(&folder, Some(known))?)))
            }
            _ => self.folder(wanted),
        }
    }

    /// A set in a user's folder.
    fn folder(&self, wanted: &Path) -> Result<Source, DataError> {
        let unreadable = |e: std::io::Error| DataError::Unreadable { path: wanted.into(), reason: Shown::new(e) };
        let path = std::path::absolute(wanted).map_err(unreadable)?;
        if let Some(table) = listing(&path) {
            let name =
                table.parent().and_then(Path::file_name).map_or("data".into(), |name| Shown::from(name).to_string());
            let (folder, reading) = self.read(Folder::listed(&table, self.pictures)?)?;
            let notice = format!("the classes are those in {}", Shown::from(&table));
            return Ok(Source { name, wanted: path, kind: Kind::Pictures(folder, reading), notice: Some(notice) });
        }
        if let Some(arrays) = Arrays::of_file(&path, self.pictures)? {
            let name = wanted.file_stem().map_or("data".into(), |name| Shown::from(name).to_string());
            return Ok(Source { name, wanted: path, notice: split_off(&arrays), kind: Kind::Arrays(arrays) });
        }
        match std::fs::read_dir(wanted) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(DataError::Unknown(wanted.into()));
            }
            entries => drop(entries.map_err(unreadable)?),
        }
        let own = path.file_name().map_or("data".into(), |name| Shown::from(name).to_string());
        let source = |name, kind, notice| Source { name, wanted: path.clone(), kind, notice };
        let has_own = has_arrays(&path);
        let inner = if has_own { None } else { below(&path) };
        let has_none = inner.is_none() && !has_own;
        if has_classes(&path) || (has_none && has_classes_below(&path)) {
            let (folder, reading) = self.read(Folder::open(&path, self.pictures)?)?;
            let ignored = "the pictures in this folder are used, and the arrays in it are ignored";
            let notice = folder.notice.clone().into_iter().chain(has_own.then(|| ignored.into()));
            let notice = joined(notice.collect());
            return Ok(source(own, Kind::Pictures(folder, reading), notice));
        }
        if let Some(reason) = unlike(&path).filter(|_| has_none) {
            return Err(DataError::NoData { folder: path.into(), reason });
        }
        let (place, found) = match inner {
            Some(below) => (below.clone(), Some(format!("the files in {} are used", Shown::from(&below)))),
            None => (path.clone(), None),
        };
        let arrays = self.arrays(&place, None)?;
        let name = arrays.known.map_or(own, |known| known.name.into());
        let notice = joined(found.into_iter().chain(split_off(&arrays)).collect());
        Ok(source(name, Kind::Arrays(arrays), notice))
    }

    fn arrays(&self, path: &Path, known: Option<&'static Known>) -> Result<Arrays, DataError> {
        Arrays::of_folder(path, known, self.pictures)
    }

    /// How the pictures of a folder are read.
    fn read(&self, folder: Folder) -> Result<(Folder, Reading), DataError> {
        let Pictures { prepare, skip_bad, size, .. } = self.pictures;
        let prepare = prepare.unwrap_or_default();
        let size = match (size, prepare) {
            (Some(size), _) => size,
            (None, Prepare::None) => folder.first_size()?,
            (None, _) => [28, 28],
        };
        Ok((folder, Reading { prepare, size, skip_bad }))
    }

    fn fetched(&self, name: &str, progress: OnProgress) -> Result<(PathBuf, &'static Known), DataError> {
        let known = find(name).ok_or_else(|| DataError::Unknown(name.into()))?;
        let cache = self.cache()?;
        let folder = cache.join(known.folder);
        if !self.offline {
            Fetcher::default().fetch(known, &folder, Checking::Changes, progress)?;
            return Ok((folder, known));
        }
        for file in &known.files {
            let path = folder.join(file.name);
            match is_right(&path, file, Checking::Changes) {
                Ok(()) => {}
                Err(None) => return Err(DataError::Offline { name: name.into(), cache: cache.into() }),
                Err(Some(reason)) => {
                    let (path, reason) = (path.into(), reason.into());
                    return Err(DataError::Damaged { path, reason, name: name.into() });
                }
            }
        }
        Ok((folder, known))
    }
}

/// Several notices as one.
fn joined(notices: Vec<String>) -> Option<String> {
    (!notices.is_empty()).then(|| notices.join("; "))
}

/// A notice that a test part was split off, if it was.
fn split_off(arrays: &Arrays) -> Option<String> {
    let text = "it has no test part, so a fifth of each class is kept for testing";
    arrays.is_split().then(|| text.into())
}

impl Source {
    /// Reads one part.
    ///
    /// # Errors
    /// If one of its files cannot be read or is invalid.
    pub fn load(&self, part: Part) -> Result<Loaded, DataError> {
        let whole = |set| Ok(Loaded { set, files: Vec::new(), held_out: 0, unfit: Unfit::default() });
        match (&self.kind, part) {
            (Kind::Synthetic(count), Part::Train) => whole(synthetic::train(*count)?),
            (Kind::Synthetic(_), Part::Test) => whole(synthetic::test()?),
            (Kind::Pictures(folder, reading), part) => folder.load(part, *reading),
            (Kind::Arrays(arrays), part) => arrays.load(part),
        }
    }

    /// Class names, if the set has any.
    pub fn class_names(&self) -> Option<Vec<String>> {
        match &self.kind {
            Kind::Pictures(folder, _) => Some(folder.classes.clone()),
            Kind::Arrays(arrays) => arrays.known.and_then(Known::class_names),
            Kind::Synthetic(_) => None,
        }
    }

    /// Determines the number of classes of the set: the number of its names, else the requested number, else one more
    /// than the largest training label. Labels of both parts must be in range.
    ///
    /// # Errors
    /// If there is only one class, a label is out of range, or the requested number differs from that of the names.
    pub fn classes(&self, train: &DataSet, test: &DataSet, asked: Option<usize>) -> Result<Classes, DataError> {
        Classes::of(&self.name, self.class_names(), train, test, asked)
    }

    /// Number of pictures that are not used.
    pub fn pictures_passed_over(&self) -> usize {
        self.passed_over().iter().map(|one| one.pictures).sum()
    }

    /// Returns true if the set has no parts, so that one is split off unless it is needed as a whole.
    pub fn is_undivided(&self) -> bool {
        match &self.kind {
            Kind::Arrays(arrays) => arrays.is_undivided(),
            Kind::Pictures(folder, _) => folder.is_undivided,
            Kind::Synthetic(_) => false,
        }
    }

    /// Pictures that are not used, by location.
    pub fn passed_over(&self) -> &[PassedOver] {
        match &self.kind {
            Kind::Pictures(folder, _) => &folder.passed_over,
            _ => &[],
        }
    }

    /// Converts the labels of a set with class names to those of a model with the same names. Labels of other sets are
    /// left unchanged.
    ///
    /// # Errors
    /// If the model does not have a class.
    pub fn relabel(&self, set: &mut DataSet, known: &[String]) -> Result<(), DataError> {
        let Some(classes) = self.class_names() else { return Ok(()) };
        // A known set may be used with a model of other names; a folder has only its names.
        let is_named = matches!(self.kind, Kind::Pictures(..)) || classes.iter().all(|class| known.contains(class));
        if !is_named {
            return Ok(());
        }
        let place = |class: &String| {
            let place = known.iter().position(|known| known == class).map(|place| place as u8);
            let name = || Shown::from(&self.name);
            place.ok_or_else(|| DataError::UnknownClass { name: name(), class: class.clone(), known: known.to_vec() })
        };
        let places = classes.iter().map(place).collect::<Result<Vec<u8>, _>>()?;
        set.labels.iter_mut().for_each(|label| *label = places[usize::from(*label)]);
        Ok(())
    }

    /// How pictures were prepared, if this program prepared them.
    pub fn prepare(&self) -> Option<Prepare> {
        match &self.kind {
            Kind::Pictures(_, reading) => Some(reading.prepare),
            _ => None,
        }
    }

    /// Number of training images, from the labels alone, and of those that the set itself holds out for validation.
    ///
    /// # Errors
    /// If the labels cannot be read.
    pub fn training_images(&self) -> Result<[usize; 2], DataError> {
        match &self.kind {
            Kind::Arrays(arrays) => arrays.training_images(),
            Kind::Pictures(folder, _) => Ok(folder.training_images()),
            Kind::Synthetic(count) => Ok([*count as usize, 0]),
        }
    }

    /// Commonly used mean and deviation of the set.
    pub fn normalisation(&self) -> Option<(f32, f32)> {
        match &self.kind {
            Kind::Arrays(arrays) => arrays.known.and_then(|known| known.normalisation),
            _ => None,
        }
    }

    /// Location of the set.
    pub fn place(&self) -> String {
        match &self.kind {
            Kind::Arrays(arrays) => Shown::from(&arrays.path).to_string(),
            Kind::Pictures(folder, _) => Shown::from(&folder.path).to_string(),
            Kind::Synthetic(_) => "built in".into(),
        }
    }
}
