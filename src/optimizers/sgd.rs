//! Stochastic gradient descent with plain or Nesterov momentum.

use super::update::UpdateShape;
use super::{Definition as Optimizer, MOMENTUM, Settings, no_correction};
use crate::kernels::{Constants, Definition, Faults, Fill, Port, Setting, Values, shader};

pub const SGD: Optimizer = Optimizer {
    // The tutorial's values.
    defaults: Settings { lr: 0.01, momentum: 0.5, ..Settings::USUAL },
    states: &[MOMENTUM],
    kernel: |shape, settings| SgdUpdate(shape, settings.nesterov).into(),
    hyper: SgdUpdate::HYPER,
    constants: |settings| vec![("momentum", settings.momentum), ("decay", settings.weight_decay)],
    of_step: no_correction,
    describe: |settings| format!("{}momentum {}", if settings.nesterov { "Nesterov " } else { "" }, settings.momentum),
};

/// SGD update; the flag selects Nesterov momentum.
#[derive(Clone, Debug, PartialEq)]
pub struct SgdUpdate(pub UpdateShape, pub bool);

impl SgdUpdate {
    pub const HYPER: &'static [&'static str] = &["momentum", "decay"];
}

impl Definition for SgdUpdate {
    const WGSL: &'static str = shader!("sgd_update");
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
        ("hyper.momentum * v[i] + g", "v[i] + g"),
        ("+ hyper.decay * before", ""),
        ("g + hyper.momentum * velocity, nesterov == 1u", "velocity, nesterov == 1u"),
        ("nesterov == 1u", "nesterov != 1u"),
    ];

    fn constants(&self) -> Constants {
        let mut constants = self.0.constants();
        constants.push(("nesterov", self.1.into()));
        constants
    }

    fn ports(&self) -> Vec<Port> {
        self.0.ports(&["v"], Values::Any)
    }

    fn workgroups(&self) -> [u32; 3] {
        self.0.workgroups()
    }

    fn iterations(&self) -> u64 {
        self.0.most_slices()
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops(7)
    }

    fn given(&self, _table: &str) -> Vec<u32> {
        self.0.table()
    }

    fn cases() -> Vec<Setting<SgdUpdate>> {
        UpdateShape::cases_of(Fill::EXACT, |s| [SgdUpdate(s.clone(), false), SgdUpdate(s, true)])
    }
}
