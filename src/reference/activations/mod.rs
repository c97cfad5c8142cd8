//! The activations: one file each, of the same name as its shader in `shaders/activations`.

use super::{Rounded, UNIT};
use crate::kernels::{Activation, each_activation};

/// What a file says of an activation.
struct Twin {
    /// The value, and how far a float32 evaluation may be from it.
    act: fn(f64) -> Rounded,
    /// The largest slope: by so much a difference of the input can grow.
    steepest: f64,
    /// The derivative, from the value.
    derivative: fn(f64) -> f64,
    /// Roundings of the derivative and of a product with it.
    roundings: f64,
    /// Small changes of the shader that cases must notice: a text that stands there exactly once, and what takes its place.
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

/// Small changes of an activation's shader that the cases of its kernels must notice.
pub fn activation_faults(activation: Activation) -> &'static [(&'static str, &'static str)] {
    twin(activation).faults
}

/// An activation of a value that may be off.
pub fn activate(z: Rounded, activation: Activation) -> Rounded {
    let twin = twin(activation);
    let y = (twin.act)(z.value);
    Rounded { value: y.value, error: z.error * twin.steepest + y.error }
}

/// A value that may be off, times the derivative of an activation whose value is y.
pub fn through(dy: Rounded, y: f64, activation: Activation) -> Rounded {
    let Twin { derivative, roundings, .. } = twin(activation);
    let (slope, value) = (derivative(y), dy.value * derivative(y));
    // Each rounding may also flush to zero what is below the smallest normal number.
    let rounding = roundings * (UNIT * value.abs() + f64::from(f32::MIN_POSITIVE));
    Rounded { value, error: dy.error * slope.abs() + rounding }
}
