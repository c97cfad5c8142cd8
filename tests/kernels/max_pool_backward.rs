//! The twin of `shaders/max_pool_backward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{MaxPoolBackward, PoolShape};

#[test]
fn the_twin_does_a_worked_example() {
    let kernel = MaxPoolBackward(PoolShape { planes: 1, h_in: 3, w_in: 5, pool: 2 });
    let expected = twin(&kernel, &[f("dy", &[7.0, 8.0]), u("winner", &[1, 2])]);
    let dx = [0.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(floats(&expected[0]), dx);
}
