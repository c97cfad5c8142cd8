//! `shaders/dropout.wgsl` on every device, and which values its twin drops.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{Dropout, DropoutShape};

/// Kept values are scaled by 1 / (1 - p), the requested share is dropped, and another step, layer or run drops other
/// values.
#[test]
fn the_twin_leaves_out_a_share_and_scales_the_rest() {
    const COUNT: usize = 10_000;
    let of = |percent, layer, step, seed| {
        let kernel = Dropout(DropoutShape { count: COUNT as u32, percent, layer });
        floats(&twin(&kernel, &[f("x", &[3.0; COUNT]), u("cursor", &[step, 0, 1]), u("seed", &[seed])])[0])
    };
    let first = of(25, 1, 0, 9);
    assert!(first.iter().all(|&y| y == 0.0 || (y - 4.0).abs() < 1e-12));
    let dropped = |y: &[f64]| y.iter().filter(|&&y| y == 0.0).count();
    // Five standard deviations of a binomial distribution.
    assert!((2500 - 220..2500 + 220).contains(&dropped(&first)), "{}", dropped(&first));
    assert_eq!(dropped(&of(0, 1, 0, 9)), 0);
    for other in [of(25, 2, 0, 9), of(25, 1, 1, 9), of(25, 1, 0, 8)] {
        let both = first.iter().zip(&other).filter(|(a, b)| **a == 0.0 && **b == 0.0).count();
        assert!((500..750).contains(&both), "{both} left out in both");
    }
    assert_eq!(first, of(25, 1, 0, 9));
}
