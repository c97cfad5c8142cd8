//! The twin of `shaders/batch_norm_backward_input.wgsl` on an example from PyTorch.

use crate::common::{NORM, close, floats, norm, twin};
use mnist_gpu::kernels::{BatchNormBackwardInput, DeviceClass, Tiles};

#[test]
fn the_twin_does_as_pytorch() {
    let kernel = BatchNormBackwardInput(NORM, Tiles::of(DeviceClass::Discrete));
    let results = twin(&kernel, &norm());
    let expected = [
        1.489_024_355_706_595,
        0.343_620_887_686_094_9,
        -0.072_740_439_788_057_79,
        0.145_479_320_881_352_9,
        -2.939_869_461_226_152_2,
        1.107_224_217_833_462_6,
        -0.327_326_004_049_669_8,
        0.254_587_122_956_374_7,
        // Padding.
        0.0,
        0.0,
        0.0,
        0.0,
    ];
    close(&floats(&results[0]), &expected);
}
