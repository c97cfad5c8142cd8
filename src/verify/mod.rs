//! Verification on the user's own device: every kernel and whole steps against the reference.
//!
//! This is one of the two places where `gpu` and `reference` meet; the tests are the other, and run the same cases.
//! Outputs start as NaN between guards. A value is accepted only within the rounding-error bound given by its twin, so
//! no tolerance is arbitrary and NaN is never accepted.

mod cases;
mod compare;
mod run;
mod steps;

pub use cases::{Case, cases};
pub use compare::{Judgement, compare};
pub use run::{Trial, run};
pub use steps::{StepReport, network, networks, step_agrees, steps};

pub use crate::kernels::{Fill, STEMS};

use crate::gpu::{Device, GpuError};

/// Result of verifying a kernel.
#[derive(Clone, Debug)]
pub struct KernelReport {
    pub kernel: &'static str,
    pub cases: usize,
    pub passed: usize,
    /// The case closest to its bound, and its largest difference as a fraction of the bound.
    pub worst: (String, f64),
    /// Failures, case by case.
    pub failures: Vec<String>,
}

/// Runs every case of a kernel.
///
/// # Errors
/// If the driver reports an error or does not respond. A wrong result is not an error but a failure in the report.
pub fn kernel(device: &Device, stem: &'static str) -> Result<KernelReport, GpuError> {
    let mut report =
        KernelReport { kernel: stem, cases: 0, passed: 0, worst: (String::new(), 0.0), failures: Vec::new() };
    for case in cases(stem) {
        let judgement = run(device, &case, None)?;
        report.cases += 1;
        if report.worst.0.is_empty() || judgement.ratio > report.worst.1 {
            report.worst = (case.name.clone(), judgement.ratio);
        }
        match judgement.failure {
            None => report.passed += 1,
            Some(text) => report.failures.push(format!("{stem} {}: {text}", case.name)),
        }
    }
    Ok(report)
}
