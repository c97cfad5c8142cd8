//! The twin of `shaders/conv_pool_forward.wgsl` on an example worked by hand.

use crate::common::{conv, f, floats, twin};
use mnist_gpu::kernels::{Activation, ConvPoolForward, ConvPoolShape, ConvShape, DeviceClass, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    // A 1x1 kernel of weight 2 and bias -1 over 4x4 pixels: the pooled map is 2 max - 1.
    let shape = ConvPoolShape {
        conv: ConvShape { h_in: 4, w_in: 4, k: 1, ..conv(Activation::Relu, Activation::Identity) },
        pool: 2,
    };
    let kernel = ConvPoolForward(shape, Tiles::of(DeviceClass::Discrete));
    let x = [1.0, 3.0, 7.0, 7.0, 2.0, 0.0, 7.0, 7.0, -1.0, -2.0, 0.0, 0.0, -3.0, -4.0, 0.0, 5.0];
    let expected = twin(&kernel, &[f("x", &x), f("w", &[2.0]), f("b", &[-1.0])]);
    assert_eq!(floats(&expected[0]), [5.0, 13.0, 0.0, 9.0]);
    // The first of equal values wins.
    assert_eq!(expected[1].tensor().integers(), [1, 0, 0, 3]);
}
