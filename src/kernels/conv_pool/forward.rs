//! Convolution, pooling and activation in one kernel.

use super::*;

#[derive(Clone, Debug, PartialEq)]
pub struct ConvPoolForward(pub ConvPoolShape, pub Tiles);

/// Maximum number of sums of an invocation in a large batch.
const SUMS: u32 = 40;

impl ConvPoolForward {
    /// Output channels, and rows and columns of cells.
    fn tile(&self) -> [u32; 3] {
        let ConvPoolForward(s, tiles) = self;
        let [tile_o, tile_i, tile_j] = self.small_tile();
        if self.is_software() {
            return [tile_o, tile_i, tile_j];
        }
        let invocations = u64::from(s.conv.batch) * self.invocations();
        let [lanes, split] = self.split();
        let cells = tile_i * tile_j;
        let sums = SUMS.min(WORKGROUP_MEMORY / (lanes * (split - 1)).max(1)) / (cells * s.pool * s.pool);
        let most = tiles.grown(tiles.conv_o, invocations, sums.min(tiles.cells(s) / cells)).max(tile_o);
        [divisor(s.conv.c_out, most), tile_i, tile_j]
    }

    /// The tile of a small batch.
    fn small_tile(&self) -> [u32; 3] {
        let ConvPoolForward(s, tiles) = self;
        // Number of cells that fit in the body when the other dimensions already use `taken`.
        let room = |taken: u32| tiles.cells(s) / taken;
        let tile_j = divisor(s.w_out(), tiles.conv_j.min(room(1)));
        let tile_o = divisor(s.conv.c_out, tiles.conv_o.min(room(tile_j)));
        [tile_o, divisor(s.h_out(), tiles.conv_i.min(room(tile_j * tile_o))), tile_j]
    }

    /// Number of invocations for an image of a small batch, without splitting.
    fn invocations(&self) -> u64 {
        let (ConvPoolForward(s, _), [tile_o, tile_i, tile_j]) = (self, self.small_tile());
        product([s.h_out() / tile_i, s.w_out() / tile_j, s.conv.c_out / tile_o])
    }

    /// Number of tiles in a map.
    fn tiles_of_map(&self) -> u32 {
        let (ConvPoolForward(s, _), [_, tile_i, tile_j]) = (self, self.tile());
        (s.h_out() / tile_i) * (s.w_out() / tile_j)
    }

    /// Tiles per workgroup, and invocations among which the sums of each tile are split. Sums are rounded the same for
    /// every batch size.
    fn split(&self) -> [u32; 2] {
        let (ConvPoolForward(s, tiles), [tile_o, tile_i, tile_j]) = (self, self.small_tile());
        if self.is_software() {
            return [tiles.workgroup, 1];
        }
        tiles.split(self.invocations(), s.conv.c_in, product([tile_o, tile_i, tile_j, s.pool, s.pool]))
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
