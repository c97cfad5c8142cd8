//! Unfused max-pooling.

use super::*;

/// Sizes of max-pooling: x (planes, h_in, w_in), y (planes, h_in/pool, w_in/pool).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolShape {
    pub planes: u32,
    pub h_in: u32,
    pub w_in: u32,
    pub pool: u32,
}

impl PoolShape {
    pub fn h_out(&self) -> u32 {
        self.h_in / self.pool
    }

    pub fn w_out(&self) -> u32 {
        self.w_in / self.pool
    }

    /// Elements of x and y.
    pub fn lens(&self) -> (usize, usize) {
        (size([self.planes, self.h_in, self.w_in]), size([self.planes, self.h_out(), self.w_out()]))
    }

    fn cases() -> [PoolShape; 5] {
        [(6, 24, 24, 2), (1, 2, 2, 2), (3, 7, 9, 2), (5, 11, 8, 3), (2, 5, 5, 1)]
            .map(|(planes, h_in, w_in, pool)| PoolShape { planes, h_in, w_in, pool })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MaxPoolForward(pub PoolShape);

impl Definition for MaxPoolForward {
    const WGSL: &'static str = shader!("max_pool_forward");
    const FAULTS: Faults = &[
        ("if value > best {", "if value >= best {"),
        ("var best = x[corner];", "var best = 0.0;"),
        ("at = r * pool + s;", "at = r + s;"),
        ("(plane * h_in + i * pool)", "(plane * H_OUT * pool + i * pool)"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => planes, h_in, w_in, pool]
    }

    fn ports(&self) -> Vec<Port> {
        let (x, y) = self.0.lens();
        vec![read("x", x), write("y", y), write_u32("winner", y)]
    }

    fn workgroups(&self) -> [u32; 3] {
        [groups(self.0.lens().1 as u64), 1, 1]
    }

    fn iterations(&self) -> u64 {
        product([self.0.pool, self.0.pool + 1])
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<MaxPoolForward>> {
        PoolShape::cases().map(|s| Setting::new(MaxPoolForward(s), Fill::EXACT)).to_vec()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MaxPoolBackward(pub PoolShape);

impl Definition for MaxPoolBackward {
    const WGSL: &'static str = shader!("max_pool_backward");
    const FAULTS: Faults = &[
        ("if i < H_OUT && j < W_OUT {", "if i < H_OUT {"),
        ("p % pool * pool + q % pool", "q % pool * pool + p % pool"),
        ("var delta = 0.0;", "var delta = dy[0];"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => planes, h_in, w_in, pool]
    }

    fn ports(&self) -> Vec<Port> {
        let (x, y) = self.0.lens();
        let winner = read_u32("winner", y).of(Values::Below(self.0.pool * self.0.pool));
        vec![read("dy", y), winner, write("dx", x)]
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

    fn cases() -> Vec<Setting<MaxPoolBackward>> {
        PoolShape::cases().map(|s| Setting::new(MaxPoolBackward(s), Fill::EXACT)).to_vec()
    }
}
