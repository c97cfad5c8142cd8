//! Twin of `shaders/cross_entropy_backward.wgsl`:
//! `dx[n,j] = (softmax(x[n])[j] - (1 - e) [j = label] - e / classes) / rows`, and with weighted classes
//! `(softmax(x[n])[j] * sum of t - t[j]) / W`.

use super::cross_entropy_forward::{Softmax, exponential, weight_scale, weighted_targets};
use super::{Expected, Inputs, Near, Rounded, Twin, UNIT};
use crate::kernels::{CrossEntropyBackward, LossShape};

impl Twin for CrossEntropyBackward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(
            &self.0,
            from.f("x"),
            from.u("labels"),
            from.u("order"),
            from.u("cursor"),
            from.f("smoothing"),
            from.f("weights"),
        )
    }
}

/// Gradient of an image's loss with respect to the logit of class `j`, times the number of images. `targets` are those of
/// [`weighted_targets`], and `scale` is [`weight_scale`].
pub fn loss_gradient(
    j: usize,
    label: usize,
    softmax: Rounded,
    targets: &[Rounded],
    smoothing: f64,
    scale: Option<Rounded>,
) -> Rounded {
    if let Some(scale) = scale {
        return (Rounded::sum(targets.iter().copied()) * softmax - targets[j]) * scale;
    }
    let (one, e) = (Rounded::exact(1.0), Rounded::exact(smoothing));
    let share = e / Rounded::exact(targets.len() as f64);
    softmax - if j == label { one - e + share } else { share }
}

pub fn run(
    s: &LossShape,
    x: &[f64],
    labels: &[u32],
    order: &[u32],
    cursor: &[u32],
    smoothing: &[f64],
    weights: &[f64],
) -> Vec<Expected> {
    let (start, total) = (cursor[1] as usize, cursor[2] as usize);
    let (batch, classes) = (s.batch as usize, s.classes as usize);
    let rows = batch.min(total.saturating_sub(start)) as f64;
    let scale = weight_scale(s, labels, order, cursor, weights);
    let mut dx = Near::with_capacity(s.logits());
    for n in 0..s.padded as usize {
        for j in 0..classes {
            if n >= batch || start + n >= total {
                dx.push(0.0, 0.0);
                continue;
            }
            let logits = &x[n * classes..][..classes];
            let label = labels[order[start + n] as usize] as usize;
            let softmax = Softmax::of(logits);
            let (term, relative) = exponential(logits[j] - softmax.largest);
            let p = term / softmax.sum;
            if let Some(scale) = scale {
                let error = p * (relative + softmax.error + 5.0 * UNIT) + f64::from(f32::MIN_POSITIVE);
                let targets = weighted_targets(weights, label, smoothing[0]);
                let all = Rounded::sum(targets.iter().copied());
                let value = (all * Rounded { value: p, error } - targets[j]) * scale / Rounded::exact(rows);
                dx.push(value.value, value.error);
                continue;
            }
            let share = smoothing[0] / s.classes as f64;
            let target = if j == label { 1.0 - smoothing[0] + share } else { share };
            let value = (p - target) / rows;
            // Two divisions of 2.5 ULP, one subtraction. Values below the smallest normal number may be flushed to 0,
            // both in the probability and in the result.
            let flushed = f64::from(f32::MIN_POSITIVE);
            // The target is one division, one subtraction and one addition of values of at most 1.
            let target_error = if smoothing[0] == 0.0 { 0.0 } else { 8.0 * UNIT };
            let error = p * (relative + softmax.error + 5.0 * UNIT) + target_error + flushed;
            dx.push(value, error / rows + 6.0 * UNIT * value.abs() + flushed);
        }
    }
    vec![Expected::Near(dx)]
}
