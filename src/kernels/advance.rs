//! Advancing the cursor to the next batch.

use super::*;

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
