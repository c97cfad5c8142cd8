//! Twin of `shaders/conv_backward_input.wgsl`:
//! `dx[n,c,i,j] = act'(x[n,c,i,j]) * sum over o,u,v of dy[n,o,(i+P-u)/S,(j+P-v)/S] * w[o,c,u,v]`, where S divides both
//! and dy is 0 outside its map.

use super::activations::through;
use super::{Expected, Inputs, Near, Sum, Twin};
use crate::kernels::{ConvBackwardInput, ConvShape};

impl Twin for ConvBackwardInput {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"), from.f("w"), from.f("x"))
    }
}

pub fn run(s: &ConvShape, dy: &[f64], w: &[f64], x: &[f64]) -> Vec<Expected> {
    let mut dx = Near::with_capacity(s.lens().0);
    for n in 0..s.batch {
        for c in 0..s.c_in {
            for i in 0..s.h_in {
                for j in 0..s.w_in {
                    let mut sum = Sum::default();
                    for o in 0..s.c_out {
                        for u in 0..s.k {
                            for v in 0..s.k {
                                if let (Some(p), Some(q)) = (s.meeting(i, u, s.h_out()), s.meeting(j, v, s.w_out())) {
                                    let delta = dy[(((n * s.c_out + o) * s.h_out() + p) * s.w_out() + q) as usize];
                                    sum.add(delta * w[(((o * s.c_in + c) * s.k + u) * s.k + v) as usize]);
                                }
                            }
                        }
                    }
                    let below = x[(((n * s.c_in + c) * s.h_in + i) * s.w_in + j) as usize];
                    dx.push_rounded(through(sum.into(), below, s.activation_in));
                }
            }
        }
    }
    vec![Expected::Near(dx)]
}
