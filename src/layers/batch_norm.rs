//! Batch normalisation.

use super::*;
use crate::kernels::{
    BatchNormBackwardInput, BatchNormBackwardWeight, BatchNormForward, BatchNormStatistics, NormShape,
};
use crate::plan::{Initial, names};
use serde::{Deserialize, Serialize};

/// Normalises each channel to mean 0 and variance 1, then scales and shifts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {}

impl Layer {
    /// A [`BatchNorm`].
    pub fn batch_norm() -> Layer {
        BatchNorm {}.into()
    }
}

fn shape(stage: &Stage, to: &Builder) -> NormShape {
    let [channels, height, width] = stage.output.map(|d| d as u32);
    let (activation, activation_in) = (stage.activation, stage.activation_in);
    NormShape { batch: to.batch, padded: to.padded, channels, pixels: height * width, activation, activation_in }
}

/// Mean and variance to normalise by: those of the batch if the stage learns, else the running ones, which are
/// constants.
fn statistics(stage: &Stage) -> [String; 2] {
    let of = if stage.learns { ["mean", "variance"] } else { ["running_mean", "running_var"] };
    of.map(|statistic| stage.of(statistic))
}

impl Written for BatchNorm {
    const WORDS: &'static [&'static str] = &["batch_norm"];

    fn bare(word: &str) -> Option<BatchNorm> {
        (word == "batch_norm").then_some(BatchNorm {})
    }

    fn examples() -> Vec<BatchNorm> {
        vec![BatchNorm {}]
    }
}

impl Definition for BatchNorm {
    fn word(&self) -> &'static str {
        "batch_norm"
    }

    fn kind(&self) -> &'static str {
        "bn"
    }

    fn describe(&self) -> String {
        String::new()
    }

    fn has_parameters(&self) -> bool {
        true
    }

    fn is_random(&self) -> bool {
        false
    }

    fn output(&self, input: Shape, tensors: &mut Tensors) -> Result<Shape, String> {
        let channels = || vec![input[0]];
        tensors.learning("weight", channels(), Initial::Constant(1.0));
        tensors.learning("bias", channels(), Initial::Constant(0.0));
        tensors.running("running_mean", channels(), Initial::Constant(0.0));
        tensors.running("running_var", channels(), Initial::Constant(1.0));
        Ok(input)
    }

    fn multiply_adds(&self, _: Shape, _: Shape) -> usize {
        0
    }

    fn takes(&self, _: &Layer, _: &Tiles) -> bool {
        false
    }

    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let (x, tiles, mut shape, [mean, variance]) = (&stage.x, to.tiles, shape(stage, to), statistics(stage));
        if stage.learns {
            let running = ["running_mean", "running_var"].map(|statistic| stage.of(statistic));
            let bindings = [x, names::CURSOR, &running[0], &running[1], &mean, &variance];
            to.step(BatchNormStatistics(shape, tiles), &stage.label("statistics"), &bindings)?;
        }
        let image = shape.channels * shape.pixels;
        shape.padded = to.part(&[image], &[image]);
        let bindings = [x, &*stage.of("weight"), &stage.of("bias"), &mean, &variance, &stage.y()];
        let parts = to.padded / shape.padded;
        to.steps(BatchNormForward(shape, tiles), &stage.label("forward"), &bindings, parts)
    }

    fn backward_weight(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let [mean, variance] = statistics(stage);
        let [dw, db] = ["weight", "bias"].map(|tensor| stage.gradient(tensor));
        let bindings = [&*stage.dy(), &stage.x, &mean, &variance, &dw, &db];
        to.step(BatchNormBackwardWeight(shape(stage, to), to.tiles), &stage.label("backward weight"), &bindings)?;
        to.learn(&stage.of("weight"), 1);
        to.learn(&stage.of("bias"), 1);
        Ok(())
    }

    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let [mean, variance] = statistics(stage);
        let [dw, db] = ["weight", "bias"].map(|tensor| stage.gradient(tensor));
        let (dy, w, dx) = (stage.dy(), stage.of("weight"), stage.dx());
        let bindings = [&*dy, &stage.x, &w, &mean, &variance, &dw, &db, names::CURSOR, &dx];
        to.step(BatchNormBackwardInput(shape(stage, to), to.tiles), &stage.label("backward input"), &bindings)
    }
}
