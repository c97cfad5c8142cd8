//! What follows from a configuration: checks, its summary, and the settings of each epoch and step.

use super::{Config, Recipe, Setting, Value, Visit};
use crate::optimizers::{self, Optimizer};
use crate::text::Argument;
use std::convert::Infallible;

impl Config {
    /// The defaults of an optimizer, such as Adam's learning rate of 0.001.
    pub fn of(optimizer: Optimizer) -> Config {
        let optimizers::Settings { lr, momentum, nesterov, weight_decay, beta1, beta2, eps } =
            optimizer.definition().defaults;
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
        Recipe::from(self.clone()).visit(&mut Check)
    }

    /// Checks that the optimizer uses the momentum that is set.
    ///
    /// # Errors
    /// If it has none, or `nesterov` is set without any.
    pub fn check_optimizer(&self) -> Result<(), String> {
        let [nesterov, momentum, beta1] = ["nesterov", "momentum", "beta1"].map(Argument);
        match self.optimizer {
            Optimizer::Sgd if self.nesterov && self.momentum <= 0.0 => {
                Err(format!("{nesterov} needs a {momentum} above 0"))
            }
            Optimizer::Sgd => Ok(()),
            _ if self.nesterov => Err(format!("{nesterov} applies to the optimizer sgd only")),
            Optimizer::Adam | Optimizer::Adamw if self.momentum > 0.0 => {
                Err(format!("{} has no {momentum}; the decay rate of its mean of gradients is {beta1}", self.optimizer))
            }
            _ => Ok(()),
        }
    }

    /// Rejects settings that would have no effect.
    ///
    /// # Errors
    /// If layers are unfrozen that are not frozen, or after the last epoch, if a layer's rate is not a positive finite
    /// float32 number, or if there is patience without validation images.
    pub fn check(&self, held_out: usize) -> Result<(), String> {
        let [unfreeze_after, freeze, epochs] = ["unfreeze-after", "freeze", "epochs"].map(Argument);
        if let Some(after) = self.unfreeze_after {
            if self.freeze.is_empty() {
                return Err(format!("{unfreeze_after} has no effect: no layer is frozen; name some with {freeze}"));
            }
            if after >= self.epochs {
                return Err(format!(
                    "{unfreeze_after} {after} is never reached in {} epochs; use a smaller number, or more {epochs}",
                    self.epochs
                ));
            }
        }
        let epochs = [1, self.unfreeze_after.map_or(1, |after| after + 1)];
        for (layer, rate) in epochs.iter().flat_map(|&epoch| self.rates_in(epoch)) {
            if !(rate.is_finite() && rate > 0.0) {
                let [rates, unfreeze_rate] = ["rates", "unfreeze-rate"].map(Argument);
                return Err(format!("the rate of {layer}, {rates} times {unfreeze_rate}, is {rate} as float32"));
            }
        }
        self.check_patience(held_out)
    }

    /// The part of [`Config::check`] that also applies to a resumed run.
    ///
    /// # Errors
    /// If there is patience without validation images.
    pub fn check_patience(&self, held_out: usize) -> Result<(), String> {
        if self.patience.is_some() && held_out == 0 {
            let [patience, validation] = ["patience", "validation"].map(Argument);
            return Err(format!("{patience} needs validation images; hold some out with {validation}"));
        }
        Ok(())
    }

    /// The optimizer and all other settings of the training method that are not the default.
    pub fn summary(&self) -> String {
        let of_optimizer = (self.optimizer.definition().describe)(&self.optimizer_settings());
        let mut list = vec![format!("{}, lr {}", self.optimizer, self.lr), of_optimizer];
        let mut recipe = Recipe::from(self.clone());
        let present = recipe.present();
        let Ok(()) = recipe.visit(&mut Summary { list: &mut list, present });
        list.join(", ")
    }

    /// Key and value of every setting that is present, as they are shown to the user.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = Entries(Vec::new());
        let Ok(()) = Recipe::from(self.clone()).visit(&mut entries);
        entries.0
    }

    /// The settings of the optimizer.
    pub fn optimizer_settings(&self) -> optimizers::Settings {
        let Config { lr, momentum, nesterov, weight_decay, beta1, beta2, eps, .. } = *self;
        optimizers::Settings { lr, momentum, nesterov, weight_decay, beta1, beta2, eps }
    }

    /// Four values for each of the `steps` batches of an epoch: the learning rate, the optimizer's two values for the
    /// step, and 0. Epochs count from 1.
    pub fn step_rates(&self, epoch: usize, steps: usize) -> Vec<f32> {
        let (of_step, settings) = (self.optimizer.definition().of_step, self.optimizer_settings());
        let of_step = |i: usize| {
            let [first, second] = of_step(&settings, (epoch - 1) as f64 * steps as f64 + (i + 1) as f64);
            let rate = self.schedule.rate(self.lr, self.warmup, epoch, i, steps, self.epochs);
            [rate as f32, first as f32, second as f32, 0.0]
        };
        (0..steps).flat_map(of_step).collect()
    }

    /// Layers that are frozen in an epoch. Epochs count from 1.
    pub fn frozen_in(&self, epoch: usize) -> &[String] {
        if self.unfreeze_after.is_some_and(|after| epoch > after) { &[] } else { &self.freeze }
    }

    /// Learning rate factors of layers in an epoch; layers that are not listed have 1.
    pub fn rates_in(&self, epoch: usize) -> Vec<(String, f32)> {
        let thawed = self.freeze.iter().filter(|layer| !self.frozen_in(epoch).contains(layer));
        let mut layers: Vec<&String> = self.rates.0.iter().map(|(layer, _)| layer).chain(thawed.clone()).collect();
        layers.sort();
        layers.dedup();
        let factor = |layer| if thawed.clone().any(|thawed| thawed == layer) { self.unfreeze_rate } else { 1.0 };
        layers.into_iter().map(|layer| (layer.clone(), (factor(layer) * self.rates.of(layer)) as f32)).collect()
    }
}

/// Checks every value.
struct Check;

impl Visit for Check {
    type Error = String;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), String> {
        if let Some(value) = value.take() {
            value.check(&setting.options.check).map_err(|reason| format!("{}: {reason}", Argument(setting.key)))?;
        }
        Ok(())
    }
}

/// Lists settings that are not the default.
struct Summary<'a> {
    list: &'a mut Vec<String>,
    /// Keys of the settings that are present.
    present: Vec<&'static str>,
}

impl Visit for Summary<'_> {
    type Error = Infallible;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), Infallible> {
        let has_effect = setting.options.needs.is_none_or(|needed| self.present.contains(&needed));
        if let Some(value) = value.as_ref().filter(|_| setting.options.in_summary && has_effect)
            && setting.default.as_ref() != Some(value)
        {
            self.list.push(format!("{} {}", setting.key.replace('-', " "), value.shown()));
        }
        Ok(())
    }
}

/// Lists the settings that are present.
struct Entries(Vec<(&'static str, String)>);

impl Visit for Entries {
    type Error = Infallible;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), Infallible> {
        self.0.extend(value.as_ref().map(|value| (setting.key, value.shown())));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_is_corrected_for_its_first_steps() {
        let config = Config { optimizer: Optimizer::Adam, lr: 0.001, ..Config::default() };
        let rates = config.step_rates(1, 3);
        let expected = [0.001, 1.0 / (1.0 - 0.9_f64.powi(2)), (1.0 - 0.999_f64.powi(2)).sqrt(), 0.0];
        for (found, expected) in rates[4..8].iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{rates:?}");
        }
        // The second epoch continues where the first ended.
        assert_eq!(config.step_rates(2, 1)[..3], rates[4..7]);
    }

    #[test]
    fn values_of_a_library_user_are_checked() {
        assert_eq!(Config::default().check_values(), Ok(()));
        let wrong = |change: fn(&mut Config), word: &str| {
            let config = Config::of(Optimizer::Adam).with(change);
            let text = config.check_values().and_then(|()| config.check_optimizer()).unwrap_err();
            assert!(text.contains(word), "{text}");
        };
        wrong(|config| config.lr = f64::NAN, "`lr`: it takes a number above 0");
        wrong(|config| config.batch = 65_536, "`batch`: it takes a whole number from 1 to 65535");
        wrong(|config| config.unfreeze_rate = 1e-60, "`unfreeze_rate`: it takes a number above 0, and as float32");
        wrong(|config| config.momentum = 0.5, "adam has no `momentum`");
        wrong(|config| config.nesterov = true, "`nesterov` applies to the optimizer sgd");
        wrong(|config| (config.optimizer, config.nesterov) = (Optimizer::Sgd, true), "needs a `momentum` above 0");
    }

    #[test]
    fn a_summary_names_what_is_not_the_default() {
        assert_eq!(Config::default().summary(), "sgd, lr 0.01, momentum 0.5");
        let config = Config::of(Optimizer::Adam).with(|config| {
            config.clip = Some(1.0);
            config.label_smoothing = 0.1;
            config.epochs = 3;
            // Without a teacher, it has no effect.
            config.alpha = 0.3;
        });
        assert!(config.summary().starts_with("adam, lr 0.001, "), "{}", config.summary());
        assert!(config.summary().ends_with(", clip 1, label smoothing 0.1"), "{}", config.summary());
    }
}
