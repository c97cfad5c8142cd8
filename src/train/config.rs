//! The settings of a training run.

use super::settings::{self, Range};
use super::{Augment, EpochReport, Schedule, TrainError};
use crate::data::Prepare;
use crate::kernels::Activation;
use crate::model::Architecture;
use crate::optimizers::{Optimizer, Settings};
use crate::paths;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

/// Everything that determines what a run computes. It is stored in the run folder so that a run can be resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The value of `--data`.
    #[serde(with = "paths")]
    pub data: PathBuf,
    /// Number of classes, if it is not to be derived from the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// How pictures become images, for the data and for pictures that the model classifies later.
    pub prepare: Prepare,
    /// Skip pictures that cannot be read.
    pub skip_bad: bool,
    /// File with the initial parameters.
    #[serde(skip_serializing_if = "Option::is_none", with = "paths::optional")]
    pub init: Option<PathBuf>,
    /// The model that fine-tuning starts from.
    #[serde(skip_serializing_if = "Option::is_none", with = "paths::optional")]
    pub model: Option<PathBuf>,
    pub network: Architecture,
    /// Replaces the network's own activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    pub epochs: usize,
    pub batch: usize,
    pub optimizer: Optimizer,
    pub lr: f64,
    pub momentum: f64,
    /// Use Nesterov momentum, for SGD.
    pub nesterov: bool,
    pub weight_decay: f64,
    /// Decay of Adam's mean of gradients.
    pub beta1: f64,
    /// Decay of Adam's and RMSprop's mean of squared gradients.
    pub beta2: f64,
    pub eps: f64,
    /// Maximum norm of the gradient over all parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    pub schedule: Schedule,
    /// Fraction of the inputs of every linear layer but the first that is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Model to distil from.
    #[serde(skip_serializing_if = "Option::is_none", with = "paths::optional")]
    pub teacher: Option<PathBuf>,
    /// Divisor of both models' logits before they are compared.
    pub temperature: f64,
    /// Weight of the teacher in the loss; the labels get the rest.
    pub alpha: f64,
    /// Number of epochs without a better validation after which a run stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Number of epochs after which frozen layers are unfrozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfreeze_after: Option<usize>,
    /// Learning rate factor of the unfrozen layers.
    pub unfreeze_rate: f64,
    /// Learning rate factors of individual layers.
    pub rates: Rates,
    /// Fraction of a label that is spread over all classes.
    pub label_smoothing: f64,
    pub augment: Augment,
    /// Number of epochs over which the learning rate grows from 0.
    pub warmup: f64,
    #[serde(with = "seed")]
    pub seed: u64,
    pub validation: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    pub shuffle: bool,
    /// Number of steps after which the run stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    #[serde(rename = "freeze", with = "list")]
    pub frozen: Vec<String>,
    pub log_every: u64,
}

impl Default for Config {
    /// The tutorial's settings for MNIST, and PyTorch's defaults for what the tutorial does not use.
    fn default() -> Config {
        Config {
            data: "auto".into(),
            classes: None,
            prepare: Prepare::default(),
            skip_bad: false,
            init: None,
            model: None,
            network: Architecture::default(),
            activation: None,
            epochs: 10,
            batch: 64,
            optimizer: Optimizer::Sgd,
            lr: 0.01,
            momentum: 0.5,
            nesterov: false,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            clip: None,
            schedule: Schedule::Constant,
            dropout: None,
            teacher: None,
            temperature: 4.0,
            alpha: 0.7,
            patience: None,
            unfreeze_after: None,
            unfreeze_rate: 0.1,
            rates: Rates::default(),
            label_smoothing: 0.0,
            augment: Augment::default(),
            warmup: 0.0,
            seed: 0,
            validation: 5000,
            limit: None,
            shuffle: true,
            steps: None,
            frozen: Vec::new(),
            log_every: 100,
        }
    }
}

impl Config {
    /// The defaults of an optimizer, such as Adam's learning rate of 0.001.
    pub fn of(optimizer: Optimizer) -> Config {
        let Settings { lr, momentum, nesterov, weight_decay, beta1, beta2, eps } = optimizer.definition().defaults;
        Config { optimizer, lr, momentum, nesterov, weight_decay, beta1, beta2, eps, ..Config::default() }
    }

    /// Returns the configuration with changes: `Config::default().with(|config| config.epochs = 3)`.
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Config {
        change(&mut self);
        self
    }

    /// Checks every value as a flag or a key of a recipe is checked.
    ///
    /// # Errors
    /// If a value is out of range.
    pub fn check_values(&self) -> Result<(), String> {
        let table = toml::Table::try_from(self).map_err(|e| e.to_string())?;
        settings::check(&table)?;
        table.try_into::<Config>().map(|_| ()).map_err(|e| e.to_string())
    }

    /// Checks that the optimizer uses the momentum that is set.
    ///
    /// # Errors
    /// If it has none, or `nesterov` is set without any.
    pub fn check_optimizer(&self) -> Result<(), String> {
        let Config { optimizer, momentum, nesterov, .. } = *self;
        match optimizer {
            Optimizer::Sgd if nesterov && momentum <= 0.0 => Err("nesterov needs a momentum above 0".into()),
            Optimizer::Sgd => Ok(()),
            _ if nesterov => Err("nesterov belongs to the optimizer sgd".into()),
            Optimizer::Adam | Optimizer::Adamw if momentum > 0.0 => {
                Err(format!("{optimizer} has no momentum; its mean of gradients is beta1"))
            }
            _ => Ok(()),
        }
    }

    /// Rejects settings that would have no effect.
    ///
    /// # Errors
    /// If layers are unfrozen that are not frozen, or after the last epoch, if a layer's rate is not a positive finite
    /// float32 number, or if there is patience without validation images.
    pub fn check(&self, held_out: usize) -> Result<(), TrainError> {
        let idle = |text: String| Err(TrainError::Idle(text));
        if let Some(after) = self.unfreeze_after {
            if self.frozen.is_empty() {
                return idle(
                    "--unfreeze-after has nothing to thaw: no layer is frozen; name some with --freeze".into(),
                );
            }
            if after >= self.epochs {
                return idle(format!(
                    "--unfreeze-after {after} is never reached in {} epochs; take a smaller number, or more --epochs",
                    self.epochs
                ));
            }
        }
        let epochs = [1, self.unfreeze_after.map_or(1, |after| after + 1)];
        for (layer, rate) in epochs.iter().flat_map(|&epoch| self.rates_in(epoch)) {
            if !(rate.is_finite() && rate > 0.0) {
                return idle(format!("the rate of {layer}, --rates times --unfreeze-rate, comes to {rate} as float32"));
            }
        }
        self.check_patience(held_out)
    }

    /// The part of [`Config::check`] that also applies to a resumed run.
    ///
    /// # Errors
    /// If there is patience without validation images.
    pub fn check_patience(&self, held_out: usize) -> Result<(), TrainError> {
        if self.patience.is_some() && held_out == 0 {
            let text = "--patience needs images to validate on; hold some out with --validation";
            return Err(TrainError::Idle(text.into()));
        }
        Ok(())
    }

    /// Layers that are frozen in an epoch. Epochs count from 1.
    pub fn frozen_in(&self, epoch: usize) -> &[String] {
        if self.unfreeze_after.is_some_and(|after| epoch > after) { &[] } else { &self.frozen }
    }

    /// Learning rate factors of layers in an epoch; layers that are not listed have 1.
    pub fn rates_in(&self, epoch: usize) -> Vec<(String, f32)> {
        let thawed = self.frozen.iter().filter(|layer| !self.frozen_in(epoch).contains(layer));
        let mut layers: Vec<&String> = self.rates.0.iter().map(|(layer, _)| layer).chain(thawed.clone()).collect();
        layers.sort();
        layers.dedup();
        let factor = |layer| if thawed.clone().any(|thawed| thawed == layer) { self.unfreeze_rate } else { 1.0 };
        layers.into_iter().map(|layer| (layer.clone(), (factor(layer) * self.rates.of(layer)) as f32)).collect()
    }

    /// The epoch with the best validation, if any: the highest accuracy, then the lowest loss.
    pub fn best(reports: &[EpochReport]) -> Option<usize> {
        let score = |r: &EpochReport| Some((r.validation_accuracy?, -r.validation_loss?));
        let mut best: Option<(usize, (f64, f64))> = None;
        for report in reports {
            if let Some(score) = score(report)
                && best.is_none_or(|(_, other)| score > other)
            {
                best = Some((report.epoch, score));
            }
        }
        best.map(|(epoch, _)| epoch)
    }

    /// Whether the number of epochs since the best one has reached the patience.
    pub fn is_stalled(&self, reports: &[EpochReport]) -> bool {
        let last = reports.last().map_or(0, |report| report.epoch);
        let since = Config::best(reports).map_or(0, |best| last - best);
        self.patience.is_some_and(|patience| since >= patience)
    }
}

/// Learning rate factors of layers, written `conv1=0.1,fc2=2` or `none`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rates(pub Vec<(String, f64)>);

impl Rates {
    fn of(&self, layer: &str) -> f64 {
        self.0.iter().find(|(of, _)| of == layer).map_or(1.0, |(_, rate)| *rate)
    }
}

impl Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(layer, rate)| format!("{layer}={rate}")).collect();
        f.write_str(&if parts.is_empty() { "none".into() } else { parts.join(",") })
    }
}

impl FromStr for Rates {
    type Err = String;
    fn from_str(text: &str) -> Result<Rates, String> {
        let part = |part: &str| {
            let (layer, rate) = part.split_once('=')?;
            let rate = Range::AboveZero.parse(rate).ok()?;
            Some((layer.trim().to_string(), rate))
        };
        let parts = text.split(',').filter(|_| text != "none").map(part).collect::<Option<Vec<_>>>();
        let parts = parts
            .ok_or("it takes layers with factors above 0 that float32 can hold, such as conv1=0.1,fc2=2, or none")?;
        match parts.iter().enumerate().find(|(at, (layer, _))| parts[..*at].iter().any(|(other, _)| other == layer)) {
            Some((_, (layer, _))) => Err(format!("{layer} has two factors")),
            None => Ok(Rates(parts)),
        }
    }
}

super::serde_as_text!(Rates);

/// Serializes a seed. TOML has no integers from 2^63 on, so such a seed is written as text.
pub mod seed {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }

    /// For `#[serde(with = "seed")]`.
    pub fn serialize<S: Serializer>(seed: &u64, to: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(*seed) {
            Ok(number) => to.serialize_i64(number),
            Err(_) => to.serialize_str(&seed.to_string()),
        }
    }

    /// For `#[serde(with = "seed")]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        match Written::deserialize(from) {
            Ok(Written::Number(seed)) => Ok(seed),
            Ok(Written::Text(text)) => {
                text.parse().map_err(|_| D::Error::custom("a seed is a whole number below 2^64"))
            }
            Err(_) => Err(D::Error::custom("a seed is a whole number below 2^64")),
        }
    }
}

/// Serializes an optional seed.
pub mod optional_seed {
    use serde::{Deserializer, Serializer};

    /// For `#[serde(with = "optional_seed")]`, beside `default` and `skip_serializing_if`.
    pub fn serialize<S: Serializer>(seed: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        super::seed::serialize(&seed.unwrap_or(0), to)
    }

    /// For `#[serde(with = "optional_seed")]`, beside `default` and `skip_serializing_if`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        super::seed::deserialize(from).map(Some)
    }
}

/// The seed of the training in a model's metadata, or 0 if there is none.
pub fn seed_of(training: &serde_json::Value) -> u64 {
    #[derive(Deserialize)]
    struct Seed(#[serde(with = "seed")] u64);
    serde_json::from_value(training["config"]["seed"].clone()).map_or(0, |Seed(seed)| seed)
}

/// Serializes layers as `--freeze` takes them: separated by commas, or `none`.
mod list {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(layers: &[String], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&if layers.is_empty() { "none".into() } else { layers.join(",") })
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        Ok(super::layers(&String::deserialize(from)?))
    }
}

/// The layers of a comma-separated list; `none` is the empty list.
pub fn layers(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "none");
    names.map(str::to_string).collect()
}
