//! The kernels: sizes, inputs and outputs, dispatch size and cost of each, its test cases, and the faults that these
//! cases must catch.
//!
//! # Adding a kernel
//! A kernel is identified by its stem:
//! 1. `shaders/<stem>.wgsl`, and `shaders/software/<stem>.wgsl` if a CPU should run a different shader: complete WGSL
//!    except for the pieces of `shaders/common` that it names, with example values in the constants under
//!    `// The plan sets:`, which the loader replaces with the plan's values ([`crate::plan::shader::specialise`]);
//! 2. `src/reference/<stem>.rs`: its twin, plain loops in f64;
//! 3. a [`Definition`] in the file of its family in this folder, and its name in [`each_kernel!`](crate::each_kernel);
//! 4. `tests/kernels/<stem>.rs`: a worked example of the twin.
//!
//! Omitting any of these is a compile error.
//!
//! # Registers
//! A private array is kept in registers only if every index is constant after loop unrolling. Otherwise it is kept in
//! memory, which costs a software device ten times as much as the arithmetic. A loop over an entire array that is
//! indexed by the loop variable itself is unrolled regardless of the length of its body (Mesa's `nir_loop_analyze`: the
//! trip count is the array's length). Sums are therefore nested arrays, `array<array<f32, WIDTH>, tile>`, with one loop
//! per dimension, rather than a flat array with computed indices. For drivers that unroll less, the loops marked
//! `// unroll` are unrolled in the text (`plan::unrolled`).

#![deny(clippy::wildcard_enum_match_arm)]

mod case;
mod pieces;
mod port;
#[cfg(test)]
mod tests;
mod tile_text;
mod tiles;

pub use case::{Fill, Setting};
pub use port::{ALIGN, Access, CURSOR, Cost, Element, Port, UNIFORM, Values};
pub(crate) use tiles::WORKGROUP_MEMORY;
pub use tiles::{DeviceClass, Tiles};

pub(crate) use pieces::composed;
use port::{cursor, gather, order, sums, update_u32, write, write_u32};
pub(crate) use port::{read, read_u32, uniform, update};

/// Passes the list of all kernels to a macro: the file of each family in `src/kernels`, then the stem and type of each
/// of its kernels.
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
            fc_loss: fc_loss FcLoss;
            dropout: dropout Dropout;
            batch_norm: batch_norm_statistics BatchNormStatistics, batch_norm_forward BatchNormForward,
                batch_norm_backward_input BatchNormBackwardInput, batch_norm_backward_weight BatchNormBackwardWeight;
            loss: cross_entropy_forward CrossEntropyForward, cross_entropy_backward CrossEntropyBackward,
                distillation_backward DistillationBackward;
            update: gradient_norm GradientNorm, gradient_clip GradientClip, sgd_update SgdUpdate, adam_update AdamUpdate,
                rmsprop_update RmspropUpdate;
            cursor: step_rates StepRates, advance Advance;
        }
    };
}

/// A kernel at given sizes.
pub trait Definition: Clone + PartialEq + std::fmt::Debug + Sized {
    /// The shader source in `shaders/`.
    const WGSL: &'static str;

    /// Faults of the shader.
    const FAULTS: Faults;

    /// The shaders in `shaders/software/` that replace it on devices that run shaders on the CPU, and their faults.
    const SOFTWARE: &'static [Text] = &[];

    /// Index of the [`Self::SOFTWARE`] shader used at these sizes, if any.
    fn software(&self) -> Option<usize> {
        None
    }

    /// Whether a software shader is used at these sizes.
    fn is_software(&self) -> bool {
        self.software().is_some()
    }

    /// Values of the constants that the plan sets.
    fn constants(&self) -> Constants;

    /// The activation whose value or derivative it applies.
    fn act(&self) -> Activation {
        Activation::Identity
    }

    /// Its bindings, in order.
    fn ports(&self) -> Vec<Port>;

    /// Number of workgroups dispatched.
    fn workgroups(&self) -> [u32; 3];

    /// Maximum number of iterations of an invocation in loops that compilers do not unroll.
    fn iterations(&self) -> u64;

    /// Floating-point operations as defined by [`Cost`]: all of them, and without the zeros of max-pooling.
    fn flops(&self) -> [u64; 2];

    /// Test cases: awkward sizes, short batches, ties and extremes, with every tile table.
    fn cases() -> Vec<Setting<Self>>;

    /// Contents of a port that the sizes determine.
    fn given(&self, port: &str) -> Vec<u32> {
        unreachable!("{port} follows from no size")
    }
}

/// Mutations of a shader that its test cases must detect: a text that occurs in the shader exactly once, and its
/// replacement. At least three.
pub type Faults = &'static [(&'static str, &'static str)];

/// A shader and its faults.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Its file, as in [`Spec::file`].
    pub file: &'static str,
    pub wgsl: &'static str,
    pub faults: Faults,
}

/// Names and values of a shader's constants.
pub type Constants = Vec<(&'static str, u32)>;

/// The properties of a kernel that depend on its sizes.
pub struct Spec {
    pub stem: &'static str,
    /// The shader's file in `shaders/`, without `.wgsl`.
    pub file: &'static str,
    /// The shader source in `shaders/` or `shaders/software/`.
    pub wgsl: &'static str,
    /// The `activation` piece of the shader, if it uses one.
    pub activation: Activation,
    /// Values of the constants that the plan sets.
    pub constants: Constants,
    pub ports: Vec<Port>,
    pub workgroups: [u32; 3],
}

impl Spec {
    /// The shader including the pieces that it names.
    ///
    /// # Panics
    /// If it names a piece that does not exist.
    pub fn text(&self) -> String {
        composed(self.wgsl, self.activation).unwrap_or_else(|piece| panic!("{} uses {piece}", self.stem))
    }
}

/// Maximum number of loop iterations of an invocation, in total. llvmpipe silently leaves a loop after 65,535
/// iterations, finished or not (`LP_MAX_TGSI_LOOP_ITERATIONS` in Mesa), and no device is fast at that much serial work.
pub const MOST_ITERATIONS: u32 = 65_535;

/// Workgroup size of the kernels without tiles; their shaders define it as `WG`.
pub const WORKGROUP: u32 = 64;

/// The source of a shader.
macro_rules! shader {
    ($stem:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $stem, ".wgsl"))
    };
}
pub(crate) use shader;

/// Constants named after fields of a shape, and others.
macro_rules! constants {
    ($($shape:expr => $($field:ident),+);+ $(, @$name:ident = $value:expr)*) => {
        vec![$($((stringify!($field), $shape.$field as u32)),+),+ $(, (stringify!($name), $value))*]
    };
}
macro_rules! declare {
    ($($family:ident: $($stem:ident $kernel:ident),+;)+) => {
        $(mod $family; pub use $family::*;)+

        /// The stem of every kernel, which names its shader, its twin and its test.
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
            /// The kernel's name, shared by its shader, its twin and its test.
            pub fn stem(&self) -> &'static str {
                match self { $($(Kernel::$kernel(_) => stringify!($stem)),+),+ }
            }

            /// The properties of the kernel that depend on its sizes.
            pub fn spec(&self) -> Spec {
                match self { $($(Kernel::$kernel(kernel) => spec(stringify!($stem), kernel)),+),+ }
            }

            /// Maximum number of iterations of an invocation in loops that compilers do not unroll.
            pub fn iterations(&self) -> u64 {
                match self { $($(Kernel::$kernel(kernel) => kernel.iterations()),+),+ }
            }

            /// Minimum cost of the kernel's formula.
            pub fn cost(&self) -> Cost {
                match self { $($(Kernel::$kernel(kernel) => cost(kernel)),+),+ }
            }

            /// Contents of a port that the sizes determine.
            pub fn given(&self, port: &str) -> Vec<u32> {
                match self { $($(Kernel::$kernel(kernel) => kernel.given(port)),+),+ }
            }

            /// Its test cases.
            ///
            /// # Panics
            /// If no kernel has this stem.
            pub fn cases(stem: &str) -> Vec<Setting<Kernel>> {
                match stem {
                    $($(stringify!($stem) => $kernel::cases().into_iter().map(Setting::from_one).collect(),)+)+
                    _ => panic!("there is no kernel {stem}"),
                }
            }

            /// Its shaders.
            ///
            /// # Panics
            /// If no kernel has this stem.
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

/// Whether tensors of these lengths all fit in uniforms.
fn fit<const N: usize>(lens: [usize; N]) -> bool {
    lens.iter().all(|&len| len <= UNIFORM)
}

/// Number of workgroups in x for this many invocations.
pub(crate) fn groups(invocations: u64) -> u32 {
    groups_of(WORKGROUP, invocations)
}

/// Number of workgroups of size `workgroup` in x for this many invocations.
fn groups_of(workgroup: u32, invocations: u64) -> u32 {
    invocations.div_ceil(workgroup.into()).try_into().unwrap_or(u32::MAX)
}

/// Maximum number of steps of a tree reduction over the lanes of a workgroup.
pub(crate) const HALVINGS: u64 = 16;

/// The largest divisor of `n` that is at most `bound`.
fn divisor(n: u32, bound: u32) -> u32 {
    (1..=bound.min(n)).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1)
}

const NONE: Activation = Activation::Identity;
const RELU: Activation = Activation::Relu;
const SIGMOID: Activation = Activation::Sigmoid;

/// Slice counts to test: one, a few, and one per image.
fn with_slices(batch: u32) -> [u32; 3] {
    [1, batch.min(3), batch]
}
