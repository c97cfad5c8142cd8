//! Networks: the layer list, shapes, the parameter table, initialisation and checkpoints.

mod architecture;
mod checkpoint;
mod find;
mod init;
mod network;
mod normalisation;
mod novelty;
mod unique;

pub use architecture::{Architecture, ArchitectureError};
pub use checkpoint::{CheckpointError, Model, PRETRAINED, Resume, load_parameters, numbered_classes};
pub use find::{model_file, names_model, newest_run};
pub use init::initialise;
pub use network::{NETWORKS, Network, NetworkError, hidden_layers, tutorial_layers};
pub use normalisation::Normalisation;
pub use novelty::{Novelty, directions};
