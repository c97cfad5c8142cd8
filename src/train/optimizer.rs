//! What an optimizer's kernel is told: its constants, and what each step of an epoch decides.

use super::Config;
use crate::kernels::HYPER;
use crate::optimizers::Optimizer;
use crate::text::Shown;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How parameters follow their gradients, as PyTorch names and defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    #[default]
    Sgd,
    Adam,
    Adamw,
    Rmsprop,
}

impl Method {
    /// The learning rate where none is given: the tutorial's for SGD, PyTorch's for the others.
    pub fn rate(self) -> f64 {
        match self {
            Method::Sgd | Method::Rmsprop => 0.01,
            Method::Adam | Method::Adamw => 0.001,
        }
    }

    /// The momentum where none is given: the tutorial's for SGD, else PyTorch's.
    pub fn momentum(self) -> f64 {
        if self == Method::Sgd { 0.5 } else { 0.0 }
    }

    /// How slowly the mean of squares changes where nothing is given.
    pub fn beta2(self) -> f64 {
        if self == Method::Rmsprop { 0.99 } else { 0.999 }
    }

    /// The weight decay where none is given.
    pub fn weight_decay(self) -> f64 {
        if self == Method::Adamw { 0.01 } else { 0.0 }
    }
}

impl Config {
    /// The optimizer with the settings that matter to it, as a person would say it.
    pub fn describe(&self) -> String {
        let name = format!("{:?}", self.optimizer).to_lowercase();
        let mut text = format!("{name}, lr {}", self.lr);
        let mut add = |what: String| text.push_str(&format!(", {what}"));
        match self.optimizer {
            Method::Sgd => add(format!("{}momentum {}", if self.nesterov { "Nesterov " } else { "" }, self.momentum)),
            Method::Rmsprop => add(format!("momentum {}, beta2 {}", self.momentum, self.beta2)),
            Method::Adam | Method::Adamw => add(format!("betas {} and {}", self.beta1, self.beta2)),
        }
        if self.weight_decay > 0.0 {
            add(format!("weight decay {}", self.weight_decay));
        }
        if self.schedule != super::Schedule::Constant {
            add(self.schedule.to_string());
        }
        if self.warmup > 0.0 {
            add(format!("{} epochs of warm-up", self.warmup));
        }
        if let Some(norm) = self.clip {
            add(format!("clipped to {norm}"));
        }
        if let Some(teacher) = &self.teacher {
            add(format!("taught by {} at {}, temperature {}", Shown::from(teacher), self.alpha, self.temperature));
        }
        if let Some(share) = self.dropout {
            add(format!("dropout {share}"));
        }
        if self.label_smoothing > 0.0 {
            add(format!("labels smoothed by {}", self.label_smoothing));
        }
        if self.augment.is_some() {
            add(format!("augmented by {}", self.augment));
        }
        text
    }

    /// The optimizer of the plan.
    pub fn plan_optimizer(&self) -> Optimizer {
        match self.optimizer {
            Method::Sgd => Optimizer::Sgd { nesterov: self.nesterov },
            Method::Adam => Optimizer::Adam { decoupled: false },
            Method::Adamw => Optimizer::Adam { decoupled: true },
            Method::Rmsprop => Optimizer::Rmsprop,
        }
    }

    /// The constants, in the order in which the optimizer's shader reads them.
    pub fn hyper(&self) -> [f32; HYPER] {
        let [momentum, decay, eps, a, b] = [self.momentum, self.weight_decay, self.eps, self.beta1, self.beta2];
        let constants = match self.optimizer {
            Method::Sgd => [momentum, decay, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            Method::Adam | Method::Adamw => [a, 1.0 - a, b, 1.0 - b, eps, decay, 0.0, 0.0],
            Method::Rmsprop => [b, 1.0 - b, eps, momentum, decay, 0.0, 0.0, 0.0],
        };
        constants.map(|x| x as f32)
    }

    /// Four values for each of an epoch's batches: the learning rate, and for Adam what corrects the bias of its means,
    /// `1 / (1 - beta1^t)` and `sqrt(1 - beta2^t)`. `epoch` counts from 1 and has so many `steps`; t counts all steps.
    pub fn rates(&self, epoch: usize, steps: usize) -> Vec<f32> {
        let of_step = |i: usize| {
            let t = (epoch - 1) as f64 * steps as f64 + (i + 1) as f64;
            let scale = 1.0 / (1.0 - libm::pow(self.beta1, t));
            let root = libm::sqrt(1.0 - libm::pow(self.beta2, t));
            let rate = self.schedule.rate(self.lr, self.warmup, epoch, i, steps, self.epochs);
            [rate as f32, scale as f32, root as f32, 0.0]
        };
        (0..steps).flat_map(of_step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_is_corrected_for_its_first_steps() {
        let config = Config { optimizer: Method::Adam, lr: 0.001, ..Config::default() };
        let rates = config.rates(1, 3);
        let expected = [0.001, 1.0 / (1.0 - 0.9_f64.powi(2)), (1.0 - 0.999_f64.powi(2)).sqrt(), 0.0];
        for (found, expected) in rates[4..8].iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{rates:?}");
        }
        // The second epoch goes on where the first ended.
        assert_eq!(config.rates(2, 1)[..3], rates[4..7]);
    }
}
