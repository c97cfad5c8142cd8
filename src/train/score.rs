//! Metrics of an evaluation.

use super::{Evaluator, GpuSet, Summary, TrainError, evaluate::bits, parts::check_size};
use crate::data::DataSet;
use crate::gpu::Device;
use crate::model::Model;
use crate::plan::names;
use serde::Serialize;

/// A model's predictions for a whole set, in file order. Takes the images out of the set.
///
/// # Errors
/// If the model does not fit the set or the device, or if a result is not finite.
pub fn evaluate_model(device: &Device, model: &Model, set: &mut DataSet) -> Result<Summary, TrainError> {
    check_size(&model.network, set)?;
    let parameters = device.upload(names::PARAMETERS, &bits(&model.parameters))?;
    let on_device = GpuSet::new(device, set, 1, model.network.classes())?;
    let rows = set.labels.len();
    let evaluator = Evaluator::new(device, &model.network, model.normalisation, &parameters, &on_device, rows)?;
    let seen = evaluator.run(device, &on_device, &(0..rows as u32).collect::<Vec<_>>())?;
    let is_number = |image: &usize| seen.loss[*image].is_finite() && seen.probability[*image].is_finite();
    match (0..rows).find(|image| !is_number(image)) {
        Some(image) => Err(TrainError::NoAnswer { image }),
        None => Ok(seen),
    }
}

impl Summary {
    /// Indices of the wrong predictions, the most confident first.
    pub fn wrong(&self, labels: &[u8]) -> Vec<usize> {
        let is_wrong = |&at: &usize| self.predicted[at] != u32::from(labels[at]);
        let mut wrong: Vec<usize> = (0..labels.len()).filter(is_wrong).collect();
        wrong.sort_by(|&a, &b| self.probability[b].total_cmp(&self.probability[a]));
        wrong
    }
}

/// Confusion matrix of labels and predictions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Confusion {
    /// `counts[label][prediction]`.
    pub counts: Vec<Vec<usize>>,
}

/// Scores of a class; a ratio with a zero denominator is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub support: usize,
}

impl Confusion {
    /// Counts labels against predictions.
    pub fn new(classes: usize, labels: &[u8], predicted: &[u32]) -> Confusion {
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &predicted) in labels.iter().zip(predicted) {
            counts[usize::from(label)][predicted as usize] += 1;
        }
        Confusion { counts }
    }

    /// Number of correct predictions.
    pub fn correct(&self) -> usize {
        (0..self.counts.len()).map(|class| self.counts[class][class]).sum()
    }

    /// Precision, recall and their harmonic mean.
    pub fn scores(&self, class: usize) -> Scores {
        let hit = self.counts[class][class];
        let support: usize = self.counts[class].iter().sum();
        let claimed: usize = self.counts.iter().map(|row| row[class]).sum();
        let ratio = |of: usize| if of == 0 { 0.0 } else { hit as f64 / of as f64 };
        let (precision, recall) = (ratio(claimed), ratio(support));
        let f1 = if hit == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
        Scores { precision, recall, f1, support }
    }
}

/// The 95 % score interval of a proportion (E. B. Wilson, 1927).
pub fn wilson(correct: usize, total: usize) -> (f64, f64) {
    let (z, n) = (1.959_963_984_540_054, total as f64);
    let p = correct as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    ((centre - half) / scale, (centre + half) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_their_definitions() {
        let confusion = Confusion::new(3, &[0, 0, 0, 1, 1, 2], &[0, 0, 1, 1, 1, 0]);
        assert_eq!(confusion.counts, [[2, 1, 0], [0, 2, 0], [1, 0, 0]]);
        assert_eq!(confusion.correct(), 4);
        let first = confusion.scores(0);
        assert_eq!((first.precision, first.recall, first.support), (2.0 / 3.0, 2.0 / 3.0, 3));
        assert_eq!(confusion.scores(2), Scores { precision: 0.0, recall: 0.0, f1: 0.0, support: 1 });
    }

    #[test]
    fn the_interval_is_wilsons() {
        // 9,887 of 10,000, computed by hand from the formula.
        let (low, high) = wilson(9887, 10_000);
        assert!((low - 0.986_432_6).abs() < 1e-7 && (high - 0.990_592_1).abs() < 1e-7, "{low} {high}");
        assert!(wilson(10, 10).1 <= 1.0 && wilson(0, 10).0 >= 0.0);
    }

    #[test]
    fn the_most_confident_mistake_comes_first() {
        let seen = Summary { loss: vec![], predicted: vec![1, 1, 0, 2], probability: vec![0.5, 0.9, 0.8, 0.7] };
        assert_eq!(seen.wrong(&[0, 1, 1, 2]), [2, 0]);
    }
}
