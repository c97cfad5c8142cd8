//! `shaders/fc_forward.wgsl` on every device, and its twin on an example worked by hand.

use crate::common::{conformance, f, floats, twin};
use mnist_gpu::plan::{Activation, DeviceClass, FcShape, Kernel, Tiles};

#[test]
fn every_device_agrees_with_the_twin() {
    conformance("fc_forward");
}

#[test]
fn the_twin_does_a_worked_example() {
    let shape = FcShape { batch: 2, c_in: 2, c_out: 1, activation: Activation::Relu, activation_in: Activation::Relu };
    let kernel = Kernel::FcForward(shape, Tiles::of(DeviceClass::Discrete));
    let inputs = [f("x", &[1.0, 2.0, -3.0, 4.0]), f("w", &[10.0, 1.0]), f("b", &[0.5])];
    assert_eq!(floats(&twin(&kernel, &inputs)[0]), [12.5, 0.0]);
}
