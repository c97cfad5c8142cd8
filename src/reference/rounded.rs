//! Float32 arithmetic that tracks its own rounding error, for formulas that are more than a sum of products.

use super::sum::{Sum, UNIT};
use std::ops::{Add, Div, Mul, Sub};

/// A value in f64, and how far a float32 result of the same operations may be from it.
///
/// In WGSL, addition, subtraction and multiplication are rounded correctly, division to 2.5 ULP, and a square root as
/// `1 / inverseSqrt(x)`, which is 4.5 ULP (WGSL, section 15.7.4); an ULP is at most two units. Fusing a product with a
/// sum rounds less and stays within the bound. Results below the smallest normal number may become zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rounded {
    pub value: f64,
    pub error: f64,
}

impl Rounded {
    /// An input, which a device represents exactly.
    pub fn exact(value: f64) -> Rounded {
        Rounded { value, error: 0.0 }
    }

    /// The result of an operation that is accurate to `units` units, on inputs whose errors contribute `error`.
    fn result(value: f64, error: f64, units: f64) -> Rounded {
        Rounded { value, error: error + units * UNIT * (value.abs() + error) + f64::from(f32::MIN_POSITIVE) }
    }

    /// Square root of a value that cannot be negative.
    pub fn sqrt(self) -> Rounded {
        let root = self.value.sqrt();
        let low = (self.value - self.error).max(0.0).sqrt();
        let high = (self.value + self.error).sqrt();
        Rounded::result(root, (root - low).max(high - root), 9.0)
    }

    /// Exponential. WGSL allows 3 + 2 |x| ULP.
    pub fn exp(self) -> Rounded {
        let value = self.value.exp();
        let units = 2.0 * (3.0 + 2.0 * (self.value.abs() + self.error));
        Rounded::result(value, value * self.error.exp_m1(), units)
    }

    /// Natural logarithm of a positive value: 3 ULP, or an absolute 2^-21 between 0.5 and 2. The error is infinite if the
    /// value may be zero.
    pub fn ln(self) -> Rounded {
        let low = self.value - self.error;
        let value = self.value.ln();
        let error = if low > 0.0 { (self.value / low).ln() } else { f64::INFINITY };
        Rounded { value, error: error + (1.0 / f64::from(1 << 21)).max(6.0 * UNIT * (value.abs() + error)) }
    }

    /// A sum in any order: each addition rounds by at most one unit of the sum of all absolute terms.
    pub fn sum(terms: impl Iterator<Item = Rounded>) -> Rounded {
        let (mut all, mut magnitude, mut count) = (Rounded::exact(0.0), 0.0, 0.0);
        for term in terms {
            all.value += term.value;
            all.error += term.error;
            magnitude += term.value.abs() + term.error;
            count += 1.0;
        }
        all.error += count * (UNIT * magnitude + f64::from(f32::MIN_POSITIVE));
        all
    }

    /// The minimum of this and a limit.
    pub fn min(self, limit: f64) -> Rounded {
        Rounded { value: self.value.min(limit), error: self.error }
    }
}

impl From<Sum> for Rounded {
    fn from(sum: Sum) -> Rounded {
        Rounded { value: sum.value, error: sum.error() }
    }
}

impl Add for Rounded {
    type Output = Rounded;
    fn add(self, other: Rounded) -> Rounded {
        Rounded::result(self.value + other.value, self.error + other.error, 1.0)
    }
}

impl Sub for Rounded {
    type Output = Rounded;
    fn sub(self, other: Rounded) -> Rounded {
        Rounded::result(self.value - other.value, self.error + other.error, 1.0)
    }
}

impl Mul for Rounded {
    type Output = Rounded;
    fn mul(self, other: Rounded) -> Rounded {
        let error = self.value.abs() * other.error + other.value.abs() * self.error + self.error * other.error;
        Rounded::result(self.value * other.value, error, 1.0)
    }
}

impl Mul<Rounded> for f64 {
    type Output = Rounded;
    fn mul(self, other: Rounded) -> Rounded {
        Rounded::exact(self) * other
    }
}

impl Div for Rounded {
    type Output = Rounded;
    /// The error is infinite if the divisor may be zero.
    fn div(self, by: Rounded) -> Rounded {
        let nearest = by.value.abs() - by.error;
        let value = self.value / by.value;
        let error = if nearest > 0.0 { (self.error + value.abs() * by.error) / nearest } else { f64::INFINITY };
        Rounded::result(value, error, 5.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound holds for actual float32 arithmetic, and is tight enough to be meaningful.
    #[test]
    fn float32_stays_within_the_bound() {
        let mut stream = crate::random::Stream::new(1, crate::random::Purpose::Verification, 77);
        for _ in 0..10_000 {
            let [a, b, c] = [0; 3].map(|_| stream.uniform(0.1, 2.0));
            let [x, y, z] = [a, b, c].map(|v| Rounded::exact(v.into()));
            let single = (a * b - c).abs().sqrt() / (c + a);
            let square = x * y - z;
            let square = if square.value < 0.0 { z - x * y } else { square };
            let bound = square.sqrt() / (z + x);
            let off = (f64::from(single) - bound.value).abs();
            assert!(off <= bound.error, "{a} {b} {c}: {single} {bound:?}");
            assert!(square.value < 0.01 || bound.error < 1e-5, "{bound:?}");
        }
    }

    #[test]
    fn what_may_divide_by_zero_has_no_bound() {
        let zero = Rounded { value: 1e-9, error: 1e-8 };
        assert!((Rounded::exact(1.0) / zero).error.is_infinite());
    }
}
