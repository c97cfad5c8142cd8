//! The twin of `shaders/max_pool_forward.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::{MaxPoolForward, PoolShape};

#[test]
fn the_twin_does_a_worked_example() {
    // The fifth column and the third row fill no cell.
    let x = [1.0, 5.0, -3.0, -3.0, 9.0, 4.0, 2.0, -3.0, -4.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0];
    let kernel = MaxPoolForward(PoolShape { planes: 1, h_in: 3, w_in: 5, pool: 2 });
    let expected = twin(&kernel, &[f("x", &x)]);
    assert_eq!(floats(&expected[0]), [5.0, -3.0]);
    assert_eq!(expected[1].tensor().integers(), [1, 0]);
}
