//! Twin of `shaders/activation_backward.wgsl`: `dx = dy` where `y > 0` else 0, or `dx = dy * y * (1 - y)`.

use super::sum::derivative;
use super::{Expected, Inputs, Near, Twin, UNIT};
use crate::kernels::{Activation, ActivationBackward, ActivationShape};

impl Twin for ActivationBackward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"), from.f("y"))
    }
}

pub fn run(s: &ActivationShape, dy: &[f64], y: &[f64]) -> Vec<Expected> {
    let mut dx = Near::with_capacity(dy.len());
    for (&dy, &y) in dy.iter().zip(y) {
        let value = dy * derivative(y, s.activation);
        let roundings = if s.activation == Activation::Sigmoid { 3.0 } else { 0.0 };
        dx.push(value, roundings * UNIT * value.abs());
    }
    vec![Expected::Near(dx)]
}
