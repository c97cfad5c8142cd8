//! The twin of `shaders/batch_norm_forward.wgsl` on an example from PyTorch.

use crate::common::{NORM, close, floats, norm, twin};
use mnist_gpu::kernels::{BatchNormForward, DeviceClass, Tiles};

#[test]
fn the_twin_does_as_pytorch() {
    let kernel = BatchNormForward(NORM, Tiles::of(DeviceClass::Discrete));
    let results = twin(&kernel, &norm());
    let expected = [
        -1.638_086_880_891_747_3,
        -0.569_043_440_445_873_7,
        -0.527_523_776_868_09,
        2.091_088_412_048_635_7,
        0.5,
        3.707_130_321_337_620_3,
        1.654_653_047_229_181_4,
        0.781_782_317_590_272_8,
    ];
    close(&floats(&results[0])[..8], &expected);
}
