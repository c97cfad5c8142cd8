//! Outputs of the frozen layers below the first trained layer: computed once and kept on the device.
//!
//! Nothing in those layers is random or trained, so an image's features are the same in every epoch. They do not depend
//! on the batch either, so training on them gives the same bits as recomputing them (a test checks this on every
//! adapter of the machine).

use super::evaluate::{bits, largest_batch};
use super::{GpuSet, TrainError};
use crate::gpu::{Device, GpuError, Player, check_steps};
use crate::model::{Network, Normalisation};
use crate::plan::names;
use crate::recorder::{Options, Work, features, record};
use std::sync::atomic::{AtomicBool, Ordering};

/// The features of a set, and the layers that produce them.
pub struct Features {
    pub buffer: wgpu::Buffer,
    pub layers: Vec<String>,
}

/// Computes the features of every image of a set if the first layers are frozen, the device has room for them and they
/// pay off: `left`, the number of images still to be trained on, is not less than the size of the set. `options` are
/// those of the training. Returns `None` otherwise, and if `stop` is set meanwhile.
///
/// # Errors
/// If the driver reports an error.
#[expect(clippy::too_many_arguments, reason = "the inputs of a player, and when to stop")]
pub fn compute(
    device: &Device,
    network: &Network,
    normalisation: Normalisation,
    options: &Options,
    parameters: &wgpu::Buffer,
    set: &GpuSet,
    left: u64,
    stop: &AtomicBool,
) -> Result<Option<Features>, TrainError> {
    let Some((name, len, layers)) = features(network, options) else { return Ok(None) };
    let needed = (set.len * len * 4) as u64;
    let room = needed <= device.largest().0 && needed + set.images.size() <= device.device_memory.unwrap_or(u64::MAX);
    if layers.is_empty() || left < set.len as u64 || set.is_streamed() || !room {
        return Ok(None);
    }
    let on_features = Options { work: Work::TrainOnFeatures, set: set.len, ..options.clone() };
    if record(network, &on_features).is_err() {
        return Ok(None);
    }
    let kept = match device.buffer(names::FEATURES, set.len * len) {
        Err(GpuError::OutOfMemory(_)) => return Ok(None),
        kept => kept?,
    };
    let of_all = Options { work: Work::Features, rows: set.len, ..options.clone() };
    let plan = largest_batch(device, network, &of_all, set.batches(1))?;
    let batch = plan.batch;
    let player = Player::trusted(device, plan, &[(names::PARAMETERS, parameters), (names::IMAGES, &set.images)])?;
    device.write(player.buffer(names::BYTE_VALUES), &bits(&normalisation.byte_values()));
    device.write(player.buffer(names::CURSOR), &[0, 0, set.len as u32]);
    let order: Vec<u32> = (0..set.len as u32).collect();
    set.begin(device, player.buffer(names::ORDER), &order);
    for (step, first) in (0..set.len).step_by(batch).enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let rows = first..set.len.min(first + batch);
        let mut encoder = device.encoder();
        player.encode(&mut encoder, 1);
        let (from, to, size) = (player.buffer(&name), (first * len * 4) as u64, (rows.len() * len * 4) as u64);
        encoder.copy_buffer_to_buffer(from, 0, &kept, to, size);
        let cursor = device.wait(device.submit(encoder, &[(player.buffer(names::CURSOR), 0, 1)]))?;
        check_steps(step as u64 + 1, cursor[0][0])?;
    }
    Ok(Some(Features { buffer: kept, layers }))
}
