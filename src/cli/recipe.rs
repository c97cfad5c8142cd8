//! What decides a training: flags, and recipe files that hold the same under the same names.

use super::SourceArgs;
use crate::data::{Pictures, Prepare, Source};
use crate::files;
use crate::kernels::Activation;
use crate::model::{Architecture, Model, NETWORKS, PRETRAINED};
use crate::optimizers::Optimizer;
use crate::paths;
use crate::text::Shown;
use crate::train::settings::{self, Range};
use crate::train::{Augment, Config, Rates, Schedule, image_size, optional_seed};
use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Settings of a training, each of which may be absent. A flag is a key of a recipe file, without its dashes in front.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
#[group(id = "training", multiple = true, conflicts_with = "resume")]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none", with = "paths::optional")]
    data: Option<PathBuf>,
    /// Classes: labels from N on are refused, and a class without images counts too [default: as the labels count up to]
    #[arg(long, value_name = "N", value_parser = classes)]
    classes: Option<usize>,
    #[arg(skip)]
    prepare: Option<Prepare>,
    #[arg(skip)]
    skip_bad: Option<bool>,
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none", with = "paths::optional")]
    init: Option<PathBuf>,
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none", with = "paths::optional")]
    model: Option<PathBuf>,
    #[arg(skip)]
    network: Option<Architecture>,
    /// In place of the network's own activation [default: the network's]
    #[arg(long, value_parser = word(Activation::WORDS, Activation::of))]
    activation: Option<Activation>,
    #[arg(skip)]
    epochs: Option<usize>,
    #[arg(skip)]
    steps: Option<u64>,
    /// Images in a batch [default: 64]
    #[arg(long, value_name = "N", value_parser = batch)]
    batch: Option<usize>,
    /// How parameters follow their gradients, by PyTorch's formulas [default: sgd]
    ///
    /// Where a recipe has another, its learning rate and what else belongs to that optimizer does not count.
    #[arg(long, value_parser = word(Optimizer::WORDS, Optimizer::of), value_name = "NAME")]
    optimizer: Option<Optimizer>,
    /// Learning rate [default: 0.01; 0.001 for adam and adamw]
    #[arg(long, value_name = "F", value_parser = above_zero)]
    lr: Option<f64>,
    /// Momentum of sgd and rmsprop, PyTorch's: v = momentum * v + gradient, w = w - lr * v [default: 0.5 for sgd]
    #[arg(long, value_name = "F", value_parser = fraction)]
    momentum: Option<f64>,
    /// Nesterov's momentum, for sgd
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    nesterov: Option<bool>,
    /// Weight decay: added to the gradient, or taken from the weights by adamw [default: 0; 0.01 for adamw]
    #[arg(long, value_name = "F", value_parser = from_zero)]
    weight_decay: Option<f64>,
    /// Adam's mean of gradients [default: 0.9]
    #[arg(long, value_name = "F", value_parser = fraction)]
    beta1: Option<f64>,
    /// Adam's and rmsprop's mean of squared gradients [default: 0.999; 0.99 for rmsprop]
    #[arg(long, value_name = "F", value_parser = fraction)]
    beta2: Option<f64>,
    /// What adam and rmsprop add to a root before they divide by it [default: 1e-8]
    #[arg(long, value_name = "F", value_parser = above_zero)]
    eps: Option<f64>,
    /// Scale the gradient down where its norm over all parameters is larger
    #[arg(long, value_name = "NORM", value_parser = above_zero)]
    clip: Option<f64>,
    /// How the rate changes: constant, step:EPOCHS:FACTOR, cosine or one-cycle [default: constant]
    ///
    /// `step:5:0.1` multiplies the rate by 0.1 after each 5 epochs. `cosine` ends at 0 after --epochs. `one-cycle` rises from
    /// a 25th of --lr over 30 % of the steps, and falls to almost nothing.
    #[arg(long, value_name = "SHAPE")]
    schedule: Option<Schedule>,
    /// Epochs, such as 0.5, over which the rate grows from nothing [default: 0]
    #[arg(long, value_name = "EPOCHS", value_parser = from_zero)]
    warmup: Option<f64>,
    /// Share of the inputs of every linear layer but the first that is left out in each step
    #[arg(long, value_name = "F", value_parser = percent)]
    dropout: Option<f64>,
    /// Part of a label that is spread evenly over all classes [default: 0]
    #[arg(long, value_name = "F", value_parser = fraction)]
    label_smoothing: Option<f64>,
    /// Learn from this model's answers as well: a model file, a run folder or `pretrained`
    #[arg(long, value_name = "MODEL")]
    #[serde(default, skip_serializing_if = "Option::is_none", with = "paths::optional")]
    teacher: Option<PathBuf>,
    /// By which the logits of both are divided before they are compared [default: 4]
    #[arg(long, value_name = "F", value_parser = above_zero, requires = TEACHING)]
    temperature: Option<f64>,
    /// The teacher's share of the loss, from 0 to 1; the labels have the rest [default: 0.7]
    #[arg(long, value_name = "F", value_parser = share, requires = TEACHING)]
    alpha: Option<f64>,
    /// Change training images at random: none, digits, things, or a list such as shift=2,rotate=10 [default: none]
    ///
    /// shift and elastic in pixels, rotate and shear in degrees, scale and erase in percent, crop in whole pixels; flip mirrors
    /// half of the images. `digits` does not flip: a mirrored digit or letter is another one, or none; shoes and shirts stay
    /// what they are, so `things` does. Each image changes anew in each epoch, by --seed.
    #[arg(long, value_name = "SPEC")]
    augment: Option<Augment>,
    /// Decides initial parameters, split and order of images [default: 0]
    #[arg(long, value_name = "N")]
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_seed")]
    seed: Option<u64>,
    /// Images of the training file held out for validation; 0 for none [default: 5000 for train, 0 for finetune, or a
    /// set's folder val]
    ///
    /// Without the flag, `train` takes half of a set of fewer than 10,000 images. Where there is a folder val, all of it is
    /// for validation whatever the number, unless that is 0.
    #[arg(long, value_name = "N", value_parser = validation)]
    validation: Option<usize>,
    /// Only the first N training images, in file order
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<usize>,
    #[arg(skip)]
    shuffle: Option<bool>,
    /// Batches in file order
    #[arg(long)]
    #[serde(skip)]
    no_shuffle: bool,
    /// Layers that do not learn, separated by commas, or none [default: none for train, every conv layer for finetune]
    #[arg(long, value_name = "LAYERS")]
    freeze: Option<String>,
    /// Epochs after which frozen layers learn too [default: never]
    #[arg(long, value_name = "N", value_parser = unfreeze_after)]
    unfreeze_after: Option<usize>,
    /// What the learning rate of those layers is then multiplied by [default: 0.1]
    #[arg(long, value_name = "F", value_parser = above_zero, requires = THAWING)]
    unfreeze_rate: Option<f64>,
    /// What the learning rates of layers are multiplied by, such as conv1=0.1,fc2=2 [default: none]
    #[arg(long, value_name = "LAYER=F")]
    rates: Option<Rates>,
    #[arg(skip)]
    patience: Option<usize>,
    /// Steps between loss entries in events.jsonl [default: 100]
    #[arg(long, value_name = "N", value_parser = log_every)]
    log_every: Option<u64>,
    /// In a file alone: by the name of a network, what holds for that one.
    #[arg(skip)]
    #[serde(default, rename = "for", skip_serializing)]
    networks: BTreeMap<String, Recipe>,
}

/// What some flags want beside them: another flag, or a recipe that may hold the same.
pub(super) const TEACHING: &str = "teaching";
pub(super) const THAWING: &str = "thawing";

/// Takes from the first of several places that has a setting.
macro_rules! first_of {
    ($a:expr, $b:expr; $($field:ident),+) => {
        Recipe { $($field: $a.$field.or($b.$field)),+, no_shuffle: false, networks: BTreeMap::new() }
    };
}

/// Parses a value by its word.
fn word<T: Clone + Send + Sync + 'static>(
    words: &'static [&'static str],
    of: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(move |word| of(&word).ok_or("there is none"))
}

impl Recipe {
    /// A recipe that comes with the program, by its name, or one from a file: what it says of every network, or of this one,
    /// or of its own where none is given.
    ///
    /// # Errors
    /// The file cannot be read, or holds a key or a value that is none; the message has the line, and the nearest key.
    pub fn find(path: &Path, network: Option<&Architecture>) -> anyhow::Result<Recipe> {
        let text = match RECIPES.iter().find(|(name, _)| path == Path::new(name)) {
            Some((_, text)) => text.to_string(),
            None => files::read_text(path, files::LONGEST_TEXT).with_context(|| {
                let hint = nearest(path.to_str().unwrap_or_default(), &RECIPES.map(|(name, _)| name));
                format!("cannot read recipe {}{hint}", Shown::from(path))
            })?,
        };
        let recipe = || -> anyhow::Result<Recipe> {
            let table: toml::Table = text.parse()?;
            let known = toml::Table::try_from(Config::default())?;
            let known: Vec<&str> = known.keys().map(String::as_str).chain(OPTIONAL).chain([FOR]).collect();
            let of_networks = table.get(FOR).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
            let tables = of_networks.filter_map(toml::Value::as_table).chain([&table]);
            if let Some(unknown) = tables.flat_map(toml::Table::keys).find(|key| !known.contains(&key.as_str())) {
                anyhow::bail!("unknown key {unknown:?}{}", nearest(unknown, &known));
            }
            toml::from_str::<Recipe>(&text)?.checked()?.of(network)
        };
        recipe().with_context(|| format!("recipe {}", Shown::from(path)))
    }

    /// What holds for a network: its own settings go before those of all.
    fn of(mut self, network: Option<&Architecture>) -> anyhow::Result<Recipe> {
        let mut networks = std::mem::take(&mut self.networks);
        for (name, special) in &mut networks {
            let known = NETWORKS.contains(&name.as_str());
            anyhow::ensure!(known, "{FOR}.{name}: there is no such network{}", nearest(name, &NETWORKS));
            let nested = special.network.is_some() || !special.networks.is_empty();
            anyhow::ensure!(!nested, "{FOR}.{name} is of a network already, and cannot name one");
            *special = std::mem::take(special).checked().with_context(|| format!("{FOR}.{name}"))?;
        }
        let network = network.or(self.network.as_ref()).cloned().unwrap_or_default();
        Ok(networks.remove(&network.to_string()).unwrap_or_default().over(self))
    }

    /// Settings of a file pass the same checks as flags.
    fn checked(self) -> anyhow::Result<Recipe> {
        settings::check(&toml::Table::try_from(&self)?).map_err(anyhow::Error::msg)?;
        Ok(self)
    }

    /// These settings, and from another recipe those that are absent here.
    pub fn over(self, other: Recipe) -> Recipe {
        let shuffle = if self.no_shuffle { Some(false) } else { self.shuffle };
        let this = Recipe { shuffle, ..self };
        first_of!(this, other; data, classes, prepare, skip_bad, init, model, network, activation, epochs, steps, batch, optimizer, lr, momentum, nesterov, weight_decay, beta1, beta2,
            eps, clip, schedule, warmup, dropout, label_smoothing, teacher, temperature, alpha,
            augment, unfreeze_after, unfreeze_rate, rates, patience, seed, validation, limit, shuffle, freeze, log_every)
    }

    /// With what else the command line says.
    pub fn with(
        self,
        network: Option<Architecture>,
        source: &SourceArgs,
        epochs: Option<usize>,
        steps: Option<u64>,
        patience: Option<usize>,
    ) -> Recipe {
        let skip_bad = source.skip_bad.then_some(true);
        Recipe {
            network,
            data: source.data.clone(),
            prepare: source.prepare,
            skip_bad,
            epochs,
            steps,
            patience,
            ..self
        }
    }

    /// A start from the parameters of a file, and nothing else.
    pub fn from_init(init: Option<PathBuf>) -> Recipe {
        Recipe { init, ..Recipe::default() }
    }

    /// These settings over those of a file, which may lack what they belong to.
    ///
    /// # Errors
    /// It does.
    pub fn over_file(self, mut file: Recipe) -> anyhow::Result<Recipe> {
        if let (Some(wanted), Some(other)) = (self.optimizer, file.optimizer)
            && wanted != other
        {
            let (lr, momentum, nesterov, weight_decay) = (None, None, None, None);
            file = Recipe { lr, momentum, nesterov, weight_decay, beta1: None, beta2: None, eps: None, ..file };
        }
        let taught = self.temperature.is_some() || self.alpha.is_some();
        let thawed = self.unfreeze_rate.is_some();
        let recipe = self.over(file);
        anyhow::ensure!(!taught || recipe.teacher.is_some(), "--temperature and --alpha belong to a --teacher");
        anyhow::ensure!(!thawed || recipe.unfreeze_after.is_some(), "--unfreeze-rate belongs to --unfreeze-after");
        Ok(recipe)
    }

    /// For a model whose network is kept.
    pub fn of_model(self, network: Architecture) -> Recipe {
        Recipe { network: Some(network), activation: None, ..self }
    }

    /// The activation, where one is named.
    pub fn activation(&self) -> Option<Activation> {
        self.activation
    }

    /// The file whose parameters a training starts from.
    pub fn init(&self) -> Option<&Path> {
        self.init.as_deref()
    }

    /// The model that a fine-tuning starts from.
    pub fn model(&self) -> Option<&Path> {
        self.model.as_deref()
    }

    /// How pictures are read. A model's own way and size, if there is one, must be those that are asked for.
    ///
    /// # Errors
    /// They are not.
    pub fn pictures(&self, model: Option<&Model>) -> anyhow::Result<Pictures> {
        let prepare = super::agreed(self.prepare, model)?;
        let size = model.map(|model| image_size(&model.network));
        let (skip_bad, seed) = (self.skip_bad.unwrap_or(false), self.seed.unwrap_or(0));
        Ok(Pictures { prepare, skip_bad, seed, size })
    }

    /// The set that is asked for.
    pub fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new("auto"))
    }

    /// Layers to freeze, where something is said about it.
    pub fn frozen(&self) -> Option<Vec<String>> {
        self.freeze.as_deref().map(crate::train::layers)
    }

    /// Everything that a run needs to know: what is absent takes its default. `validation` stands in for an absent one.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn config(&self, source: &Source, frozen: Vec<String>, validation: usize) -> anyhow::Result<Config> {
        let default = Config::default();
        let optimizer = self.optimizer.unwrap_or(default.optimizer);
        let defaults = optimizer.definition().defaults;
        let nesterov = self.nesterov.unwrap_or(default.nesterov);
        let momentum = self.momentum.unwrap_or(defaults.momentum);
        if nesterov {
            anyhow::ensure!(optimizer == Optimizer::Sgd, "--nesterov belongs to --optimizer sgd");
            anyhow::ensure!(momentum > 0.0, "--nesterov needs a --momentum above 0");
        }
        if matches!(optimizer, Optimizer::Adam | Optimizer::Adamw)
            && self.momentum.is_some_and(|momentum| momentum > 0.0)
        {
            anyhow::bail!("{optimizer} has no --momentum; its mean of gradients is --beta1");
        }
        Ok(Config {
            data: source.wanted.clone(),
            classes: self.classes,
            prepare: source.prepare().or(self.prepare).unwrap_or(default.prepare),
            skip_bad: self.skip_bad.unwrap_or(default.skip_bad),
            init: None,
            model: None,
            network: self.network.clone().unwrap_or_default(),
            activation: self.activation,
            epochs: self.epochs.unwrap_or(default.epochs),
            batch: self.batch.unwrap_or(default.batch),
            optimizer,
            lr: self.lr.unwrap_or(defaults.lr),
            momentum,
            nesterov,
            weight_decay: self.weight_decay.unwrap_or(defaults.weight_decay),
            beta1: self.beta1.unwrap_or(default.beta1),
            beta2: self.beta2.unwrap_or(defaults.beta2),
            eps: self.eps.unwrap_or(default.eps),
            clip: self.clip,
            schedule: self.schedule.unwrap_or(default.schedule),
            warmup: self.warmup.unwrap_or(default.warmup),
            dropout: self.dropout,
            label_smoothing: self.label_smoothing.unwrap_or(default.label_smoothing),
            augment: self.augment.unwrap_or(default.augment),
            teacher: self.teacher.as_deref().map(named_or_absolute).transpose()?,
            temperature: self.temperature.unwrap_or(default.temperature),
            alpha: self.alpha.unwrap_or(default.alpha),
            patience: self.patience,
            unfreeze_after: self.unfreeze_after,
            unfreeze_rate: self.unfreeze_rate.unwrap_or(default.unfreeze_rate),
            rates: self.rates.clone().unwrap_or_default(),
            seed: self.seed.unwrap_or(default.seed),
            validation: self.validation.unwrap_or(validation),
            limit: self.limit,
            shuffle: self.shuffle.unwrap_or(default.shuffle),
            steps: self.steps,
            frozen,
            log_every: self.log_every.unwrap_or(default.log_every),
        })
    }

    /// Images held out, where something is said about it; and the limit.
    pub fn validation(&self) -> (Option<usize>, Option<usize>) {
        (self.validation, self.limit)
    }
}

/// The recipes that come with the program.
const RECIPES: [(&str, &str); 3] = [
    ("tutorial", include_str!("../../assets/recipes/tutorial.toml")),
    ("fast", include_str!("../../assets/recipes/fast.toml")),
    ("best", include_str!("../../assets/recipes/best.toml")),
];

/// Keys that a configuration may lack.
const OPTIONAL: [&str; 11] = [
    "classes",
    "init",
    "model",
    "activation",
    "teacher",
    "patience",
    "unfreeze-after",
    "steps",
    "limit",
    "clip",
    "dropout",
];

/// The key of what holds for single networks.
const FOR: &str = "for";

/// A path that means the same from anywhere.
pub(super) fn named_or_absolute(model: &Path) -> std::io::Result<PathBuf> {
    if model == Path::new(PRETRAINED) { Ok(model.into()) } else { std::path::absolute(model) }
}

/// `; did you mean "lr"?`, where something known is near.
pub(super) fn nearest(unknown: &str, known: &[&str]) -> String {
    let score = |name: &str| strsim::jaro_winkler(unknown, name);
    let best = known.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
    match best.filter(|name| score(name) > 0.7) {
        Some(name) => format!("; did you mean {name:?}?"),
        None => format!("; known are {}", known.join(", ")),
    }
}

fn above_zero(text: &str) -> Result<f64, String> {
    Range::AboveZero.parse(text)
}

fn from_zero(text: &str) -> Result<f64, String> {
    Range::FromZero.parse(text)
}

fn share(text: &str) -> Result<f64, String> {
    Range::Share.parse(text)
}

fn fraction(text: &str) -> Result<f64, String> {
    Range::Fraction.parse(text)
}

fn percent(text: &str) -> Result<f64, String> {
    Range::Percent.parse(text)
}

fn batch(text: &str) -> Result<usize, String> {
    settings::count("batch", text)
}

pub(super) fn classes(text: &str) -> Result<usize, String> {
    settings::count("classes", text)
}

fn validation(text: &str) -> Result<usize, String> {
    settings::count("validation", text)
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    settings::count("limit", text)
}

fn unfreeze_after(text: &str) -> Result<usize, String> {
    settings::count("unfreeze-after", text)
}

fn log_every(text: &str) -> Result<u64, String> {
    settings::count("log-every", text).map(|count| count as u64)
}

pub(super) fn epochs(text: &str) -> Result<usize, String> {
    settings::count("epochs", text)
}

pub(super) fn steps(text: &str) -> Result<u64, String> {
    settings::count("steps", text).map(|count| count as u64)
}

pub(super) fn patience(text: &str) -> Result<usize, String> {
    settings::count("patience", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_recipes_are_recipes() {
        for name in ["tutorial", "fast", "best"] {
            Recipe::find(Path::new(name), None).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        }
        let tutorial = Recipe::find(Path::new("tutorial"), None).unwrap();
        let default = Config::default();
        let same = (tutorial.epochs, tutorial.batch, tutorial.lr, tutorial.momentum);
        assert_eq!(same, (Some(default.epochs), Some(default.batch), Some(default.lr), Some(default.momentum)));
    }

    #[test]
    fn a_network_may_have_settings_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        let found = |text: &str, network: Option<&str>| {
            std::fs::write(&path, text).unwrap();
            let network = network.map(|name| Architecture::find(name).unwrap());
            let recipe = Recipe::find(&path, network.as_ref()).unwrap();
            (recipe.epochs, recipe.batch)
        };
        let text = "epochs = 3\nbatch = 7\n[for.deep]\nbatch = 9\n[for.lenet5]\nepochs = 1";
        assert_eq!(found(text, None), (Some(3), Some(7)));
        assert_eq!(found(text, Some("tutorial")), (Some(3), Some(7)));
        assert_eq!(found(text, Some("deep")), (Some(3), Some(9)));
        assert_eq!(found(text, Some("lenet5")), (Some(1), Some(7)));
        let own = format!("network = \"deep\"\n{text}");
        assert_eq!(found(&own, None), (Some(3), Some(9)));
        assert_eq!(found(&own, Some("lenet5")), (Some(1), Some(7)));
        let listed = format!("network = [\"relu\"]\n{text}");
        assert_eq!(found(&listed, None), (Some(3), Some(7)));
    }

    /// Every key that a run writes down can be read again, and means the same.
    #[test]
    fn a_configuration_is_a_recipe() {
        let config = Config {
            limit: Some(7),
            steps: Some(3),
            clip: Some(0.5),
            init: Some("a".into()),
            model: Some("b".into()),
            dropout: Some(0.25),
            ..Config::default()
        };
        let text = toml::to_string(&config).unwrap();
        let recipe: Recipe = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let back = toml::to_string(&recipe).unwrap();
        let (back, text): (toml::Table, toml::Table) = (back.parse().unwrap(), text.parse().unwrap());
        assert_eq!(back, text);
    }
}
