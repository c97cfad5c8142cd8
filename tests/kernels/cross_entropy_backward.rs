//! The twin of `shaders/cross_entropy_backward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{CrossEntropyBackward, LossShape};

#[test]
fn the_twin_does_a_worked_example() {
    // Logits ln 1 and ln 3: the softmax is 1/4 and 3/4.
    let shape = LossShape { batch: 2, padded: 2, classes: 2, set: 1, rows: 1, weighted: false };
    let x = [0.0, 3.0_f64.ln(), 9.0, 9.0];
    // The second row is past the end of the set, so the mean is over one.
    let dx = |smoothing| {
        let known = [u("labels", &[0]), u("order", &[0]), u("cursor", &[0, 0, 1])];
        let inputs = [&[f("x", &x), f("smoothing", &[smoothing]), f("weights", &[1.0, 1.0])], &known[..]].concat();
        floats(&twin(&CrossEntropyBackward(shape), &inputs)[0])
    };
    let close = |a: Vec<f64>, b: [f64; 4]| assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15), "{a:?}");
    close(dx(0.0), [-0.75, 0.75, 0.0, 0.0]);
    // A fifth of the label is spread over both classes.
    close(dx(0.2), [0.25 - 0.9, 0.75 - 0.1, 0.0, 0.0]);
}

#[test]
fn the_twin_weighs_classes() {
    let shape = LossShape { batch: 2, padded: 2, classes: 2, set: 2, rows: 2, weighted: true };
    let x = [0.0, 3.0_f64.ln(), 0.0, 3.0_f64.ln()];
    let dx = |smoothing| {
        let known = [u("labels", &[0, 1]), u("order", &[0, 1]), u("cursor", &[0, 0, 2])];
        let inputs = [&[f("x", &x), f("smoothing", &[smoothing]), f("weights", &[1.0, 3.0])], &known[..]].concat();
        floats(&twin(&CrossEntropyBackward(shape), &inputs)[0])
    };
    let close = |a: Vec<f64>, b: [f64; 4]| assert!(a.iter().zip(b).all(|(a, b)| (a - b / 4.0).abs() < 1e-15), "{a:?}");
    // The images weigh 1 and 3, and the gradient is divided by the sum.
    close(dx(0.0), [-0.75, 0.75, 3.0 * 0.25, -3.0 * 0.25]);
    close(dx(0.2), [1.2 * 0.25 - 0.9, 1.2 * 0.75 - 0.3, 2.8 * 0.25 - 0.1, 2.8 * 0.75 - 2.7]);
}
