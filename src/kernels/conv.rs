//! Unfused convolutions: for kernels or cells that are too large for [`conv_pool`](super::conv_pool), and for
//! comparison.

use super::*;

/// Sizes of a convolution: x (batch, c_in, h_in, w_in) with `padding` zeros on each side, w (c_out, c_in, k, k),
/// applied every `stride` pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvShape {
    pub batch: u32,
    pub c_in: u32,
    pub h_in: u32,
    pub w_in: u32,
    pub c_out: u32,
    pub k: u32,
    pub stride: u32,
    pub padding: u32,
    /// Applied to the result of a forward pass.
    pub activation: Activation,
    /// Activation that produced x: a backward pass multiplies dx by its derivative.
    pub activation_in: Activation,
}

impl ConvShape {
    pub fn h_out(&self) -> u32 {
        (self.h_in + 2 * self.padding - self.k) / self.stride + 1
    }

    pub fn w_out(&self) -> u32 {
        (self.w_in + 2 * self.padding - self.k) / self.stride + 1
    }

    /// Elements of x, w and y.
    pub fn lens(&self) -> (usize, usize, usize) {
        (
            size([self.batch, self.c_in, self.h_in, self.w_in]),
            size([self.c_out, self.c_in, self.k, self.k]),
            size([self.batch, self.c_out, self.h_out(), self.w_out()]),
        )
    }

    /// Multiplications and additions for this many positions of the map.
    pub(super) fn flops(&self, positions: u32) -> u64 {
        2 * product([self.batch, self.c_out, positions, self.c_in, self.k, self.k])
    }

    fn all_flops(&self) -> [u64; 2] {
        [self.flops(self.h_out() * self.w_out()); 2]
    }

    /// batch, c_in, h_in, w_in, c_out, k
    pub(super) fn of(d: [u32; 6], activation: Activation, activation_in: Activation) -> ConvShape {
        let [batch, c_in, h_in, w_in, c_out, k] = d;
        ConvShape { batch, c_in, h_in, w_in, c_out, k, stride: 1, padding: 0, activation, activation_in }
    }

    /// Input coordinate, along a side of length `side`, that output coordinate `place` reads at kernel offset
    /// `of_kernel`. Returns None if it is outside the input.
    pub(crate) fn met(&self, place: u32, of_kernel: u32, side: u32) -> Option<u32> {
        (place * self.stride + of_kernel).checked_sub(self.padding).filter(|&input| input < side)
    }

    /// Output coordinate, along a side of length `side`, that reads `input` at kernel offset `of_kernel`. Returns None
    /// if none does.
    pub(crate) fn meeting(&self, input: u32, of_kernel: u32, side: u32) -> Option<u32> {
        let ahead = (input + self.padding).checked_sub(of_kernel).filter(|ahead| ahead.is_multiple_of(self.stride))?;
        Some(ahead / self.stride).filter(|&place| place < side)
    }

    /// The fills of its inputs; integers only if results are exact on them.
    pub(super) fn fills(&self) -> &'static [Fill] {
        fills_of(&[self.activation, self.activation_in])
    }

    fn cases() -> Vec<(ConvShape, Tiles)> {
        let [software, integrated, discrete] = Tiles::ALL;
        vec![
            (ConvShape::of([3, 2, 9, 7, 5, 3], NONE, NONE), discrete),
            (ConvShape::of([1, 1, 5, 5, 1, 5], NONE, RELU), software),
            (ConvShape::of([2, 3, 8, 11, 4, 5], SIGMOID, SIGMOID), integrated),
            (ConvShape::of([5, 4, 6, 6, 10, 1], RELU, RELU), software),
            (ConvShape::of([4, 10, 12, 12, 20, 5], NONE, RELU), integrated),
            (ConvShape { padding: 1, ..ConvShape::of([2, 3, 7, 6, 4, 3], RELU, RELU) }, discrete),
            (ConvShape { stride: 2, ..ConvShape::of([2, 3, 10, 9, 4, 3], NONE, NONE) }, integrated),
            // A stride that skips inputs, and a border of outputs that read only padding.
            (ConvShape { stride: 3, padding: 4, ..ConvShape::of([3, 2, 8, 11, 5, 2], NONE, RELU) }, software),
        ]
    }
}

impl Tiles {
    /// Number of slices of `conv_backward_weight`.
    pub fn conv_slices(&self, s: &ConvShape) -> u32 {
        self.slices(s.c_out * s.c_in * s.k, s.batch, s.h_out() * (s.w_out() + 2))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConvForward(pub ConvShape, pub Tiles);

impl ConvForward {
    fn tile_o(&self) -> u32 {
        divisor(self.0.c_out, self.1.conv_o)
    }
}

impl Definition for ConvForward {
    const WGSL: &'static str = shader!("conv_forward");
    const FAULTS: Faults = &[
        ("let column = j * stride + v - padding;", "let column = j * stride + v;"),
        ("let row = i * stride + u - padding;", "let row = i + u - padding;"),
        ("row >= h_in || column >= w_in", "row >= h_in"),
        ("sum[t] = b[o + t];", "sum[t] = 0.0;"),
        ("w[(((o + t) * c_in + c) * k + u) * k + v]", "w[(((o + t) * c_in + c) * k + v) * k + u]"),
        ("= act(sum[t]);", "= sum[t];"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => batch, c_in, h_in, w_in, c_out, k, stride, padding, @tile_o = self.tile_o()]
    }

    fn act(&self) -> Activation {
        self.0.activation
    }

    fn ports(&self) -> Vec<Port> {
        let (x, w, y) = self.0.lens();
        vec![read("x", x), read("w", w), read("b", self.0.c_out as usize), write("y", y)]
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvForward(s, _) = self;
        [groups(product([s.batch, s.h_out(), s.w_out()])), s.c_out / self.tile_o(), 1]
    }

    fn iterations(&self) -> u64 {
        let ConvForward(s, _) = self;
        product([s.c_in, s.k, s.k + 2])
    }

    fn flops(&self) -> [u64; 2] {
        self.0.all_flops()
    }

    fn cases() -> Vec<Setting<ConvForward>> {
        ConvShape::cases().into_iter().map(|(s, t)| Setting::new(ConvForward(s, t), s.fills())).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConvBackwardInput(pub ConvShape, pub Tiles);

impl ConvBackwardInput {
    fn tile_c(&self) -> u32 {
        divisor(self.0.c_in, self.1.conv_c)
    }
}

impl Definition for ConvBackwardInput {
    const WGSL: &'static str = shader!("conv_backward_input");
    const FAULTS: Faults = &[
        ("p / stride < H_OUT", "p / stride <= H_OUT"),
        ("q % stride == 0u", "true"),
        ("for (var o = 0u; o < c_out; o++)", "for (var o = 1u; o < c_out; o++)"),
        ("sum[t] * act_derivative(x[at])", "sum[t]"),
        ("act_derivative(x[at])", "act_derivative(sum[t])"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => batch, c_in, h_in, w_in, c_out, k, stride, padding, @tile_c = self.tile_c()]
    }

    fn act(&self) -> Activation {
        self.0.activation_in
    }

    fn ports(&self) -> Vec<Port> {
        let (x, w, y) = self.0.lens();
        vec![read("dy", y), read("w", w), read("x", x), write("dx", x)]
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvBackwardInput(s, _) = self;
        [groups(product([s.batch, s.h_in, s.w_in])), s.c_in / self.tile_c(), 1]
    }

    fn iterations(&self) -> u64 {
        let ConvBackwardInput(s, _) = self;
        product([s.c_out, s.k, s.k + 2])
    }

    fn flops(&self) -> [u64; 2] {
        self.0.all_flops()
    }

    fn cases() -> Vec<Setting<ConvBackwardInput>> {
        ConvShape::cases().into_iter().map(|(s, t)| Setting::new(ConvBackwardInput(s, t), s.fills())).collect()
    }
}

/// Field 1 is the number of slices into which the batch is split.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvBackwardWeight(pub ConvShape, pub u32);

impl Definition for ConvBackwardWeight {
    const WGSL: &'static str = shader!("conv_backward_weight");
    const FAULTS: Faults = &[
        ("n < min(batch, (slice + 1u) * SLICE)", "n < (slice + 1u) * SLICE"),
        ("for (var i = 0u; i < H_OUT; i++)", "for (var i = 1u; i < H_OUT; i++)"),
        ("sum_b += delta;", ""),
        ("j * stride + v - padding", "j * stride + v"),
        ("row >= h_in || column >= w_in", "column >= w_in"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => batch, c_in, h_in, w_in, c_out, k, stride, padding, @slices = self.1]
    }

    fn ports(&self) -> Vec<Port> {
        let ConvBackwardWeight(s, slices) = self;
        let (x, w, y) = s.lens();
        vec![read("dy", y), read("x", x), write("dw", w * *slices as usize), write("db", size([*slices, s.c_out]))]
    }

    fn workgroups(&self) -> [u32; 3] {
        let ConvBackwardWeight(s, slices) = self;
        [groups(product([s.c_out, s.c_in, s.k])), *slices, 1]
    }

    fn iterations(&self) -> u64 {
        let ConvBackwardWeight(s, slices) = self;
        product([s.batch.div_ceil(*slices), s.h_out(), s.w_out() + 2])
    }

    fn flops(&self) -> [u64; 2] {
        self.0.all_flops()
    }

    fn cases() -> Vec<Setting<ConvBackwardWeight>> {
        let shapes = ConvShape::cases().into_iter();
        let kernels = shapes.flat_map(|(s, _)| with_slices(s.batch).map(|slices| ConvBackwardWeight(s, slices)));
        kernels.map(|kernel| Setting::new(kernel, Fill::EXACT)).collect()
    }
}
