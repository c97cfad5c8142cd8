//! Pictures of digits as users send them: Bézier curves drawn with a slanted nib on coloured, shaded, grainy paper.
//!
//! Independent of the generator of the synthetic set: different shapes, pen and sizes.

use image::{Rgb, RgbImage};
use mnist_gpu::random::{Purpose, Stream};

/// Paths of each digit, in several handwritings: `M` moves, `L` draws a line, `C` a cubic curve, in a box of 100 by
/// 140.
const HANDS: [&[&str]; 10] = [
    &[
        "M 52 4 C 20 2 8 40 10 74 C 12 112 28 138 52 136 C 80 134 92 104 90 68 C 88 30 78 6 52 4",
        "M 60 8 C 30 0 12 34 12 70 C 12 110 34 136 54 134 C 76 132 86 100 84 66 C 82 34 70 6 44 10",
    ],
    &[
        "M 52 4 C 51 50 50 90 49 136",
        "M 30 34 C 40 26 48 16 54 4 C 54 50 54 90 54 136",
        "M 32 30 C 42 24 48 14 52 4 L 52 134 M 28 135 L 76 134",
    ],
    &[
        "M 14 34 C 18 8 48 0 66 8 C 88 20 80 52 62 76 C 46 98 26 116 12 132 C 36 128 60 130 88 130",
        "M 18 30 C 26 4 66 -2 76 26 C 82 56 46 92 22 120 C 14 134 24 138 34 124 C 46 114 62 140 88 124",
    ],
    &[
        "M 16 20 C 34 0 78 2 78 32 C 78 54 58 64 40 66 C 66 66 88 78 84 104 C 80 138 34 144 12 118",
        "M 14 8 L 80 8 C 66 28 54 42 44 58 C 74 56 90 78 84 104 C 78 134 36 142 12 122",
    ],
    &[
        "M 62 4 C 44 40 28 66 10 92 L 90 92 M 64 50 C 64 80 62 110 62 138",
        "M 22 6 C 20 30 18 50 14 72 C 36 76 60 74 86 70 M 74 8 C 72 50 70 96 68 138",
    ],
    &[
        "M 82 8 L 30 8 C 28 26 24 42 20 60 C 46 44 86 54 86 90 C 86 130 40 144 14 122",
        "M 32 8 C 30 28 26 46 22 62 C 50 46 84 60 82 94 C 78 132 36 142 12 120 M 32 8 C 50 10 66 8 86 6",
    ],
    &[
        "M 74 6 C 40 22 14 60 14 98 C 14 130 44 142 64 130 C 88 116 84 80 60 76 C 40 72 22 84 16 104",
        "M 64 4 C 34 34 18 66 18 100 C 20 136 66 142 78 112 C 84 84 50 66 22 92",
    ],
    &[
        "M 10 10 C 36 8 62 10 88 8 C 72 44 54 84 44 136",
        "M 12 12 C 40 6 64 12 88 8 C 70 46 56 90 48 136 M 32 74 L 80 70",
        "M 14 26 L 16 8 C 40 10 62 8 86 8 C 80 50 54 80 46 136",
    ],
    &[
        "M 76 24 C 66 0 22 2 24 32 C 26 62 82 66 82 102 C 82 142 18 144 18 104 C 18 74 74 62 76 24",
        "M 50 66 C 20 58 22 6 50 6 C 80 6 80 58 50 66 C 10 76 12 136 50 136 C 90 136 88 76 50 66",
    ],
    &[
        "M 80 34 C 74 0 22 0 20 38 C 20 76 72 76 80 36 C 80 76 78 108 70 138",
        "M 78 26 C 60 -4 18 8 22 44 C 28 76 74 66 78 28 C 84 76 70 130 32 136",
    ],
];

/// A picture of a digit.
pub struct Drawn {
    pub digit: u8,
    pub picture: RgbImage,
}

/// Draws picture `number` of a seed; every ten consecutive pictures are ten digits.
pub fn draw(seed: u64, number: u32) -> Drawn {
    let mut random = Stream::new(seed ^ 0x5ca1_ab1e, Purpose::Verification, number);
    let digit = (number % 10) as u8;
    let hands = HANDS[usize::from(digit)];
    let strokes = flatten(hands[random.below(hands.len() as u32) as usize]);

    // 200 to 2,000 pixels, log-uniformly distributed.
    let side = 200.0 * 10.0_f32.powf(random.unit());
    let (width, height) = (side * random.uniform(0.75, 1.0), side * random.uniform(0.75, 1.0));
    let size = width.min(height) * random.uniform(0.3, 0.8);
    let scale = size / 140.0;
    let (lean, squeeze) = (random.uniform(-0.22, 0.22), random.uniform(0.8, 1.15));
    let angle = random.uniform(-0.15, 0.15);
    let room = [width - size * 1.05, height - size * 1.05];
    let corner = room.map(|room| random.uniform(0.04, 0.96) * room.max(0.0));
    let tremble = random.uniform(0.0, 2.0);
    let phase = [random.uniform(0.0, 6.3), random.uniform(0.0, 6.3)];
    let place = |[x, y]: [f32; 2], t: f32| {
        let x = (x - 50.0 + tremble * (t * 0.9 + phase[0]).sin() - lean * (y - 70.0)) * squeeze;
        let y = y - 70.0 + tremble * (t * 0.7 + phase[1]).cos();
        let (sin, cos) = (angle.sin(), angle.cos());
        [corner[0] + size * 0.52 + scale * (cos * x - sin * y), corner[1] + size * 0.52 + scale * (sin * x + cos * y)]
    };
    let mut t = 0.0;
    let mut placed = |stroke: &Vec<[f32; 2]>| -> Vec<[f32; 2]> {
        let next = |point: &[f32; 2]| {
            t += 0.35;
            place(*point, t)
        };
        stroke.iter().map(next).collect()
    };
    let strokes: Vec<Vec<[f32; 2]>> = strokes.iter().map(&mut placed).collect();

    // A nib, wider in one direction than the other: from a fine liner to a brush.
    let pen = size * 0.012 * 12.0_f32.powf(random.unit());
    let (nib, slant) = (random.uniform(0.55, 1.0), random.uniform(0.0, 3.1));
    let (paper, ink) = colours(&mut random);
    let shade = [random.uniform(-0.12, 0.12), random.uniform(-0.12, 0.12)];
    let grain = random.uniform(0.0, 5.0);
    let mut noise = Stream::new(seed, Purpose::Verification, 100_000 + number);
    let picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = [x as f32 + 0.5, y as f32 + 0.5];
        let covered = (pen / 2.0 + 0.5 - distance(&strokes, at, nib, slant, pen)).clamp(0.0, 1.0);
        let light = 1.0 + shade[0] * (at[0] / width - 0.5) + shade[1] * (at[1] / height - 0.5);
        let grain = noise.uniform(-grain, grain);
        Rgb(std::array::from_fn(|c| {
            ((paper[c] + covered * (ink[c] - paper[c])) * light + grain).clamp(0.0, 255.0) as u8
        }))
    });
    Drawn { digit, picture }
}

/// Colours of paper and ink: white and coloured paper with dark ink, and chalk on a board.
fn colours(random: &mut Stream) -> ([f32; 3], [f32; 3]) {
    let mut tint = |low: f32, high: f32| [0; 3].map(|_| random.uniform(low, high));
    let (light, dark) = (tint(165.0, 255.0), tint(0.0, 80.0));
    if random.below(3) == 0 { (dark, light) } else { (light, dark) }
}

/// Splits the strokes of a path into short line segments.
fn flatten(path: &str) -> Vec<Vec<[f32; 2]>> {
    let mut words = path.split_whitespace().peekable();
    let mut strokes: Vec<Vec<[f32; 2]>> = Vec::new();
    while let Some(command) = words.next() {
        let mut point = || [0; 2].map(|_| words.next().unwrap().parse::<f32>().unwrap());
        match command {
            "M" => strokes.push(vec![point()]),
            "L" => {
                let (stroke, end) = (strokes.last_mut().unwrap(), point());
                let start = *stroke.last().unwrap();
                stroke.extend((1..=12).map(|i| [0, 1].map(|d| start[d] + (end[d] - start[d]) * i as f32 / 12.0)));
            }
            "C" => {
                let (a, b, end) = (point(), point(), point());
                let stroke = strokes.last_mut().unwrap();
                let start = *stroke.last().unwrap();
                stroke.extend((1..=24).map(|i| {
                    let (t, s) = (i as f32 / 24.0, 1.0 - i as f32 / 24.0);
                    [0, 1].map(|d| {
                        s * s * s * start[d] + 3.0 * s * s * t * a[d] + 3.0 * s * t * t * b[d] + t * t * t * end[d]
                    })
                }));
            }
            other => panic!("no command {other}"),
        }
    }
    strokes
}

/// Distance from a point to the nearest stroke, scaled up along the nib's narrow side.
fn distance(strokes: &[Vec<[f32; 2]>], [x, y]: [f32; 2], nib: f32, slant: f32, pen: f32) -> f32 {
    let (sin, cos) = (slant.sin(), slant.cos());
    let turned = |[u, v]: [f32; 2]| [(cos * u + sin * v) / nib, cos * v - sin * u];
    let mut least = f32::INFINITY;
    for stroke in strokes {
        for ends in stroke.windows(2) {
            let near = |d: usize, at: f32| {
                at > ends[0][d].min(ends[1][d]) - pen - 2.0 && at < ends[0][d].max(ends[1][d]) + pen + 2.0
            };
            if !near(0, x) || !near(1, y) {
                continue;
            }
            let [a, b] =
                [turned([x - ends[0][0], y - ends[0][1]]), turned([ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]])];
            let t = ((a[0] * b[0] + a[1] * b[1]) / (b[0] * b[0] + b[1] * b[1]).max(1e-9)).clamp(0.0, 1.0);
            least = least.min((a[0] - t * b[0]).hypot(a[1] - t * b[1]));
        }
    }
    least
}
