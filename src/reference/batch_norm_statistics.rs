//! Twin of `shaders/batch_norm_statistics.wgsl`: each channel's mean and variance over the images of a batch, and the
//! running ones moved a tenth of the way towards them; the running variance moves towards the unbiased one.

use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{BatchNormStatistics, NormShape};

/// Weights of the running value and of this batch's: PyTorch's momentum of 0.1.
const KEPT: f32 = 0.9;
const NEW: f32 = 0.1;

impl Twin for BatchNormStatistics {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"), from.u("cursor"), from.f("running_mean"), from.f("running_var"))
    }
}

pub fn run(s: &NormShape, x: &[f64], cursor: &[u32], running_mean: &[f64], running_var: &[f64]) -> Vec<Expected> {
    let mut out: [Near; 4] = Default::default();
    for c in 0..s.channels as usize {
        let values: Vec<Rounded> = positions(s, images(s, cursor), c).map(|at| Rounded::exact(x[at])).collect();
        let count = Rounded::exact(values.len() as f64);
        let mean = Rounded::sum(values.iter().copied()) / count;
        let spread = Rounded::sum(values.iter().map(|x| (*x - mean) * (*x - mean)));
        let unbiased = spread / Rounded::exact((values.len() as f64 - 1.0).max(1.0));
        let run = |before: f64, new| f64::from(KEPT) * Rounded::exact(before) + f64::from(NEW) * new;
        let results = [run(running_mean[c], mean), run(running_var[c], unbiased), mean, spread / count];
        out.iter_mut().zip(results).for_each(|(near, result)| near.push(result.value, result.error));
    }
    out.map(Expected::Near).into()
}

/// Number of rows of the batch that are images.
pub fn images(s: &NormShape, cursor: &[u32]) -> u32 {
    s.batch.min(cursor[2] - cursor[1])
}

/// Indices of a channel's values in the first `rows` rows.
pub fn positions(s: &NormShape, rows: u32, c: usize) -> impl Iterator<Item = usize> {
    let (channels, pixels) = (s.channels as usize, s.pixels as usize);
    (0..rows as usize).flat_map(move |n| (0..pixels).map(move |p| (n * channels + c) * pixels + p))
}

/// Square root of a variance plus PyTorch's 1e-5, which keeps it from 0.
pub fn deviation(variance: f64) -> Rounded {
    (Rounded::exact(variance) + Rounded::exact(f64::from(1e-5_f32))).sqrt()
}
