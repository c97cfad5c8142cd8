//! `bench`: how fast this device is, and how close each kernel comes to its limits.

use super::{CacheArgs, Console, DeviceArgs, flags::parser};
use crate::bench::{
    EpochTimes, KernelTimes, Report, Setting, StartUp, StepTimes, ceilings, compare, epoch, start_up,
    start_up_of_children, step, sweep,
};
use crate::files;
use crate::gpu::Device;
use crate::kernels::Tiles;
use crate::model::{Architecture, Network};
use crate::settings::{Config, Count};
use crate::text::Shown;
use crate::train::Prepared;
use crate::verify::network;
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

/// Measure the speed of this device: ceilings, kernels, a step, an epoch and startup
///
/// The ceilings are the rates of two small shaders that only multiply and add, or only copy. A kernel's share is the
/// time that the limiting ceiling allows for its arithmetic and memory traffic, as a percentage of its actual time.
/// Arithmetic is all products in its sums, including those with the zeros that max-pooling leaves in a gradient (the
/// second share excludes them). Traffic is each input and each output once. Times are medians; runs of a step and of
/// its kernels are interleaved.
#[derive(Args)]
pub struct BenchArgs {
    /// What to measure
    #[arg(long, value_enum, default_value_t = What::All)]
    what: What,
    /// Images per batch, or several numbers separated by commas; epoch, startup and --sweep use the first
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "64", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    batch: Vec<u32>,
    /// Network whose kernels and step are measured: tutorial, lenet5, deep, a file as for `train`, or a network of
    /// `verify`: lenet-sigmoid, three-convs, no-conv, dropout or batch-norm
    #[arg(long, value_name = "NAME|FILE", default_value = "tutorial")]
    network: PathBuf,
    /// Use separate kernels for pooling and activations
    #[arg(long)]
    unfused: bool,
    /// Number of runs of each measurement; at most three for an epoch
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Data set for the epoch and startup, as for `train`
    #[arg(long, value_name = "SET", default_value = "synthetic")]
    data: PathBuf,
    /// Use only the first N training images
    #[arg(long, value_name = "N", value_parser = parser::<usize>(Count(1, Count::MAX)))]
    limit: Option<usize>,
    /// Print ratios relative to the results in this file, the output of an earlier `bench --json`
    #[arg(long, value_name = "FILE", conflicts_with = "sweep")]
    compare: Option<PathBuf>,
    /// Compare other tile sizes with the table's in a step, for all entries or for those whose names contain ENTRY
    #[arg(long, value_name = "ENTRY", num_args = 0..=1, default_missing_value = "")]
    sweep: Option<String>,
    /// Start up, take one step and print the times; `--what startup` runs this in child processes
    #[arg(long, hide = true)]
    start: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Kernels,
    Step,
    Epoch,
    Startup,
    All,
}

/// Runs `bench`.
///
/// # Errors
/// Any error.
pub fn run(args: &BenchArgs, console: &Console, began: Instant) -> anyhow::Result<()> {
    if args.start {
        return start(args, console, began);
    }
    // An invalid file is reported before anything is measured.
    let before = args.compare.as_ref().map(|path| saved(path)).transpose()?;
    let device = args.device.open_to_measure(console)?;
    if let Some(entry) = &args.sweep {
        return sweep_table(args, entry, &device, console);
    }
    let runs = args.runs as usize;
    let is = |what: What| args.what == what || args.what == What::All;
    let unfused = if args.unfused { " unfused" } else { "" };
    let checked = if args.device.checked { " checked" } else { "" };
    let is_of_class = device.tiles == Tiles::of(device.info.class());
    let tiles = if is_of_class { String::new() } else { format!(" {}", device.tiles) };
    let mut report = Report::of(&device.info, format!("{}{unfused}{checked}{tiles}", Shown::from(&args.network)));
    // Measured first, so that the peak of memory is that of the epoch.
    if is(What::Epoch) {
        let folder = temporary_folder()?;
        let run = prepared(args, runs.min(3), None, console)?;
        report.epoch = Some(epoch(&device, run, &folder.path().join("run"))?);
    }
    if is(What::Kernels) || is(What::Step) {
        report.ceilings = Some(ceilings(&device, runs)?);
        let network = asked(args)?;
        for &batch in &args.batch {
            let setting = setting(args, &network, batch, &device);
            report.steps.push(step(&device, &setting, report.ceilings.as_ref())?);
        }
    }
    device.check()?;
    if is(What::Startup) {
        // Only Mesa's shader cache can be disabled from outside.
        let mesa = device.info.driver.contains("Mesa");
        drop(device);
        report.startup = Some(start_up_of_children(&args.data, &child(args), runs, mesa)?);
    }

    if console.json {
        console.result_json(&serde_json::to_value(&report)?);
    } else {
        console.result(text(&report));
    }
    if report.is_busy() {
        console.warn("the times vary widely, so the machine is probably busy; compare them with care");
    }
    if let Some(before) = before {
        if before.adapter != report.adapter {
            console.warn(format!("the earlier results are from another adapter: {}", before.adapter));
        }
        if before.setting != report.setting {
            console.warn(format!("the earlier results are of another setting: {}", before.setting));
        }
        for ratio in compare(&before, &report) {
            let change = format!("{:>6.3}  {}", ratio.ratio(), ratio.what);
            if console.json { console.note(change) } else { console.result(change) }
        }
    }
    Ok(())
}

fn saved(path: &std::path::Path) -> anyhow::Result<Report> {
    let shown = Shown::from(path);
    let text = files::read_text(path, files::LONGEST_TEXT).with_context(|| format!("cannot read {shown}"))?;
    let report: Report =
        serde_json::from_str(&text).with_context(|| format!("{shown} is not a report of `mnist-gpu bench --json`"))?;
    anyhow::ensure!(report.command == "bench", "{shown} is not a report of `mnist-gpu bench --json`");
    Ok(report)
}

/// The requested network, for images like MNIST's if it does not determine their size.
fn asked(args: &BenchArgs) -> anyhow::Result<Network> {
    match args.network.to_str().and_then(network) {
        Some(network) => Ok(network),
        None => Ok(Architecture::find(&args.network)?.network([1, 28, 28], 10)?),
    }
}

fn setting<'a>(args: &BenchArgs, network: &'a Network, batch: u32, device: &Device) -> Setting<'a> {
    Setting {
        network,
        batch: batch as usize,
        tiles: device.tiles,
        unfused: args.unfused,
        runs: args.runs as usize,
        kernels: matches!(args.what, What::Kernels | What::All),
    }
}

/// A training run with the tutorial's recipe, without validation.
fn prepared(args: &BenchArgs, epochs: usize, steps: Option<u64>, console: &Console) -> anyhow::Result<Prepared> {
    let source = args.cache.locator().locate(&args.data, &|_, _, _| {})?;
    if let Some(notice) = &source.notice {
        console.warn(notice);
    }
    let config = Config {
        data: source.wanted.clone(),
        epochs,
        batch: args.batch[0] as usize,
        validation: 0,
        limit: args.limit,
        steps,
        ..Config::default()
    };
    Ok(Prepared::train(config, source)?)
}

/// Arguments of a child process that starts up as this command would.
fn child(args: &BenchArgs) -> Vec<OsString> {
    let mut line: Vec<OsString> = ["bench", "--start", "-q"].map(OsString::from).to_vec();
    let values = [
        ("--data", Some(args.data.clone().into_os_string())),
        ("--batch", Some(args.batch[0].to_string().into())),
        ("--adapter", args.device.adapter.clone().map(OsString::from)),
        ("--limit", args.limit.map(|n| n.to_string().into())),
        ("--cache", args.cache.cache.clone().map(PathBuf::into_os_string)),
        ("--device-memory", args.device.device_memory.map(|n| n.to_string().into())),
        ("--tiles", args.device.tiles.map(|tiles| tiles.to_string().into())),
    ];
    line.extend(values.into_iter().filter_map(|(flag, value)| Some([flag.into(), value?])).flatten());
    let flags =
        [("--offline", args.cache.offline), ("--checked", args.device.checked), ("--no-tuned", args.device.no_tuned)];
    line.extend(flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.into()));
    line
}

/// A folder for a run that is only measured.
fn temporary_folder() -> anyhow::Result<tempfile::TempDir> {
    tempfile::tempdir().context("cannot create a temporary folder for a run; set TMPDIR to a writable folder")
}

fn start(args: &BenchArgs, console: &Console, began: Instant) -> anyhow::Result<()> {
    let folder = temporary_folder()?;
    let open = || args.device.open(console);
    let start = start_up(began, || prepared(args, 1, Some(1), console), open, &folder.path().join("run"))?;
    console.result_json(&serde_json::to_value(start)?);
    Ok(())
}

fn sweep_table(args: &BenchArgs, entry: &str, device: &Device, console: &Console) -> anyhow::Result<()> {
    let known = Tiles::CANDIDATES.map(|(name, _)| name);
    let batch = args.batch[0];
    anyhow::ensure!(
        known.iter().any(|name| name.contains(entry)),
        "the tile table has no entry with {entry:?} in its name; its entries are {}",
        known.join(", ")
    );
    let network = asked(args)?;
    let all = sweep(device, &setting(args, &network, batch, device), entry, |candidate| {
        let ratio = match &candidate.ratio {
            Some(ratio) => format!("{:.3} of the table's time ({:.3} to {:.3})", ratio.median, ratio.low, ratio.high),
            None => "does not fit".into(),
        };
        let mark = if candidate.current { ", the table's value" } else { "" };
        console.note(format!("{:14} {:>5}  {ratio}{mark}", candidate.entry, candidate.value));
    })?;
    let mut best = Vec::new();
    for entry in known.iter().filter(|name| name.contains(entry)) {
        let of = all.iter().filter(|c| c.entry == *entry).filter_map(|c| Some((c, c.ratio?.median)));
        let Some((winner, ratio)) = of.min_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        best.push(serde_json::json!({"entry": entry, "best": winner.value, "ratio": ratio}));
        if !console.json {
            console.result(format!("{entry:14} {:>5}  {ratio:.3}", winner.value));
        }
    }
    if console.json {
        let report = serde_json::json!({"command": "bench", "adapter": device.info, "batch": batch, "sweep": best});
        console.result_json(&report);
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    if let Some(c) = &report.ceilings {
        lines.push(format!("ceilings: {:.1} GFLOP/s, {:.2} GB/s", c.flops * 1e-9, c.bytes * 1e-9));
    }
    report.steps.iter().for_each(|step| lines.extend(step_lines(step)));
    lines.extend(report.epoch.iter().map(epoch_line));
    lines.extend(report.startup.iter().map(start_line));
    lines.join("\n")
}

/// Formats a step as a table.
pub fn step_lines(step: &StepTimes) -> Vec<String> {
    let width = step.kernels.iter().map(|k| k.label.len()).fold(22, usize::max);
    let mut lines = Vec::new();
    if !step.kernels.is_empty() {
        lines.push(format!(
            "{:width$} {:>10} {:>10} {:>6} {:>9} {:>8}  of the ceiling",
            format!("batch {}", step.batch),
            "dispatches",
            "us",
            "spread",
            "GFLOP/s",
            "GB/s"
        ));
    }
    lines.extend(step.kernels.iter().map(|kernel| kernel_line(kernel, width)));
    if let Some(between) = step.between_kernels {
        lines.push(format!("{:width$} {:>10} {:>10.1}", "between kernels", "", between * 1e6));
    }
    lines.push(format!(
        "{:width$} {:>10} {:>10.1} {:>5.0}% {:>9.0} images/s",
        format!("step of {}", step.batch),
        step.dispatches,
        step.step.median * 1e6,
        100.0 * step.step.spread(),
        step.images_per_second
    ));
    lines
}

fn kernel_line(k: &KernelTimes, width: usize) -> String {
    let rate = |count: u64| count as f64 * 1e-9 / k.seconds.median;
    let sparse = if k.sparse_flops == k.flops {
        String::new()
    } else {
        format!(", {:.0} % without zeros", 100.0 * k.sparse_share)
    };
    format!(
        "{:width$} {:>10} {:>10.1} {:>5.0}% {:>9.2} {:>8.3}  {:.0} % of {}{sparse}",
        k.label,
        k.dispatches,
        k.seconds.median * 1e6,
        100.0 * k.seconds.spread(),
        rate(k.flops),
        rate(k.bytes),
        100.0 * k.share,
        k.ceiling
    )
}

fn epoch_line(e: &EpochTimes) -> String {
    let cpu = e.cpu_seconds.map_or(String::new(), |s| format!(", {s:.2} s of CPU time"));
    let memory = e.peak_memory.map_or(String::new(), |bytes| format!(", peak memory {} MB", bytes >> 20));
    format!(
        "epoch of {} {} images, batch {}: {:.2} s, spread {:.0} %, {:.0} images/s{cpu}{memory}",
        e.images,
        e.data,
        e.batch,
        e.seconds.median,
        100.0 * e.seconds.spread(),
        e.images_per_second
    )
}

fn start_line(s: &StartUp) -> String {
    let cold = s.cold_total.map_or(String::new(), |s| format!("; {s:.2} s with an empty shader cache"));
    format!(
        "startup and first step: {:.2} s (data {:.2}, device {:.2}, upload and pipelines {:.2}, step {:.2}){cold}",
        s.total.median, s.data.median, s.device.median, s.pipelines.median, s.first_step.median
    )
}
