//! Cuts out ink and fits it into the box, with strokes as wide as MNIST's.

use super::{BOX, Plane, plane};
use image::imageops::{FilterType, crop_imm, resize};

/// A character is scaled to this multiple of its final size to measure its strokes, as long as its side stays below the
/// second constant: large images need no finer grid than their own.
const FINE: f32 = 4.0;
const FINEST: f32 = 400.0;
/// Number of ink levels that are distinguished while strokes are spread; more would be lost when the result is scaled
/// down.
const LEVELS: usize = 4;
/// Stroke widths that are left unchanged, as a fraction of the box's side: MNIST's are 2 to 4 of 20 pixels.
pub(super) const STROKES: std::ops::Range<f32> = 0.1..0.21;

/// Cuts out the ink and fits it into the box, with strokes as wide as MNIST's.
pub(super) fn fit(ink: &[f32], w: usize, [height, width]: [usize; 2]) -> Plane {
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
        // Averaging would wash out thin lines, so each fine pixel takes the maximum of the ink that it covers.
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
    // Spread ink may extend beyond the box.
    let longest = drawn.width().max(drawn.height()) as f32;
    let back = (side / longest).min(1.0 / finer);
    let (h, w) = (sized(drawn.height() as usize, back), sized(drawn.width() as usize, back));
    resize(&drawn, w, h, FilterType::Triangle)
}

/// How much finer than the image the grid for measuring strokes is. `side` is the side of the character.
fn finer(side: f32) -> f32 {
    FINE.min(FINEST / side).max(1.0)
}

/// Mean width of strokes in pixels: a long stroke has two edge pixels per pixel of its length.
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

/// Scales down; each pixel is the maximum of the pixels that it covers.
fn most(values: &[f32], height: usize, width: usize, h_out: usize, w_out: usize) -> Plane {
    let mut out = vec![0.0_f32; h_out * w_out];
    for (at, &value) in values.iter().enumerate() {
        let cell = at / width * h_out / height * w_out + at % width * w_out / width;
        out[cell] = out[cell].max(value);
    }
    plane(h_out, w_out, out)
}

/// Strokes widened by a radius, or narrowed by a negative one: the maximum, or minimum, over a disc, in [`LEVELS`]
/// levels of ink. At each level a pixel is covered if it is close enough to the ink, or far enough from the ground. The
/// cost does not depend on the radius.
fn spread(ink: &Plane, radius: f32) -> Plane {
    let (width, height) = (ink.width() as usize, ink.height() as usize);
    // Wider strokes need room, and narrower ones end where the ground surrounds them.
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

/// Squared distance of each pixel to the nearest marked one (P. Felzenszwalb, D. Huttenlocher: Distance Transforms of
/// Sampled Functions, 2012): along columns, then along rows.
fn squared_distances(height: usize, width: usize, marked: impl Fn(usize) -> bool) -> Vec<f32> {
    // More than any distance between two pixels, with a square that is still exact.
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

/// The lower envelope of parabolas: their vertices, and where each starts to be the lowest.
#[derive(Default)]
struct Envelope {
    places: Vec<usize>,
    from: Vec<f64>,
}

impl Envelope {
    /// The minimum of `(x - q)^2 + values[q]` over all q, for each x.
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

#[cfg(test)]
mod tests {
    use super::*;

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

    /// A bar of four pixels, widened by two on each side, and narrowed by one.
    #[test]
    fn strokes_are_spread_by_their_radius() {
        let bar: Vec<f32> = (0..20 * 20).map(|at| f32::from((8..12).contains(&(at % 20)))).collect();
        for (radius, expected) in [(2.0, 8), (-1.0, 2)] {
            let out = spread(&plane(20, 20, bar.clone()), radius);
            let middle: Vec<f32> = out.rows().nth(out.height() as usize / 2).unwrap().map(|v| v.0[0]).collect();
            assert_eq!(middle.iter().filter(|v| **v > 0.5).count(), expected, "{radius}: {middle:?}");
        }
    }

    #[test]
    fn the_grid_grows_no_faster_than_large_images() {
        assert_eq!(finer(20.0), FINE);
        for side in [100.0, 150.0, 400.0, 2000.0] {
            assert!(side * finer(side) <= f32::max(FINEST, side), "{side}");
        }
    }
}
