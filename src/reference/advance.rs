//! Twin of `shaders/advance.wgsl`: `step = step + 1; start = start + batch`.

use super::{Expected, Inputs, Twin};
use crate::kernels::Advance;

impl Twin for Advance {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(self.0, from.u("cursor"))
    }
}

pub fn run(batch: u32, cursor: &[u32]) -> Vec<Expected> {
    vec![Expected::Exact(vec![cursor[0] + 1, cursor[1] + batch, cursor[2]])]
}
