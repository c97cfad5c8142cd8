//! Sums that track their own rounding error.

use super::Rounded;

/// The unit roundoff of float32: half the distance from 1 to the next number.
pub const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// A sum of products in f64, with the sum of the terms' absolute values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub value: f64,
    magnitude: f64,
    terms: usize,
}

impl Sum {
    /// Adds a term.
    pub fn add(&mut self, term: f64) {
        self.value += term;
        self.magnitude += term.abs();
        self.terms += 1;
    }

    /// Error bound of a float32 sum of the same terms, each a product rounded once: `n * 2^-24 * sum |terms|`. The
    /// second term accounts for results below the smallest normal number, which a device may flush to zero.
    pub fn error(&self) -> f64 {
        self.terms as f64 * (UNIT * self.magnitude + f32::MIN_POSITIVE as f64)
    }
}

/// Values, each with the maximum error of a correct float32 result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Near {
    pub value: Vec<f64>,
    pub error: Vec<f64>,
}

impl Near {
    /// Reserves capacity for this many values.
    pub fn with_capacity(len: usize) -> Near {
        Near { value: Vec::with_capacity(len), error: Vec::with_capacity(len) }
    }

    /// Appends a value with its error bound.
    pub fn push(&mut self, value: f64, error: f64) {
        self.value.push(value);
        self.error.push(error);
    }

    /// Replaces the value at `at` and its bound.
    pub fn set(&mut self, at: usize, new: Rounded) {
        (self.value[at], self.error[at]) = (new.value, new.error);
    }

    /// Appends a value with its error bound.
    pub fn push_rounded(&mut self, new: Rounded) {
        self.push(new.value, new.error);
    }
}
