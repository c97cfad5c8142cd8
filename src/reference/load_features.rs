//! Twin of `shaders/load_features.wgsl`: `y[n,i] = features[order[start + n], i]`, 0 past the end of the set.

use super::{Expected, Inputs, Near, Twin};
use crate::kernels::{FeatureShape, LoadFeatures};

impl Twin for LoadFeatures {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("features"), from.u("order"), from.u("cursor"))
    }
}

pub fn run(s: &FeatureShape, features: &[f64], order: &[u32], cursor: &[u32]) -> Vec<Expected> {
    let (start, total) = (cursor[1], cursor[2]);
    let mut y = Near::with_capacity((s.batch * s.len) as usize);
    for n in 0..s.batch {
        for i in 0..s.len {
            let inside = start + n < total;
            y.push(if inside { features[(order[(start + n) as usize] * s.len + i) as usize] } else { 0.0 }, 0.0);
        }
    }
    vec![Expected::Near(y)]
}
