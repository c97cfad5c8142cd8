//! Adam (D. Kingma, J. Ba, 2015), and AdamW (I. Loshchilov, F. Hutter, 2019).

use super::update::{POSITIVE, UpdateShape};
use super::{Definition as Optimizer, MOMENTUM, SQUARE, Settings};
use crate::kernels::{Constants, Definition, Faults, Fill, Port, Setting, shader};

pub const ADAM: Optimizer = Optimizer {
    defaults: Settings::USUAL,
    states: &[MOMENTUM, SQUARE],
    kernel: |shape, _| AdamUpdate(shape, false).into(),
    hyper: AdamUpdate::HYPER,
    constants: |settings| {
        let Settings { beta1, beta2, eps, weight_decay, .. } = *settings;
        vec![
            ("beta1", beta1),
            ("rest1", 1.0 - beta1),
            ("beta2", beta2),
            ("rest2", 1.0 - beta2),
            ("eps", eps),
            ("decay", weight_decay),
        ]
    },
    // Bias corrections of the means.
    of_step: |settings, step| {
        let left = |beta: f64| 1.0 - libm::pow(beta, step);
        [1.0 / left(settings.beta1), libm::sqrt(left(settings.beta2))]
    },
    describe: |settings| format!("betas {} and {}", settings.beta1, settings.beta2),
};

pub const ADAMW: Optimizer = Optimizer {
    defaults: Settings { weight_decay: 0.01, ..Settings::USUAL },
    kernel: |shape, _| AdamUpdate(shape, true).into(),
    ..ADAM
};

/// Adam update; the flag selects decoupled weight decay.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamUpdate(pub UpdateShape, pub bool);

impl AdamUpdate {
    /// `rest1` and `rest2` are 1 - beta1 and 1 - beta2.
    pub const HYPER: &'static [&'static str] = &["beta1", "rest1", "beta2", "rest2", "eps", "decay"];
}

impl Definition for AdamUpdate {
    const WGSL: &'static str = shader!("adam_update");
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
        ("g += hyper.decay * weight;", ""),
        ("weight * (1.0 - rate * hyper.decay)", "weight"),
        ("hyper.rest2 * g * g", "hyper.rest2 * g"),
        ("hyper.beta1 * m[i]", "hyper.rest1 * m[i]"),
        ("sqrt(square) / of_step[0].z", "sqrt(square)"),
        ("rate * of_step[0].y * mean", "rate * mean"),
        ("of_step[0].z + hyper.eps", "of_step[0].z"),
        ("s[i] = square;", ""),
    ];

    fn constants(&self) -> Constants {
        let mut constants = self.0.constants();
        constants.push(("decoupled", self.1.into()));
        constants
    }

    fn ports(&self) -> Vec<Port> {
        self.0.ports(&["m", "s"], POSITIVE)
    }

    fn workgroups(&self) -> [u32; 3] {
        self.0.workgroups()
    }

    fn iterations(&self) -> u64 {
        self.0.most_slices()
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops(17)
    }

    fn given(&self, _table: &str) -> Vec<u32> {
        self.0.table()
    }

    fn cases() -> Vec<Setting<AdamUpdate>> {
        UpdateShape::cases_of(Fill::SMOOTH, |s| [AdamUpdate(s.clone(), false), AdamUpdate(s, true)])
    }
}
