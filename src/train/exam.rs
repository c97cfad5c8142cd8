//! A set on the device that the network is tested on again and again.

use super::{Evaluator, GpuSet, TrainError};
use crate::data::DataSet;
use crate::gpu::Device;
use crate::model::Model;

/// A test set, and what evaluates it.
pub struct Exam {
    pub set: GpuSet,
    pub evaluator: Evaluator,
    /// All images in order.
    pub order: Vec<u32>,
    pub labels: Vec<u8>,
}

impl Exam {
    /// Brings a set onto the device, of which it takes the images; `None` if it is empty.
    ///
    /// # Errors
    /// If it does not fit the device.
    pub fn new(
        device: &Device,
        model: &Model,
        parameters: &wgpu::Buffer,
        set: &mut DataSet,
    ) -> Result<Option<Exam>, TrainError> {
        if set.labels.is_empty() {
            return Ok(None);
        }
        let labels = set.labels.clone();
        let set = GpuSet::new(device, set, 1, model.network.classes())?;
        let evaluator = Evaluator::new(device, &model.network, model.normalisation, parameters, &set, labels.len())?;
        Ok(Some(Exam { order: (0..set.len as u32).collect(), set, evaluator, labels }))
    }
}
