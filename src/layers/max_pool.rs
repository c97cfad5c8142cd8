//! Max-pooling over non-overlapping cells.

use super::*;
use crate::kernels::{MaxPoolBackward, MaxPoolForward, PoolShape};
use serde::{Deserialize, Serialize};

/// Cells of `size` x `size` values; leftover columns and rows at the right and bottom are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    pub size: usize,
}

impl Layer {
    /// A [`MaxPool`].
    pub fn max_pool(size: usize) -> Layer {
        MaxPool { size }.into()
    }
}

/// Output shape for cells of this size.
///
/// # Errors
/// If no cell fits.
pub(super) fn pooled([c, h, w]: Shape, size: usize) -> Result<Shape, String> {
    if size == 0 || size > h || size > w {
        return Err(format!("a {size}x{size} cell does not fit its {h}x{w} input"));
    }
    Ok([c, h / size, w / size])
}

impl MaxPool {
    fn shape(&self, stage: &Stage, to: &Builder) -> PoolShape {
        let [c, h_in, w_in] = stage.node.input.map(|d| d as u32);
        PoolShape { planes: to.padded * c, h_in, w_in, pool: self.size as u32 }
    }
}

impl Written for MaxPool {
    const WORDS: &'static [&'static str] = &["max_pool"];

    fn bare(_: &str) -> Option<MaxPool> {
        None
    }

    fn examples() -> Vec<MaxPool> {
        vec![MaxPool { size: 3 }]
    }
}

impl Definition for MaxPool {
    fn word(&self) -> &'static str {
        "max_pool"
    }

    fn kind(&self) -> &'static str {
        "pool"
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
        let bindings = [&*stage.x, &stage.y(), &stage.of("winner")];
        to.step(MaxPoolForward(self.shape(stage, to)), &stage.label("forward"), &bindings)
    }

    fn backward_weight(&self, _: &Stage, _: &mut Builder) -> Result<(), PlanError> {
        Ok(())
    }

    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError> {
        let bindings = [&*stage.dy(), &stage.of("winner"), &stage.dx()];
        to.step(MaxPoolBackward(self.shape(stage, to)), &stage.label("backward input"), &bindings)
    }
}
