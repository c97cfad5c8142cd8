//! `shaders/sgd_update.wgsl` on every device, and its twin on an example worked by hand.

use crate::common::{conformance, f, floats, twin, u};
use mnist_gpu::plan::{Kernel, Range, UpdateShape};

#[test]
fn every_device_agrees_with_the_twin() {
    conformance("sgd_update");
}

#[test]
fn the_twin_does_a_worked_example() {
    // Two slices of one weight; the weight before and the one behind are frozen.
    let ranges = vec![Range { start: 1, len: 1, grad: 0, slices: 2 }];
    let shape = UpdateShape { ranges, parameters: 3, gradients: 2 };
    let inputs = [
        f("grad", &[2.0, 4.0]),
        u("table", &shape.table()),
        f("hyper", &[0.5, 0.25]),
        f("w", &[1.0, 10.0, 1.0]),
        f("v", &[3.0, 8.0, 3.0]),
    ];
    let expected = twin(&Kernel::SgdUpdate(shape.clone()), &inputs);
    assert_eq!(floats(&expected[0]), [1.0, 6.0, 1.0]);
    assert_eq!(floats(&expected[1]), [3.0, 8.0, 3.0]);
}
