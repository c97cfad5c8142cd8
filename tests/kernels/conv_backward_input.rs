//! The twin of `shaders/conv_backward_input.wgsl` on an example worked by hand.

use crate::common::{conv, f, floats, twin};
use mnist_gpu::kernels::{Activation, ConvBackwardInput, DeviceClass, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    // dy = [1 2; 3 4], w = [10 20; 30 40]: the full convolution, row by row.
    let kernel = ConvBackwardInput(conv(Activation::Identity, Activation::Relu), Tiles::of(DeviceClass::Discrete));
    let mut x = [1.0; 9];
    x[4] = 0.0;
    let inputs = [f("dy", &[1.0, 2.0, 3.0, 4.0]), f("w", &[10.0, 20.0, 30.0, 40.0]), f("x", &x)];
    let dx = [10.0, 40.0, 40.0, 60.0, 0.0, 160.0, 90.0, 240.0, 160.0];
    assert_eq!(floats(&twin(&kernel, &inputs)[0]), dx);
}
