//! Twin of `shaders/conv_pool_backward_input.wgsl`: unpools dy to the winners, then applies the convolution's input
//! gradient.

use super::{Expected, Inputs, Twin, conv_backward_input, max_pool_backward};
use crate::kernels::{ConvPoolBackwardInput, ConvPoolShape};

impl Twin for ConvPoolBackwardInput {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, from.f("dy"), from.u("winner"), from.f("w"), from.f("x"))
    }
}

pub fn run(s: &ConvPoolShape, dy: &[f64], winner: &[u32], w: &[f64], x: &[f64]) -> Vec<Expected> {
    conv_backward_input::run(&s.conv, &unpool(s, dy, winner), w, x)
}

/// Gradient of the map before pooling: dy at each cell's winner, else 0.
pub fn unpool(s: &ConvPoolShape, dy: &[f64], winner: &[u32]) -> Vec<f64> {
    max_pool_backward::unpool(s.conv.batch * s.conv.c_out, s.conv.h_out(), s.conv.w_out(), s.pool, dy, winner)
}
