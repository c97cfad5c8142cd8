//! Parameters of an optimizer's kernel: its constants, and the values of each step of an epoch.

use super::Config;
use crate::optimizers::Settings;
use crate::text::Shown;

impl Config {
    /// The optimizer and the settings that matter to it, in words.
    pub fn describe(&self) -> String {
        let said = (self.optimizer.definition().describe)(&self.hyper());
        let mut text = format!("{}, lr {}, {said}", self.optimizer, self.lr);
        let mut add = |what: String| text.push_str(&format!(", {what}"));
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

    /// The settings of the optimizer.
    pub fn hyper(&self) -> Settings {
        let Config { lr, momentum, nesterov, weight_decay, beta1, beta2, eps, .. } = *self;
        Settings { lr, momentum, nesterov, weight_decay, beta1, beta2, eps }
    }

    /// Four values for each of the `steps` batches of an epoch: the learning rate, the optimizer's two values for the
    /// step, and 0. Epochs count from 1.
    pub fn step_rates(&self, epoch: usize, steps: usize) -> Vec<f32> {
        let (of_step, settings) = (self.optimizer.definition().of_step, self.hyper());
        let of_step = |i: usize| {
            let [first, second] = of_step(&settings, (epoch - 1) as f64 * steps as f64 + (i + 1) as f64);
            let rate = self.schedule.rate(self.lr, self.warmup, epoch, i, steps, self.epochs);
            [rate as f32, first as f32, second as f32, 0.0]
        };
        (0..steps).flat_map(of_step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::Optimizer;

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
}
