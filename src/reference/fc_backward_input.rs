//! Twin of `shaders/fc_backward_input.wgsl`: `dx[n,i] = act'(x[n,i]) * sum over o of dy[n,o] * w[o,i]`.

use super::activations::through;
use super::{Expected, Inputs, Near, Sum, Twin};
use crate::kernels::{FcBackwardInput, FcShape};

impl Twin for FcBackwardInput {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"), from.f("w"), from.f("x"))
    }
}

pub fn run(s: &FcShape, dy: &[f64], w: &[f64], x: &[f64]) -> Vec<Expected> {
    let mut dx = Near::with_capacity((s.batch * s.c_in) as usize);
    for n in 0..s.batch {
        for i in 0..s.c_in {
            let mut sum = Sum::default();
            for o in 0..s.c_out {
                sum.add(dy[(n * s.c_out + o) as usize] * w[(o * s.c_in + i) as usize]);
            }
            dx.push_rounded(through(sum.into(), x[(n * s.c_in + i) as usize], s.activation_in));
        }
    }
    vec![Expected::Near(dx)]
}
