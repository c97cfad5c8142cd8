//! A data set without a download: digits drawn by a program, 60,000 for training and 10,000 for testing.
//!
//! Each digit is a skeleton of strokes, smooth curves through a few points. The points are jittered, the whole is
//! rotated, scaled, sheared, shifted and bent by a slow wave (elastic deformation), drawn with a pen of random width
//! and hardness, and given a little noise. Every image has its own random stream, so any part can be generated
//! separately.

use super::{DataError, DataSet, Images};
use crate::files;
use crate::random::{Purpose, Stream};
use crate::threads::on_all_cores;
use std::sync::{Mutex, PoisonError};

/// Side of an image in pixels.
const SIDE: usize = 28;
/// The set's fixed seed. It never changes, so that the synthetic digits are the same for everybody.
const SEED: u64 = 0x5e9_d161;
/// Default number of images in the training part.
pub const TRAIN: u32 = 60_000;
const TEST: u32 = 10_000;

/// The first `count` images of the training part. After [`TRAIN`] images it continues behind the test part.
///
/// # Errors
/// If there is not enough memory.
pub fn train(count: u32) -> Result<DataSet, DataError> {
    let (pixels, own) = (SIDE * SIDE, count.min(TRAIN) as usize);
    let mut set = room(count)?;
    fill(SEED, 0, &mut set.images.bytes[..own * pixels], &mut set.labels[..own]);
    fill(SEED, TRAIN + TEST, &mut set.images.bytes[own * pixels..], &mut set.labels[own..]);
    Ok(set)
}

/// The test part: other images, from the same distribution.
///
/// # Errors
/// If there is not enough memory.
pub fn test() -> Result<DataSet, DataError> {
    generate(SEED, TRAIN, TEST)
}

/// Images `first .. first + count` of a seed.
///
/// # Errors
/// If there is not enough memory.
pub fn generate(seed: u64, first: u32, count: u32) -> Result<DataSet, DataError> {
    let mut set = room(count)?;
    fill(seed, first, &mut set.images.bytes, &mut set.labels);
    Ok(set)
}

/// Blank images with labels of 0.
fn room(count: u32) -> Result<DataSet, DataError> {
    let (count, bytes) = (count as usize, count as usize * SIDE * SIDE);
    let none = |_| DataError::NoMemory { path: "synthetic".into(), bytes: bytes as u64 };
    let mut images = files::reserved(bytes as u64).map_err(none)?;
    images.resize(bytes, 0);
    Ok(DataSet { images: Images { height: SIDE, width: SIDE, bytes: images }, labels: vec![0; count] })
}

/// Draws images and labels of a seed, from `first` on, on all cores.
fn fill(seed: u64, first: u32, images: &mut [u8], labels: &mut [u8]) {
    /// Number of images that a core draws at a time.
    const PORTION: usize = 256;
    let portions = images.chunks_mut(PORTION * SIDE * SIDE).zip(labels.chunks_mut(PORTION));
    let count = portions.len();
    let left = Mutex::new(portions.enumerate());
    on_all_cores(count, || {
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((portion, (images, labels))) = next() {
            for (at, (image, label)) in images.chunks_mut(SIDE * SIDE).zip(labels).enumerate() {
                *label = draw(seed, first + (portion * PORTION + at) as u32, image);
            }
        }
    });
}

type Point = [f32; 2];

/// Strokes of each digit, in variants, as points (x, y) of a unit square whose y axis points down.
const SKELETONS: [&[&[&[Point]]]; 10] = [
    &[&[&[[0.5, 0.0], [0.15, 0.2], [0.1, 0.6], [0.35, 1.0], [0.7, 0.95], [0.9, 0.5], [0.75, 0.1], [0.5, 0.0]]]],
    &[&[&[[0.5, 0.0], [0.5, 0.5], [0.5, 1.0]]], &[&[[0.3, 0.2], [0.55, 0.0], [0.55, 0.5], [0.55, 1.0]]]],
    &[
        &[&[[0.15, 0.25], [0.4, 0.0], [0.8, 0.15], [0.7, 0.5], [0.1, 1.0], [0.5, 0.95], [0.9, 1.0]]],
        &[&[[0.15, 0.2], [0.5, 0.0], [0.8, 0.25], [0.5, 0.65], [0.15, 0.95], [0.3, 0.75], [0.6, 0.95], [0.95, 0.95]]],
    ],
    &[&[
        &[[0.15, 0.1], [0.5, 0.0], [0.8, 0.2], [0.65, 0.42], [0.4, 0.48]],
        &[[0.4, 0.48], [0.75, 0.55], [0.85, 0.8], [0.5, 1.0], [0.1, 0.88]],
    ]],
    &[
        &[&[[0.25, 0.0], [0.1, 0.55], [0.5, 0.6], [0.9, 0.55]], &[[0.75, 0.0], [0.7, 0.5], [0.65, 1.0]]],
        &[&[[0.7, 1.0], [0.7, 0.5], [0.7, 0.0], [0.4, 0.3], [0.05, 0.65], [0.5, 0.66], [0.95, 0.65]]],
    ],
    &[&[
        &[[0.85, 0.02], [0.5, 0.0], [0.25, 0.03]],
        &[[0.25, 0.03], [0.18, 0.42], [0.55, 0.4], [0.85, 0.65], [0.6, 0.97], [0.1, 0.92]],
    ]],
    &[&[&[[0.75, 0.02], [0.4, 0.2], [0.15, 0.6], [0.3, 0.97], [0.7, 0.95], [0.85, 0.7], [0.55, 0.52], [0.2, 0.7]]]],
    &[
        &[&[[0.1, 0.05], [0.5, 0.02], [0.9, 0.05], [0.6, 0.5], [0.4, 1.0]]],
        &[&[[0.1, 0.05], [0.5, 0.02], [0.9, 0.05], [0.6, 0.5], [0.4, 1.0]], &[[0.3, 0.5], [0.55, 0.48], [0.8, 0.5]]],
    ],
    &[&[&[
        [0.75, 0.15],
        [0.45, 0.0],
        [0.2, 0.2],
        [0.5, 0.47],
        [0.8, 0.75],
        [0.5, 1.0],
        [0.18, 0.78],
        [0.5, 0.47],
        [0.78, 0.22],
        [0.68, 0.08],
    ]]],
    &[&[&[[0.78, 0.2], [0.5, 0.0], [0.2, 0.22], [0.4, 0.48], [0.75, 0.35], [0.8, 0.15], [0.78, 0.6], [0.65, 1.0]]]],
];

/// Number of points drawn between two points of a skeleton.
const STEPS: usize = 6;

/// Draws image `index` of a seed, and returns its digit.
fn draw(seed: u64, index: u32, image: &mut [u8]) -> u8 {
    let mut random = Stream::new(seed, Purpose::Synthetic, index);
    let digit = random.below(10) as usize;
    let variants = SKELETONS[digit];
    let strokes = variants[random.below(variants.len() as u32) as usize];

    let angle = random.uniform(-0.28, 0.28);
    let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
    let shear = random.uniform(-0.25, 0.25);
    let (width, height) = (random.uniform(9.0, 17.0), random.uniform(16.0, 21.0));
    let centre = [14.0 + random.uniform(-1.8, 1.8), 14.0 + random.uniform(-1.8, 1.8)];
    let wave = Wave::new(&mut random);
    let pen = random.uniform(0.7, 1.9);
    let soft = random.uniform(0.5, 1.1);
    let ink = random.uniform(200.0, 255.0);

    let mut canvas = [0.0_f32; SIDE * SIDE];
    for stroke in strokes {
        let jittered: Vec<Point> = stroke
            .iter()
            .map(|&[x, y]| [x + random.uniform(-0.06, 0.06), y + random.uniform(-0.05, 0.05)])
            .map(|[x, y]| wave.bend([x - 0.5, y - 0.5]))
            .map(|[x, y]| [(x + shear * -y) * width, y * height])
            .map(|[x, y]| [centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y])
            .collect();
        let curve = smooth(&jittered);
        for ends in curve.windows(2) {
            line(&mut canvas, ends[0], ends[1], pen, soft);
        }
    }
    for (pixel, shade) in image.iter_mut().zip(canvas) {
        let grain = if shade > 0.0 { random.uniform(-18.0, 18.0) * shade } else { 0.0 };
        *pixel = (shade * ink + grain).clamp(0.0, 255.0) as u8;
    }
    digit as u8
}

/// A slow wave through the plane: an elastic deformation with few degrees of freedom.
struct Wave {
    strength: Point,
    frequency: Point,
    phase: Point,
}

impl Wave {
    fn new(random: &mut Stream) -> Wave {
        let mut pair = |low, high| [random.uniform(low, high), random.uniform(low, high)];
        Wave { strength: pair(-0.07, 0.07), frequency: pair(3.0, 7.0), phase: pair(0.0, std::f32::consts::TAU) }
    }

    fn bend(&self, [x, y]: Point) -> Point {
        [
            x + self.strength[0] * libm::sinf(self.frequency[0] * y + self.phase[0]),
            y + self.strength[1] * libm::sinf(self.frequency[1] * x + self.phase[1]),
        ]
    }
}

/// A Catmull-Rom curve through the points.
fn smooth(points: &[Point]) -> Vec<Point> {
    let mut curve = Vec::with_capacity(points.len() * STEPS);
    for i in 0..points.len() - 1 {
        let at = |j: usize| points[j.min(points.len() - 1)];
        let (p0, p1, p2, p3) = (at(i.saturating_sub(1)), at(i), at(i + 1), at(i + 2));
        for step in 0..STEPS {
            let t = step as f32 / STEPS as f32;
            let weights = [
                (-t + 2.0 * t * t - t * t * t) / 2.0,
                (2.0 - 5.0 * t * t + 3.0 * t * t * t) / 2.0,
                (t + 4.0 * t * t - 3.0 * t * t * t) / 2.0,
                (-t * t + t * t * t) / 2.0,
            ];
            curve.push(
                [0, 1].map(|d| weights[0] * p0[d] + weights[1] * p1[d] + weights[2] * p2[d] + weights[3] * p3[d]),
            );
        }
    }
    curve.push(points[points.len() - 1]);
    curve
}

/// Draws a line on the canvas: full within the pen, fading over `soft` beyond it.
fn line(canvas: &mut [f32; SIDE * SIDE], a: Point, b: Point, pen: f32, soft: f32) {
    let reach = pen + soft;
    let bound = |low: f32, high: f32| {
        let low = (low - reach).floor().clamp(0.0, SIDE as f32) as usize;
        let high = (high + reach).ceil().clamp(0.0, (SIDE - 1) as f32) as usize;
        low..=high
    };
    let along = [b[0] - a[0], b[1] - a[1]];
    let length = (along[0] * along[0] + along[1] * along[1]).max(1e-6);
    for i in bound(a[1].min(b[1]), a[1].max(b[1])) {
        for j in bound(a[0].min(b[0]), a[0].max(b[0])) {
            let to = [j as f32 - a[0], i as f32 - a[1]];
            let t = ((to[0] * along[0] + to[1] * along[1]) / length).clamp(0.0, 1.0);
            let away = [to[0] - t * along[0], to[1] - t * along[1]];
            let distance = (away[0] * away[0] + away[1] * away[1]).sqrt();
            let shade = ((reach - distance) / (2.0 * soft)).clamp(0.0, 1.0);
            let pixel = &mut canvas[i * SIDE + j];
            *pixel = pixel.max(shade);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    #[test]
    fn any_part_is_the_same_by_itself() {
        let whole = generate(3, 10, 40).unwrap();
        let part = generate(3, 25, 5).unwrap();
        assert_eq!(part.labels, whole.labels[15..20]);
        assert_eq!(part.images.bytes, whole.images.bytes[15 * 784..20 * 784]);
        assert_ne!(generate(4, 10, 40).unwrap(), whole);
    }

    #[test]
    fn more_training_images_go_on_behind_the_test_part() {
        let more = train(TRAIN + 3).unwrap();
        assert_eq!(more.labels.len(), TRAIN as usize + 3);
        assert_eq!(more.images.bytes[TRAIN as usize * 784..], generate(SEED, TRAIN + TEST, 3).unwrap().images.bytes);
        assert_eq!(train(5).unwrap(), generate(SEED, 0, 5).unwrap());
    }

    /// Only exact operations and libm's sine and cosine are used, so the digits are the same on every machine.
    #[test]
    fn the_digits_never_change() {
        let digest = sha2::Sha256::digest(&generate(SEED, 0, 1000).unwrap().images.bytes);
        assert_eq!(digest[..8], [0xf9, 0x64, 0xdb, 0x5d, 0xd3, 0x43, 0xc3, 0x96]);
    }

    #[test]
    fn every_digit_is_drawn_and_has_ink_inside_its_border() {
        let set = generate(SEED, 0, 2000).unwrap();
        for digit in 0..10 {
            let share = set.labels.iter().filter(|&&l| l == digit).count();
            assert!((140..260).contains(&share), "{share} of 2000 are {digit}");
        }
        for (at, image) in set.images.bytes.chunks(784).enumerate() {
            let ink = image.iter().filter(|&&p| p > 100).count();
            assert!((15..500).contains(&ink), "image {at} has {ink} dark pixels");
        }
    }
}
