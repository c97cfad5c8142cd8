//! Gradient with respect to the weights.

use super::*;

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
            false => WeightTile::of(s, tiles).constants(),
        });
        constants
    }

    fn ports(&self) -> Vec<Port> {
        let software = self.is_software();
        let ConvPoolBackwardWeight(s, _, _) = self;
        let (x, _, y) = s.lens();
        let [dw, db] = self.sums();
        let mut ports = vec![
            gather(software, "dy", Element::F32, y),
            gather(software, "winner", Element::U32, y).of(s.winners()),
            gather(software, "x", Element::F32, x),
        ];
        ports.extend(sums(software, [dw, db]));
        ports
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvPoolBackwardWeight(s, slices, tiles) = self;
        if self.is_software() {
            return [tiles.groups(product([*slices, s.conv.c_in, s.conv.c_out / tiles.conv_pool_weight_o(s)])), 1, 1];
        }
        let tile = WeightTile::of(s, tiles);
        [*slices, s.conv.c_out / tile.o, s.conv.c_in / tile.c]
    }

    fn iterations(&self) -> u64 {
        let ConvPoolBackwardWeight(s, slices, tiles) = self;
        let rows = (s.conv.batch * s.h_out()).div_ceil(*slices);
        match self.is_software() {
            true => product([rows, s.w_out() + 1]),
            false => WeightTile::of(s, tiles).iterations(s, rows),
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
