//! Evaluation of a model on held-out images.

use super::calibration::{Bin, bins, expected_error, temperature};
use super::channels::{Block, search};
use super::projection::{Projection, project};
use super::suspects::{Suspect, suspects};
use crate::data::{DataSet, evenly};
use crate::explain::{Device as Explainer, ExplainError, Method, Settings, explain_all};
use crate::gpu::Device;
use crate::model::Model;
use crate::recorder::last_hidden;
use crate::train::{Confusion, Forward, Reread, TrainError, image_size, logits, most_probable, softmax, wilson};
use serde::Serialize;
use std::iter;
use std::path::PathBuf;

/// Number of mistakes that are explained, and how.
const EXPLAINED: usize = 24;
const METHOD: Method = Method::IntegratedGradients;
/// Points on the line of integrated gradients: enough for a picture of the size of a stamp.
const ON_LINE: usize = 8;
/// Maximum number of points of the projection.
const POINTS: usize = 2000;

/// The results of a model on held-out images.
#[derive(Serialize)]
pub struct Examined {
    /// `test`, or `validation` if there is no test part.
    pub part: &'static str,
    pub correct: usize,
    pub total: usize,
    pub accuracy: f64,
    /// The 95 % interval of the accuracy.
    pub interval: [f64; 2],
    pub loss: f64,
    pub confusion: Confusion,
    /// All wrong predictions, the most confident first.
    pub wrong: Vec<Wrong>,
    pub calibration: Calibration,
    pub suspects: Vec<Doubt>,
    pub projection: Option<Projection>,
    /// Images of the projection's points.
    pub projected: Vec<usize>,
    pub channels: Vec<Block>,
    /// For each image of the part the predicted class and its probability.
    #[serde(skip)]
    pub answers: Vec<(usize, f64)>,
    #[serde(skip)]
    pub set: DataSet,
    #[serde(skip)]
    pub validation: DataSet,
    #[serde(skip)]
    pub files: [Vec<PathBuf>; 2],
    /// Attributions of the first wrong predictions for the predicted class and for the label.
    #[serde(skip)]
    pub maps: Vec<[Vec<f32>; 2]>,
}

/// A wrong prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wrong {
    pub index: usize,
    pub label: usize,
    pub predicted: usize,
    pub probability: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// An image whose label is probably wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Doubt {
    /// `test` or `validation`; `image` counts in that part.
    pub part: &'static str,
    #[serde(flatten)]
    pub suspect: Suspect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Calibration of the predicted probabilities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    pub bins: Vec<Bin>,
    /// The expected calibration error.
    pub error: f64,
    /// The temperature with the least loss on the validation images, and the error that it would leave.
    pub temperature: Option<f64>,
    pub error_at_temperature: Option<f64>,
}

/// Outputs for a part of the data.
struct Outputs {
    logits: Vec<f32>,
    probabilities: Vec<Vec<f64>>,
    /// The tensor that the last layer reads.
    hidden: Vec<f32>,
    features: usize,
}

impl Outputs {
    fn of(device: &Device, model: &Model, set: &DataSet) -> Result<Outputs, TrainError> {
        let (none, classes) = (Vec::new, model.network.classes());
        if set.labels.is_empty() {
            return Ok(Outputs { logits: none(), probabilities: Vec::new(), hidden: none(), features: 0 });
        }
        let options = Forward::options(device, set.labels.len());
        let hidden = last_hidden(&model.network, &options).unwrap_or_default();
        let (features, wanted) = (hidden.1, [logits(&model.network), hidden]);
        let mut read = Forward::new(device, model, &options)?.run(device, &set.images.bytes, &wanted)?;
        let (hidden, logits) = (read.pop().unwrap_or_default(), read.pop().unwrap_or_default());
        if let Some(at) = logits.iter().position(|z| !z.is_finite()) {
            return Err(TrainError::NoAnswer { image: at / classes });
        }
        let probabilities = logits.chunks(classes).map(softmax).collect();
        Ok(Outputs { logits, probabilities, hidden, features })
    }
}

impl Examined {
    /// Examines a model on the test part of its data, or on the validation part if there is none. `None` without both.
    ///
    /// # Errors
    /// If the device fails, or an output is not finite.
    pub fn of(device: &Device, model: &Model, data: Reread) -> Result<Option<Examined>, ExplainError> {
        let Reread { train, test, mut files, held_out, .. } = data;
        let validation = train.chosen(&held_out);
        let of_held_out = |&image: &u32| files[0].get(image as usize).cloned().unwrap_or_default();
        files[0] = if files[0].is_empty() { Vec::new() } else { held_out.iter().map(of_held_out).collect() };
        drop(train);
        let (part, set) = match (test.labels.is_empty(), validation.labels.is_empty()) {
            (false, _) => ("test", test),
            (true, false) => {
                files[1] = files[0].clone();
                ("validation", validation.clone())
            }
            (true, true) => return Ok(None),
        };
        let classes = model.network.classes();
        let validated = Outputs::of(device, model, &validation)?;
        // The validation part may be the examined one.
        let other = (part == "test").then(|| Outputs::of(device, model, &set)).transpose()?;
        let tested = other.as_ref().unwrap_or(&validated);
        let answers: Vec<(usize, f64)> = tested.probabilities.iter().map(|row| most_probable(row)).collect();
        let predicted: Vec<u32> = answers.iter().map(|(class, _)| *class as u32).collect();
        let confusion = Confusion::new(classes, &set.labels, &predicted);
        let (correct, total) = (confusion.correct(), set.labels.len());
        let (low, high) = wilson(correct, total);
        let of_label = tested.probabilities.iter().zip(&set.labels).map(|(row, &label)| row[usize::from(label)]);
        let loss = of_label.map(|p| -libm::log(p.max(f64::MIN_POSITIVE))).sum::<f64>() / total as f64;
        let wrong = wrong(&answers, &set, &files[1]);
        let maps = maps(device, model, &set, &wrong)?;
        let (projected, projection) = projection(model, tested, total);
        Ok(Some(Examined {
            part,
            correct,
            total,
            accuracy: correct as f64 / total as f64,
            interval: [low, high],
            loss,
            confusion,
            wrong,
            calibration: Calibration::of(tested, &set.labels, &validated, &validation.labels),
            suspects: doubts(
                classes,
                iter::once(("validation", &validated, &validation, &files[0][..]))
                    .chain(other.as_ref().map(|other| (part, other, &set, &files[1][..]))),
            ),
            projection,
            projected,
            channels: search(device, model, &set)?,
            answers,
            set,
            validation,
            files,
            maps,
        }))
    }
}

fn wrong(answers: &[(usize, f64)], set: &DataSet, files: &[PathBuf]) -> Vec<Wrong> {
    let is_wrong = |index: &usize| answers[*index].0 != usize::from(set.labels[*index]);
    let wrong = |index: usize| {
        let (predicted, probability) = answers[index];
        Wrong { index, label: set.labels[index].into(), predicted, probability, file: name(files, index) }
    };
    let mut all: Vec<Wrong> = (0..answers.len()).filter(is_wrong).map(wrong).collect();
    all.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    all
}

/// The file of an image, if it comes from one.
fn name(files: &[PathBuf], image: usize) -> Option<String> {
    let file = files.get(image).filter(|file| !file.as_os_str().is_empty())?;
    Some(file.display().to_string())
}

impl Calibration {
    fn of(tested: &Outputs, labels: &[u8], validated: &Outputs, validation: &[u8]) -> Calibration {
        let classes = tested.probabilities[0].len();
        let judged = |rows: &[Vec<f64>]| {
            let judged = |(row, &label): (&Vec<f64>, &u8)| {
                let (class, probability) = most_probable(row);
                (probability, class == usize::from(label))
            };
            bins(rows.iter().zip(labels).map(judged))
        };
        let bins = judged(&tested.probabilities);
        let temperature = temperature(&validated.logits, validation, classes);
        let at = |temperature: f64| {
            let cooled: Vec<f32> = tested.logits.iter().map(|&z| (f64::from(z) / temperature) as f32).collect();
            expected_error(&judged(&cooled.chunks(classes).map(softmax).collect::<Vec<_>>()))
        };
        Calibration { error: expected_error(&bins), bins, error_at_temperature: temperature.map(at), temperature }
    }
}

/// Name of a part, the outputs for it, its images, and their files.
type Part<'a> = (&'static str, &'a Outputs, &'a DataSet, &'a [PathBuf]);

/// The suspects of some parts, the least probable label first.
fn doubts<'a>(classes: usize, parts: impl Iterator<Item = Part<'a>>) -> Vec<Doubt> {
    let of = |(part, outputs, set, files): Part<'a>| {
        let found = suspects(&outputs.probabilities, &set.labels, classes);
        found.into_iter().map(move |suspect| Doubt { part, file: name(files, suspect.image), suspect })
    };
    let mut all: Vec<Doubt> = parts.flat_map(of).collect();
    all.sort_by(|a, b| a.suspect.of_label.total_cmp(&b.suspect.of_label));
    all
}

/// The last hidden layer for some images, evenly spread, and which they are.
fn projection(model: &Model, tested: &Outputs, total: usize) -> (Vec<usize>, Option<Projection>) {
    let images: Vec<usize> = evenly(POINTS, total).collect();
    let features = tested.features;
    let rows: Vec<f32> =
        images.iter().flat_map(|&image| &tested.hidden[image * features..][..features]).copied().collect();
    let layer = model.network.nodes().last().map_or("", |node| node.name.as_str());
    (images, project(layer, &rows, features))
}

/// Explains the most confident mistakes: the predicted class, and the label.
fn maps(device: &Device, model: &Model, set: &DataSet, wrong: &[Wrong]) -> Result<Vec<[Vec<f32>; 2]>, ExplainError> {
    if wrong.is_empty() {
        return Ok(Vec::new());
    }
    let mut network = Explainer::new(device, model)?;
    let (values, pixels) = (model.normalisation.byte_values(), set.images.pixels());
    let image = |index: usize| -> Vec<f32> {
        let bytes = &set.images.bytes[index * pixels..][..pixels];
        bytes.iter().map(|&byte| values[usize::from(byte)]).collect()
    };
    let explained = &wrong[..wrong.len().min(EXPLAINED)];
    let images: Vec<Vec<f32>> = explained.iter().flat_map(|wrong| [image(wrong.index), image(wrong.index)]).collect();
    let classes: Vec<Option<usize>> =
        explained.iter().flat_map(|wrong| [Some(wrong.predicted), Some(wrong.label)]).collect();
    let settings = Settings { points: ON_LINE, ..Settings::default() };
    let size = image_size(&model.network);
    let maps = explain_all(METHOD, &settings, &mut network, &images, size, values[0], &classes)?;
    Ok(maps.chunks(2).map(|pair| [pair[0].values.clone(), pair[1].values.clone()]).collect())
}
