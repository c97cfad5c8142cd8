//! Average pooling.

use super::*;

/// Sizes of average pooling: x (planes, h_in, w_in), y (planes, h_in/pool_h, w_in/pool_w).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AvgPoolShape {
    pub planes: u32,
    pub h_in: u32,
    pub w_in: u32,
    pub pool_h: u32,
    pub pool_w: u32,
}

impl AvgPoolShape {
    pub fn h_out(&self) -> u32 {
        self.h_in / self.pool_h
    }

    pub fn w_out(&self) -> u32 {
        self.w_in / self.pool_w
    }

    /// Number of values in a cell.
    pub fn cell(&self) -> u32 {
        self.pool_h * self.pool_w
    }

    /// Elements of x and y.
    pub fn lens(&self) -> (usize, usize) {
        (size([self.planes, self.h_in, self.w_in]), size([self.planes, self.h_out(), self.w_out()]))
    }

    fn constants(&self) -> Constants {
        constants![self => planes, h_in, w_in, pool_h, pool_w]
    }

    fn cases() -> [(AvgPoolShape, &'static [Fill]); 6] {
        [(6, 24, 24, 2, 2), (1, 2, 2, 2, 2), (3, 7, 9, 2, 4), (5, 11, 8, 3, 3), (70, 7, 5, 7, 5), (2, 5, 5, 1, 1)].map(
            |(planes, h_in, w_in, pool_h, pool_w)| {
                let shape = AvgPoolShape { planes, h_in, w_in, pool_h, pool_w };
                // Quotients of integers are exact if the divisor is a power of two.
                (shape, if shape.cell().is_power_of_two() { Fill::EXACT } else { Fill::SMOOTH })
            },
        )
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct AvgPoolForward(pub AvgPoolShape);

impl Definition for AvgPoolForward {
    const WGSL: &'static str = shader!("avg_pool_forward");

    const FAULTS: Faults = &[
        ("sum += x", "sum = x"),
        ("sum / f32(pool_h * pool_w)", "sum"),
        ("* w_in + j * pool_w + s]", "* w_in + j + s]"),
        ("let n = id.x / (H_OUT * W_OUT);", "let n = 0u;"),
    ];

    fn constants(&self) -> Constants {
        self.0.constants()
    }

    fn ports(&self) -> Vec<Port> {
        let (x, y) = self.0.lens();
        vec![read("x", x), write("y", y)]
    }

    fn workgroups(&self) -> [u32; 3] {
        [groups(self.0.lens().1 as u64), 1, 1]
    }

    fn iterations(&self) -> u64 {
        product([self.0.pool_h, self.0.pool_w + 1])
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<AvgPoolForward>> {
        AvgPoolShape::cases().map(|(s, fills)| Setting::new(AvgPoolForward(s), fills)).to_vec()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct AvgPoolBackward(pub AvgPoolShape);

impl Definition for AvgPoolBackward {
    const WGSL: &'static str = shader!("avg_pool_backward");

    const FAULTS: Faults = &[
        ("i < H_OUT && j < W_OUT", "true"),
        ("delta / f32(pool_h * pool_w)", "delta"),
        ("id.x % w_in / pool_w", "id.x % w_in % W_OUT"),
    ];

    fn constants(&self) -> Constants {
        self.0.constants()
    }

    fn ports(&self) -> Vec<Port> {
        let (x, y) = self.0.lens();
        vec![read("dy", y), write("dx", x)]
    }

    fn workgroups(&self) -> [u32; 3] {
        [groups(self.0.lens().0 as u64), 1, 1]
    }

    fn iterations(&self) -> u64 {
        0
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<AvgPoolBackward>> {
        AvgPoolShape::cases().map(|(s, fills)| Setting::new(AvgPoolBackward(s), fills)).to_vec()
    }
}
