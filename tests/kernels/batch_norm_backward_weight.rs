//! The twin of `shaders/batch_norm_backward_weight.wgsl` on an example from PyTorch.

use crate::common::{NORM, close, floats, norm, twin};
use mnist_gpu::kernels::{BatchNormBackwardWeight, DeviceClass, Tiles};

#[test]
fn the_twin_does_as_pytorch() {
    let kernel = BatchNormBackwardWeight(NORM, Tiles::of(DeviceClass::Discrete));
    let results = twin(&kernel, &norm());
    close(&floats(&results[0]), &[0.534_521_720_222_936_8, 3.818_809_442_170_225]);
    close(&floats(&results[1]), &[-1.0, 1.5]);
}
