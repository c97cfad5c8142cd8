//! The gradient of a logit with respect to an image.

use super::ExplainError;
use crate::gpu::{self, Player, check_steps};
use crate::layers::Layer;
use crate::model::{Model, Network};
use crate::plan::{Plan, names};
use crate::recorder::{Options, Work, record};
use crate::train::{Output, TrainError, bits, floats};

/// Images in a batch, unless stated otherwise.
const BATCH: usize = 32;

/// Logits and gradients of a network for one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Slope {
    pub logits: Vec<f32>,
    /// Gradient of the logit of one class with respect to the normalised image.
    pub input: Vec<f32>,
    /// Output of the last convolution, (channels, height, width), and the gradient with respect to it. Empty without one.
    pub map: Vec<f32>,
    pub map_gradient: Vec<f32>,
}

/// A network whose logits can be differentiated: on a device, or in a test on the CPU.
pub trait Differentiable {
    /// The slopes of the logits of these classes at these normalised images.
    ///
    /// # Errors
    /// If the device fails.
    fn slopes(&mut self, images: &[Vec<f32>], classes: &[usize]) -> Result<Vec<Slope>, ExplainError>;

    /// Shape of the output of the last convolution, if there is one.
    fn map_shape(&self) -> Option<[usize; 3]>;
}

/// A network on a device.
pub struct Device<'a> {
    device: &'a gpu::Device,
    player: Player,
    buffers: Buffers,
    batch: usize,
}

/// Names and sizes of the buffers that are written or read.
#[derive(Clone, Debug)]
pub struct Buffers {
    pub logits: String,
    classes: usize,
    pixels: usize,
    /// Output of the last convolution.
    pub map: Option<(String, [usize; 3])>,
}

impl Buffers {
    pub fn of(network: &Network) -> Buffers {
        let out = |name: &str| format!("{name}.out");
        let convolution = network.nodes().iter().rfind(|node| matches!(node.layer, Layer::Conv(_)));
        Buffers {
            logits: network.nodes().last().map_or(String::new(), |node| out(&node.name)),
            classes: network.classes(),
            pixels: network.input().iter().product(),
            map: convolution.map(|node| (out(&node.name), node.output)),
        }
    }
}

/// The plan of a gradient: every layer is a stage of its own, so that the output of each is stored.
///
/// # Errors
/// If the network does not fit.
pub fn plan(network: &Network, batch: usize, tiles: crate::kernels::Tiles) -> Result<Plan, TrainError> {
    let options = Options { work: Work::Explain, unfused: true, ..Options::new(batch, batch, batch, tiles) };
    Ok(record(network, &options)?)
}

impl<'a> Device<'a> {
    /// Uploads a model.
    ///
    /// # Errors
    /// If the model does not fit the device.
    pub fn new(device: &'a gpu::Device, model: &Model) -> Result<Device<'a>, TrainError> {
        Device::with_batch(device, model, BATCH)
    }

    /// Uploads a model, for batches of this many images: of one, if a single image must be fast.
    ///
    /// # Errors
    /// If the model does not fit the device.
    pub fn with_batch(device: &'a gpu::Device, model: &Model, batch: usize) -> Result<Device<'a>, TrainError> {
        let plan = plan(&model.network, batch, device.tiles)?;
        let parameters = device.upload(names::PARAMETERS, &bits(&model.parameters))?;
        let player = Player::trusted(device, plan, &[(names::PARAMETERS, &parameters)])?;
        Ok(Device { device, player, buffers: Buffers::of(&model.network), batch })
    }

    /// Outputs of layers for the first image of the last batch: names of tensors, and their elements per image.
    ///
    /// # Errors
    /// If the device fails.
    pub fn outputs(&self, wanted: &[Output]) -> Result<Vec<Vec<f32>>, TrainError> {
        let reads: Vec<_> = wanted.iter().map(|(name, len)| (self.player.buffer(name), 0, *len)).collect();
        let read = self.device.wait(self.device.submit(self.device.encoder(), &reads))?;
        Ok(read.iter().map(|words| floats(words)).collect())
    }

    fn batch(&self, images: &[Vec<f32>], classes: &[usize]) -> Result<Vec<Slope>, TrainError> {
        let Buffers { logits, classes: of, pixels, map } = &self.buffers;
        let rows = images.len();
        let mut seeds = vec![0_f32; self.batch * of];
        classes.iter().enumerate().for_each(|(row, &class)| seeds[row * of + class] = 1.0);
        let gradient = |name: &str| format!("{name}.grad");
        self.device.write(self.player.buffer("input"), &bits(&images.concat()));
        self.device.write(self.player.buffer(&gradient(logits)), &bits(&seeds));
        self.device.write(self.player.buffer(names::CURSOR), &[0, 0, self.batch as u32]);
        let mut encoder = self.device.encoder();
        self.player.encode(&mut encoder, 1);
        let mut wanted =
            vec![(names::CURSOR.to_string(), 1), (logits.clone(), rows * of), (gradient("input"), rows * pixels)];
        if let Some((name, shape)) = map {
            let len = rows * shape.iter().product::<usize>();
            wanted.extend([(name.clone(), len), (gradient(name), len)]);
        }
        let reads: Vec<_> = wanted.iter().map(|(name, len)| (self.player.buffer(name), 0, *len)).collect();
        let read = self.device.wait(self.device.submit(encoder, &reads))?;
        check_steps(1, read[0][0])?;
        let row = |at: usize, row: usize| {
            let words: &[u32] = read.get(at).map_or(&[], |words| words);
            let len = words.len() / rows;
            floats(&words[row * len..][..len])
        };
        let slope = |at| Slope { logits: row(1, at), input: row(2, at), map: row(3, at), map_gradient: row(4, at) };
        Ok((0..rows).map(slope).collect())
    }
}

impl Differentiable for Device<'_> {
    fn slopes(&mut self, images: &[Vec<f32>], classes: &[usize]) -> Result<Vec<Slope>, ExplainError> {
        let mut all = Vec::with_capacity(images.len());
        for (images, classes) in images.chunks(self.batch).zip(classes.chunks(self.batch)) {
            all.extend(self.batch(images, classes)?);
        }
        Ok(all)
    }

    fn map_shape(&self) -> Option<[usize; 3]> {
        self.buffers.map.as_ref().map(|(_, shape)| *shape)
    }
}
