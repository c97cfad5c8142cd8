//! `shaders/fc_backward_weight.wgsl` on every device, and its twin on an example worked by hand.

use crate::common::{conformance, f, floats, twin};
use mnist_gpu::plan::{Activation, DeviceClass, FcShape, Kernel, Tiles};

#[test]
fn every_device_agrees_with_the_twin() {
    conformance("fc_backward_weight");
}

#[test]
fn the_twin_does_a_worked_example() {
    let shape = FcShape { batch: 2, c_in: 2, c_out: 1, activation: Activation::Relu, activation_in: Activation::Relu };
    let inputs = [f("dy", &[1.0, -2.0]), f("x", &[1.0, 0.0, 2.0, 3.0])];
    let whole = twin(&Kernel::FcBackwardWeight(shape, 1, Tiles::of(DeviceClass::Discrete)), &inputs);
    assert_eq!((floats(&whole[0]), floats(&whole[1])), (vec![-3.0, -6.0], vec![-1.0]));
    let sliced = twin(&Kernel::FcBackwardWeight(shape, 2, Tiles::of(DeviceClass::Discrete)), &inputs);
    assert_eq!((floats(&sliced[0]), floats(&sliced[1])), (vec![1.0, 0.0, -4.0, -6.0], vec![1.0, -2.0]));
}
