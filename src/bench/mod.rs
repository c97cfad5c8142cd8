//! Benchmarks: what a device can do, how much of that each kernel reaches, and how long steps, epochs and startup take.
//!
//! Results are medians with quartiles over several runs. Runs of a step and of its kernels are interleaved, so that
//! background load affects all of them alike. Reports can be saved and compared.

mod compare;
mod epoch;
mod probes;
mod startup;
mod stat;
mod step;
mod sweep;
mod tune;
mod usage;

pub use compare::{Ratio, compare};
pub use epoch::{EpochTimes, epoch};
pub use probes::{Ceilings, ceilings};
pub use startup::{Start, StartUp, start_up, start_up_of_children};
pub use stat::Stat;
pub use step::{KernelTimes, Setting, StepTimes, step, step_with_sources};
pub use sweep::{Candidate, sweep};
pub use tune::{Tuned, tune};

use crate::gpu::AdapterInfo;
use serde::{Deserialize, Serialize};

/// All results of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Always `bench`.
    pub command: String,
    pub version: String,
    /// A serialised [`AdapterInfo`].
    pub adapter: serde_json::Value,
    /// What was measured: network, whether unfused, whether with run-time checks.
    pub setting: String,
    pub ceilings: Option<Ceilings>,
    pub steps: Vec<StepTimes>,
    pub epoch: Option<EpochTimes>,
    pub startup: Option<StartUp>,
}

impl Report {
    /// An empty report for a device and setting.
    pub fn of(info: &AdapterInfo, setting: String) -> Report {
        Report {
            command: "bench".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            adapter: serde_json::to_value(info).unwrap_or_default(),
            setting,
            ..Report::default()
        }
    }

    /// Returns true if the runs vary so much that the machine was probably busy.
    pub fn is_busy(&self) -> bool {
        let ceilings = self.ceilings.iter().flat_map(|c| [c.multiply_add, c.copy]);
        let steps = self.steps.iter().map(|s| s.step);
        let longer = self.epoch.iter().map(|e| e.seconds).chain(self.startup.iter().map(|s| s.total));
        ceilings.chain(steps).chain(longer).any(|stat| stat.spread() > BUSY)
    }
}

/// Target duration of a measurement in seconds, so that clock resolution and submission overhead are negligible.
const LONG: f64 = 0.02;
const MOST: usize = 1000;

/// Repetitions per measurement of something that takes this many seconds.
fn repetitions(seconds: f64) -> usize {
    ((LONG / seconds.max(1e-9)) as usize).clamp(1, MOST)
}

/// Relative spread above which a result is unreliable.
const BUSY: f64 = 0.15;
