//! The twin of `shaders/cross_entropy_forward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{CrossEntropyForward, LossShape};

#[test]
fn the_twin_does_a_worked_example() {
    // Logits ln 1 and ln 3: the softmax is 1/4 and 3/4.
    let shape = LossShape { batch: 2, padded: 2, classes: 2, set: 1, rows: 1, weighted: false };
    let x = [0.0, 3.0_f64.ln(), 9.0, 9.0];
    let inputs = [
        f("x", &x),
        u("labels", &[0]),
        u("order", &[0]),
        u("cursor", &[0, 0, 1]),
        f("smoothing", &[0.0]),
        f("weights", &[1.0, 1.0]),
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

/// PyTorch's weighted mean is the mean of these losses.
#[test]
fn the_twin_weighs_classes() {
    let shape = LossShape { batch: 2, padded: 2, classes: 2, set: 2, rows: 2, weighted: true };
    let x = [0.0, 3.0_f64.ln(), 0.0, 3.0_f64.ln()];
    let losses = |smoothing| {
        let inputs = [
            f("x", &x),
            u("labels", &[0, 1]),
            u("order", &[0, 1]),
            u("cursor", &[0, 0, 2]),
            f("smoothing", &[smoothing]),
            f("weights", &[1.0, 3.0]),
            f("loss", &[0.0; 2]),
            u("predicted", &[0; 2]),
            f("probability", &[0.0; 2]),
        ];
        floats(&twin(&CrossEntropyForward(shape), &inputs)[0])
    };
    // -ln of 1/4 and of 3/4; both images together weigh 4.
    let (low, high) = (4.0_f64.ln(), (4.0_f64 / 3.0).ln());
    let close = |a: Vec<f64>, b: [f64; 2]| assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-14), "{a:?} {b:?}");
    close(losses(0.0), [2.0 * low / 4.0, 2.0 * 3.0 * high / 4.0]);
    close(losses(0.2), [2.0 * (0.9 * low + 0.3 * high) / 4.0, 2.0 * (0.1 * low + 2.7 * high) / 4.0]);
}
