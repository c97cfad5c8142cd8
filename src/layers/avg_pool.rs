//! Average pooling over non-overlapping cells.

use super::max_pool::pooled;
use super::*;
use crate::kernels::{AvgPoolBackward, AvgPoolForward, AvgPoolShape};
use serde::{Deserialize, Serialize};

/// Cells of `size` x `size` values; leftover columns and rows at the right and bottom are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool {
    pub size: usize,
}

impl Layer {
    /// An [`AvgPool`].
    pub fn avg_pool(size: usize) -> Layer {
        AvgPool { size }.into()
    }
}

/// Kernel shape for cells of this height and width.
fn shape([pool_h, pool_w]: [usize; 2], stage: &Stage, to: &Builder) -> AvgPoolShape {
    let [c, h_in, w_in] = stage.node.input.map(|d| d as u32);
    AvgPoolShape { planes: to.padded * c, h_in, w_in, pool_h: pool_h as u32, pool_w: pool_w as u32 }
}

/// Records the forward pass for cells of this height and width.
pub(super) fn forward(cell: [usize; 2], stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
    to.step(AvgPoolForward(shape(cell, stage, to)), &stage.label("forward"), &[&stage.x, &stage.y()])
}

/// Records the gradient of the input.
pub(super) fn backward_input(cell: [usize; 2], stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
    to.step(AvgPoolBackward(shape(cell, stage, to)), &stage.label("backward input"), &[&stage.dy(), &stage.dx()])
}

impl Written for AvgPool {
    const WORDS: &'static [&'static str] = &["avg_pool"];

    fn bare(_: &str) -> Option<AvgPool> {
        None
    }

    fn examples() -> Vec<AvgPool> {
        vec![AvgPool { size: 3 }]
    }
}

impl Definition for AvgPool {
    fn word(&self) -> &'static str {
        "avg_pool"
    }

    fn kind(&self) -> &'static str {
        "avgpool"
    }

    fn describe(&self) -> String {
        format!("{0}x{0}", self.size)
    }

    fn has_parameters(&self) -> bool {
        false
    }

    fn is_random(&self) -> bool {
        false
    }

    fn output(&self, input: Shape, _: &mut Tensors) -> Result<Shape, String> {
        pooled(input, self.size)
    }

    fn multiply_adds(&self, _: Shape, _: Shape) -> usize {
        0
    }

    fn takes(&self, _: &Layer, _: &Tiles) -> bool {
        false
    }

    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        forward([self.size; 2], stage, to)
    }

    fn backward_weight(&self, _: &Stage, _: &mut Builder) -> Result<(), PlanError> {
        Ok(())
    }

    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        backward_input([self.size; 2], stage, to)
    }
}
