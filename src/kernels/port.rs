//! What a kernel is bound to, and what it costs.

/// The element type of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    U32,
}

/// What a kernel does with a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only reads it.
    Read,
    /// Writes every element, and reads none that it has not written.
    Overwrite,
    /// Changes some elements and leaves the others as they are.
    Update,
}

/// The values that a binding may hold: what a kernel believes, and what its cases draw from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Values {
    /// Any float, or any word.
    #[default]
    Any,
    /// Floats of an interval, where the formula is defined only there or means something only there.
    Within(f32, f32),
    /// Whole numbers below a bound: indices, labels.
    Below(u32),
    /// Three words: step, first row of the batch, rows of the epoch.
    Cursor,
    /// What [`Definition::given`](super::Definition::given) says.
    Given,
    /// Bounds of random changes of an image, as `augment_images` lists them.
    Augment,
}

/// One binding of a kernel: its name in the shader, its type, and how many elements it must hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Port {
    pub name: &'static str,
    pub element: Element,
    pub access: Access,
    pub len: usize,
    pub values: Values,
    /// Bytes that are read or written at least, for [`Cost`].
    pub(super) traffic: u64,
    /// Bound as a uniform, an array of vec4 in the shader.
    pub uniform: bool,
    /// Of no image, and so bound whole to a kernel that takes a part of a batch.
    pub(crate) whole: bool,
}

impl Port {
    /// Elements that must be bound: whole vectors of a uniform.
    pub fn bound(&self) -> usize {
        if self.uniform { self.len.next_multiple_of(4) } else { self.len }
    }

    /// Holds only these values.
    pub(crate) const fn of(mut self, values: Values) -> Port {
        self.values = values;
        self
    }

    /// Only so many bytes of it are read or written.
    pub(crate) const fn touching(mut self, bytes: u64) -> Port {
        self.traffic = bytes;
        self
    }
}

/// Elements of the largest uniform that WebGPU grants: 64 KiB.
pub const UNIFORM: usize = 1 << 14;

/// Elements of the cursor: step, start, total.
pub const CURSOR: usize = 3;

const fn port(name: &'static str, element: Element, access: Access, len: usize) -> Port {
    let times = if matches!(access, Access::Update) { 2 } else { 1 };
    let traffic = 4 * times * len as u64;
    Port { name, element, access, len, values: Values::Any, traffic, uniform: false, whole: false }
}

/// Only read, from a uniform.
pub(crate) const fn uniform(name: &'static str, element: Element, len: usize) -> Port {
    Port { uniform: true, whole: true, ..port(name, element, Access::Read, len) }
}

/// Only read: from a uniform by the text for software devices, from storage by that for GPUs.
pub(super) const fn gather(software: bool, name: &'static str, element: Element, len: usize) -> Port {
    Port { uniform: software, ..port(name, element, Access::Read, len) }
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

/// The epoch's images by their place in a set of so many, of which a batch reads its own.
pub(super) const fn order(rows: u32, set: u32, batch: u32) -> Port {
    read_u32("order", rows as usize).of(Values::Below(set)).touching(4 * batch as u64)
}

/// The least that a kernel's formula asks for.
///
/// Counted as floating-point operations are the multiplications and additions of sums of products, and those of an update.
/// Biases, activations, comparisons, exponentials and index arithmetic are not: they are few, or no arithmetic of the layer.
/// Counted as bytes are each input read once and each output written once, as if a cache held all of it; of a data set, only
/// the images of the batch. A batch that is cut into parts reads parameters, and reads and writes gradients, once for each
/// part: that traffic is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Every product of a convolution's gradients, also those with the zeros that max-pooling leaves.
    pub flops: u64,
    /// Without those: a pooled cell has one winner.
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
