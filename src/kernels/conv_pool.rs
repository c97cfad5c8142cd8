//! Convolutions fused with max-pooling, or with cells of a single value, and with an activation.

mod tile;

use super::*;
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
        shapes.into_iter().zip(gpus).flat_map(|(shape, gpu)| [(shape, gpu), (shape, software)]).collect()
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
            let tile = WeightTile::of(s);
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

#[derive(Clone, Debug, PartialEq)]
pub struct ConvPoolForward(pub ConvPoolShape, pub Tiles);

impl ConvPoolForward {
    /// Output channels, and rows and columns of cells.
    fn tile(&self) -> [u32; 3] {
        let ConvPoolForward(s, tiles) = self;
        // Number of cells that fit in the body when the other dimensions already use `taken`.
        let room = |taken: u32| tiles.cells(s) / taken;
        let tile_j = divisor(s.w_out(), tiles.conv_j.min(room(1)));
        let tile_o = divisor(s.conv.c_out, tiles.conv_o.min(room(tile_j)));
        [tile_o, divisor(s.h_out(), tiles.conv_i.min(room(tile_j * tile_o))), tile_j]
    }

    /// Number of tiles in a map.
    fn tiles_of_map(&self) -> u32 {
        let (ConvPoolForward(s, _), [_, tile_i, tile_j]) = (self, self.tile());
        (s.h_out() / tile_i) * (s.w_out() / tile_j)
    }

    /// Tiles per workgroup, and invocations among which the sums of each tile are split.
    fn split(&self) -> [u32; 2] {
        let (ConvPoolForward(s, tiles), [tile_o, tile_i, tile_j]) = (self, self.tile());
        if self.is_software() {
            return [tiles.workgroup, 1];
        }
        let invocations = product([self.tiles_of_map(), s.conv.c_out / tile_o]);
        tiles.split(invocations, s.conv.c_in, product([tile_o, tile_i, tile_j, s.pool, s.pool]))
    }
}

impl Definition for ConvPoolForward {
    const WGSL: &'static str = shader!("conv_pool_forward");
    const FAULTS: Faults = &[
        ("let left = j * pool * stride - padding;", "let left = j * pool * stride;"),
        ("row < h_in && column < w_in", "column < w_in"),
        ("if value > best {", "if value >= best {"),
        ("sum[t][r][s] = bias;", "sum[t][r][s] = 0.0;"),
        ("window[r * stride + u][s * stride + v]", "window[r + u][s + v]"),
        ("place = r * pool + s;", "place = s * pool + r;"),
        ("y[at] = act(best);", "y[at] = best;"),
        ("* W_OUT + j + e;", "* W_OUT + j;"),
        ("let place = at + u * k + v;", "let place = at + v * k + u;"),
        ("sum[t][d * pool + r]", "sum[t][r]"),
        ("b[o + t], lane.y == 0u", "b[o + t], true"),
        ("c < c_in; c += split", "c < c_in; c += split + 1u"),
        ("q < split - 1u; q++", "q + 1u < split - 1u; q++"),
        ("        workgroupBarrier();\n", ""),
        ("min(mine, TILES - 1u)", "0u"),
    ];
    const SOFTWARE: &'static [Text] = &[Text {
        file: "software/conv_pool_forward",
        wgsl: shader!("software/conv_pool_forward"),
        faults: &[
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
        ],
    }];

    fn software(&self) -> Option<usize> {
        let (x, w, _) = self.0.lens();
        (self.1.gathers && fit([x, w])).then_some(0)
    }

    fn constants(&self) -> Constants {
        let ConvPoolForward(s, _) = self;
        let [tile_o, tile_i, tile_j] = self.tile();
        let mut constants = constants![
            s.conv => batch, c_in, h_in, w_in, c_out, k, stride, padding;
            s => pool, @tile_o = tile_o, @tile_i = tile_i, @tile_j = tile_j
        ];
        constants.extend(workgroup_of(self.is_software(), self.split()));
        constants
    }

    fn act(&self) -> Activation {
        self.0.conv.activation
    }

    fn ports(&self) -> Vec<Port> {
        let ConvPoolForward(s, _) = self;
        let (software, (x, w, y)) = (self.is_software(), s.lens());
        vec![
            gather(software, "x", Element::F32, x),
            gather(software, "w", Element::F32, w),
            gather(software, "b", Element::F32, s.conv.c_out as usize),
            write("y", y),
            write_u32("winner", y),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvPoolForward(s, _) = self;
        let [tile_o, ..] = self.tile();
        [groups_of(self.split()[0], product([s.conv.batch, self.tiles_of_map()])), s.conv.c_out / tile_o, 1]
    }

    fn iterations(&self) -> u64 {
        self.0.conv.c_in.div_ceil(self.split()[1]).into()
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
    /// Input channels, and rows and columns of blocks.
    fn tile(&self) -> [u32; 3] {
        let ConvPoolBackwardInput(s, tiles) = self;
        let (rows, columns) = s.blocks();
        let room = |taken: u32| tiles.cells(s) / taken;
        let tile_j = divisor(columns, tiles.conv_block.min(room(1)));
        let mut tile_i = divisor(rows, tiles.conv_block.min(room(tile_j)));
        // Prefer smaller tiles to idle lanes.
        while tile_i.is_multiple_of(2) && s.conv.batch * (columns / tile_j) * (rows / tile_i) < tiles.workgroup {
            tile_i /= 2;
        }
        [divisor(s.conv.c_in, tiles.conv_c.min(room(tile_j * tile_i))), tile_i, tile_j]
    }

    /// Number of tiles in a map.
    fn tiles_of_map(&self) -> u32 {
        let (ConvPoolBackwardInput(s, _), [_, tile_i, tile_j]) = (self, self.tile());
        let (rows, columns) = s.blocks();
        (rows / tile_i) * (columns / tile_j)
    }

    /// Tiles per workgroup, and invocations among which the sums of each tile are split.
    fn split(&self) -> [u32; 2] {
        let (ConvPoolBackwardInput(s, tiles), [tile_c, tile_i, tile_j]) = (self, self.tile());
        if self.is_software() {
            return [tiles.workgroup, 1];
        }
        let invocations = product([self.tiles_of_map(), s.conv.c_in / tile_c]);
        tiles.split(invocations, s.conv.c_out, product([tile_c, tile_i, tile_j, s.block(), s.block()]))
    }
}

impl Definition for ConvPoolBackwardInput {
    const WGSL: &'static str = shader!("conv_pool_backward_input");
    const FAULTS: Faults = &[
        ("REACH * BLOCK + padding + r - u", "REACH * BLOCK + r - u"),
        ("down % stride == 0u && right % stride == 0u", "down % stride == 0u"),
        ("place == p * pool + q", "place == q * pool + p"),
        ("i < H_OUT && j < W_OUT;", "i < H_OUT && j <= W_OUT;"),
        ("weights[u][v] * dz", "weights[v][u] * dz"),
        ("% TILES_OF_MAP / TILES_J * tile_i", "% TILES_OF_MAP / TILES_J"),
        ("if i < h_in && j < w_in {", "if i < h_in {"),
        ("sum[t][r][s] * act_derivative(x[at])", "sum[t][r][s]"),
        ("o < c_out; o += split", "o < c_out; o += split + 1u"),
        ("q < split - 1u; q++", "q + 1u < split - 1u; q++"),
        ("        workgroupBarrier();\n", ""),
        ("min(mine, TILES - 1u)", "0u"),
    ];
    const SOFTWARE: &'static [Text] = &[Text {
        file: "software/conv_pool_backward_input",
        wgsl: shader!("software/conv_pool_backward_input"),
        faults: &[
            ("REACH * BLOCK + padding + r - u", "REACH * BLOCK + r - u"),
            ("down % stride == 0u && right % stride == 0u", "down % stride == 0u"),
            ("place == p * pool + q", "place == q * pool + p"),
            ("if i < H_OUT && j < W_OUT {", "if i < H_OUT && j <= W_OUT {"),
            ("weights[u][v] * dz", "weights[v][u] * dz"),
            ("% (H_BLOCKS / tile_i) * tile_i", "% (H_BLOCKS / tile_i)"),
            ("if i < h_in && j < w_in {", "if i < h_in {"),
            ("sum[t][r][s] * act_derivative(x[at])", "sum[t][r][s]"),
        ],
    }];

    fn software(&self) -> Option<usize> {
        let (_, w, y) = self.0.lens();
        (self.1.gathers && fit([w, y])).then_some(0)
    }

    fn constants(&self) -> Constants {
        let ConvPoolBackwardInput(s, _) = self;
        let [tile_c, tile_i, tile_j] = self.tile();
        let mut constants = constants![
            s.conv => batch, c_in, h_in, w_in, c_out, k, stride, padding;
            s => pool, @tile_c = tile_c, @tile_i = tile_i, @tile_j = tile_j
        ];
        constants.extend(workgroup_of(self.is_software(), self.split()));
        constants
    }

    fn act(&self) -> Activation {
        self.0.conv.activation_in
    }

    fn ports(&self) -> Vec<Port> {
        let ConvPoolBackwardInput(s, _) = self;
        let (software, (x, w, y)) = (self.is_software(), s.lens());
        vec![
            gather(software, "dy", Element::F32, y),
            gather(software, "winner", Element::U32, y).of(s.winners()),
            gather(software, "w", Element::F32, w),
            read("x", x),
            write("dx", x),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let (ConvPoolBackwardInput(s, _), [tile_c, ..]) = (self, self.tile());
        [groups_of(self.split()[0], product([s.conv.batch, self.tiles_of_map()])), s.conv.c_in / tile_c, 1]
    }

    fn iterations(&self) -> u64 {
        self.0.conv.c_out.div_ceil(self.split()[1]).into()
    }

    fn flops(&self) -> [u64; 2] {
        self.0.gradient_flops()
    }

    fn cases() -> Vec<Setting<ConvPoolBackwardInput>> {
        let shapes = ConvPoolShape::cases().into_iter();
        shapes.map(|(s, t)| Setting::new(ConvPoolBackwardInput(s, t), s.conv.fills())).collect()
    }
}

/// Field 1 is the number of slices into which the batch is split.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvPoolBackwardWeight(pub ConvPoolShape, pub u32, pub Tiles);

impl ConvPoolBackwardWeight {
    /// Elements of the weight and bias gradients, over all slices.
    fn sums(&self) -> [usize; 2] {
        let ConvPoolBackwardWeight(s, slices, _) = self;
        [s.lens().1, s.conv.c_out as usize].map(|len| len * *slices as usize)
    }
}

impl Definition for ConvPoolBackwardWeight {
    const WGSL: &'static str = shader!("conv_pool_backward_weight");
    const FAULTS: Faults = &[
        ("row += min(min(tile_i, H_OUT - row % H_OUT), end - row)", "row += min(tile_i, end - row)"),
        ("let count = min(min(tile_i, H_OUT - i), end - row);", "let count = min(tile_i, H_OUT - i);"),
        ("a % UNDER / WIDTH - padding;", "a % UNDER / WIDTH;"),
        ("input_row < h_in && column < w_in", "column < w_in"),
        ("cell / tile_j < count", "cell / tile_j + 1u < count"),
        ("&& j + cell % tile_j < W_OUT", "&& j + cell % tile_j + 1u < W_OUT"),
        ("* W_OUT + j + cell % tile_j;", "* W_OUT + cell % tile_j;"),
        ("place[q] / pool) * stride", "place[q] / pool)"),
        ("place[q] % pool) * stride", "place[q] / pool) * stride"),
        ("delta[q] = select(0.0, dy[found], inside);", "delta[q] = dy[found];"),
        ("            workgroupBarrier();\n            if share", "            if share"),
        ("            workgroupBarrier();\n        }\n    }\n", "        }\n    }\n"),
        ("    workgroupBarrier();\n    for (var a", "    for (var a"),
        ("sum_b += bitcast", "sum_b = bitcast"),
        ("dw_in[at] + total", "total"),
        ("db_in[unit] + total", "total"),
        ("inputs[s * LANES * k + a]", "inputs[a]"),
        ("sums_b[s * LANES + lane", "sums_b[lane"),
    ];
    const SOFTWARE: &'static [Text] = &[Text {
        file: "software/conv_pool_backward_weight",
        wgsl: shader!("software/conv_pool_backward_weight"),
        faults: &[
            ("window[r][s + STEP]", "window[r][s]"),
            ("input(plane, top + r, s - padding)", "input(plane, top + r, s)"),
            ("place == r * pool + s", "place == s * pool + r"),
            ("sum_b[t] += delta;", "sum_b[t] = delta;"),
            ("dw_in[at] + sum", "sum"),
            ("db_in[unit] + sum_b[t]", "sum_b[t]"),
            ("var row = slice * SLICE; row", "var row = slice * SLICE + 1u; row"),
            ("row < min(ROWS, (slice + 1u) * SLICE)", "row < (slice + 1u) * SLICE"),
            ("let top = i * STEP - padding;", "let top = i * STEP;"),
            ("row >= h_in || column >= w_in", "row >= h_in"),
        ],
    }];

    fn software(&self) -> Option<usize> {
        let (x, _, y) = self.0.lens();
        (self.2.gathers && fit([x, y])).then_some(0)
    }

    fn constants(&self) -> Constants {
        let ConvPoolBackwardWeight(s, slices, tiles) = self;
        let mut constants = constants![
            s.conv => batch, c_in, h_in, w_in, c_out, k, stride, padding;
            s => pool, @slices = *slices
        ];
        constants.extend(match self.is_software() {
            true => vec![("tile_o", tiles.conv_pool_weight_o(s)), ("wg", tiles.workgroup)],
            false => WeightTile::of(s).constants(),
        });
        constants
    }

    fn ports(&self) -> Vec<Port> {
        let software = self.is_software();
        let ConvPoolBackwardWeight(s, _, _) = self;
        let (x, _, y) = s.lens();
        let [dw, db] = self.sums();
        vec![
            gather(software, "dy", Element::F32, y),
            gather(software, "winner", Element::U32, y).of(s.winners()),
            gather(software, "x", Element::F32, x),
            read("dw_in", dw),
            read("db_in", db),
            write("dw", dw),
            write("db", db),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvPoolBackwardWeight(s, slices, tiles) = self;
        if self.is_software() {
            return [tiles.groups(product([*slices, s.conv.c_in, s.conv.c_out / tiles.conv_pool_weight_o(s)])), 1, 1];
        }
        let tile = WeightTile::of(s);
        [*slices, s.conv.c_out / tile.o, s.conv.c_in / tile.c]
    }

    fn iterations(&self) -> u64 {
        let ConvPoolBackwardWeight(s, slices, _) = self;
        let rows = (s.conv.batch * s.h_out()).div_ceil(*slices);
        match self.is_software() {
            true => product([rows, s.w_out() + 1]),
            false => WeightTile::of(s).iterations(s, rows),
        }
    }

    fn flops(&self) -> [u64; 2] {
        self.0.gradient_flops()
    }

    fn cases() -> Vec<Setting<ConvPoolBackwardWeight>> {
        let of_shape = |(s, t): (ConvPoolShape, Tiles)| {
            let rows = s.conv.batch * s.h_out();
            // Slices of whole images, several rows, and one row.
            [1, s.conv.batch, rows.min(7), rows].map(|slices| ConvPoolBackwardWeight(s, slices, t))
        };
        let kernels = ConvPoolShape::cases().into_iter().flat_map(of_shape);
        kernels.map(|kernel| Setting::new(kernel, Fill::EXACT)).collect()
    }
}
