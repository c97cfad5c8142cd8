//! A training step as data: the kernels of a batch in order, without any GPU type.
//!
//! A [`Plan`] lists buffers and steps. `gpu::player` plays it on a device, `reference::player` in plain Rust. Tensors
//! are named as in checkpoints: `conv1.weight`, its gradient `conv1.weight.grad`, its momentum `conv1.weight.momentum`.
//! The output of a stage is `conv1.out`. `conv1.out.grad` is the gradient of the loss with respect to that output or,
//! if the stage ends in a fused activation, with respect to the activation's input.

mod builder;
mod dispatch;
mod parameter;
pub mod shader;
mod side_by_side;
mod unroll;

pub use builder::{Builder, PlanError};
pub use dispatch::{Dispatch, joined};
pub use parameter::{Initial, Parameter, arena_len};
pub use unroll::unrolled;

use crate::kernels::{Access, Element, Kernel};
use std::ops::Range;

/// A buffer of a plan. Without `content`, the player or the caller provides its initial values.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    pub name: String,
    pub element: Element,
    pub len: usize,
    /// Bits fixed when the plan is built.
    pub content: Option<Vec<u32>>,
}

/// The range of a buffer that a kernel's port is bound to, and the tensors in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// Index into [`Plan::buffers`].
    pub buffer: usize,
    /// First element.
    pub start: usize,
    /// Number of elements the kernel can access: as many as the port requires, or more where a test adds guards.
    pub len: usize,
    pub tensors: Vec<String>,
}

/// A kernel, run once. `args` are in the order of the kernel's ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub kernel: Kernel,
    pub label: String,
    pub args: Vec<Arg>,
}

impl Step {
    /// Names of the tensors that the step reads, then of those that it writes. An updated tensor is in both lists.
    pub fn tensors(&self) -> (Vec<String>, Vec<String>) {
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for (port, arg) in self.kernel.spec().ports.iter().zip(&self.args) {
            if port.access != Access::Overwrite {
                reads.extend(arg.tensors.iter().cloned());
            }
            if port.access != Access::Read {
                writes.extend(arg.tensors.iter().cloned());
            }
        }
        (reads, writes)
    }
}

/// A recorded batch. Its fields are private to the crate, since players rely on the checks of [`Builder`].
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) batch: usize,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) steps: Vec<Step>,
    /// The steps of each dispatch.
    pub(crate) dispatches: Vec<Range<usize>>,
}

impl Plan {
    /// Buffers that the steps bind.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Steps of a batch, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The same steps, split into those that run side by side, in order.
    pub fn dispatches(&self) -> impl ExactSizeIterator<Item = &[Step]> {
        self.dispatches.iter().map(|steps| &self.steps[steps.clone()])
    }

    /// The same plan with a dispatch for each step.
    pub fn one_by_one(self) -> Plan {
        Plan { dispatches: (0..self.steps.len()).map(|at| at..at + 1).collect(), ..self }
    }

    /// Index of a buffer by name.
    pub fn buffer(&self, name: &str) -> Option<usize> {
        self.buffers.iter().position(|b| b.name == name)
    }
}

/// Buffer names: those that the caller fills and reads, and those that hold gradients.
pub mod names {
    /// Images of the data set, four bytes to a word.
    pub const IMAGES: &str = "images";
    /// Output of the frozen layers for each image of the data set, in file order.
    pub const FEATURES: &str = "features";
    /// Labels of the data set, in file order.
    pub const LABELS: &str = "labels";
    /// Images of the epoch, by index in the file.
    pub const ORDER: &str = "order";
    /// The same, even where the device holds the images at other positions; seeds their augmentation.
    pub const PLACES: &str = "places";
    /// Bounds of the augmentation.
    pub const AUGMENT: &str = "augment";
    /// Seed of the dropout mask.
    pub const DROPOUT: &str = "dropout";
    /// Share of each label that smoothing spreads over all classes.
    pub const SMOOTHING: &str = "smoothing";
    /// Weight of each class in the loss.
    pub const CLASS_WEIGHTS: &str = "class_weights";
    /// Step, first row of the next batch, total number of rows.
    pub const CURSOR: &str = "cursor";
    /// Input value of each of the 256 possible bytes.
    pub const BYTE_VALUES: &str = "byte_values";
    /// Parameters of the network, laid out as in its parameter table.
    pub const PARAMETERS: &str = "parameters";
    /// Optimizer state, in the same layout.
    pub use crate::optimizers::{MOMENTUM, SQUARE};
    /// Parameters of the teacher, laid out as in its own parameter table.
    pub const TEACHER: &str = "teacher";
    /// Prefix of the teacher's tensor names, as in `teacher.conv1.out`.
    pub const TEACHERS: &str = "teacher.";
    /// Distillation temperature, and the teacher's share of the loss.
    pub const TEACHING: &str = "teaching";
    /// Gradients, in slices.
    pub const GRADIENTS: &str = "gradients";
    /// Sums over the first parts of a batch, which alternate between this buffer and [`GRADIENTS`].
    pub const EARLIER: &str = "earlier_gradients";
    /// Zeros, to which the first part of a batch adds its gradients.
    pub const ZEROS: &str = "zeros";
    /// Values set per epoch: four for each batch, described in the optimizer's shader.
    pub const RATES: &str = "rates";
    /// The four values of the current batch, copied from [`RATES`].
    pub const RATE: &str = "rate";
    /// Constants of the optimizer, in the order of its shader.
    pub const HYPER: &str = "hyper";
    /// Factor by which gradients are clipped.
    pub const CLIP: &str = "clip";
    /// Maximum gradient norm.
    pub const LIMIT: &str = "limit";
    /// Loss of each image of the epoch, in the epoch's order.
    pub const LOSS: &str = "loss";
    /// Predicted class of each image, in the same order.
    pub const PREDICTED: &str = "predicted";
    /// Probability of the predicted class, in the same order.
    pub const PROBABILITY: &str = "probability";
}
