//! Twin of `shaders/fc_loss.wgsl`: `z = w x + b`, the loss of z, its gradient d with respect to z, `dx = act'(x) * d w`, and
//! `dw` and `db`, the sums of `d x` and of d over a slice of the batch.

use super::activations::through;
use super::cross_entropy_backward::loss_gradient;
use super::cross_entropy_forward::{weight_scale, weighted_targets};
use super::{Expected, Inputs, Near, Rounded, Sum, Twin};
use crate::kernels::{FcLoss, FcLossShape, LossShape};

impl Twin for FcLoss {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        let loss = Loss {
            shape: &self.0.loss,
            labels: from.u("labels"),
            order: from.u("order"),
            cursor: from.u("cursor"),
            smoothing: from.f("smoothing")[0],
            weights: from.f("weights"),
            scale: weight_scale(&self.0.loss, from.u("labels"), from.u("order"), from.u("cursor"), from.f("weights")),
        };
        run(&self.0, self.1, from.f("x"), from.f("w"), from.f("b"), &loss, from.f("loss"))
    }
}

/// Inputs of the loss other than logits.
pub struct Loss<'a> {
    pub shape: &'a LossShape,
    pub labels: &'a [u32],
    pub order: &'a [u32],
    pub cursor: &'a [u32],
    pub smoothing: f64,
    pub weights: &'a [f64],
    /// Factor of the loss if classes are weighted.
    pub scale: Option<Rounded>,
}

pub fn run(
    s: &FcLossShape,
    slices: u32,
    x: &[f64],
    w: &[f64],
    b: &[f64],
    loss: &Loss,
    before: &[f64],
) -> Vec<Expected> {
    let [batch, c_in, classes] = [s.layer.batch, s.layer.c_in, s.layer.c_out].map(|n| n as usize);
    let mut losses = Near { value: before.to_vec(), error: vec![0.0; before.len()] };
    let (mut dx, mut dw, mut db) = (Near::default(), Near::default(), Near::default());
    let mut deltas = Vec::new();
    for n in 0..batch {
        let image = &x[n * c_in..][..c_in];
        let logits: Vec<Rounded> = (0..classes).map(|o| logit(image, &w[o * c_in..][..c_in], b[o])).collect();
        let of_image = match loss.of(n, &logits) {
            Some((row, value, gradient)) => {
                losses.set(row, value);
                gradient
            }
            None => vec![Rounded::exact(0.0); classes],
        };
        for (i, &x) in image.iter().enumerate() {
            let terms = (0..classes).map(|o| w[o * c_in + i] * of_image[o]);
            dx.push_rounded(through(Rounded::sum(terms), x, s.layer.activation_in));
        }
        deltas.push(of_image);
    }
    let slice = batch.div_ceil(slices as usize);
    for part in 0..slices as usize {
        let images = batch.min(part * slice)..batch.min((part + 1) * slice);
        let sum =
            |o: usize, factor: &dyn Fn(usize) -> f64| Rounded::sum(images.clone().map(|n| factor(n) * deltas[n][o]));
        for o in 0..classes {
            (0..c_in).for_each(|i| dw.push_rounded(sum(o, &|n| x[n * c_in + i])));
            db.push_rounded(sum(o, &|_| 1.0));
        }
    }
    [losses, dx, dw, db].map(Expected::Near).to_vec()
}

fn logit(x: &[f64], w: &[f64], b: f64) -> Rounded {
    let mut sum = Sum::default();
    sum.add(b);
    x.iter().zip(w).for_each(|(x, w)| sum.add(w * x));
    sum.into()
}

impl Loss<'_> {
    /// Row of an image of the batch, its loss, and the gradient with respect to its logits; `None` past the end of the set.
    fn of(&self, n: usize, logits: &[Rounded]) -> Option<(usize, Rounded, Vec<Rounded>)> {
        let (start, total) = (self.cursor[1] as usize, self.cursor[2] as usize);
        let (row, rows) = (start + n, (self.shape.batch as usize).min(total.saturating_sub(start)));
        if row >= total {
            return None;
        }
        let label = self.labels[self.order[row] as usize] as usize;
        // A device may subtract another logit that rounding makes the largest.
        let largest = logits.iter().map(|z| z.value).fold(f64::NEG_INFINITY, f64::max);
        let error = logits.iter().map(|z| z.error).fold(0.0, f64::max);
        let best = Rounded { value: largest, error };
        let terms: Vec<Rounded> = logits.iter().map(|&z| (z - best).exp()).collect();
        let sum = Rounded::sum(terms.iter().copied());
        let log = sum.ln();
        let classes = Rounded::exact(f64::from(self.shape.classes));
        let mean = Rounded::sum(logits.iter().copied()) / classes;
        let plain = log + (best - logits[label]) + self.smoothing * (logits[label] - mean);
        let targets = weighted_targets(self.weights, label, self.smoothing);
        let weighted = |scale| Rounded::sum(targets.iter().zip(logits).map(|(&t, &z)| t * (log + (best - z)))) * scale;
        let gradient = terms.iter().enumerate().map(|(j, &term)| {
            let own = loss_gradient(j, label, term / sum, &targets, self.smoothing, self.scale);
            own / Rounded::exact(rows as f64)
        });
        Some((row, self.scale.map_or(plain, weighted), gradient.collect()))
    }
}
