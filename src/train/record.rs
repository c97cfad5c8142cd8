//! The record that a run resumes from.

use super::EpochReport;
use crate::data::SplitBy;
use crate::model::Network;
use crate::settings::Config;
use serde::{Deserialize, Serialize};

/// Position of a run: the record in `resume.safetensors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub command: String,
    pub config: Config,
    /// SHA-256 of the training images and labels.
    pub fingerprint: String,
    /// Total number of steps done.
    pub step: u64,
    /// The current epoch, from 1; one more than `config.epochs` when all are done.
    pub epoch: usize,
    /// Number of images of that epoch already trained on.
    pub rows: usize,
    pub reports: Vec<EpochReport>,
    /// The test part of an older set, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<OldRecord>,
}

/// What a run remembers of an older set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OldRecord {
    /// SHA-256 of its test images and labels.
    pub fingerprint: String,
    /// Accuracy of the model that the run started from; `None` if it did not know all of the classes.
    pub before: Option<f64>,
    /// How its test part was split off: as in the training of that model.
    pub seed: u64,
    pub split_by: SplitBy,
}

impl Record {
    /// Checks a loaded record: settings like flags, and the rest for consistency with itself and with the tensors.
    pub(super) fn check(&self, network: &Network, losses: usize) -> Result<(), String> {
        let Record { command, config, epoch, rows, reports, .. } = self;
        if !["train", "finetune"].contains(&command.as_str()) {
            return Err(format!("there is no command {command:?}"));
        }
        config.check_values()?;
        network.check_frozen(&config.freeze).map_err(|e| e.to_string())?;
        if *epoch == 0 || *epoch > config.epochs + 1 {
            return Err(format!("epoch {epoch} is out of the range of its {} epochs", config.epochs));
        }
        if reports.len() + 1 != *epoch || reports.iter().zip(1..).any(|(report, epoch)| report.epoch != epoch) {
            return Err(format!("epoch {epoch} is under way, and {} are reported", reports.len()));
        }
        let is_number = |x: f64| x.is_finite();
        let is_share = |part: f64| (0.0..=1.0).contains(&part);
        let told = |r: &EpochReport| {
            is_number(r.train_loss)
                && r.validation_loss.is_none_or(is_number)
                && [r.validation_accuracy, r.old_accuracy, self.old.as_ref().and_then(|old| old.before)]
                    .into_iter()
                    .flatten()
                    .all(is_share)
        };
        if let Some(report) = reports.iter().find(|report| !told(report)) {
            return Err(format!("epoch {} has an impossible loss or accuracy", report.epoch));
        }
        if *rows != losses {
            return Err(format!("{rows} images are done of the epoch, and {losses} have a loss"));
        }
        Ok(())
    }
}
