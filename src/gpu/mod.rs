//! The GPU backend: adapter selection, compilation of WGSL, and the player that runs a plan on a device.

mod adapter;
mod device;
mod pipeline;
mod player;
#[cfg(feature = "cli")]
mod standalone;
mod timer;

pub use adapter::{AdapterInfo, Selection, adapters, default_index};
pub use device::{Device, Pending};
pub use player::Player;
#[cfg(feature = "cli")]
pub(crate) use standalone::Standalone;
pub use timer::Timer;

use crate::plan::shader::ShaderError;
use crate::text::{Argument, Shown};

/// Errors of the GPU backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    #[error(
        "no adapter matches \"{wanted}\"; available adapters: {}",
        if .found.is_empty() { "none. Install a graphics driver (on Debian or Ubuntu without a GPU: `apt-get install \
        mesa-vulkan-drivers`)".to_string() } else { .found.iter().map(Shown::to_string).collect::<Vec<_>>().join("; ") }
    )]
    NoAdapter { wanted: Shown, found: Vec<Shown> },
    #[error("cannot open {name}: {reason}")]
    NoDevice { name: Shown, reason: Shown },
    #[error("buffer {buffer:?} needs {needed} bytes, but the limit {limit} is {allowed}; {remedy}")]
    Limit { buffer: String, needed: u64, limit: String, allowed: u64, remedy: String },
    #[error(
        "kernel {kernel} needs {needed} storage buffers, but this device's max_storage_buffers_per_shader_stage is \
         {allowed}; use another {}",
        Argument("adapter")
    )]
    StorageBuffers { kernel: String, needed: u32, allowed: u32 },
    #[error(transparent)]
    Shader(#[from] ShaderError),
    #[error("kernel {kernel} has the bindings {expected:?} in the plan, but {found:?} in its shader")]
    Bindings { kernel: String, expected: Vec<String>, found: Vec<String> },
    #[error("the driver rejected {what}: {reason}")]
    Rejected { what: String, reason: String },
    #[error(
        "the device ran out of memory for {0}; close other programs that use it, or use a smaller {batch} or {limit}",
        batch = Argument("batch"), limit = Argument("limit")
    )]
    OutOfMemory(String),
    #[error("the device was lost: {0}")]
    Lost(Shown),
    #[error("the device did not respond for {0} seconds")]
    Silent(u64),
    #[error(
        "the device did not finish its work: {expected} steps were submitted, but only {found} completed. The driver \
         may have killed a submission that took too long; try a smaller {}, or another {}",
        Argument("batch"),
        Argument("adapter")
    )]
    Killed { expected: u32, found: u32 },
}

/// Checks the step counter that the last kernel of each step increments, since a submission that the driver gave up on
/// can look completed.
///
/// # Errors
/// If the counter does not match.
pub fn check_steps(expected: u64, found: u32) -> Result<(), GpuError> {
    // The counter is 32 bits wide and wraps.
    let expected = expected as u32;
    if found == expected { Ok(()) } else { Err(GpuError::Killed { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_stands_still_is_a_killed_submission() {
        assert!(check_steps(70, 70).is_ok() && check_steps((1 << 32) + 3, 3).is_ok());
        let text = check_steps(70, 64).unwrap_err().to_string();
        assert!(text.contains("70 steps were submitted, but only 64 completed") && text.contains("`batch`"), "{text}");
    }
}
