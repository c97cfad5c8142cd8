//! Fully connected layers.

use super::*;

/// Sizes of a fully connected layer: x (batch, c_in), w (c_out, c_in), y (batch, c_out).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FcShape {
    pub batch: u32,
    pub c_in: u32,
    pub c_out: u32,
    pub activation: Activation,
    pub activation_in: Activation,
}

impl FcShape {
    pub(super) fn x(&self) -> usize {
        size([self.batch, self.c_in])
    }

    pub(super) fn w(&self) -> usize {
        size([self.c_out, self.c_in])
    }

    fn y(&self) -> usize {
        size([self.batch, self.c_out])
    }

    pub(super) fn flops(&self) -> [u64; 2] {
        [2 * product([self.batch, self.c_in, self.c_out]); 2]
    }

    fn fills(&self) -> &'static [Fill] {
        fills_of(&[self.activation, self.activation_in])
    }

    fn cases() -> Vec<(FcShape, Tiles)> {
        let [software, integrated, discrete] = Tiles::ALL;
        let of =
            |batch, c_in, c_out, activation, activation_in| FcShape { batch, c_in, c_out, activation, activation_in };
        let mut shapes = vec![
            of(64, 320, 50, RELU, RELU),
            of(7, 13, 10, NONE, NONE),
            of(1, 2, 3, NONE, RELU),
            of(5, 33, 47, SIGMOID, SIGMOID),
            of(9, 50, 10, NONE, RELU),
            // More weights than a uniform holds.
            of(3, 130, 128, RELU, NONE),
        ];
        // Every activation and its derivative.
        shapes.extend(Activation::ALL.iter().map(|&activation| of(4, 9, 6, activation, activation)));
        // Each with the table for software devices and one of those for GPUs.
        let gpus = [discrete, integrated].into_iter().cycle();
        shapes.into_iter().zip(gpus).flat_map(|(shape, gpu)| [(shape, gpu), (shape, software)]).collect()
    }
}

impl Tiles {
    /// Number of slices of a fully connected layer's weight gradient.
    pub fn fc_slices(&self, batch: u32) -> u32 {
        batch.div_ceil(self.fc_slice)
    }

    /// Number of terms of a sum of `n` that are summed at a time.
    pub(super) fn terms(&self, n: u32) -> u32 {
        divisor(n, self.fc_terms)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct FcForward(pub FcShape, pub Tiles);

impl FcForward {
    /// Faults of both software shaders, which differ only in where they read from.
    const OF_SOFTWARE: Faults = &[
        ("act(bias + sum[s][t])", "act(sum[s][t])"),
        ("if n + s < batch {", "if n + s + 1u < batch {"),
        ("first += tile_i", "first += tile_i + 1u"),
        ("min(n + s, batch - 1u)", "n"),
    ];

    /// Images and outputs, per invocation in the software shader and per workgroup in the GPU shader.
    fn tile(&self) -> [u32; 2] {
        let FcForward(s, tiles) = self;
        match self.is_software() {
            true => [s.batch.min(tiles.fc_n), divisor(s.c_out, tiles.fc_o)],
            false => [4, 4],
        }
    }

    /// Invocations of a workgroup. More than the default would need too much workgroup memory on a GPU.
    fn workgroup(&self) -> u32 {
        if self.is_software() { self.1.workgroup } else { WORKGROUP }
    }
}

impl Definition for FcForward {
    const WGSL: &'static str = shader!("fc_forward");
    const FAULTS: Faults = &[
        ("var total = b[column];", "var total = 0.0;"),
        ("act(total)", "total"),
        ("min(n + s, batch - 1u)", "n"),
        ("min(o + t, c_out - 1u)", "o"),
        ("row < batch && column < c_out", "row + 1u < batch && column < c_out"),
        ("row < batch && column < c_out", "row < batch && column + 1u < c_out"),
        ("i < c_in; i += wg", "i < c_in; i += 2u * wg"),
        ("q < wg; q += HELPERS", "q < wg; q += 2u * HELPERS"),
        ("total += sums[lane * HELPERS + q]", "total += sums[lane * HELPERS]"),
        ("    workgroupBarrier();\n    let helper", "    let helper"),
        ("    workgroupBarrier();\n    let row", "    let row"),
    ];
    const SOFTWARE: &'static [Text] = &[
        Text { file: "software/fc_forward", wgsl: shader!("software/fc_forward"), faults: FcForward::OF_SOFTWARE },
        Text {
            file: "software/fc_forward_large",
            wgsl: shader!("software/fc_forward_large"),
            faults: FcForward::OF_SOFTWARE,
        },
    ];

    fn software(&self) -> Option<usize> {
        let large = !fit([self.0.x(), self.0.w()]);
        self.1.gathers.then_some(large.into())
    }

    fn constants(&self) -> Constants {
        let FcForward(s, tiles) = self;
        let [tile_n, tile_o] = self.tile();
        let mut constants = constants![
            s => batch, c_in, c_out, @tile_n = tile_n, @tile_o = tile_o, @wg = self.workgroup()
        ];
        if self.is_software() {
            constants.push(("tile_i", tiles.terms(s.c_in)));
        }
        constants
    }

    fn act(&self) -> Activation {
        self.0.activation
    }

    fn ports(&self) -> Vec<Port> {
        let (FcForward(s, _), software) = (self, self.software() == Some(0));
        vec![
            gather(software, "x", Element::F32, s.x()),
            gather(software, "w", Element::F32, s.w()),
            gather(software, "b", Element::F32, s.c_out as usize),
            write("y", s.y()),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let (FcForward(s, tiles), [tile_n, tile_o]) = (self, self.tile());
        match self.is_software() {
            true => [tiles.groups(product([s.batch.div_ceil(tile_n), s.c_out / tile_o])), 1, 1],
            false => [s.c_out.div_ceil(tile_o), s.batch.div_ceil(tile_n), 1],
        }
    }

    fn iterations(&self) -> u64 {
        let FcForward(s, tiles) = self;
        match self.is_software() {
            true => (s.c_in / tiles.terms(s.c_in)).into(),
            false => (s.c_in.div_ceil(WORKGROUP) + 2 * WORKGROUP).into(),
        }
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops()
    }

    fn cases() -> Vec<Setting<FcForward>> {
        FcShape::cases().into_iter().map(|(s, t)| Setting::new(FcForward(s, t), s.fills())).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct FcBackwardInput(pub FcShape, pub Tiles);

impl FcBackwardInput {
    /// Images and inputs per invocation.
    fn tile(&self) -> [u32; 2] {
        let FcBackwardInput(s, tiles) = self;
        [s.batch.min(tiles.fc_n), divisor(s.c_in, tiles.fc_i)]
    }
}

impl Definition for FcBackwardInput {
    const WGSL: &'static str = shader!("fc_backward_input");
    const FAULTS: Faults = &[
        ("first < c_out;", "first + tile_o < c_out;"),
        ("(first + o) * c_in + i + t * LANES", "(first + o) * c_in + i + t"),
        ("sum[s][t] * act_derivative(x[at])", "sum[s][t]"),
        ("* act_derivative(", "+ act_derivative("),
    ];
    const SOFTWARE: &'static [Text] = &[Text {
        file: "software/fc_backward_input",
        wgsl: shader!("software/fc_backward_input"),
        faults: &[
            ("first < c_out;", "first + tile_o < c_out;"),
            ("(first + o) * c_in + i + t * LANES", "(first + o) * c_in + i + t"),
            ("sum[s][t] * act_derivative(x[at / 4u][at % 4u])", "sum[s][t]"),
            ("* act_derivative(", "+ act_derivative("),
        ],
    }];

    fn software(&self) -> Option<usize> {
        (self.1.gathers && fit([self.0.y(), self.0.w(), self.0.x()])).then_some(0)
    }

    fn constants(&self) -> Constants {
        let FcBackwardInput(s, tiles) = self;
        let ([tile_n, tile_i], tile_o) = (self.tile(), tiles.terms(s.c_out));
        constants![
            s => batch, c_in, c_out,
            @tile_n = tile_n, @tile_i = tile_i, @tile_o = tile_o, @wg = tiles.workgroup
        ]
    }

    fn act(&self) -> Activation {
        self.0.activation_in
    }

    fn ports(&self) -> Vec<Port> {
        let (FcBackwardInput(s, _), software) = (self, self.is_software());
        vec![
            gather(software, "dy", Element::F32, s.y()),
            gather(software, "w", Element::F32, s.w()),
            gather(software, "x", Element::F32, s.x()),
            write("dx", s.x()),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        let (FcBackwardInput(s, tiles), [tile_n, tile_i]) = (self, self.tile());
        [tiles.groups(product([s.batch.div_ceil(tile_n), s.c_in / tile_i])), 1, 1]
    }

    fn iterations(&self) -> u64 {
        let FcBackwardInput(s, tiles) = self;
        (s.c_out / tiles.terms(s.c_out)).into()
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops()
    }

    fn cases() -> Vec<Setting<FcBackwardInput>> {
        FcShape::cases().into_iter().map(|(s, t)| Setting::new(FcBackwardInput(s, t), s.fills())).collect()
    }
}

/// Field 1 is the number of slices into which the batch is split.
#[derive(Clone, Debug, PartialEq)]
pub struct FcBackwardWeight(pub FcShape, pub u32, pub Tiles);

impl FcBackwardWeight {
    /// Outputs and inputs per invocation.
    fn tile(&self) -> [u32; 2] {
        let FcBackwardWeight(s, _, tiles) = self;
        [divisor(s.c_out, tiles.fc_weight_o), divisor(s.c_in, tiles.fc_i)]
    }

    /// Elements of the weight and bias gradients, over all slices.
    fn sums(&self) -> [usize; 2] {
        let FcBackwardWeight(s, slices, _) = self;
        [size([*slices, s.c_out, s.c_in]), size([*slices, s.c_out])]
    }
}

impl Definition for FcBackwardWeight {
    const WGSL: &'static str = shader!("fc_backward_weight");
    const FAULTS: Faults = &[
        ("let end = min(batch, (slice + 1u) * SLICE);", "let end = (slice + 1u) * SLICE;"),
        ("let at = (slice * c_out + o + t) * c_in", "let at = (o + t) * c_in"),
        ("* c_in + i + s * LANES;\n                value", "* c_in + i + s;\n                value"),
        ("FULL || first + n < end)", "true)"),
        ("let at = slice * c_out + o + t;", "let at = o + t;"),
        ("sum_b[t] += delta[n];", "sum_b[t] = delta[n];"),
    ];
    const SOFTWARE: &'static [Text] = &[Text {
        file: "software/fc_backward_weight",
        wgsl: shader!("software/fc_backward_weight"),
        faults: &[
            ("let end = min(batch, (slice + 1u) * SLICE);", "let end = (slice + 1u) * SLICE;"),
            ("let at = (slice * c_out + o + t) * c_in", "let at = (o + t) * c_in"),
            ("dw_in[at] + sum[t][s]", "sum[t][s]"),
            ("* c_in + i + s * LANES;\n                value", "* c_in + i + s;\n                value"),
            ("FULL || first + n < end)", "true)"),
            ("let at = slice * c_out + o + t;", "let at = o + t;"),
            ("db_in[at] + sum_b", "sum_b"),
        ],
    }];

    fn software(&self) -> Option<usize> {
        (self.2.gathers && fit([self.0.y(), self.0.x()])).then_some(0)
    }

    fn constants(&self) -> Constants {
        let FcBackwardWeight(s, slices, tiles) = self;
        let ([tile_o, tile_i], tile_n) = (self.tile(), tiles.terms(s.batch.div_ceil(*slices)));
        constants![
            s => batch, c_in, c_out,
            @slices = *slices, @tile_o = tile_o, @tile_i = tile_i, @tile_n = tile_n, @wg = tiles.workgroup
        ]
    }

    fn ports(&self) -> Vec<Port> {
        let (FcBackwardWeight(s, _, _), software) = (self, self.is_software());
        let [dw, db] = self.sums();
        let mut ports = vec![gather(software, "dy", Element::F32, s.y()), gather(software, "x", Element::F32, s.x())];
        ports.extend(sums(software, [dw, db]));
        ports
    }

    fn workgroups(&self) -> [u32; 3] {
        let (FcBackwardWeight(s, slices, tiles), [tile_o, tile_i]) = (self, self.tile());
        [tiles.groups(product([s.c_in / tile_i, s.c_out / tile_o])), *slices, 1]
    }

    fn iterations(&self) -> u64 {
        let FcBackwardWeight(s, slices, _) = self;
        product([s.batch.div_ceil(*slices), self.tile()[0] + 1])
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops()
    }

    fn cases() -> Vec<Setting<FcBackwardWeight>> {
        let of_shape = |(s, t): (FcShape, Tiles)| with_slices(s.batch).map(|slices| FcBackwardWeight(s, slices, t));
        let kernels = FcShape::cases().into_iter().flat_map(of_shape);
        kernels.map(|kernel| Setting::new(kernel, Fill::EXACT)).collect()
    }
}
