//! Dropout, both forward and backward.

use super::*;

/// Sizes of `dropout`: number of values in a batch, percentage that is dropped, and a number that distinguishes layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutShape {
    pub count: u32,
    pub percent: u32,
    pub layer: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Dropout(pub DropoutShape);

impl Definition for Dropout {
    const WGSL: &'static str = shader!("dropout");
    const FAULTS: Faults = &[
        ("if i >= count {", "if i + 1u >= count {"),
        ("drawn < percent", "drawn <= percent"),
        ("x[i] * SCALE", "x[i]"),
        ("+ cursor.step)", "+ cursor.step * 0u)"),
        ("+ layer)", ")"),
        ("base + i * 0x9e3779b9u", "base + i"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => count, percent, layer]
    }

    fn ports(&self) -> Vec<Port> {
        let count = self.0.count as usize;
        vec![read("x", count), cursor(), uniform("seed", Element::U32, 1), write("y", count)]
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

    fn cases() -> Vec<Setting<Dropout>> {
        [(1, 0, 1), (640, 50, 3), (1757, 25, 0), (300, 99, 7)]
            .map(|(count, percent, layer)| {
                let kernel = Dropout(DropoutShape { count, percent, layer });
                Setting::new(kernel, Fill::SMOOTH).at([5 + layer, 0, 9])
            })
            .to_vec()
    }
}
