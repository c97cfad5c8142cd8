//! What the frozen layers below the first that learns make of the images: computed once, kept on the device.
//!
//! Nothing in those layers is random or learns, so an image's features are the same in each epoch. An image's features do not
//! depend on the batch it is in, so training on them comes to the same bits as computing them anew.

use super::evaluate::{bits, largest_batch};
use super::{GpuSet, TrainError};
use crate::gpu::{Device, Player, check_steps};
use crate::model::{Network, Normalisation};
use crate::plan::{Options, Work, features, names};

/// The features of every image of a set, if the first layers are frozen and the device has room for them. `options` are
/// those of the training.
///
/// # Errors
/// What the driver says.
pub fn compute(
    device: &Device,
    network: &Network,
    normalisation: Normalisation,
    options: &Options,
    parameters: &wgpu::Buffer,
    set: &GpuSet,
) -> Result<Option<wgpu::Buffer>, TrainError> {
    let Some((name, len)) = features(network, options) else { return Ok(None) };
    let needed = (set.len * len * 4) as u64;
    if set.is_streamed()
        || needed > device.largest().0
        || needed + set.images.size() > device.memory.unwrap_or(u64::MAX)
    {
        return Ok(None);
    }
    let plan =
        largest_batch(device, network, &Options { work: Work::Features, rows: set.len, ..options.clone() }, set)?;
    let batch = plan.batch;
    let kept = device.buffer(names::FEATURES, set.len * len)?;
    let player = Player::new(device, plan, &[(names::PARAMETERS, parameters), (names::IMAGES, &set.images)])?;
    device.write(player.buffer(names::TABLE), &bits(&normalisation.table()));
    device.write(player.buffer(names::CURSOR), &[0, 0, set.len as u32]);
    let order: Vec<u32> = (0..set.len as u32).collect();
    set.begin(device, player.buffer(names::ORDER), &order);
    for (step, first) in (0..set.len).step_by(batch).enumerate() {
        let rows = first..set.len.min(first + batch);
        let mut encoder = device.encoder();
        player.encode(&mut encoder, 1);
        let (from, to, size) = (player.buffer(&name), (first * len * 4) as u64, (rows.len() * len * 4) as u64);
        encoder.copy_buffer_to_buffer(from, 0, &kept, to, size);
        let cursor = device.wait(device.submit(encoder, &[(player.buffer(names::CURSOR), 0, 1)]))?;
        check_steps(step as u64 + 1, cursor[0][0])?;
    }
    Ok(Some(kept))
}
