//! Gradient clipping, and the optimizer updates of `src/optimizers` that follow it.

use super::*;
pub use crate::optimizers::kernels::*;

#[derive(Clone, Debug, PartialEq)]
pub struct GradientNorm(pub UpdateShape);

impl Definition for GradientNorm {
    const WGSL: &'static str = shader!("gradient_norm");
    const FAULTS: Faults = &[
        ("if lane.x < group.count {", "if lane.x <= group.count {"),
        ("s < group.slices; s += at_once", "s + at_once < group.slices; s += at_once"),
        ("select(0.0, slice[q], s + q < group.slices)", "slice[q]"),
        ("min(s + q, group.slices - 1u)", "min(s, group.slices - 1u)"),
        ("* group.len + lane", "+ lane"),
        ("sum * sum", "sum"),
        ("var half = WG / 2u;", "var half = WG / 4u;"),
        ("id.y * row + id.x", "id.x"),
        ("        workgroupBarrier();\n", ""),
    ];

    fn constants(&self) -> Constants {
        self.0.constants()
    }

    fn ports(&self) -> Vec<Port> {
        let parts = write("part", self.0.groups() as usize);
        vec![read("grad", self.0.gradients as usize), self.0.table_port(), parts]
    }

    fn workgroups(&self) -> [u32; 3] {
        self.0.workgroups()
    }

    fn iterations(&self) -> u64 {
        self.0.most_slices() + HALVINGS
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops(2)
    }

    fn given(&self, _table: &str) -> Vec<u32> {
        self.0.table()
    }

    fn cases() -> Vec<Setting<GradientNorm>> {
        UpdateShape::cases().map(|s| Setting::new(GradientNorm(s), Fill::EXACT)).to_vec()
    }
}

/// Field 0 is the number of workgroups of the [`GradientNorm`], and field 1 the number of values read at once.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientClip(pub u32, pub u32);

impl Definition for GradientClip {
    const WGSL: &'static str = shader!("gradient_clip");
    const FAULTS: Faults = &[
        ("first += WG * at_once", "first += 2u * WG * at_once"),
        ("first + q * WG < groups", "true"),
        ("var half = WG / 2u;", "var half = WG / 4u;"),
        ("min(1.0, limit[0].x / (sqrt(sums[0]) + 1e-6))", "limit[0].x / (sqrt(sums[0]) + 1e-6)"),
        ("sqrt(sums[0])", "sums[0]"),
        ("        workgroupBarrier();\n", ""),
    ];

    fn constants(&self) -> Constants {
        vec![("groups", self.0), ("at_once", self.1)]
    }

    fn ports(&self) -> Vec<Port> {
        vec![
            read("part", self.0 as usize).of(Values::Within(0.0, 0.05)),
            uniform("limit", Element::F32, 1).of(Values::Within(1.0, 2.0)),
            write("clip", 1),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        [1, 1, 1]
    }

    fn iterations(&self) -> u64 {
        u64::from(self.0.div_ceil(WORKGROUP)) + HALVINGS
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<GradientClip>> {
        // Norms below and above the limit.
        [(1, 1), (7, 16), (64, 1), (65, 1), (65, 16), (700, 1), (1100, 16)]
            .map(|(groups, at_once)| Setting::new(GradientClip(groups, at_once), Fill::SMOOTH))
            .to_vec()
    }
}
