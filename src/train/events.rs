//! Events of a run: the lines of `events.jsonl`, and the progress shown on a terminal.

use crate::settings::Config;
use serde::{Deserialize, Serialize};

/// Results of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// Counts from 1.
    pub epoch: usize,
    /// Mean over the epoch's images, each measured when its batch was trained.
    pub train_loss: f64,
    /// `None` without validation images.
    pub validation_loss: Option<f64>,
    pub validation_accuracy: Option<f64>,
    /// Accuracy on the test part of an older set, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_accuracy: Option<f64>,
    pub seconds: f64,
    pub images_per_second: f64,
}

/// An event of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event<'a> {
    Start {
        command: &'a str,
        adapter: &'a crate::gpu::AdapterInfo,
        config: &'a Config,
        /// Steps already done, if the run was resumed.
        step: u64,
    },
    /// The accuracy on the test part of an older set before the training.
    Before {
        data: &'a str,
        accuracy: f64,
    },
    Step {
        /// Counts from 1.
        step: u64,
        /// Mean over the batch.
        loss: f64,
    },
    /// Progress within the epoch. Not written to the file.
    #[serde(skip)]
    Progress {
        epoch: usize,
        rows: usize,
        of: usize,
        step: u64,
        loss: f64,
    },
    /// The outputs of the frozen layers have been computed and are kept. Not written to the file.
    #[serde(skip)]
    Features {
        layers: &'a [String],
        images: usize,
        seconds: f64,
    },
    /// Layers that were frozen are trained from this epoch on. Not written to the file.
    #[serde(skip)]
    Unfrozen {
        epoch: usize,
        layers: &'a [String],
    },
    Epoch(&'a EpochReport),
    /// The run stopped before its end and can be resumed.
    Stopped {
        step: u64,
        epoch: usize,
        reason: &'a str,
    },
    End {
        steps: u64,
        correct: usize,
        total: usize,
        accuracy: f64,
        loss: f64,
    },
}

impl Config {
    /// The epoch with the best validation, if any: the highest accuracy, then the lowest loss.
    pub fn best(reports: &[EpochReport]) -> Option<usize> {
        let score = |r: &EpochReport| Some((r.validation_accuracy?, -r.validation_loss?));
        let mut best: Option<(usize, (f64, f64))> = None;
        for report in reports {
            if let Some(score) = score(report)
                && best.is_none_or(|(_, other)| score > other)
            {
                best = Some((report.epoch, score));
            }
        }
        best.map(|(epoch, _)| epoch)
    }

    /// Whether the number of epochs since the best one has reached the patience.
    pub fn is_stalled(&self, reports: &[EpochReport]) -> bool {
        let last = reports.last().map_or(0, |report| report.epoch);
        let since = Config::best(reports).map_or(0, |best| last - best);
        self.patience.is_some_and(|patience| since >= patience)
    }
}
