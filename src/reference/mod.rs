//! The judge: a twin of every shader in plain Rust, of the same stem, and a player for whole plans.
//!
//! A twin computes in f64 and reads like the formula at the top of its shader. Beside each value it returns how far a
//! correct float32 implementation may be from it: the rounding-error bound of its sum, `n * 2^-24 * sum |terms|`, which
//! holds in any order of summation (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2).
//! `reference` knows nothing of `gpu`; the two meet in `verify` and in the tests.

#![deny(clippy::wildcard_enum_match_arm)]

mod activations;
mod hash;
mod player;
mod rounded;
mod sum;

pub use activations::activation_faults;
pub use augment_images::{Bounds, image_of};
use hash::hash;
pub use player::Player;
pub use rounded::Rounded;
pub use sum::{Near, Sum, UNIT};

use crate::kernels::{Element, Kernel};

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

/// What the ports of a kernel hold before it runs, by their names.
pub struct Inputs<'f, 'a> {
    ports: &'f dyn Fn(&str) -> &'a Tensor,
}

impl<'a> Inputs<'_, 'a> {
    /// The floats of a port.
    ///
    /// # Panics
    /// If it has none.
    pub fn f(&self, port: &str) -> &'a [f64] {
        (self.ports)(port).floats()
    }

    /// The whole numbers of a port.
    ///
    /// # Panics
    /// If it has none.
    pub fn u(&self, port: &str) -> &'a [u32] {
        (self.ports)(port).integers()
    }
}

/// A kernel's twin.
pub trait Twin {
    /// For each port that the kernel writes, in the order of the ports, what must be there.
    fn expected(&self, from: &Inputs) -> Vec<Expected>;
}

macro_rules! twins {
    ($($family:ident: $($stem:ident $kernel:ident),+;)+) => {
        $($(mod $stem;)+)+

        /// The twin of a kernel, applied: for each port that it writes, in the order of the ports, what must be there.
        /// `input` gives what a port holds before.
        pub fn play<'a>(kernel: &Kernel, input: impl Fn(&str) -> &'a Tensor) -> Vec<Expected> {
            let from = Inputs { ports: &input };
            match kernel { $($(Kernel::$kernel(kernel) => kernel.expected(&from)),+),+ }
        }
    };
}
crate::each_kernel!(twins);

/// The twin of a kernel, applied to one tensor for each of its ports, in their order.
pub fn play_in_order(kernel: &Kernel, inputs: &[Tensor]) -> Vec<Expected> {
    let spec = kernel.spec();
    play(kernel, |name| {
        let at = spec.ports.iter().position(|port| port.name == name);
        &inputs[at.unwrap_or_else(|| panic!("{} has no port {name}", spec.stem))]
    })
}
