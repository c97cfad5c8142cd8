//! Digits as hands write them that MNIST has few of, to train `assets/pretrained.safetensors` with: 1 with an upstroke, 7
//! with a hook or a bar, closed 4, looped 6, detached strokes.

use mnist_gpu::data::{Grey, Prepare, read_images, read_labels};
use mnist_gpu::random::{Purpose, Stream};
use std::io::Write;
use std::path::{Path, PathBuf};

type Point = [f32; 2];

/// Digit, share of the images, and the strokes' points in a unit square whose y axis points down.
const HANDS: [(u8, u32, &[&[Point]]); 22] = [
    (1, 6, &[&[[0.25, 0.3], [0.6, 0.0]], &[[0.6, 0.0], [0.6, 1.0]]]),
    (1, 6, &[&[[0.1, 0.42], [0.6, 0.0]], &[[0.6, 0.0], [0.6, 1.0]]]),
    (1, 4, &[&[[0.2, 0.35], [0.45, 0.22], [0.65, 0.0]], &[[0.65, 0.0], [0.5, 1.0]]]),
    (1, 2, &[&[[0.3, 0.2], [0.5, 0.0]], &[[0.5, 0.0], [0.5, 1.0]], &[[0.2, 1.0], [0.8, 1.0]]]),
    (7, 3, &[&[[0.1, 0.2], [0.12, 0.02], [0.9, 0.02]], &[[0.9, 0.02], [0.6, 0.5], [0.45, 1.0]]]),
    (7, 2, &[&[[0.1, 0.05], [0.85, 0.0]], &[[0.85, 0.0], [0.4, 1.0]], &[[0.3, 0.5], [0.8, 0.48]]]),
    (7, 2, &[&[[0.1, 0.0], [0.8, 0.05]], &[[0.8, 0.05], [0.7, 1.0]]]),
    (7, 2, &[&[[0.05, 0.15], [0.3, 0.02], [0.6, 0.12], [0.9, 0.0], [0.6, 0.5], [0.5, 1.0]]]),
    (4, 2, &[&[[0.7, 1.0], [0.7, 0.0]], &[[0.7, 0.0], [0.05, 0.68]], &[[0.05, 0.68], [0.95, 0.68]]]),
    (4, 1, &[&[[0.2, 0.0], [0.15, 0.55], [0.85, 0.55]], &[[0.75, 0.1], [0.75, 1.0]]]),
    (
        6,
        2,
        &[&[[0.7, 0.0], [0.35, 0.25], [0.15, 0.65], [0.3, 0.97], [0.65, 0.97], [0.8, 0.75], [0.6, 0.55], [0.2, 0.65]]],
    ),
    (6, 2, &[&[[0.45, 0.0], [0.2, 0.4], [0.15, 0.8], [0.45, 1.0], [0.8, 0.8], [0.55, 0.6], [0.2, 0.8]]]),
    (
        6,
        2,
        &[&[
            [0.75, 0.1],
            [0.55, 0.0],
            [0.3, 0.15],
            [0.15, 0.6],
            [0.35, 1.0],
            [0.75, 0.9],
            [0.75, 0.62],
            [0.45, 0.52],
            [0.2, 0.7],
        ]],
    ),
    (9, 2, &[&[[0.8, 0.25], [0.45, 0.02], [0.2, 0.25], [0.45, 0.5], [0.8, 0.3]], &[[0.8, 0.1], [0.8, 1.0]]]),
    (9, 1, &[&[[0.8, 0.2], [0.5, 0.0], [0.2, 0.25], [0.5, 0.5], [0.8, 0.25], [0.75, 0.8], [0.4, 1.0], [0.15, 0.9]]]),
    (
        5,
        1,
        &[&[[0.3, 0.0], [0.25, 0.42], [0.6, 0.4], [0.85, 0.7], [0.55, 1.0], [0.15, 0.9]], &[[0.35, 0.02], [0.9, 0.0]]],
    ),
    (2, 1, &[&[[0.15, 0.25], [0.45, 0.0], [0.8, 0.25], [0.5, 0.6], [0.1, 1.0]], &[[0.1, 1.0], [0.9, 1.0]]]),
    (
        2,
        1,
        &[&[[0.15, 0.2], [0.5, 0.0], [0.8, 0.3], [0.4, 0.75], [0.15, 0.95], [0.25, 0.75], [0.55, 0.95], [0.95, 0.9]]],
    ),
    (
        3,
        1,
        &[
            &[[0.15, 0.02], [0.8, 0.02]],
            &[[0.8, 0.02], [0.45, 0.4]],
            &[[0.45, 0.4], [0.8, 0.55], [0.75, 0.9], [0.4, 1.0], [0.1, 0.88]],
        ],
    ),
    (
        3,
        1,
        &[&[[0.15, 0.1], [0.5, 0.0], [0.8, 0.22], [0.4, 0.48]], &[[0.4, 0.48], [0.85, 0.7], [0.5, 1.0], [0.1, 0.9]]],
    ),
    (
        8,
        1,
        &[&[
            [0.7, 0.1],
            [0.35, 0.05],
            [0.3, 0.35],
            [0.75, 0.65],
            [0.65, 0.97],
            [0.3, 0.95],
            [0.25, 0.65],
            [0.75, 0.3],
            [0.7, 0.05],
        ]],
    ),
    (0, 1, &[&[[0.55, 0.0], [0.2, 0.15], [0.15, 0.7], [0.45, 1.0], [0.8, 0.8], [0.8, 0.25], [0.5, 0.02]]]),
];

/// Number of points drawn between two points of a hand.
const STEPS: usize = 8;
const SIDE: usize = 120;

fn draw(index: u32) -> (u8, Vec<u8>) {
    let mut random = Stream::new(0x4a4d, Purpose::Verification, index);
    let mut share = random.below(HANDS.iter().map(|(_, share, _)| share).sum());
    let (digit, _, strokes) =
        HANDS.iter().find(|(_, own, _)| share.checked_sub(*own).map(|rest| share = rest).is_none()).unwrap();
    let angle = random.uniform(-0.15, 0.15);
    let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
    let shear = random.uniform(-0.25, 0.2);
    let (width, height) = (random.uniform(35.0, 65.0), random.uniform(70.0, 85.0));
    let pen = random.uniform(1.5, 6.0);
    let mut values = vec![1.0_f32; SIDE * SIDE];
    for stroke in *strokes {
        let placed: Vec<Point> = stroke
            .iter()
            .map(|[x, y]| {
                let (x, y) = (x - 0.5 + random.uniform(-0.07, 0.07), y - 0.5 + random.uniform(-0.05, 0.05));
                let (x, y) = ((x - shear * y) * width, y * height);
                [60.0 + cos * x - sin * y, 60.0 + sin * x + cos * y]
            })
            .collect();
        for ends in smooth(&placed).windows(2) {
            line(&mut values, ends[0], ends[1], pen);
        }
    }
    let grey = Grey { step: 1, height: SIDE, width: SIDE, values };
    (*digit, Prepare::Mnist.apply(Path::new("hand"), &grey, [28, 28]).unwrap().bytes)
}

/// A Catmull-Rom curve through the points.
fn smooth(points: &[Point]) -> Vec<Point> {
    let mut curve = Vec::new();
    for i in 0..points.len() - 1 {
        let p = [i.saturating_sub(1), i, i + 1, (i + 2).min(points.len() - 1)].map(|j| points[j]);
        for step in 0..STEPS {
            let t = step as f32 / STEPS as f32;
            curve.push([0, 1].map(|d| {
                let [a, b, c, e] = p.map(|point| point[d]);
                b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - e + t * (3.0 * (b - c) + e - a)))
            }));
        }
    }
    curve.extend(points.last());
    curve
}

fn line(values: &mut [f32], a: Point, b: Point, pen: f32) {
    let bound = |d: usize| {
        let (low, high) = (a[d].min(b[d]) - pen - 1.0, a[d].max(b[d]) + pen + 2.0);
        low.max(0.0) as usize..(high.max(0.0) as usize).min(SIDE)
    };
    let along = [b[0] - a[0], b[1] - a[1]];
    let length = (along[0] * along[0] + along[1] * along[1]).max(1e-6);
    for i in bound(1) {
        for j in bound(0) {
            let to = [j as f32 - a[0], i as f32 - a[1]];
            let t = ((to[0] * along[0] + to[1] * along[1]) / length).clamp(0.0, 1.0);
            let distance = (to[0] - t * along[0]).hypot(to[1] - t * along[1]);
            let value = &mut values[i * SIDE + j];
            *value = value.min((distance - pen + 0.5).clamp(0.0, 1.0));
        }
    }
}

/// Writes a data set of MNIST's training images and 6,000 digits in other hands, which `assets/README.md` trains with:
/// `MNIST_GPU_DATA=FOLDER MNIST_GPU_HANDS=FOLDER cargo test --test whole -- --ignored make_hands`.
#[test]
#[ignore = "needs MNIST, and writes a data set"]
fn make_hands() {
    const COUNT: u32 = 6000;
    let folder = |name: &str| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set")));
    let (from, to) = (folder("MNIST_GPU_DATA"), folder("MNIST_GPU_HANDS"));
    std::fs::create_dir_all(&to).unwrap();
    let read = |part: &str| {
        let path = |kind: &str| from.join(format!("{part}-{kind}-ubyte.gz"));
        (read_images(&path("images-idx3")).unwrap().bytes, read_labels(&path("labels-idx1")).unwrap())
    };
    for part in ["train", "t10k"] {
        let (mut images, mut labels) = read(part);
        if part == "train" {
            // Spread among MNIST's, so that the validation part has them, too.
            let each = labels.len() / COUNT as usize;
            let (old_images, old_labels) = (std::mem::take(&mut images), std::mem::take(&mut labels));
            for (index, (bytes, numbers)) in old_images.chunks(784 * each).zip(old_labels.chunks(each)).enumerate() {
                let (digit, hand) = draw(index as u32);
                images.extend(bytes.iter().copied().chain(hand));
                labels.extend(numbers.iter().copied().chain([digit]));
            }
        }
        let (side, count) = (28_u32.to_be_bytes(), (labels.len() as u32).to_be_bytes());
        for (name, header, bytes) in [
            ("images-idx3", [&[0, 0, 8, 3], &count[..], &side[..], &side[..]].concat(), images),
            ("labels-idx1", [&[0, 0, 8, 1], &count[..]].concat(), labels),
        ] {
            let mut file = std::fs::File::create(to.join(format!("{part}-{name}-ubyte"))).unwrap();
            file.write_all(&[header, bytes].concat()).unwrap();
        }
    }
}
