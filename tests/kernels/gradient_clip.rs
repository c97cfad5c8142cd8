//! The twin of `shaders/gradient_clip.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin};
use mnist_gpu::kernels::GradientClip;

#[test]
fn the_twin_does_a_worked_example() {
    let clip = |limit| floats(&twin(&GradientClip(2, 1), &[f("part", &[9.0, 16.0]), f("limit", &[limit])])[0])[0];
    // A norm of 5 with a limit of 2.5, and with one of 6.
    assert!((clip(2.5) - 2.5 / (5.0 + 1e-6)).abs() < 1e-9);
    assert_eq!(clip(6.0), 1.0);
}
