//! A training step as data: the kernels of a batch in order, with no GPU type in it.
//!
//! A [`Plan`] names buffers and steps. Two players can play it: `gpu::player` on a device, `reference::player` in plain
//! Rust. Tensors of a plan are called as the checkpoint calls them: `conv1.weight`, its gradient `conv1.weight.grad`, its
//! momentum `conv1.weight.momentum`; the output of a stage is `conv1.out`. `conv1.out.grad` is the gradient of the loss
//! with respect to that output, or, where the stage ends in a fused activation, to what goes into the activation.

mod builder;
mod parameter;
pub mod shader;

pub use builder::{Builder, PlanError};
pub use parameter::{Initial, Parameter, arena_len};

use crate::kernels::{Access, Element, Kernel};

/// A buffer of a plan. Those without content start with whatever the player or the caller puts there.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    pub name: String,
    pub element: Element,
    pub len: usize,
    /// Bits that are fixed when the plan is made.
    pub content: Option<Vec<u32>>,
}

/// What a kernel's port is bound to: a part of a buffer, and the tensors that lie there.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// Index into [`Plan::buffers`].
    pub buffer: usize,
    /// First element.
    pub start: usize,
    /// Elements that the kernel can reach: as many as the port asks for, and more only where a test guards them.
    pub len: usize,
    pub tensors: Vec<String>,
}

/// One kernel invocation. `args` stand in the order of the kernel's ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub kernel: Kernel,
    pub label: String,
    pub args: Vec<Arg>,
}

impl Step {
    /// Names of the tensors that the step reads, then of those that it writes. A tensor that is updated counts as both.
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

/// A batch, recorded. Only a [`Builder`] makes plans: what a player takes for granted is checked there.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) batch: usize,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) steps: Vec<Step>,
}

impl Plan {
    /// What the steps are bound to.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// The kernels of a batch, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The index of a buffer by its name.
    pub fn buffer(&self, name: &str) -> Option<usize> {
        self.buffers.iter().position(|b| b.name == name)
    }
}

/// Names of buffers: those that a plan shares with the world, which the caller fills and reads, and those in which gradients
/// gather.
pub mod names {
    /// The data set's images, four bytes to a word.
    pub const IMAGES: &str = "images";
    /// What the frozen layers made of each image of the data set, in file order.
    pub const FEATURES: &str = "features";
    /// The data set's labels, in file order.
    pub const LABELS: &str = "labels";
    /// The epoch's images, by their place in the file.
    pub const ORDER: &str = "order";
    /// The same, also where images lie elsewhere on the device: what their random changes follow from.
    pub const PLACES: &str = "places";
    /// Bounds of these changes.
    pub const AUGMENT: &str = "augment";
    /// What values are left out follows from.
    pub const DROPOUT: &str = "dropout";
    /// What part of a label is spread over all classes.
    pub const SMOOTHING: &str = "smoothing";
    /// Step, first row of the next batch, rows in all.
    pub const CURSOR: &str = "cursor";
    /// The 256 values that a byte can become.
    pub const TABLE: &str = "table";
    /// Parameters of the network, at the places its parameter table says.
    pub const PARAMETERS: &str = "parameters";
    /// What optimizers remember, at the same places.
    pub use crate::optimizers::{MOMENTUM, SQUARE};
    /// Parameters of a teacher, at the places its own parameter table says.
    pub const TEACHER: &str = "teacher";
    /// What the names of its tensors begin with: `teacher.conv1.out`.
    pub const TEACHERS: &str = "teacher.";
    /// Temperature, and the teacher's share of the loss.
    pub const TEACHING: &str = "teaching";
    /// Gradients in slices.
    pub const GRADIENTS: &str = "gradients";
    /// The same, of all but the last part of a batch, or of all but the last two.
    pub const EARLIER: &str = "earlier gradients";
    /// What the first part of a batch adds its gradients to.
    pub const ZEROS: &str = "zeros";
    /// What the epoch number decides of each batch: four values, which each optimizer's shader explains.
    pub const RATES: &str = "rates";
    /// The optimizer's constants, as its shader lists them.
    pub const HYPER: &str = "hyper";
    /// What gradients are multiplied by.
    pub const CLIP: &str = "clip";
    /// The largest norm that a gradient may have.
    pub const LIMIT: &str = "limit";
    /// One value for each image of the epoch, in its order.
    pub const LOSS: &str = "loss";
    /// The same, for the predicted class.
    pub const PREDICTED: &str = "predicted";
    /// The same, for its probability.
    pub const PROBABILITY: &str = "probability";
}
