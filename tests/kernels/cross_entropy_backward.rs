//! `shaders/cross_entropy_backward.wgsl` on every device, and its twin on an example worked by hand.

use crate::common::{conformance, f, floats, twin, u};
use mnist_gpu::plan::{Kernel, LossShape};

#[test]
fn every_device_agrees_with_the_twin() {
    conformance("cross_entropy_backward");
}

#[test]
fn the_twin_does_a_worked_example() {
    // Logits ln 1 and ln 3: the softmax is 1/4 and 3/4.
    let shape = LossShape { batch: 2, padded: 2, classes: 2, set: 1, rows: 1 };
    let x = [0.0, 3.0_f64.ln(), 9.0, 9.0];
    // The second row is past the end of the set, so the mean is over one.
    let inputs = [f("x", &x), u("labels", &[0]), u("order", &[0]), u("cursor", &[0, 0, 1])];
    let dx = floats(&twin(&Kernel::CrossEntropyBackward(shape), &inputs)[0]);
    assert!(dx.iter().zip([-0.75, 0.75, 0.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-15), "{dx:?}");
}
