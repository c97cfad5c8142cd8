//! The kernels: for each one its shader, its sizes, what it reads and writes, and how it is dispatched.
//!
//! # Adding a kernel
//! A kernel is four places with one stem, and nothing else:
//! 1. `shaders/<stem>.wgsl`: complete WGSL, with example values in its lower-case `const` lines; the loader puts the
//!    plan's values there ([`crate::plan::shader::specialise`]);
//! 2. `src/reference/<stem>.rs`: its twin, plain loops in f64, named in `reference::play`;
//! 3. a variant and a match arm here, and its cases in `src/verify/cases.rs`;
//! 4. `tests/kernels/<stem>.rs`: a worked example; `tests/mutations.rs`: three faults that its cases must catch.
//!
//! # Registers
//! A private array lies in registers only where every index is a constant once loops are unrolled; otherwise it lies in
//! memory, and costs a software device ten times its arithmetic. A loop over the whole of an array, whose variable is the
//! index itself, is unrolled however long its body (Mesa's `nir_loop_analyze`: the trip count is the array's length). So
//! sums are nested arrays, `array<array<f32, WIDTH>, tile>`, with a loop for each dimension, not one flat array with
//! computed places.

use super::Tiles;

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

/// One binding of a kernel: its name in the shader, its type, and how many elements it must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: &'static str,
    pub element: Element,
    pub access: Access,
    pub len: usize,
    /// An array of vec4 in the shader, because it may be a uniform.
    vectors: bool,
    /// Bound as a uniform: what every invocation of a workgroup reads at the same place, such as a convolution's weights,
    /// since GPUs keep uniforms in a cache of their own; and everything that fits, where the tile table says so.
    pub uniform: bool,
    /// Of no image, and so bound whole to a kernel that takes a part of a batch.
    pub(super) whole: bool,
}

impl Port {
    /// Elements that must be bound: whole vectors of an array of vectors, also where it is too large for a uniform.
    pub fn bound(&self) -> usize {
        if self.vectors { self.len.next_multiple_of(4) } else { self.len }
    }
}

/// Elements of the largest uniform that WebGPU grants: 64 KiB. Larger tensors are bound as storage.
pub const UNIFORM: usize = 1 << 14;

/// Everything about a kernel that depends on its sizes.
pub struct Spec {
    pub stem: &'static str,
    /// The shader as it lies in `shaders/`.
    pub wgsl: &'static str,
    /// Values for every lower-case `const` of the shader.
    pub constants: Vec<(&'static str, u32)>,
    pub ports: Vec<Port>,
    pub workgroups: [u32; 3],
}

/// An activation that a kernel applies to its result, or whose derivative it applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Activation {
    #[default]
    None = 0,
    Relu = 1,
    Sigmoid = 2,
}

/// Sizes of `load_images`. `batch` counts the rows that are written, `set` the images of the data set, `rows` those of an
/// epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadShape {
    pub batch: u32,
    pub pixels: u32,
    pub set: u32,
    pub rows: u32,
}

/// Sizes of `augment_images`, as in [`LoadShape`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AugmentShape {
    pub batch: u32,
    pub height: u32,
    pub width: u32,
    pub set: u32,
    pub rows: u32,
}

/// Sizes of `dropout`: values of a batch, how many of a hundred are left out, and a number that tells layers apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutShape {
    pub count: u32,
    pub percent: u32,
    pub layer: u32,
}

/// Sizes of batch normalisation: x (padded, channels, pixels), of which the first `batch` rows may be images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormShape {
    pub batch: u32,
    pub padded: u32,
    pub channels: u32,
    pub pixels: u32,
    /// Applied to the result of a forward pass.
    pub activation: Activation,
    /// What made x: a backward pass multiplies dx with its derivative.
    pub activation_in: Activation,
}

/// Sizes of `load_features`: `len` features of an image; the others as in [`LoadShape`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureShape {
    pub batch: u32,
    pub len: u32,
    pub set: u32,
    pub rows: u32,
}

/// Sizes of a convolution: x (batch, c_in, h_in, w_in), w (c_out, c_in, k, k), y (batch, c_out, h_in-k+1, w_in-k+1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvShape {
    pub batch: u32,
    pub c_in: u32,
    pub h_in: u32,
    pub w_in: u32,
    pub c_out: u32,
    pub k: u32,
    /// Applied to the result of a forward pass.
    pub activation: Activation,
    /// What made x: a backward pass multiplies dx with its derivative.
    pub activation_in: Activation,
}

/// Sizes of a convolution followed by max-pooling of `pool` x `pool` cells, and by `conv.activation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvPoolShape {
    pub conv: ConvShape,
    pub pool: u32,
}

/// Sizes of max-pooling: x (planes, h_in, w_in), y (planes, h_in/pool, w_in/pool).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolShape {
    pub planes: u32,
    pub h_in: u32,
    pub w_in: u32,
    pub pool: u32,
}

/// Sizes of an activation by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationShape {
    pub count: u32,
    pub activation: Activation,
}

/// Sizes of a fully connected layer: x (batch, c_in), w (c_out, c_in), y (batch, c_out).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FcShape {
    pub batch: u32,
    pub c_in: u32,
    pub c_out: u32,
    pub activation: Activation,
    pub activation_in: Activation,
}

/// Sizes of softmax cross-entropy. `padded` is the number of rows of the logits, of which the first `batch` are images;
/// `set` is the number of images in the data set, `rows` that of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossShape {
    pub batch: u32,
    pub padded: u32,
    pub classes: u32,
    pub set: u32,
    pub rows: u32,
}

/// One tensor that an update changes: where it starts in the arena and in the gradients, in elements. The slices of its
/// gradient lie one behind the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub start: u32,
    pub len: u32,
    pub grad: u32,
    pub slices: u32,
    /// What the step's learning rate is multiplied by.
    pub rate: f32,
}

impl Range {
    /// Where a slice of the gradient starts.
    pub fn slice(&self, slice: u32) -> u32 {
        self.grad + slice * self.len
    }
}

/// Words of a row of the update's table: a whole number of vectors.
pub const ROW: usize = 8;

/// What an update changes, how large the arenas are, images in a batch and batches in an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateShape {
    pub ranges: Vec<Range>,
    pub parameters: u32,
    pub gradients: u32,
    pub batch: u32,
    pub steps: u32,
}

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
            Optimizer::Sgd { nesterov } => Kernel::SgdUpdate(shape, nesterov),
            Optimizer::Adam { decoupled } => Kernel::AdamUpdate(shape, decoupled),
            Optimizer::Rmsprop => Kernel::RmspropUpdate(shape),
        }
    }

    /// What it remembers of each parameter: the buffers that its kernel updates after the parameters, in their order.
    pub fn states(self) -> &'static [&'static str] {
        match self {
            Optimizer::Sgd { .. } => &[super::names::MOMENTUM],
            Optimizer::Adam { .. } | Optimizer::Rmsprop => &[super::names::MOMENTUM, super::names::SQUARE],
        }
    }
}

/// A kernel with its sizes. `slices` is the number of parts in which a weight gradient sums the batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Kernel {
    LoadImages(LoadShape, Tiles),
    AugmentImages(AugmentShape, Tiles),
    LoadFeatures(FeatureShape, Tiles),
    ConvForward(ConvShape, Tiles),
    ConvBackwardInput(ConvShape, Tiles),
    ConvBackwardWeight(ConvShape, u32),
    ConvPoolForward(ConvPoolShape, Tiles),
    ConvPoolBackwardInput(ConvPoolShape, Tiles),
    ConvPoolBackwardWeight(ConvPoolShape, u32, Tiles),
    MaxPoolForward(PoolShape),
    MaxPoolBackward(PoolShape),
    ActivationForward(ActivationShape),
    ActivationBackward(ActivationShape),
    FcForward(FcShape, Tiles),
    FcBackwardInput(FcShape, Tiles),
    FcBackwardWeight(FcShape, u32, Tiles),
    Dropout(DropoutShape),
    BatchNormStatistics(NormShape, Tiles),
    BatchNormForward(NormShape, Tiles),
    BatchNormBackwardInput(NormShape, Tiles),
    BatchNormBackwardWeight(NormShape, Tiles),
    CrossEntropyForward(LossShape),
    CrossEntropyBackward(LossShape),
    DistillationBackward(LossShape),
    /// With Nesterov's momentum or without.
    SgdUpdate(UpdateShape, bool),
    /// Decoupled or not.
    AdamUpdate(UpdateShape, bool),
    RmspropUpdate(UpdateShape),
    GradientNorm(UpdateShape),
    /// The workgroups of a [`Kernel::GradientNorm`].
    GradientClip(u32),
    /// The batch size.
    Advance(u32),
}

impl ConvShape {
    pub fn h_out(&self) -> u32 {
        self.h_in - self.k + 1
    }
    pub fn w_out(&self) -> u32 {
        self.w_in - self.k + 1
    }
    /// Elements of x, w and y.
    pub fn lens(&self) -> (usize, usize, usize) {
        (
            size([self.batch, self.c_in, self.h_in, self.w_in]),
            size([self.c_out, self.c_in, self.k, self.k]),
            size([self.batch, self.c_out, self.h_out(), self.w_out()]),
        )
    }
}

impl ConvPoolShape {
    /// Height of the pooled map.
    pub fn h_out(&self) -> u32 {
        self.conv.h_out() / self.pool
    }
    /// Width of the pooled map.
    pub fn w_out(&self) -> u32 {
        self.conv.w_out() / self.pool
    }
    /// Elements of an image in x and in y.
    pub fn image(&self) -> [u32; 2] {
        let s = &self.conv;
        [s.c_in * s.h_in * s.w_in, s.c_out * self.h_out() * self.w_out()]
    }
    /// Rows and columns of pool x pool blocks that cover x, the last of them perhaps in part.
    pub fn blocks(&self) -> (u32, u32) {
        (self.conv.h_in.div_ceil(self.pool), self.conv.w_in.div_ceil(self.pool))
    }
    /// Elements of x, w and the pooled y.
    pub fn lens(&self) -> (usize, usize, usize) {
        let (x, w, _) = self.conv.lens();
        (x, w, size([self.conv.batch, self.conv.c_out, self.h_out(), self.w_out()]))
    }
}

impl PoolShape {
    pub fn h_out(&self) -> u32 {
        self.h_in / self.pool
    }
    pub fn w_out(&self) -> u32 {
        self.w_in / self.pool
    }
    /// Elements of x and y.
    pub fn lens(&self) -> (usize, usize) {
        (size([self.planes, self.h_in, self.w_in]), size([self.planes, self.h_out(), self.w_out()]))
    }
}

impl UpdateShape {
    /// A row for each workgroup: where its elements start in the parameters and how many they are, where they start in the
    /// gradient, how long a slice of that is, how many there are, and the bits of the factor of the learning rate.
    pub fn table(&self) -> Vec<u32> {
        let rows = self.ranges.iter().flat_map(|r| {
            (0..r.len).step_by(WORKGROUP as usize).map(|at| {
                let count = (r.len - at).min(WORKGROUP);
                [r.start + at, count, r.grad + at, r.len, r.slices, r.rate.to_bits(), 0, 0]
            })
        });
        rows.flatten().collect()
    }

    /// Workgroups: one for each row of the table.
    pub fn groups(&self) -> u32 {
        self.ranges.iter().map(|r| groups(r.len.into())).sum()
    }

    /// Slices of the gradient that has most of them.
    fn most_slices(&self) -> u64 {
        self.ranges.iter().map(|range| range.slices.into()).max().unwrap_or(0)
    }

    /// The same, in rows.
    fn workgroups(&self) -> [u32; 3] {
        [self.groups().min(UPDATE_ROW), self.groups().div_ceil(UPDATE_ROW), 1]
    }

    fn constants(&self) -> Vec<(&'static str, u32)> {
        vec![("groups", self.groups()), ("row", UPDATE_ROW), ("batch", self.batch), ("steps", self.steps)]
    }

    fn table_port(&self) -> Port {
        uniform("table", Element::U32, ROW * self.groups() as usize)
    }

    /// What an update reads, the parameters, and what it remembers of each.
    fn ports(&self, states: &[&'static str]) -> Vec<Port> {
        let parameters = self.parameters as usize;
        let mut ports = vec![
            read("grad", self.gradients as usize),
            self.table_port(),
            uniform("cursor", Element::U32, CURSOR),
            uniform("rates", Element::F32, 4 * self.steps as usize),
            uniform("clip", Element::F32, 1),
            uniform("hyper", Element::F32, HYPER),
            update("w", parameters),
        ];
        ports.extend(states.iter().map(|state| update(state, parameters)));
        ports
    }
}

impl NormShape {
    /// Elements of x.
    pub fn elements(&self) -> usize {
        size([self.padded, self.channels, self.pixels])
    }

    /// Values of a channel.
    fn values(&self) -> u64 {
        product([self.padded, self.pixels])
    }

    /// What each channel has.
    fn of_channel(&self, names: &[&'static str]) -> Vec<Port> {
        names.iter().map(|name| uniform(name, Element::F32, self.channels as usize)).collect()
    }
}

impl LossShape {
    /// Elements of the logits, padding included.
    pub fn logits(&self) -> usize {
        size([self.padded, self.classes])
    }
}

/// The workgroup size of the kernels that have no tiles; the shaders say so themselves as `WG`.
pub const WORKGROUP: u32 = 64;

/// Workgroups of an update in one row of its dispatch; a large network takes several rows.
const UPDATE_ROW: u32 = 1 << 15;

/// Elements of the cursor: step, start, total.
pub const CURSOR: usize = 3;

/// Bounds of random changes of images, gaps included.
pub const AUGMENT: usize = 12;

/// Elements of an optimizer's constants, gaps included.
pub const HYPER: usize = 8;

fn size<const N: usize>(dims: [u32; N]) -> usize {
    dims.iter().map(|&d| d as usize).product()
}

/// Workgroups for this many invocations in x.
fn groups(invocations: u64) -> u32 {
    groups_of(WORKGROUP, invocations)
}

/// Workgroups of a size for this many invocations in x.
pub(super) fn groups_of(workgroup: u32, invocations: u64) -> u32 {
    invocations.div_ceil(workgroup.into()).try_into().unwrap_or(u32::MAX)
}

fn product<const N: usize>(dims: [u32; N]) -> u64 {
    dims.iter().map(|&d| d as u64).product()
}

const fn port(name: &'static str, element: Element, access: Access, len: usize) -> Port {
    Port { name, element, access, len, vectors: false, uniform: false, whole: false }
}
/// Only read, at the same place by all invocations of a workgroup.
const fn uniform(name: &'static str, element: Element, len: usize) -> Port {
    Port { name, element, access: Access::Read, len, vectors: true, uniform: len <= UNIFORM, whole: true }
}
/// Only read, at places that differ from invocation to invocation.
fn gather(tiles: &Tiles, name: &'static str, element: Element, len: usize) -> Port {
    Port { whole: false, uniform: tiles.gathers && len <= UNIFORM, ..uniform(name, element, len) }
}
const fn read(name: &'static str, len: usize) -> Port {
    port(name, Element::F32, Access::Read, len)
}
const fn read_u32(name: &'static str, len: usize) -> Port {
    port(name, Element::U32, Access::Read, len)
}
const fn write(name: &'static str, len: usize) -> Port {
    port(name, Element::F32, Access::Overwrite, len)
}
const fn write_u32(name: &'static str, len: usize) -> Port {
    port(name, Element::U32, Access::Overwrite, len)
}
const fn update(name: &'static str, len: usize) -> Port {
    port(name, Element::F32, Access::Update, len)
}
const fn update_u32(name: &'static str, len: usize) -> Port {
    port(name, Element::U32, Access::Update, len)
}

/// How often an invocation may go through loops, in all. llvmpipe leaves a loop after 65,535 iterations, whatever is left to do
/// (`LP_MAX_TGSI_LOOP_ITERATIONS` in Mesa), and says nothing; and no device is fast where so much is done in one row.
pub const MOST_ITERATIONS: u32 = 65_535;

macro_rules! shader {
    ($stem:literal) => {
        ($stem, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $stem, ".wgsl")))
    };
}

macro_rules! constants {
    ($($shape:expr => $($field:ident),+);+ $(, @$name:ident = $value:expr)*) => {
        vec![$($((stringify!($field), $shape.$field as u32)),+),+ $(, (stringify!($name), $value))*]
    };
}

impl Kernel {
    /// The kernel's name: that of its shader, its twin and its test.
    pub fn stem(&self) -> &'static str {
        self.spec().stem
    }

    /// How often an invocation goes through the loops that compilers do not unroll, at most.
    pub fn iterations(&self) -> u64 {
        let halvings = 16;
        match self {
            Kernel::LoadImages(_, tiles) | Kernel::AugmentImages(_, tiles) => tiles.load_p.into(),
            Kernel::LoadFeatures(s, tiles) => tiles.load_i(s.len).into(),
            Kernel::ConvForward(s, _) => product([s.c_in, s.k, s.k + 2]),
            Kernel::ConvBackwardInput(s, _) => product([s.c_out, s.k, s.k + 2]),
            Kernel::ConvBackwardWeight(s, slices) => product([s.batch.div_ceil(*slices), s.h_out(), s.w_out() + 2]),
            Kernel::ConvPoolForward(s, _) => s.conv.c_in.into(),
            Kernel::ConvPoolBackwardInput(s, _) => s.conv.c_out.into(),
            Kernel::ConvPoolBackwardWeight(s, slices, _) => {
                product([(s.conv.batch * s.h_out()).div_ceil(*slices), s.w_out() + 1])
            }
            Kernel::MaxPoolForward(s) => product([s.pool, s.pool + 1]),
            Kernel::FcForward(s, tiles) => (s.c_in / tiles.fc_terms(s.c_in)).into(),
            Kernel::FcBackwardInput(s, tiles) => (s.c_out / tiles.fc_terms(s.c_out)).into(),
            Kernel::FcBackwardWeight(s, slices, tiles) => {
                product([s.batch.div_ceil(*slices), tiles.fc_weight_o(s.c_out) + 1])
            }
            Kernel::BatchNormStatistics(s, tiles) => {
                2 * (s.values().div_ceil(tiles.norm_lanes(s.values()).into()) + halvings)
            }
            Kernel::BatchNormBackwardWeight(s, tiles) => {
                s.values().div_ceil(tiles.norm_lanes(s.values()).into()) + halvings
            }
            Kernel::BatchNormForward(s, tiles) | Kernel::BatchNormBackwardInput(s, tiles) => {
                tiles.norm_p(s.pixels).into()
            }
            Kernel::CrossEntropyForward(s) | Kernel::CrossEntropyBackward(s) => 4 * u64::from(s.classes),
            Kernel::DistillationBackward(s) => 8 * u64::from(s.classes),
            Kernel::SgdUpdate(s, _) | Kernel::AdamUpdate(s, _) => s.most_slices(),
            Kernel::RmspropUpdate(s) | Kernel::GradientNorm(s) => s.most_slices() + halvings,
            Kernel::GradientClip(groups) => u64::from(groups.div_ceil(WORKGROUP)) + halvings,
            Kernel::MaxPoolBackward(_)
            | Kernel::ActivationForward(_)
            | Kernel::ActivationBackward(_)
            | Kernel::Dropout(_)
            | Kernel::Advance(_) => 0,
        }
    }

    /// Everything about the kernel that follows from its sizes.
    pub fn spec(&self) -> Spec {
        let ((stem, wgsl), constants, ports, workgroups) = match self {
            Kernel::LoadImages(s, tiles) => (
                shader!("load_images"),
                constants![s => pixels, @tile_p = tiles.load_p, @wg = tiles.workgroup],
                vec![
                    read_u32("images", (s.set as usize * s.pixels as usize).div_ceil(4)),
                    read_u32("order", s.rows as usize),
                    read_u32("cursor", CURSOR),
                    uniform("table", Element::F32, 256),
                    write("y", size([s.batch, s.pixels])),
                ],
                [tiles.groups(s.pixels.div_ceil(tiles.load_p).into()), s.batch, 1],
            ),
            Kernel::AugmentImages(s, tiles) => {
                let pixels = s.height * s.width;
                (
                    shader!("augment_images"),
                    constants![s => height, width, @tile_p = tiles.load_p, @wg = tiles.workgroup],
                    vec![
                        read_u32("images", (s.set as usize * pixels as usize).div_ceil(4)),
                        read_u32("order", s.rows as usize),
                        read_u32("places", s.rows as usize),
                        read_u32("cursor", CURSOR),
                        uniform("table", Element::F32, 256),
                        uniform("augment", Element::U32, AUGMENT),
                        write("y", size([s.batch, pixels])),
                    ],
                    [tiles.groups(pixels.div_ceil(tiles.load_p).into()), s.batch, 1],
                )
            }
            Kernel::LoadFeatures(s, tiles) => {
                let tile_i = tiles.load_i(s.len);
                (
                    shader!("load_features"),
                    constants![s => len, @tile_i = tile_i, @wg = tiles.workgroup],
                    vec![
                        read("features", size([s.set, s.len])),
                        read_u32("order", s.rows as usize),
                        read_u32("cursor", CURSOR),
                        write("y", size([s.batch, s.len])),
                    ],
                    [tiles.groups((s.len / tile_i).into()), s.batch, 1],
                )
            }
            Kernel::ConvForward(s, tiles) => {
                let (x, w, y) = s.lens();
                let tile_o = tiles.conv_o(s.c_out);
                (
                    shader!("conv_forward"),
                    constants![s => batch, c_in, h_in, w_in, c_out, k, activation, @tile_o = tile_o],
                    vec![read("x", x), read("w", w), read("b", s.c_out as usize), write("y", y)],
                    [groups(product([s.batch, s.h_out(), s.w_out()])), s.c_out / tile_o, 1],
                )
            }
            Kernel::ConvBackwardInput(s, tiles) => {
                let (x, w, y) = s.lens();
                let tile_c = tiles.conv_c(s.c_in);
                (
                    shader!("conv_backward_input"),
                    constants![s => batch, c_in, h_in, w_in, c_out, k, activation_in, @tile_c = tile_c],
                    vec![read("dy", y), read("w", w), read("x", x), write("dx", x)],
                    [groups(product([s.batch, s.h_in, s.w_in])), s.c_in / tile_c, 1],
                )
            }
            Kernel::ConvBackwardWeight(s, slices) => {
                let (x, w, y) = s.lens();
                (
                    shader!("conv_backward_weight"),
                    constants![s => batch, c_in, h_in, w_in, c_out, k, @slices = *slices],
                    vec![
                        read("dy", y),
                        read("x", x),
                        write("dw", w * *slices as usize),
                        write("db", size([*slices, s.c_out])),
                    ],
                    [groups(product([s.c_out, s.c_in, s.k])), *slices, 1],
                )
            }
            Kernel::ConvPoolForward(s, tiles) => {
                let (x, w, y) = s.lens();
                let (tile_o, tile_i, tile_j) = tiles.conv_pool_forward(s);
                (
                    shader!("conv_pool_forward"),
                    constants![
                        s.conv => batch, c_in, h_in, w_in, c_out, k, activation;
                        s => pool, @tile_o = tile_o, @tile_i = tile_i, @tile_j = tile_j, @wg = tiles.workgroup
                    ],
                    vec![
                        gather(tiles, "x", Element::F32, x),
                        uniform("w", Element::F32, w),
                        uniform("b", Element::F32, s.conv.c_out as usize),
                        write("y", y),
                        write_u32("winner", y),
                    ],
                    [
                        tiles.groups(product([s.conv.batch, s.h_out() / tile_i, s.w_out() / tile_j])),
                        s.conv.c_out / tile_o,
                        1,
                    ],
                )
            }
            Kernel::ConvPoolBackwardInput(s, tiles) => {
                let (x, w, y) = s.lens();
                let (h_blocks, w_blocks) = s.blocks();
                let (tile_c, tile_i, tile_j) = tiles.conv_pool_backward_input(s);
                (
                    shader!("conv_pool_backward_input"),
                    constants![
                        s.conv => batch, c_in, h_in, w_in, c_out, k, activation_in;
                        s => pool, @tile_c = tile_c, @tile_i = tile_i, @tile_j = tile_j, @wg = tiles.workgroup
                    ],
                    vec![
                        gather(tiles, "dy", Element::F32, y),
                        gather(tiles, "winner", Element::U32, y),
                        uniform("w", Element::F32, w),
                        gather(tiles, "x", Element::F32, x),
                        write("dx", x),
                    ],
                    [
                        tiles.groups(product([s.conv.batch, h_blocks / tile_i, w_blocks / tile_j])),
                        s.conv.c_in / tile_c,
                        1,
                    ],
                )
            }
            Kernel::ConvPoolBackwardWeight(s, slices, tiles) => {
                let (x, w, y) = s.lens();
                let tile_o = tiles.conv_pool_backward_weight(s);
                (
                    shader!("conv_pool_backward_weight"),
                    constants![
                        s.conv => batch, c_in, h_in, w_in, c_out, k;
                        s => pool, @slices = *slices, @tile_o = tile_o, @wg = tiles.workgroup
                    ],
                    vec![
                        gather(tiles, "dy", Element::F32, y),
                        gather(tiles, "winner", Element::U32, y),
                        gather(tiles, "x", Element::F32, x),
                        gather(tiles, "dw_in", Element::F32, w * *slices as usize),
                        gather(tiles, "db_in", Element::F32, size([*slices, s.conv.c_out])),
                        write("dw", w * *slices as usize),
                        write("db", size([*slices, s.conv.c_out])),
                    ],
                    [tiles.groups(product([*slices, s.conv.c_in, s.conv.c_out / tile_o])), 1, 1],
                )
            }
            Kernel::MaxPoolForward(s) => {
                let (x, y) = s.lens();
                (
                    shader!("max_pool_forward"),
                    constants![s => planes, h_in, w_in, pool],
                    vec![read("x", x), write("y", y), write_u32("winner", y)],
                    [groups(y as u64), 1, 1],
                )
            }
            Kernel::MaxPoolBackward(s) => {
                let (x, y) = s.lens();
                (
                    shader!("max_pool_backward"),
                    constants![s => planes, h_in, w_in, pool],
                    vec![read("dy", y), read_u32("winner", y), write("dx", x)],
                    [groups(x as u64), 1, 1],
                )
            }
            Kernel::ActivationForward(s) => (
                shader!("activation_forward"),
                constants![s => count, activation],
                vec![read("x", s.count as usize), write("y", s.count as usize)],
                [groups(s.count.into()), 1, 1],
            ),
            Kernel::ActivationBackward(s) => (
                shader!("activation_backward"),
                constants![s => count, activation],
                vec![read("dy", s.count as usize), read("y", s.count as usize), write("dx", s.count as usize)],
                [groups(s.count.into()), 1, 1],
            ),
            Kernel::FcForward(s, tiles) => {
                let (tile_n, tile_o) = (tiles.fc_n(s.batch), tiles.fc_o(s.c_out));
                (
                    shader!("fc_forward"),
                    constants![s => batch, c_in, c_out, activation, @tile_n = tile_n, @tile_o = tile_o, @tile_i = tiles.fc_terms(s.c_in), @wg = tiles.workgroup],
                    vec![
                        gather(tiles, "x", Element::F32, size([s.batch, s.c_in])),
                        gather(tiles, "w", Element::F32, size([s.c_out, s.c_in])),
                        gather(tiles, "b", Element::F32, s.c_out as usize),
                        write("y", size([s.batch, s.c_out])),
                    ],
                    [tiles.groups(product([s.batch.div_ceil(tile_n), s.c_out / tile_o])), 1, 1],
                )
            }
            Kernel::FcBackwardInput(s, tiles) => {
                let (tile_n, tile_i) = (tiles.fc_n(s.batch), tiles.fc_i(s.c_in));
                (
                    shader!("fc_backward_input"),
                    constants![s => batch, c_in, c_out, activation_in, @tile_n = tile_n, @tile_i = tile_i, @tile_o = tiles.fc_terms(s.c_out), @wg = tiles.workgroup],
                    vec![
                        gather(tiles, "dy", Element::F32, size([s.batch, s.c_out])),
                        gather(tiles, "w", Element::F32, size([s.c_out, s.c_in])),
                        gather(tiles, "x", Element::F32, size([s.batch, s.c_in])),
                        write("dx", size([s.batch, s.c_in])),
                    ],
                    [tiles.groups(product([s.batch.div_ceil(tile_n), s.c_in / tile_i])), 1, 1],
                )
            }
            Kernel::FcBackwardWeight(s, slices, tiles) => {
                let (tile_o, tile_i) = (tiles.fc_weight_o(s.c_out), tiles.fc_i(s.c_in));
                (
                    shader!("fc_backward_weight"),
                    constants![s => batch, c_in, c_out, @slices = *slices, @tile_o = tile_o, @tile_i = tile_i, @tile_n = tiles.fc_terms(s.batch.div_ceil(*slices)), @wg = tiles.workgroup],
                    vec![
                        gather(tiles, "dy", Element::F32, size([s.batch, s.c_out])),
                        gather(tiles, "x", Element::F32, size([s.batch, s.c_in])),
                        gather(tiles, "dw_in", Element::F32, size([*slices, s.c_out, s.c_in])),
                        gather(tiles, "db_in", Element::F32, size([*slices, s.c_out])),
                        write("dw", size([*slices, s.c_out, s.c_in])),
                        write("db", size([*slices, s.c_out])),
                    ],
                    [tiles.groups(product([s.c_in / tile_i, s.c_out / tile_o])), *slices, 1],
                )
            }
            Kernel::Dropout(s) => (
                shader!("dropout"),
                constants![s => count, percent, layer],
                vec![
                    read("x", s.count as usize),
                    read_u32("cursor", CURSOR),
                    uniform("seed", Element::U32, 1),
                    write("y", s.count as usize),
                ],
                [groups(s.count.into()), 1, 1],
            ),
            Kernel::BatchNormStatistics(s, tiles) => {
                let channels = s.channels as usize;
                (
                    shader!("batch_norm_statistics"),
                    constants![s => batch, channels, pixels, @wg = tiles.norm_lanes(s.values())],
                    vec![
                        read("x", s.elements()),
                        read_u32("cursor", CURSOR),
                        update("running_mean", channels),
                        update("running_var", channels),
                        write("mean", channels),
                        write("variance", channels),
                    ],
                    [s.channels, 1, 1],
                )
            }
            Kernel::BatchNormForward(s, tiles) => {
                let tile_p = tiles.norm_p(s.pixels);
                let ports = [
                    vec![gather(tiles, "x", Element::F32, s.elements())],
                    s.of_channel(&["w", "b", "mean", "variance"]),
                    vec![write("y", s.elements())],
                ];
                (
                    shader!("batch_norm_forward"),
                    constants![s => channels, pixels, activation, @batch = s.padded, @tile_p = tile_p, @wg = tiles.workgroup],
                    ports.concat(),
                    [tiles.groups(product([s.padded, s.channels, s.pixels / tile_p])), 1, 1],
                )
            }
            Kernel::BatchNormBackwardInput(s, tiles) => {
                let tile_p = tiles.norm_p(s.pixels);
                let ports = [
                    vec![read("dy", s.elements()), read("x", s.elements())],
                    s.of_channel(&["w", "mean", "variance", "dw", "db"]),
                    vec![read_u32("cursor", CURSOR), write("dx", s.elements())],
                ];
                (
                    shader!("batch_norm_backward_input"),
                    constants![s => batch, padded, channels, pixels, activation_in, @tile_p = tile_p, @wg = tiles.workgroup],
                    ports.concat(),
                    [tiles.groups(product([s.padded, s.channels, s.pixels / tile_p])), 1, 1],
                )
            }
            Kernel::BatchNormBackwardWeight(s, tiles) => {
                let channels = s.channels as usize;
                let ports = [
                    vec![read("dy", s.elements()), read("x", s.elements())],
                    s.of_channel(&["mean", "variance"]),
                    vec![write("dw", channels), write("db", channels)],
                ];
                (
                    shader!("batch_norm_backward_weight"),
                    constants![s => channels, pixels, @batch = s.padded, @wg = tiles.norm_lanes(s.values())],
                    ports.concat(),
                    [s.channels, 1, 1],
                )
            }
            Kernel::CrossEntropyForward(s) => (
                shader!("cross_entropy_forward"),
                constants![s => batch, classes],
                vec![
                    read("x", size([s.batch, s.classes])),
                    read_u32("labels", s.set as usize),
                    read_u32("order", s.rows as usize),
                    read_u32("cursor", CURSOR),
                    uniform("smoothing", Element::F32, 1),
                    update("loss", s.rows as usize),
                    update_u32("predicted", s.rows as usize),
                    update("probability", s.rows as usize),
                ],
                [groups(s.batch.into()), 1, 1],
            ),
            Kernel::CrossEntropyBackward(s) => (
                shader!("cross_entropy_backward"),
                constants![s => batch, padded, classes],
                vec![
                    read("x", s.logits()),
                    read_u32("labels", s.set as usize),
                    read_u32("order", s.rows as usize),
                    read_u32("cursor", CURSOR),
                    uniform("smoothing", Element::F32, 1),
                    write("dx", s.logits()),
                ],
                [groups(s.padded.into()), 1, 1],
            ),
            Kernel::DistillationBackward(s) => (
                shader!("distillation_backward"),
                constants![s => batch, padded, classes],
                vec![
                    read("x", s.logits()),
                    read("z", s.logits()),
                    read_u32("labels", s.set as usize),
                    read_u32("order", s.rows as usize),
                    read_u32("cursor", CURSOR),
                    uniform("smoothing", Element::F32, 1),
                    uniform("teaching", Element::F32, 2),
                    write("dx", s.logits()),
                ],
                [groups(s.padded.into()), 1, 1],
            ),
            Kernel::SgdUpdate(s, nesterov) => {
                let constants = [&s.constants()[..], &[("nesterov", u32::from(*nesterov))]].concat();
                (shader!("sgd_update"), constants, s.ports(&["v"]), s.workgroups())
            }
            Kernel::AdamUpdate(s, decoupled) => {
                let constants = [&s.constants()[..], &[("decoupled", u32::from(*decoupled))]].concat();
                (shader!("adam_update"), constants, s.ports(&["m", "s"]), s.workgroups())
            }
            Kernel::RmspropUpdate(s) => {
                (shader!("rmsprop_update"), s.constants(), s.ports(&["v", "s"]), s.workgroups())
            }
            Kernel::GradientNorm(s) => (
                shader!("gradient_norm"),
                vec![("groups", s.groups()), ("row", UPDATE_ROW)],
                vec![read("grad", s.gradients as usize), s.table_port(), write("part", s.groups() as usize)],
                s.workgroups(),
            ),
            Kernel::GradientClip(groups) => (
                shader!("gradient_clip"),
                vec![("groups", *groups)],
                vec![read("part", *groups as usize), uniform("limit", Element::F32, 1), write("clip", 1)],
                [1, 1, 1],
            ),
            Kernel::Advance(batch) => {
                (shader!("advance"), vec![("batch", *batch)], vec![update_u32("cursor", CURSOR)], [1, 1, 1])
            }
        };
        Spec { stem, wgsl, constants, ports, workgroups }
    }
}
