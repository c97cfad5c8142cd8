//! Tile sizes that `tune` found.

use super::kept::OfDevice;
use crate::kernels::Tiles;
use serde::{Deserialize, Serialize};

/// The tile sizes of a device, and what they were measured with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    pub tiles: Tiles,
    pub networks: Vec<String>,
    pub batch: usize,
    /// Time of a step relative to the table's.
    pub ratio: f64,
}

impl OfDevice for Tuned {
    const FOLDER: &'static str = "tuned";
}
