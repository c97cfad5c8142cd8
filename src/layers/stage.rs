//! Layers in their places.

use super::tensors::count;
use super::{Layer, Shape};
use crate::kernels::Activation;
use crate::plan::names;

/// A layer in its place: its name and the shapes (channels, height, width) around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub layer: Layer,
    pub input: Shape,
    pub output: Shape,
}

impl Node {
    /// Multiplications of an image's forward pass.
    pub fn multiply_adds(&self) -> usize {
        self.layer.multiply_adds(self.input, self.output)
    }
}

/// A layer, with those that are computed in the same kernel. In the unfused plan every layer is a stage of its own.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    /// The layer's name; of a teacher's, behind [`names::TEACHERS`].
    pub name: String,
    pub node: &'a Node,
    /// A layer of which its kernel takes care: see [`Definition::takes`](super::Definition::takes).
    pub taken: Option<&'a Layer>,
    /// (channels, height, width) of what it writes.
    pub output: Shape,
    /// Fused into the stage's kernel, after everything else.
    pub activation: Activation,
    /// What it reads, and the activation that made it if that was fused.
    pub x: String,
    pub activation_in: Activation,
    /// Whether it has parameters that are not frozen, in a network that is trained.
    pub learns: bool,
    /// Its place among the stages.
    pub number: u32,
    /// Whether layers may share kernels.
    pub fuses: bool,
}

impl Stage<'_> {
    /// A tensor of the layer: `conv1.weight`.
    pub fn of(&self, tensor: &str) -> String {
        format!("{}.{tensor}", self.name)
    }

    /// What it writes.
    pub fn y(&self) -> String {
        self.of("out")
    }

    /// The gradient of that.
    pub fn dy(&self) -> String {
        self.of("out.grad")
    }

    /// The gradient of what it reads.
    pub fn dx(&self) -> String {
        format!("{}.grad", self.x)
    }

    /// The gradient of one of its tensors, or zeros where the layer is frozen.
    pub fn gradient(&self, tensor: &str) -> String {
        if self.learns { self.of(&format!("{tensor}.grad")) } else { names::ZEROS.into() }
    }

    /// What a step is called: `conv1 forward`.
    pub fn label(&self, pass: &str) -> String {
        format!("{} {pass}", self.name)
    }

    /// Elements of what it writes, of an image.
    pub fn count(&self) -> usize {
        count(self.output)
    }
}
