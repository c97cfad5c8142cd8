//! Twin of `shaders/max_pool_forward.wgsl`: the first maximum of each cell, in row-major order.

use super::{Expected, Inputs, Near, Twin};
use crate::kernels::{MaxPoolForward, PoolShape};

impl Twin for MaxPoolForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"))
    }
}

pub fn run(s: &PoolShape, x: &[f64]) -> Vec<Expected> {
    let mut y = Near::with_capacity(s.lens().1);
    let mut winner = Vec::with_capacity(s.lens().1);
    for plane in 0..s.planes {
        for i in 0..s.h_out() {
            for j in 0..s.w_out() {
                let (mut best, mut at) = (f64::NEG_INFINITY, 0);
                for r in 0..s.pool {
                    for q in 0..s.pool {
                        let value = x[((plane * s.h_in + i * s.pool + r) * s.w_in + j * s.pool + q) as usize];
                        if value > best {
                            best = value;
                            at = r * s.pool + q;
                        }
                    }
                }
                y.push(best, 0.0);
                winner.push(at);
            }
        }
    }
    vec![Expected::Near(y), Expected::Exact(winner)]
}
