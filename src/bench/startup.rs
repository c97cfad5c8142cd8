//! Time from the start of the program to the end of the first step.

use super::Stat;
use crate::gpu::Device;
use crate::text::Shown;
use crate::train::{Event, Prepared, TrainError, Trainer};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Seconds per startup phase and in total. Each run is a separate process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartUp {
    /// The data set that was read.
    pub data_set: String,
    pub data: Stat,
    pub device: Stat,
    /// Uploading the data and compiling the shaders.
    pub pipelines: Stat,
    pub first_step: Stat,
    pub total: Stat,
    /// Total of a single run with a cold driver cache; `None` for drivers whose cache cannot be disabled.
    pub cold_total: Option<f64>,
}

/// One startup, as measured by the process itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Start {
    data: f64,
    device: f64,
    pipelines: f64,
    first_step: f64,
}

impl Start {
    fn total(&self) -> f64 {
        self.data + self.device + self.pipelines + self.first_step
    }
}

/// Starts like `train`, takes one step and returns the times. `began` is the start of the process.
///
/// # Errors
/// Same as for training.
pub fn start_up(
    began: Instant,
    prepare: impl FnOnce() -> anyhow::Result<Prepared>,
    open: impl FnOnce() -> anyhow::Result<Device>,
    folder: &Path,
) -> anyhow::Result<Start> {
    let run = prepare()?;
    let read = began.elapsed().as_secs_f64();
    let device = open()?;
    let opened = began.elapsed().as_secs_f64();
    let first = OnceLock::new();
    let tell = |event: &Event| {
        if matches!(event, Event::Progress { .. }) {
            let _ = first.set(began.elapsed().as_secs_f64());
        }
    };
    let stop = AtomicBool::new(false);
    let trainer = Trainer::new(&device, run, Some(folder), &stop, &tell)?;
    let ready = began.elapsed().as_secs_f64();
    trainer.train()?;
    let first = first.get().copied().unwrap_or(ready);
    Ok(Start { data: read, device: opened - read, pipelines: ready - opened, first_step: first - ready })
}

/// Starts this program several times with these arguments, which make it print a [`Start`] as JSON.
///
/// # Errors
/// If a start fails.
pub fn start_up_of_children(
    data: &Path,
    args: &[OsString],
    runs: usize,
    can_be_cold: bool,
) -> Result<StartUp, TrainError> {
    let program = std::env::current_exe();
    let start = |cold: bool| -> Result<Start, String> {
        let mut command = Command::new(program.as_ref().map_err(|e| e.to_string())?);
        command.args(args);
        if cold {
            // Mesa's names for it, new and old.
            command.env("MESA_SHADER_CACHE_DISABLE", "true").env("MESA_GLSL_CACHE_DISABLE", "true");
        }
        let output = command.output().map_err(|e| e.to_string())?;
        serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let start = |cold| start(cold).map_err(|text| TrainError::Start(text.into()));
    start(false)?;
    let starts = (0..runs).map(|_| start(false)).collect::<Result<Vec<_>, _>>()?;
    let cold_total = can_be_cold.then(|| start(true)).transpose()?.map(|start| start.total());
    let of = |get: fn(&Start) -> f64| Stat::of(&starts.iter().map(get).collect::<Vec<_>>());
    Ok(StartUp {
        data_set: Shown::from(data).to_string(),
        data: of(|s| s.data),
        device: of(|s| s.device),
        pipelines: of(|s| s.pipelines),
        first_step: of(|s| s.first_step),
        total: of(Start::total),
        cold_total,
    })
}
