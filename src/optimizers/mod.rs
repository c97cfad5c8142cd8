//! Optimizers: the state, constants, defaults and kernel of each.
//!
//! # Adding an optimizer
//! Add a file here with a [`Definition`] and the [kernel](crate::kernels) of its update, a line in the list below, the
//! kernel's line in `each_kernel!`, and its shader, twin and test.

#![deny(clippy::wildcard_enum_match_arm)]

mod update;

pub use update::{HYPER_LEN, ROW, Range, UpdateShape};

use crate::kernels::Kernel;
use crate::words::words;

/// State shared by several optimizers: momentum, and the running mean of squared gradients.
pub const MOMENTUM: &str = "momentum";
pub const SQUARE: &str = "square";

macro_rules! optimizers {
    ($($file:ident $kernel:ident: $($word:ident $optimizer:ident $definition:ident),+;)+) => {
        $(mod $file; pub use $file::$kernel;)+

        /// Kernels of the updates.
        pub(crate) mod kernels {
            $(pub use super::$file::$kernel;)+
            pub use super::{HYPER_LEN, ROW, Range, UpdateShape};
        }

        words! {
            /// Update rule, named and defined as in PyTorch.
            pub enum Optimizer { $($($word $optimizer),+),+ }
        }

        impl Optimizer {
            pub fn definition(self) -> &'static Definition {
                match self { $($(Optimizer::$optimizer => &$file::$definition),+),+ }
            }
        }
    };
}
// The file, its kernel, and the word, variant and definition of each optimizer that uses it.
optimizers! {
    sgd SgdUpdate: sgd Sgd SGD;
    adam AdamUpdate: adam Adam ADAM, adamw Adamw ADAMW;
    rmsprop RmspropUpdate: rmsprop Rmsprop RMSPROP;
}

impl Optimizer {
    /// Constants of the kernel, in the order of the shader's `Hyper`.
    ///
    /// # Panics
    /// If the definition lacks one.
    pub fn hyper(self, settings: &Settings) -> [f32; HYPER_LEN] {
        let (mut hyper, values) = ([0.0; HYPER_LEN], (self.definition().constants)(settings));
        for (place, name) in hyper.iter_mut().zip(self.definition().hyper) {
            let value = values.iter().find(|(of, _)| of == name);
            *place = value.unwrap_or_else(|| panic!("{self} does not say its {name}")).1 as f32;
        }
        hyper
    }
}

/// Definition of an optimizer.
pub struct Definition {
    /// Defaults of the settings.
    pub defaults: Settings,
    /// State per parameter: the buffers that the kernel updates after the parameters, in this order.
    pub states: &'static [&'static str],
    /// Kernel of the update.
    pub kernel: fn(UpdateShape, &Settings) -> Kernel,
    /// Names of the shader's constants, in the order of its `Hyper`.
    pub hyper: &'static [&'static str],
    /// Values of the constants, by name.
    pub constants: fn(&Settings) -> Vec<(&'static str, f64)>,
    /// Two values per step besides the learning rate, described in the shader. Steps count from 1.
    pub of_step: fn(&Settings, f64) -> [f64; 2],
    /// The relevant settings, in human-readable form.
    pub describe: fn(&Settings) -> String,
}

/// Settings of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub lr: f64,
    pub momentum: f64,
    /// Nesterov momentum, for SGD.
    pub nesterov: bool,
    pub weight_decay: f64,
    /// Decay rate of Adam's mean of gradients.
    pub beta1: f64,
    /// Decay rate of Adam's and RMSprop's mean of squared gradients.
    pub beta2: f64,
    pub eps: f64,
}

impl Settings {
    /// PyTorch's defaults, for settings that an optimizer does not override.
    const USUAL: Settings =
        Settings { lr: 0.001, momentum: 0.0, nesterov: false, weight_decay: 0.0, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
}

/// For optimizers where only the learning rate depends on the step.
fn no_correction(_: &Settings, _: f64) -> [f64; 2] {
    [0.0; 2]
}
