//! Measures candidates for the tile table on this device.

use super::step::{Stepper, dispatches, does_not_fit};
use super::{Setting, Stat};
use crate::gpu::Device;
use crate::kernels::Tiles;
use crate::train::TrainError;

/// A value of one entry of the table, with the others unchanged.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub entry: &'static str,
    pub value: u32,
    /// True for the table's own value.
    pub current: bool,
    /// Time of a training step relative to one with the unchanged table, from alternating runs; `None` if it does not
    /// fit the device.
    pub ratio: Option<Stat>,
}

/// Times a step with each candidate of each entry whose name contains `filter`, alternating with the unchanged table,
/// and passes each candidate to `tell` once measured. Candidates that change nothing are left out.
///
/// # Errors
/// If the step does not run with the unchanged table, or the device fails.
pub fn sweep(
    device: &Device,
    setting: &Setting,
    filter: &str,
    tell: impl Fn(&Candidate),
) -> Result<Vec<Candidate>, TrainError> {
    // SAFETY: these are the crate's own shaders.
    let stepper = |setting: &Setting| unsafe { Stepper::new(device, setting, |spec| spec.wgsl) };
    let (table, usual) = (stepper(setting)?, dispatches(setting)?);
    let mut all = Vec::new();
    for (entry, values) in Tiles::CANDIDATES.iter().filter(|(entry, _)| entry.contains(filter)) {
        let current = setting.tiles.get(entry);
        let mut values = values.to_vec();
        if !values.contains(&current) {
            values.push(current);
        }
        values.sort_unstable();
        for value in values {
            let setting = Setting { tiles: setting.tiles.with(entry, value), ..*setting };
            // An entry may belong to another network, or to shaders of other devices.
            if value != current && dispatches(&setting).is_ok_and(|other| other == usual) {
                continue;
            }
            let other = match stepper(&setting) {
                Ok(other) => Some(other),
                Err(error) if does_not_fit(&error) => None,
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
