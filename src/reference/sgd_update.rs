//! Twin of `shaders/sgd_update.wgsl`: `g = sum of the slices; v = momentum * v + g; w = w - rate * v` (PyTorch's form).

use super::{Expected, Near, Sum, UNIT};
use crate::plan::UpdateShape;

pub fn run(s: &UpdateShape, grad: &[f64], hyper: &[f64], w: &[f64], v: &[f64]) -> Vec<Expected> {
    let (rate, momentum) = (hyper[0], hyper[1]);
    let mut w = Near { value: w.to_vec(), error: vec![0.0; w.len()] };
    let mut v = Near { value: v.to_vec(), error: vec![0.0; v.len()] };
    for range in &s.ranges {
        for i in 0..range.len {
            let at = (range.start + i) as usize;
            let mut velocity = Sum::default();
            velocity.add(momentum * v.value[at]);
            for slice in 0..range.slices {
                velocity.add(grad[(range.slice(slice) + i) as usize]);
            }
            v.value[at] = velocity.value;
            v.error[at] = velocity.error();
            let mut weight = Sum::default();
            weight.add(w.value[at]);
            weight.add(-rate * velocity.value);
            w.value[at] = weight.value;
            w.error[at] = weight.error() + rate.abs() * velocity.error() + UNIT * (rate * velocity.value).abs();
        }
    }
    vec![Expected::Near(w), Expected::Near(v)]
}
