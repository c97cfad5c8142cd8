//! Bindings and cost of a kernel.

use serde::{Deserialize, Serialize};

/// The element type of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    F32,
    U32,
}

/// What a kernel does with a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only reads it.
    Read,
    /// Writes every element, and reads only elements that it has written.
    Overwrite,
    /// Changes some elements and leaves the others unchanged.
    Update,
}

/// Values that a binding may hold: the kernel relies on them, and its test cases draw from them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Values {
    /// Any float, or any word.
    #[default]
    Any,
    /// Floats in an interval, if the formula is defined or meaningful only there.
    Within(f32, f32),
    /// Integers below a bound, such as indices and labels.
    Below(u32),
    /// Three words: step, first row of the batch, rows of the epoch.
    Cursor,
    /// The contents returned by [`Definition::given`](super::Definition::given).
    Given,
    /// Bounds of the random augmentation, as listed in `augment_images`.
    Augment,
}

/// A binding of a kernel: its name in the shader, its type, and its minimum number of elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Port {
    pub name: &'static str,
    pub element: Element,
    pub access: Access,
    pub len: usize,
    pub values: Values,
    /// Minimum number of bytes read or written, for [`Cost`].
    pub(super) traffic: u64,
    /// Bound as a uniform, an array of vec4 in the shader.
    pub uniform: bool,
    /// Not stored per image, and therefore bound whole to a kernel that processes part of a batch.
    pub(crate) whole: bool,
}

impl Port {
    /// Number of elements that must be bound; a uniform is rounded up to whole vectors.
    pub fn bound(&self) -> usize {
        if self.uniform { self.len.next_multiple_of(4) } else { self.len }
    }

    /// Restricts the port to these values.
    pub(crate) const fn of(mut self, values: Values) -> Port {
        self.values = values;
        self
    }

    /// Sets the number of bytes read or written.
    pub(crate) const fn touching(mut self, bytes: u64) -> Port {
        self.traffic = bytes;
        self
    }
}

/// Elements of the largest uniform that WebGPU guarantees: 64 KiB.
pub const UNIFORM: usize = 1 << 14;

/// Elements of the cursor: step, start, total.
pub const CURSOR: usize = 3;

const fn port(name: &'static str, element: Element, access: Access, len: usize) -> Port {
    let times = if matches!(access, Access::Update) { 2 } else { 1 };
    let traffic = 4 * times * len as u64;
    Port { name, element, access, len, values: Values::Any, traffic, uniform: false, whole: false }
}

/// A read-only uniform.
pub(crate) const fn uniform(name: &'static str, element: Element, len: usize) -> Port {
    Port { uniform: true, whole: true, ..port(name, element, Access::Read, len) }
}

/// A read-only port: a uniform in the shader for software devices, a storage buffer in the one for GPUs.
pub(super) const fn gather(software: bool, name: &'static str, element: Element, len: usize) -> Port {
    Port { uniform: software, ..port(name, element, Access::Read, len) }
}

/// Gradients of weights and biases. A software device may sum over parts of a batch, so its shader also reads the sums
/// of earlier parts, or zeros.
pub(super) fn sums(software: bool, [dw, db]: [usize; 2]) -> Vec<Port> {
    let mut ports = if software { vec![read("dw_in", dw), read("db_in", db)] } else { Vec::new() };
    ports.extend([write("dw", dw), write("db", db)]);
    ports
}

pub(crate) const fn read(name: &'static str, len: usize) -> Port {
    port(name, Element::F32, Access::Read, len)
}

pub(crate) const fn read_u32(name: &'static str, len: usize) -> Port {
    port(name, Element::U32, Access::Read, len)
}

pub(super) const fn write(name: &'static str, len: usize) -> Port {
    port(name, Element::F32, Access::Overwrite, len)
}

pub(super) const fn write_u32(name: &'static str, len: usize) -> Port {
    port(name, Element::U32, Access::Overwrite, len)
}

pub(crate) const fn update(name: &'static str, len: usize) -> Port {
    port(name, Element::F32, Access::Update, len)
}

pub(super) const fn update_u32(name: &'static str, len: usize) -> Port {
    port(name, Element::U32, Access::Update, len)
}

/// The cursor.
pub(super) const fn cursor() -> Port {
    read_u32("cursor", CURSOR).of(Values::Cursor)
}

/// The order of an epoch: `rows` indices into a data set of `set` images. A batch reads only its own.
pub(super) const fn order(rows: u32, set: u32, batch: u32) -> Port {
    read_u32("order", rows as usize).of(Values::Below(set)).touching(4 * batch as u64)
}

/// Minimum cost of a kernel's formula.
///
/// Floating-point operations are the multiplications and additions of sums of products and of updates. Biases,
/// activations, comparisons, exponentials and index arithmetic are not counted: they are few, or not part of the
/// layer's arithmetic. For bytes, each input is read once and each output written once, as if a cache held all of it;
/// of a data set, only the images of the batch count. A batch that is cut into parts reads parameters, and reads and
/// writes gradients, once per part; this traffic is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// All products of a convolution's gradients, including those with the zeros of max-pooling.
    pub flops: u64,
    /// Without products with those zeros: a pooled cell has one winner.
    pub sparse_flops: u64,
    pub bytes: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.flops += other.flops;
        self.sparse_flops += other.sparse_flops;
        self.bytes += other.bytes;
    }
}

/// Tensors start at multiples of this many elements: 256 bytes, the alignment of a binding.
pub const ALIGN: usize = 64;
