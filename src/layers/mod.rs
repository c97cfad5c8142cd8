//! The layers, as a user thinks of them: for each one its word in a network file, its shapes and tensors, and what it records
//! forward and backward.
//!
//! # Adding a layer
//! A file here with [`Written`] and a [`Definition`], and its line at the end of this one. An activation needs less: see
//! [`crate::kernels::Activation`].

#![deny(clippy::wildcard_enum_match_arm)]

mod stage;
mod tensors;
mod words;

pub use stage::{Node, Stage};
pub use tensors::Tensors;

use crate::kernels::Tiles;
use crate::plan::{Builder, PlanError};

/// (channels, height, width) of what lies between layers.
pub type Shape = [usize; 3];

/// How a layer is written.
pub trait Written: Sized {
    /// What it is called in a network file.
    const WORDS: &'static [&'static str];

    /// What a word alone stands for; none where the layer needs settings.
    fn bare(word: &str) -> Option<Self>;

    /// Some that `verify` steps in a small network.
    fn examples() -> Vec<Self>;
}

/// What a layer is.
pub trait Definition {
    /// Its word in a network file.
    fn word(&self) -> &'static str;

    /// What its name begins with: `conv` gives `conv1`, `conv2` and so on.
    fn kind(&self) -> &'static str;

    /// Its settings, as a person would say them.
    fn describe(&self) -> String;

    /// Whether it has tensors that can learn.
    fn has_parameters(&self) -> bool;

    /// Whether it leaves values out at random in training, and does nothing otherwise.
    fn is_random(&self) -> bool;

    /// What it makes of its input; its tensors go into `tensors`.
    ///
    /// # Errors
    /// Why it cannot take that input.
    fn output(&self, input: Shape, tensors: &mut Tensors) -> Result<Shape, String>;

    /// Multiplications of an image's forward pass.
    fn multiply_adds(&self, input: Shape, output: Shape) -> usize;

    /// Whether one kernel computes it with the next layer. Activations are asked for elsewhere.
    fn takes(&self, next: &Layer, tiles: &Tiles) -> bool;

    /// Records its forward pass.
    ///
    /// # Errors
    /// Sizes that no device can do.
    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError>;

    /// Records the gradients of its tensors.
    ///
    /// # Errors
    /// Sizes that no device can do.
    fn backward_weight(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError>;

    /// Records the gradient of its input.
    ///
    /// # Errors
    /// Sizes that no device can do.
    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError>;
}

macro_rules! layers {
    ($($file:ident $layer:ident),+ $(,)?) => {
        $(mod $file; pub use $file::$layer;)+

        /// One layer.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Layer {
            $($layer($layer)),+
        }

        $(impl From<$layer> for Layer {
            fn from(layer: $layer) -> Layer {
                Layer::$layer(layer)
            }
        })+

        impl Layer {
            /// The words of all layers.
            const WORDS: &'static [&'static [&'static str]] = &[$($layer::WORDS),+];

            /// Some of each, to be stepped in small networks.
            pub fn examples() -> Vec<Layer> {
                let mut all = Vec::new();
                $(all.extend($layer::examples().into_iter().map(Layer::from));)+
                all
            }

            fn bare(word: &str) -> Option<Layer> {
                None$(.or_else(|| $layer::bare(word).map(Layer::from)))+
            }

            fn with<'de, A: serde::de::MapAccess<'de>>(word: &str, map: &mut A) -> Result<Layer, A::Error> {
                $(if $layer::WORDS.contains(&word) {
                    let layer = map.next_value::<$layer>().map_err(|e| words::told::<$layer, _>(word, e))?;
                    return words::checked(word, layer.into());
                })+
                Err(words::unknown(word))
            }

            fn settings<M: serde::ser::SerializeMap>(&self, to: &mut M) -> Result<(), M::Error> {
                match self { $(Layer::$layer(layer) => to.serialize_entry(layer.word(), layer)),+ }
            }
        }

        impl std::ops::Deref for Layer {
            type Target = dyn Definition;
            fn deref(&self) -> &(dyn Definition + 'static) {
                match self { $(Layer::$layer(layer) => layer),+ }
            }
        }
    };
}
layers! {
    conv Conv,
    max_pool MaxPool,
    avg_pool AvgPool,
    global_avg_pool GlobalAvgPool,
    linear Linear,
    batch_norm BatchNorm,
    dropout Dropout,
    activation Activation,
}
