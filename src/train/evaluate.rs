//! Loss and predictions of a network over a data set.

use super::GpuSet;
use super::pace::Pace;
use crate::gpu::{Device, GpuError, Player, check_steps};
use crate::model::{Network, Normalisation};
use crate::plan::{Plan, names};
use crate::recorder::{Options, RecordError, Work, record};
use std::time::Instant;

/// Results of an evaluation, in the order of the requested images.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub loss: Vec<f32>,
    pub predicted: Vec<u32>,
    /// Probability of the predicted class.
    pub probability: Vec<f32>,
}

impl Summary {
    /// Mean loss over the images.
    pub fn mean_loss(&self) -> f64 {
        mean(&self.loss)
    }

    /// Number of predictions that match the labels.
    pub fn correct(&self, labels: impl IntoIterator<Item = u8>) -> usize {
        self.predicted.iter().zip(labels).filter(|(p, label)| **p == u32::from(*label)).count()
    }
}

/// The mean of float32 values, in f64.
pub(super) fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64
}

/// Maximum batch size of an evaluation. A power of two is split into the same parts as a training batch, so the two
/// share pipelines if the set has the same size.
pub(super) const BATCH: usize = 1024;
/// Maximum size of a buffer in an evaluation in bytes: large images get smaller batches.
const ROOM: usize = 64 << 20;

/// Evaluates a network on a data set.
pub struct Evaluator {
    player: Player,
    batch: usize,
    rows: usize,
}

impl Evaluator {
    /// Prepares the evaluation of `rows` images of a set, with parameters that are already on the device.
    ///
    /// # Errors
    /// If the network does not fit the device.
    pub fn new(
        device: &Device,
        network: &Network,
        normalisation: Normalisation,
        parameters: &wgpu::Buffer,
        set: &GpuSet,
        rows: usize,
    ) -> Result<Evaluator, super::TrainError> {
        let tiles = device.tiles;
        let options = Options { work: Work::Infer, ..Options::new(BATCH, set.held, rows, tiles) };
        let plan = largest_batch(device, network, &options, set.batches(1))?;
        let batch = plan.batch;
        let shared = [(names::PARAMETERS, parameters), (names::IMAGES, &set.images), (names::LABELS, &set.labels)];
        let player = Player::trusted(device, plan, &shared)?;
        device.write(player.buffer(names::BYTE_VALUES), &bits(&normalisation.byte_values()));
        Ok(Evaluator { player, batch, rows })
    }

    /// Evaluates the images at the given indices, `rows` of them, of the set that the evaluator was made for.
    ///
    /// # Errors
    /// If the driver reports an error.
    pub fn run(&self, device: &Device, set: &GpuSet, order: &[u32]) -> Result<Summary, GpuError> {
        assert_eq!(order.len(), self.rows, "the evaluator was made for another number of images");
        set.begin(device, self.player.buffer(names::ORDER), order);
        device.write(self.player.buffer(names::CURSOR), &[0, 0, self.rows as u32]);
        let batches = self.rows.div_ceil(self.batch);
        let mut pace = Pace::new();
        let mut done = 0;
        while done < batches {
            let now = pace.next((batches - done).min(set.batches(self.batch)));
            let start = Instant::now();
            let rows = done * self.batch..self.rows.min((done + now) * self.batch);
            set.provide(device, self.player.buffer(names::ORDER), order, rows);
            let mut encoder = device.encoder();
            self.player.encode(&mut encoder, now);
            let cursor = device.wait(device.submit(encoder, &[(self.player.buffer(names::CURSOR), 0, 1)]))?;
            pace.measured(now, start.elapsed());
            done += now;
            check_steps(done as u64, cursor[0][0])?;
        }
        let read = |name: &str| device.read(self.player.buffer(name), 0, self.rows);
        Ok(Summary {
            loss: floats(&read(names::LOSS)?),
            predicted: read(names::PREDICTED)?,
            probability: floats(&read(names::PROBABILITY)?),
        })
    }
}

/// The plan with the largest batch that the device and [`ROOM`] allow, up to `most` and [`BATCH`].
///
/// # Errors
/// If not even one image fits, or if the network is invalid.
pub(super) fn largest_batch(
    device: &Device,
    network: &Network,
    options: &Options,
    most: usize,
) -> Result<Plan, RecordError> {
    let room = (device.largest().0 as usize).min(ROOM);
    let mut batch = options.rows.clamp(1, BATCH).min(most);
    loop {
        match record(network, &Options { batch, ..options.clone() }) {
            Err(error @ RecordError::Network(_)) => return Err(error),
            Err(error) if batch == 1 => return Err(error),
            Ok(plan) if batch == 1 || outputs(&plan).all(|len| len * 4 <= room) => return Ok(plan),
            _ => batch = batch.div_ceil(2),
        }
    }
}

/// Lengths of the buffers that grow with the batch.
fn outputs(plan: &Plan) -> impl Iterator<Item = usize> {
    plan.buffers.iter().filter(|b| b.name == "input" || b.name.ends_with(".out")).map(|b| b.len)
}

/// The bits of float32 values as words.
pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Words reinterpreted as float32 values.
pub(crate) fn floats(bits: &[u32]) -> Vec<f32> {
    bits.iter().map(|&b| f32::from_bits(b)).collect()
}
