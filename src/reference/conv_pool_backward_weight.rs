//! Twin of `shaders/conv_pool_backward_weight.wgsl`: unpools dy to the winners, then adds the convolution's weight
//! gradient to the sums of earlier parts of the batch, if any. A slice is a number of rows of cells, counted through all
//! images.

use super::conv_pool_backward_input::unpool;
use super::{Expected, Inputs, Twin, conv_backward_weight};
use crate::kernels::{ConvPoolBackwardWeight, ConvPoolShape, Definition};

impl Twin for ConvPoolBackwardWeight {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        let before = self.is_software().then(|| [from.f("dw_in"), from.f("db_in")]);
        run(&self.0, self.1, from.f("dy"), from.u("winner"), from.f("x"), before)
    }
}

pub fn run(
    s: &ConvPoolShape,
    slices: u32,
    dy: &[f64],
    winner: &[u32],
    x: &[f64],
    before: Option<[&[f64]; 2]>,
) -> Vec<Expected> {
    let all = s.conv.batch * s.h_out();
    let slice = all.div_ceil(slices);
    let cells = |part: u32| (part * slice..all.min((part + 1) * slice)).map(|row| (row / s.h_out(), row % s.h_out()));
    let rows = |part| cells(part).flat_map(|(n, i)| (0..s.pool).map(move |r| (n, i * s.pool + r))).collect();
    conv_backward_weight::sums(&s.conv, slices, rows, &unpool(s, dy, winner), x, before)
}
