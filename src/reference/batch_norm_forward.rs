//! Twin of `shaders/batch_norm_forward.wgsl`: `y = act(w * (x - mean) / sqrt(variance + 1e-5) + b)`, per channel.

use super::activations::activate;
use super::batch_norm_statistics::{deviation, positions};
use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{BatchNormForward, NormShape};

impl Twin for BatchNormForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"), from.f("w"), from.f("b"), from.f("mean"), from.f("variance"))
    }
}

pub fn run(s: &NormShape, x: &[f64], w: &[f64], b: &[f64], mean: &[f64], variance: &[f64]) -> Vec<Expected> {
    let mut y = Near { value: vec![0.0; s.elements()], error: vec![0.0; s.elements()] };
    for c in 0..s.channels as usize {
        let scale = Rounded::exact(w[c]) / deviation(variance[c]);
        for at in positions(s, s.padded, c) {
            let z = scale * (Rounded::exact(x[at]) - Rounded::exact(mean[c])) + Rounded::exact(b[c]);
            y.set(at, activate(z, s.activation));
        }
    }
    vec![Expected::Near(y)]
}
