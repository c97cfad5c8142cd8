//! Normalisation of pixels.

use serde::{Deserialize, Serialize};

/// The mean is subtracted from a pixel in 0..1, and the difference is divided by the standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    pub mean: f32,
    #[serde(rename = "deviation")]
    pub std: f32,
}

impl Normalisation {
    /// MNIST's, for files without metadata.
    pub const MNIST: Normalisation = Normalisation { mean: 0.1307, std: 0.3081 };

    /// The value of every byte, in float32 and in torchvision's order of operations: `(byte / 255 - mean) / std`.
    pub fn byte_values(&self) -> Vec<f32> {
        (0..256).map(|byte| (byte as f32 / 255.0 - self.mean) / self.std).collect()
    }
}
