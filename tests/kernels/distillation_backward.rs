//! The twin of `shaders/distillation_backward.wgsl` against finite differences of its loss.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{DistillationBackward, LossShape};

fn softmax(x: &[f64], t: f64) -> Vec<f64> {
    let sum: f64 = x.iter().map(|x| (x / t).exp()).sum();
    x.iter().map(|x| (x / t).exp() / sum).collect()
}

fn check(weights: Option<[f64; 3]>) {
    const EPS: f64 = 1e-6;
    let (x, z) = ([0.3, -1.2, 0.9], [1.5, 0.1, -0.4]);
    let (label, e, t, a) = (1, 0.1, 3.0, 0.7);
    let w = weights.unwrap_or([1.0; 3]);
    let loss = |x: &[f64]| {
        let hard: f64 = softmax(x, 1.0)
            .iter()
            .enumerate()
            .map(|(j, p)| -w[j] * (e / 3.0 + if j == label { 1.0 - e } else { 0.0 }) * p.ln())
            .sum();
        let soft: f64 = softmax(&z, t).iter().zip(softmax(x, t)).map(|(q, p)| q * (q / p).ln()).sum();
        (1.0 - a) * hard / w[label] + a * t * t * soft
    };
    let shape = LossShape { batch: 2, padded: 2, classes: 3, set: 1, rows: 1, weighted: weights.is_some() };
    let padded = |x: &[f64]| [x, &[9.0; 3]].concat();
    let inputs = [
        f("x", &padded(&x)),
        f("z", &padded(&z)),
        u("labels", &[label as u32]),
        u("order", &[0]),
        u("cursor", &[0, 0, 1]),
        f("smoothing", &[e]),
        f("weights", &w),
        f("teaching", &[t, a]),
    ];
    let dx = floats(&twin(&DistillationBackward(shape), &inputs)[0]);
    for j in 0..3 {
        let moved = |by: f64| {
            let mut x = x;
            x[j] += by;
            loss(&x)
        };
        let slope = (moved(EPS) - moved(-EPS)) / (2.0 * EPS);
        assert!((dx[j] - slope).abs() < 1e-8, "{weights:?} {j}: {} {slope}", dx[j]);
    }
    assert_eq!(dx[3..], [0.0; 3]);
}

#[test]
fn the_twin_is_the_slope_of_hintons_loss() {
    check(None);
}

/// The weights apply to the labels' part of the loss.
#[test]
fn the_twin_weighs_classes() {
    check(Some([0.5, 2.0, 3.0]));
}
