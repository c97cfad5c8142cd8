//! How the weight gradient of a fused convolution divides its work among the workgroups of a GPU.

use super::{ConvPoolShape, WORKGROUP_MEMORY, product};

/// What a workgroup of the weight gradient's text for GPUs brings to workgroup memory at a time.
#[derive(Clone, Copy)]
pub(super) struct WeightTile {
    /// Output and input channels.
    pub o: u32,
    pub c: u32,
    /// Rows and columns of cells.
    pub i: u32,
    pub j: u32,
}

impl WeightTile {
    /// Invocations of a workgroup, and cells that one reads before it uses them; the shader's `WG` and `AT_ONCE`.
    const WG: u32 = 256;
    const AT_ONCE: u32 = 4;

    /// The tile for which all workgroups together take the least time, of those that fit workgroup memory.
    pub fn of(s: &ConvPoolShape) -> WeightTile {
        let (mut best, mut least) = (WeightTile { o: 1, c: 1, i: 1, j: 1 }, u64::MAX);
        let divisors = |n: u32| (1..=n.min(Self::WG)).filter(move |d| n.is_multiple_of(*d));
        let halves = |n: u32| std::iter::successors(Some(n), |&n| (n > 1).then(|| n.div_ceil(2)));
        for o in divisors(s.conv.c_out) {
            for c in divisors(s.conv.c_in).filter(|c| o * c * s.conv.k <= Self::WG) {
                for i in halves(s.h_out()) {
                    for tile in halves(s.w_out()).map(|j| WeightTile { o, c, i, j }) {
                        let time = if tile.memory(s) <= WORKGROUP_MEMORY { tile.time(s) } else { u64::MAX };
                        if time < least {
                            (best, least) = (tile, time);
                        }
                    }
                }
            }
        }
        best
    }

    pub fn sizes(&self) -> [u32; 4] {
        [self.o, self.c, self.i, self.j]
    }

    /// Invocations that do the same for other cells.
    fn shares(&self, s: &ConvPoolShape) -> u32 {
        Self::WG / (self.o * self.c * s.conv.k)
    }

    /// Cells of a channel, with those that fill them up.
    fn cells(&self, s: &ConvPoolShape) -> u32 {
        (self.i * self.j).next_multiple_of(self.shares(s) * Self::AT_ONCE)
    }

    /// Inputs of a channel.
    fn under(&self, s: &ConvPoolShape) -> u32 {
        let side = |cells: u32| (cells * s.pool - 1) * s.conv.stride + s.conv.k;
        side(self.i) * side(self.j)
    }

    /// Inputs and cells that an invocation brings.
    fn each(&self, s: &ConvPoolShape) -> [u32; 2] {
        [self.c * self.under(s), self.o * self.cells(s)].map(|n| n.div_ceil(Self::WG))
    }

    /// Elements of workgroup memory.
    fn memory(&self, s: &ConvPoolShape) -> u32 {
        let (under, [inputs, cells]) = (self.under(s), self.each(s));
        let inputs = (inputs * Self::WG / under + 1) * (under | 1);
        inputs.max(Self::WG * s.conv.k) + (2 * cells + 1) * Self::WG
    }

    /// An estimate of the time of all workgroups for an image, in instructions: some 15 for each input or cell that is brought,
    /// a read of workgroup memory for each product and one more for each cell, and as many as 100 to wait at barriers.
    fn time(&self, s: &ConvPoolShape) -> u64 {
        let [inputs, cells] = self.each(s);
        let one = 15 * (inputs + cells) + self.cells(s) / self.shares(s) * (2 * s.conv.k + 2) + 100;
        let maps = product([s.conv.c_out / self.o, s.conv.c_in / self.c]);
        maps * product([s.h_out().div_ceil(self.i), s.w_out().div_ceil(self.j), one])
    }

    /// How often an invocation goes through its loops for so many rows of cells as a tile has.
    pub fn iterations(&self, s: &ConvPoolShape) -> u64 {
        product([s.w_out().div_ceil(self.j), self.cells(s) / (self.shares(s) * Self::AT_ONCE) + 1])
    }
}
