//! What a run tells while it goes: a line each in `events.jsonl`, and the progress on a terminal.

use serde::{Deserialize, Serialize};

/// How an epoch went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: usize,
    /// Mean over the epoch's images, each as it was when its batch was trained.
    pub train_loss: f64,
    /// None without a validation part.
    pub validation_loss: Option<f64>,
    pub validation_accuracy: Option<f64>,
    pub seconds: f64,
    pub images_per_second: f64,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event<'a> {
    Start {
        command: &'a str,
        adapter: &'a crate::gpu::AdapterInfo,
        config: &'a super::Config,
        /// Steps already done, where a run goes on.
        step: u64,
    },
    Step {
        /// From 1.
        step: u64,
        /// Mean over the batch.
        loss: f64,
    },
    /// Not written to the file: where the epoch stands.
    #[serde(skip)]
    Progress {
        epoch: usize,
        rows: usize,
        of: usize,
        step: u64,
        loss: f64,
    },
    /// Not written to the file: what the frozen layers make of the images is computed, and kept.
    #[serde(skip)]
    Features {
        layers: &'a [String],
        images: usize,
        seconds: f64,
    },
    /// Not written to the file: layers that were frozen learn from this epoch on.
    #[serde(skip)]
    Unfrozen {
        epoch: usize,
        layers: &'a [String],
    },
    Epoch(&'a EpochReport),
    /// The run stopped before its end, and can be resumed.
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
