//! Layer definitions: for each layer its word in a network file, its shapes and tensors, and the forward and backward
//! steps it records.
//!
//! # Adding a layer
//! Add a file here with [`Written`] and [`Definition`], and its line at the end of this one. An activation needs less:
//! see [`crate::kernels::Activation`].

#![deny(clippy::wildcard_enum_match_arm)]

mod stage;
mod tensors;
mod words;

pub use stage::{Node, Stage};
pub use tensors::Tensors;

use crate::kernels::{FcLoss, LossShape, Tiles};
use crate::plan::{Builder, PlanError};

/// (channels, height, width) of a map between layers.
pub type Shape = [usize; 3];

/// How a layer is written in a network file.
pub trait Written: Sized {
    /// Words for the layer in a network file.
    const WORDS: &'static [&'static str];

    /// The layer that a bare word stands for; `None` if it needs settings.
    fn bare(word: &str) -> Option<Self>;

    /// Instances that `verify` steps in a small network.
    fn examples() -> Vec<Self>;
}

/// Behaviour of a layer.
pub trait Definition {
    /// Word in a network file.
    fn word(&self) -> &'static str;

    /// Prefix of the layer's name: `conv` gives `conv1`, `conv2` and so on.
    fn kind(&self) -> &'static str;

    /// Settings in human-readable form.
    fn describe(&self) -> String;

    /// Whether it has trainable tensors.
    fn has_parameters(&self) -> bool;

    /// Whether it drops values at random in training and does nothing otherwise.
    fn is_random(&self) -> bool;

    /// Output shape for an input; adds the layer's tensors to `tensors`.
    ///
    /// # Errors
    /// The reason it cannot take that input.
    fn output(&self, input: Shape, tensors: &mut Tensors) -> Result<Shape, String>;

    /// Multiply-adds of the forward pass of one image.
    fn multiply_adds(&self, input: Shape, output: Shape) -> usize;

    /// Whether one kernel computes it together with the next layer. Activations are handled elsewhere.
    fn takes(&self, next: &Layer, tiles: &Tiles) -> bool;

    /// Records the forward pass.
    ///
    /// # Errors
    /// If a step exceeds a dispatch, loop or buffer-size limit.
    fn forward(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError>;

    /// Records the gradients of the layer's tensors.
    ///
    /// # Errors
    /// If a step exceeds a dispatch, loop or buffer-size limit.
    fn backward_weight(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError>;

    /// Records the gradient of the input.
    ///
    /// # Errors
    /// If a step exceeds a dispatch, loop or buffer-size limit.
    fn backward_input(&self, stage: &Stage, to: &mut Builder) -> Result<(), PlanError>;

    /// The kernel that computes the layer, as the last of a training step, with the loss of its outputs and all
    /// gradients, if there is one.
    fn with_loss(&self, _stage: &Stage, _loss: LossShape, _tiles: &Tiles) -> Option<FcLoss> {
        None
    }
}

macro_rules! layers {
    ($($file:ident $layer:ident),+ $(,)?) => {
        $(mod $file; pub use $file::$layer;)+

        /// A layer.
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
            /// Words of all layers.
            const WORDS: &'static [&'static [&'static str]] = &[$($layer::WORDS),+];

            /// Instances of every layer, to be stepped in small networks.
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
