//! The twin of `shaders/fc_backward_input.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::{Activation, DeviceClass, FcBackwardInput, FcShape, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    let shape = FcShape { batch: 2, c_in: 2, c_out: 1, activation: Activation::Relu, activation_in: Activation::Relu };
    let kernel = FcBackwardInput(shape, Tiles::of(DeviceClass::Discrete));
    let inputs = [f("dy", &[1.0, -2.0]), f("w", &[10.0, 1.0]), f("x", &[1.0, 0.0, 2.0, 3.0])];
    assert_eq!(floats(&twin(&kernel, &inputs)[0]), [10.0, 0.0, -20.0, -2.0]);
}
