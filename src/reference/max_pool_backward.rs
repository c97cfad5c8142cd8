//! Twin of `shaders/max_pool_backward.wgsl`: `dx` is dy at each cell's winner, else 0.

use super::{Expected, Inputs, Near, Twin};
use crate::kernels::{MaxPoolBackward, PoolShape};

impl Twin for MaxPoolBackward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"), from.u("winner"))
    }
}

pub fn run(s: &PoolShape, dy: &[f64], winner: &[u32]) -> Vec<Expected> {
    let value = unpool(s.planes, s.h_in, s.w_in, s.pool, dy, winner);
    let error = vec![0.0; value.len()];
    vec![Expected::Near(Near { value, error })]
}

/// Scatters the gradients of pooled planes to the planes before pooling.
pub fn unpool(planes: u32, h: u32, w: u32, pool: u32, dy: &[f64], winner: &[u32]) -> Vec<f64> {
    let mut dx = vec![0.0; (planes * h * w) as usize];
    for plane in 0..planes {
        for i in 0..h / pool {
            for j in 0..w / pool {
                let cell = ((plane * (h / pool) + i) * (w / pool) + j) as usize;
                let (r, s) = (winner[cell] / pool, winner[cell] % pool);
                dx[((plane * h + i * pool + r) * w + j * pool + s) as usize] = dy[cell];
            }
        }
    }
    dx
}
