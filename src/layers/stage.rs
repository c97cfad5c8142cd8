//! Layers in their place in a network.

use super::tensors::count;
use super::{Layer, Shape};
use crate::kernels::Activation;
use crate::plan::names;

/// A layer in a network: its name, and its input and output shapes (channels, height, width).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub layer: Layer,
    pub input: Shape,
    pub output: Shape,
}

impl Node {
    /// Multiply-adds of the forward pass of one image.
    pub fn multiply_adds(&self) -> usize {
        self.layer.multiply_adds(self.input, self.output)
    }
}

/// A layer and those computed in the same kernel. In the unfused plan every layer is its own stage.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    /// Name of the layer, prefixed with [`names::TEACHERS`] in a teacher.
    pub name: String,
    pub node: &'a Node,
    /// A layer that this stage's kernel also computes: see [`Definition::takes`](super::Definition::takes).
    pub taken: Option<&'a Layer>,
    /// Output shape (channels, height, width).
    pub output: Shape,
    /// Activation fused into the stage's kernel, applied last.
    pub activation: Activation,
    /// Input tensor, and the activation fused into the stage that computes it.
    pub x: String,
    pub activation_in: Activation,
    /// Whether it has parameters that are not frozen, in a network that is being trained.
    pub learns: bool,
    /// Index among the stages.
    pub number: u32,
    /// Whether layers may share kernels.
    pub fuses: bool,
}

impl Stage<'_> {
    /// Name of a tensor of the layer, such as `conv1.weight`.
    pub fn of(&self, tensor: &str) -> String {
        format!("{}.{tensor}", self.name)
    }

    /// Name of the output.
    pub fn y(&self) -> String {
        self.of("out")
    }

    /// Name of the output's gradient.
    pub fn dy(&self) -> String {
        self.of("out.grad")
    }

    /// Name of the input's gradient.
    pub fn dx(&self) -> String {
        format!("{}.grad", self.x)
    }

    /// Name of the gradient of one of its tensors, or of zeros if the layer is frozen.
    pub fn gradient(&self, tensor: &str) -> String {
        if self.learns { self.of(&format!("{tensor}.grad")) } else { names::ZEROS.into() }
    }

    /// Label of a step, such as `conv1 forward`.
    pub fn label(&self, pass: &str) -> String {
        format!("{} {pass}", self.name)
    }

    /// Output elements per image.
    pub fn count(&self) -> usize {
        count(self.output)
    }
}
