//! Training small neural networks on whatever GPU a laptop has, with hand-written WGSL kernels.
//!
//! A training step is data: [`recorder`] records a network, a batch size and a set of frozen layers into a flat list of kernel
//! invocations. [`gpu`] plays it on a device, [`mod@reference`] plays it on the CPU, and [`verify`] compares the two.
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
//! | [`mod@bench`] | what a device can do, and what kernels, steps, epochs and starts take of it |
//! | [`cli`] | one file per command |
//!
//! # Layout
//! Tensors are dense and row-major: images and maps NCHW, convolution weights OIHW, linear weights (O,I). All are float32
//! on the device; images stay bytes until the first kernel of a batch.

pub mod bench;
pub mod cli;
pub mod data;
pub mod files;
pub mod gpu;
pub mod kernels;
pub mod layers;
pub mod model;
pub mod optimizers;
pub mod paths;
pub mod plan;
pub mod random;
pub mod recorder;
pub mod reference;
pub mod text;
pub mod threads;
pub mod train;
pub mod verify;
mod words;
