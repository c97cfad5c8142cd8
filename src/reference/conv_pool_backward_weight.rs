//! Twin of `shaders/conv_pool_backward_weight.wgsl`: unpools dy to the winners, then the convolution's weight gradient.

use super::conv_pool_backward_input::unpool;
use super::{Expected, conv_backward_weight};
use crate::plan::ConvPoolShape;

pub fn run(s: &ConvPoolShape, slices: u32, dy: &[f64], winner: &[u32], x: &[f64]) -> Vec<Expected> {
    conv_backward_weight::run(&s.conv, slices, &unpool(s, dy, winner), x)
}
