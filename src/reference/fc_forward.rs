//! Twin of `shaders/fc_forward.wgsl`: `y[n,o] = act(b[o] + sum over i of w[o,i] * x[n,i])`.

use super::activations::activate;
use super::{Expected, Inputs, Near, Sum, Twin};
use crate::kernels::{FcForward, FcShape};

impl Twin for FcForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"), from.f("w"), from.f("b"))
    }
}

pub fn run(s: &FcShape, x: &[f64], w: &[f64], b: &[f64]) -> Vec<Expected> {
    let mut y = Near::with_capacity((s.batch * s.c_out) as usize);
    for n in 0..s.batch {
        for o in 0..s.c_out {
            let mut sum = Sum::default();
            sum.add(b[o as usize]);
            for i in 0..s.c_in {
                sum.add(w[(o * s.c_in + i) as usize] * x[(n * s.c_in + i) as usize]);
            }
            y.push_rounded(activate(sum.into(), s.activation));
        }
    }
    vec![Expected::Near(y)]
}
