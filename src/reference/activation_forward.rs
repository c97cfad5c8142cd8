//! Twin of `shaders/activation_forward.wgsl`: `y = act(x)`.

use super::activations::activate;
use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{ActivationForward, ActivationShape};

impl Twin for ActivationForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"))
    }
}

pub fn run(s: &ActivationShape, x: &[f64]) -> Vec<Expected> {
    let mut y = Near::with_capacity(x.len());
    for &x in x {
        y.push_rounded(activate(Rounded::exact(x), s.activation));
    }
    vec![Expected::Near(y)]
}
