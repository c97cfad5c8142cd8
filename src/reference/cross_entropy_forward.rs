//! Twin of `shaders/cross_entropy_forward.wgsl`: softmax with the largest logit subtracted, the loss `log(sum of exp(x
//! - max)) + max - x[label] + e * (x[label] - mean of x)`, and the first class with the largest logit.

use super::{Expected, Inputs, Near, Rounded, Sum, Twin, UNIT};
use crate::kernels::{CrossEntropyForward, LossShape};

impl Twin for CrossEntropyForward {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(
            &self.0,
            from.f("x"),
            from.u("labels"),
            from.u("order"),
            from.u("cursor"),
            from.f("smoothing"),
            from.f("weights"),
            from.f("loss"),
            from.u("predicted"),
            from.f("probability"),
        )
    }
}

/// The rows of an epoch after a batch: the batch's rows are new, the others unchanged.
#[expect(clippy::too_many_arguments, reason = "one for each of the kernel's ports")]
pub fn run(
    s: &LossShape,
    x: &[f64],
    labels: &[u32],
    order: &[u32],
    cursor: &[u32],
    smoothing: &[f64],
    weights: &[f64],
    loss: &[f64],
    predicted: &[u32],
    probability: &[f64],
) -> Vec<Expected> {
    let (start, total) = (cursor[1] as usize, cursor[2] as usize);
    let classes = s.classes as usize;
    let mut loss = Near { value: loss.to_vec(), error: vec![0.0; loss.len()] };
    let mut predicted = predicted.to_vec();
    let end = total.min(start + s.batch as usize);
    let scale = weight_scale(s, labels, order, cursor, weights);
    let mut probability = Near { value: probability.to_vec(), error: vec![0.0; probability.len()] };
    for row in start..end {
        let logits = &x[(row - start) * classes..][..classes];
        let softmax = Softmax::of(logits);
        let label = logits[labels[order[row] as usize] as usize];
        let to_label = softmax.largest - label;
        let mut sum = Sum::default();
        logits.iter().for_each(|&x| sum.add(x));
        let mean = Rounded::from(sum) / Rounded::exact(f64::from(s.classes));
        let smoothed = smoothing[0] * (Rounded::exact(label) - mean);
        loss.value[row] = softmax.sum.ln() + to_label + smoothed.value;
        // WGSL's log is accurate to 3 ULP, or to an absolute 2^-21 between 0.5 and 2; then one subtraction and one
        // addition.
        let log = softmax.sum.ln();
        let log_error = softmax.error + (1.0 / f64::from(1 << 21)).max(6.0 * UNIT * log.abs());
        loss.error[row] = log_error
            + 2.0 * UNIT * (to_label.abs() + (log + to_label).abs())
            + smoothed.error
            + 2.0 * UNIT * loss.value[row].abs();
        if let Some(scale) = scale {
            let log = Rounded { value: log, error: log_error };
            let targets = weighted_targets(weights, labels[order[row] as usize] as usize, smoothing[0]);
            let terms = targets
                .iter()
                .zip(logits)
                .map(|(&target, &x)| target * (log + (Rounded::exact(softmax.largest) - Rounded::exact(x))));
            let weighted = Rounded::sum(terms) * scale;
            (loss.value[row], loss.error[row]) = (weighted.value, weighted.error);
        }
        predicted[row] = softmax.at as u32;
        probability.value[row] = 1.0 / softmax.sum;
        probability.error[row] = (softmax.error + 5.0 * UNIT) / softmax.sum;
    }
    vec![Expected::Near(loss), Expected::Exact(predicted), Expected::Near(probability)]
}

/// Number of images in a batch over the sum of their labels' weights, if classes are weighted.
pub fn weight_scale(s: &LossShape, labels: &[u32], order: &[u32], cursor: &[u32], weights: &[f64]) -> Option<Rounded> {
    let (start, total) = (cursor[1] as usize, cursor[2] as usize);
    let batch = order[..total].iter().skip(start).take(s.batch as usize);
    s.weighted.then(|| {
        let count = Rounded::exact(batch.clone().count() as f64);
        let weight = batch.map(|&image| Rounded::exact(weights[labels[image as usize] as usize]));
        count / Rounded::sum(weight)
    })
}

/// `(1 - e) w[label] [j = label] + e / classes w[j]` for each class `j`.
pub fn weighted_targets(weights: &[f64], label: usize, smoothing: f64) -> Vec<Rounded> {
    let (one, e) = (Rounded::exact(1.0), Rounded::exact(smoothing));
    let share = e / Rounded::exact(weights.len() as f64);
    let own = |j| if j == label { (one - e) * Rounded::exact(weights[label]) } else { Rounded::exact(0.0) };
    weights.iter().enumerate().map(|(j, &weight)| share * Rounded::exact(weight) + own(j)).collect()
}

/// The parts of a softmax, and the error bound of a float32 sum of its exponentials, relative to the sum.
pub struct Softmax {
    pub largest: f64,
    pub at: usize,
    pub sum: f64,
    pub error: f64,
}

impl Softmax {
    pub fn of(logits: &[f64]) -> Softmax {
        let (mut largest, mut at) = (f64::NEG_INFINITY, 0);
        for (j, &x) in logits.iter().enumerate() {
            if x > largest {
                (largest, at) = (x, j);
            }
        }
        let (mut sum, mut error) = (0.0, 0.0);
        for &x in logits {
            let (term, relative) = exponential(x - largest);
            sum += term;
            error += term * relative;
        }
        Softmax { largest, at, sum, error: error / sum + logits.len() as f64 * UNIT }
    }
}

/// `exp(x)` and its relative error in float32, where x itself is a rounded difference: WGSL allows 3 + 2 |x| ULP.
pub fn exponential(x: f64) -> (f64, f64) {
    (x.exp(), (x.abs() + 2.0 * (3.0 + 2.0 * x.abs())) * UNIT)
}
