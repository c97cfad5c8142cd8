//! `train` and `finetune`.

use super::recipe::{Recipe, TEACHING, THAWING, named_or_absolute};
use super::{Console, DeviceArgs, SourceArgs};
use crate::data::{Locator, Source};
use crate::model::{Architecture, ArchitectureError, Model, PRETRAINED, newest_run};
use crate::text::Shown;
use crate::train::{BEST, Config, Event, MODEL, Outcome, Prepared, Trainer, check_free};
use anyhow::Context;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgGroup, Args};
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

/// Train the tutorial's network; ends with the accuracy on the test images
#[derive(Args)]
pub struct TrainArgs {
    #[command(flatten)]
    common: Common,
    /// Start from the parameters of this file
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    init: Option<PathBuf>,
}

/// Go on from a model with some layers frozen, on another, small set
#[derive(Args)]
pub struct FinetuneArgs {
    /// A model file, a run folder, or `pretrained` [default: the newest run under ./runs]
    #[arg(conflicts_with = "resume")]
    model: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(group = ArgGroup::new(TEACHING).args(["teacher", "recipe"]).multiple(true))]
#[command(group = ArgGroup::new(THAWING).args(["unfreeze_after", "recipe"]).multiple(true))]
struct Common {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// tutorial, fast, best, or a file with any of these settings, such as a run's recipe.toml; flags beat it
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "resume")]
    recipe: Option<PathBuf>,
    /// Times every training image is used [default: 10, the tutorial's]
    #[arg(long, value_name = "N", value_parser = super::recipe::epochs)]
    epochs: Option<usize>,
    /// tutorial, lenet5, deep, or a TOML file with a list of layers [default: tutorial]
    ///
    /// `network NAME` prints each; a file looks like `layers = [ { conv = { channels = 10, kernel = 5 } }, { max_pool = { size
    /// = 2 } }, "batch_norm", "relu", { linear = { units = 50 } }, "relu", { dropout = { percent = 50 } } ]`. A linear layer
    /// with as many units as there are classes follows. `finetune` keeps the network of its model.
    #[arg(long, value_name = "NAME|FILE", value_parser = OsStringValueParser::new().try_map(network))]
    #[arg(conflicts_with = "resume")]
    network: Option<PathBuf>,
    #[command(flatten)]
    settings: Recipe,
    /// Stop after N steps
    #[arg(long, value_name = "N", value_parser = super::recipe::steps)]
    steps: Option<u64>,
    /// Stop when the validation has not become better for N epochs; the best model is kept as best.safetensors
    #[arg(long, value_name = "N", value_parser = super::recipe::patience)]
    patience: Option<usize>,
    /// The run's folder; must not exist, or be empty [default: runs/<UTC time>]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Go on in this run's folder where it was stopped or ended; --epochs is the new total
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
}

/// Only what is no network's name and no file is a wrong command line; what a file says is another matter.
fn network(wanted: OsString) -> Result<PathBuf, ArchitectureError> {
    match Architecture::find(&wanted) {
        Err(error @ ArchitectureError::Unknown { .. }) => Err(error),
        _ => Ok(wanted.into()),
    }
}

impl Common {
    /// The settings of the command line, over those of the recipe for a network; its own where none is given.
    fn recipe(&self, network: Option<&Architecture>) -> anyhow::Result<Recipe> {
        let own = self.network.as_deref().map(Architecture::find).transpose()?;
        let network = network.cloned().or(own.clone());
        let settings = self.settings.clone().with(own, &self.source, self.epochs, self.steps, self.patience);
        let file = self.recipe.as_deref().map(|path| Recipe::find(path, network.as_ref())).transpose()?;
        settings.over_file(file.unwrap_or_default())
    }

    fn resume(&self, run: &Path, console: &Console) -> anyhow::Result<Prepared> {
        if self.source.prepare.is_some() {
            super::agreed(self.source.prepare, Some(&Model::load(run)?))?;
        }
        let locator: Locator = self.source.cache.locator();
        let change = |config: &mut Config| {
            config.steps = self.steps;
            config.skip_bad |= self.source.skip_bad;
            if self.patience.is_some() {
                config.patience = self.patience;
            }
            if let Some(epochs) = self.epochs {
                config.epochs = epochs;
            }
            if let Some(data) = &self.source.data {
                config.data = data.clone();
            }
        };
        let prepared = Prepared::resume(run, &locator, change, &|f, got, of| console.fetching(f, got, of));
        console.clear_bar();
        prepared.with_context(|| format!("cannot resume {}", Shown::from(run)))
    }
}

/// Runs `train`.
///
/// # Errors
/// Whatever went wrong.
pub fn train(args: TrainArgs, console: &Console) -> anyhow::Result<()> {
    let began = Instant::now();
    if let Some(run) = &args.common.resume {
        let prepared = args.common.resume(run, console)?;
        return carry_out(prepared, run, &args.common, console, began);
    }
    let out = out_folder(&args.common)?;
    let recipe = Recipe::from_init(args.init).over(args.common.recipe(None)?);
    if let (Some(model), Some(path)) = (recipe.model(), &args.common.recipe) {
        let (model, path) = (Shown::from(model), Shown::from(path));
        anyhow::bail!(
            "{path} is of a run that fine-tuned {model}; repeat it with `mnist-gpu finetune --recipe {path}`"
        );
    }
    let source = args.common.source.cache.locate(recipe.data(), recipe.pictures(None)?, console)?;
    let held_out = default_validation(&recipe, &source)?;
    let mut config = recipe.config(&source, recipe.frozen().unwrap_or_default(), held_out)?;
    config.init = recipe.init().map(named_or_absolute).transpose()?;
    let prepared = Prepared::train(config, source)?;
    carry_out(prepared, &out, &args.common, console, began)
}

/// What the set itself holds out; else 5000, or half of a set too small for that.
fn default_validation(recipe: &Recipe, source: &Source) -> anyhow::Result<usize> {
    let (None, limit) = recipe.validation() else { return Ok(0) };
    Ok(match source.training_images()? {
        [images, 0] => Config::default().validation.min(images.min(limit.unwrap_or(usize::MAX)) / 2),
        [_, held_out] => held_out,
    })
}

/// Runs `finetune`.
///
/// # Errors
/// Whatever went wrong.
pub fn finetune(args: FinetuneArgs, console: &Console) -> anyhow::Result<()> {
    let began = Instant::now();
    if let Some(run) = &args.common.resume {
        let prepared = args.common.resume(run, console)?;
        return carry_out(prepared, run, &args.common, console, began);
    }
    let out = out_folder(&args.common)?;
    let kept =
        args.common.network.as_ref().map(|_| "network").or(args.common.settings.activation().map(|_| "activation"));
    if let Some(kept) = kept {
        anyhow::bail!(
            "finetune keeps the {kept} of its model; leave --{kept} out, or train another with `mnist-gpu train`"
        );
    }
    let path = match &args.model {
        Some(path) => model_path(Some(path))?,
        None => model_path(args.common.recipe(None)?.model())?,
    };
    let model = Model::load(&path)?;
    let network = Architecture::of(&model.network);
    let recipe = args.common.recipe(Some(&network))?.of_model(network);
    let frozen = recipe.frozen().unwrap_or_else(|| model.network.convolutions());
    model.network.check_frozen(&frozen)?;
    let source = args.common.source.cache.locate(recipe.data(), recipe.pictures(Some(&model))?, console)?;
    console.note(format!("model {}", Shown::from(&path)));
    let [_, held_out] = source.training_images()?;
    let config = recipe.config(&source, frozen, held_out)?;
    let config = Config { model: Some(named_or_absolute(&path)?), prepare: model.prepare, ..config };
    let prepared = Prepared::finetune(config, source, model)?;
    carry_out(prepared, &out, &args.common, console, began)
}

/// The model that was named, or the newest run's.
pub(super) fn model_path(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let run = match named {
        Some(path) => path.to_path_buf(),
        None => newest_run(Path::new("runs"))?,
    };
    Ok(crate::model::model_file(&run)?)
}

/// The model that was named, or the newest run's, or the one inside the program; and what it is called.
pub(super) fn model_or_pretrained(named: Option<&Path>, console: &Console) -> anyhow::Result<(String, Model)> {
    let path = match model_path(named) {
        Err(_) if named.is_none() => {
            console.note("there is no run under ./runs, so the pretrained network is used");
            PathBuf::from(PRETRAINED)
        }
        path => path?,
    };
    Ok((Shown::from(&path).to_string(), Model::load(&path)?))
}

/// `conv1, bn1 and conv2`.
fn listed(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// The folder of a new run, checked before any work is done.
fn out_folder(common: &Common) -> anyhow::Result<PathBuf> {
    if let Some(out) = &common.out {
        check_free(out)?;
        return Ok(out.clone());
    }
    let folder = Path::new("runs").join(run_name(SystemTime::now()));
    check_free(&folder)?;
    Ok(folder)
}

/// The name of a run that starts at `now`: its UTC time to the millisecond, so that runs started together get different names,
/// or nanoseconds since 1970 where the clock is too far off for a date.
fn run_name(now: SystemTime) -> String {
    let since = match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |nanos| -nanos),
    };
    let date = time::OffsetDateTime::from_unix_timestamp_nanos(since).ok();
    let Some(now) = date.filter(|date| (0..=9999).contains(&date.year())) else {
        return format!("at-{since}");
    };
    let (date, [h, m, s]) = (now.date(), [now.hour(), now.minute(), now.second()]);
    format!("{date}T{h:02}-{m:02}-{s:02}.{:03}Z", now.millisecond())
}

fn carry_out(prepared: Prepared, out: &Path, common: &Common, console: &Console, began: Instant) -> anyhow::Result<()> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let device = common.device.open(console)?;
    let config = prepared.config.clone();
    let counts = [prepared.indices.len(), prepared.held_out.len(), prepared.test.labels.len()];
    let classes = prepared.model.network.classes();
    let source = prepared.source.clone().context("a run has its data from somewhere")?;
    let (command, data) = (prepared.command, source.name.clone());
    let mut described = json!({"name": data, "train": counts[0], "validation": counts[1], "test": counts[2]});
    super::add_skipped(&mut described, &prepared.unfit.skipped);
    super::add_passed_over(&mut described, &source);
    console.note(format!(
        "data {data} ({}): {} images to train on, {} for validation, {} to test; {classes} classes",
        source.place(),
        counts[0],
        counts[1],
        counts[2]
    ));
    super::tell_unfit(&prepared.unfit, console);
    prepared.notes.iter().for_each(|note| console.warn(note));
    let trainable = prepared.model.network.trainable_count(&config.frozen);
    console.note(format!(
        "seed {}, {} epochs, batch {}, {}; {trainable} of {} parameters learn{}",
        config.seed,
        config.epochs,
        config.batch,
        config.describe(),
        prepared.model.network.parameter_count(),
        if config.frozen.is_empty() { String::new() } else { format!(", {} frozen", listed(&config.frozen)) }
    ));

    listen_for_signals(&STOP)?;
    let tell = |event: &Event| tell(event, console, &config);
    let trainer = Trainer::new(&device, prepared, Some(out), &STOP, &tell)?;
    console.note(format!("run {}", Shown::from(out)));
    let setup = began.elapsed();
    let outcome = trainer.train();
    console.clear_bar();
    let outcome = outcome?;
    let done = outcome.reports.len();
    match Config::best(&outcome.reports) {
        Some(best) if config.is_stalled(&outcome.reports) && done < config.epochs => console.note(format!(
            "stopped after epoch {done}: none was better since epoch {best}, which is kept in {}",
            Shown::from(&outcome.folder.join(BEST))
        )),
        Some(best) if best < done => {
            console
                .note(format!("epoch {best} was the best; it is kept in {}", Shown::from(&outcome.folder.join(BEST))));
        }
        _ => {}
    }
    report(&outcome, command, described, &device, &config.frozen, [setup, began.elapsed()], console);
    Ok(())
}

/// Sets `stop` at Ctrl-C, and at what ends a process in good order: SIGTERM, and SIGHUP where it is not ignored, as `nohup`
/// has it. A second one ends the program at once.
fn listen_for_signals(stop: &'static AtomicBool) -> anyhow::Result<()> {
    let handler = || {
        if stop.swap(true, Ordering::Relaxed) {
            super::end_at_once(130);
        }
    };
    #[cfg(unix)]
    // SAFETY: a signal's disposition is asked for and set, and no function is installed.
    let hang_up_is_ignored = unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
    };
    ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
    #[cfg(unix)]
    if hang_up_is_ignored {
        // SAFETY: the same.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
    Ok(())
}

fn tell(event: &Event, console: &Console, config: &Config) {
    match event {
        Event::Progress { epoch, rows, of, step, loss } => {
            let template = "{msg} [{bar:30}] {percent:>3} %, {rate} images/s, {eta} left";
            let message = format!("epoch {epoch} of {}, step {step}, loss {loss:.4}", config.epochs);
            console.bar(&format!("epoch {epoch}"), *rows as u64, Some(*of as u64), template, message);
        }
        Event::Epoch(report) => {
            console.clear_bar();
            let validation = match (report.validation_loss, report.validation_accuracy) {
                (Some(loss), Some(accuracy)) => {
                    format!(", validation loss {loss:.4}, accuracy {:.2} %", 100.0 * accuracy)
                }
                _ => String::new(),
            };
            console.note(format!(
                "epoch {:>2} of {}: loss {:.4}{validation}, {:.2} s, {:.0} images/s",
                report.epoch, config.epochs, report.train_loss, report.seconds, report.images_per_second
            ));
        }
        Event::Features { layers, images, seconds } => console.note(format!(
            "{} computed once for {images} images, in {seconds:.2} s: nothing that learns lies below",
            listed(layers)
        )),
        Event::Unfrozen { epoch, layers } => {
            let (verb, layers) = (if layers.len() == 1 { "learns" } else { "learn" }, listed(layers));
            console.note(format!("from epoch {epoch} on {layers} {verb} too, at {} of the rate", config.unfreeze_rate));
        }
        Event::Step { step, loss } => console.detail(format!("step {step}: loss {loss:.6}")),
        _ => {}
    }
}

fn report(
    outcome: &Outcome,
    command: &str,
    data: serde_json::Value,
    device: &crate::gpu::Device,
    frozen: &[String],
    [setup, total]: [std::time::Duration; 2],
    console: &Console,
) {
    let (tested, model) = (outcome.test.predicted.len(), outcome.folder.join(MODEL));
    let accuracy = outcome.correct as f64 / tested as f64;
    if !console.json {
        console.result(format!(
            "test accuracy {:.2} % ({} of {tested}), loss {:.4}",
            100.0 * accuracy,
            outcome.correct,
            outcome.test.mean_loss()
        ));
        console.result(format!("model {}", Shown::from(&model)));
        return;
    }
    let network = &outcome.model.network;
    console.result_json(&json!({
        "command": command,
        "run": outcome.folder.display().to_string(),
        "model": model.display().to_string(),
        "adapter": device.info,
        "data": data,
        "network": {
            "parameters": network.parameter_count(),
            "trainable": network.trainable_count(frozen),
            "frozen": frozen,
        },
        "steps": outcome.steps,
        "dispatches_per_step": outcome.dispatches_per_step,
        "epochs": outcome.reports,
        "test": {
            "correct": outcome.correct,
            "total": tested,
            "accuracy": accuracy,
            "loss": outcome.test.mean_loss(),
        },
        "seconds": {
            "setup": setup.as_secs_f64(),
            "train": outcome.train_time.as_secs_f64(),
            "total": total.as_secs_f64(),
        },
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_run_has_a_name_whatever_the_clock_says() {
        for (seconds, name) in [
            (1_795_694_400, "2026-11-26T12-00-00.000Z"),
            (-200_000_000, "1963-08-31T04-26-40.000Z"),
            (253_402_300_800, "at-253402300800000000000"),
            (900_000_000_000_000, "at-900000000000000000000000"),
            (-100_000_000_000, "at--"),
        ] {
            let (by, epoch) = (Duration::from_secs(i64::unsigned_abs(seconds)), SystemTime::UNIX_EPOCH);
            match if seconds < 0 { epoch.checked_sub(by) } else { epoch.checked_add(by) } {
                Some(time) => assert!(run_name(time).starts_with(name), "{seconds}"),
                // The clock of Windows has an end.
                None => assert_ne!(std::env::consts::FAMILY, "unix", "{seconds}"),
            }
        }
    }
}
