//! The twin of `shaders/augment_images.wgsl` on an example worked by hand. The effect of each kind of change on a
//! picture is tested in `src/train/augment.rs`.

use crate::common::{f, floats, twin, u};
use mnist_gpu::kernels::{AugmentImages, AugmentShape, DeviceClass, Tiles};

#[test]
fn the_twin_does_a_worked_example() {
    // Images of one row of four pixels, the second one first; a shift by at most half a pixel.
    let shape = AugmentShape { batch: 2, height: 1, width: 4, set: 2, rows: 2 };
    let images = [u32::from_le_bytes([1, 2, 3, 4]), u32::from_le_bytes([0, 100, 0, 0])];
    let byte_values: Vec<f64> = (0..256).map(f64::from).collect();
    let y = |places: [u32; 2], shift: u32| {
        let mut augment = [0; 12];
        (augment[0], augment[2]) = (5, shift);
        let known = [u("images", &images), u("order", &[1, 0]), u("places", &places), u("cursor", &[0, 0, 1])];
        let inputs = [&known[..], &[f("byte_values", &byte_values), u("augment", &augment)]].concat();
        floats(&twin(&AugmentImages(shape, Tiles::of(DeviceClass::Discrete)), &inputs)[0])
    };
    // The batch has only one row left.
    assert_eq!(y([1, 0], 0), [0.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    for place in 0..50 {
        let y = y([place, 0], 128);
        // Shifted sideways by f < 1/2 and vertically by g, the mark keeps (1 - g) of itself, split into f and 1 - f.
        let (mark, rest) = (y[1], y[0] + y[2]);
        assert!(mark >= 24.0 && mark >= rest - 1.0 && mark + rest <= 101.0 && y[3] == 0.0, "{y:?}");
        assert!(y[0] == 0.0 || y[2] == 0.0, "{y:?}");
    }
    assert!((0..50).any(|place| y([place, 0], 128)[0] > 0.0) && (0..50).any(|place| y([place, 0], 128)[2] > 0.0));
}
