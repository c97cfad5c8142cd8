//! The twin of `shaders/avg_pool_forward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::{AvgPoolForward, AvgPoolShape};

#[test]
fn the_twin_does_a_worked_example() {
    // The third column belongs to no cell.
    let kernel = AvgPoolForward(AvgPoolShape { planes: 1, h_in: 2, w_in: 3, pool_h: 2, pool_w: 2 });
    assert_eq!(floats(&twin(&kernel, &[f("x", &[1.0, 2.0, 99.0, 3.0, 8.0, 99.0])])[0]), [3.5]);
}
