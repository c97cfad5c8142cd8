//! Twin of `shaders/dropout.wgsl`: `y[i] = keep(i) * x[i] / (1 - percent / 100)`.

use super::{Expected, Inputs, Near, Rounded, Twin, hash};
use crate::kernels::{Dropout, DropoutShape};

impl Twin for Dropout {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("x"), from.u("cursor"), from.u("seed"))
    }
}

pub fn run(s: &DropoutShape, x: &[f64], cursor: &[u32], seed: &[u32]) -> Vec<Expected> {
    let base = hash(hash(hash(seed[0]).wrapping_add(cursor[0])).wrapping_add(s.layer));
    let scale = Rounded::exact(100.0) / Rounded::exact(f64::from(100 - s.percent));
    let mut y = Near::with_capacity(x.len());
    for (i, &x) in (0..s.count).zip(x) {
        let drawn = ((hash(base.wrapping_add(i.wrapping_mul(0x9e37_79b9))) >> 16) * 100) >> 16;
        let kept = if drawn < s.percent { Rounded::exact(0.0) } else { x * scale };
        y.push(kept.value, kept.error);
    }
    vec![Expected::Near(y)]
}
