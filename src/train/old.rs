//! The data set that a model was trained on before: how much of it is forgotten.

use super::TrainError;
use super::parts::{OldTest, check_size, rename};
use super::score::evaluate_model;
use crate::data::DataSet;
use crate::gpu::Device;
use crate::model::Model;
use serde::Serialize;

/// The test part of an older set.
pub struct Old {
    pub name: String,
    /// Its labels are those of the trained model.
    pub set: DataSet,
    classes: Vec<String>,
    before: Before,
}

/// The accuracy before the training.
enum Before {
    /// Of the model that the training starts from.
    Of(Box<Model>),
    /// As it was measured when the run began; `None` if the model did not know all of the classes.
    Known(Option<f64>),
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
        Ok(Old { name, set, classes, before: Before::Of(Box::new(model)) })
    }

    /// The set for a run that is resumed, with the accuracy that it recorded.
    ///
    /// # Errors
    /// If the model does not have its classes.
    pub fn resumed(test: OldTest, before: Option<f64>, classes: &[String]) -> Result<Old, TrainError> {
        let OldTest { name, set, classes: own } = test;
        Old { name, set, classes: own, before: Before::Known(before) }.for_classes(classes)
    }

    /// Measures the accuracy before the training, once, where all classes were known.
    ///
    /// # Errors
    /// If the device fails.
    pub fn before(&mut self, device: &Device, trained: &[String]) -> Result<Option<f64>, TrainError> {
        if let Before::Of(model) = &self.before {
            let mut set = self.set.clone();
            let accuracy = match rename(&mut set, trained, &model.class_names) {
                Err(_) => None,
                Ok(()) => {
                    let seen = evaluate_model(device, model, &mut set)?;
                    Some(seen.correct(set.labels.iter().copied()) as f64 / set.labels.len() as f64)
                }
            };
            self.before = Before::Known(accuracy);
        }
        Ok(if let Before::Known(accuracy) = self.before { accuracy } else { None })
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
