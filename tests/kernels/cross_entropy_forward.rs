//! The twin of `shaders/cross_entropy_forward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{CrossEntropyForward, LossShape};

#[test]
fn the_twin_does_a_worked_example() {
    // Logits ln 1 and ln 3: the softmax is 1/4 and 3/4.
    let shape = LossShape { batch: 2, padded: 2, classes: 2, set: 1, rows: 1 };
    let x = [0.0, 3.0_f64.ln(), 9.0, 9.0];
    let inputs = [
        f("x", &x),
        u("labels", &[0]),
        u("order", &[0]),
        u("cursor", &[0, 0, 1]),
        f("smoothing", &[0.0]),
        f("loss", &[0.0]),
        u("predicted", &[9]),
        f("probability", &[0.0]),
    ];
    let expected = twin(&CrossEntropyForward(shape), &inputs);
    assert!((floats(&expected[0])[0] - 4.0_f64.ln()).abs() < 1e-15);
    assert_eq!(expected[1].tensor().integers(), [1]);
    assert!((floats(&expected[2])[0] - 0.75).abs() < 1e-15);
    // A fifth of the label is spread: 0.9 of the loss for class 0 and 0.1 of that for class 1, which is ln(4 / 3).
    let smoothed =
        inputs.map(|(name, tensor)| if name == "smoothing" { f("smoothing", &[0.2]) } else { (name, tensor) });
    let expected = twin(&CrossEntropyForward(shape), &smoothed);
    let by_hand = 0.9 * 4.0_f64.ln() + 0.1 * (4.0_f64 / 3.0).ln();
    assert!((floats(&expected[0])[0] - by_hand).abs() < 1e-12);
}
