//! Convolutions fused with max-pooling, or with cells of a single value, and with an activation.

mod backward_input;
mod backward_weight;
mod forward;
mod tile;

use super::*;
pub use backward_input::ConvPoolBackwardInput;
pub use backward_weight::ConvPoolBackwardWeight;
pub use forward::ConvPoolForward;
use tile::WeightTile;

/// Sizes of a convolution followed by max-pooling of `pool` x `pool` cells, and by `conv.activation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvPoolShape {
    pub conv: ConvShape,
    pub pool: u32,
}

impl ConvPoolShape {
    /// Height of the pooled map.
    pub fn h_out(&self) -> u32 {
        self.conv.h_out() / self.pool
    }

    /// Width of the pooled map.
    pub fn w_out(&self) -> u32 {
        self.conv.w_out() / self.pool
    }

    /// Elements of an image in x and in y.
    pub fn image(&self) -> [u32; 2] {
        let s = &self.conv;
        [s.c_in * s.h_in * s.w_in, s.c_out * self.h_out() * self.w_out()]
    }

    /// Rows and columns of a block of inputs: the distance between neighbouring cells.
    fn block(&self) -> u32 {
        self.pool * self.conv.stride
    }

    /// Rows and columns of blocks that cover x; the last may be partial.
    pub fn blocks(&self) -> (u32, u32) {
        (self.conv.h_in.div_ceil(self.block()), self.conv.w_in.div_ceil(self.block()))
    }

    /// Elements of x, w and the pooled y.
    pub fn lens(&self) -> (usize, usize, usize) {
        let (x, w, _) = self.conv.lens();
        (x, w, size([self.conv.batch, self.conv.c_out, self.h_out(), self.w_out()]))
    }

    /// Positions of a winner within its cell.
    fn winners(&self) -> Values {
        Values::Below(self.pool * self.pool)
    }

    /// Operations of a gradient, with and without the zeros at values that are not winners.
    fn gradient_flops(&self) -> [u64; 2] {
        let winners = self.conv.flops(self.h_out() * self.w_out());
        [winners * u64::from(self.pool * self.pool), winners]
    }

    fn cases() -> Vec<(ConvPoolShape, Tiles)> {
        let [software, integrated, discrete] = Tiles::ALL;
        let of = |d, pool, a, b| ConvPoolShape { conv: ConvShape::of(d, a, b), pool };
        let moved = |shape: ConvPoolShape, stride, padding| ConvPoolShape {
            conv: ConvShape { stride, padding, ..shape.conv },
            ..shape
        };
        let shapes = [
            of([3, 1, 28, 28, 10, 5], 2, RELU, NONE),
            of([2, 10, 12, 12, 20, 5], 2, RELU, RELU),
            of([3, 2, 10, 9, 6, 3], 2, SIGMOID, SIGMOID),
            of([1, 1, 6, 6, 1, 5], 2, NONE, NONE),
            of([2, 3, 11, 13, 7, 4], 3, RELU, RELU),
            of([5, 4, 7, 8, 4, 2], 2, NONE, RELU),
            // No pooling: cells of one value.
            of([3, 4, 9, 8, 6, 3], 1, RELU, RELU),
            of([2, 3, 7, 7, 5, 3], 1, SIGMOID, RELU),
            // 18,225 weights: more than a uniform holds.
            of([1, 27, 8, 8, 27, 5], 2, RELU, RELU),
            // A row of cells that is loaded in two parts of unequal length.
            of([1, 1, 8, 302, 2, 5], 2, RELU, RELU),
            // A kernel so large that unrolling must be limited.
            of([1, 2, 14, 13, 4, 11], 2, RELU, RELU),
            // The largest kernels that are fused.
            of([1, 1, 19, 18, 2, 16], 1, RELU, RELU),
            of([1, 1, 18, 17, 2, 15], 2, RELU, RELU),
            // Padding and strides, where cells and blocks of inputs are not aligned.
            moved(of([2, 3, 9, 8, 4, 3], 2, RELU, RELU), 1, 1),
            moved(of([3, 2, 12, 11, 4, 5], 2, NONE, RELU), 1, 4),
            moved(of([2, 3, 13, 10, 6, 3], 1, RELU, RELU), 2, 1),
            moved(of([2, 2, 13, 11, 3, 3], 2, RELU, NONE), 2, 0),
        ];
        // Each with the table for software devices and one of those for GPUs.
        let gpus = [discrete, integrated].into_iter().cycle();
        let each = shapes.into_iter().zip(gpus).flat_map(|(shape, gpu)| [(shape, gpu), (shape, software)]);
        // A batch so large for the device that an invocation's tile grows, with sums that are split nevertheless.
        let full = (of([256, 4, 6, 6, 8, 3], 2, RELU, RELU), Tiles { split_lanes: 1 << 11, ..discrete });
        each.chain([full]).collect()
    }
}

/// Maximum number of multiply-adds per pooled value in a fused kernel. Its weight gradient selects among as many inputs
/// for each sum of a channel, and drivers take minutes to compile more.
const FUSED: usize = 1000;

impl Tiles {
    /// Maximum number of cells, or blocks of inputs, in the body of a convolution. Selecting a winner and unpooling
    /// take longer to compile the larger the cells are.
    fn cells(&self, s: &ConvPoolShape) -> u32 {
        let (cell, k) = (s.pool * s.pool, s.conv.k);
        // The inputs of a block need as many products as the cell.
        let sums = s.block() * s.block();
        (self.unrolled / (cell * k * k)).min(self.conv_sums / sums) * 2 / s.pool.max(2)
    }

    /// Whether a convolution with this kernel is fused with pooling of these cells; a `pool` of 1 means no pooling.
    /// Above the size limits the two are separate kernels, whose bodies stay short at any size. They are also separate
    /// if the stride skips inputs or the kernel may lie entirely in the padding.
    pub(crate) fn fuses(&self, [k, stride, padding]: [usize; 3], pool: usize) -> bool {
        let (cell, weights, block) = (pool.saturating_mul(pool), k.saturating_mul(k), pool.saturating_mul(stride));
        let sums = block.saturating_mul(block).max(weights);
        stride <= k && padding < k && sums <= self.conv_sums as usize && cell.saturating_mul(weights) <= FUSED
    }

    /// Number of slices of `conv_pool_backward_weight`, whose unit is a row of cells.
    pub fn conv_pool_slices(&self, s: &ConvPoolShape) -> u32 {
        let rows = s.conv.batch * s.h_out();
        if !ConvPoolBackwardWeight(*s, 1, *self).is_software() {
            let tile = WeightTile::of(s, self);
            // Slices and images end at tile boundaries.
            let unit = if s.h_out().is_multiple_of(tile.i) { tile.i } else { s.h_out() };
            let groups = (s.conv.c_out / tile.o) * (s.conv.c_in / tile.c);
            let least = tile.iterations(s, rows) / u64::from(MOST_ITERATIONS) + 1;
            let wanted = self.conv_groups.div_ceil(groups).max(least as u32);
            // The shader divides the rows evenly, so not every length can be had.
            let lengths = (rows.div_ceil(wanted).div_ceil(unit)..=rows.div_ceil(unit)).map(|units| units * unit);
            let mut slices = lengths.map(|length| (rows.div_ceil(length), length));
            let even = slices.find(|&(slices, length)| slices == 1 || rows.div_ceil(slices) == length);
            return even.map_or(1, |(slices, _)| slices);
        }
        let lanes = s.conv.c_in * (s.conv.c_out / self.conv_pool_weight_o(s));
        self.slices(lanes, rows, s.w_out() + 1)
    }

    /// Output channels per invocation of `conv_pool_backward_weight`.
    fn conv_pool_weight_o(&self, s: &ConvPoolShape) -> u32 {
        let sums = s.conv.k * s.conv.k;
        divisor(s.conv.c_out, (self.conv_weight_sums / sums).min(self.unrolled / (sums * s.pool * s.pool)))
    }
}

/// The constants that set the workgroup size: those of the software shader, or of the one for GPUs.
fn workgroup_of(software: bool, [lanes, split]: [u32; 2]) -> Constants {
    if software { vec![("wg", lanes)] } else { vec![("lanes", lanes), ("split", split)] }
}
