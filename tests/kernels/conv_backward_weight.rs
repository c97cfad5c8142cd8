//! `shaders/conv_backward_weight.wgsl` on every device, and its twin on an example worked by hand.

use crate::common::{conformance, conv, f, floats, twin};
use mnist_gpu::plan::{Activation, Kernel};

#[test]
fn every_device_agrees_with_the_twin() {
    conformance("conv_backward_weight");
}

#[test]
fn the_twin_does_a_worked_example() {
    let x: Vec<f64> = (1..10).map(f64::from).collect();
    let inputs = [f("dy", &[1.0, 0.0, 0.0, 2.0]), f("x", &x)];
    let expected = twin(&Kernel::ConvBackwardWeight(conv(Activation::None, Activation::None), 1), &inputs);
    // dw[u,v] = x[u,v] + 2 x[u+1,v+1].
    assert_eq!(floats(&expected[0]), [11.0, 14.0, 20.0, 23.0]);
    assert_eq!(floats(&expected[1]), [3.0]);
}
