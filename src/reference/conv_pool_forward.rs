//! Twin of `shaders/conv_pool_forward.wgsl`: the first maximum of the convolution's pixels in each cell, activated.

use super::activations::activate;
use super::conv_forward::pixel;
use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{ConvPoolForward, ConvPoolShape};

impl Twin for ConvPoolForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"), from.f("w"), from.f("b"))
    }
}

pub fn run(s: &ConvPoolShape, x: &[f64], w: &[f64], b: &[f64]) -> Vec<Expected> {
    let cell = (s.pool * s.pool) as usize;
    let mut y = Near::with_capacity(s.lens().2);
    let mut place = Vec::with_capacity(s.lens().2);
    let mut candidates = Near::with_capacity(s.lens().2 * cell);
    for n in 0..s.conv.batch {
        for o in 0..s.conv.c_out {
            for i in 0..s.h_out() {
                for j in 0..s.w_out() {
                    let (mut best, mut at, mut error) = (f64::NEG_INFINITY, 0, 0.0_f64);
                    for r in 0..s.pool {
                        for q in 0..s.pool {
                            let z = pixel(&s.conv, x, w, b, [n, o, i * s.pool + r, j * s.pool + q]);
                            candidates.push(z.value, z.error());
                            error = error.max(z.error());
                            if z.value > best {
                                best = z.value;
                                at = r * s.pool + q;
                            }
                        }
                    }
                    y.push_rounded(activate(Rounded { value: best, error }, s.conv.activation));
                    place.push(at);
                }
            }
        }
    }
    vec![Expected::Near(y), Expected::Largest { place, group: cell, candidates }]
}
