//! Batch normalisation.

use super::*;

/// Sizes of batch normalisation: x (padded, channels, pixels), of which at most the first `batch` rows are images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormShape {
    pub batch: u32,
    pub padded: u32,
    pub channels: u32,
    pub pixels: u32,
    /// Applied to the result of a forward pass.
    pub activation: Activation,
    /// Activation that produced x: a backward pass multiplies dx by its derivative.
    pub activation_in: Activation,
}

/// Meaningful values of a variance.
const POSITIVE: Values = Values::Within(0.1, 1.0);

impl NormShape {
    /// Elements of x.
    pub fn elements(&self) -> usize {
        size([self.padded, self.channels, self.pixels])
    }

    /// Number of values of a channel.
    fn values(&self) -> u64 {
        product([self.padded, self.pixels])
    }

    /// Uniforms with one element per channel.
    fn of_channel(&self, names: &[&'static str]) -> Vec<Port> {
        let port = |name: &&'static str| {
            let port = uniform(name, Element::F32, self.channels as usize);
            if *name == "variance" { port.of(POSITIVE) } else { port }
        };
        names.iter().map(port).collect()
    }

    /// The test cases: shapes with their cursors.
    fn cases<K>(kernel: impl Fn(NormShape, Tiles) -> K) -> Vec<Setting<K>> {
        let [software, integrated, discrete] = Tiles::ALL;
        let cases = [
            ([5, 5, 3, 12], RELU, NONE, discrete, [0, 0, 12]),
            // Padding rows, before and past the end of the set.
            ([5, 8, 4, 9], SIGMOID, RELU, software, [0, 0, 12]),
            ([5, 8, 7, 10], NONE, SIGMOID, integrated, [2, 10, 12]),
            ([3, 3, 2, 56], NONE, NONE, software, [0, 0, 3]),
            ([1, 1, 3, 2], RELU, RELU, discrete, [0, 1, 2]),
            // As after a fully connected layer.
            ([70, 72, 20, 1], RELU, NONE, software, [1, 70, 150]),
            ([16, 16, 5, 144], RELU, RELU, integrated, [0, 0, 16]),
            // So many values that eight lanes would exceed the loop limit of some drivers.
            ([1024, 1024, 1, 576], NONE, NONE, software, [0, 0, 1024]),
        ];
        let cases =
            cases.into_iter().map(|([batch, padded, channels, pixels], activation, activation_in, tiles, at)| {
                let shape = NormShape { batch, padded, channels, pixels, activation, activation_in };
                Setting::new(kernel(shape, tiles), Fill::SMOOTH).at(at)
            });
        cases.collect()
    }
}

impl Tiles {
    /// Number of invocations that sum a channel of `values` values: a full workgroup on GPUs, and as few as the
    /// iteration limit allows on software devices.
    fn norm_lanes(&self, values: u64) -> u32 {
        let most = (MOST_ITERATIONS / 4) as u64;
        values.div_ceil(most).next_power_of_two().clamp(if self.gathers { self.workgroup.into() } else { 256 }, 256)
            as u32
    }

    /// Values of a channel per invocation.
    fn norm_p(&self, pixels: u32) -> u32 {
        divisor(pixels, self.load_p)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormStatistics(pub NormShape, pub Tiles);

impl Definition for BatchNormStatistics {
    const WGSL: &'static str = shader!("batch_norm_statistics");
    const FAULTS: Faults = &[
        ("min(batch, cursor.total - cursor.start)", "batch"),
        ("\n    sum = 0.0;\n", "\n"),
        ("let count = f32(values);", "let count = f32(batch * pixels);"),
        ("max(count - 1.0, 1.0)", "count"),
        ("= 0.9 * running_mean[c] + 0.1 * centre", "= 0.1 * running_mean[c] + 0.9 * centre"),
        ("0.1 * (spread", "0.9 * (spread"),
        ("sums[lane] += sums[lane + half];", "sums[lane] = sums[lane + half];"),
        ("        workgroupBarrier();\n", ""),
        ("workgroupUniformLoad(&sums[0])", "sums[0]"),
        ("select(0.0, value[q], first", "select(value[q], value[q], first"),
        ("select(0.0, value[q] - centre, first", "select(centre, value[q] - centre, first"),
        ("min(first + q * wg, values - 1u)", "min(first + q, values - 1u)"),
    ];

    fn constants(&self) -> Constants {
        let BatchNormStatistics(s, tiles) = self;
        constants![s => batch, channels, pixels, @wg = tiles.norm_lanes(s.values()), @at_once = tiles.at_once]
    }

    fn ports(&self) -> Vec<Port> {
        let channels = self.0.channels as usize;
        vec![
            read("x", self.0.elements()),
            cursor(),
            update("running_mean", channels),
            update("running_var", channels).of(POSITIVE),
            write("mean", channels),
            write("variance", channels),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        [self.0.channels, 1, 1]
    }

    fn iterations(&self) -> u64 {
        let BatchNormStatistics(s, tiles) = self;
        2 * (s.values().div_ceil(tiles.norm_lanes(s.values()).into()) + HALVINGS)
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<BatchNormStatistics>> {
        NormShape::cases(BatchNormStatistics)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormForward(pub NormShape, pub Tiles);

impl Definition for BatchNormForward {
    const WGSL: &'static str = shader!("batch_norm_forward");
    const FAULTS: Faults = &[
        ("+ EPS", ""),
        ("- centre) + shift", "- centre)"),
        ("y[first + p] = act(", "y[first + p] = ("),
        ("let c = plane % channels;", "let c = (plane + 1u) % channels;"),
        ("id.x % TILES * tile_p", "id.x % TILES"),
    ];
    const SOFTWARE: &'static [Text] = &[Text {
        file: "software/batch_norm_forward",
        wgsl: shader!("software/batch_norm_forward"),
        faults: &[
            ("+ EPS", ""),
            ("- centre) + shift", "- centre)"),
            ("y[p] = act(", "y[p] = ("),
            ("let c = plane % channels;", "let c = (plane + 1u) % channels;"),
            ("id.x % TILES * tile_p", "id.x % TILES"),
        ],
    }];

    fn software(&self) -> Option<usize> {
        (self.1.gathers && fit([self.0.elements()])).then_some(0)
    }

    fn constants(&self) -> Constants {
        let BatchNormForward(s, tiles) = self;
        let tile_p = tiles.norm_p(s.pixels);
        constants![
            s => channels, pixels, @batch = s.padded, @tile_p = tile_p, @wg = tiles.workgroup
        ]
    }

    fn act(&self) -> Activation {
        self.0.activation
    }

    fn ports(&self) -> Vec<Port> {
        let BatchNormForward(s, _) = self;
        let mut ports = vec![gather(self.is_software(), "x", Element::F32, s.elements())];
        ports.extend(s.of_channel(&["w", "b", "mean", "variance"]));
        ports.push(write("y", s.elements()));
        ports
    }

    fn workgroups(&self) -> [u32; 3] {
        let BatchNormForward(s, tiles) = self;
        [tiles.groups(product([s.padded, s.channels, s.pixels / tiles.norm_p(s.pixels)])), 1, 1]
    }

    fn iterations(&self) -> u64 {
        self.1.norm_p(self.0.pixels).into()
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<BatchNormForward>> {
        NormShape::cases(BatchNormForward)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormBackwardInput(pub NormShape, pub Tiles);

impl Definition for BatchNormBackwardInput {
    const WGSL: &'static str = shader!("batch_norm_backward_input");
    const FAULTS: Faults = &[
        ("(shift + slope", "(slope"),
        ("shift + slope * (value[p] - centre)", "shift"),
        ("/ deviation / count", "/ count"),
        ("if plane / channels >= images {", "if plane / channels >= padded {"),
        ("f32(images * pixels)", "f32(padded * pixels)"),
        ("* act_derivative(value[p])", ""),
        ("let scale = component(w[c / 4u], c % 4u) / deviation;", "let scale = 1.0 / deviation;"),
    ];

    fn constants(&self) -> Constants {
        let BatchNormBackwardInput(s, tiles) = self;
        let tile_p = tiles.norm_p(s.pixels);
        constants![
            s => batch, padded, channels, pixels, @tile_p = tile_p, @wg = tiles.workgroup
        ]
    }

    fn act(&self) -> Activation {
        self.0.activation_in
    }

    fn ports(&self) -> Vec<Port> {
        let BatchNormBackwardInput(s, _) = self;
        let mut ports = vec![read("dy", s.elements()), read("x", s.elements())];
        ports.extend(s.of_channel(&["w", "mean", "variance", "dw", "db"]));
        ports.extend([cursor(), write("dx", s.elements())]);
        ports
    }

    fn workgroups(&self) -> [u32; 3] {
        let BatchNormBackwardInput(s, tiles) = self;
        [tiles.groups(product([s.padded, s.channels, s.pixels / tiles.norm_p(s.pixels)])), 1, 1]
    }

    fn iterations(&self) -> u64 {
        self.1.norm_p(self.0.pixels).into()
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<BatchNormBackwardInput>> {
        NormShape::cases(BatchNormBackwardInput)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormBackwardWeight(pub NormShape, pub Tiles);

impl Definition for BatchNormBackwardWeight {
    const WGSL: &'static str = shader!("batch_norm_backward_weight");
    const FAULTS: Faults = &[
        ("sum += vec2f", "sum = vec2f"),
        ("(value[q] - centre), delta", "value[q], delta"),
        ("select(0.0, dy[at], first + q * wg < VALUES)", "dy[at]"),
        ("min(first + q * wg, VALUES - 1u)", "min(first + q, VALUES - 1u)"),
        ("sums[0].x / sqrt(component(variance[c / 4u], c % 4u) + EPS)", "sums[0].x"),
        ("var first = lane.x;", "var first = lane.x + 1u;"),
        ("        workgroupBarrier();\n", ""),
    ];

    fn constants(&self) -> Constants {
        let BatchNormBackwardWeight(s, tiles) = self;
        constants![
            s => channels, pixels,
            @batch = s.padded, @wg = tiles.norm_lanes(s.values()), @at_once = tiles.at_once
        ]
    }

    fn ports(&self) -> Vec<Port> {
        let BatchNormBackwardWeight(s, _) = self;
        let channels = s.channels as usize;
        let mut ports = vec![read("dy", s.elements()), read("x", s.elements())];
        ports.extend(s.of_channel(&["mean", "variance"]));
        ports.extend([write("dw", channels), write("db", channels)]);
        ports
    }

    fn workgroups(&self) -> [u32; 3] {
        [self.0.channels, 1, 1]
    }

    fn iterations(&self) -> u64 {
        let BatchNormBackwardWeight(s, tiles) = self;
        s.values().div_ceil(tiles.norm_lanes(s.values()).into()) + HALVINGS
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<BatchNormBackwardWeight>> {
        NormShape::cases(BatchNormBackwardWeight)
    }
}
