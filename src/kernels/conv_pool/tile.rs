//! Tiling of the weight gradient of a fused convolution among the workgroups of a GPU.

use super::{Constants, ConvPoolShape, Tiles, product};

/// The tile that a workgroup of the weight gradient's GPU shader loads into workgroup memory at a time.
#[derive(Clone, Copy)]
pub(super) struct WeightTile {
    /// Workgroup size.
    pub wg: u32,
    /// Output and input channels.
    pub o: u32,
    pub c: u32,
    /// Rows and columns of cells.
    pub i: u32,
    pub j: u32,
}

impl WeightTile {
    /// Number of cells that an invocation reads before it uses them: the shader's `AT_ONCE`.
    const AT_ONCE: u32 = 4;

    /// The tile that minimises the total time of all workgroups, among those that fit in workgroup memory, of the
    /// largest workgroups for which one does: large kernels leave many sums.
    pub fn of(s: &ConvPoolShape, tiles: &Tiles) -> WeightTile {
        let memory = tiles.memory_beside()[0];
        let found = [256, 128, 64].into_iter().find_map(|wg| WeightTile::with(wg, memory, s));
        found.expect("a cell of one pair of channels fits wherever pooling is fused")
    }

    fn with(wg: u32, memory: u32, s: &ConvPoolShape) -> Option<WeightTile> {
        let mut best: Option<(WeightTile, u64)> = None;
        let divisors = |n: u32| (1..=n.min(wg)).filter(move |d| n.is_multiple_of(*d));
        let halves = |n: u32| std::iter::successors(Some(n), |&n| (n > 1).then(|| n.div_ceil(2)));
        for o in divisors(s.conv.c_out) {
            for c in divisors(s.conv.c_in).filter(|c| o * c * s.conv.k <= wg) {
                for i in halves(s.h_out()) {
                    for tile in halves(s.w_out()).map(|j| WeightTile { wg, o, c, i, j }) {
                        let time = tile.time(s);
                        if tile.memory(s) <= memory && best.is_none_or(|(_, least)| time < least) {
                            best = Some((tile, time));
                        }
                    }
                }
            }
        }
        best.map(|(tile, _)| tile)
    }

    /// The constants of the shader.
    pub fn constants(&self) -> Constants {
        let WeightTile { wg, o, c, i, j } = *self;
        vec![("tile_o", o), ("tile_c", c), ("tile_i", i), ("tile_j", j), ("wg", wg)]
    }

    /// Number of invocations that do the same work on different cells.
    fn shares(&self, s: &ConvPoolShape) -> u32 {
        self.wg / (self.o * self.c * s.conv.k)
    }

    /// Number of cells of a channel, including padding.
    fn cells(&self, s: &ConvPoolShape) -> u32 {
        (self.i * self.j).next_multiple_of(self.shares(s) * Self::AT_ONCE)
    }

    /// Number of inputs of a channel under the tile.
    fn under(&self, s: &ConvPoolShape) -> u32 {
        let side = |cells: u32| (cells * s.pool - 1) * s.conv.stride + s.conv.k;
        side(self.i) * side(self.j)
    }

    /// Number of inputs and cells that an invocation loads.
    fn each(&self, s: &ConvPoolShape) -> [u32; 2] {
        [self.c * self.under(s), self.o * self.cells(s)].map(|n| n.div_ceil(self.wg))
    }

    /// Elements of workgroup memory used.
    fn memory(&self, s: &ConvPoolShape) -> u32 {
        let (under, [inputs, cells]) = (self.under(s), self.each(s));
        let inputs = (inputs * self.wg / under + 1) * (under | 1);
        inputs.max(self.wg * s.conv.k) + (2 * cells + 1) * self.wg
    }

    /// Estimated time of all workgroups for an image, in instructions: about 15 for each input or cell loaded, one read
    /// of workgroup memory for each product and one more for each cell, and the equivalent of 100 for waiting at
    /// barriers.
    fn time(&self, s: &ConvPoolShape) -> u64 {
        let [inputs, cells] = self.each(s);
        let one = 15 * (inputs + cells) + self.cells(s) / self.shares(s) * (2 * s.conv.k + 2) + 100;
        let maps = product([s.conv.c_out / self.o, s.conv.c_in / self.c]);
        maps * product([s.h_out().div_ceil(self.i), s.w_out().div_ceil(self.j), one])
    }

    /// Maximum number of loop iterations of an invocation for a slice of so many rows of cells.
    pub fn iterations(&self, s: &ConvPoolShape, rows: u32) -> u64 {
        // A tile ends with its image and with the slice.
        let tiles = (rows / s.h_out() + 2) * s.h_out().div_ceil(self.i);
        let cells = self.cells(s) / (self.shares(s) * Self::AT_ONCE) + 1;
        product([tiles.min(rows), s.w_out().div_ceil(self.j), cells]) + u64::from(2 * self.wg)
    }
}
