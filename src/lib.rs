//! Trains, fine-tunes and evaluates small image classifiers on any GPU, with hand-written WGSL kernels.
//!
//! # As a library
//! [`Fit`] trains on images in memory, or continues from a [`Model`] with some layers frozen. [`evaluate`] and
//! [`Predictor`] use the result; [`Model::from_bytes`] and [`Model::to_bytes`] convert it from and to bytes. None of
//! these read or write files. Complete programs are in `examples/`: `train_from_arrays`, `predict`, `finetune_frozen`
//! and `play_a_plan`.
//!
//! `default-features = false` leaves out the program: the command line, downloading of data sets and image file
//! formats.
//!
//! # How it works
//! A training step is data: [`recorder`] records a network, a batch size and a set of frozen layers as a flat list of
//! kernel dispatches. [`gpu`] plays it on a device, [`mod@reference`] on the CPU, and [`verify`] compares the two.
//! These modules are in [`low_level`].
//!
//! # Modules, lowest first
//! A module may use those of its own row and of the rows above it, as checked by `tests/rooms.rs`.
//!
//! | module | contents |
//! |---|---|
//! | [`text`], `words` | escaping of untrusted text for terminals; enums with a name for each variant |
//! | [`random`], [`threads`] | seeded random streams, one per purpose; running the same work on all cores |
//! | [`files`], [`paths`] | atomic writes, bounded reads, locks and logs; storing arbitrary paths in text files |
//! | [`data`] | images and labels on the host: reading, downloading, generating, splitting |
//! | [`kernels`], [`optimizers`] | kernels: sizes, bindings, dispatch, cost, cases, faults, tile sizes; update rules |
//! | [`plan`] | a step as data, its builder, and the shader loader |
//! | [`portable`] | plans as JSON with their shaders, for players outside this program |
//! | [`layers`] | the layers: words, shapes, tensors, forward and backward steps |
//! | [`model`] | a network: a sequence of layers, initialisation, checkpoint |
//! | [`recorder`] | records a network as a plan |
//! | [`mod@reference`], [`gpu`] | the two players, independent of each other |
//! | [`verify`] | kernels and whole steps on a device against the reference |
//! | [`settings`] | the settings of a training, each defined once |
//! | [`train`] | the training loop: submissions, events, evaluation, checkpoints, resuming |
//! | [`mod@fit`], [`mod@explain`], [`notes`] | training on images in memory; which pixels speak for an answer; why it may be wrong |
//! | `report`, `serve` | a page about a run; the page to draw on, and the server behind it |
//! | `bench` | what a device can do, timings of kernels, steps, epochs and start-up, and the search for tile sizes |
//! | `cli` | one file per command |
//!
//! # Layout
//! Tensors are dense and row-major: images and maps NCHW, convolution weights OIHW, linear weights (O,I). All are
//! float32 on the device; images stay bytes until the first kernel of a batch.

#[cfg(feature = "cli")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
pub mod data;
pub mod explain;
pub mod files;
pub mod fit;
#[doc(hidden)]
pub mod gpu;
#[doc(hidden)]
pub mod kernels;
#[doc(hidden)]
pub mod layers;
pub mod model;
pub mod notes;
#[doc(hidden)]
pub mod optimizers;
pub mod paths;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod portable;
pub mod random;
#[doc(hidden)]
pub mod recorder;
#[doc(hidden)]
pub mod reference;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
pub mod serve;
pub mod settings;
pub mod text;
pub mod threads;
pub mod train;
#[doc(hidden)]
pub mod verify;
mod words;

pub use data::DataSet;
pub use fit::{Fit, Fitted};
pub use gpu::{Device, Selection};
pub use kernels::Activation;
pub use layers::Layer;
pub use model::{Model, Network};
pub use optimizers::Optimizer;
pub use settings::{Config, Recipe};
pub use train::{Answer, EpochReport, Event, Predictor, TrainError, evaluate_model as evaluate};

/// The parts of a training step: plans, the kernels in them, their two players, and the comparison of these. Less
/// stable than the rest.
pub mod low_level {
    #[doc(inline)]
    pub use crate::{gpu, kernels, layers, optimizers, plan, recorder, reference, verify};
}
