//! The twin of `shaders/conv_pool_backward_weight.wgsl` on an example worked by hand.

use crate::common::{conv, f, floats, twin, u};
use mnist_gpu::kernels::{Activation, ConvPoolBackwardWeight, ConvPoolShape, ConvShape, DeviceClass, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    // A 1x1 kernel over 4x4 pixels: only winners count.
    let shape = ConvPoolShape {
        conv: ConvShape { h_in: 4, w_in: 4, k: 1, ..conv(Activation::Relu, Activation::Identity) },
        pool: 2,
    };
    let kernel = ConvPoolBackwardWeight(shape, 1, Tiles::of(DeviceClass::Software));
    let x: Vec<f64> = (0..16).map(f64::from).collect();
    let batch = [f("dy", &[1.0, 2.0, 3.0, 4.0]), u("winner", &[0, 1, 2, 3]), f("x", &x)];
    let expected = twin(&kernel, &[&batch[..], &[f("dw_in", &[1000.0]), f("db_in", &[100.0])]].concat());
    // Winners are the pixels 0, 3, 12 and 15.
    assert_eq!(floats(&expected[0]), [1000.0 + 0.0 + 2.0 * 3.0 + 3.0 * 12.0 + 4.0 * 15.0]);
    assert_eq!(floats(&expected[1]), [110.0]);
}
