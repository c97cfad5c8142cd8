//! The twin of `shaders/conv_backward_weight.wgsl` on an example worked by hand.

use crate::common::{conv, f, floats, twin};
use mnist_gpu::kernels::{Activation, ConvBackwardWeight};

#[test]
fn the_twin_does_a_worked_example() {
    let x: Vec<f64> = (1..10).map(f64::from).collect();
    let inputs = [f("dy", &[1.0, 0.0, 0.0, 2.0]), f("x", &x)];
    let expected = twin(&ConvBackwardWeight(conv(Activation::Identity, Activation::Identity), 1), &inputs);
    // dw[u,v] = x[u,v] + 2 x[u+1,v+1].
    assert_eq!(floats(&expected[0]), [11.0, 14.0, 20.0, 23.0]);
    assert_eq!(floats(&expected[1]), [3.0]);
}
