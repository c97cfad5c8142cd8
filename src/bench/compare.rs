//! Comparison with a saved report.

use super::Report;

/// A result before and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    pub what: String,
    pub before: f64,
    pub now: f64,
}

impl Ratio {
    /// Time now relative to before: below 1 is faster.
    pub fn ratio(&self) -> f64 {
        self.now / self.before
    }
}

/// Results present in both reports, in seconds; for the probes, per billion operations or bytes. Results of different
/// settings have different names.
pub fn compare(before: &Report, now: &Report) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for (what, now) in figures(now) {
        if let Some((_, before)) = figures(before).into_iter().find(|(name, _)| *name == what) {
            ratios.push(Ratio { what, before, now });
        }
    }
    ratios
}

/// All results, by name.
fn figures(report: &Report) -> Vec<(String, f64)> {
    let mut figures = Vec::new();
    if let Some(c) = &report.ceilings {
        figures.push(("probe multiply-add".into(), 1e9 / c.flops));
        figures.push(("probe copy".into(), 1e9 / c.bytes));
    }
    for step in &report.steps {
        for kernel in &step.kernels {
            figures
                .push((format!("{}, batch {}: {}", report.setting, step.batch, kernel.label), kernel.seconds.median));
        }
        figures.push((format!("{}, batch {}: step", report.setting, step.batch), step.step.median));
    }
    if let Some(e) = &report.epoch {
        figures.push((format!("epoch of {} {} images, batch {}", e.images, e.data, e.batch), e.seconds.median));
    }
    if let Some(s) = &report.startup {
        figures.push((format!("start to the first step, {}", s.data_set), s.total.median));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Ceilings, Stat, StepTimes};

    #[test]
    fn only_what_both_have_is_compared() {
        let stat = |median| Stat { median, low: median, high: median, runs: 1 };
        let step = |batch, seconds| StepTimes {
            batch,
            dispatches: 1,
            kernels: vec![],
            step: stat(seconds),
            between_kernels: None,
            images_per_second: 1.0,
        };
        let before = Report { steps: vec![step(64, 0.5), step(256, 1.0)], setting: "s".into(), ..Report::default() };
        let ceilings = Some(Ceilings { flops: 1.0, bytes: 1.0, multiply_add: stat(1.0), copy: stat(1.0) });
        let now =
            Report { steps: vec![step(64, 0.25), step(1024, 9.0)], setting: "s".into(), ceilings, ..Report::default() };
        let ratios = compare(&before, &now);
        assert_eq!(ratios, [Ratio { what: "s, batch 64: step".into(), before: 0.5, now: 0.25 }]);
        assert_eq!(ratios[0].ratio(), 0.5);
        assert_eq!(compare(&before, &Report { setting: "another".into(), ..now }), []);
    }
}
