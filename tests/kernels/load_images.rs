//! The twin of `shaders/load_images.wgsl` on an example worked by hand.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{DeviceClass, LoadImages, LoadShape, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    let shape = LoadShape { batch: 2, pixels: 3, set: 2, rows: 2 };
    let images = [u32::from_le_bytes([1, 2, 3, 4]), u32::from_le_bytes([5, 6, 0, 0])];
    let byte_values: Vec<f64> = (0..256).map(|byte| byte as f64 * 10.0).collect();
    // The second image first; the second batch has only one row left.
    let y = |start| {
        let inputs =
            [u("images", &images), u("order", &[1, 0]), u("cursor", &[0, start, 2]), f("byte_values", &byte_values)];
        floats(&twin(&LoadImages(shape, Tiles::of(DeviceClass::Discrete)), &inputs)[0])
    };
    assert_eq!(y(0), [40.0, 50.0, 60.0, 10.0, 20.0, 30.0]);
    assert_eq!(y(1), [10.0, 20.0, 30.0, 0.0, 0.0, 0.0]);
}
