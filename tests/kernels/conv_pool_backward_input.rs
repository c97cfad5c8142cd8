//! The twin of `shaders/conv_pool_backward_input.wgsl` on an example worked by hand.

use crate::common::{conv, f, floats, twin, u};
use mnist_gpu::kernels::{Activation, ConvPoolBackwardInput, ConvPoolShape, ConvShape, DeviceClass, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    // A 1x1 kernel of weight 2 over 4x4 pixels: each winner gets twice the gradient.
    let shape = ConvPoolShape {
        conv: ConvShape { h_in: 4, w_in: 4, k: 1, ..conv(Activation::Relu, Activation::Identity) },
        pool: 2,
    };
    let kernel = ConvPoolBackwardInput(shape, Tiles::of(DeviceClass::Discrete));
    let inputs = [f("dy", &[1.0, 2.0, 3.0, 4.0]), u("winner", &[0, 1, 2, 3]), f("w", &[2.0]), f("x", &[1.0; 16])];
    let dx = [2.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.0, 8.0];
    assert_eq!(floats(&twin(&kernel, &inputs)[0]), dx);
}
