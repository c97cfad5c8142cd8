//! The twin of `shaders/batch_norm_statistics.wgsl` on an example from PyTorch.

use crate::common::{NORM, close, floats, norm, twin};
use mnist_gpu::kernels::{BatchNormStatistics, DeviceClass, Tiles};

#[test]
fn the_twin_does_as_pytorch() {
    let kernel = BatchNormStatistics(NORM, Tiles::of(DeviceClass::Discrete));
    let results = twin(&kernel, &norm());
    close(&floats(&results[0]), &[1.2, 1.95]);
    close(&floats(&results[1]), &[3.166_666_666_666_667, 4.3]);
    close(&floats(&results[2]), &[3.0, 1.5]);
    close(&floats(&results[3]), &[3.5, 5.25]);
}
