//! The reference: a twin of every shader in plain Rust, with the same stem, and a player for whole plans.
//!
//! A twin computes in f64 and reads like the formula at the top of its shader. With each value it returns how far a
//! correct float32 implementation may be from it: the rounding-error bound of its sum, `n * 2^-24 * sum |terms|`, which
//! holds for any order of summation (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2).
//! `reference` does not depend on `gpu`; the two meet in `verify` and in the tests.

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

/// Contents of a buffer: floats held in f64, or integers.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    F(Vec<f64>),
    U(Vec<u32>),
}

impl Tensor {
    /// A tensor of zeros.
    pub fn zeros(element: Element, len: usize) -> Tensor {
        match element {
            Element::F32 => Tensor::F(vec![0.0; len]),
            Element::U32 => Tensor::U(vec![0; len]),
        }
    }

    /// Converts the bits of float32s to floats; integers are unchanged.
    pub fn from_bits(element: Element, bits: &[u32]) -> Tensor {
        match element {
            Element::F32 => Tensor::F(bits.iter().map(|&b| f32::from_bits(b) as f64).collect()),
            Element::U32 => Tensor::U(bits.to_vec()),
        }
    }

    /// Returns the bits of the nearest float32s; integers are unchanged.
    pub fn to_bits(&self) -> Vec<u32> {
        match self {
            Tensor::F(values) => values.iter().map(|&v| (v as f32).to_bits()).collect(),
            Tensor::U(values) => values.clone(),
        }
    }

    /// The floats.
    ///
    /// # Panics
    /// If it holds integers.
    pub fn floats(&self) -> &[f64] {
        match self {
            Tensor::F(values) => values,
            Tensor::U(_) => panic!("a tensor of whole numbers where floats were expected"),
        }
    }

    /// The integers.
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

/// Expected output of a kernel at one of its ports.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Values, each with an error bound.
    Near(Near),
    /// Exactly these integers.
    Exact(Vec<u32>),
    /// Index of the largest of each group of `group` candidates. If candidates are equal, it is the first; if rounding
    /// could have made several the largest, any of them is accepted.
    Largest { place: Vec<u32>, group: usize, candidates: Near },
}

impl Expected {
    /// The value with which the reference continues.
    pub fn tensor(&self) -> Tensor {
        match self {
            Expected::Near(near) => Tensor::F(near.value.clone()),
            Expected::Exact(values) => Tensor::U(values.clone()),
            Expected::Largest { place, .. } => Tensor::U(place.clone()),
        }
    }
}

/// Contents of a kernel's ports before it runs, by name.
pub struct Inputs<'f, 'a> {
    ports: &'f dyn Fn(&str) -> &'a Tensor,
}

impl<'a> Inputs<'_, 'a> {
    /// The floats of a port.
    ///
    /// # Panics
    /// If the port holds the other type.
    pub fn f(&self, port: &str) -> &'a [f64] {
        (self.ports)(port).floats()
    }

    /// The integers of a port.
    ///
    /// # Panics
    /// If the port holds the other type.
    pub fn u(&self, port: &str) -> &'a [u32] {
        (self.ports)(port).integers()
    }
}

/// A kernel's twin.
pub trait Twin {
    /// The expected contents of each port that the kernel writes, in port order.
    fn expected(&self, from: &Inputs) -> Vec<Expected>;
}

macro_rules! twins {
    ($($family:ident: $($stem:ident $kernel:ident),+;)+) => {
        $($(mod $stem;)+)+

        /// Runs the twin of a kernel: returns the expected contents of each port that it writes, in port order. `input`
        /// returns the contents of a port before the run.
        pub fn play<'a>(kernel: &Kernel, input: impl Fn(&str) -> &'a Tensor) -> Vec<Expected> {
            let from = Inputs { ports: &input };
            match kernel { $($(Kernel::$kernel(kernel) => kernel.expected(&from)),+),+ }
        }
    };
}
crate::each_kernel!(twins);

/// Runs the twin of a kernel with one tensor for each of its ports, in port order.
pub fn play_in_order(kernel: &Kernel, inputs: &[Tensor]) -> Vec<Expected> {
    let spec = kernel.spec();
    play(kernel, |name| {
        let at = spec.ports.iter().position(|port| port.name == name);
        &inputs[at.unwrap_or_else(|| panic!("{} has no port {name}", spec.stem))]
    })
}
