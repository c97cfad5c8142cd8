//! Sums that know their own rounding error.

use crate::kernels::Activation;

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
    pub fn set(&mut self, at: usize, new: super::Rounded) {
        (self.value[at], self.error[at]) = (new.value, new.error);
    }

    /// Appends an activation of a sum.
    pub fn push_activated(&mut self, z: &Sum, activation: Activation) {
        let (value, error) = activate(z.value, z.error(), activation);
        self.push(value, error);
    }

    /// Appends a sum times the derivative of an activation, given the activation's output y.
    pub fn push_derived(&mut self, sum: &Sum, y: f64, activation: Activation) {
        let slope = derivative(y, activation);
        // y (1 - y) takes two roundings, the product with the sum one more.
        let rounding = if activation == Activation::Sigmoid { 3.0 * UNIT * (sum.value * slope).abs() } else { 0.0 };
        self.push(sum.value * slope, sum.error() * slope.abs() + rounding);
    }
}

/// An activation of a value that may be off by `error`, and how far the result may then be.
///
/// The exponential of WGSL is exact to 3 + 2 |x| ULP and its division to 2.5 ULP (WGSL, section 15.7.4.1); an ULP is at
/// most two units.
pub fn activate(z: f64, error: f64, activation: Activation) -> (f64, f64) {
    match activation {
        Activation::Identity => (z, error),
        Activation::Relu => (z.max(0.0), error),
        Activation::Sigmoid => {
            let y = 1.0 / (1.0 + (-z).exp());
            let exponential = y * (1.0 - y) * 2.0 * (3.0 + 2.0 * z.abs()) * UNIT;
            // A result below the smallest normal number may be flushed to zero.
            (y, error / 4.0 + exponential + y * (1.0 + 5.0) * UNIT + f32::MIN_POSITIVE as f64)
        }
    }
}

/// The derivative of an activation, from its output; relu's is 0 at 0, as PyTorch has it.
pub fn derivative(y: f64, activation: Activation) -> f64 {
    match activation {
        Activation::Identity => 1.0,
        Activation::Relu => f64::from(y > 0.0),
        Activation::Sigmoid => y * (1.0 - y),
    }
}
