//! The twin of `shaders/sgd_update.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, update};
use mnist_gpu::kernels::SgdUpdate;

#[test]
fn the_twin_does_a_worked_example() {
    let (shape, mut inputs) = update();
    inputs.extend([
        f("of_step", &[1.0, 0.0, 0.0, 0.0]),
        f("hyper", &[0.25, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        f("v", &[3.0, 8.0, 3.0]),
    ]);
    // g = 0.5 * 6 + 0.1 * 10 = 4; v = 0.25 * 8 + 4 = 6; w = 10 - 0.5 * 6, or with Nesterov 10 - 0.5 * (4 + 0.25 * 6).
    let expected = twin(&SgdUpdate(shape.clone(), false), &inputs);
    assert_eq!(floats(&expected[0]), [1.0, 7.0, 1.0]);
    assert_eq!(floats(&expected[1]), [3.0, 6.0, 3.0]);
    let expected = twin(&SgdUpdate(shape, true), &inputs);
    assert_eq!(floats(&expected[0]), [1.0, 7.25, 1.0]);
}
