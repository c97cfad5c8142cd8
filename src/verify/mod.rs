//! Proof on the user's own device: every kernel and whole steps against the reference.
//!
//! This is one of the two places where `gpu` and `reference` meet; the tests are the other, and run the same cases. Each
//! output starts as NaN and lies between guards; a value is accepted only if it is within the rounding-error bound that
//! its twin gives, so nothing is a matter of taste and a NaN is never accepted.

mod cases;
mod compare;
mod run;
mod steps;

pub use cases::{Case, cases};
pub use compare::{Judgement, compare};
pub use run::run;
pub use steps::{StepReport, network, networks, steps};

pub use crate::kernels::{Fill, STEMS};

use crate::gpu::{Device, GpuError};

/// How a kernel did.
#[derive(Clone, Debug)]
pub struct KernelReport {
    pub kernel: &'static str,
    pub cases: usize,
    pub passed: usize,
    /// The case that came nearest to its bound, and the largest difference as a part of what was allowed.
    pub worst: (String, f64),
    /// What was wrong, case by case.
    pub failures: Vec<String>,
}

/// Runs every case of a kernel.
///
/// # Errors
/// What the driver says. A wrong result is no error but a failure in the report.
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
