//! Convolutions fused with max-pooling, or with cells of a single value, and with an activation.

use super::*;

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

    /// Rows and columns of a block of inputs: as many as from cell to cell.
    fn block(&self) -> u32 {
        self.pool * self.conv.stride
    }

    /// Rows and columns of blocks that cover x, the last of them perhaps in part.
    pub fn blocks(&self) -> (u32, u32) {
        (self.conv.h_in.div_ceil(self.block()), self.conv.w_in.div_ceil(self.block()))
    }

    /// Elements of x, w and the pooled y.
    pub fn lens(&self) -> (usize, usize, usize) {
        let (x, w, _) = self.conv.lens();
        (x, w, size([self.conv.batch, self.conv.c_out, self.h_out(), self.w_out()]))
    }

    /// The place of the winner in its cell.
    fn winners(&self) -> Values {
        Values::Below(self.pool * self.pool)
    }

    /// Of a gradient: with the zeros of all values but the winners, and without.
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
        vec![
            (of([3, 1, 28, 28, 10, 5], 2, RELU, NONE), discrete),
            (of([2, 10, 12, 12, 20, 5], 2, RELU, RELU), software),
            (of([3, 2, 10, 9, 6, 3], 2, SIGMOID, SIGMOID), integrated),
            (of([1, 1, 6, 6, 1, 5], 2, NONE, NONE), software),
            (of([2, 3, 11, 13, 7, 4], 3, RELU, RELU), integrated),
            (of([5, 4, 7, 8, 4, 2], 2, NONE, RELU), discrete),
            // No pooling: cells of one value.
            (of([3, 4, 9, 8, 6, 3], 1, RELU, RELU), software),
            (of([2, 3, 7, 7, 5, 3], 1, SIGMOID, RELU), discrete),
            // 18,225 weights: more than a uniform may hold, and no whole number of vectors.
            (of([1, 27, 6, 6, 27, 5], 2, RELU, RELU), integrated),
            // A kernel so large that unrolling must be held back.
            (of([1, 2, 14, 13, 4, 11], 2, RELU, RELU), software),
            // Padding and strides, where cells and blocks of inputs lie apart.
            (moved(of([2, 3, 9, 8, 4, 3], 2, RELU, RELU), 1, 1), software),
            (moved(of([3, 2, 12, 11, 4, 5], 2, NONE, RELU), 1, 4), discrete),
            (moved(of([2, 3, 13, 10, 6, 3], 1, RELU, RELU), 2, 1), integrated),
            (moved(of([2, 2, 13, 11, 3, 3], 2, RELU, NONE), 2, 0), software),
        ]
    }
}

/// Multiply-adds of a single pooled value in a fused kernel, at most. Its weight gradient chooses among as many inputs for each
/// of the sums of a channel, and drivers take minutes for more.
const FUSED: usize = 1000;

impl Tiles {
    /// Cells, or blocks of inputs, that the body of a convolution may compute. Choosing a winner and unpooling are compiled the
    /// slower, the larger the cells are.
    fn cells(&self, s: &ConvPoolShape) -> u32 {
        let (cell, k) = (s.pool * s.pool, s.conv.k);
        // The inputs of a block have as many products as the cell.
        let sums = s.block() * s.block();
        (self.unrolled / (cell * k * k)).min(self.conv_sums / sums) * 2 / s.pool.max(2)
    }

    /// Whether a convolution with this kernel is computed in one body with pooling of these cells; 1 is none. Beyond that the
    /// two are kernels of their own, whose bodies stay short whatever their sizes; so they are where the kernel steps over
    /// inputs, or may lie outside of them.
    pub(crate) fn fuses(&self, [k, stride, padding]: [usize; 3], pool: usize) -> bool {
        let (cell, weights, block) = (pool.saturating_mul(pool), k.saturating_mul(k), pool.saturating_mul(stride));
        let sums = block.saturating_mul(block).max(weights);
        stride <= k && padding < k && sums <= self.conv_sums as usize && cell.saturating_mul(weights) <= FUSED
    }

    /// Whether `conv_pool_backward_input` leaves lanes of its only workgroup idle.
    pub(crate) fn is_idle(&self, s: &ConvPoolShape) -> bool {
        let (rows, columns) = s.blocks();
        let [_, tile_i, tile_j] = ConvPoolBackwardInput(*s, *self).tile();
        s.conv.batch * (rows / tile_i) * (columns / tile_j) < self.workgroup
    }

    /// Slices of `conv_pool_backward_weight`, whose unit is a row of cells.
    pub fn conv_pool_slices(&self, s: &ConvPoolShape) -> u32 {
        let lanes = s.conv.c_in * (s.conv.c_out / self.conv_pool_weight_o(s));
        self.slices(lanes, s.conv.batch * s.h_out(), s.w_out() + 1)
    }

    /// Output channels of `conv_pool_backward_weight`.
    fn conv_pool_weight_o(&self, s: &ConvPoolShape) -> u32 {
        let sums = s.conv.k * s.conv.k;
        divisor(s.conv.c_out, (self.conv_weight_sums / sums).min(self.unrolled / (sums * s.pool * s.pool)))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConvPoolForward(pub ConvPoolShape, pub Tiles);

impl ConvPoolForward {
    /// Output channels, rows and columns of cells.
    fn tile(&self) -> [u32; 3] {
        let ConvPoolForward(s, tiles) = self;
        // Cells that the body has room for, of which others take so many already.
        let room = |taken: u32| tiles.cells(s) / taken;
        let tile_j = divisor(s.w_out(), tiles.conv_j.min(room(1)));
        let tile_o = divisor(s.conv.c_out, tiles.conv_o.min(room(tile_j)));
        [tile_o, divisor(s.h_out(), tiles.conv_i.min(room(tile_j * tile_o))), tile_j]
    }
}

impl Definition for ConvPoolForward {
    const WGSL: &'static str = shader!("conv_pool_forward");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("let left = j * pool * stride - padding;", "let left = j * pool * stride;"),
        ("row >= h_in || column >= w_in", "column >= w_in"),
        ("if value > best {", "if value >= best {"),
        ("sum[t][r][s] = bias;", "sum[t][r][s] = 0.0;"),
        ("window[r * stride + u][s * stride + v]", "window[r + u][s + v]"),
        ("place = r * pool + s;", "place = s * pool + r;"),
        ("y[at] = act(best);", "y[at] = best;"),
        ("* W_OUT + j + e;", "* W_OUT + j;"),
        ("let place = at + u * k + v;", "let place = at + v * k + u;"),
        ("sum[t][d * pool + r]", "sum[t][r]"),
    ];

    fn constants(&self) -> Constants {
        let ConvPoolForward(s, tiles) = self;
        let [tile_o, tile_i, tile_j] = self.tile();
        constants![
            s.conv => batch, c_in, h_in, w_in, c_out, k, stride, padding;
            s => pool, @tile_o = tile_o, @tile_i = tile_i, @tile_j = tile_j, @wg = tiles.workgroup
        ]
    }

    fn act(&self) -> Activation {
        self.0.conv.activation
    }

    fn ports(&self) -> Vec<Port> {
        let ConvPoolForward(s, tiles) = self;
        let (x, w, y) = s.lens();
        vec![
            gather(tiles, "x", Element::F32, x),
            uniform("w", Element::F32, w),
            uniform("b", Element::F32, s.conv.c_out as usize),
            write("y", y),
            write_u32("winner", y),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvPoolForward(s, tiles) = self;
        let [tile_o, tile_i, tile_j] = self.tile();
        let tiles_of_map = product([s.conv.batch, s.h_out() / tile_i, s.w_out() / tile_j]);
        [tiles.groups(tiles_of_map), s.conv.c_out / tile_o, 1]
    }

    fn iterations(&self) -> u64 {
        self.0.conv.c_in.into()
    }

    fn flops(&self) -> [u64; 2] {
        let ConvPoolForward(s, _) = self;
        [s.conv.flops(s.h_out() * s.w_out() * s.pool * s.pool); 2]
    }

    fn cases() -> Vec<Setting<ConvPoolForward>> {
        let shapes = ConvPoolShape::cases().into_iter();
        shapes.map(|(s, t)| Setting::new(ConvPoolForward(s, t), s.conv.fills())).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConvPoolBackwardInput(pub ConvPoolShape, pub Tiles);

impl ConvPoolBackwardInput {
    /// Input channels, rows and columns of blocks.
    fn tile(&self) -> [u32; 3] {
        let ConvPoolBackwardInput(s, tiles) = self;
        let (rows, columns) = s.blocks();
        let room = |taken: u32| tiles.cells(s) / taken;
        let tile_j = divisor(columns, tiles.conv_block.min(room(1)));
        let mut tile_i = divisor(rows, tiles.conv_block.min(room(tile_j)));
        // Smaller tiles rather than idle lanes.
        while tile_i.is_multiple_of(2) && s.conv.batch * (columns / tile_j) * (rows / tile_i) < tiles.workgroup {
            tile_i /= 2;
        }
        [divisor(s.conv.c_in, tiles.conv_c.min(room(tile_j * tile_i))), tile_i, tile_j]
    }
}

impl Definition for ConvPoolBackwardInput {
    const WGSL: &'static str = shader!("conv_pool_backward_input");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("REACH * BLOCK + padding + r - u", "REACH * BLOCK + r - u"),
        ("down % stride == 0u && right % stride == 0u", "down % stride == 0u"),
        ("place == p * pool + q", "place == q * pool + p"),
        ("if i < H_OUT && j < W_OUT {", "if i < H_OUT && j <= W_OUT {"),
        ("weights[u][v] * dz", "weights[v][u] * dz"),
        ("% (H_BLOCKS / tile_i) * tile_i", "% (H_BLOCKS / tile_i)"),
        ("if i < h_in && j < w_in {", "if i < h_in {"),
        ("sum[t][r][s] * act_derivative(x[at / 4u][at % 4u])", "sum[t][r][s]"),
    ];

    fn constants(&self) -> Constants {
        let ConvPoolBackwardInput(s, tiles) = self;
        let [tile_c, tile_i, tile_j] = self.tile();
        constants![
            s.conv => batch, c_in, h_in, w_in, c_out, k, stride, padding;
            s => pool, @tile_c = tile_c, @tile_i = tile_i, @tile_j = tile_j, @wg = tiles.workgroup
        ]
    }

    fn act(&self) -> Activation {
        self.0.conv.activation_in
    }

    fn ports(&self) -> Vec<Port> {
        let ConvPoolBackwardInput(s, tiles) = self;
        let (x, w, y) = s.lens();
        vec![
            gather(tiles, "dy", Element::F32, y),
            gather(tiles, "winner", Element::U32, y).of(s.winners()),
            uniform("w", Element::F32, w),
            gather(tiles, "x", Element::F32, x),
            write("dx", x),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvPoolBackwardInput(s, tiles) = self;
        let (rows, columns) = s.blocks();
        let [tile_c, tile_i, tile_j] = self.tile();
        [tiles.groups(product([s.conv.batch, rows / tile_i, columns / tile_j])), s.conv.c_in / tile_c, 1]
    }

    fn iterations(&self) -> u64 {
        self.0.conv.c_out.into()
    }

    fn flops(&self) -> [u64; 2] {
        self.0.gradient_flops()
    }

    fn cases() -> Vec<Setting<ConvPoolBackwardInput>> {
        let shapes = ConvPoolShape::cases().into_iter();
        shapes.map(|(s, t)| Setting::new(ConvPoolBackwardInput(s, t), s.conv.fills())).collect()
    }
}

/// With the number of slices in which it sums the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvPoolBackwardWeight(pub ConvPoolShape, pub u32, pub Tiles);

impl Definition for ConvPoolBackwardWeight {
    const WGSL: &'static str = shader!("conv_pool_backward_weight");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("window[r][s + STEP]", "window[r][s]"),
        ("input(plane, top + r, s - padding)", "input(plane, top + r, s)"),
        ("place == r * pool + s", "place == s * pool + r"),
        ("sum_b[t] += delta;", "sum_b[t] = delta;"),
        ("dw_in[at / 4u][at % 4u] + sum", "sum"),
        ("db_in[unit / 4u][unit % 4u] + sum_b[t]", "sum_b[t]"),
        ("var row = slice * SLICE; row", "var row = slice * SLICE + 1u; row"),
        ("row < min(ROWS, (slice + 1u) * SLICE)", "row < (slice + 1u) * SLICE"),
        ("let top = i * STEP - padding;", "let top = i * STEP;"),
        ("row >= h_in || column >= w_in", "row >= h_in"),
    ];

    fn constants(&self) -> Constants {
        let ConvPoolBackwardWeight(s, slices, tiles) = self;
        constants![
            s.conv => batch, c_in, h_in, w_in, c_out, k, stride, padding;
            s => pool, @slices = *slices, @tile_o = tiles.conv_pool_weight_o(s), @wg = tiles.workgroup
        ]
    }

    fn ports(&self) -> Vec<Port> {
        let ConvPoolBackwardWeight(s, slices, tiles) = self;
        let (x, w, y) = s.lens();
        let (dw, db) = (w * *slices as usize, size([*slices, s.conv.c_out]));
        vec![
            gather(tiles, "dy", Element::F32, y),
            gather(tiles, "winner", Element::U32, y).of(s.winners()),
            gather(tiles, "x", Element::F32, x),
            gather(tiles, "dw_in", Element::F32, dw),
            gather(tiles, "db_in", Element::F32, db),
            write("dw", dw),
            write("db", db),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvPoolBackwardWeight(s, slices, tiles) = self;
        [tiles.groups(product([*slices, s.conv.c_in, s.conv.c_out / tiles.conv_pool_weight_o(s)])), 1, 1]
    }

    fn iterations(&self) -> u64 {
        let ConvPoolBackwardWeight(s, slices, _) = self;
        product([(s.conv.batch * s.h_out()).div_ceil(*slices), s.w_out() + 1])
    }

    fn flops(&self) -> [u64; 2] {
        self.0.gradient_flops()
    }

    fn cases() -> Vec<Setting<ConvPoolBackwardWeight>> {
        let of_shape = |(s, t): (ConvPoolShape, Tiles)| {
            let rows = s.conv.batch * s.h_out();
            // Whole images, some rows, one row.
            [1, s.conv.batch, rows.min(7), rows].map(|slices| ConvPoolBackwardWeight(s, slices, t))
        };
        let kernels = ConvPoolShape::cases().into_iter().flat_map(of_shape);
        kernels.map(|kernel| Setting::new(kernel, Fill::EXACT)).collect()
    }
}
