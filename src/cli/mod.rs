//! The command line, one file per command. Commands read flags and print reports; they compute nothing themselves.
//!
//! Results go to standard output, everything else to standard error.

mod adapters;
mod answers;
mod bench;
mod console;
mod data;
mod draw;
mod eval;
mod explain;
mod flags;
mod kept;
mod network;
mod plan;
mod predict;
mod prediction;
mod recipe;
mod report;
mod run;
mod serve;
mod show;
mod train;
mod tune;
mod tuned;
mod verify;

use crate::data::{DataError, Locator, Pictures, Prepare, Source, Unfit};
use crate::files;
use crate::gpu::{Device, GpuError, Selection};
use crate::model::Model;
use crate::settings::{Config, TileSizes};
use crate::text::{self, Argument, Shown};
use crate::train::TrainError;
pub use bench::step_lines;
use clap::error::ContextValue;
use clap::{Args, Parser, Subcommand};
use console::Console;
use flags::Flags;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tuned::Tuned;

/// Train, fine-tune and evaluate small image classifiers with hand-written kernels on any GPU
#[derive(Parser)]
#[command(name = "mnist-gpu", version, about, max_term_width = 100, subcommand_required = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Finetune(train::FinetuneArgs),
    Eval(eval::EvalArgs),
    Predict(predict::PredictArgs),
    Explain(explain::ExplainArgs),
    Report(report::ReportArgs),
    Serve(serve::ServeArgs),
    Verify(verify::VerifyArgs),
    Plan(plan::PlanArgs),
    Network(network::NetworkArgs),
    Bench(bench::BenchArgs),
    Tune(tune::TuneArgs),
    Adapters(adapters::AdaptersArgs),
    Data(data::DataArgs),
}

#[derive(Args)]
#[command(next_display_order = 1000)]
struct Output {
    /// Print one JSON object to standard output
    #[arg(long, global = true)]
    json: bool,
    /// Print only errors and the result
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Also print the loss of single steps
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Clone, Args)]
#[command(next_help_heading = "Device")]
struct DeviceArgs {
    /// Adapter: auto, vulkan, metal, dx12, gl, an index from `adapters`, or part of a name
    ///
    /// `auto` prefers a discrete GPU, then an integrated one, then a software device. Without the flag, the environment
    /// variables WGPU_ADAPTER_NAME and WGPU_BACKEND are used.
    #[arg(long, value_name = "WHICH")]
    adapter: Option<String>,
    /// Keep wgpu's run-time checks in the kernels
    #[arg(long)]
    checked: bool,
    /// Maximum size of a data set on the device, such as 64M; a larger set is streamed [default: the device's limit]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    device_memory: Option<u64>,
    /// Use the kernels and tile sizes of this device class: software, integrated or discrete, optionally with other sizes,
    /// such as discrete,conv_o=5 [default: the sizes found by `tune`, or those of the device's own class]
    #[arg(long, value_name = "TILES", value_parser = flags::parser::<TileSizes>(()))]
    tiles: Option<TileSizes>,
    /// Do not use the tile sizes found by `tune`
    #[arg(long)]
    no_tuned: bool,
}

/// Parses a number of bytes with an optional suffix K, M or G, which stand for powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).filter(|&bytes| bytes > 0);
    bytes.ok_or_else(|| "it takes a whole number above 0, optionally followed by K, M or G".into())
}

impl DeviceArgs {
    fn open(&self, console: &Console) -> anyhow::Result<Device> {
        let device = self.opened(Device::open(&self.selection(), self.checked)?, console);
        Ok(with_tiles(device, self.wanted(), console))
    }

    /// Same as [`DeviceArgs::open`], with timestamps if the adapter has them.
    fn open_to_measure(&self, console: &Console) -> anyhow::Result<Device> {
        let device = self.opened(Device::open_to_measure(&self.selection(), self.checked)?, console);
        Ok(with_tiles(device, self.wanted(), console))
    }

    /// Same as [`DeviceArgs::open_to_measure`], without the tile sizes found by `tune`.
    fn open_untuned(&self, console: &Console) -> anyhow::Result<Device> {
        let device = self.opened(Device::open_to_measure(&self.selection(), self.checked)?, console);
        Ok(with_tiles(device, Some(self.tiles.unwrap_or(TileSizes::OfClass)), console))
    }

    /// For a run. It records its tile sizes unless they are those of the device's class, and keeps them if it is resumed.
    fn open_for_run(&self, config: &mut Config, resumed: bool, console: &Console) -> anyhow::Result<Device> {
        let device = self.opened(Device::open(&self.selection(), self.checked)?, console);
        let of_class = device.tiles;
        let wanted = self.wanted().or(config.tiles).or(resumed.then_some(TileSizes::OfClass));
        let device = with_tiles(device, wanted, console);
        config.tiles = (device.tiles != of_class).then_some(TileSizes::Table(device.tiles));
        if wanted.is_none() && !device.info.is_software() && matches!(kept::load::<Tuned>(&device.info), Ok(None)) {
            console.note("`mnist-gpu tune` finds the tile sizes that suit this device best, in less than a minute");
        }
        Ok(device)
    }

    /// The tile sizes that the command line asks for.
    fn wanted(&self) -> Option<TileSizes> {
        self.tiles.or(self.no_tuned.then_some(TileSizes::OfClass))
    }

    fn selection(&self) -> Selection {
        Selection::from_flag_or_env(self.adapter.as_deref())
    }

    fn opened(&self, mut device: Device, console: &Console) -> Device {
        device.device_memory = self.device_memory;
        console.note(format!("adapter {}", device.info));
        if device.info.is_software() {
            console.note("this is a software device: the shaders run on the CPU");
        }
        device
    }
}

/// Sets the tile sizes: those that are wanted, else those found by `tune`, else those of the device's class.
fn with_tiles(mut device: Device, wanted: Option<TileSizes>, console: &Console) -> Device {
    let tiles = match wanted {
        Some(TileSizes::OfClass) => return device,
        Some(TileSizes::Table(tiles)) => {
            console.note(format!("tile sizes {tiles}"));
            tiles
        }
        None => match kept::load::<Tuned>(&device.info) {
            Ok(Some(tuned)) if tuned.tiles != device.tiles => {
                console.note(format!("tile sizes {}, found by `mnist-gpu tune`", tuned.tiles));
                tuned.tiles
            }
            Ok(_) => return device,
            Err(error) => {
                console.warn(format!("the tile sizes found by `mnist-gpu tune` are not used: {error:#}; tune again"));
                return device;
            }
        },
    };
    device.tiles = tiles;
    device
}

#[derive(Args)]
struct SourceArgs {
    #[command(flatten)]
    settings: Flags<flags::Data>,
    #[command(flatten)]
    cache: CacheArgs,
}

/// The preparation to use: that of the model, if there is one. A request for another is an error, since the model was
/// not trained on such images.
fn agreed(asked: Option<Prepare>, model: Option<&Model>) -> anyhow::Result<Option<Prepare>> {
    match (asked, model) {
        (Some(asked), Some(model)) if asked != model.prepare => anyhow::bail!(
            "--prepare {asked} does not match the model, whose training images were prepared by {}; omit the flag",
            model.prepare
        ),
        (asked, model) => Ok(model.map(|model| model.prepare).or(asked)),
    }
}

/// Adds the number of unused pictures to a report, if there are any.
/// Checks where a sheet of pictures is to be written.
fn check_png(out: Option<&Path>) -> anyhow::Result<()> {
    let Some(out) = out else { return Ok(()) };
    anyhow::ensure!(!out.exists(), "{} exists; choose another --out", Shown::from(out));
    let is_png = out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    anyhow::ensure!(is_png, "{} would be a PNG; choose an --out that ends in .png", Shown::from(out));
    Ok(())
}

fn add_passed_over(report: &mut serde_json::Value, source: &Source) {
    let pictures = source.pictures_passed_over();
    if pictures > 0 {
        report["passed_over"] = pictures.into();
    }
}

/// Adds the number of skipped pictures to a report, if there are any.
fn add_skipped(report: &mut serde_json::Value, skipped: &[DataError]) {
    if !skipped.is_empty() {
        report["skipped"] = skipped.len().into();
    }
}

/// Prints which pictures were skipped.
fn tell_skipped(skipped: &[DataError], console: &Console) {
    if !skipped.is_empty() {
        console.warn(format!("pictures skipped: {}", skipped.len()));
        skipped.iter().for_each(|error| console.note(format!("  {error}")));
    }
}

/// Prints which pictures were skipped and which are blank.
fn tell_unfit(unfit: &Unfit, console: &Console) {
    let Unfit { skipped, blank, scaled } = unfit;
    if let Some([height, width]) = scaled {
        console.warn(format!(
            "the images have {height}x{width} pixels, so they are prepared like pictures for the network"
        ));
    }
    tell_skipped(skipped, console);
    if !blank.is_empty() {
        console.warn(format!(
            "pictures without ink: {}; inspect them with `data show`, or train with --prepare resize, which needs none",
            blank.len()
        ));
        blank.iter().take(LISTED).for_each(|path| console.note(format!("  {}", text::Shown::from(path))));
        if blank.len() > LISTED {
            console.note(format!("  and {} more", blank.len() - LISTED));
        }
    }
}

/// Formats names as `conv1, bn1 and conv2`.
fn listed(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// Maximum length of lists in text output, such as that of wrong predictions.
const LISTED: usize = 10;

impl CacheArgs {
    /// Finds a data set, and prints notices about it.
    fn locate(&self, wanted: &Path, pictures: Pictures, console: &Console) -> anyhow::Result<Source> {
        let locator = Locator { pictures, ..self.locator() };
        let source = locator.locate(wanted, &|file, got, of| console.fetching(file, got, of));
        console.clear_bar();
        let source = source?;
        if let Some(notice) = &source.notice {
            console.warn(notice);
        }
        let passed_over = source.passed_over();
        if !passed_over.is_empty() {
            console.warn(format!("pictures not used: {}", source.pictures_passed_over()));
            passed_over.iter().take(LISTED).for_each(|one| console.note(format!("  {one}")));
            if passed_over.len() > LISTED {
                console.note(format!("  and more in {} other places", passed_over.len() - LISTED));
            }
        }
        Ok(source)
    }
}

#[derive(Args)]
#[command(next_help_heading = "Data set cache")]
struct CacheArgs {
    /// Folder for downloaded data sets [default: MNIST_GPU_CACHE, or the platform's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Never download
    #[arg(long)]
    offline: bool,
}

impl CacheArgs {
    fn locator(&self) -> Locator {
        Locator { cache: self.cache.clone(), offline: self.offline, pictures: Pictures::default() }
    }
}

/// The program: parses the command line, runs the command and returns the exit code. `began` is when the process began.
pub fn main(began: Instant) -> ExitCode {
    Argument::show_flags();
    let cli = match Cli::try_parse_from(wild::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    let console = Console::new(cli.output.json, cli.output.quiet, cli.output.verbose);
    let ended = run(cli.command, &console, began).and_then(|()| console.finish());
    let Err(error) = ended else { return ExitCode::SUCCESS };
    // If even this cannot be written, only the exit code reports the error.
    let _ = writeln!(std::io::stderr(), "mnist-gpu: {}", text::lines(format_args!("{error:#}")));
    if error.chain().any(is_silence) {
        end_at_once(1);
    }
    ExitCode::FAILURE
}

/// Returns true for an unresponsive device, on which a normal exit would hang: drivers wait for the device.
fn is_silence(error: &(dyn std::error::Error + 'static)) -> bool {
    let gpu = match error.downcast_ref() {
        Some(TrainError::Gpu(error) | TrainError::Interrupted { error, .. }) => Some(error),
        _ => error.downcast_ref::<GpuError>(),
    };
    matches!(gpu, Some(GpuError::Silent(_)))
}

/// Ends the process at once, without waiting for drivers.
fn end_at_once(code: i32) -> ! {
    files::abandon_all();
    #[cfg(unix)]
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}

/// Prints an error in the command line, or the requested help or version.
fn usage(mut error: clap::Error) -> ExitCode {
    if let Some(problem) = std::error::Error::source(&error).filter(|_| flags::is_of_file(&error)) {
        let _ = writeln!(std::io::stderr(), "mnist-gpu: {}", text::lines(problem));
        return ExitCode::FAILURE;
    }
    // The error repeats what was typed, or what a wildcard expanded to.
    let typed: Vec<_> = error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in typed {
        if let ContextValue::String(text) = value {
            error.insert(kind, ContextValue::String(text::Shown::from(text).to_string()));
        }
    }
    let printed = match error.use_stderr() {
        true => write!(std::io::stderr(), "{}", text::lines(&error)),
        false => error.print().and_then(|()| std::io::stdout().flush()),
    };
    match printed {
        Err(e) if !error.use_stderr() && e.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(std::io::stderr(), "mnist-gpu: cannot write to standard output: {e}");
            ExitCode::FAILURE
        }
        _ => ExitCode::from(error.exit_code() as u8),
    }
}

/// Runs a command.
///
/// # Errors
/// Any error; the message names the cause and the remedy.
fn run(command: Command, console: &Console, began: Instant) -> anyhow::Result<()> {
    match command {
        Command::Train(args) => train::train(args, console),
        Command::Finetune(args) => train::finetune(args, console),
        Command::Eval(args) => eval::run(&args, console),
        Command::Predict(args) => predict::run(&args, console),
        Command::Explain(args) => explain::run(&args, console),
        Command::Report(args) => report::run(&args, console),
        Command::Serve(args) => serve::run(&args, console),
        Command::Verify(args) => verify::run(&args, console),
        Command::Plan(args) => plan::run(&args, console),
        Command::Network(args) => network::run(&args, console),
        Command::Bench(args) => bench::run(&args, console, began),
        Command::Tune(args) => tune::run(&args, console),
        Command::Adapters(args) => adapters::run(&args, console),
        Command::Data(args) => data::run(&args, console),
    }
}
