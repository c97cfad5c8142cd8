//! Twin of `shaders/batch_norm_backward_weight.wgsl`: `dw = sum of dy * (x - mean) / sqrt(variance + 1e-5)` and `db =
//! sum of dy`, per channel.

use super::batch_norm_statistics::{deviation, positions};
use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{BatchNormBackwardWeight, NormShape};

impl Twin for BatchNormBackwardWeight {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"), from.f("x"), from.f("mean"), from.f("variance"))
    }
}

pub fn run(s: &NormShape, dy: &[f64], x: &[f64], mean: &[f64], variance: &[f64]) -> Vec<Expected> {
    let (mut dw, mut db) = (Near::default(), Near::default());
    for c in 0..s.channels as usize {
        let centred = |at: usize| Rounded::exact(x[at]) - Rounded::exact(mean[c]);
        let products = positions(s, s.padded, c).map(|at| dy[at] * centred(at));
        let scaled = Rounded::sum(products) / deviation(variance[c]);
        let plain = Rounded::sum(positions(s, s.padded, c).map(|at| Rounded::exact(dy[at])));
        dw.push(scaled.value, scaled.error);
        db.push(plain.value, plain.error);
    }
    vec![Expected::Near(dw), Expected::Near(db)]
}
