//! Twin of `shaders/activation_backward.wgsl`: `dx = dy * act'(y)`.

use super::activations::through;
use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{ActivationBackward, ActivationShape};

impl Twin for ActivationBackward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"), from.f("y"))
    }
}

pub fn run(s: &ActivationShape, dy: &[f64], y: &[f64]) -> Vec<Expected> {
    let mut dx = Near::with_capacity(dy.len());
    for (&dy, &y) in dy.iter().zip(y) {
        dx.push_rounded(through(Rounded::exact(dy), y, s.activation));
    }
    vec![Expected::Near(dx)]
}
