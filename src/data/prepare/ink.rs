//! Detection of the ink in a picture.

use crate::data::picture::Grey;

/// Minimum contrast of ink with its ground: less is noise or shading.
const CONTRAST: f32 = 0.1;
/// Minimum area of a piece of ink as a fraction of the largest piece; smaller ones are specks.
const SPECK: f32 = 0.02;

/// Indices of the border pixels: a fiftieth of each side, at least one pixel.
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
pub(super) fn usual(grey: &Grey) -> f32 {
    median(&mut border(grey).map(|at| grey.values[at]).collect::<Vec<_>>())
}

/// Amount of ink at every pixel, from 0 to 1; `None` if nothing stands out from the ground.
pub(super) fn ink(grey: &Grey) -> Option<Vec<f32>> {
    let ground = Ground::of(grey);
    let away: Vec<f32> = (0..grey.values.len())
        .map(|at| grey.values[at] - ground.at((at / grey.width) as f32, (at % grey.width) as f32))
        .collect();
    // Ink deviates from the ground to the side with more deviation.
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

/// Bounds of the deviation from the rest of the border above which a border pixel is ink.
const FAR: [f32; 2] = [0.06, 0.25];

/// The ground as a plane fitted to the border, so that a shadow across the paper is not ink.
struct Ground {
    level: f32,
    slope: [f32; 2],
    middle: [f32; 2],
    /// Standard deviation of the border from the plane.
    noise: f32,
}

impl Ground {
    fn of(grey: &Grey) -> Ground {
        let places: Vec<usize> = border(grey).collect();
        let middle = [grey.height as f32 / 2.0, grey.width as f32 / 2.0];
        let mut ground = Ground { level: usual(grey), slope: [0.0; 2], middle, noise: 0.0 };
        let offset = |at: usize| [(at / grey.width) as f32 - middle[0], (at % grey.width) as f32 - middle[1]];
        // Each plane separates outliers better than the last.
        for _ in 0..3 {
            let away = |at: usize| grey.values[at] - ground.at((at / grey.width) as f32, (at % grey.width) as f32);
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

/// The ink without pieces that are far smaller than the largest; `None` if nothing is left.
pub(super) fn without_specks(mut ink: Vec<f32>, height: usize, width: usize) -> Option<Vec<f32>> {
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
