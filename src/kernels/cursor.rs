//! Kernels that depend on the position in the epoch: `step_rates` and `advance`.

use super::*;

/// Number of values that the host computes for a step, including an unused one.
pub const RATE: usize = 4;

/// Images per batch and batches per epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepsShape {
    pub batch: u32,
    pub steps: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StepRates(pub StepsShape);

impl Definition for StepRates {
    const WGSL: &'static str = shader!("step_rates");
    const FAULTS: Faults = &[
        ("cursor.start / batch * 4u", "cursor.start / batch"),
        ("cursor.start / batch", "cursor.step"),
        ("if lane < 4u {", "if lane < 3u {"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => batch]
    }

    fn ports(&self) -> Vec<Port> {
        let rates = read("rates", RATE * self.0.steps as usize).touching(4 * RATE as u64);
        vec![cursor(), rates, write("rate", RATE)]
    }

    fn workgroups(&self) -> [u32; 3] {
        [1, 1, 1]
    }

    fn iterations(&self) -> u64 {
        0
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<StepRates>> {
        [(64, 1, [0, 0, 64]), (7, 5, [4, 21, 35]), (1, 9, [8, 8, 9]), (2, 5000, [4999, 9998, 9999])]
            .map(|(batch, steps, at)| Setting::new(StepRates(StepsShape { batch, steps }), Fill::EXACT).at(at))
            .to_vec()
    }
}

/// Field 0 is the batch size.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance(pub u32);

impl Definition for Advance {
    const WGSL: &'static str = shader!("advance");
    const FAULTS: Faults = &[
        ("cursor.step += 1u;", "cursor.step = 1u;"),
        ("cursor.start += batch;", "cursor.start = batch;"),
        ("cursor.start += batch;", "cursor.start += batch - 1u;"),
    ];

    fn constants(&self) -> Constants {
        vec![("batch", self.0)]
    }

    fn ports(&self) -> Vec<Port> {
        vec![update_u32("cursor", CURSOR).of(Values::Cursor)]
    }

    fn workgroups(&self) -> [u32; 3] {
        [1, 1, 1]
    }

    fn iterations(&self) -> u64 {
        0
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<Advance>> {
        [(64, [0, 0, 100]), (7, [41, 35, 40])].map(|(n, at)| Setting::new(Advance(n), Fill::EXACT).at(at)).to_vec()
    }
}
