//! Twin of `shaders/avg_pool_forward.wgsl`: the mean of each cell.

use super::{Expected, Inputs, Near, Rounded, Sum, Twin};
use crate::kernels::{AvgPoolForward, AvgPoolShape};

impl Twin for AvgPoolForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"))
    }
}

pub fn run(s: &AvgPoolShape, x: &[f64]) -> Vec<Expected> {
    let mut y = Near::with_capacity(s.lens().1);
    for n in 0..s.planes {
        for i in 0..s.h_out() {
            for j in 0..s.w_out() {
                let mut sum = Sum::default();
                for r in 0..s.pool_h {
                    for q in 0..s.pool_w {
                        sum.add(x[((n * s.h_in + i * s.pool_h + r) * s.w_in + j * s.pool_w + q) as usize]);
                    }
                }
                y.push_rounded(Rounded::from(sum) / Rounded::exact(s.cell().into()));
            }
        }
    }
    vec![Expected::Near(y)]
}
