//! Training small neural networks on whatever GPU a laptop has, with hand-written WGSL kernels.
//!
//! # As a library
//! [`Fit`] trains on images in memory, or goes on from a [`Model`] with some layers frozen; [`evaluate`] and [`Predictor`] use
//! the result; [`Model::from_bytes`] and [`Model::to_bytes`] carry it elsewhere. Nothing of that reads or writes files. The
//! examples are complete: `train_from_arrays`, `predict`, `finetune_frozen`, `play_a_plan`.
//!
//! With `default-features = false` the program is left out, and with it the command line, the fetching of data sets and the
//! formats of pictures.
//!
//! # How it works
//! A training step is data: [`recorder`] records a network, a batch size and a set of frozen layers into a flat list of kernel
//! invocations. [`gpu`] plays it on a device, [`mod@reference`] plays it on the CPU, and [`verify`] compares the two. These are
//! in [`low_level`].
//!
//! # Modules, lowest first; each may use those above it, to which `tests/rooms.rs` holds them
//! | module | what it holds |
//! |---|---|
//! | [`random`] | seeded streams, one for each purpose |
//! | [`text`], [`paths`] | foreign text that does not act on a terminal; any path in a file |
//! | [`files`] | files that are whole or not there, that end, and that belong to one process at a time |
//! | `words` | enums whose values have a word each |
//! | [`threads`] | the same work on all cores |
//! | [`data`] | images and labels on the host: reading, fetching, generating, splitting |
//! | [`kernels`], [`optimizers`] | the kernels: sizes, bindings, dispatch, cost, cases, faults; what follows gradients |
//! | [`plan`] | a step as data, how it is put together, and the loader of shaders |
//! | [`layers`] | the layers: words, shapes, tensors, what each records forward and backward |
//! | [`model`] | what a network is: layers in a row, initialisation, checkpoint |
//! | [`recorder`] | from a network to a plan |
//! | [`mod@reference`], [`gpu`] | the two players; neither knows the other |
//! | [`verify`] | kernels and whole steps on a device against the reference |
//! | [`train`] | the loop: submissions, events, evaluation, checkpoints, resuming |
//! | [`mod@fit`] | the same on images in memory |
//! | `bench` | what a device can do, and what kernels, steps, epochs and starts take of it |
//! | `cli` | one file per command |
//!
//! # Layout
//! Tensors are dense and row-major: images and maps NCHW, convolution weights OIHW, linear weights (O,I). All are float32
//! on the device; images stay bytes until the first kernel of a batch.

#[cfg(feature = "cli")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
pub mod data;
pub mod files;
pub mod fit;
#[doc(hidden)]
pub mod gpu;
#[doc(hidden)]
pub mod kernels;
#[doc(hidden)]
pub mod layers;
pub mod model;
#[doc(hidden)]
pub mod optimizers;
pub mod paths;
#[doc(hidden)]
pub mod plan;
pub mod random;
#[doc(hidden)]
pub mod recorder;
#[doc(hidden)]
pub mod reference;
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
pub use train::{Config, EpochReport, Event, Predictor, TrainError, evaluate_model as evaluate};

/// What a training step is made of: plans, the kernels in them, their two players, and the judge between those. Less stable than
/// the rest.
pub mod low_level {
    #[doc(inline)]
    pub use crate::{gpu, kernels, layers, optimizers, plan, recorder, reference, verify};
}
