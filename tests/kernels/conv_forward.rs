//! The twin of `shaders/conv_forward.wgsl` on an example worked by hand.

use crate::common::{conv, f, floats, twin};
use mnist_gpu::kernels::{Activation, ConvForward, DeviceClass, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    // x = 1..9 as 3x3; w = [1 0; 0 -1] and bias 5: each output is 5 + x[i,j] - x[i+1,j+1] = 1.
    let x: Vec<f64> = (1..10).map(f64::from).collect();
    let kernel = |activation| ConvForward(conv(activation, Activation::Identity), Tiles::of(DeviceClass::Discrete));
    let inputs = [f("x", &x), f("w", &[1.0, 0.0, 0.0, -1.0]), f("b", &[5.0])];
    assert_eq!(floats(&twin(&kernel(Activation::Identity), &inputs)[0]), [1.0; 4]);
    let below = [f("x", &x), f("w", &[1.0, 0.0, 0.0, -1.0]), f("b", &[3.0])];
    assert_eq!(floats(&twin(&kernel(Activation::Relu), &below)[0]), [0.0; 4]);
}
