//! The last fully connected layer of a training step, its loss, and all gradients, in one kernel.

use super::*;

/// Maximum number of slices: the update folds them one after another.
const SLICES: u32 = 64;

/// Maximum number of weight gradients that an invocation sums, unless workgroups would be too large.
const SUMS: u32 = 8;

/// Inputs and outputs of the layer, and what the loss needs. `layer.c_out` is `loss.classes`, and no row is padding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FcLossShape {
    pub layer: FcShape,
    pub loss: LossShape,
}

/// Field 1 is the number of slices into which the batch is split.
#[derive(Clone, Debug, PartialEq)]
pub struct FcLoss(pub FcLossShape, pub u32, pub Tiles);

impl FcLoss {
    /// The kernel for a batch, if its weights and a few images fit in workgroup memory, and each class has an invocation.
    pub fn of(shape: FcLossShape, tiles: Tiles) -> Option<FcLoss> {
        let kernel = FcLoss(shape, 1, tiles);
        let FcLossShape { layer, loss } = shape;
        let fits =
            loss.classes <= WORKGROUP && layer.w() <= WORKGROUP_MEMORY as usize && kernel.memory() <= WORKGROUP_MEMORY;
        let tile_n = fits.then(|| kernel.tile_n())?;
        // Slices of whole tiles.
        let tiles_each = layer.batch.div_ceil(tile_n).div_ceil(SLICES);
        Some(FcLoss(shape, layer.batch.div_ceil(tile_n * tiles_each), tiles))
    }

    /// Images in workgroup memory at a time: one logit per invocation.
    fn tile_n(&self) -> u32 {
        (WORKGROUP / self.0.loss.classes).clamp(1, 4)
    }

    /// Invocations of a workgroup.
    fn workgroup(&self) -> u32 {
        let weights = self.0.layer.w() as u32;
        [WORKGROUP, 2 * WORKGROUP].into_iter().find(|wg| weights <= SUMS * wg).unwrap_or(4 * WORKGROUP)
    }

    /// Elements of workgroup memory.
    fn memory(&self) -> u32 {
        let FcLossShape { layer, loss } = self.0;
        let (tile_n, wg) = (self.tile_n(), self.workgroup());
        let rows = |rows: u32| (rows * layer.c_in).next_multiple_of(wg).div_ceil(layer.c_in);
        (rows(tile_n) + rows(loss.classes)) * (layer.c_in | 1) + 2 * tile_n * loss.classes + wg
    }

    /// Elements of the weight and bias gradients, over all slices.
    fn sums(&self) -> [usize; 2] {
        let FcLoss(FcLossShape { layer, .. }, slices, _) = self;
        [size([*slices, layer.c_out, layer.c_in]), size([*slices, layer.c_out])]
    }
}

impl Definition for FcLoss {
    const WGSL: &'static str = shader!("fc_loss");
    const FAULTS: Faults = &[
        ("let bias = component(b[o / 4u], o % 4u);", "let bias = 0.0;"),
        ("i < c_in; i += tile_i", "i + tile_i < c_in; i += tile_i"),
        ("first + n < end && row < cursor.total", "first + n < end"),
        ("first + n < end && row < cursor.total", "row < cursor.total"),
        ("labels[order[min(row, cursor.total - 1u)]]", "labels[min(row, cursor.total - 1u)]"),
        ("min(first + a / c_in, batch - 1u)", "first"),
        ("(own - all / f32(classes))", "own"),
        ("exp(logits[n * classes + j] - best)", "exp(logits[n * classes + j])"),
        ("(log(exponentials) + (best - logits[n * classes + j]))", "log(exponentials)"),
        ("value *= scale;", ""),
        ("sum_of_targets(label), scale)", "1.0, scale)"),
        ("sum_of_targets(label), scale)", "sum_of_targets(label), 1.0)"),
        ("/ f32(rows);\n            deltas", ";\n            deltas"),
        ("let rows = min(batch, cursor.total - cursor.start);", "let rows = batch;"),
        ("d * act_derivative(inputs[s * STRIDE + i])", "d"),
        ("matrix[j * STRIDE + i]", "matrix[i]"),
        ("(first + s) * c_in + i] = d", "s * c_in + i] = d"),
        ("sum[e] += deltas[", "sum[e] = deltas["),
        ("sum_b += deltas[", "sum_b = deltas["),
        ("dw[id.x * WEIGHTS + a]", "dw[a]"),
        ("db[id.x * classes + lane]", "db[lane]"),
        ("first += tile_n) {", "first += tile_n + 1u) {"),
        ("        workgroupBarrier();\n\n        var z", "\n        var z"),
        ("        workgroupBarrier();\n\n        var best", "\n        var best"),
        ("        workgroupBarrier();\n\n        for (var e", "\n        for (var e"),
        ("        workgroupBarrier();\n    }\n", "    }\n"),
        ("    workgroupBarrier();\n    var sum = 0.0;", "    var sum = 0.0;"),
    ];

    fn constants(&self) -> Constants {
        let FcLoss(FcLossShape { layer, loss }, slices, tiles) = self;
        constants![
            layer => batch, c_in;
            loss => classes, weighted,
            @slices = *slices, @tile_n = self.tile_n(), @tile_i = tiles.terms(layer.c_in), @wg = self.workgroup()
        ]
    }

    fn act(&self) -> Activation {
        self.0.layer.activation_in
    }

    fn ports(&self) -> Vec<Port> {
        let FcLossShape { layer, loss } = self.0;
        let [labels, order, _, smoothing, weights] = loss.known();
        let cursor = uniform("cursor", Element::U32, CURSOR).of(Values::Cursor);
        let [dw, db] = self.sums();
        vec![
            read("x", layer.x()),
            read("w", layer.w()),
            uniform("b", Element::F32, layer.c_out as usize),
            labels,
            order,
            cursor,
            smoothing,
            weights,
            update("loss", loss.rows as usize).touching(loss.row()),
            write("dx", layer.x()),
            write("dw", dw),
            write("db", db),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        [self.1, 1, 1]
    }

    fn iterations(&self) -> u64 {
        let FcLoss(FcLossShape { layer, loss }, slices, tiles) = self;
        let tile = u64::from(layer.c_in / tiles.terms(layer.c_in) + 5 * loss.classes);
        u64::from(layer.batch.div_ceil(*slices).div_ceil(self.tile_n())) * tile + loss.weighing()
    }

    fn flops(&self) -> [u64; 2] {
        self.0.layer.flops().map(|forward| 3 * forward)
    }

    fn cases() -> Vec<Setting<FcLoss>> {
        let [_, integrated, discrete] = Tiles::ALL;
        let cases = [
            (64, 50, 10, 70, 64, [0, 0, 64], RELU),
            // Past the end of the set, and a last tile that is not full.
            (7, 13, 10, 12, 12, [2, 10, 12], SIGMOID),
            (9, 64, 26, 20, 15, [0, 3, 15], NONE),
            (3, 5, 2, 3, 3, [0, 0, 3], RELU),
            (6, 31, 47, 6, 6, [1, 0, 6], RELU),
            (5, 33, 64, 9, 8, [0, 2, 8], NONE),
            (1, 1, 2, 3, 2, [0, 1, 2], NONE),
            // Larger workgroups.
            (5, 84, 10, 9, 5, [0, 0, 5], RELU),
            (6, 160, 10, 9, 6, [0, 0, 6], RELU),
        ];
        let mut settings = Vec::new();
        for (at, (batch, c_in, classes, set, rows, cursor, activation_in)) in cases.into_iter().enumerate() {
            let layer = FcShape { batch, c_in, c_out: classes, activation: NONE, activation_in };
            for (slices, weighted) in with_slices(batch).into_iter().zip([false, true, at % 2 == 0]) {
                let loss = LossShape { batch, padded: batch, classes, set, rows, weighted };
                let tiles = if at % 2 == 0 { discrete } else { integrated };
                let kernel = FcLoss(FcLossShape { layer, loss }, slices, tiles);
                // Rounding leaves nothing certain of the exponential of a long sum of large terms.
                let fills = if c_in < 32 { &[Fill::Random, Fill::Large][..] } else { Fill::SMOOTH };
                settings.push(Setting::new(kernel, fills).at(cursor));
            }
        }
        settings
    }
}
