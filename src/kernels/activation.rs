//! Activations by themselves, where none of the neighbouring kernels applies them.

use super::*;
use crate::words::words;

words! {
    /// An activation that a kernel applies to its result, or whose derivative it applies.
    #[derive(Default)]
    pub enum Activation {
        #[default]
        identity Identity,
        relu Relu,
        sigmoid Sigmoid,
    }
}

/// Sizes of an activation by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationShape {
    pub count: u32,
    pub activation: Activation,
}

impl ActivationShape {
    fn cases() -> [ActivationShape; 4] {
        [(1, RELU), (1757, RELU), (3, SIGMOID), (1507, SIGMOID)]
            .map(|(count, activation)| ActivationShape { count, activation })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ActivationForward(pub ActivationShape);

impl Definition for ActivationForward {
    const WGSL: &'static str = shader!("activation_forward");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("max(x[id.x], 0.0)", "x[id.x]"),
        ("min(-x[id.x], 87.5)", "min(x[id.x], 87.5)"),
        ("if id.x >= count {", "if id.x + 1u >= count {"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => count, activation]
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
        let fills = |a| if a == SIGMOID { &[Fill::Random, Fill::Large][..] } else { Fill::EXACT };
        ActivationShape::cases().map(|s| Setting::new(ActivationForward(s), fills(s.activation))).to_vec()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ActivationBackward(pub ActivationShape);

impl Definition for ActivationBackward {
    const WGSL: &'static str = shader!("activation_backward");
    const FAULTS: &'static [(&'static str, &'static str)] =
        &[("out > 0.0", "out > 0.5"), ("(1.0 - out)", "(1.0 + out)"), ("select(0.0, dy[id.x], out > 0.0)", "dy[id.x]")];

    fn constants(&self) -> Constants {
        constants![self.0 => count, activation]
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
        ActivationShape::cases().map(|s| Setting::new(ActivationBackward(s), fills_of(&[s.activation]))).to_vec()
    }
}
