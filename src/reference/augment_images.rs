//! Twin of `shaders/augment_images.wgsl`: `y = byte_values[byte]`, where byte is sampled bilinearly from the image at `centre
//! + M (pixel - centre) + shift + bend`, all in integers.

use super::{Expected, Inputs, Near, Twin, hash};
use crate::kernels::{AugmentImages, AugmentShape};

/// Bounds of the random augmentation in fixed point, as listed in the shader.
pub type Bounds = [i32; 12];

impl Twin for AugmentImages {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(
            &self.0,
            from.u("images"),
            from.u("order"),
            from.u("places"),
            from.u("cursor"),
            from.f("byte_values"),
            from.u("augment"),
        )
    }
}

pub fn run(
    s: &AugmentShape,
    images: &[u32],
    order: &[u32],
    places: &[u32],
    cursor: &[u32],
    byte_values: &[f64],
    augment: &[u32],
) -> Vec<Expected> {
    let (start, total) = (cursor[1], cursor[2]);
    let pixels = (s.height * s.width) as usize;
    let bounds: Bounds = std::array::from_fn(|at| augment[at] as i32);
    let byte = |at: usize| images[at / 4].to_le_bytes()[at % 4];
    let mut y = Near::with_capacity(s.batch as usize * pixels);
    for n in 0..s.batch {
        if start + n >= total {
            (0..pixels).for_each(|_| y.push(0.0, 0.0));
            continue;
        }
        let row = (start + n) as usize;
        let first = order[row] as usize * pixels;
        let image: Vec<u8> = (first..first + pixels).map(byte).collect();
        for byte in image_of(&image, s.height as i32, s.width as i32, places[row], &bounds) {
            y.push(byte_values[usize::from(byte)], 0.0);
        }
    }
    vec![Expected::Near(y)]
}

/// Random draws for one image.
struct Draws(u32);

impl Draws {
    /// Uniform in `[0, bound)`, where `bound` is at most 65,536.
    fn below(&self, k: u32, bound: i32) -> i32 {
        let drawn = hash(self.0.wrapping_add(k.wrapping_mul(0x9e37_79b9)));
        ((drawn >> 16).wrapping_mul(bound as u32) >> 16) as i32
    }

    /// Uniform in `[-range, range]`.
    fn within(&self, k: u32, range: i32) -> i32 {
        self.below(k, 2 * range + 1) - range
    }

    /// Displacement of a pixel along an axis, in 8,192ths of a pixel.
    fn bend(&self, i: i32, j: i32, height: i32, width: i32, axis: u32, range: i32) -> i32 {
        let (cell_h, cell_w) = ((height / 4).max(1), (width / 4).max(1));
        let (u, v) = (i / cell_h, j / cell_w);
        let (r, s) = (i % cell_h * 256 / cell_h, j % cell_w * 256 / cell_w);
        let node = |u: i32, v: i32| self.within(16 + 2 * (u * 8 + v) as u32 + axis, range);
        let between = |u: i32| node(u, v) * (256 - s) + node(u, v + 1) * s;
        (between(u) * (256 - r) + between(u + 1) * r) >> 11
    }
}

/// The bytes of an augmented image, as fed to the network.
pub fn image_of(image: &[u8], height: i32, width: i32, place: u32, bounds: &Bounds) -> Vec<u8> {
    let [seed, epoch, shift, quarter, scale, shear, elastic, crop, erase, flip, ..] = *bounds;
    let draws = Draws(hash(hash(hash(seed as u32).wrapping_add(epoch as u32)).wrapping_add(place)));

    let t = draws.within(0, quarter);
    let t2 = (t * t) >> 14;
    let (t3, t4) = ((t * t2) >> 14, (t2 * t2) >> 14);
    let mut s = t - t3 / 6 + ((t3 * t2) >> 14) / 120;
    let mut c = 16_384 - t2 / 2 + t4 / 24 - ((t4 * t2) >> 14) / 720;
    for _ in 0..2 {
        (s, c) = ((2 * s * c) >> 14, (c * c - s * s) >> 14);
    }
    let (scale_x, scale_y) = (4096 + draws.within(1, scale), 4096 + draws.within(2, scale));
    let slant = (draws.within(3, shear) * scale_y) >> 12;
    let m =
        [(c * scale_x) >> 14, (c * slant - s * scale_y) >> 14, (s * scale_x) >> 14, (s * slant + c * scale_y) >> 14];
    let shift_x = draws.within(4, shift) * 32 + draws.within(5, crop) * 8192;
    let shift_y = draws.within(6, shift) * 32 + draws.within(7, crop) * 8192;
    let mirrored = flip == 1 && draws.below(8, 2) == 1;
    let erased = draws.below(9, 65_536) < erase;
    let (erased_h, erased_w) = (1 + draws.below(10, height / 2), 1 + draws.below(11, width / 2));
    let (top, left) = (draws.below(12, height - erased_h + 1), draws.below(13, width - erased_w + 1));

    let pixel = |i: i32, j: i32| match (0..height).contains(&i) && (0..width).contains(&j) {
        true => i32::from(image[(i * width + j) as usize]),
        false => 0,
    };
    let mut out = Vec::with_capacity(image.len());
    for i in 0..height {
        for j in 0..width {
            let v = 2 * i - (height - 1);
            let u = if mirrored { width - 1 - 2 * j } else { 2 * j - (width - 1) };
            let bend = |axis| draws.bend(i, j, height, width, axis, elastic);
            let x = m[0] * u + m[1] * v + (width - 1) * 4096 + shift_x + bend(0);
            let y = m[2] * u + m[3] * v + (height - 1) * 4096 + shift_y + bend(1);
            let (column, right) = (x >> 13, (x >> 5) & 255);
            let (line, down) = (y >> 13, (y >> 5) & 255);
            let upper = pixel(line, column) * (256 - right) + pixel(line, column + 1) * right;
            let lower = pixel(line + 1, column) * (256 - right) + pixel(line + 1, column + 1) * right;
            let inside = (top..top + erased_h).contains(&i) && (left..left + erased_w).contains(&j);
            let byte = (upper * (256 - down) + lower * down + 32_768) >> 16;
            out.push(if erased && inside { 0 } else { byte as u8 });
        }
    }
    out
}
