//! What a network is: the layer list, shapes, the parameter table, initialisation and the checkpoint.

mod checkpoint;
mod init;
mod network;

pub use checkpoint::{
    CheckpointError, Model, Normalisation, Resume, load_parameters, model_file, newest_run, numbered_classes, replace,
};
pub use init::{initialise, initialise_one};
pub use network::{ALIGN, Layer, Network, NetworkError, Node, Parameter, tutorial_layers};
