//! The twin of `shaders/fc_forward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::{Activation, DeviceClass, FcForward, FcShape, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    let shape = FcShape { batch: 2, c_in: 2, c_out: 1, activation: Activation::Relu, activation_in: Activation::Relu };
    let kernel = FcForward(shape, Tiles::of(DeviceClass::Discrete));
    let inputs = [f("x", &[1.0, 2.0, -3.0, 4.0]), f("w", &[10.0, 1.0]), f("b", &[0.5])];
    assert_eq!(floats(&twin(&kernel, &inputs)[0]), [12.5, 0.0]);
}
