//! A run as it was written down: its model, its record, and its data read again.

use super::folder::RESUME;
use super::old::Old;
use super::parts::{Data, Sources, check_size, load, parts};
use super::{Record, TrainError, image_size};
use crate::data::{DataError, DataSet, Locator, OnProgress, Pictures, Source, Unfit};
use crate::model::{Model, Resume};
use crate::settings::Config;
use std::path::{Path, PathBuf};

/// What a run folder holds.
pub struct Recorded {
    pub model: Model,
    pub state: Resume<Record>,
}

/// The data of a run.
pub struct Reread {
    pub source: Source,
    pub train: DataSet,
    pub test: DataSet,
    /// The file of each training and test image, if they come from picture files.
    pub files: [Vec<PathBuf>; 2],
    /// Indices into `train` of the images to train on, and of those to validate on.
    pub indices: Vec<u32>,
    pub held_out: Vec<u32>,
    pub unfit: Unfit,
    pub(super) old: Option<Old>,
}

impl Recorded {
    /// Reads a run folder.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn load(run: &Path) -> Result<Recorded, TrainError> {
        let model = Model::load(run)?;
        let states = |record: &Record| record.config.optimizer.definition().states;
        let state: Resume<Record> = Resume::load(&run.join(RESUME), &model.network, states)?;
        let bad = |reason: String| TrainError::BadRecord { run: run.into(), reason: reason.into() };
        state.record.check(&model.network, state.losses.len()).map_err(bad)?;
        Ok(Recorded { model, state })
    }

    /// Reads the data of the run. `config` is the recorded one, possibly with another place of the data.
    ///
    /// # Errors
    /// If the data cannot be found or read, or do not fit the model.
    pub fn reread(
        &self,
        run: &Path,
        config: &Config,
        locator: &Locator,
        progress: OnProgress,
    ) -> Result<Reread, TrainError> {
        let (model, record) = (&self.model, &self.state.record);
        let pictures = Pictures {
            prepare: Some(model.prepare),
            seed: config.seed,
            size: Some(image_size(&model.network)),
            skip_bad: config.skip_bad,
            split_by: config.split_by,
            whole: false,
        };
        let locator = Locator { pictures, ..locator.clone() };
        let found = locator.locate(&config.data, progress);
        let data = found.map_err(|error| match error {
            DataError::Unknown(data) if config.data == record.config.data => {
                TrainError::Moved { run: run.into(), data, setting: "data" }
            }
            error => error.into(),
        })?;
        let old = match config.keep_testing.as_deref() {
            None => None,
            Some(place) => {
                let split = record.old.as_ref().map(|old| (old.seed, old.split_by));
                let (seed, split_by) = split.unwrap_or((config.seed, config.split_by));
                let locator = Locator { pictures: Pictures { seed, split_by, ..pictures }, ..locator };
                Some(locator.locate(place, progress).map_err(|error| match error {
                    DataError::Unknown(data) => TrainError::Moved { run: run.into(), data, setting: "keep-testing" },
                    error => error.into(),
                })?)
            }
        };
        let sources = Sources { data, old };
        let Data { mut train, mut test, files, held_out, unfit, old, .. } = load(config, &sources, &model.class_names)?;
        let source = sources.data;
        check_size(&model.network, &train)?;
        for set in [&mut train, &mut test] {
            // Several sets have the classes of the model already.
            if config.replay.is_none() {
                source.relabel(set, &model.class_names)?;
            }
            set.check(&source.name, model.network.classes())?;
        }
        let old = old.map(|old| Old::resumed(old, record.old.clone(), &model.class_names)).transpose()?;
        let (indices, held_out) = parts(&train, held_out, config)?;
        Ok(Reread { source, train, test, files, indices, held_out, unfit, old })
    }

    /// Checks that the training images are those of the run, by their fingerprint.
    ///
    /// # Errors
    /// If they are others.
    pub fn check_fingerprint(&self, run: &Path, found: &str) -> Result<(), TrainError> {
        if found == self.state.record.fingerprint {
            return Ok(());
        }
        Err(TrainError::OtherData { run: run.into(), text: format!("its images and labels now have SHA-256 {found}") })
    }
}
