//! The twin of `shaders/cross_entropy_backward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{CrossEntropyBackward, LossShape};

#[test]
fn the_twin_does_a_worked_example() {
    // Logits ln 1 and ln 3: the softmax is 1/4 and 3/4.
    let shape = LossShape { batch: 2, padded: 2, classes: 2, set: 1, rows: 1 };
    let x = [0.0, 3.0_f64.ln(), 9.0, 9.0];
    // The second row is past the end of the set, so the mean is over one.
    let dx = |smoothing| {
        let known = [u("labels", &[0]), u("order", &[0]), u("cursor", &[0, 0, 1])];
        let inputs = [&[f("x", &x), f("smoothing", &[smoothing])], &known[..]].concat();
        floats(&twin(&CrossEntropyBackward(shape), &inputs)[0])
    };
    let close = |a: Vec<f64>, b: [f64; 4]| assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15), "{a:?}");
    close(dx(0.0), [-0.75, 0.75, 0.0, 0.0]);
    // A fifth of the label is spread over both classes.
    close(dx(0.2), [0.25 - 0.9, 0.75 - 0.1, 0.0, 0.0]);
}
