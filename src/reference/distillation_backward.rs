//! Twin of `shaders/distillation_backward.wgsl`:
//! `dx = ((1 - a) (softmax(x) - target) + a t (softmax(x/t) - softmax(z/t))) / rows`.

use super::cross_entropy_backward::loss_gradient;
use super::cross_entropy_forward::{weight_scale, weighted_targets};
use super::{Expected, Inputs, Near, Rounded, Twin};
use crate::kernels::{DistillationBackward, LossShape};

impl Twin for DistillationBackward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(
            &self.0,
            from.f("x"),
            from.f("z"),
            from.u("labels"),
            from.u("order"),
            from.u("cursor"),
            from.f("smoothing"),
            from.f("weights"),
            from.f("teaching"),
        )
    }
}

#[expect(clippy::too_many_arguments, reason = "one for each of the kernel's ports")]
pub fn run(
    s: &LossShape,
    x: &[f64],
    z: &[f64],
    labels: &[u32],
    order: &[u32],
    cursor: &[u32],
    smoothing: &[f64],
    weights: &[f64],
    teaching: &[f64],
) -> Vec<Expected> {
    let (start, total) = (cursor[1] as usize, cursor[2] as usize);
    let (batch, classes) = (s.batch as usize, s.classes as usize);
    let rows = Rounded::exact(batch.min(total.saturating_sub(start)) as f64);
    let scale = weight_scale(s, labels, order, cursor, weights);
    let one = Rounded::exact(1.0);
    let (t, a) = (Rounded::exact(teaching[0]), Rounded::exact(teaching[1]));
    let mut dx = Near::with_capacity(s.logits());
    for n in 0..s.padded as usize {
        if n >= batch || start + n >= total {
            (0..classes).for_each(|_| dx.push(0.0, 0.0));
            continue;
        }
        let label = labels[order[start + n] as usize] as usize;
        let row = |of: &[f64]| of[n * classes..][..classes].to_vec();
        let softmax = softened(&row(x), one);
        let (soft, taught) = (softened(&row(x), t), softened(&row(z), t));
        let targets = weighted_targets(weights, label, smoothing[0]);
        for j in 0..classes {
            let own = loss_gradient(j, label, softmax[j], &targets, smoothing[0], scale);
            let value = ((one - a) * own + a * t * (soft[j] - taught[j])) / rows;
            dx.push(value.value, value.error);
        }
    }
    vec![Expected::Near(dx)]
}

/// `softmax(x / t)`, with the maximum subtracted first.
fn softened(x: &[f64], t: Rounded) -> Vec<Rounded> {
    let most = x.iter().fold(f64::NEG_INFINITY, |most, &x| most.max(x));
    let terms: Vec<Rounded> = x.iter().map(|&x| ((Rounded::exact(x) - Rounded::exact(most)) / t).exp()).collect();
    let sum = terms.iter().fold(Rounded::exact(0.0), |sum, &term| sum + term);
    terms.iter().map(|&term| term / sum).collect()
}
