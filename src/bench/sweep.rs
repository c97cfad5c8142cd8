//! Candidates for the tile table, measured on this device.

use super::step::Stepper;
use super::{Setting, Stat};
use crate::gpu::Device;
use crate::gpu::GpuError::{Limit, OutOfMemory, Rejected};
use crate::kernels::Tiles;
use crate::train::TrainError;

/// A value of one entry of the table, the others as they are.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub entry: &'static str,
    pub value: u32,
    /// Whether it is what the table has.
    pub current: bool,
    /// Seconds of a training step as a part of what it takes with the table as it is, each run in turn with one of those; None
    /// where it does not fit the device.
    pub ratio: Option<Stat>,
}

/// Measures a step with each candidate of each entry whose name holds `filter`, in turn with the table as it is, and tells of
/// each as it comes.
///
/// # Errors
/// The step does not even run with the table as it is, or the device gives up.
pub fn sweep(
    device: &Device,
    setting: &Setting,
    filter: &str,
    tell: impl Fn(&Candidate),
) -> Result<Vec<Candidate>, TrainError> {
    // SAFETY: these shaders are the program's own.
    let stepper = |setting: &Setting| unsafe { Stepper::new(device, setting, |spec| spec.wgsl) };
    let table = stepper(setting)?;
    let mut all = Vec::new();
    for (entry, values) in Tiles::CANDIDATES.iter().filter(|(entry, _)| entry.contains(filter)) {
        let current = setting.tiles.get(entry);
        let mut values = values.to_vec();
        if !values.contains(&current) {
            values.push(current);
        }
        values.sort_unstable();
        for value in values {
            let tiles = setting.tiles.with(entry, value);
            let other = match stepper(&Setting { tiles, ..*setting }) {
                Ok(other) => Some(other),
                // What a plan or a driver refuses does not fit; a device that is gone is gone for the others too.
                Err(TrainError::Plan(_) | TrainError::Gpu(Limit { .. } | Rejected { .. } | OutOfMemory(_))) => None,
                Err(error) => return Err(error),
            };
            let ratios = other.map(|other| {
                (0..setting.runs)
                    .map(|run| Ok(other.step(run)? / table.step(run)?))
                    .collect::<Result<Vec<_>, TrainError>>()
            });
            let ratio = ratios.transpose()?.map(|ratios| Stat::of(&ratios));
            let candidate = Candidate { entry, value, current: value == current, ratio };
            tell(&candidate);
            all.push(candidate);
        }
    }
    Ok(all)
}
