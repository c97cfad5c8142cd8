//! Gradient with respect to the input.

use super::*;

#[derive(Clone, Debug, PartialEq)]
pub struct ConvPoolBackwardInput(pub ConvPoolShape, pub Tiles);

/// Maximum number of sums of an invocation in a large batch.
const SUMS: u32 = 20;

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
        let cells = tile_i * tile_j;
        let tile_c = divisor(s.conv.c_in, tiles.conv_c.min(room(cells)));
        if self.is_software() {
            return [tile_c, tile_i, tile_j];
        }
        let invocations = product([s.conv.batch, rows / tile_i, columns / tile_j, s.conv.c_in / tile_c]);
        let sums = SUMS / (cells * s.block() * s.block());
        let most = tiles.grown(tiles.conv_c, invocations, sums.min(room(cells))).max(tile_c);
        [divisor(s.conv.c_in, most), tile_i, tile_j]
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
        let sums = product([tile_c, tile_i, tile_j, s.block(), s.block()]);
        let split = tiles.split(invocations, s.conv.c_out, sums);
        tiles.beside(WeightTile::of(s, tiles).wg, split, sums)
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
        // Larger tiles than in the tables for GPUs, as a sweep tries them.
        let conv = ConvShape::of([8, 2, 12, 12, 4, 5], RELU, RELU);
        let large = Tiles::of(DeviceClass::Integrated).with("conv_block", 2);
        let shapes = ConvPoolShape::cases().into_iter().chain([(ConvPoolShape { conv, pool: 2 }, large)]);
        shapes.map(|(s, t)| Setting::new(ConvPoolBackwardInput(s, t), s.conv.fills())).collect()
    }
}
