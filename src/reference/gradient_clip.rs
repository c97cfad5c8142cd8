//! Twin of `shaders/gradient_clip.wgsl`: `clip = min(1, limit / (sqrt(sum of part) + 1e-6))`.

use super::{Expected, Inputs, Near, Rounded, Sum, Twin};
use crate::kernels::GradientClip;

impl Twin for GradientClip {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(from.f("part"), from.f("limit"))
    }
}

pub fn run(part: &[f64], limit: &[f64]) -> Vec<Expected> {
    let mut sum = Sum::default();
    part.iter().for_each(|&part| sum.add(part));
    let norm = Rounded::from(sum).sqrt() + Rounded::exact(f64::from(1e-6_f32));
    let clip = (Rounded::exact(limit[0]) / norm).min(1.0);
    vec![Expected::Near(Near { value: vec![clip.value], error: vec![clip.error] })]
}
