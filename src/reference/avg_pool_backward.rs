//! Twin of `shaders/avg_pool_backward.wgsl`: each input gets its share of its cell's gradient.

use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{AvgPoolBackward, AvgPoolShape};

impl Twin for AvgPoolBackward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"))
    }
}

pub fn run(s: &AvgPoolShape, dy: &[f64]) -> Vec<Expected> {
    let mut dx = Near::with_capacity(s.lens().0);
    for n in 0..s.planes {
        for i in 0..s.h_in {
            for j in 0..s.w_in {
                let (cell_i, cell_j) = (i / s.pool_h, j / s.pool_w);
                if cell_i < s.h_out() && cell_j < s.w_out() {
                    let delta = dy[((n * s.h_out() + cell_i) * s.w_out() + cell_j) as usize];
                    dx.push_rounded(Rounded::exact(delta) / Rounded::exact(s.cell().into()));
                } else {
                    dx.push(0.0, 0.0);
                }
            }
        }
    }
    vec![Expected::Near(dx)]
}
