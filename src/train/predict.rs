//! Answers for images without labels: probabilities of all classes, and how new an image is.

use super::TrainError;
use super::evaluate::{BATCH, bits, floats, largest_batch};
use crate::data::DataSet;
use crate::gpu::{Device, Player, check_steps};
use crate::model::{Model, Novelty};
use crate::plan::names;
use crate::recorder::{Options, Work, hidden};

/// A network on a device, ready for batches of images.
pub struct Predictor {
    player: Player,
    classes: usize,
    pixels: usize,
    logits: String,
    /// The tensor that the first fully connected layer reads, and its elements per image.
    hidden: Option<(String, usize)>,
    novelty: Option<Novelty>,
    batch: usize,
}

/// The answer for an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// One for each class.
    pub probabilities: Vec<f64>,
    /// By how many standard deviations the image is further from the training images of its most probable class than those are
    /// from each other: see [`Novelty`]. `None` if the model does not know them.
    pub novelty: Option<f64>,
}

/// Outputs of a network for some images, one row after another.
struct Outputs {
    logits: Vec<f32>,
    hidden: Vec<f32>,
}

impl Predictor {
    /// Uploads a model to a device, for batches of up to `images` images.
    ///
    /// # Errors
    /// If the model does not fit the device.
    pub fn new(device: &Device, model: &Model, images: usize) -> Result<Predictor, TrainError> {
        let held = images.clamp(1, BATCH);
        let options = Options { work: Work::Infer, ..Options::new(held, held, held, device.tiles) };
        let plan = largest_batch(device, &model.network, &options, held)?;
        let batch = plan.batch;
        let parameters = device.upload(names::PARAMETERS, &bits(&model.parameters))?;
        let player = Player::trusted(device, plan, &[(names::PARAMETERS, &parameters)])?;
        device.write(player.buffer(names::BYTE_VALUES), &bits(&model.normalisation.byte_values()));
        device.write(player.buffer(names::ORDER), &(0..batch as u32).collect::<Vec<_>>());
        let logits = model.network.nodes().last().map_or(String::new(), |node| format!("{}.out", node.name));
        Ok(Predictor {
            player,
            classes: model.network.classes(),
            pixels: model.network.input().iter().product(),
            logits,
            hidden: hidden(&model.network, &options),
            novelty: model.novelty.clone(),
            batch,
        })
    }

    /// The answers for the consecutive images in `images`.
    ///
    /// # Errors
    /// If the driver reports an error, or if a result is not finite.
    pub fn run(&self, device: &Device, images: &[u8]) -> Result<Vec<Answer>, TrainError> {
        let Outputs { logits, hidden } = self.outputs(device, images, self.novelty.is_some())?;
        let mut all: Vec<Vec<f64>> = Vec::with_capacity(images.len() / self.pixels);
        for logits in logits.chunks(self.classes) {
            let probabilities = softmax(logits);
            if !logits.iter().all(|x| x.is_finite()) || !probabilities.iter().all(|x| x.is_finite()) {
                return Err(TrainError::NoAnswer { image: all.len() });
            }
            all.push(probabilities);
        }
        let most = |probabilities: &Vec<f64>| {
            let most = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            probabilities.iter().position(|&probability| probability == most).unwrap_or(0)
        };
        let classes: Vec<usize> = all.iter().map(most).collect();
        let known = self.novelty.as_ref().map(|novelty| novelty.of(&hidden, &classes));
        let novelty = |image: usize| known.as_ref().and_then(|known| known.get(image).copied());
        let answer = |(image, probabilities)| Answer { probabilities, novelty: novelty(image) };
        Ok(all.into_iter().enumerate().map(answer).collect())
    }

    fn outputs(&self, device: &Device, images: &[u8], with_hidden: bool) -> Result<Outputs, TrainError> {
        let pixels = self.pixels;
        if !images.len().is_multiple_of(pixels) {
            return Err(TrainError::PartialImage { bytes: images.len(), pixels });
        }
        let mut all = Outputs { logits: Vec::new(), hidden: Vec::new() };
        for part in images.chunks(self.batch * pixels) {
            let rows = part.len() / pixels;
            let mut bytes = part.to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            device.write_bytes(self.player.buffer(names::IMAGES), 0, &bytes);
            device.write(self.player.buffer(names::CURSOR), &[0, 0, rows as u32]);
            let mut encoder = device.encoder();
            self.player.encode(&mut encoder, 1);
            let mut wanted = vec![
                (self.player.buffer(names::CURSOR), 0, 1),
                (self.player.buffer(&self.logits), 0, rows * self.classes),
            ];
            if let Some((name, len)) = self.hidden.as_ref().filter(|_| with_hidden) {
                wanted.push((self.player.buffer(name), 0, rows * len));
            }
            let read = device.wait(device.submit(encoder, &wanted))?;
            check_steps(1, read[0][0])?;
            all.logits.extend(floats(&read[1]));
            all.hidden.extend(read.get(2).map(|hidden| floats(hidden)).unwrap_or_default());
        }
        Ok(all)
    }
}

/// What training images look like to a model. `None` if there are too few of them.
///
/// # Errors
/// If the driver reports an error, or the model does not fit the device.
pub fn novelty(device: &Device, model: &Model, sample: &DataSet) -> Result<Option<Novelty>, TrainError> {
    let predictor = Predictor::new(device, model, sample.labels.len())?;
    let Outputs { hidden, .. } = predictor.outputs(device, &sample.images.bytes, true)?;
    let len = predictor.hidden.as_ref().map_or(0, |(_, len)| *len);
    Ok(Novelty::fit(&hidden, len, &sample.labels, predictor.classes).filter(|_| hidden.iter().all(|x| x.is_finite())))
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().fold(f64::NEG_INFINITY, |most, &x| most.max(x.into()));
    let terms: Vec<f64> = logits.iter().map(|&x| libm::exp(f64::from(x) - most)).collect();
    let sum: f64 = terms.iter().sum();
    terms.iter().map(|term| term / sum).collect()
}
