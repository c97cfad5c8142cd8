//! `shaders/advance.wgsl` on every device, and its twin on an example worked by hand.

use crate::common::{conformance, twin, u};
use mnist_gpu::plan::Kernel;

#[test]
fn every_device_agrees_with_the_twin() {
    conformance("advance");
}

#[test]
fn the_twin_does_a_worked_example() {
    let expected = twin(&Kernel::Advance(64), &[u("cursor", &[7, 128, 1000])]);
    assert_eq!(expected[0].tensor().integers(), [8, 192, 1000]);
}
