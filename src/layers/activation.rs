//! Activations that are not fused into a neighbouring layer.

use super::*;
pub use crate::kernels::Activation;
use crate::kernels::{ActivationBackward, ActivationForward, ActivationShape};

fn shape(activation: Activation, stage: &Stage, to: &Builder) -> ActivationShape {
    ActivationShape { count: to.padded * stage.count() as u32, activation }
}

impl Written for Activation {
    const WORDS: &'static [&'static str] = Activation::WORDS;

    fn bare(word: &str) -> Option<Activation> {
        Activation::of(word)
    }

    fn examples() -> Vec<Activation> {
        Activation::ALL.to_vec()
    }
}

impl Definition for Activation {
    fn word(&self) -> &'static str {
        Activation::word(*self)
    }

    fn kind(&self) -> &'static str {
        Activation::word(*self)
    }

    fn describe(&self) -> String {
        String::new()
    }

    fn has_parameters(&self) -> bool {
        false
    }

    fn is_random(&self) -> bool {
        false
    }

    fn output(&self, input: Shape, _: &mut Tensors) -> Result<Shape, String> {
        Ok(input)
    }

    fn multiply_adds(&self, _: Shape, _: Shape) -> usize {
        0
    }

    fn takes(&self, _: &Layer, _: &Tiles) -> bool {
        false
    }

    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let kernel = ActivationForward(shape(*self, stage, to));
        to.step(kernel, &stage.label("forward"), &[&stage.x, &stage.y()])
    }

    fn backward_weight(&self, _: &Stage, _: &mut Builder) -> Result<(), PlanError> {
        Ok(())
    }

    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let kernel = ActivationBackward(shape(*self, stage, to));
        to.step(kernel, &stage.label("backward input"), &[&stage.dy(), &stage.y(), &stage.dx()])
    }
}
