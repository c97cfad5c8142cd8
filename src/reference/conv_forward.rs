//! Twin of `shaders/conv_forward.wgsl`:
//! `y[n,o,i,j] = act(b[o] + sum over c,u,v of w[o,c,u,v] * x[n,c,i*S+u-P,j*S+v-P])`, where x is 0 outside its map.

use super::activations::activate;
use super::{Expected, Inputs, Near, Sum, Twin};
use crate::kernels::{ConvForward, ConvShape};

impl Twin for ConvForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"), from.f("w"), from.f("b"))
    }
}

pub fn run(s: &ConvShape, x: &[f64], w: &[f64], b: &[f64]) -> Vec<Expected> {
    let mut y = Near::with_capacity(s.lens().2);
    for n in 0..s.batch {
        for o in 0..s.c_out {
            for i in 0..s.h_out() {
                for j in 0..s.w_out() {
                    y.push_rounded(activate(pixel(s, x, w, b, [n, o, i, j]).into(), s.activation));
                }
            }
        }
    }
    vec![Expected::Near(y)]
}

/// One pixel of the map before the activation.
pub fn pixel(s: &ConvShape, x: &[f64], w: &[f64], b: &[f64], [n, o, i, j]: [u32; 4]) -> Sum {
    let mut sum = Sum::default();
    sum.add(b[o as usize]);
    for c in 0..s.c_in {
        for u in 0..s.k {
            for v in 0..s.k {
                if let (Some(row), Some(column)) = (s.met(i, u, s.h_in), s.met(j, v, s.w_in)) {
                    let weight = w[(((o * s.c_in + c) * s.k + u) * s.k + v) as usize];
                    sum.add(weight * x[(((n * s.c_in + c) * s.h_in + row) * s.w_in + column) as usize]);
                }
            }
        }
    }
    sum
}
