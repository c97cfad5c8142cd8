//! The twin of `shaders/activation_backward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::{Activation, ActivationBackward, ActivationShape};

#[test]
fn the_twin_does_a_worked_example() {
    let dx = |activation, y: &[f64]| {
        let shape = ActivationShape { count: y.len() as u32, activation };
        floats(&twin(&ActivationBackward(shape), &[f("dy", &[8.0; 3]), f("y", y)])[0])
    };
    assert_eq!(dx(Activation::Relu, &[0.0, 1e-30, 2.0]), [0.0, 8.0, 8.0]);
    assert_eq!(dx(Activation::Sigmoid, &[0.5, 0.75, 1.0]), [2.0, 1.5, 0.0]);
}
