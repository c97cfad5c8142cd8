//! Global average pooling.

use super::avg_pool::{backward_input, forward};
use super::*;
use serde::{Deserialize, Serialize};

/// The mean of each channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool {}

impl Layer {
    /// A [`GlobalAvgPool`].
    pub fn global_avg_pool() -> Layer {
        GlobalAvgPool {}.into()
    }
}

/// A cell that covers the whole map.
fn cell(stage: &Stage) -> [usize; 2] {
    let [_, height, width] = stage.node.input;
    [height, width]
}

impl Written for GlobalAvgPool {
    const WORDS: &'static [&'static str] = &["global_avg_pool"];

    fn bare(word: &str) -> Option<GlobalAvgPool> {
        (word == "global_avg_pool").then_some(GlobalAvgPool {})
    }

    fn examples() -> Vec<GlobalAvgPool> {
        vec![GlobalAvgPool {}]
    }
}

impl Definition for GlobalAvgPool {
    fn word(&self) -> &'static str {
        "global_avg_pool"
    }

    fn kind(&self) -> &'static str {
        "gap"
    }

    fn describe(&self) -> String {
        "mean of each channel".into()
    }

    fn has_parameters(&self) -> bool {
        false
    }

    fn is_random(&self) -> bool {
        false
    }

    fn output(&self, [c, ..]: Shape, _: &mut Tensors) -> Result<Shape, String> {
        Ok([c, 1, 1])
    }

    fn multiply_adds(&self, _: Shape, _: Shape) -> usize {
        0
    }

    fn takes(&self, _: &Layer, _: &Tiles) -> bool {
        false
    }

    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        forward(cell(stage), stage, to)
    }

    fn backward_weight(&self, _: &Stage, _: &mut Builder) -> Result<(), PlanError> {
        Ok(())
    }

    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        backward_input(cell(stage), stage, to)
    }
}
