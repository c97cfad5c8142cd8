//! The twin of `shaders/advance.wgsl` on an example worked by hand.

use crate::common::{twin, u};
use mnist_gpu::kernels::Advance;

#[test]
fn the_twin_does_a_worked_example() {
    let expected = twin(&Advance(64), &[u("cursor", &[7, 128, 1000])]);
    assert_eq!(expected[0].tensor().integers(), [8, 192, 1000]);
}
