//! The loop around the plan: epochs, size of submissions, events, evaluation, checkpoints, stopping, resuming.

/// Serializes a type as its text in every format that serde supports, with `#[serde(try_from = "String", into =
/// "String")]` on the type.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(text: String) -> Result<$type, String> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
use serde_as_text;

mod augment;
mod config;
mod evaluate;
mod events;
mod features;
mod folder;
mod gpu_set;
mod optimizer;
mod pace;
mod predict;
mod run;
mod schedule;
mod score;
pub mod settings;
mod setup;

pub use augment::Augment;
pub use config::{Config, Rates, layers, optional_seed, seed, seed_of};
pub use evaluate::{Evaluator, Summary};
pub use events::{EpochReport, Event};
pub use folder::{BEST, MODEL, RunFolder, check_free};
pub use gpu_set::GpuSet;
pub use predict::Predictor;
pub use run::{Outcome, Trainer};
pub use schedule::Schedule;
pub use score::{Confusion, Scores, evaluate_model, wilson};
pub(crate) use setup::check_size;
pub use setup::{Position, Prepared, Record, image_size};

use crate::data::DataError;
use crate::gpu::GpuError;
use crate::model::{ArchitectureError, CheckpointError, NetworkError};
use crate::recorder::RecordError;
use crate::text::Shown;

/// Errors of a training run or an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error(transparent)]
    Plan(#[from] RecordError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the network takes images of {network:?} (channels, height, width) and the data has {data:?}")]
    ImageSize { network: [usize; 3], data: [usize; 3] },
    #[error(
        "layer {layer} is frozen, but its {old} classes do not fit the {new} of the data, so it must learn anew; leave it \
         out of --freeze"
    )]
    FrozenHead { layer: String, old: usize, new: usize },
    #[error("{0} exists and is not empty; give another --out, or go on with it by --resume")]
    Exists(Shown),
    #[error(
        "{run} is in use by {}; wait until it has ended, or stop it",
        .holder.map_or("another process".into(), |id| format!("process {id}"))
    )]
    Busy { run: Shown, holder: Option<u32> },
    #[error(
        "the model's answer to image {image} is not a finite number: its parameters or its normalisation are too large to \
         compute with, so none of its answers can be trusted"
    )]
    NoAnswer { image: usize },
    #[error("{bytes} bytes are no whole number of images of {pixels} pixels")]
    PartialImage { bytes: usize, pixels: usize },
    #[error("{0} is not a run folder; give the one that `mnist-gpu train` or `finetune` made")]
    NoRun(Shown),
    #[error("{path} cannot be written: {reason}")]
    Folder { path: Shown, reason: Shown },
    #[error("the data of {run} has changed since: {text}; resume with the same --data")]
    OtherData { run: Shown, text: String },
    #[error("{run} has finished its {done} epochs; give a larger --epochs to go on")]
    Finished { run: Shown, done: usize },
    #[error("{run} stands at step {step}, so it cannot go on to --steps {steps}; give a larger number, or none")]
    PastSteps { run: Shown, step: u64, steps: u64 },
    #[error(
        "schedule {schedule} was laid out for {epochs} epochs, and the rate of each step follows from that; resume without \
         --epochs, or start a new run with --init {}", .run
    )]
    Scheduled { run: Shown, schedule: Schedule, epochs: usize },
    #[error("{0}")]
    Idle(String),
    #[error("teacher {path} does not fit: {text}")]
    Teacher { path: Shown, text: Shown },
    #[error(
        "{run} stopped because its last {patience} epochs brought nothing better; give a larger --patience to go on"
    )]
    Stalled { run: Shown, patience: usize },
    #[error("the record in {run}/resume.safetensors contradicts itself: {reason}. The file is damaged")]
    BadRecord { run: Shown, reason: Shown },
    #[error("the loss of step {step} is not finite: the training diverged. Take a smaller --lr than {rate}. {kept}")]
    Diverged { step: u64, rate: f64, kept: Shown },
    #[error(
        "stopped after step {step}; its checkpoint is written. Go on with: mnist-gpu train --resume {}", .run
    )]
    Stopped { step: u64, run: Shown },
    #[error("a start of this program, to be measured, failed: {0}")]
    Start(Shown),
    #[error("{error}. {kept}")]
    Interrupted { error: GpuError, kept: Shown },
}
