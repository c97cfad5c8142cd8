//! Learning rate schedules.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::fmt::{self, Display};
use std::str::FromStr;

/// A learning rate schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    #[default]
    Constant,
    /// Multiplied by `factor` every `every` epochs (PyTorch's `StepLR`).
    Step { every: u32, factor: f64 },
    /// Half a cosine from the rate to 0, step by step (I. Loshchilov, F. Hutter: SGDR, 2017, without restarts).
    Cosine,
    /// Up to the rate and down to almost 0, along cosines (L. Smith, N. Topin: Super-Convergence, 2018, in the form of
    /// PyTorch's `OneCycleLR`: from 1/25 of the rate, over 30 % of the steps, down to 1/10,000 of the initial rate).
    OneCycle,
}

impl Schedule {
    /// The rate of step `i`, from 0, of `epoch`, from 1, with `steps` steps in each of `epochs` epochs. During the
    /// first `warmup` epochs, possibly a fraction, it is multiplied by the part of them that has passed.
    pub fn rate(self, rate: f64, warmup: f64, epoch: usize, i: usize, steps: usize, epochs: usize) -> f64 {
        let done = (epoch - 1) as f64 * steps as f64 + i as f64;
        let total = epochs as f64 * steps as f64;
        let scheduled = match self {
            Schedule::Constant => rate,
            Schedule::Step { every, factor } => rate * libm::pow(factor, ((epoch - 1) / every as usize) as f64),
            Schedule::Cosine => between(rate, 0.0, done / total),
            Schedule::OneCycle => {
                let top = 0.3 * total - 1.0;
                let last = total - 1.0;
                if done <= top && top > 0.0 {
                    between(rate / 25.0, rate, done / top)
                } else {
                    between(rate, rate / 25.0 / 1e4, ((done - top.max(0.0)) / (last - top.max(0.0)).max(1.0)).min(1.0))
                }
            }
        };
        if warmup > 0.0 { scheduled * ((done + 1.0) / (warmup * steps as f64)).min(1.0) } else { scheduled }
    }

    /// Whether the rate of a step depends on the number of epochs of the run.
    pub fn knows_its_end(self) -> bool {
        matches!(self, Schedule::Cosine | Schedule::OneCycle)
    }
}

/// Goes from one value to another along half a cosine; `part` runs from 0 to 1.
fn between(from: f64, to: f64, part: f64) -> f64 {
    to + (from - to) * (1.0 + libm::cos(PI * part)) / 2.0
}

impl Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Schedule::Constant => write!(f, "constant"),
            Schedule::Step { every, factor } => write!(f, "step:{every}:{factor}"),
            Schedule::Cosine => write!(f, "cosine"),
            Schedule::OneCycle => write!(f, "one-cycle"),
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    /// Parses `constant`, `cosine`, `one-cycle`, or `step`, optionally followed by `:EPOCHS` and `:FACTOR`.
    fn from_str(text: &str) -> Result<Schedule, String> {
        match text {
            "constant" => return Ok(Schedule::Constant),
            "cosine" => return Ok(Schedule::Cosine),
            "one-cycle" => return Ok(Schedule::OneCycle),
            _ => {}
        }
        let mut parts = text.split(':');
        let step = parts.next() == Some("step");
        let every = parts.next().map_or(Some(1), |every| every.parse().ok().filter(|&every| every > 0));
        let factor = parts.next().map_or(Some(0.7), |f| f.parse().ok().filter(|&f| f > 0.0 && f <= 1.0));
        match (step, every, factor, parts.next()) {
            (true, Some(every), Some(factor), None) => Ok(Schedule::Step { every, factor }),
            _ => Err(format!(
                "{text:?} is no schedule: give constant, cosine, one-cycle, or step:EPOCHS:FACTOR such as step:5:0.1"
            )),
        }
    }
}

crate::text::serde_as_text!(Schedule);

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, warmup: f64) -> Vec<f64> {
        (0..20).map(|s| schedule.rate(0.1, warmup, 1 + s / 5, s % 5, 5, 4)).collect()
    }

    /// Values of PyTorch 2.15's schedulers for 20 steps.
    #[test]
    fn the_rates_are_pytorchs() {
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        let one = rates(Schedule::OneCycle, 0.0);
        // OneCycleLR(max_lr=0.1, total_steps=20)
        for (at, expected) in ONE_CYCLE {
            close(one[at], expected);
        }
        // CosineAnnealingLR(T_max=20)
        let cosine = rates(Schedule::Cosine, 0.0);
        for (at, expected) in COSINE {
            close(cosine[at], expected);
        }
        // StepLR(step_size=2, gamma=0.1), stepped once per epoch
        let step = rates(Schedule::Step { every: 2, factor: 0.1 }, 0.0);
        close(step[9], 0.1);
        close(step[10], 0.01);
        assert_eq!(rates(Schedule::Constant, 0.0), [0.1; 20]);
    }

    const ONE_CYCLE: [(usize, f64); 6] =
        [(0, 0.004), (2, 0.037167184270002526), (5, 0.1), (6, 0.09874640062350874), (12, 0.0500002), (19, 4e-7)];
    const COSINE: [(usize, f64); 3] = [(0, 0.1), (7, 0.07269952498697735), (19, 0.0006155829702431171)];

    #[test]
    fn warm_up_grows_step_by_step_and_ends() {
        let rates = rates(Schedule::Constant, 0.8);
        let expected = [0.025, 0.05, 0.075, 0.1, 0.1, 0.1];
        assert!(rates.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{rates:?}");
    }

    #[test]
    fn a_schedule_reads_what_it_writes_and_nothing_else() {
        for text in ["constant", "cosine", "one-cycle", "step:3:0.5"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!("step".parse(), Ok(Schedule::Step { every: 1, factor: 0.7 }));
        for text in ["", "linear", "step:0", "step:1:0", "step:1:2", "step:1:0.5:7", "step:x"] {
            assert!(text.parse::<Schedule>().unwrap_err().contains("step:EPOCHS:FACTOR"), "{text}");
        }
    }
}
