//! Statistics of several runs, of seconds or ratios.

use serde::{Deserialize, Serialize};

/// Median and quartiles of several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    pub median: f64,
    pub low: f64,
    pub high: f64,
    pub runs: usize,
}

impl Stat {
    /// Statistics of these values.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(values: &[f64]) -> Stat {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        // Linear interpolation between neighbours: the median of two is their mean.
        let at = |part: f64| {
            let place = part * last as f64;
            let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        Stat { median: at(0.5), low: at(0.25), high: at(0.75), runs: sorted.len() }
    }

    /// Interquartile range relative to the median.
    pub fn spread(&self) -> f64 {
        (self.high - self.low) / self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_median_and_quartiles() {
        let stat = Stat::of(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(stat, Stat { median: 3.0, low: 2.0, high: 4.0, runs: 5 });
        assert_eq!(stat.spread(), 2.0 / 3.0);
        assert_eq!(Stat::of(&[4.0, 1.0]), Stat { median: 2.5, low: 1.75, high: 3.25, runs: 2 });
        assert_eq!(Stat::of(&[7.0]), Stat { median: 7.0, low: 7.0, high: 7.0, runs: 1 });
    }
}
