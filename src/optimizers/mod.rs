//! The optimizers: for each one what it remembers of a parameter, its constants and defaults, and its kernel.
//!
//! # Adding an optimizer
//! A file here with a [`Definition`] and the [kernel](crate::kernels) of its update, a line of the list below, the kernel's
//! line in `each_kernel!`, and its shader, twin and test.

#![deny(clippy::wildcard_enum_match_arm)]

mod update;

pub use update::{HYPER_LEN, ROW, Range, UpdateShape};

use crate::kernels::Kernel;
use crate::words::words;

/// What many optimizers remember of each parameter: its momentum, and the running mean of its gradients' squares.
pub const MOMENTUM: &str = "momentum";
pub const SQUARE: &str = "square";

macro_rules! optimizers {
    ($($file:ident $kernel:ident: $($word:ident $optimizer:ident $definition:ident),+;)+) => {
        $(mod $file; pub use $file::$kernel;)+

        /// The kernels of their updates.
        pub(crate) mod kernels {
            $(pub use super::$file::$kernel;)+
            pub use super::{HYPER_LEN, ROW, Range, UpdateShape};
        }

        words! {
            /// How parameters follow their gradients, as PyTorch names and defines it.
            pub enum Optimizer { $($($word $optimizer),+),+ }
        }

        impl Optimizer {
            /// What it is.
            pub fn definition(self) -> &'static Definition {
                match self { $($(Optimizer::$optimizer => &$file::$definition),+),+ }
            }
        }
    };
}
// The file, the kernel in it, and the word, the name and the definition of each optimizer that it serves.
optimizers! {
    sgd SgdUpdate: sgd Sgd SGD;
    adam AdamUpdate: adam Adam ADAM, adamw Adamw ADAMW;
    rmsprop RmspropUpdate: rmsprop Rmsprop RMSPROP;
}

impl Optimizer {
    /// The constants of its kernel, in the order of the shader's `Hyper`.
    ///
    /// # Panics
    /// If its definition lacks one.
    pub fn hyper(self, settings: &Settings) -> [f32; HYPER_LEN] {
        let (mut hyper, values) = ([0.0; HYPER_LEN], (self.definition().constants)(settings));
        for (place, name) in hyper.iter_mut().zip(self.definition().hyper) {
            let value = values.iter().find(|(of, _)| of == name);
            *place = value.unwrap_or_else(|| panic!("{self} does not say its {name}")).1 as f32;
        }
        hyper
    }
}

/// What an optimizer is.
pub struct Definition {
    /// Where nothing is given.
    pub defaults: Settings,
    /// What it remembers of each parameter: the buffers that its kernel updates after the parameters, in their order.
    pub states: &'static [&'static str],
    /// The kernel of its update.
    pub kernel: fn(UpdateShape, &Settings) -> Kernel,
    /// What the shader calls its constants, in the order of its `Hyper`.
    pub hyper: &'static [&'static str],
    /// Their values, by name.
    pub constants: fn(&Settings) -> Vec<(&'static str, f64)>,
    /// What a step decides beside the learning rate: two values, which the shader explains. Steps count from 1.
    pub of_step: fn(&Settings, f64) -> [f64; 2],
    /// The settings that matter to it, as a person would say them.
    pub describe: fn(&Settings) -> String,
}

/// What can be set of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub lr: f64,
    pub momentum: f64,
    /// Nesterov's momentum, for SGD.
    pub nesterov: bool,
    pub weight_decay: f64,
    /// Of Adam's mean of gradients.
    pub beta1: f64,
    /// Of Adam's and RMSprop's mean of squared gradients.
    pub beta2: f64,
    pub eps: f64,
}

impl Settings {
    /// PyTorch's, for what an optimizer does not say otherwise.
    const USUAL: Settings =
        Settings { lr: 0.001, momentum: 0.0, nesterov: false, weight_decay: 0.0, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
}

/// Nothing but the learning rate depends on the step.
fn no_correction(_: &Settings, _: f64) -> [f64; 2] {
    [0.0; 2]
}
