//! The twin of `shaders/activation_forward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::{Activation, ActivationForward, ActivationShape};

#[test]
fn the_twin_does_a_worked_example() {
    let y = |activation, x: &[f64]| {
        let shape = ActivationShape { count: x.len() as u32, activation };
        floats(&twin(&ActivationForward(shape), &[f("x", x)])[0])
    };
    assert_eq!(y(Activation::Relu, &[-1.0, 0.0, 2.5]), [0.0, 0.0, 2.5]);
    let sigmoid = y(Activation::Sigmoid, &[0.0, 3.0_f64.ln(), -3.0_f64.ln()]);
    assert!(sigmoid.iter().zip([0.5, 0.75, 0.25]).all(|(a, b)| (a - b).abs() < 1e-15), "{sigmoid:?}");
}
