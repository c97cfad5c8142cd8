//! The data set that a model was trained on before: how much of it is forgotten.

use super::parts::{OldTest, check_size, rename};
use super::score::evaluate_model;
use super::{OldRecord, TrainError};
use crate::data::{DataSet, Pictures, SplitBy, fingerprint};
use crate::gpu::Device;
use crate::model::Model;
use crate::settings::seed;
use serde::{Deserialize, Serialize};

/// The test part of an older set.
pub struct Old {
    pub name: String,
    /// Its labels are those of the trained model.
    pub set: DataSet,
    classes: Vec<String>,
    /// The model that the training starts from, until it was tested.
    model: Option<Box<Model>>,
    pub record: OldRecord,
}

/// How the pictures of a set are read and split that a model has been trained on.
pub fn as_trained(pictures: Pictures, model: &Model) -> Pictures {
    let config = &model.training["config"];
    Pictures {
        seed: seed::deserialize(&config["seed"]).unwrap_or(0),
        split_by: SplitBy::deserialize(&config["split-by"]).unwrap_or_default(),
        ..pictures
    }
}

/// Accuracy on the test part of an older set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forgetting {
    pub name: String,
    /// `None` if the model did not know all of the classes.
    pub before: Option<f64>,
    /// `None` until the training has ended.
    pub after: Option<f64>,
}

impl Old {
    /// The set for a run that starts from a model.
    ///
    /// # Errors
    /// If the model does not take its images.
    pub fn of(test: OldTest, model: Model) -> Result<Old, TrainError> {
        check_size(&model.network, &test.set)?;
        let OldTest { name, set, classes } = test;
        let Pictures { seed, split_by, .. } = as_trained(Pictures::default(), &model);
        let record = OldRecord { fingerprint: fingerprint(&set), before: None, seed, split_by };
        Ok(Old { name, set, classes, model: Some(Box::new(model)), record })
    }

    /// The set for a run that is resumed, with the accuracy that it recorded for the same images.
    ///
    /// # Errors
    /// If the model does not have its classes.
    pub fn resumed(test: OldTest, record: Option<OldRecord>, classes: &[String]) -> Result<Old, TrainError> {
        let OldTest { name, set, classes: own } = test;
        let fingerprint = fingerprint(&set);
        let known = record.filter(|record| record.fingerprint == fingerprint);
        let split_by = SplitBy::default();
        let record = known.unwrap_or(OldRecord { fingerprint, before: None, seed: 0, split_by });
        Old { name, set, classes: own, model: None, record }.for_classes(classes)
    }

    /// Measures the accuracy before the training, once, if all classes were known.
    ///
    /// # Errors
    /// If the device fails.
    pub fn test_before(&mut self, device: &Device, trained: &[String]) -> Result<(), TrainError> {
        let Some(model) = self.model.take() else { return Ok(()) };
        let mut set = self.set.clone();
        if rename(&mut set, trained, &model.class_names).is_ok() {
            let seen = evaluate_model(device, &model, &mut set)?;
            self.record.before = Some(seen.correct(set.labels.iter().copied()) as f64 / set.labels.len() as f64);
        }
        Ok(())
    }

    /// The set with the labels of a model that has these classes.
    ///
    /// # Errors
    /// If it lacks one.
    pub fn for_classes(mut self, classes: &[String]) -> Result<Old, TrainError> {
        rename(&mut self.set, &self.classes, classes)?;
        Ok(self)
    }
}
