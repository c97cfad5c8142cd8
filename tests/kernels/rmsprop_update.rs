//! The twin of `shaders/rmsprop_update.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, update};
use mnist_gpu::kernels::RmspropUpdate;

#[test]
fn the_twin_does_a_worked_example() {
    let (shape, mut inputs) = update();
    inputs.extend([
        f("of_step", &[2.0, 0.0, 0.0, 0.0]),
        // alpha, 1 - alpha, eps, momentum, decay.
        f("hyper", &[0.75, 0.25, 1.0, 0.5, 0.1, 0.0, 0.0, 0.0]),
        f("v", &[3.0, 2.0, 3.0]),
        f("s", &[3.0, 16.0, 3.0]),
    ]);
    // g = 0.5 * 6 + 0.1 * 10 = 4; s = 12 + 4 = 16; v = 0.5 * 2 + 4 / (4 + 1) = 1.8; w = 10 - 1 * 1.8.
    let expected = twin(&RmspropUpdate(shape), &inputs);
    assert!((floats(&expected[0])[1] - 8.2).abs() < 1e-12);
    assert!((floats(&expected[1])[1] - 1.8).abs() < 1e-12);
    assert_eq!(floats(&expected[2]), [3.0, 16.0, 3.0]);
    assert_eq!((floats(&expected[0])[0], floats(&expected[1])[2]), (1.0, 3.0));
}
