//! `shaders/batch_norm_backward_weight.wgsl` on every device, and its twin on an example of PyTorch's.

use crate::common::{NORM, close, conformance, floats, norm, twin};
use mnist_gpu::plan::{DeviceClass, Kernel, Tiles};

#[test]
fn every_device_agrees_with_the_twin() {
    conformance("batch_norm_backward_weight");
}

#[test]
fn the_twin_does_as_pytorch() {
    let kernel = Kernel::BatchNormBackwardWeight(NORM, Tiles::of(DeviceClass::Discrete));
    let results = twin(&kernel, &norm());
    close(&floats(&results[0]), &[0.534_521_720_222_936_8, 3.818_809_442_170_225]);
    close(&floats(&results[1]), &[-1.0, 1.5]);
}
