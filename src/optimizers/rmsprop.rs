//! RMSprop (T. Hinton, Neural Networks for Machine Learning, lecture 6, 2012), in PyTorch's form.

use super::update::{POSITIVE, UpdateShape};
use super::{Definition as Optimizer, MOMENTUM, SQUARE, Settings, no_correction};
use crate::kernels::{Constants, Definition, Faults, Fill, HALVINGS, Port, Setting, shader};

pub const RMSPROP: Optimizer = Optimizer {
    defaults: Settings { lr: 0.01, beta2: 0.99, ..Settings::USUAL },
    states: &[MOMENTUM, SQUARE],
    kernel: |shape, _| RmspropUpdate(shape).into(),
    hyper: RmspropUpdate::HYPER,
    constants: |settings| {
        let Settings { beta2, eps, momentum, weight_decay, .. } = *settings;
        vec![("alpha", beta2), ("rest", 1.0 - beta2), ("eps", eps), ("momentum", momentum), ("decay", weight_decay)]
    },
    of_step: no_correction,
    describe: |settings| format!("momentum {}, beta2 {}", settings.momentum, settings.beta2),
};

#[derive(Clone, Debug, PartialEq)]
pub struct RmspropUpdate(pub UpdateShape);

impl RmspropUpdate {
    pub const HYPER: &'static [&'static str] = &["alpha", "rest", "eps", "momentum", "decay"];
}

impl Definition for RmspropUpdate {
    const WGSL: &'static str = shader!("rmsprop_update");
    const FAULTS: Faults = &[
        ("s < group.slices; s += at_once", "s + at_once < group.slices; s += at_once"),
        ("select(0.0, slice[q], s + q < group.slices)", "slice[q]"),
        ("min(s + q, group.slices - 1u)", "min(s, group.slices - 1u)"),
        ("* group.len + lane", "+ lane"),
        ("if lane.x >= group.count {", "if lane.x > group.count {"),
        ("id.y * row + id.x", "id.x"),
        ("of_step[0].x * group.rate;", "group.rate;"),
        (" * group.rate;", ";"),
        ("clip[0].x * sum", "sum + 0.0 * clip[0].x"),
        ("+ hyper.decay * before", ""),
        ("hyper.rest * g * g", "hyper.rest * g"),
        ("hyper.momentum * v[i]", "v[i]"),
        ("(sqrt(square) + hyper.eps)", "sqrt(square + hyper.eps)"),
        ("s[i] = square;", ""),
    ];

    fn constants(&self) -> Constants {
        self.0.constants()
    }

    fn ports(&self) -> Vec<Port> {
        self.0.ports(&["v", "s"], POSITIVE)
    }

    fn workgroups(&self) -> [u32; 3] {
        self.0.workgroups()
    }

    fn iterations(&self) -> u64 {
        self.0.most_slices() + HALVINGS
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops(13)
    }

    fn given(&self, _table: &str) -> Vec<u32> {
        self.0.table()
    }

    fn cases() -> Vec<Setting<RmspropUpdate>> {
        UpdateShape::cases_of(Fill::SMOOTH, |s| [RmspropUpdate(s)])
    }
}
