//! `train` and `finetune`: settings, data and model of a run.

use super::flags::{FineTuning, Flags, Select, Training};
use super::run::{FEW, carry_out, carry_out_on};
use super::{CacheArgs, Console, DeviceArgs, recipe};
use crate::data::Source;
use crate::gpu::Device;
use crate::model::{Architecture, Model, PRETRAINED, newest_run};
use crate::optimizers::Optimizer;
use crate::settings::{Augment, Config, Recipe, RecipeFile, Setting, Value, Visit};
use crate::text::{Argument, Shown};
use crate::train::{Prepared, Sources, as_trained, check_free, evaluate_model};
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// Train a network; ends with the accuracy on the test images
#[derive(Args)]
pub struct TrainArgs {
    #[command(flatten)]
    common: Common<Training>,
}

/// Continue from a model with some layers frozen, usually on another, small set
#[derive(Args)]
pub struct FinetuneArgs {
    /// A model file, a run folder, or `pretrained` [default: the newest run under ./runs]
    #[arg(conflicts_with = "resume")]
    model: Option<PathBuf>,
    #[command(flatten)]
    common: Common<FineTuning>,
}

#[derive(Args)]
struct Common<S: Select> {
    #[command(flatten)]
    settings: Flags<S>,
    /// tutorial, fast, best, or a file with any of these settings, such as a run's recipe.toml; flags override it
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "resume")]
    recipe: Option<PathBuf>,
    /// Folder of the run; must not exist, or be empty [default: runs/<UTC time>]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Continue the run in this folder where it stopped or ended; --epochs is the new total
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Write a page about the run into its folder at the end, as `report` does
    #[arg(long)]
    report: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

impl<S: Select> Common<S> {
    /// The cache options for the report, if `--report` is given.
    fn page(&self) -> Option<&CacheArgs> {
        self.report.then_some(&self.cache)
    }

    /// The recipe file, which is empty if none is given.
    fn file(&self) -> anyhow::Result<RecipeFile> {
        self.recipe.as_deref().map_or_else(|| Ok(RecipeFile::default()), recipe::find)
    }

    fn resume(&self, run: &Path, console: &Console) -> anyhow::Result<Prepared> {
        let flags = &self.settings.recipe;
        if flags.prepare.is_some() {
            super::agreed(flags.prepare, Some(&Model::load(run)?))?;
        }
        let change = |config: &mut Config| {
            // A number of steps holds for one start only.
            config.steps = None;
            flags.clone().apply(config);
        };
        let progress = |file: &str, got, of| console.fetching(file, got, of);
        let prepared = Prepared::resume(run, &self.cache.locator(), change, &progress);
        console.clear_bar();
        prepared.with_context(|| format!("cannot resume {}", Shown::from(run)))
    }
}

/// Runs `train`.
///
/// # Errors
/// Any error.
pub fn train(args: TrainArgs, console: &Console) -> anyhow::Result<()> {
    let (began, common) = (Instant::now(), args.common);
    if let Some(run) = &common.resume {
        let prepared = common.resume(run, console)?;
        return carry_out(prepared, run, &common.device, common.page(), console, began);
    }
    let out = out_folder(common.out.as_deref())?;
    let wanted = recipe::merged(&common.settings.recipe, common.file()?, None)?;
    if let (Some(model), Some(path)) = (&wanted.model, &common.recipe) {
        let (model, path) = (Shown::from(model), Shown::from(path));
        anyhow::bail!(
            "{path} is of a run that fine-tuned {model}; repeat it with `mnist-gpu finetune --recipe {path}`"
        );
    }
    if wanted.keep_testing.is_some() {
        anyhow::bail!("--keep-testing applies to finetune only: a new network has nothing to forget");
    }
    let source = common.cache.locate(recipe::data(&wanted), recipe::pictures(&wanted, None)?, console)?;
    let held_out = default_validation(&wanted, &source)?;
    let given = Recipe { validation: wanted.validation.or(Some(held_out)), ..wanted };
    let prepared = Prepared::train(recipe::located(given, &source)?.config(), source)?;
    carry_out(prepared, &out, &common.device, common.page(), console, began)
}

/// Size of the set's own validation part if it has one; otherwise 5000 images, or half of a set below 10,000.
fn default_validation(recipe: &Recipe, source: &Source) -> anyhow::Result<usize> {
    if recipe.validation.is_some() {
        return Ok(0);
    }
    Ok(match source.training_images()? {
        [images, 0] => Config::default().validation.min(images.min(recipe.limit.unwrap_or(usize::MAX)) / 2),
        [_, held_out] => held_out,
    })
}

/// Runs `finetune`.
///
/// # Errors
/// Any error.
pub fn finetune(args: FinetuneArgs, console: &Console) -> anyhow::Result<()> {
    let (began, common) = (Instant::now(), args.common);
    if let Some(run) = &common.resume {
        let prepared = common.resume(run, console)?;
        return carry_out(prepared, run, &common.device, common.page(), console, began);
    }
    let out = out_folder(common.out.as_deref())?;
    common.settings.recipe.clone().visit(&mut NotFixed).map_err(anyhow::Error::msg)?;
    let (flags, file) = (&common.settings.recipe, common.file()?);
    let path = match args.model {
        Some(path) => Some(path),
        None => recipe::merged(flags, file.clone(), None)?.model,
    };
    let path = model_path(path.as_deref())?;
    let model = loaded(&path, console)?;
    let network = Architecture::of(&model.network);
    let wanted = recipe::merged(flags, file, Some(&network))?;
    let freeze = wanted.freeze.clone().unwrap_or_else(|| model.network.convolutions());
    model.network.check_frozen(&freeze)?;
    let pictures = recipe::pictures(&wanted, Some(&model))?;
    let source = common.cache.locate(recipe::data(&wanted), pictures, console)?;
    let old = wanted
        .keep_testing
        .as_deref()
        .map(|old| common.cache.locate(old, as_trained(pictures, &model), console))
        .transpose()?;
    console.note(format!("model {}", Shown::from(&path)));
    let [images, held_out] = source.training_images()?;
    let images = images.min(wanted.limit.unwrap_or(images));
    let with_replayed = (images as f64 * (1.0 + wanted.replay.unwrap_or(0.0))) as usize;
    let few = common.recipe.is_none() && images < FEW && wanted.leaves_optimizer();
    let (mut optimizer, mut epochs, mut augment) = (wanted.optimizer, wanted.epochs, wanted.augment);
    if few {
        optimizer = Some(Optimizer::Adam);
        let steps = with_replayed.div_ceil(wanted.batch.unwrap_or(Config::default().batch)).max(1);
        epochs = epochs.or_else(|| wanted.steps.is_none().then(|| (STEPS_OF_FEW / steps).clamp(10, 200)));
        augment = augment.or_else(|| "digits".parse().ok());
        console.note(format!(
            "{images} training images are few, so adam is used, with --augment {}; --recipe tutorial does without",
            augment.as_ref().map(Augment::to_string).unwrap_or_default()
        ));
    }
    let given = Recipe {
        optimizer,
        epochs,
        augment,
        model: Some(path),
        init: None,
        network: Some(network),
        activation: None,
        freeze: Some(freeze),
        validation: wanted.validation.or(Some(held_out)),
        keep_testing: old.as_ref().map(|old| old.wanted.clone()),
        ..wanted
    };
    let config = Recipe { prepare: Some(model.prepare), ..recipe::located(given, &source)? }.config();
    let mut prepared = Prepared::finetune(config, Sources { data: source, old }, model)?;
    let device = common.device.open_for_run(&mut prepared.config, false, console)?;
    if few {
        be_gentle(&device, &mut prepared, console)?;
    }
    carry_out_on(&device, prepared, &out, common.page(), console, began)
}

/// Lowers the learning rate for few images that the model reads already: it has more to lose from them than to gain.
fn be_gentle(device: &Device, prepared: &mut Prepared, console: &Console) -> anyhow::Result<()> {
    let mut train = prepared.train.clone();
    let seen = evaluate_model(device, &prepared.model, &mut train)?;
    let is_new = |image: &usize| !prepared.replayed.contains(image);
    let images = (0..train.labels.len()).filter(is_new).count();
    let is_right = |&image: &usize| seen.predicted[image] == u32::from(train.labels[image]);
    let correct = (0..train.labels.len()).filter(is_new).filter(is_right).count();
    if correct as f64 >= KNOWN * images as f64 {
        prepared.config.lr = GENTLE;
        console.note(format!("the model reads {correct} of {images} training images already, so --lr is {GENTLE}"));
    }
    Ok(())
}

/// Approximate number of steps of fine-tuning on few images.
const STEPS_OF_FEW: usize = 800;

/// Share of the training images that a model reads from which on fine-tuning on few images is gentle, and its learning rate.
const KNOWN: f64 = 0.9;
const GENTLE: f64 = 1e-4;

/// Rejects settings that `finetune` takes from its model.
struct NotFixed;

impl Visit for NotFixed {
    type Error = String;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), String> {
        let flag = Argument(setting.key);
        match value.as_ref().filter(|_| setting.options.fixed_by_model) {
            Some(_) => Err(format!(
                "{flag} does not apply to finetune, which takes it from its model; omit it, or train another model with \
                 `mnist-gpu train`"
            )),
            None => Ok(()),
        }
    }
}

/// The model that was named, or the newest run's.
pub(super) fn model_path(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let run = match named {
        Some(path) => path.to_path_buf(),
        None => newest_run(Path::new("runs"))?,
    };
    Ok(crate::model::model_file(&run)?)
}

/// The model that was named, or the newest run's, or the one inside the program.
pub(super) fn path_or_pretrained(named: Option<&Path>, console: &Console) -> anyhow::Result<PathBuf> {
    match model_path(named) {
        Err(_) if named.is_none() => {
            console.note("there is no run under ./runs, so the pretrained network is used");
            Ok(PathBuf::from(PRETRAINED))
        }
        path => path,
    }
}

/// The model at [`path_or_pretrained`], and what it is called.
pub(super) fn model_or_pretrained(named: Option<&Path>, console: &Console) -> anyhow::Result<(String, Model)> {
    let path = path_or_pretrained(named, console)?;
    Ok((Shown::from(&path).to_string(), loaded(&path, console)?))
}

/// Loads a model, and says what was done to the names of its tensors.
pub(super) fn loaded(path: &Path, console: &Console) -> anyhow::Result<Model> {
    let model = Model::load(path)?;
    model.notices.iter().for_each(|notice| console.note(notice));
    Ok(model)
}

/// The folder of a new run, checked before any work is done.
fn out_folder(wanted: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = wanted.map_or_else(|| Path::new("runs").join(run_name(SystemTime::now())), Path::to_path_buf);
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
