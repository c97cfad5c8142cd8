//! Measuring: what a device can do, what each kernel makes of it, and how long steps, epochs and starts take.
//!
//! Figures are medians with their quartiles over several runs. Those of a step and its kernels are taken in turn, so that a
//! machine that is busy for a while is busy for all of them alike. What was measured can be saved and compared.

mod compare;
mod epoch;
mod probes;
mod startup;
mod stat;
mod step;
mod sweep;
mod usage;

pub use compare::{Ratio, compare};
pub use epoch::{EpochTimes, epoch};
pub use probes::{Ceilings, ceilings};
pub use startup::{Start, StartUp, start_up, start_up_of_children};
pub use stat::Stat;
pub use step::{KernelTimes, Setting, StepTimes, step, step_with_sources};
pub use sweep::{Candidate, sweep};

use crate::gpu::AdapterInfo;
use serde::{Deserialize, Serialize};

/// Everything that was measured in one go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Always `bench`.
    pub command: String,
    pub version: String,
    /// As [`AdapterInfo`] is written.
    pub adapter: serde_json::Value,
    /// What was measured: network, whether unfused, whether with run-time checks.
    pub setting: String,
    pub ceilings: Option<Ceilings>,
    pub steps: Vec<StepTimes>,
    pub epoch: Option<EpochTimes>,
    pub startup: Option<StartUp>,
}

impl Report {
    /// An empty report of a device and a setting.
    pub fn of(info: &AdapterInfo, setting: String) -> Report {
        Report {
            command: "bench".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            adapter: serde_json::to_value(info).unwrap_or_default(),
            setting,
            ..Report::default()
        }
    }

    /// Whether runs spread so widely that something else must have been running.
    pub fn is_busy(&self) -> bool {
        let ceilings = self.ceilings.iter().flat_map(|c| [c.multiply_add, c.copy]);
        let steps = self.steps.iter().map(|s| s.step);
        let longer = self.epoch.iter().map(|e| e.seconds).chain(self.startup.iter().map(|s| s.total));
        ceilings.chain(steps).chain(longer).any(|stat| stat.spread() > BUSY)
    }
}

/// How long a measurement should take, so that the clock and a submission are little beside it.
const LONG: f64 = 0.02;
const MOST: usize = 1000;

/// How often what takes so many seconds is done in one measurement.
fn repetitions(seconds: f64) -> usize {
    ((LONG / seconds.max(1e-9)) as usize).clamp(1, MOST)
}

/// The spread above which a figure says little.
const BUSY: f64 = 0.15;
