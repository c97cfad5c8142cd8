//! Twin of `shaders/activation_forward.wgsl`: `y = max(x, 0)` or `y = 1 / (1 + exp(-x))`.

use super::sum::activate;
use super::{Expected, Inputs, Near, Twin};
use crate::kernels::{ActivationForward, ActivationShape};

impl Twin for ActivationForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"))
    }
}

pub fn run(s: &ActivationShape, x: &[f64]) -> Vec<Expected> {
    let mut y = Near::with_capacity(x.len());
    for &x in x {
        let (value, error) = activate(x, 0.0, s.activation);
        y.push(value, error);
    }
    vec![Expected::Near(y)]
}
