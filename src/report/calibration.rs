//! Calibration of predicted probabilities: reliability bins, expected calibration error, temperature scaling.

use crate::train::softmax;
use serde::Serialize;

/// Number of bins.
const BINS: usize = 15;

/// Predictions whose probability lies in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// The interval, without `low` and with `high`.
    pub low: f64,
    pub high: f64,
    pub images: usize,
    /// Mean probability of the predicted class, and share of right predictions; 0 without images.
    pub confidence: f64,
    pub accuracy: f64,
}

/// Sorts predictions into 15 bins of equal width: the probability of each predicted class, and whether it is right.
pub fn bins(predictions: impl IntoIterator<Item = (f64, bool)>) -> Vec<Bin> {
    let edge = |at: usize| at as f64 / BINS as f64;
    let mut bins: Vec<Bin> = (0..BINS).map(|at| Bin { low: edge(at), high: edge(at + 1), ..Bin::default() }).collect();
    for (probability, is_right) in predictions {
        let at = ((probability * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        bins[at].images += 1;
        bins[at].confidence += probability;
        bins[at].accuracy += f64::from(u8::from(is_right));
    }
    for bin in bins.iter_mut().filter(|bin| bin.images > 0) {
        bin.confidence /= bin.images as f64;
        bin.accuracy /= bin.images as f64;
    }
    bins
}

/// The expected calibration error: the mean difference of confidence and accuracy, weighted by images.
///
/// C. Guo et al., On Calibration of Modern Neural Networks, 2017.
pub fn expected_error(bins: &[Bin]) -> f64 {
    let images: usize = bins.iter().map(|bin| bin.images).sum();
    let sum: f64 = bins.iter().map(|bin| bin.images as f64 * (bin.accuracy - bin.confidence).abs()).sum();
    sum / images.max(1) as f64
}

/// Range of temperatures that are searched.
const HOTTEST: f64 = 100.0;

/// The temperature, by which logits are divided, with the smallest cross-entropy loss on these images. `None` if there are no
/// images, or if no temperature between 1/100 and 100 is best, as when all predictions are right.
pub fn temperature(logits: &[f32], labels: &[u8], classes: usize) -> Option<f64> {
    // The loss is convex in the inverse of the temperature, and this is its derivative.
    let slope = |inverse: f64| {
        let mut sum = 0.0;
        for (logits, &label) in logits.chunks(classes).zip(labels) {
            let scaled: Vec<f32> = logits.iter().map(|&z| (f64::from(z) * inverse) as f32).collect();
            let mean: f64 = softmax(&scaled).iter().zip(logits).map(|(p, &z)| p * f64::from(z)).sum();
            sum += mean - f64::from(logits[usize::from(label)]);
        }
        sum
    };
    let (mut low, mut high) = (1.0 / HOTTEST, HOTTEST);
    if labels.is_empty() || !(slope(low) < 0.0 && slope(high) > 0.0) {
        return None;
    }
    // By halving the interval of the logarithm.
    for _ in 0..40 {
        let middle = (low * high).sqrt();
        if slope(middle) < 0.0 { low = middle } else { high = middle }
    }
    Some(1.0 / (low * high).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn the_error_is_the_mean_gap_between_confidence_and_accuracy() {
        // Worked by hand: four predictions of 0.95, three of them right; two of 0.6, both right; one of 1, wrong.
        let predictions =
            [(0.95, true), (0.95, true), (0.95, false), (0.95, true), (0.6, true), (0.6, true), (1.0, false)];
        let bins = bins(predictions);
        assert_eq!(bins.len(), 15);
        assert_eq!((bins[8].images, bins[14].images), (2, 5));
        // (0.95 * 4 + 1) / 5 = 0.96 against 3 of 5; 0.6 against 1.
        let expected = (5.0 * (0.96 - 0.6) + 2.0 * (1.0 - 0.6)) / 7.0;
        assert!((expected_error(&bins) - expected).abs() < 1e-12);
        assert_eq!(expected_error(&super::bins([])), 0.0);
        // A probability on an edge belongs to the bin below it.
        assert_eq!(super::bins([(1.0 / 15.0, true), (0.0, true)])[0].images, 2);
    }

    /// Logits of two classes, whose labels are drawn with the probabilities of `factor` times the logits.
    fn drawn(factor: f32, images: usize) -> (Vec<f32>, Vec<u8>) {
        let mut stream = Stream::new(1, Purpose::Verification, 0);
        let (mut logits, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..images {
            let z = stream.uniform(-3.0, 3.0);
            let second = softmax(&[0.0, z * factor])[1];
            labels.push(u8::from(f64::from(stream.unit()) < second));
            logits.extend([0.0, z]);
        }
        (logits, labels)
    }

    #[test]
    fn the_temperature_is_that_of_the_labels() {
        for (factor, expected) in [(1.0, 1.0), (0.5, 2.0), (2.0, 0.5)] {
            let (logits, labels) = drawn(factor, 20_000);
            let found = temperature(&logits, &labels, 2).unwrap();
            assert!((found / expected - 1.0).abs() < 0.05, "{found} in place of {expected}");
            // It is a minimum of the loss.
            let loss = |t: f64| {
                let of = |(logits, &label): (&[f32], &u8)| {
                    let scaled: Vec<f32> = logits.iter().map(|&z| (f64::from(z) / t) as f32).collect();
                    -softmax(&scaled)[usize::from(label)].ln()
                };
                logits.chunks(2).zip(&labels).map(of).sum::<f64>()
            };
            assert!(loss(found) < loss(found * 1.02) && loss(found) < loss(found / 1.02));
        }
    }

    #[test]
    fn without_a_wrong_prediction_no_temperature_is_best() {
        assert_eq!(temperature(&[0.0, 1.0, 2.0, 0.0], &[1, 0], 2), None);
        assert_eq!(temperature(&[], &[], 2), None);
        assert_eq!(temperature(&[f32::NAN, 0.0], &[0], 2), None);
    }
}
