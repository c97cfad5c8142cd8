//! Dropout.

use super::*;
use crate::kernels::{Dropout as Kernel, DropoutShape};
use crate::plan::names;
use serde::{Deserialize, Serialize};

/// Drops each value with a probability of `percent` % in training; does nothing otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    pub percent: u32,
}

impl Layer {
    /// A [`Dropout`].
    pub fn dropout(percent: u32) -> Layer {
        Dropout { percent }.into()
    }
}

impl Dropout {
    fn kernel(&self, stage: &Stage, to: &Builder) -> Kernel {
        Kernel(DropoutShape { count: to.padded * stage.count() as u32, percent: self.percent, layer: stage.number })
    }
}

impl Written for Dropout {
    const WORDS: &'static [&'static str] = &["dropout"];

    fn bare(_: &str) -> Option<Dropout> {
        None
    }

    fn examples() -> Vec<Dropout> {
        vec![Dropout { percent: 30 }]
    }
}

impl Definition for Dropout {
    fn word(&self) -> &'static str {
        "dropout"
    }

    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn describe(&self) -> String {
        format!("{} %", self.percent)
    }

    fn has_parameters(&self) -> bool {
        false
    }

    fn is_random(&self) -> bool {
        true
    }

    fn output(&self, input: Shape, _: &mut Tensors) -> Result<Shape, String> {
        match self.percent {
            0..=99 => Ok(input),
            percent => Err(format!("it would leave out {percent} of 100 values")),
        }
    }

    fn multiply_adds(&self, _: Shape, _: Shape) -> usize {
        0
    }

    fn takes(&self, _: &Layer, _: &Tiles) -> bool {
        false
    }

    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let bindings = [&*stage.x, names::CURSOR, names::DROPOUT, &stage.y()];
        to.step(self.kernel(stage, to), &stage.label("forward"), &bindings)
    }

    fn backward_weight(&self, _: &Stage, _: &mut Builder) -> Result<(), PlanError> {
        Ok(())
    }

    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let bindings = [&*stage.dy(), names::CURSOR, names::DROPOUT, &stage.dx()];
        to.step(self.kernel(stage, to), &stage.label("backward input"), &bindings)
    }
}
