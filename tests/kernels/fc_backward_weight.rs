//! The twin of `shaders/fc_backward_weight.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::{Activation, DeviceClass, FcBackwardWeight, FcShape, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    let shape = FcShape { batch: 2, c_in: 2, c_out: 1, activation: Activation::Relu, activation_in: Activation::Relu };
    let sums = |slices, dw_in: &[f64], db_in: &[f64]| {
        let kernel = FcBackwardWeight(shape, slices, Tiles::of(DeviceClass::Software));
        let batch = [f("dy", &[1.0, -2.0]), f("x", &[1.0, 0.0, 2.0, 3.0])];
        let both = twin(&kernel, &[&batch[..], &[f("dw_in", dw_in), f("db_in", db_in)]].concat());
        (floats(&both[0]), floats(&both[1]))
    };
    assert_eq!(sums(1, &[0.0, 0.0], &[0.0]), (vec![-3.0, -6.0], vec![-1.0]));
    assert_eq!(sums(1, &[10.0, 20.0], &[5.0]), (vec![7.0, 14.0], vec![4.0]));
    assert_eq!(sums(2, &[0.0; 4], &[0.0, 1.0]), (vec![1.0, 0.0, -4.0, -6.0], vec![1.0, -1.0]));
}
