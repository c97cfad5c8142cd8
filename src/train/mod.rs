//! The loop around the plan: epochs, size of submissions, events, evaluation, checkpoints, stopping, resuming.

mod classes;
mod evaluate;
mod events;
mod exam;
mod features;
mod folder;
mod forward;
mod gpu_set;
mod learner;
mod old;
mod pace;
mod parts;
mod predict;
mod record;
mod recorded;
mod run;
mod score;
mod setup;

pub use evaluate::{Evaluator, Summary};
pub(crate) use evaluate::{bits, floats};
pub use events::{EpochReport, Event};
pub use folder::{BEST, EVENTS, History, LOCK, MODEL, RunFolder, check_free, each_event, recipe_text};
pub use forward::{Forward, Output, logits, most_probable, softmax};
pub use gpu_set::GpuSet;
pub use old::{Forgetting, Old, as_trained};
pub use parts::{Sources, check_size};
pub use predict::{Answer, Predictor};
pub use record::{OldRecord, Record};
pub use recorded::{Recorded, Reread};
pub use run::{Outcome, Trainer};
pub use score::{Confusion, Scores, evaluate_model, wilson};
pub use setup::{Position, Prepared, image_size};

use crate::data::DataError;
use crate::gpu::GpuError;
use crate::model::{ArchitectureError, CheckpointError, NetworkError};
use crate::recorder::RecordError;
use crate::settings::Schedule;
use crate::text::{self, Argument, Shown};

/// Errors of a training run or an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(
        "the data of {run} is not at {data} any more; give the place where it is now with {} FOLDER",
        Argument(.setting)
    )]
    Moved { run: Shown, data: Shown, setting: &'static str },
    #[error(
        "{error}; the images have only {height}x{width} pixels: scale them to 28x28 with {} resize, or give a smaller \
         network with {} FILE",
        Argument("prepare"),
        Argument("network")
    )]
    Small { height: usize, width: usize, error: NetworkError },
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
    #[error("the network takes images of {network:?} (channels, height, width), but the data has {data:?}")]
    ImageSize { network: [usize; 3], data: [usize; 3] },
    #[error(
        "layer {layer} is frozen, but knows the classes {known}, and the data have {wanted}, so it must be trained; remove it \
         from {}",
        Argument("freeze")
    )]
    FrozenHead { layer: String, known: String, wanted: String },
    #[error(
        "{data} and {old} have labels without names, and {data} has more: they cannot be told to mean the same classes. Give \
         {data} as a folder with one folder of pictures per class, or leave {} out",
        Argument("replay")
    )]
    Nameless { data: Shown, old: Shown },
    #[error(
        "{} has images of class {class:?}, which the trained model will not have: its classes are {}. {} 1 trains on the \
         classes of both sets",
        Argument("keep-testing"), text::listed(.known), Argument("replay")
    )]
    Forgotten { class: String, known: Vec<String> },
    #[error(
        "{0} exists and is not empty; choose another {out}, or continue the run in it with {resume}",
        out = Argument("out"), resume = Argument("resume")
    )]
    Exists(Shown),
    #[error(
        "{run} is in use by {}; wait for it to end, or stop it",
        .holder.map_or("another process".into(), |id| format!("process {id}"))
    )]
    Busy { run: Shown, holder: Option<u32> },
    #[error(
        "the model's output for image {image} is not finite: its parameters or its normalisation are too large to \
         compute with, so none of its outputs can be trusted"
    )]
    NoAnswer { image: usize },
    #[error("{bytes} bytes are not a whole number of images of {pixels} pixels")]
    PartialImage { bytes: usize, pixels: usize },
    #[error("{0} is not a run folder; give one that `mnist-gpu train` or `finetune` created")]
    NoRun(Shown),
    #[error("cannot read {path}: {reason}")]
    Log { path: Shown, reason: Shown },
    #[error("cannot write {path}: {reason}")]
    Folder { path: Shown, reason: Shown },
    #[error("the data of {run} has changed: {text}; resume with the same {}", Argument("data"))]
    OtherData { run: Shown, text: String },
    #[error("{run} has finished its {done} epochs; set a larger {} to continue", Argument("epochs"))]
    Finished { run: Shown, done: usize },
    #[error("{run} is already at step {step}, but {} is {steps}; set a larger number, or omit it", Argument("steps"))]
    PastSteps { run: Shown, step: u64, steps: u64 },
    #[error(
        "the learning rates of schedule {schedule} depend on the total of {epochs} epochs; resume without {}, or start a \
         new run with {} {run}",
        Argument("epochs"),
        Argument("init")
    )]
    Scheduled { run: Shown, schedule: Schedule, epochs: usize },
    #[error("{0}")]
    Idle(String),
    #[error("teacher {path} does not fit: {text}")]
    Teacher { path: Shown, text: Shown },
    #[error(
        "{run} stopped because its last {patience} epochs brought no improvement; set a larger {} to continue",
        Argument("patience")
    )]
    Stalled { run: Shown, patience: usize },
    #[error("the record in {run}/resume.safetensors contradicts itself: {reason}. The file is damaged")]
    BadRecord { run: Shown, reason: Shown },
    #[error(
        "the loss of step {step} is not finite: the training diverged. Use a smaller {} than {rate}. {kept}",
        Argument("lr")
    )]
    Diverged { step: u64, rate: f64, kept: Shown },
    #[error(
        "stopped after step {step}; its checkpoint is written. Continue with: mnist-gpu train --resume {}",
        text::quoted(.run.to_string())
    )]
    Stopped { step: u64, run: Shown },
    #[error("measuring the startup failed: {0}")]
    Start(Shown),
    #[error("{error}. {kept}")]
    Interrupted { error: GpuError, kept: Shown },
}
