//! The kernels: for each one its sizes, what it reads and writes, how it is dispatched, what it costs, on which cases it is
//! judged, and which faults these cases must catch.
//!
//! # Adding a kernel
//! A kernel is one stem:
//! 1. `shaders/<stem>.wgsl`, and if a CPU should run another text, `shaders/software/<stem>.wgsl`: complete WGSL but for the pieces of `shaders/common` that it names, with example values in the
//!    constants under `// The plan sets:`, where the loader puts the plan's ([`crate::plan::shader::specialise`]);
//! 2. `src/reference/<stem>.rs`: its twin, plain loops in f64;
//! 3. a [`Definition`] in a file of its family in this folder, and its name in [`each_kernel!`](crate::each_kernel);
//! 4. `tests/kernels/<stem>.rs`: a worked example of the twin.
//!
//! Whatever of these is missing does not compile.
//!
//! # Registers
//! A private array lies in registers only where every index is a constant once loops are unrolled; otherwise it lies in
//! memory, and costs a software device ten times its arithmetic. A loop over the whole of an array, whose variable is the
//! index itself, is unrolled however long its body (Mesa's `nir_loop_analyze`: the trip count is the array's length). So
//! sums are nested arrays, `array<array<f32, WIDTH>, tile>`, with a loop for each dimension, not one flat array with
//! computed places.

#![deny(clippy::wildcard_enum_match_arm)]

mod case;
mod pieces;
mod port;
#[cfg(test)]
mod tests;
mod tiles;

pub use case::{Fill, Setting};
pub use port::{ALIGN, Access, CURSOR, Cost, Element, Port, UNIFORM, Values};
use tiles::WORKGROUP_MEMORY;
pub use tiles::{DeviceClass, Tiles};

pub(crate) use pieces::composed;
use port::{cursor, gather, order, update_u32, write, write_u32};
pub(crate) use port::{read, read_u32, uniform, update};

/// Hands the list of all kernels to a macro: the file of a family in `src/kernels`, then the stem and the type of each of its
/// kernels.
#[doc(hidden)]
#[macro_export]
macro_rules! each_kernel {
    ($then:ident) => {
        $then! {
            load: load_images LoadImages, augment_images AugmentImages, load_features LoadFeatures;
            conv: conv_forward ConvForward, conv_backward_input ConvBackwardInput, conv_backward_weight ConvBackwardWeight;
            conv_pool: conv_pool_forward ConvPoolForward, conv_pool_backward_input ConvPoolBackwardInput,
                conv_pool_backward_weight ConvPoolBackwardWeight;
            max_pool: max_pool_forward MaxPoolForward, max_pool_backward MaxPoolBackward;
            avg_pool: avg_pool_forward AvgPoolForward, avg_pool_backward AvgPoolBackward;
            activation: activation_forward ActivationForward, activation_backward ActivationBackward;
            fc: fc_forward FcForward, fc_backward_input FcBackwardInput, fc_backward_weight FcBackwardWeight;
            dropout: dropout Dropout;
            batch_norm: batch_norm_statistics BatchNormStatistics, batch_norm_forward BatchNormForward,
                batch_norm_backward_input BatchNormBackwardInput, batch_norm_backward_weight BatchNormBackwardWeight;
            loss: cross_entropy_forward CrossEntropyForward, cross_entropy_backward CrossEntropyBackward,
                distillation_backward DistillationBackward;
            update: gradient_norm GradientNorm, gradient_clip GradientClip, sgd_update SgdUpdate, adam_update AdamUpdate,
                rmsprop_update RmspropUpdate;
            advance: advance Advance;
        }
    };
}

/// What a kernel is, at some sizes.
pub trait Definition: Clone + PartialEq + std::fmt::Debug + Sized {
    /// The shader as it lies in `shaders/`.
    const WGSL: &'static str;

    /// Its faults.
    const FAULTS: Faults;

    /// The shaders in `shaders/software/` that take its place where a CPU runs shaders, and their faults.
    const SOFTWARE: &'static [Text] = &[];

    /// Which of those is taken at these sizes, if any.
    fn software(&self) -> Option<usize> {
        None
    }

    /// Values for the constants that the shader leaves to the plan.
    fn constants(&self) -> Constants;

    /// The activation that it applies, or whose derivative.
    fn act(&self) -> Activation {
        Activation::Identity
    }

    /// Its bindings, in order.
    fn ports(&self) -> Vec<Port>;

    /// How many workgroups are dispatched.
    fn workgroups(&self) -> [u32; 3];

    /// How often an invocation goes through the loops that compilers do not unroll, at most.
    fn iterations(&self) -> u64;

    /// Floating-point operations, as [`Cost`] counts them: all, and those without the zeros that max-pooling leaves.
    fn flops(&self) -> [u64; 2];

    /// Sizes that fit nothing, short batches, ties and extremes, with all columns of the tile table.
    fn cases() -> Vec<Setting<Self>>;

    /// The content of a port that follows from the sizes.
    fn given(&self, port: &str) -> Vec<u32> {
        unreachable!("{port} follows from no size")
    }
}

/// Small changes of a shader that its cases must notice: a text that stands there exactly once, and what takes its place. At
/// least three.
pub type Faults = &'static [(&'static str, &'static str)];

/// A shader and its faults.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Its file, as in [`Spec::file`].
    pub file: &'static str,
    pub wgsl: &'static str,
    pub faults: Faults,
}

/// Names of a shader's constants, and their values.
pub type Constants = Vec<(&'static str, u32)>;

/// Everything about a kernel that depends on its sizes.
pub struct Spec {
    pub stem: &'static str,
    /// The shader's file in `shaders/`, without `.wgsl`.
    pub file: &'static str,
    /// The shader as it lies in `shaders/` or `shaders/software/`.
    pub wgsl: &'static str,
    /// The piece `activation` of the shader, where it uses one.
    pub activation: Activation,
    /// Values for the constants that the shader leaves to the plan.
    pub constants: Constants,
    pub ports: Vec<Port>,
    pub workgroups: [u32; 3],
}

impl Spec {
    /// The shader with the pieces that it names.
    ///
    /// # Panics
    /// If it names a piece that there is not.
    pub fn text(&self) -> String {
        composed(self.wgsl, self.activation).unwrap_or_else(|piece| panic!("{} uses {piece}", self.stem))
    }
}

/// How often an invocation may go through loops, in all. llvmpipe leaves a loop after 65,535 iterations, whatever is left to do
/// (`LP_MAX_TGSI_LOOP_ITERATIONS` in Mesa), and says nothing; and no device is fast where so much is done in one row.
pub const MOST_ITERATIONS: u32 = 65_535;

/// The workgroup size of the kernels that have no tiles; the shaders say so themselves as `WG`.
pub const WORKGROUP: u32 = 64;

/// The text of a shader.
macro_rules! shader {
    ($stem:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $stem, ".wgsl"))
    };
}
pub(crate) use shader;

/// Constants that are called as fields of a shape, and others.
macro_rules! constants {
    ($($shape:expr => $($field:ident),+);+ $(, @$name:ident = $value:expr)*) => {
        vec![$($((stringify!($field), $shape.$field as u32)),+),+ $(, (stringify!($name), $value))*]
    };
}
macro_rules! declare {
    ($($family:ident: $($stem:ident $kernel:ident),+;)+) => {
        $(mod $family; pub use $family::*;)+

        /// The stem of every kernel: the name of its shader, its twin and its test.
        pub const STEMS: &[&str] = &[$($(stringify!($stem)),+),+];

        /// A kernel with its sizes.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Kernel {
            $($($kernel($kernel)),+),+
        }

        $($(impl From<$kernel> for Kernel {
            fn from(kernel: $kernel) -> Kernel {
                Kernel::$kernel(kernel)
            }
        })+)+

        impl Kernel {
            /// The kernel's name: that of its shader, its twin and its test.
            pub fn stem(&self) -> &'static str {
                match self { $($(Kernel::$kernel(_) => stringify!($stem)),+),+ }
            }

            /// Everything about the kernel that follows from its sizes.
            pub fn spec(&self) -> Spec {
                match self { $($(Kernel::$kernel(kernel) => spec(stringify!($stem), kernel)),+),+ }
            }

            /// How often an invocation goes through the loops that compilers do not unroll, at most.
            pub fn iterations(&self) -> u64 {
                match self { $($(Kernel::$kernel(kernel) => kernel.iterations()),+),+ }
            }

            /// The least that the kernel's formula asks for.
            pub fn cost(&self) -> Cost {
                match self { $($(Kernel::$kernel(kernel) => cost(kernel)),+),+ }
            }

            /// The content of a port that follows from the sizes.
            pub fn given(&self, port: &str) -> Vec<u32> {
                match self { $($(Kernel::$kernel(kernel) => kernel.given(port)),+),+ }
            }

            /// What it is judged on.
            ///
            /// # Panics
            /// If there is no kernel of this stem.
            pub fn cases(stem: &str) -> Vec<Setting<Kernel>> {
                match stem {
                    $($(stringify!($stem) => $kernel::cases().into_iter().map(Setting::from_one).collect(),)+)+
                    _ => panic!("there is no kernel {stem}"),
                }
            }

            /// Its shaders.
            ///
            /// # Panics
            /// If there is no kernel of this stem.
            pub fn texts(stem: &str) -> Vec<Text> {
                match stem {
                    $($(stringify!($stem) => texts::<$kernel>(stringify!($stem)),)+)+
                    _ => panic!("there is no kernel {stem}"),
                }
            }
        }
    };
}
each_kernel!(declare);
use activation::fills_of;

fn spec<K: Definition>(stem: &'static str, kernel: &K) -> Spec {
    let (file, wgsl) = kernel.software().map_or((stem, K::WGSL), |at| (K::SOFTWARE[at].file, K::SOFTWARE[at].wgsl));
    let (constants, ports, workgroups) = (kernel.constants(), kernel.ports(), kernel.workgroups());
    Spec { stem, file, wgsl, activation: kernel.act(), constants, ports, workgroups }
}

fn texts<K: Definition>(stem: &'static str) -> Vec<Text> {
    [Text { file: stem, wgsl: K::WGSL, faults: K::FAULTS }].into_iter().chain(K::SOFTWARE.iter().copied()).collect()
}

fn cost(kernel: &impl Definition) -> Cost {
    let [flops, sparse_flops] = kernel.flops();
    Cost { flops, sparse_flops, bytes: kernel.ports().iter().map(|port| port.traffic).sum() }
}

fn size<const N: usize>(dims: [u32; N]) -> usize {
    dims.iter().map(|&d| d as usize).product()
}

fn product<const N: usize>(dims: [u32; N]) -> u64 {
    dims.iter().map(|&d| d as u64).product()
}

/// Whether all of these fit uniforms.
fn fit<const N: usize>(lens: [usize; N]) -> bool {
    lens.iter().all(|&len| len <= UNIFORM)
}

/// Workgroups for this many invocations in x.
pub(crate) fn groups(invocations: u64) -> u32 {
    groups_of(WORKGROUP, invocations)
}

/// Workgroups of a size for this many invocations in x.
fn groups_of(workgroup: u32, invocations: u64) -> u32 {
    invocations.div_ceil(workgroup.into()).try_into().unwrap_or(u32::MAX)
}

/// Steps of a sum over the lanes of a workgroup that halves their number, at most.
pub(crate) const HALVINGS: u64 = 16;

/// The largest divisor of `n` that is at most `bound`.
fn divisor(n: u32, bound: u32) -> u32 {
    (1..=bound.min(n)).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1)
}

const NONE: Activation = Activation::Identity;
const RELU: Activation = Activation::Relu;
const SIGMOID: Activation = Activation::Sigmoid;

/// One slice of a batch, some, and as many as it has images.
fn with_slices(batch: u32) -> [u32; 3] {
    [1, batch.min(3), batch]
}
