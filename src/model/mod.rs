//! What a network is: the layer list, shapes, the parameter table, initialisation and the checkpoint.

mod network;

pub use network::{ALIGN, Layer, Network, NetworkError, Node, Parameter, tutorial_layers};
