//! From a picture to what a network was trained on.
//!
//! MNIST's digits were black ink on white forms, found, cut out, fitted into 20x20 pixels with their aspect kept, and placed
//! by their centre of mass in the middle of 28x28; their grey levels come from that scaling (Y. LeCun, C. Cortes, C. J. C.
//! Burges: The MNIST database). [`Prepare::Mnist`] does the same to any picture of one character.

use super::{DataError, picture::Grey};
use clap::ValueEnum;
use image::imageops::{FilterType, crop_imm, resize};
use image::{ImageBuffer, Luma};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::path::Path;

/// How pictures become images of a network's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Prepare {
    /// As MNIST: light ink on black, cut out, fitted and centred.
    #[default]
    Mnist,
    /// Scaled to fit with the aspect kept, on the ground of its border.
    Resize,
    /// As they are; all must have the network's size.
    None,
}

impl Display for Prepare {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Prepare::Mnist => "mnist",
            Prepare::Resize => "resize",
            Prepare::None => "none",
        })
    }
}

/// An image as a network takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub height: usize,
    pub width: usize,
    pub bytes: Vec<u8>,
    /// Whether anything stands out from the ground. Only [`Prepare::Mnist`] looks for ink.
    pub ink: bool,
}

/// The part of an image's side that a character is fitted into.
const BOX: f32 = 20.0 / 28.0;
/// The least that ink must stand out from its ground: less is noise or a shade.
const CONTRAST: f32 = 0.1;
/// A character is brought to this multiple of its final size before its strokes are looked at, as long as its side then stays
/// below the second: large images need no finer grid than their own.
const FINE: f32 = 4.0;
const FINEST: f32 = 400.0;
/// Shades of ink that are told apart while strokes are spread; what is scaled down afterwards needs no more.
const LEVELS: usize = 4;
/// Widths of strokes, in parts of the side of the box, that are left alone: MNIST's are 2 to 4 of 20 pixels.
const STROKES: std::ops::Range<f32> = 0.1..0.21;
/// Parts of the largest piece of ink that another must have, so that it is no speck.
const SPECK: f32 = 0.02;

type Plane = ImageBuffer<Luma<f32>, Vec<f32>>;

impl Prepare {
    /// Prepares a picture for images of this height and width.
    ///
    /// # Errors
    /// [`Prepare::None`] and another size.
    pub fn apply(self, path: &Path, grey: &Grey, [height, width]: [usize; 2]) -> Result<Image, DataError> {
        match self {
            Prepare::Mnist => Ok(mnist(grey, [height, width])),
            Prepare::Resize => Ok(fitted(grey, [height, width])),
            Prepare::None if [grey.height, grey.width] == [height, width] => Ok(exact(grey)),
            Prepare::None => Err(DataError::PictureSize {
                path: path.into(),
                found: [grey.height, grey.width],
                wanted: [height, width],
            }),
        }
    }
}

fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn exact(grey: &Grey) -> Image {
    let bytes = grey.values.iter().map(|&v| byte(v)).collect();
    Image { height: grey.height, width: grey.width, bytes, ink: true }
}

fn plane(height: usize, width: usize, values: Vec<f32>) -> Plane {
    // As long as its sides say, by construction.
    ImageBuffer::from_raw(width as u32, height as u32, values).unwrap_or_default()
}

fn fitted(grey: &Grey, [height, width]: [usize; 2]) -> Image {
    let scale = (height as f32 / grey.height as f32).min(width as f32 / grey.width as f32);
    let side = |of: usize, most: usize| ((of as f32 * scale).round() as usize).clamp(1, most);
    let (h, w) = (side(grey.height, height), side(grey.width, width));
    let source = plane(grey.height, grey.width, grey.values.clone());
    let small = resize(&source, w as u32, h as u32, FilterType::Triangle);
    let mut bytes = vec![byte(usual(grey)); height * width];
    let (top, left) = ((height - h) / 2, (width - w) / 2);
    for (j, i, value) in small.enumerate_pixels() {
        bytes[(top + i as usize) * width + left + j as usize] = byte(value.0[0]);
    }
    Image { height, width, bytes, ink: true }
}

/// Places of the outermost pixels: a fiftieth of each side, at least one.
fn border(grey: &Grey) -> impl Iterator<Item = usize> + '_ {
    let (h, w) = (grey.height, grey.width);
    let (m, n) = ((h / 50).max(1), (w / 50).max(1));
    let inside = move |i: usize, j: usize| (m..h - m).contains(&i) && (n..w - n).contains(&j);
    (0..h * w).filter(move |at| !inside(at / w, at % w))
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    values.select_nth_unstable_by(middle, f32::total_cmp).1.to_owned()
}

/// The median of the border.
fn usual(grey: &Grey) -> f32 {
    median(&mut border(grey).map(|at| grey.values[at]).collect::<Vec<_>>())
}

fn mnist(grey: &Grey, size: [usize; 2]) -> Image {
    let [height, width] = size;
    let blank = || Image { height, width, bytes: vec![0; height * width], ink: false };
    let ink = ink(grey);
    // Light on black and of the right size: it is prepared already.
    if [grey.height, grey.width] == size && usual(grey) < 0.2 {
        return Image { ink: ink.is_some(), ..exact(grey) };
    }
    let Some(ink) = ink.and_then(|ink| without_specks(ink, grey.height, grey.width)) else { return blank() };
    place(&fit(&ink, grey, size), size)
}

/// How much of the ink there is at each pixel, from 0 to 1; none where nothing stands out from the ground.
fn ink(grey: &Grey) -> Option<Vec<f32>> {
    let ground = Ground::of(grey);
    let away: Vec<f32> = (0..grey.values.len())
        .map(|at| grey.values[at] - ground.at((at / grey.width) as f32, (at % grey.width) as f32))
        .collect();
    // Ink is what deviates from the ground to the side on which more does.
    let weight = |sign: f32| away.iter().map(|a| (sign * a).max(0.0).powi(2)).sum::<f32>();
    let sign = if weight(1.0) > weight(-1.0) { 1.0 } else { -1.0 };
    let ink: Vec<f32> = away.iter().map(|a| (sign * a).max(0.0)).collect();
    let most = ink.iter().fold(0.0_f32, |most, &v| most.max(v));
    if most < CONTRAST.max(6.0 * ground.noise) {
        return None;
    }
    let threshold = otsu(&ink, most);
    Some(ink.iter().map(|v| ((v - 0.5 * threshold) / threshold).clamp(0.0, 1.0)).collect())
}

/// How far from the rest of the border a part of it is ink that reaches it: never below the first, always above the second.
const FAR: [f32; 2] = [0.06, 0.25];

/// The ground as a plane fitted to the border, so that a shadow across the paper is no ink.
struct Ground {
    level: f32,
    slope: [f32; 2],
    middle: [f32; 2],
    /// The standard deviation of the border from it.
    noise: f32,
}

impl Ground {
    fn of(grey: &Grey) -> Ground {
        let places: Vec<usize> = border(grey).collect();
        let middle = [grey.height as f32 / 2.0, grey.width as f32 / 2.0];
        let mut ground = Ground { level: usual(grey), slope: [0.0; 2], middle, noise: 0.0 };
        let offset = |at: usize| [(at / grey.width) as f32 - middle[0], (at % grey.width) as f32 - middle[1]];
        // Each plane tells better than the last what is far from it.
        for _ in 0..3 {
            let away = |at: usize| grey.values[at] - ground.at((at / grey.width) as f32, (at % grey.width) as f32);
            let spread = |places: &[usize]| median(&mut places.iter().map(|&at| away(at).abs()).collect::<Vec<_>>());
            let far = (4.0 * spread(&places)).clamp(FAR[0], FAR[1]);
            let near: Vec<usize> = places.iter().copied().filter(|&at| away(at).abs() <= far).collect();
            // The median of what is off, as a standard deviation: ink on the border changes it little.
            let noise = 1.4826 * spread(&near);
            let level = near.iter().map(|&at| grey.values[at]).sum::<f32>() / near.len() as f32;
            // The border is nearly symmetrical, so that each slope can be fitted by itself.
            let slope = [0, 1].map(|d| {
                let up = near.iter().map(|&at| offset(at)[d] * (grey.values[at] - level)).sum::<f32>();
                up / near.iter().map(|&at| offset(at)[d].powi(2)).sum::<f32>().max(1e-6)
            });
            ground = Ground { level, slope, middle, noise };
        }
        ground
    }

    fn at(&self, i: f32, j: f32) -> f32 {
        self.level + self.slope[0] * (i - self.middle[0]) + self.slope[1] * (j - self.middle[1])
    }
}

/// The level that separates two groups best (N. Otsu, A Threshold Selection Method from Gray-Level Histograms, 1979).
fn otsu(values: &[f32], most: f32) -> f32 {
    let mut histogram = [0.0_f64; 256];
    values.iter().for_each(|v| histogram[(v / most * 255.0) as usize] += 1.0);
    let total: f64 = histogram.iter().sum();
    let all: f64 = histogram.iter().enumerate().map(|(level, n)| level as f64 * n).sum();
    let (mut below, mut sum) = (0.0, 0.0);
    let mut best = (0.0, 128);
    for (level, n) in histogram.iter().enumerate().take(255) {
        below += n;
        sum += level as f64 * n;
        if below > 0.0 && below < total {
            let apart = sum / below - (all - sum) / (total - below);
            let between = below * (total - below) * apart * apart;
            if between > best.0 {
                best = (between, level + 1);
            }
        }
    }
    best.1 as f32 / 255.0 * most
}

/// The ink without pieces that are far smaller than the largest. None if nothing is left.
fn without_specks(mut ink: Vec<f32>, height: usize, width: usize) -> Option<Vec<f32>> {
    let mut piece = vec![0_u32; ink.len()];
    let mut areas = vec![0_usize];
    let mut open = Vec::new();
    for start in 0..ink.len() {
        if ink[start] <= 0.5 || piece[start] > 0 {
            continue;
        }
        let name = areas.len() as u32;
        areas.push(0);
        open.push(start);
        piece[start] = name;
        while let Some(at) = open.pop() {
            areas[name as usize] += 1;
            let (i, j) = (at / width, at % width);
            for u in i.saturating_sub(1)..height.min(i + 2) {
                for v in j.saturating_sub(1)..width.min(j + 2) {
                    let next = u * width + v;
                    if ink[next] > 0.5 && piece[next] == 0 {
                        piece[next] = name;
                        open.push(next);
                    }
                }
            }
        }
    }
    let largest = areas.iter().max().copied().filter(|&area| area > 0)?;
    let is_speck = |name: u32| (areas[name as usize] as f32) < SPECK * largest as f32;
    for (value, &name) in ink.iter_mut().zip(&piece) {
        if name == 0 && *value > 0.5 || name > 0 && is_speck(name) {
            *value = 0.0;
        }
    }
    Some(ink)
}

/// Cuts the ink out and fits it into the box, with strokes of a width that MNIST's have.
fn fit(ink: &[f32], grey: &Grey, [height, width]: [usize; 2]) -> Plane {
    let w = grey.width;
    let drawn = || ink.iter().enumerate().filter(|(_, v)| **v > 0.5).map(|(at, _)| (at / w, at % w));
    let span = |of: &dyn Fn((usize, usize)) -> usize| {
        let low = drawn().map(of).min().unwrap_or(0);
        (low, drawn().map(of).max().unwrap_or(low) + 1)
    };
    let ((top, bottom), (left, right)) = (span(&|(i, _)| i), span(&|(_, j)| j));
    let (h_in, w_in) = (bottom - top, right - left);
    let cut: Vec<f32> = (top..bottom).flat_map(|i| ink[i * w + left..i * w + right].iter().copied()).collect();

    let side = BOX * height.min(width) as f32;
    let scale = side / h_in.max(w_in) as f32;
    let sized = |of: usize, factor: f32| ((of as f32 * factor).round() as u32).max(1);
    let finer = finer(side);
    let fine = scale * finer;
    let (h_fine, w_fine) = (sized(h_in, fine), sized(w_in, fine));
    let wanted = stroke(&cut, h_in, w_in) * scale / side;
    let mut drawn = if wanted < STROKES.start && fine < 1.0 {
        // Averaging would wash thin lines out: each fine pixel takes the most ink that it covers.
        most(&cut, h_in, w_in, h_fine as usize, w_fine as usize)
    } else {
        resize(&plane(h_in, w_in, cut), w_fine, h_fine, FilterType::Triangle)
    };
    let target = wanted.clamp(STROKES.start, STROKES.end);
    if target != wanted {
        let now = stroke(drawn.as_raw(), h_fine as usize, w_fine as usize);
        let radius = (target * side * finer - now) / 2.0;
        drawn = spread(&drawn, radius);
    }
    // Spread, it may reach further than the box.
    let longest = drawn.width().max(drawn.height()) as f32;
    let back = (side / longest).min(1.0 / finer);
    let (h, w) = (sized(drawn.height() as usize, back), sized(drawn.width() as usize, back));
    resize(&drawn, w, h, FilterType::Triangle)
}

/// By how much the grid on which strokes are looked at is finer than the image, whose character has this side.
fn finer(side: f32) -> f32 {
    FINE.min(FINEST / side).max(1.0)
}

/// The mean width of strokes, in pixels: a long stroke has two pixels of edge for each of its length.
fn stroke(ink: &[f32], height: usize, width: usize) -> f32 {
    let at = |i: usize, j: usize| ink[i * width + j] > 0.5;
    let (mut area, mut edge) = (0, 0);
    for i in 0..height {
        for j in 0..width {
            if !at(i, j) {
                continue;
            }
            area += 1;
            let inside = i > 0 && j > 0 && i + 1 < height && j + 1 < width;
            edge += usize::from(!(inside && at(i - 1, j) && at(i + 1, j) && at(i, j - 1) && at(i, j + 1)));
        }
    }
    2.0 * area as f32 / edge.max(1) as f32
}

/// Scaled down, each pixel with the most that it covers.
fn most(values: &[f32], height: usize, width: usize, h_out: usize, w_out: usize) -> Plane {
    let mut out = vec![0.0_f32; h_out * w_out];
    for (at, &value) in values.iter().enumerate() {
        let cell = at / width * h_out / height * w_out + at % width * w_out / width;
        out[cell] = out[cell].max(value);
    }
    plane(h_out, w_out, out)
}

/// Strokes made wider by a radius, or narrower by a negative one: the most, or least, of a disc, in so many [`LEVELS`] of ink.
/// At each of them a pixel is covered that is near enough to the ink, or far enough from the ground, and how far it is costs
/// the same for any radius.
fn spread(ink: &Plane, radius: f32) -> Plane {
    let (width, height) = (ink.width() as usize, ink.height() as usize);
    // Wider strokes need room, and narrower ones end where there is ground all around.
    let room = if radius > 0.0 { radius.ceil() as usize } else { 1 };
    let (w, h) = (width + 2 * room, height + 2 * room);
    let at = |at: usize| {
        let (i, j) = ((at / w).wrapping_sub(room), (at % w).wrapping_sub(room));
        if i < height && j < width { ink.as_raw()[i * width + j] } else { 0.0 }
    };
    let reach = (radius * radius).max(0.25);
    let mut out = vec![0.0; w * h];
    for level in 0..LEVELS {
        let threshold = (level as f32 + 0.5) / LEVELS as f32;
        let squares = match radius > 0.0 {
            true => squared_distances(h, w, |p| at(p) > threshold),
            false => squared_distances(h, w, |p| at(p) <= threshold),
        };
        for (value, square) in out.iter_mut().zip(squares) {
            let covered = (square <= reach) == (radius > 0.0);
            *value += f32::from(covered) / LEVELS as f32;
        }
    }
    let out = plane(h, w, out);
    if radius > 0.0 { out } else { crop_imm(&out, 1, 1, ink.width(), ink.height()).to_image() }
}

/// The square of how far each pixel is from the nearest one that is marked (P. Felzenszwalb, D. Huttenlocher: Distance
/// Transforms of Sampled Functions, 2012): along columns, then along rows.
fn squared_distances(height: usize, width: usize, marked: impl Fn(usize) -> bool) -> Vec<f32> {
    // Further than any pixel is from any other, and its square is still exact.
    let none = ((height + width) * (height + width)) as f32;
    let mut squares: Vec<f32> = (0..height * width).map(|at| if marked(at) { 0.0 } else { none }).collect();
    let mut envelope = Envelope::default();
    for j in 0..width {
        let column: Vec<f32> = (0..height).map(|i| squares[i * width + j]).collect();
        envelope.lowest(&column, |i, square| squares[i * width + j] = square);
    }
    for row in squares.chunks_mut(width.max(1)) {
        let before = row.to_vec();
        envelope.lowest(&before, |j, square| row[j] = square);
    }
    squares
}

/// The lower envelope of parabolas: the places where they stand, and from where on each is the lowest.
#[derive(Default)]
struct Envelope {
    places: Vec<usize>,
    from: Vec<f64>,
}

impl Envelope {
    /// The least of `(x - q)^2 + values[q]` over all q, for each x.
    fn lowest(&mut self, values: &[f32], mut put: impl FnMut(usize, f32)) {
        let height = |q: usize| f64::from(values[q]) + (q * q) as f64;
        self.places.clear();
        self.from.clear();
        for q in 0..values.len() {
            let mut start = f64::NEG_INFINITY;
            while let (Some(&last), Some(&before)) = (self.places.last(), self.from.last()) {
                start = (height(q) - height(last)) / (2 * (q - last)) as f64;
                if start > before {
                    break;
                }
                self.places.pop();
                self.from.pop();
                start = f64::NEG_INFINITY;
            }
            self.places.push(q);
            self.from.push(start);
        }
        let mut at = 0;
        for x in 0..values.len() {
            while self.from.get(at + 1).is_some_and(|from| *from < x as f64) {
                at += 1;
            }
            let q = self.places[at];
            put(x, (x.abs_diff(q) * x.abs_diff(q)) as f32 + values[q]);
        }
    }
}

/// Puts a character into an image, its centre of mass in the middle, and its darkest ink white.
fn place(character: &Plane, [height, width]: [usize; 2]) -> Image {
    let sum = |f: &dyn Fn(u32, u32) -> f32| character.enumerate_pixels().map(|(j, i, v)| f(i, j) * v.0[0]).sum::<f32>();
    let mass = sum(&|_, _| 1.0).max(1e-6);
    let (i, j) = (sum(&|i, _| i as f32 + 0.5) / mass, sum(&|_, j| j as f32 + 0.5) / mass);
    let corner = |middle: usize, centre: f32, side: u32| {
        let most = (middle as i64 - i64::from(side)).max(0);
        ((middle as f32 / 2.0 - centre).round() as i64).clamp(0, most) as usize
    };
    let (top, left) = (corner(height, i, character.height()), corner(width, j, character.width()));
    let most = character.as_raw().iter().fold(1e-6_f32, |most, &v| most.max(v));
    let mut bytes = vec![0; height * width];
    for (j, i, value) in character.enumerate_pixels() {
        let (i, j) = (top + i as usize, left + j as usize);
        if i < height && j < width {
            bytes[i * width + j] = byte(value.0[0] / most);
        }
    }
    Image { height, width, bytes, ink: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring on a ground, as large as asked for, off the centre.
    fn ring(side: usize, pen: f32, ground: f32, ink: f32) -> Grey {
        let (centre, radius) = ([0.3 * side as f32, 0.6 * side as f32], 0.2 * side as f32);
        let value = |at: usize| {
            let (i, j) = ((at / side) as f32 - centre[0], (at % side) as f32 - centre[1]);
            let away = ((i * i + j * j).sqrt() - radius).abs();
            if away < pen / 2.0 { ink } else { ground + 0.1 * (at % side) as f32 / side as f32 }
        };
        Grey { height: side, width: side, values: (0..side * side).map(value).collect() }
    }

    fn apply(grey: &Grey) -> Image {
        Prepare::Mnist.apply(Path::new("x"), grey, [28, 28]).unwrap()
    }

    #[test]
    fn whatever_the_paper_the_pen_and_the_size_a_ring_is_the_same_ring() {
        for (side, pen, ground, ink) in [
            (200, 12.0, 0.9, 0.1),
            (200, 12.0, 0.1, 0.9),
            (64, 5.0, 0.6, 0.2),
            (900, 2.0, 0.8, 0.3),
            (900, 90.0, 0.8, 0.3),
            (28, 2.0, 0.7, 0.0),
        ] {
            let image = apply(&ring(side, pen, ground, ink));
            let what = format!("side {side}, pen {pen}, {ink} on {ground}: {:?}", image.bytes);
            assert!(image.ink, "{what}");
            let rows: Vec<usize> = (0..28).filter(|i| image.bytes[i * 28..][..28].iter().any(|&b| b > 60)).collect();
            let columns: Vec<usize> = (0..28).filter(|j| (0..28).any(|i| image.bytes[i * 28 + j] > 60)).collect();
            for span in [rows, columns] {
                let (first, last) = (span[0], span[span.len() - 1]);
                assert!((3..=5).contains(&first) && (22..=24).contains(&last), "{first}..{last}: {what}");
            }
            let at = |i: usize, j: usize| image.bytes[i * 28 + j];
            assert!(at(0, 0) == 0 && at(14, 14) == 0, "the ground and the hole are black: {what}");
            let width = (0..14).filter(|&i| at(i, 14) > 100).count();
            assert!((1..=5).contains(&width), "{width} pixels wide: {what}");
        }
    }

    #[test]
    fn no_ink_is_no_ink_and_specks_are_none() {
        let mut blank = Grey { height: 50, width: 60, values: vec![0.8; 3000] };
        assert_eq!(apply(&blank), Image { height: 28, width: 28, bytes: vec![0; 784], ink: false });
        for (at, value) in blank.values.iter_mut().enumerate() {
            *value += 0.02 * ((at * 7919 % 13) as f32 / 13.0 - 0.5);
        }
        assert!(!apply(&blank).ink, "noise is none");
        let mut ring = ring(200, 12.0, 0.9, 0.1);
        let clean = apply(&ring);
        for i in 180..183 {
            ring.values[i * 200 + 10..i * 200 + 13].fill(0.1);
        }
        assert_eq!(apply(&ring).bytes, clean.bytes, "a speck changes nothing");
    }

    /// A letter as wide as its picture, and one cut off at a side.
    #[test]
    fn ink_that_reaches_the_border_is_ink() {
        for (ground, ink) in [(0.9, 0.1), (0.1, 0.9)] {
            for side in [40, 300] {
                let value = |at: usize| {
                    let (i, j) = (at / side, at % side);
                    let noise = 0.02 * ((at * 7919 % 13) as f32 / 13.0 - 0.5);
                    let stem = j < side / 4 || (i < side / 6 && j < side / 2);
                    noise + if stem { ink } else { ground }
                };
                let grey = Grey { height: side, width: side, values: (0..side * side).map(value).collect() };
                let image = apply(&grey);
                let filled = image.bytes.iter().filter(|&&b| b > 128).count();
                assert!(image.ink && (80..200).contains(&filled), "{side}, {ink} on {ground}: {filled}");
                let ink_at = |i: usize, j: usize| image.bytes[i * 28 + j] > 128;
                assert!(ink_at(20, 11) && !ink_at(20, 18), "{side}, {ink} on {ground}: {:?}", image.bytes);
            }
        }
        // A bold one that was scaled up: black, white and what lies between them share the border.
        let shade = |j: usize| match j {
            ..4 => 0.68,
            4..140 => 0.05,
            _ => 1.0,
        };
        let bold = Grey { height: 200, width: 200, values: (0..200 * 200).map(|at| shade(at % 200)).collect() };
        let image = apply(&bold);
        assert!(image.ink && image.bytes.iter().filter(|&&b| b > 200).count() > 20, "{:?}", image.bytes);
    }

    #[test]
    fn distances_are_those_of_the_nearest_mark() {
        let (height, width) = (7, 11);
        for marks in [vec![0], vec![30, 76], vec![5, 17, 18, 40, 66], vec![]] {
            let found = squared_distances(height, width, |at| marks.contains(&at));
            for (at, found) in found.into_iter().enumerate() {
                let away = |mark: &usize| {
                    let (i, j) = ((at / width).abs_diff(mark / width), (at % width).abs_diff(mark % width));
                    (i * i + j * j) as f32
                };
                let expected = marks.iter().map(away).fold(18.0 * 18.0, f32::min);
                assert_eq!(found, expected, "{at} of {marks:?}");
            }
        }
    }

    /// A bar of four pixels, made two wider on each side, and one narrower.
    #[test]
    fn strokes_are_spread_by_their_radius() {
        let bar: Vec<f32> = (0..20 * 20).map(|at| f32::from((8..12).contains(&(at % 20)))).collect();
        for (radius, expected) in [(2.0, 8), (-1.0, 2)] {
            let out = spread(&plane(20, 20, bar.clone()), radius);
            let middle: Vec<f32> = out.rows().nth(out.height() as usize / 2).unwrap().map(|v| v.0[0]).collect();
            assert_eq!(middle.iter().filter(|v| **v > 0.5).count(), expected, "{radius}: {middle:?}");
        }
    }

    /// Ten times the pixels must not take a hundred times as long: as many steps for each, whatever the size.
    #[test]
    fn large_images_are_prepared_like_small_ones() {
        for side in [128, 1024] {
            let grey = ring(900, 2.0, 0.8, 0.3);
            let image = Prepare::Mnist.apply(Path::new("x"), &grey, [side, side]).unwrap();
            let at = |i: usize, j: usize| image.bytes[i * side + j];
            let width = (0..side / 2).filter(|&i| at(i, side / 2) > 100).count();
            let expected = STROKES.start * BOX * side as f32;
            assert!((width as f32 / expected - 1.0).abs() < 0.2, "{width} pixels of {side}, {expected} wanted");
            assert!(at(0, 0) == 0 && at(side / 2, side / 2) == 0);
        }
    }

    #[test]
    fn the_grid_grows_no_faster_than_large_images() {
        assert_eq!(finer(20.0), FINE);
        for side in [100.0, 150.0, 400.0, 2000.0] {
            assert!(side * finer(side) <= f32::max(FINEST, side), "{side}");
        }
    }

    #[test]
    fn what_is_prepared_already_stays_as_it_is() {
        let first = apply(&ring(200, 12.0, 0.9, 0.1));
        let values = first.bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
        assert_eq!(apply(&Grey { height: 28, width: 28, values }), first);
    }

    #[test]
    fn resize_keeps_aspect_and_polarity_and_none_wants_the_size() {
        let wide = Grey { height: 10, width: 40, values: vec![128.0 / 255.0; 400] };
        let image = Prepare::Resize.apply(Path::new("x"), &wide, [28, 28]).unwrap();
        assert!(image.bytes.iter().all(|&b| b.abs_diff(128) <= 1), "{:?}", image.bytes);
        let text = Prepare::None.apply(Path::new("x.png"), &wide, [28, 28]).unwrap_err().to_string();
        assert!(text.contains("x.png") && text.contains("10x40") && text.contains("28x28"), "{text}");
        let exact = Prepare::None.apply(Path::new("x"), &wide, [10, 40]).unwrap();
        assert_eq!((exact.height, exact.width, exact.bytes[0]), (10, 40, 128));
    }
}
