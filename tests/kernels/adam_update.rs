//! The twin of `shaders/adam_update.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, update};
use mnist_gpu::kernels::AdamUpdate;

#[test]
fn the_twin_does_a_worked_example() {
    let (shape, mut inputs) = update();
    inputs.extend([
        // Rate, 1 / (1 - beta1^t), sqrt(1 - beta2^t).
        f("of_step", &[2.0, 2.0, 0.5, 0.0]),
        // beta1, 1 - beta1, beta2, 1 - beta2, eps, decay.
        f("hyper", &[0.5, 0.5, 0.75, 0.25, 1.0, 0.1, 0.0, 0.0]),
        f("m", &[3.0, 2.0, 3.0]),
        f("s", &[3.0, 16.0, 3.0]),
    ]);
    // g = 0.5 * 6 + 0.1 * 10 = 4; m = 0.5 * 2 + 0.5 * 4 = 3; s = 0.75 * 16 + 0.25 * 16 = 16;
    // w = 10 - 1 * 2 * 3 / (4 / 0.5 + 1).
    let expected = twin(&AdamUpdate(shape.clone(), false), &inputs);
    assert_eq!(floats(&expected[0]), [1.0, 10.0 - 6.0 / 9.0, 1.0]);
    assert_eq!(floats(&expected[1]), [3.0, 3.0, 3.0]);
    assert_eq!(floats(&expected[2]), [3.0, 16.0, 3.0]);
    // Decoupled: g = 3; m = 2.5; s = 12 + 9 / 4 = 14.25; w = 10 * (1 - 1 * 0.1) - 5 / (sqrt(14.25) / 0.5 + 1).
    let expected = twin(&AdamUpdate(shape, true), &inputs);
    assert!((floats(&expected[0])[1] - (9.0 - 5.0 / (2.0 * 14.25_f64.sqrt() + 1.0))).abs() < 1e-12);
    assert_eq!(floats(&expected[2])[1], 14.25);
}
