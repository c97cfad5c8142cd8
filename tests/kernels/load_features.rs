//! The twin of `shaders/load_features.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{DeviceClass, FeatureShape, LoadFeatures, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    let kernel = LoadFeatures(FeatureShape { batch: 2, len: 2, set: 3, rows: 3 }, Tiles::of(DeviceClass::Discrete));
    let y = |start| {
        let features = f("features", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        floats(&twin(&kernel, &[features, u("order", &[2, 0, 1]), u("cursor", &[7, start, 3])])[0])
    };
    assert_eq!(y(0), [5.0, 6.0, 1.0, 2.0]);
    assert_eq!(y(2), [3.0, 4.0, 0.0, 0.0]);
}
