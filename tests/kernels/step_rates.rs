//! The twin of `shaders/step_rates.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{StepRates, StepsShape};

#[test]
fn the_twin_does_a_worked_example() {
    let kernel = StepRates(StepsShape { batch: 2, steps: 2 });
    let inputs = [u("cursor", &[7, 2, 4]), f("rates", &[9.0, 9.0, 9.0, 9.0, 0.5, 2.0, 3.0, 4.0])];
    assert_eq!(floats(&twin(&kernel, &inputs)[0]), [0.5, 2.0, 3.0, 4.0]);
}
