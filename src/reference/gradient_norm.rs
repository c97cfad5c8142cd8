//! Twin of `shaders/gradient_norm.wgsl`: for each workgroup, the sum of its squared gradients.

use super::{Expected, Inputs, Near, Rounded, Sum, Twin};
use crate::kernels::{GradientNorm, ROW, UpdateShape};

impl Twin for GradientNorm {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("grad"))
    }
}

pub fn run(s: &UpdateShape, grad: &[f64]) -> Vec<Expected> {
    let mut part = Near::default();
    for row in s.table().chunks_exact(ROW) {
        let (count, start, len, slices) = (row[1], row[2], row[3], row[4]);
        let mut total = Rounded::exact(0.0);
        for i in 0..count {
            let mut sum = Sum::default();
            (0..slices).for_each(|slice| sum.add(grad[(start + slice * len + i) as usize]));
            let g = Rounded::from(sum);
            total = total + g * g;
        }
        part.push(total.value, total.error);
    }
    vec![Expected::Near(part)]
}
