//! Answers for images without labels: probabilities of all classes, and how new an image is.

use super::TrainError;
use super::forward::{Forward, Output, logits, most_probable, softmax};
use crate::data::DataSet;
use crate::gpu::Device;
use crate::model::{Model, Novelty};
use crate::recorder::hidden;

/// A network on a device, ready for batches of images.
pub struct Predictor {
    forward: Forward,
    logits: Output,
    /// The tensor that the first fully connected layer reads.
    hidden: Option<Output>,
    novelty: Option<Novelty>,
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

impl Predictor {
    /// Uploads a model to a device, for batches of up to `images` images.
    ///
    /// # Errors
    /// If the model does not fit the device.
    pub fn new(device: &Device, model: &Model, images: usize) -> Result<Predictor, TrainError> {
        let options = Forward::options(device, images);
        Ok(Predictor {
            forward: Forward::new(device, model, &options)?,
            logits: logits(&model.network),
            hidden: hidden(&model.network, &options),
            novelty: model.novelty.clone(),
        })
    }

    /// The answers for the consecutive images in `images`.
    ///
    /// # Errors
    /// If the driver reports an error, or if a result is not finite.
    pub fn run(&self, device: &Device, images: &[u8]) -> Result<Vec<Answer>, TrainError> {
        let mut wanted = vec![self.logits.clone()];
        wanted.extend(self.hidden.clone().filter(|_| self.novelty.is_some()));
        let outputs = self.forward.run(device, images, &wanted)?;
        let mut all: Vec<Vec<f64>> = Vec::new();
        for logits in outputs[0].chunks(self.logits.1) {
            let probabilities = softmax(logits);
            if !logits.iter().all(|x| x.is_finite()) || !probabilities.iter().all(|x| x.is_finite()) {
                return Err(TrainError::NoAnswer { image: all.len() });
            }
            all.push(probabilities);
        }
        let classes: Vec<usize> = all.iter().map(|probabilities| most_probable(probabilities).0).collect();
        let known = self.novelty.as_ref().zip(outputs.get(1)).map(|(novelty, hidden)| novelty.of(hidden, &classes));
        let novelty = |image: usize| known.as_ref().and_then(|known| known.get(image).copied());
        let answer = |(image, probabilities)| Answer { probabilities, novelty: novelty(image) };
        Ok(all.into_iter().enumerate().map(answer).collect())
    }
}

/// A novelty detector fitted to training images. `None` if there are too few of them.
///
/// # Errors
/// If the driver reports an error, or the model does not fit the device.
pub fn novelty(device: &Device, model: &Model, sample: &DataSet) -> Result<Option<Novelty>, TrainError> {
    let options = Forward::options(device, sample.labels.len());
    let Some(hidden) = hidden(&model.network, &options) else { return Ok(None) };
    let features = hidden.1;
    let outputs = Forward::new(device, model, &options)?.run(device, &sample.images.bytes, &[hidden])?.remove(0);
    let is_finite = outputs.iter().all(|x| x.is_finite());
    Ok(Novelty::fit(&outputs, features, &sample.labels, model.network.classes()).filter(|_| is_finite))
}
