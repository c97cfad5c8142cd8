//! The twin of `shaders/gradient_norm.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{GradientNorm, Range, UpdateShape};

#[test]
fn the_twin_does_a_worked_example() {
    let range = |start, len, grad, slices| Range { start, len, grad, slices, rate: 1.0 };
    let ranges = vec![range(0, 1, 0, 2), range(64, 2, 4, 1)];
    let shape = UpdateShape { ranges, parameters: 128, gradients: 6, at_once: 1 };
    let inputs = [f("grad", &[1.0, 2.0, 9.0, 9.0, 3.0, -4.0]), u("table", &shape.table())];
    // (1 + 2)^2, and 3^2 + 4^2; the gap between them is not a gradient.
    assert_eq!(floats(&twin(&GradientNorm(shape), &inputs)[0]), [9.0, 25.0]);
}
