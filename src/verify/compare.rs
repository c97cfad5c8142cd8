//! Comparison with the reference, phrased as what is accepted so that NaN never passes.

use crate::reference::{Expected, Near};

/// The outcome of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Largest difference as a fraction of the bound; 0 if everything is equal.
    pub ratio: f64,
    /// What is wrong, with the first position.
    pub failure: Option<String>,
}

/// Compares a device's output with what its twin expects. With `exact`, no rounding is allowed.
///
/// An expectation of all zeros is refused, since it would prove nothing.
pub fn compare(name: &str, found: &[u32], expected: &Expected, exact: bool) -> Judgement {
    let mut judge = Judge { name, wrong: 0, first: None, ratio: 0.0 };
    match expected {
        Expected::Near(near) => {
            if near.value.iter().all(|v| *v == 0.0) {
                return failed(format!("{name}: the reference is zero throughout, so nothing is proven"));
            }
            for (i, &bits) in found.iter().enumerate() {
                judge.near(i, f32::from_bits(bits), near, exact);
            }
        }
        Expected::Exact(values) => {
            for (i, (&found, &value)) in found.iter().zip(values).enumerate() {
                judge.accept(i, found == value, || format!("reference {value}, device {found}"));
            }
        }
        Expected::Largest { place, group, candidates } => {
            for (i, (&found, &first)) in found.iter().zip(place).enumerate() {
                let at = i * group;
                let best = at + first as usize;
                let chosen = at + found as usize;
                // Another candidate may win by rounding if the two intervals overlap.
                let accepted = found == first
                    || !exact
                        && (found as usize) < *group
                        && candidates.value[chosen] + candidates.error[chosen]
                            >= candidates.value[best] - candidates.error[best];
                judge.accept(i, accepted, || format!("reference {first}, device {found}"));
            }
        }
    }
    let len = match expected {
        Expected::Near(near) => near.value.len(),
        Expected::Exact(values) => values.len(),
        Expected::Largest { place, .. } => place.len(),
    };
    if found.len() != len {
        return failed(format!("{name}: {} elements, {len} expected", found.len()));
    }
    judge.end(len)
}

fn failed(text: String) -> Judgement {
    Judgement { ratio: f64::INFINITY, failure: Some(text) }
}

struct Judge<'a> {
    name: &'a str,
    wrong: usize,
    first: Option<String>,
    ratio: f64,
}

impl Judge<'_> {
    fn near(&mut self, i: usize, found: f32, near: &Near, exact: bool) {
        let Some((&value, &error)) = near.value.get(i).zip(near.error.get(i)) else { return };
        let difference = (f64::from(found) - value).abs();
        // Storing the result rounds it once more.
        let allowed = if exact { 0.0 } else { error + ulp(value) };
        let accepted = found.is_finite() && value.is_finite() && difference <= allowed;
        if accepted && difference > 0.0 {
            self.ratio = self.ratio.max(difference / allowed);
        }
        self.accept(i, accepted, || {
            format!("reference {value:e}, device {found:e}, difference {difference:.3e}, allowed {allowed:.3e}")
        });
    }

    fn accept(&mut self, i: usize, accepted: bool, text: impl Fn() -> String) {
        if !accepted {
            self.wrong += 1;
            self.first.get_or_insert_with(|| format!("at {i}: {}", text()));
        }
    }

    fn end(self, len: usize) -> Judgement {
        match self.first {
            None => Judgement { ratio: self.ratio, failure: None },
            Some(first) => failed(format!("{}: {} of {len} elements differ; the first {first}", self.name, self.wrong)),
        }
    }
}

/// Distance between adjacent float32 values around `value`.
fn ulp(value: f64) -> f64 {
    let x = (value.abs() as f32).max(f32::MIN_POSITIVE);
    f64::from(f32::from_bits(x.to_bits() + 1)) - f64::from(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, error: f64) -> Expected {
        Expected::Near(Near { value: vec![1.0, value], error: vec![0.0, error] })
    }
    fn bits(x: f32) -> Vec<u32> {
        vec![1.0_f32.to_bits(), x.to_bits()]
    }

    #[test]
    fn nan_and_infinity_are_never_accepted() {
        for x in [f32::NAN, f32::INFINITY] {
            assert!(compare("y", &bits(x), &near(2.0, 1e9), false).failure.is_some());
        }
        assert!(compare("y", &bits(2.0), &near(f64::NAN, 1.0), false).failure.is_some());
        assert!(compare("y", &bits(2.0), &near(2.0, f64::NAN), false).failure.is_some());
    }

    #[test]
    fn the_bound_is_the_twins_plus_one_ulp() {
        assert!(compare("y", &bits(2.1), &near(2.0, 0.11), false).failure.is_none());
        let text = compare("y", &bits(2.1), &near(2.0, 0.09), false).failure.unwrap();
        assert!(text.starts_with("y: 1 of 2 elements differ; the first at 1: reference 2e0, device 2.1e0"), "{text}");
        assert!(compare("y", &bits(2.0), &near(2.0, 0.0), true).failure.is_none());
        let next = f32::from_bits(2.0_f32.to_bits() + 1);
        assert!(compare("y", &bits(next), &near(2.0, 0.0), false).failure.is_none());
        assert!(compare("y", &bits(next), &near(2.0, 0.0), true).failure.is_some());
    }

    #[test]
    fn a_reference_of_zeros_and_a_wrong_length_prove_nothing() {
        let zeros = Expected::Near(Near { value: vec![0.0; 2], error: vec![1.0; 2] });
        assert!(compare("y", &[0, 0], &zeros, false).failure.is_some());
        assert!(compare("y", &bits(2.0)[..1], &near(2.0, 1.0), false).failure.is_some());
    }

    #[test]
    fn a_winner_may_differ_only_within_rounding() {
        let largest = |error| Expected::Largest {
            place: vec![1],
            group: 2,
            candidates: Near { value: vec![0.99, 1.0], error: vec![error; 2] },
        };
        assert!(compare("winner", &[1], &largest(0.0), true).failure.is_none());
        assert!(compare("winner", &[0], &largest(0.006), false).failure.is_none());
        assert!(compare("winner", &[0], &largest(0.006), true).failure.is_some());
        assert!(compare("winner", &[0], &largest(0.004), false).failure.is_some());
        assert!(compare("winner", &[2], &largest(1.0), false).failure.is_some());
    }
}
