//! `verify`: checks that this device computes correctly.

use super::kept::{self, OfDevice};
use super::{Console, DeviceArgs};
use crate::kernels::Tiles;
use crate::report::Verified;
use crate::verify::{STEMS, kernel, steps};
use clap::Args;
use serde_json::json;

/// Check every kernel and whole steps on this device against the CPU reference; exit code 1 if anything differs
#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    device: DeviceArgs,
}

impl OfDevice for Verified {
    const FOLDER: &'static str = "verified";
}

/// Runs `verify`.
///
/// # Errors
/// If a kernel or a step differs, or the driver reports an error.
pub fn run(args: &VerifyArgs, console: &Console) -> anyhow::Result<()> {
    let device = args.device.open(console)?;
    let mut reports = Vec::new();
    for (at, stem) in STEMS.iter().enumerate() {
        console.bar("verify", at as u64, Some(STEMS.len() as u64), "{msg} [{bar:30}] {pos} of {len}", (*stem).into());
        let report = kernel(&device, stem)?;
        console.note(format!(
            "{:26} {:>3} of {:>3} cases passed; the largest difference is {:>5.1} % of the rounding bound",
            report.kernel,
            report.passed,
            report.cases,
            100.0 * report.worst.1
        ));
        report.failures.iter().for_each(|text| console.error(text));
        reports.push(report);
    }
    console.clear_bar();
    // The kernel cases above always cover the tile sizes of all classes.
    let mut tables = if args.device.tiles.is_some() { Vec::new() } else { Tiles::ALL.to_vec() };
    // Those that were asked for or found by `tune`.
    if !tables.contains(&device.tiles) {
        tables.push(device.tiles);
    }
    let step = steps(&device, &tables)?;
    console.note(format!(
        "{:26} {:>3} of {:>3} recorded epochs passed, step by step",
        "whole steps", step.passed, step.cases
    ));
    step.failures.iter().for_each(|text| console.error(text));

    let cases: usize = reports.iter().map(|r| r.cases).sum::<usize>() + step.cases;
    let passed: usize = reports.iter().map(|r| r.passed).sum::<usize>() + step.passed;
    // Reports quote it.
    if args.device.tiles.is_none() && !args.device.checked {
        let kept = kept::prepare::<Verified>().and_then(|()| kept::save(&device.info, &Verified { cases, passed }));
        if let Err(error) = kept {
            console.warn(format!("reports will not know of this: {error:#}"));
        }
    }
    if console.json {
        let kernels: Vec<_> = reports
            .iter()
            .map(|r| {
                json!({
                    "kernel": r.kernel,
                    "cases": r.cases,
                    "passed": r.passed,
                    // JSON has no infinity; a failed case is null.
                    "worst": {"case": r.worst.0, "ratio": r.worst.1.is_finite().then_some(r.worst.1)},
                })
            })
            .collect();
        console.result_json(&json!({
            "command": "verify",
            "adapter": device.info,
            "kernels": kernels,
            "step": {"cases": step.cases, "passed": step.passed},
            "passed": passed == cases,
        }));
    } else {
        console.result(format!("{passed} of {cases} cases agree with the reference on {}", device.info));
    }
    anyhow::ensure!(
        passed == cases,
        "{} of {cases} cases differ from the reference on {}, so results of this driver cannot be trusted; try another \
         --adapter or a newer driver",
        cases - passed,
        device.info
    );
    Ok(())
}
