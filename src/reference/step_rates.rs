//! Twin of `shaders/step_rates.wgsl`: `rate = rates[start / batch]`.

use super::{Expected, Inputs, Near, Twin};
use crate::kernels::{RATE, StepRates};

impl Twin for StepRates {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(self.0.batch, from.u("cursor"), from.f("rates"))
    }
}

pub fn run(batch: u32, cursor: &[u32], rates: &[f64]) -> Vec<Expected> {
    let of_step = &rates[(cursor[1] / batch) as usize * RATE..][..RATE];
    vec![Expected::Near(Near { value: of_step.to_vec(), error: vec![0.0; RATE] })]
}
