//! The command line: one file per command, flags in, report out, no arithmetic.
//!
//! Results go to standard output, everything else to standard error.

mod adapters;
mod bench;
mod console;
mod data;
mod draw;
mod eval;
mod flags;
mod network;
mod plan;
mod predict;
mod recipe;
mod run;
mod show;
mod train;
mod verify;

use crate::data::{DataError, Locator, Pictures, Prepare, Source, Unfit};
use crate::files;
use crate::gpu::{Device, GpuError, Selection};
use crate::kernels::{DeviceClass, Tiles};
use crate::model::Model;
use crate::text::{self, Argument};
use crate::train::TrainError;
pub use bench::step_lines;
use clap::error::ContextValue;
use clap::{Args, Parser, Subcommand, ValueEnum};
use console::Console;
use flags::Flags;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Train, fine-tune and evaluate small image classifiers with hand-written kernels on any GPU.
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
    Verify(verify::VerifyArgs),
    Plan(plan::PlanArgs),
    Network(network::NetworkArgs),
    Bench(bench::BenchArgs),
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
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Device")]
struct DeviceArgs {
    /// auto, vulkan, metal, dx12, gl, a number as `adapters` lists it, or part of a name
    ///
    /// `auto` takes a discrete GPU, else an integrated one, else a software device. Without the flag, WGPU_ADAPTER_NAME
    /// and WGPU_BACKEND count.
    #[arg(long, value_name = "WHICH")]
    adapter: Option<String>,
    /// Keep wgpu's run-time checks inside the kernels
    #[arg(long)]
    checked: bool,
    /// Bytes of a data set that may lie on the device, such as 64M; what is more is streamed [default: what it can bind]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    device_memory: Option<u64>,
    /// The kernels and tile sizes of this class of devices, whatever the device is [default: its own]
    #[arg(long, value_enum, value_name = "CLASS")]
    tiles: Option<Class>,
}

/// A class of devices, by which tile sizes are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Class {
    Software,
    Integrated,
    Discrete,
}

impl From<Class> for DeviceClass {
    fn from(class: Class) -> DeviceClass {
        match class {
            Class::Software => DeviceClass::Software,
            Class::Integrated => DeviceClass::Integrated,
            Class::Discrete => DeviceClass::Discrete,
        }
    }
}

/// A number of bytes, with K, M or G behind it for powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).filter(|&bytes| bytes > 0);
    bytes.ok_or_else(|| "a size is a whole number above 0, with K, M or G behind it or nothing".into())
}

impl DeviceArgs {
    fn open(&self, console: &Console) -> anyhow::Result<Device> {
        self.opened(Device::open(&self.selection(), self.checked)?, console)
    }

    /// The same with timestamps, where the adapter has them.
    fn open_to_measure(&self, console: &Console) -> anyhow::Result<Device> {
        self.opened(Device::open_to_measure(&self.selection(), self.checked)?, console)
    }

    fn selection(&self) -> Selection {
        Selection::from_flag_or_env(self.adapter.as_deref())
    }

    fn opened(&self, mut device: Device, console: &Console) -> anyhow::Result<Device> {
        device.device_memory = self.device_memory;
        console.note(format!("adapter {}", device.info));
        if let Some(class) = self.tiles {
            device.tiles = Tiles::of(class.into());
            console.note(format!("tile sizes of {} devices", format!("{class:?}").to_lowercase()));
        }
        if device.info.is_software() {
            console.note("this is a software device: the CPU plays the GPU");
        }
        Ok(device)
    }
}

#[derive(Args)]
struct SourceArgs {
    #[command(flatten)]
    settings: Flags<flags::Data>,
    #[command(flatten)]
    cache: CacheArgs,
}

/// The preparation to use: what a model was trained with. Another that is asked for would feed it what it never saw.
fn agreed(asked: Option<Prepare>, model: Option<&Model>) -> anyhow::Result<Option<Prepare>> {
    match (asked, model) {
        (Some(asked), Some(model)) if asked != model.prepare => anyhow::bail!(
            "--prepare {asked} is asked for, but the model was trained on images prepared by {}; leave --prepare out",
            model.prepare
        ),
        (asked, model) => Ok(model.map(|model| model.prepare).or(asked)),
    }
}

/// Puts the number of pictures that are not used into a report, if there are any.
fn add_passed_over(report: &mut serde_json::Value, source: &Source) {
    let pictures = source.pictures_passed_over();
    if pictures > 0 {
        report["passed_over"] = pictures.into();
    }
}

/// Puts the number of pictures that were left out into a report, if there are any.
fn add_skipped(report: &mut serde_json::Value, skipped: &[DataError]) {
    if !skipped.is_empty() {
        report["skipped"] = skipped.len().into();
    }
}

/// Says which pictures were left out.
fn tell_skipped(skipped: &[DataError], console: &Console) {
    if !skipped.is_empty() {
        console.warn(format!("{} pictures are left out", skipped.len()));
        skipped.iter().for_each(|error| console.note(format!("  {error}")));
    }
}

/// The same, and which pictures have nothing on them.
fn tell_unfit(unfit: &Unfit, console: &Console) {
    let Unfit { skipped, blank } = unfit;
    tell_skipped(skipped, console);
    if !blank.is_empty() {
        console.warn(format!(
            "no ink is found on {} pictures; look at them with `data show`, or train with --prepare resize, which looks for none",
            blank.len()
        ));
        blank.iter().take(LISTED).for_each(|path| console.note(format!("  {}", text::Shown::from(path))));
        if blank.len() > LISTED {
            console.note(format!("  and {} more", blank.len() - LISTED));
        }
    }
}

/// `conv1, bn1 and conv2`.
fn listed(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// Things of one kind, such as mistakes, that are named for a person.
const LISTED: usize = 10;

impl CacheArgs {
    /// Finds a set, and says what there is to be said about it.
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
            console.warn(format!("{} pictures are passed over", source.pictures_passed_over()));
            passed_over.iter().take(LISTED).for_each(|one| console.note(format!("  {one}")));
            if passed_over.len() > LISTED {
                console.note(format!("  and more in {} other places", passed_over.len() - LISTED));
            }
        }
        Ok(source)
    }
}

#[derive(Args)]
#[command(next_help_heading = "Cache of data sets")]
struct CacheArgs {
    /// Where fetched sets live [default: MNIST_GPU_CACHE, else the platform's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Never fetch
    #[arg(long)]
    offline: bool,
}

impl CacheArgs {
    fn locator(&self) -> Locator {
        Locator { cache: self.cache.clone(), offline: self.offline, pictures: Pictures::default() }
    }
}

/// The program: reads its command line, runs it, and says how it ended. `began` is when the program did.
pub fn main(began: Instant) -> ExitCode {
    Argument::show_flags();
    let cli = match Cli::try_parse_from(wild::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    let console = Console::new(cli.output.json, cli.output.quiet, cli.output.verbose);
    let ended = run(cli.command, &console, began).and_then(|()| console.finish());
    let Err(error) = ended else { return ExitCode::SUCCESS };
    // Where even this cannot be written, the exit code says it.
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

/// Ends the process without waiting for anything, such as a driver.
fn end_at_once(code: i32) -> ! {
    files::abandon_all();
    #[cfg(unix)]
    // SAFETY: it takes a number and does not return.
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}

/// Says what is wrong with a command line, or what was asked about it.
fn usage(mut error: clap::Error) -> ExitCode {
    if let Some(problem) = std::error::Error::source(&error).filter(|_| flags::is_of_file(&error)) {
        let _ = writeln!(std::io::stderr(), "mnist-gpu: {}", text::lines(problem));
        return ExitCode::FAILURE;
    }
    // It repeats what was typed, or what a wildcard stood for.
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
            let _ = writeln!(std::io::stderr(), "mnist-gpu: standard output cannot be written: {e}");
            ExitCode::FAILURE
        }
        _ => ExitCode::from(error.exit_code() as u8),
    }
}

/// Runs a command.
///
/// # Errors
/// Whatever went wrong, as a message that names the thing and the remedy.
fn run(command: Command, console: &Console, began: Instant) -> anyhow::Result<()> {
    match command {
        Command::Train(args) => train::train(args, console),
        Command::Finetune(args) => train::finetune(args, console),
        Command::Eval(args) => eval::run(&args, console),
        Command::Predict(args) => predict::run(&args, console),
        Command::Verify(args) => verify::run(&args, console),
        Command::Plan(args) => plan::run(&args, console),
        Command::Network(args) => network::run(&args, console),
        Command::Bench(args) => bench::run(&args, console, began),
        Command::Adapters(args) => adapters::run(&args, console),
        Command::Data(args) => data::run(&args, console),
    }
}
