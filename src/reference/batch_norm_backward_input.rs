//! Twin of `shaders/batch_norm_backward_input.wgsl`: with s the square root of variance + 1e-5 and M the number of
//! values of a channel, `dx = act'(x) * w / s * (dy - (db + dw * (x - mean) / s) / M)`, and 0 for rows that are not
//! images.

use super::activations::through;
use super::batch_norm_statistics::{deviation, images, positions};
use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{BatchNormBackwardInput, NormShape};

impl Twin for BatchNormBackwardInput {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"), from.f("x"), from.u("cursor"), |name| from.f(name))
    }
}

/// `given` looks up w, mean, variance, dw and db by name.
pub fn run<'a>(
    s: &NormShape,
    dy: &[f64],
    x: &[f64],
    cursor: &[u32],
    given: impl Fn(&str) -> &'a [f64],
) -> Vec<Expected> {
    let mut dx = Near { value: vec![0.0; s.elements()], error: vec![0.0; s.elements()] };
    let images = images(s, cursor);
    let count = Rounded::exact(f64::from(images * s.pixels));
    for c in 0..s.channels as usize {
        let of = |name: &str| Rounded::exact(given(name)[c]);
        let deviation = deviation(given("variance")[c]);
        let (scale, slope, shift) = (of("w") / deviation, of("dw") / deviation / count, of("db") / count);
        for at in positions(s, images, c) {
            let z = scale * (Rounded::exact(dy[at]) - (shift + slope * (Rounded::exact(x[at]) - of("mean"))));
            dx.set(at, through(z, x[at], s.activation_in));
        }
    }
    vec![Expected::Near(dx)]
}
