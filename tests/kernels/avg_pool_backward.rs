//! The twin of `shaders/avg_pool_backward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::{AvgPoolBackward, AvgPoolShape};

#[test]
fn the_twin_does_a_worked_example() {
    let kernel = AvgPoolBackward(AvgPoolShape { planes: 1, h_in: 2, w_in: 3, pool_h: 2, pool_w: 2 });
    assert_eq!(floats(&twin(&kernel, &[f("dy", &[6.0])])[0]), [1.5, 1.5, 0.0, 1.5, 1.5, 0.0]);
}
