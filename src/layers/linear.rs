//! Fully connected layers.

use super::tensors::count;
use super::*;
use crate::kernels::{FcBackwardInput, FcBackwardWeight, FcForward, FcLoss, FcLossShape, FcShape, LossShape};
use crate::plan::Initial;
use serde::{Deserialize, Serialize};

/// `units` weighted sums of all inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    pub units: usize,
}

impl Layer {
    /// A [`Linear`].
    pub fn linear(units: usize) -> Layer {
        Linear { units }.into()
    }
}

/// Kernel shape for `batch` images.
fn shape(stage: &Stage, batch: u32) -> FcShape {
    let (c_in, c_out) = (count(stage.node.input) as u32, stage.node.output[0] as u32);
    FcShape { batch, c_in, c_out, activation: stage.activation, activation_in: stage.activation_in }
}

impl Written for Linear {
    const WORDS: &'static [&'static str] = &["linear"];

    fn bare(_: &str) -> Option<Linear> {
        None
    }

    fn examples() -> Vec<Linear> {
        vec![Linear { units: 11 }]
    }
}

impl Definition for Linear {
    fn word(&self) -> &'static str {
        "linear"
    }

    fn kind(&self) -> &'static str {
        "fc"
    }

    fn describe(&self) -> String {
        format!("{} units", self.units)
    }

    fn has_parameters(&self) -> bool {
        true
    }

    fn is_random(&self) -> bool {
        false
    }

    fn output(&self, input: Shape, tensors: &mut Tensors) -> Result<Shape, String> {
        let (units, fan_in) = (self.units, count(input));
        if !(1..=65_536).contains(&units) {
            return Err(format!("{units} units"));
        }
        tensors.learning("weight", vec![units, fan_in], Initial::Uniform { fan_in });
        tensors.learning("bias", vec![units], Initial::Uniform { fan_in });
        Ok([units, 1, 1])
    }

    fn multiply_adds(&self, input: Shape, output: Shape) -> usize {
        count(output) * count(input)
    }

    fn takes(&self, _: &Layer, _: &Tiles) -> bool {
        false
    }

    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let FcShape { c_in, c_out, .. } = shape(stage, 1);
        let part = to.part(&[c_in], &[c_out]);
        let bindings = [&*stage.x, &stage.of("weight"), &stage.of("bias"), &stage.y()];
        let kernel = FcForward(shape(stage, part), to.tiles);
        to.steps(kernel, &stage.label("forward"), &bindings, to.padded / part)
    }

    fn backward_weight(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let FcShape { c_in, c_out, .. } = shape(stage, 1);
        let part = to.part(&[c_in, c_out], &[]);
        let parts = to.carrying(part, c_in as usize * c_out as usize);
        let shape = shape(stage, to.padded / parts);
        let slices = to.tiles.fc_slices(shape.batch);
        let [dw, db] = ["weight", "bias"].map(|tensor| stage.gradient(tensor));
        let kernel = FcBackwardWeight(shape, slices, to.tiles);
        to.sums(kernel, &stage.label("backward weight"), &[&*stage.dy(), &stage.x], [&dw, &db], parts)?;
        to.learn(&stage.of("weight"), slices);
        to.learn(&stage.of("bias"), slices);
        Ok(())
    }

    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let FcShape { c_in, c_out, .. } = shape(stage, 1);
        let part = to.part(&[c_in, c_out], &[]);
        let bindings = [&*stage.dy(), &stage.of("weight"), &stage.x, &stage.dx()];
        let kernel = FcBackwardInput(shape(stage, part), to.tiles);
        to.steps(kernel, &stage.label("backward input"), &bindings, to.padded / part)
    }
    fn with_loss(&self, stage: &Stage, loss: LossShape, tiles: &Tiles) -> Option<FcLoss> {
        FcLoss::of(FcLossShape { layer: shape(stage, loss.batch), loss }, *tiles)
    }
}
