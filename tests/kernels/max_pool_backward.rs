//! `shaders/max_pool_backward.wgsl` on every device, and its twin on an example worked by hand.

use crate::common::{conformance, f, floats, twin, u};
use mnist_gpu::plan::{Kernel, PoolShape};

#[test]
fn every_device_agrees_with_the_twin() {
    conformance("max_pool_backward");
}

#[test]
fn the_twin_does_a_worked_example() {
    let kernel = Kernel::MaxPoolBackward(PoolShape { planes: 1, h_in: 3, w_in: 5, pool: 2 });
    let expected = twin(&kernel, &[f("dy", &[7.0, 8.0]), u("winner", &[1, 2])]);
    let dx = [0.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(floats(&expected[0]), dx);
}
