//! The judge: a twin of every shader in plain Rust, of the same stem, and a player for whole plans.
//!
//! A twin computes in f64 and reads like the formula at the top of its shader. Beside each value it returns how far a
//! correct float32 implementation may be from it: the rounding-error bound of its sum, `n * 2^-24 * sum |terms|`, which
//! holds in any order of summation (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2).
//! `reference` knows nothing of `gpu`; the two meet in `verify` and in the tests.

mod activation_backward;
mod activation_forward;
mod adam_update;
mod advance;
mod augment_images;
mod batch_norm_backward_input;
mod batch_norm_backward_weight;
mod batch_norm_forward;
mod batch_norm_statistics;
mod conv_backward_input;
mod conv_backward_weight;
mod conv_forward;
mod conv_pool_backward_input;
mod conv_pool_backward_weight;
mod conv_pool_forward;
mod cross_entropy_backward;
mod cross_entropy_forward;
mod distillation_backward;
mod dropout;
mod fc_backward_input;
mod fc_backward_weight;
mod fc_forward;
mod gradient_clip;
mod gradient_norm;
mod hash;
mod load_features;
mod load_images;
mod max_pool_backward;
mod max_pool_forward;
mod player;
mod rmsprop_update;
mod rounded;
mod sgd_update;
mod sum;

pub use augment_images::{Bounds, image_of};
use hash::hash;
pub use player::Player;
pub use rounded::Rounded;
pub use sum::{Near, Sum, UNIT};

use crate::plan::{Element, Kernel};

/// The content of a buffer: floats held in f64, or whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    F(Vec<f64>),
    U(Vec<u32>),
}

impl Tensor {
    /// Zeros of a type.
    pub fn zeros(element: Element, len: usize) -> Tensor {
        match element {
            Element::F32 => Tensor::F(vec![0.0; len]),
            Element::U32 => Tensor::U(vec![0; len]),
        }
    }

    /// Floats from the bits of float32s, or whole numbers as they are.
    pub fn from_bits(element: Element, bits: &[u32]) -> Tensor {
        match element {
            Element::F32 => Tensor::F(bits.iter().map(|&b| f32::from_bits(b) as f64).collect()),
            Element::U32 => Tensor::U(bits.to_vec()),
        }
    }

    /// The bits of the nearest float32s, or whole numbers as they are.
    pub fn to_bits(&self) -> Vec<u32> {
        match self {
            Tensor::F(values) => values.iter().map(|&v| (v as f32).to_bits()).collect(),
            Tensor::U(values) => values.clone(),
        }
    }

    /// The floats.
    ///
    /// # Panics
    /// If it holds whole numbers.
    pub fn floats(&self) -> &[f64] {
        match self {
            Tensor::F(values) => values,
            Tensor::U(_) => panic!("a tensor of whole numbers where floats were expected"),
        }
    }

    /// The whole numbers.
    ///
    /// # Panics
    /// If it holds floats.
    pub fn integers(&self) -> &[u32] {
        match self {
            Tensor::U(values) => values,
            Tensor::F(_) => panic!("a tensor of floats where whole numbers were expected"),
        }
    }
}

/// What a kernel must write to one of its ports.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Each value within its bound.
    Near(Near),
    /// These whole numbers.
    Exact(Vec<u32>),
    /// The place of the largest of each group of `group` candidates: the first of them where they are equal, any of those
    /// that rounding could have made the largest.
    Largest { place: Vec<u32>, group: usize, candidates: Near },
}

impl Expected {
    /// The value that the reference goes on with.
    pub fn tensor(&self) -> Tensor {
        match self {
            Expected::Near(near) => Tensor::F(near.value.clone()),
            Expected::Exact(values) => Tensor::U(values.clone()),
            Expected::Largest { place, .. } => Tensor::U(place.clone()),
        }
    }
}

/// The twin of a kernel, applied to one tensor for each of its ports, in their order.
pub fn play_in_order(kernel: &Kernel, inputs: &[Tensor]) -> Vec<Expected> {
    let spec = kernel.spec();
    play(kernel, |name| {
        let at = spec.ports.iter().position(|port| port.name == name);
        &inputs[at.unwrap_or_else(|| panic!("{} has no port {name}", spec.stem))]
    })
}

/// The twin of a kernel, applied: for each port that it writes, in the order of the ports, what must be there.
/// `input` gives what a port holds before.
pub fn play<'a>(kernel: &Kernel, input: impl Fn(&str) -> &'a Tensor) -> Vec<Expected> {
    let f = |name: &str| input(name).floats();
    let u = |name: &str| input(name).integers();
    let before = || [f("dw_in"), f("db_in")];
    let update = || sgd_update::Inputs {
        grad: f("grad"),
        cursor: u("cursor"),
        rates: f("rates"),
        clip: f("clip"),
        hyper: f("hyper"),
    };
    match kernel {
        Kernel::LoadImages(s, _) => load_images::run(s, u("images"), u("order"), u("cursor"), f("table")),
        Kernel::AugmentImages(s, _) => {
            augment_images::run(s, u("images"), u("order"), u("places"), u("cursor"), f("table"), u("augment"))
        }
        Kernel::LoadFeatures(s, _) => load_features::run(s, f("features"), u("order"), u("cursor")),
        Kernel::ConvForward(s, _) => conv_forward::run(s, f("x"), f("w"), f("b")),
        Kernel::ConvBackwardInput(s, _) => conv_backward_input::run(s, f("dy"), f("w"), f("x")),
        Kernel::ConvBackwardWeight(s, slices) => conv_backward_weight::run(s, *slices, f("dy"), f("x")),
        Kernel::ConvPoolForward(s, _) => conv_pool_forward::run(s, f("x"), f("w"), f("b")),
        Kernel::ConvPoolBackwardInput(s, _) => conv_pool_backward_input::run(s, f("dy"), u("winner"), f("w"), f("x")),
        Kernel::ConvPoolBackwardWeight(s, slices, _) => {
            conv_pool_backward_weight::run(s, *slices, f("dy"), u("winner"), f("x"), before())
        }
        Kernel::MaxPoolForward(s) => max_pool_forward::run(s, f("x")),
        Kernel::MaxPoolBackward(s) => max_pool_backward::run(s, f("dy"), u("winner")),
        Kernel::ActivationForward(s) => activation_forward::run(s, f("x")),
        Kernel::ActivationBackward(s) => activation_backward::run(s, f("dy"), f("y")),
        Kernel::FcForward(s, _) => fc_forward::run(s, f("x"), f("w"), f("b")),
        Kernel::FcBackwardInput(s, _) => fc_backward_input::run(s, f("dy"), f("w"), f("x")),
        Kernel::FcBackwardWeight(s, slices, _) => fc_backward_weight::run(s, *slices, f("dy"), f("x"), before()),
        Kernel::DistillationBackward(s) => distillation_backward::run(
            s,
            f("x"),
            f("z"),
            u("labels"),
            u("order"),
            u("cursor"),
            f("smoothing"),
            f("teaching"),
        ),
        Kernel::BatchNormStatistics(s, _) => {
            batch_norm_statistics::run(s, f("x"), u("cursor"), f("running_mean"), f("running_var"))
        }
        Kernel::BatchNormForward(s, _) => batch_norm_forward::run(s, f("x"), f("w"), f("b"), f("mean"), f("variance")),
        Kernel::BatchNormBackwardInput(s, _) => {
            batch_norm_backward_input::run(s, f("dy"), f("x"), u("cursor"), |name| f(name))
        }
        Kernel::BatchNormBackwardWeight(s, _) => {
            batch_norm_backward_weight::run(s, f("dy"), f("x"), f("mean"), f("variance"))
        }
        Kernel::Dropout(s) => dropout::run(s, f("x"), u("cursor"), u("seed")),
        Kernel::CrossEntropyForward(s) => cross_entropy_forward::run(
            s,
            f("x"),
            u("labels"),
            u("order"),
            u("cursor"),
            f("smoothing"),
            f("loss"),
            u("predicted"),
            f("probability"),
        ),
        Kernel::CrossEntropyBackward(s) => {
            cross_entropy_backward::run(s, f("x"), u("labels"), u("order"), u("cursor"), f("smoothing"))
        }
        Kernel::SgdUpdate(s, nesterov) => sgd_update::run(s, *nesterov, &update(), f("w"), f("v")),
        Kernel::AdamUpdate(s, decoupled) => adam_update::run(s, *decoupled, &update(), f("w"), f("m"), f("s")),
        Kernel::RmspropUpdate(s) => rmsprop_update::run(s, &update(), f("w"), f("v"), f("s")),
        Kernel::GradientNorm(s) => gradient_norm::run(s, f("grad")),
        Kernel::GradientClip(_) => gradient_clip::run(f("part"), f("limit")),
        Kernel::Advance(batch) => advance::run(*batch, u("cursor")),
    }
}
