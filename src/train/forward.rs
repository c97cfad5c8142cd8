//! Runs a network on images in memory and reads the outputs of its layers.

use super::TrainError;
use super::evaluate::{BATCH, bits, floats, largest_batch};
use crate::gpu::{Device, Player, check_steps};
use crate::model::{Model, Network};
use crate::plan::names;
use crate::recorder::{Options, Work};

/// A network on a device, ready for batches of images.
pub struct Forward {
    player: Player,
    pixels: usize,
    batch: usize,
}

/// A tensor of the plan, and its elements per image.
pub type Output = (String, usize);

impl Forward {
    /// How `images` images are computed.
    pub fn options(device: &Device, images: usize) -> Options {
        let held = images.clamp(1, BATCH);
        Options { work: Work::Infer, ..Options::new(held, held, held, device.tiles) }
    }

    /// Uploads a model.
    ///
    /// # Errors
    /// If the model does not fit the device.
    pub fn new(device: &Device, model: &Model, options: &Options) -> Result<Forward, TrainError> {
        let plan = largest_batch(device, &model.network, options, options.rows)?;
        let batch = plan.batch;
        let parameters = device.upload(names::PARAMETERS, &bits(&model.parameters))?;
        let player = Player::trusted(device, plan, &[(names::PARAMETERS, &parameters)])?;
        device.write(player.buffer(names::BYTE_VALUES), &bits(&model.normalisation.byte_values()));
        device.write(player.buffer(names::ORDER), &(0..batch as u32).collect::<Vec<_>>());
        Ok(Forward { player, pixels: model.network.input().iter().product(), batch })
    }

    /// The wanted tensors for the consecutive images in `images`, each with one row per image.
    ///
    /// # Errors
    /// If the driver reports an error.
    pub fn run(&self, device: &Device, images: &[u8], wanted: &[Output]) -> Result<Vec<Vec<f32>>, TrainError> {
        let pixels = self.pixels;
        if !images.len().is_multiple_of(pixels) {
            return Err(TrainError::PartialImage { bytes: images.len(), pixels });
        }
        let mut all = vec![Vec::new(); wanted.len()];
        for part in images.chunks(self.batch * pixels) {
            let rows = part.len() / pixels;
            let mut bytes = part.to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            device.write_bytes(self.player.buffer(names::IMAGES), 0, &bytes);
            device.write(self.player.buffer(names::CURSOR), &[0, 0, rows as u32]);
            let mut encoder = device.encoder();
            self.player.encode(&mut encoder, 1);
            let mut reads = vec![(self.player.buffer(names::CURSOR), 0, 1)];
            reads.extend(wanted.iter().map(|(name, len)| (self.player.buffer(name), 0, rows * len)));
            let read = device.wait(device.submit(encoder, &reads))?;
            check_steps(1, read[0][0])?;
            all.iter_mut().zip(&read[1..]).for_each(|(all, read)| all.extend(floats(read)));
        }
        Ok(all)
    }
}

/// The logits of a network.
pub fn logits(network: &Network) -> Output {
    (network.nodes().last().map_or(String::new(), |node| format!("{}.out", node.name)), network.classes())
}

/// The most probable class and its probability; of equal ones, the first.
pub fn most_probable(probabilities: &[f64]) -> (usize, f64) {
    let most = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (probabilities.iter().position(|&probability| probability == most).unwrap_or(0), most)
}

/// Probabilities of the classes.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().fold(f64::NEG_INFINITY, |most, &x| most.max(x.into()));
    let terms: Vec<f64> = logits.iter().map(|&x| libm::exp(f64::from(x) - most)).collect();
    let sum: f64 = terms.iter().sum();
    terms.iter().map(|term| term / sum).collect()
}
