//! The activations, one file each, named after the shader in `shaders/activations`.

use super::{Rounded, UNIT};
use crate::kernels::{Activation, each_activation};

/// The reference implementation of an activation.
struct Twin {
    /// The value, with the error bound of a float32 evaluation.
    act: fn(f64) -> Rounded,
    /// The largest slope, which bounds how much an error of the input can grow.
    steepest: f64,
    /// The derivative, from the value.
    derivative: fn(f64) -> f64,
    /// Number of roundings in the derivative and in a product with it.
    roundings: f64,
    /// Mutations of the shader that test cases must detect: a text that occurs in it exactly once, and its replacement.
    faults: &'static [(&'static str, &'static str)],
}

macro_rules! twins {
    ($($word:ident $activation:ident $exact:literal),+ $(,)?) => {
        $(mod $word;)+

        fn twin(activation: Activation) -> Twin {
            match activation { $(Activation::$activation => $word::TWIN),+ }
        }
    };
}
each_activation!(twins);

/// Mutations of an activation's shader that the test cases of its kernels must detect.
pub fn activation_faults(activation: Activation) -> &'static [(&'static str, &'static str)] {
    twin(activation).faults
}

/// The activation of a value that may have an error.
pub fn activate(z: Rounded, activation: Activation) -> Rounded {
    let twin = twin(activation);
    let y = (twin.act)(z.value);
    Rounded { value: y.value, error: z.error * twin.steepest + y.error }
}

/// A value that may have an error, times the derivative of an activation whose value is y.
pub fn through(dy: Rounded, y: f64, activation: Activation) -> Rounded {
    let Twin { derivative, roundings, .. } = twin(activation);
    let (slope, value) = (derivative(y), dy.value * derivative(y));
    // Each rounding may also flush a value below the smallest normal number to zero.
    let rounding = roundings * (UNIT * value.abs() + f64::from(f32::MIN_POSITIVE));
    Rounded { value, error: dy.error * slope.abs() + rounding }
}
