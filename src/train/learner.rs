//! The trained state on the device, and the players that train it.

use super::evaluate::bits;
use super::{Event, GpuSet, Prepared, TrainError, features};
use crate::gpu::{Device, Player};
use crate::plan::names;
use crate::random::{Purpose, Stream};
use crate::recorder::{Options, Work, record};
use crate::settings::{Config, TileSizes};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Checks that a device has the tile sizes that a run records.
///
/// # Errors
/// If it has others: the run would not continue to the same bits.
pub fn check_tiles(config: &Config, device: &Device) -> Result<(), TrainError> {
    match config.tiles {
        Some(TileSizes::Table(tiles)) if tiles != device.tiles => {
            Err(TrainError::Idle(format!("the run has tile sizes {tiles}, and the device {}", device.tiles)))
        }
        _ => Ok(()),
    }
}

/// The trained state on the device. It outlives the players that use it.
pub struct Learner {
    pub parameters: wgpu::Buffer,
    /// The optimizer's state, by name.
    pub states: Vec<(&'static str, wgpu::Buffer)>,
}

impl Learner {
    /// Makes the player of the current epoch and of those after it in which the same layers are trained.
    ///
    /// # Errors
    /// If a size is out of range, memory runs out, or the driver reports an error.
    pub fn player(
        &self,
        device: &Device,
        run: &Prepared,
        set: &GpuSet,
        stop: &AtomicBool,
        tell: &dyn Fn(&Event),
    ) -> Result<Player, TrainError> {
        let (network, config, progress) = (&run.model.network, &run.config, &run.progress);
        let (rows, epoch) = (run.indices.len(), progress.epoch);
        let mut options = Options {
            frozen: config.frozen_in(epoch).to_vec(),
            optimizer: config.optimizer,
            hyper: config.optimizer_settings(),
            clip: config.clip.is_some(),
            rates: config.rates_in(epoch),
            augment: config.augment.is_some(),
            weighted: run.class_weights.is_some(),
            teacher: run.teacher.as_ref().map(|teacher| teacher.network.clone()),
            ..Options::new(config.batch.min(rows), set.held, rows, device.tiles)
        };
        // Report errors in the network before anything is computed.
        record(network, &options)?;

        let normalisation = run.model.normalisation;
        let began = Instant::now();
        let last = config.unfreeze_after.filter(|&after| epoch <= after).unwrap_or(config.epochs).min(config.epochs);
        let epochs = (last + 1).saturating_sub(epoch) as u64;
        let rest = (epochs * rows as u64).saturating_sub(progress.losses.len() as u64);
        let steps = config.steps.map_or(u64::MAX, |steps| steps.saturating_sub(progress.step));
        let left = rest.min(steps.saturating_mul(config.batch as u64));
        let features = features::compute(device, network, normalisation, &options, &self.parameters, set, left, stop)?;
        let mut shared = vec![(names::PARAMETERS, &self.parameters)];
        shared.extend(self.states.iter().map(|(name, state)| (*name, state)));
        if let Some(features) = &features {
            let (layers, seconds) = (&features.layers, began.elapsed().as_secs_f64());
            tell(&Event::Features { layers, images: set.len, seconds });
            options = Options { work: Work::TrainOnFeatures, set: set.len, ..options };
            shared.push((names::FEATURES, &features.buffer));
        }
        shared.extend([(names::IMAGES, &set.images), (names::LABELS, &set.labels)]);
        let player = Player::trusted(device, record(network, &options)?, &shared)?;
        let write = |name: &str, words: &[u32]| {
            if let Some(at) = player.plan().buffer(name) {
                device.write(player.buffer_at(at), words);
            }
        };
        write(names::BYTE_VALUES, &bits(&normalisation.byte_values()));
        write(names::HYPER, &bits(&config.optimizer.hyper(&config.optimizer_settings())));
        write(names::SMOOTHING, &bits(&[config.label_smoothing as f32]));
        if let Some(weights) = &run.class_weights {
            write(names::CLASS_WEIGHTS, &bits(weights));
        }
        write(names::DROPOUT, &[Stream::new(config.seed, Purpose::Dropout, 0).bits()]);
        write(names::LIMIT, &bits(&[config.clip.unwrap_or(0.0) as f32]));
        write(names::TEACHING, &bits(&[config.temperature as f32, config.alpha as f32]));
        if let Some(teacher) = &run.teacher {
            write(names::TEACHER, &bits(&teacher.parameters));
        }
        Ok(player)
    }
}
