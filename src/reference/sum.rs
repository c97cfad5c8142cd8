//! Sums that know their own rounding error.

use super::Rounded;

/// The unit roundoff of float32: half the distance from 1 to the next number.
pub const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// A sum of products in f64, with the sum of its absolute terms.
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

    /// How far a float32 sum of the same terms, each a product rounded once, may be: `n * 2^-24 * sum |terms|`. The second
    /// term stands for results below the smallest normal number, which a device may flush to zero.
    pub fn error(&self) -> f64 {
        self.terms as f64 * (UNIT * self.magnitude + f32::MIN_POSITIVE as f64)
    }
}

/// Values, and how far from each a correct float32 result may be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Near {
    pub value: Vec<f64>,
    pub error: Vec<f64>,
}

impl Near {
    /// Room for this many values.
    pub fn with_capacity(len: usize) -> Near {
        Near { value: Vec::with_capacity(len), error: Vec::with_capacity(len) }
    }

    /// Appends a value with its bound.
    pub fn push(&mut self, value: f64, error: f64) {
        self.value.push(value);
        self.error.push(error);
    }

    /// Puts a value in its place.
    pub fn set(&mut self, at: usize, new: Rounded) {
        (self.value[at], self.error[at]) = (new.value, new.error);
    }

    /// Appends a value with its bound.
    pub fn push_rounded(&mut self, new: Rounded) {
        self.push(new.value, new.error);
    }
}
