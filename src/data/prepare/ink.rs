//! Detection of the ink in a picture.

use super::ground::{Plane, local, median};
use super::lines::without_lines;
use crate::data::picture::Grey;

/// Minimum contrast of ink with its ground: less is noise or shading.
const CONTRAST: f32 = 0.1;
/// Fraction of the border off its plane above which the light may be uneven.
const UNEVEN: f32 = 0.12;
/// Minimum deviation of a line on the paper, relative to the ink; fainter ones do not pass for ink.
const VISIBLE: f32 = 0.25;
/// Ground darker than this does not raise the contrast of the ink on it further.
const DARK: f32 = 0.2;

/// The ink that was found in a picture.
pub(super) struct Ink {
    /// Amount of ink at every pixel, from 0 to 1.
    pub amounts: Vec<f32>,
    /// True if lines across the picture were removed.
    pub lines: bool,
}

/// Finds the ink; `None` if nothing stands out from the ground.
pub(super) fn ink(grey: &Grey) -> Option<Ink> {
    let plane = Plane::of(grey);
    let away: Vec<f32> = grey.values.iter().zip(plane.values(grey)).map(|(value, ground)| value - ground).collect();
    if plane.off <= UNEVEN {
        // Ink deviates from the ground to the side with more deviation.
        let weight = |sign: f32| away.iter().map(|a| (sign * a).max(0.0).powi(2)).sum::<f32>();
        let sign = if weight(1.0) > weight(-1.0) { 1.0 } else { -1.0 };
        return separated(away.iter().map(|a| (sign * a).max(0.0)).collect(), plane.noise, grey);
    }
    let on_plane = [false, true].map(|dark_ink| {
        let sign = if dark_ink { -1.0 } else { 1.0 };
        let away = away.iter().map(|a| (sign * a).max(0.0)).collect();
        (dark_ink, separated(away, plane.noise, grey))
    });
    let on_local = [false, true].map(|dark_ink| {
        let ground = local(grey, dark_ink);
        let away = grey.values.iter().zip(&ground).map(|(value, ground)| match dark_ink {
            // The same ink takes the same part of much and of little light.
            true => 1.0 - value / ground.max(DARK),
            false => value - ground,
        });
        let mut away: Vec<f32> = away.collect();
        // The local ground lies above the noise of the paper.
        let usual = median(&mut away.clone());
        away.iter_mut().for_each(|away| *away = (*away - usual).max(0.0));
        (dark_ink, separated(away, plane.grain, grey))
    });
    let judged = on_plane.into_iter().chain(on_local).filter_map(|(dark_ink, ink)| {
        let ink = ink?;
        Some((outlined(&ink.amounts, grey, dark_ink), ink))
    });
    judged.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, ink)| ink)
}

/// Separates ink from ground by how much each pixel deviates; `None` if none does.
fn separated(mut away: Vec<f32>, noise: f32, grey: &Grey) -> Option<Ink> {
    let most = |away: &[f32]| away.iter().fold(0.0_f32, |most, &v| most.max(v));
    let least = CONTRAST.max(6.0 * noise);
    if most(&away) < least {
        return None;
    }
    let visible = least.max(VISIBLE * most(&away));
    let lines = without_lines(&mut away, grey.width, visible);
    let most = most(&away);
    if most < least {
        return None;
    }
    let threshold = otsu(&away, most);
    let amounts = away.iter().map(|v| ((v - 0.5 * threshold) / threshold).clamp(0.0, 1.0)).collect();
    Some(Ink { amounts, lines })
}

/// How well the outline of the ink follows edges of the picture: the sum over the outline of how much the picture
/// changes across it, less half of the contrast. Where shading was taken for ink, the picture does not change.
fn outlined(ink: &[f32], grey: &Grey, dark_ink: bool) -> f32 {
    let (h, w) = (grey.height, grey.width);
    let reach = 1 + h.max(w) / 100;
    let mut steps = Vec::new();
    let mut step = |at: usize, next: usize, before: usize, after: usize| {
        let (first, second) = (ink[at] > 0.5, ink[next] > 0.5);
        if first != second {
            let up = grey.values[after] - grey.values[before];
            steps.push(if first == dark_ink { up } else { -up });
        }
    };
    for i in 0..h {
        for j in 0..w {
            let at = i * w + j;
            if j + 1 < w {
                step(at, at + 1, i * w + (j + 1).saturating_sub(reach), i * w + (j + reach).min(w - 1));
            }
            if i + 1 < h {
                step(at, at + w, (i + 1).saturating_sub(reach) * w + j, (i + reach).min(h - 1) * w + j);
            }
        }
    }
    if steps.is_empty() {
        return 0.0;
    }
    // The contrast of a clear edge.
    let last = (steps.len() - 1) * 9 / 10;
    let contrast = steps.select_nth_unstable_by(last, f32::total_cmp).1.to_owned();
    steps.iter().map(|step| step - 0.5 * contrast.max(CONTRAST)).sum()
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
