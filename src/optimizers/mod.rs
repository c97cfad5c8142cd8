//! The optimizers.

use crate::kernels::{AdamUpdate, Kernel, RmspropUpdate, SgdUpdate, UpdateShape};
use crate::plan::names;

/// How parameters follow their gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    Sgd { nesterov: bool },
    Adam { decoupled: bool },
    Rmsprop,
}

impl Optimizer {
    /// The kernel of its update.
    pub fn kernel(self, shape: UpdateShape) -> Kernel {
        match self {
            Optimizer::Sgd { nesterov } => SgdUpdate(shape, nesterov).into(),
            Optimizer::Adam { decoupled } => AdamUpdate(shape, decoupled).into(),
            Optimizer::Rmsprop => RmspropUpdate(shape).into(),
        }
    }

    /// What it remembers of each parameter: the buffers that its kernel updates after the parameters, in their order.
    pub fn states(self) -> &'static [&'static str] {
        match self {
            Optimizer::Sgd { .. } => &[names::MOMENTUM],
            Optimizer::Adam { .. } | Optimizer::Rmsprop => &[names::MOMENTUM, names::SQUARE],
        }
    }
}
