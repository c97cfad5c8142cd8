//! The paper, or whatever else a picture's ink lies on.

use crate::data::picture::Grey;

/// Bounds of the deviation from the rest of the border above which a border pixel is ink.
const FAR: [f32; 2] = [0.06, 0.25];
/// Side of the grid on which local ground is found.
const GRID: usize = 160;
/// Largest distance from the middle of a stroke to its edge, as a fraction of the picture's longer side: whatever is
/// wider is ground.
const REACH: f32 = 0.15;

/// Indices of the border pixels: a fiftieth of each side, at least one pixel.
fn border(grey: &Grey) -> impl Iterator<Item = usize> + '_ {
    let (h, w) = (grey.height, grey.width);
    let (m, n) = ((h / 50).max(1), (w / 50).max(1));
    let inside = move |i: usize, j: usize| (m..h - m).contains(&i) && (n..w - n).contains(&j);
    (0..h * w).filter(move |at| !inside(at / w, at % w))
}

pub(super) fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    values.select_nth_unstable_by(middle, f32::total_cmp).1.to_owned()
}

/// The median of the border.
pub(super) fn usual(grey: &Grey) -> f32 {
    median(&mut border(grey).map(|at| grey.values[at]).collect::<Vec<_>>())
}

/// The ground as a plane fitted to the border, so that a shadow across the paper is not ink.
pub(super) struct Plane {
    level: f32,
    slope: [f32; 2],
    middle: [f32; 2],
    /// Standard deviation of the border from the plane.
    pub noise: f32,
    /// Standard deviation of the border's noise, from pixel to pixel.
    pub grain: f32,
    /// Fraction of the border that is not on the plane.
    pub off: f32,
}

impl Plane {
    pub fn of(grey: &Grey) -> Plane {
        let places: Vec<usize> = border(grey).collect();
        let middle = [grey.height as f32 / 2.0, grey.width as f32 / 2.0];
        let mut plane = Plane { level: usual(grey), slope: [0.0; 2], middle, noise: 0.0, grain: 0.0, off: 0.0 };
        let offset = |at: usize| [(at / grey.width) as f32 - middle[0], (at % grey.width) as f32 - middle[1]];
        // Each plane separates outliers better than the last.
        for _ in 0..3 {
            let away = |at: usize| grey.values[at] - plane.at(at, grey.width);
            let spread = |places: &[usize]| median(&mut places.iter().map(|&at| away(at).abs()).collect::<Vec<_>>());
            let far = (4.0 * spread(&places)).clamp(FAR[0], FAR[1]);
            let near: Vec<usize> = places.iter().copied().filter(|&at| away(at).abs() <= far).collect();
            // Standard deviation from the median absolute deviation, which ink on the border changes little.
            let noise = 1.4826 * spread(&near);
            let level = near.iter().map(|&at| grey.values[at]).sum::<f32>() / near.len() as f32;
            // The border is nearly symmetrical, so each slope can be fitted separately.
            let slope = [0, 1].map(|d| {
                let up = near.iter().map(|&at| offset(at)[d] * (grey.values[at] - level)).sum::<f32>();
                up / near.iter().map(|&at| offset(at)[d].powi(2)).sum::<f32>().max(1e-6)
            });
            plane = Plane { level, slope, middle, noise, grain: 0.0, off: 0.0 };
        }
        let mut steps: Vec<f32> = places
            .windows(2)
            .filter(|pair| pair[1] == pair[0] + 1 && !pair[1].is_multiple_of(grey.width))
            .map(|pair| (grey.values[pair[1]] - grey.values[pair[0]]).abs())
            .collect();
        plane.grain = 1.4826 * median(&mut steps) / std::f32::consts::SQRT_2;
        let far = FAR[0].max(3.0 * plane.grain);
        let off = |&&at: &&usize| (grey.values[at] - plane.at(at, grey.width)).abs() > far;
        plane.off = places.iter().filter(off).count() as f32 / places.len() as f32;
        plane
    }

    fn at(&self, at: usize, width: usize) -> f32 {
        let (i, j) = ((at / width) as f32, (at % width) as f32);
        self.level + self.slope[0] * (i - self.middle[0]) + self.slope[1] * (j - self.middle[1])
    }

    /// The plane at every pixel.
    pub fn values(&self, grey: &Grey) -> Vec<f32> {
        (0..grey.values.len()).map(|at| self.at(at, grey.width)).collect()
    }
}

/// The ground around each pixel: the picture without whatever is darker than its surroundings, or lighter, and narrower
/// than twice [`REACH`] (a morphological closing or opening), so that lamps, vignettes and the edges of shadows are ground.
pub(super) fn local(grey: &Grey, dark_ink: bool) -> Vec<f32> {
    let (h, w) = (grey.height, grey.width);
    let step = h.max(w).div_ceil(GRID);
    let (rows, columns) = (h.div_ceil(step), w.div_ceil(step));
    let mut cells = vec![0.0; rows * columns];
    for (cell, value) in cells.iter_mut().enumerate() {
        let (top, left) = (cell / columns * step, cell % columns * step);
        let (bottom, right) = (h.min(top + step), w.min(left + step));
        let sum: f32 = (top..bottom).map(|i| grey.values[i * w + left..i * w + right].iter().sum::<f32>()).sum();
        *value = sum / ((bottom - top) * (right - left)) as f32;
    }
    let reach = ((REACH * rows.max(columns) as f32).round() as usize).max(1);
    let of: [Extreme; 2] = if dark_ink { [f32::max, f32::min] } else { [f32::min, f32::max] };
    for of in of {
        cells = extreme(&cells, columns, reach, of);
        cells = transposed(&extreme(&transposed(&cells, columns), rows, reach, of), rows);
    }
    // Between the middles of the cells.
    let place = |at: usize, count: usize| {
        let at = ((at as f32 + 0.5) / step as f32 - 0.5).clamp(0.0, (count - 1) as f32);
        (at as usize, (at as usize + 1).min(count - 1), at.fract())
    };
    let mut values = Vec::with_capacity(h * w);
    for i in 0..h {
        let (above, below, down) = place(i, rows);
        for j in 0..w {
            let (left, right, along) = place(j, columns);
            let row = |i: usize| cells[i * columns + left] * (1.0 - along) + cells[i * columns + right] * along;
            values.push(row(above) * (1.0 - down) + row(below) * down);
        }
    }
    values
}

type Extreme = fn(f32, f32) -> f32;

/// The extreme value within `reach` of each place, along rows.
fn extreme(values: &[f32], width: usize, reach: usize, of: Extreme) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for row in values.chunks(width) {
        for j in 0..width {
            let near = &row[j.saturating_sub(reach)..width.min(j + reach + 1)];
            out.push(near.iter().copied().reduce(of).unwrap_or(row[j]));
        }
    }
    out
}

fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let height = values.len() / width;
    (0..values.len()).map(|at| values[at % height * width + at / height]).collect()
}
