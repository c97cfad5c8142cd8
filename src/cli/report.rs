//! `report`: a page about a run, or about several side by side.

use super::{CacheArgs, Console, DeviceArgs, kept};
use crate::data::fingerprint;
use crate::files;
use crate::gpu::Device;
use crate::model::newest_run;
use crate::report::{Report, Verified, html, is_report};
use crate::text::Shown;
use crate::train::{History, Recorded, Reread, TrainError};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Write a page about a run: curves, mistakes, calibration, what the layers have learned
///
/// The page is one HTML file that needs nothing else: no network, no scripts. Several runs are shown side by side, with their
/// differences first.
#[derive(Args)]
pub struct ReportArgs {
    /// Folders of runs [default: the newest run under ./runs]
    #[arg(value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// File to write [default: report.html in the folder of the run, or in the current folder for several runs]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the data set of the runs is now, if it has moved
    #[arg(long, value_name = "NAME|FOLDER|FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Name of the page in a run folder.
const FILE: &str = "report.html";

/// Runs `report`.
///
/// # Errors
/// If a run cannot be read, the device fails, or the page cannot be written.
pub fn run(args: &ReportArgs, console: &Console) -> anyhow::Result<()> {
    let runs = match args.runs.is_empty() {
        true => {
            let none = "there is no run under ./runs; train one with `mnist-gpu train`, or give the folder of a run";
            vec![newest_run(Path::new("runs")).context(none)?]
        }
        false => args.runs.clone(),
    };
    let out = match (&args.out, &runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join(FILE),
        (None, _) => PathBuf::from(FILE),
    };
    check_out(&out)?;
    let recorded = runs.iter().map(|run| read(run)).collect::<anyhow::Result<Vec<_>>>()?;
    // The page is the same whatever `tune` has found.
    let device = DeviceArgs { no_tuned: true, ..args.device.clone() }.open(console)?;
    let mut reports = Vec::new();
    for (run, (recorded, history)) in runs.iter().zip(recorded) {
        reports.push(gather(run, recorded, history, args.data.as_deref(), &args.cache, &device, console)?);
    }
    let bytes = write(&out, &reports)?;
    if console.json {
        let file = out.display().to_string();
        console.result_json(&json!({"command": "report", "file": file, "adapter": device.info, "runs": reports}));
    } else {
        let megabytes = bytes as f64 / 1e6;
        console.result(format!("page {}, {megabytes:.1} MB; open it in a browser", Shown::from(&out)));
    }
    Ok(())
}

/// Writes the page of a run that has just ended into its folder.
///
/// # Errors
/// As [`run`].
pub fn of_run(run: &Path, cache: &CacheArgs, device: &Device, console: &Console) -> anyhow::Result<PathBuf> {
    let out = run.join(FILE);
    check_out(&out)?;
    let (recorded, history) = read(run)?;
    let report = gather(run, recorded, history, None, cache, device, console)?;
    write(&out, &[report])?;
    Ok(out)
}

fn read(run: &Path) -> anyhow::Result<(Recorded, History)> {
    if !run.is_dir() {
        return Err(TrainError::NoRun(run.into()).into());
    }
    let cannot = || format!("there is no report of {}", Shown::from(run));
    Ok((Recorded::load(run).with_context(cannot)?, History::of(run).with_context(cannot)?))
}

/// Gathers the report of a run. Without its data there is less to show, unless their place was given.
fn gather(
    run: &Path,
    recorded: Recorded,
    history: History,
    place: Option<&Path>,
    cache: &CacheArgs,
    device: &Device,
    console: &Console,
) -> anyhow::Result<Report> {
    let data = match reread(run, &recorded, place, cache, console) {
        Err(error) if place.is_none() => {
            console.warn(format!("the report of {} has no pictures: {error:#}", Shown::from(run)));
            Err(error.to_string())
        }
        data => Ok(data?),
    };
    let verified = kept::load::<Verified>(&device.info).unwrap_or_default();
    let report = Report::of(device, run, recorded, history, data, verified);
    report.with_context(|| format!("there is no report of {}", Shown::from(run)))
}

fn reread(
    run: &Path,
    recorded: &Recorded,
    place: Option<&Path>,
    cache: &CacheArgs,
    console: &Console,
) -> Result<Reread, TrainError> {
    let mut config = recorded.state.record.config.clone();
    if let Some(place) = place {
        config.data = place.into();
    }
    let progress = |file: &str, got, of| console.fetching(file, got, of);
    let data = recorded.reread(run, &config, &cache.locator(), &progress);
    console.clear_bar();
    let data = data?;
    recorded.check_fingerprint(run, &fingerprint(&data.train))?;
    Ok(data)
}

/// Checks that a page can be written here: only an earlier page is replaced.
fn check_out(out: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        !out.exists() || is_report(out),
        "{} exists and is not a report; choose another --out",
        Shown::from(out)
    );
    Ok(())
}

/// Writes the page. Returns its number of bytes.
fn write(out: &Path, reports: &[Report]) -> anyhow::Result<usize> {
    let page = html(reports);
    files::replace(out, page.as_bytes()).with_context(|| format!("cannot write {}", Shown::from(out)))?;
    Ok(page.len())
}
