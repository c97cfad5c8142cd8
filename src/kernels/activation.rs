//! Standalone activations, used if no neighbouring kernel applies them.

use super::*;
use crate::words::words;

/// Passes the list of all activations to a macro: the word that names each one's shader and twin, its variant, and
/// whether it maps integers to integers.
macro_rules! each_activation {
    ($then:ident) => {
        $then! {
            identity Identity true,
            relu Relu true,
            sigmoid Sigmoid false,
            leaky_relu LeakyRelu false,
            tanh Tanh false,
        }
    };
}

pub(crate) use each_activation;

macro_rules! declare {
    ($($word:ident $activation:ident $exact:literal),+ $(,)?) => {
        words! {
            /// An activation that a kernel applies to its result, or whose derivative it applies.
            pub enum Activation { $($word $activation),+ }
        }

        impl Activation {
            /// The functions `act` and `act_derivative`.
            pub(super) fn wgsl(self) -> &'static str {
                match self {
                    $(Activation::$activation => {
                        include_str!(concat!("../../shaders/activations/", stringify!($word), ".wgsl"))
                    })+
                }
            }

            /// Whether it maps integers to integers.
            fn is_exact(self) -> bool {
                match self { $(Activation::$activation => $exact),+ }
            }
        }
    };
}
each_activation!(declare);

/// The fills for these activations; integers only if all of them are exact.
pub(super) fn fills_of(activations: &[Activation]) -> &'static [Fill] {
    if activations.iter().all(|activation| activation.is_exact()) { Fill::EXACT } else { Fill::SMOOTH }
}

/// Sizes of a standalone activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationShape {
    pub count: u32,
    pub activation: Activation,
}

impl ActivationShape {
    fn cases() -> Vec<ActivationShape> {
        let of = |&activation| [3, 1757].map(|count| ActivationShape { count, activation });
        let single = ActivationShape { count: 1, activation: RELU };
        Activation::ALL.iter().flat_map(of).chain([single]).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ActivationForward(pub ActivationShape);

impl Definition for ActivationForward {
    const WGSL: &'static str = shader!("activation_forward");
    const FAULTS: Faults = &[
        ("if id.x >= count {", "if id.x + 1u >= count {"),
        ("act(x[id.x])", "act(-x[id.x])"),
        ("y[id.x] = act", "y[id.x] = 0.5 * act"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => count]
    }

    fn act(&self) -> Activation {
        self.0.activation
    }

    fn ports(&self) -> Vec<Port> {
        let count = self.0.count as usize;
        vec![read("x", count), write("y", count)]
    }

    fn workgroups(&self) -> [u32; 3] {
        [groups(self.0.count.into()), 1, 1]
    }

    fn iterations(&self) -> u64 {
        0
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<ActivationForward>> {
        let fills = |a: Activation| if a.is_exact() { Fill::EXACT } else { &[Fill::Random, Fill::Large] };
        ActivationShape::cases().into_iter().map(|s| Setting::new(ActivationForward(s), fills(s.activation))).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ActivationBackward(pub ActivationShape);

impl Definition for ActivationBackward {
    const WGSL: &'static str = shader!("activation_backward");
    const FAULTS: Faults = &[
        ("if id.x >= count {", "if id.x + 1u >= count {"),
        ("act_derivative(y[id.x])", "act_derivative(dy[id.x])"),
        ("dy[id.x] * act", "act"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => count]
    }

    fn act(&self) -> Activation {
        self.0.activation
    }

    fn ports(&self) -> Vec<Port> {
        let count = self.0.count as usize;
        vec![read("dy", count), read("y", count), write("dx", count)]
    }

    fn workgroups(&self) -> [u32; 3] {
        [groups(self.0.count.into()), 1, 1]
    }

    fn iterations(&self) -> u64 {
        0
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<ActivationBackward>> {
        ActivationShape::cases()
            .into_iter()
            .map(|s| Setting::new(ActivationBackward(s), fills_of(&[s.activation])))
            .collect()
    }
}
