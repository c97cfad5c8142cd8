//! Twin of `shaders/load_images.wgsl`: `y[n,p] = byte_values[images[order[start + n], p]]`, 0 past the end of the set.

use super::{Expected, Inputs, Near, Twin};
use crate::kernels::{LoadImages, LoadShape};

impl Twin for LoadImages {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.u("images"), from.u("order"), from.u("cursor"), from.f("byte_values"))
    }
}

pub fn run(s: &LoadShape, images: &[u32], order: &[u32], cursor: &[u32], byte_values: &[f64]) -> Vec<Expected> {
    let (start, total) = (cursor[1], cursor[2]);
    let mut y = Near::with_capacity((s.batch * s.pixels) as usize);
    for n in 0..s.batch {
        for p in 0..s.pixels {
            let value = if start + n < total {
                let at = (order[(start + n) as usize] * s.pixels + p) as usize;
                let byte = images[at / 4].to_le_bytes()[at % 4];
                byte_values[byte as usize]
            } else {
                0.0
            };
            y.push(value, 0.0);
        }
    }
    vec![Expected::Near(y)]
}
