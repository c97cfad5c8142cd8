//! Probabilities of all classes for images without labels.

use super::TrainError;
use super::evaluate::{BATCH, bits, floats, largest_batch};
use crate::gpu::{Device, Player, check_steps};
use crate::model::Model;
use crate::plan::names;
use crate::recorder::{Options, Work};

/// A network on a device, ready for batches of images.
pub struct Predictor {
    player: Player,
    classes: usize,
    pixels: usize,
    logits: String,
    batch: usize,
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
            batch,
        })
    }

    /// The probabilities of all classes for each of the consecutive images in `images`.
    ///
    /// # Errors
    /// If the driver reports an error, or if a result is not finite.
    pub fn run(&self, device: &Device, images: &[u8]) -> Result<Vec<Vec<f64>>, TrainError> {
        let pixels = self.pixels;
        if !images.len().is_multiple_of(pixels) {
            return Err(TrainError::PartialImage { bytes: images.len(), pixels });
        }
        let mut all = Vec::with_capacity(images.len() / pixels);
        for part in images.chunks(self.batch * pixels) {
            let rows = part.len() / pixels;
            let mut bytes = part.to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            device.write_bytes(self.player.buffer(names::IMAGES), 0, &bytes);
            device.write(self.player.buffer(names::CURSOR), &[0, 0, rows as u32]);
            let mut encoder = device.encoder();
            self.player.encode(&mut encoder, 1);
            let logits = (self.player.buffer(&self.logits), 0, rows * self.classes);
            let read = device.wait(device.submit(encoder, &[(self.player.buffer(names::CURSOR), 0, 1), logits]))?;
            check_steps(1, read[0][0])?;
            for logits in floats(&read[1]).chunks(self.classes) {
                let probabilities = softmax(logits);
                if !logits.iter().all(|x| x.is_finite()) || !probabilities.iter().all(|x| x.is_finite()) {
                    return Err(TrainError::NoAnswer { image: all.len() });
                }
                all.push(probabilities);
            }
        }
        Ok(all)
    }
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().fold(f64::NEG_INFINITY, |most, &x| most.max(x.into()));
    let terms: Vec<f64> = logits.iter().map(|&x| libm::exp(f64::from(x) - most)).collect();
    let sum: f64 = terms.iter().sum();
    terms.iter().map(|term| term / sum).collect()
}
