//! The parts of a run's data: read, checked against each other, and mixed with images of an older set.

use super::TrainError;
use crate::data::{Classes, DataError, DataSet, Part, Source, Unfit, hold_out};
use crate::model::{Network, numbered_classes};
use crate::random::{Purpose, Stream};
use crate::settings::Config;
use crate::text::Shown;
use std::ops::Range;
use std::path::PathBuf;

/// The data sets of a run.
pub struct Sources {
    pub data: Source,
    /// The set that a model was trained on before, if it is still to be tested on it.
    pub old: Option<Source>,
}

impl From<Source> for Sources {
    fn from(data: Source) -> Sources {
        Sources { data, old: None }
    }
}

/// The test part of an older set, and the names of its classes.
pub struct OldTest {
    pub name: String,
    pub set: DataSet,
    pub classes: Vec<String>,
}

impl OldTest {
    /// How many of its training images are replayed.
    pub fn replay_note(&self, replayed: &Range<usize>) -> Option<String> {
        let name = Shown::from(&self.name);
        (!replayed.is_empty()).then(|| format!("{} of the training images are replayed from {name}", replayed.len()))
    }
}

/// Indices to train on and to validate on: the images at the end that the set provides for it, else some chosen by
/// seed.
///
/// # Errors
/// If none are left to train on.
pub fn parts(train: &DataSet, held_out: usize, config: &Config) -> Result<(Vec<u32>, Vec<u32>), DataError> {
    let images = train.labels.len();
    if held_out > 0 && config.validation > 0 {
        let first = (images - held_out) as u32;
        return Ok(((0..first).collect(), (first..images as u32).collect()));
    }
    hold_out(images - held_out, config.validation, config.seed)
}

/// Both parts, as they were read.
pub struct Data {
    pub train: DataSet,
    pub test: DataSet,
    /// The file of each training and test image, if they come from picture files.
    pub files: [Vec<PathBuf>; 2],
    pub held_out: usize,
    pub unfit: Unfit,
    pub classes: Classes,
    pub old: Option<OldTest>,
    /// Images of `train` that are replayed from the older set.
    pub replayed: Range<usize>,
}

/// Both parts, checked against each other. `known` are the classes of a model, whose order those of several sets get.
///
/// # Errors
/// If a part cannot be read, or the parts do not fit.
pub fn load(config: &Config, sources: &Sources, known: &[String]) -> Result<Data, TrainError> {
    let source = &sources.data;
    let (test, train) = match (source.load(Part::Test), source.load(Part::Train)) {
        // Report unreadable pictures of both parts at once.
        (Err(DataError::BadPictures(test)), Err(DataError::BadPictures(train))) => {
            return Err(DataError::BadPictures([train, test].into_iter().flatten().collect()).into());
        }
        (test, train) => (test?, train?),
    };
    let mut unfit = train.unfit;
    unfit.extend(test.unfit);
    let mut files = [train.files, test.files];
    let (mut train, test, held_out) = (train.set, test.set, train.held_out);
    // Classes come from all of the labels, regardless of the limit.
    let classes = source.classes(&train, &test, config.classes)?;
    if let Some(limit) = config.limit {
        let end = train.labels.len() - held_out;
        train.limit(limit, held_out);
        if !files[0].is_empty() && limit < end {
            files[0].drain(limit..end);
        }
    }
    check_parts(&train, &test)?;
    let data = Data { train, test, files, held_out, unfit, classes, old: None, replayed: 0..0 };
    match &sources.old {
        Some(old) => with_old(config, data, source, old, known),
        None => Ok(data),
    }
}

/// The data with the test part of an older set and, if they are replayed, some of its training images.
fn with_old(
    config: &Config,
    mut data: Data,
    source: &Source,
    old: &Source,
    known: &[String],
) -> Result<Data, TrainError> {
    let test = old.load(Part::Test)?.set;
    check_parts(&data.train, &test)?;
    let Some(share) = config.replay else {
        let classes = old.classes(&test, &test, None)?;
        data.old = Some(OldTest { name: old.name.clone(), set: test, classes: names(&classes) });
        return Ok(data);
    };
    let mut replayed = old.load(Part::Train)?;
    replayed.set.limit(replayed.set.labels.len() - replayed.held_out, 0);
    let classes = old.classes(&replayed.set, &test, None)?;
    data.unfit.extend(std::mem::take(&mut replayed.unfit));
    if data.classes.names.is_none() && classes.names.is_none() && data.classes.count > classes.count {
        return Err(TrainError::Nameless { data: (&source.name).into(), old: (&old.name).into() });
    }
    let (own, others) = (names(&data.classes), names(&classes));
    let mut all: Vec<String> =
        known.iter().filter(|name| own.contains(name) || others.contains(name)).cloned().collect();
    for name in others.iter().chain(&own) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    if all.len() > 256 {
        return Err(DataError::TooManyClasses { folder: source.place().as_str().into(), classes: all.len() }.into());
    }
    for (set, from) in [(&mut data.train, &own), (&mut data.test, &own), (&mut replayed.set, &others)] {
        rename(set, from, &all)?;
    }
    let wanted = (share * (data.train.labels.len() - data.held_out) as f64).round().max(1.0);
    let mut chosen: Vec<u32> = (0..replayed.set.labels.len() as u32).collect();
    Stream::new(config.seed, Purpose::Replay, 0).shuffle(&mut chosen);
    chosen.truncate(wanted as usize);
    chosen.sort_unstable();
    let at = data.train.labels.len() - data.held_out;
    data.train.insert(at, &replayed.set, &chosen);
    data.replayed = at..at + chosen.len();
    if !data.files[0].is_empty() {
        data.files[0].splice(at..at, chosen.iter().map(|_| PathBuf::new()));
    }
    data.classes = Classes::of(&source.name, Some(all), &data.train, &data.test, None)?;
    data.old = Some(OldTest { name: old.name.clone(), set: test, classes: others });
    Ok(data)
}

/// The names of classes, which are numbers if they have none.
fn names(classes: &Classes) -> Vec<String> {
    classes.names.clone().unwrap_or_else(|| numbered_classes(classes.count))
}

/// Changes the labels of a set from places in one list of names to those in another one.
///
/// # Errors
/// If a name with images is not in the other list.
pub fn rename(set: &mut DataSet, from: &[String], to: &[String]) -> Result<(), TrainError> {
    for label in &mut set.labels {
        let name = &from[usize::from(*label)];
        let place = to.iter().position(|other| other == name);
        *label = place.ok_or_else(|| TrainError::Forgotten { class: name.clone(), known: to.to_vec() })? as u8;
    }
    Ok(())
}

/// Checks that the images of both parts have the same size.
///
/// # Errors
/// If they have not.
pub fn check_parts(train: &DataSet, test: &DataSet) -> Result<(), DataError> {
    let size = |set: &DataSet| (set.images.height, set.images.width);
    match (size(train), size(test)) {
        (train, test) if train != test => Err(DataError::Sizes { train, test }),
        _ => Ok(()),
    }
}

/// Checks that a network takes these images.
///
/// # Errors
/// If they have another size.
pub fn check_size(network: &Network, set: &DataSet) -> Result<(), TrainError> {
    let input = network.input();
    let data = [1, set.images.height, set.images.width];
    if input == data { Ok(()) } else { Err(TrainError::ImageSize { network: input, data }) }
}
