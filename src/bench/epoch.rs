//! Whole epochs, as a user trains them.

use super::{Stat, usage::usage};
use crate::gpu::Device;
use crate::train::{Event, Prepared, TrainError, Trainer};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Times of a run's epochs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochTimes {
    pub data: String,
    pub images: usize,
    pub batch: usize,
    pub seconds: Stat,
    pub images_per_second: f64,
    /// CPU time per epoch, all threads, checkpoint included; `None` if it is not available.
    pub cpu_seconds: Option<f64>,
    /// Peak resident memory of this process so far, in bytes.
    pub peak_memory: Option<u64>,
}

/// Trains a prepared run in a folder, and returns how long its epochs took.
///
/// # Errors
/// Same as for training.
pub fn epoch(device: &Device, run: Prepared, folder: &Path) -> Result<EpochTimes, TrainError> {
    let (data, images, batch) = (run.data_name().to_string(), run.indices.len(), run.config.batch);
    let last = Cell::new(None);
    let tell = |event: &Event| {
        if matches!(event, Event::Epoch(_)) {
            last.set(usage());
        }
    };
    let stop = AtomicBool::new(false);
    let trainer = Trainer::new(device, run, Some(folder), &stop, &tell)?;
    let first = usage();
    let outcome = trainer.train()?;
    let seconds = Stat::of(&outcome.reports.iter().map(|report| report.seconds).collect::<Vec<_>>());
    let ends = first.zip(last.get());
    Ok(EpochTimes {
        data,
        images,
        batch,
        seconds,
        images_per_second: images as f64 / seconds.median,
        cpu_seconds: ends.map(|(first, last)| (last.0 - first.0) / outcome.reports.len() as f64),
        peak_memory: usage().map(|(_, peak)| peak),
    })
}
