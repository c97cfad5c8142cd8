//! Twin of `shaders/conv_backward_weight.wgsl`:
//! `dw[s,o,c,u,v] = sum over n in slice s, and i,j, of dy[n,o,i,j] * x[n,c,i*S+u-P,j*S+v-P]`, where x is 0 outside its
//! map; db is the sum of dy alone.

use super::{Expected, Inputs, Near, Sum, Twin};
use crate::kernels::{ConvBackwardWeight, ConvShape};

impl Twin for ConvBackwardWeight {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, self.1, from.f("dy"), from.f("x"))
    }
}

pub fn run(s: &ConvShape, slices: u32, dy: &[f64], x: &[f64]) -> Vec<Expected> {
    let slice = s.batch.div_ceil(slices);
    let images = |part: u32| part * slice..s.batch.min((part + 1) * slice);
    let rows = |part| images(part).flat_map(|n| (0..s.h_out()).map(move |i| (n, i))).collect();
    sums(s, slices, rows, dy, x, None)
}

/// The sums over the rows (n,i) of the map that belong to each slice, added to the previous sums of weights and biases.
pub fn sums(
    s: &ConvShape,
    slices: u32,
    rows: impl Fn(u32) -> Vec<(u32, u32)>,
    dy: &[f64],
    x: &[f64],
    before: Option<[&[f64]; 2]>,
) -> Vec<Expected> {
    let mut dw = Near::with_capacity(s.lens().1 * slices as usize);
    let mut db = Near::with_capacity((s.c_out * slices) as usize);
    for part in 0..slices {
        let rows = rows(part);
        for o in 0..s.c_out {
            let delta = |n, i, j| dy[(((n * s.c_out + o) * s.h_out() + i) * s.w_out() + j) as usize];
            for c in 0..s.c_in {
                for u in 0..s.k {
                    for v in 0..s.k {
                        let mut sum = Sum::default();
                        before.iter().for_each(|[weights, _]| sum.add(weights[dw.value.len()]));
                        for &(n, i) in &rows {
                            for j in 0..s.w_out() {
                                if let (Some(row), Some(column)) = (s.met(i, u, s.h_in), s.met(j, v, s.w_in)) {
                                    let value = x[(((n * s.c_in + c) * s.h_in + row) * s.w_in + column) as usize];
                                    sum.add(delta(n, i, j) * value);
                                }
                            }
                        }
                        dw.push(sum.value, sum.error());
                    }
                }
            }
            let mut sum = Sum::default();
            before.iter().for_each(|[_, biases]| sum.add(biases[db.value.len()]));
            for &(n, i) in &rows {
                (0..s.w_out()).for_each(|j| sum.add(delta(n, i, j)));
            }
            db.push(sum.value, sum.error());
        }
    }
    vec![Expected::Near(dw), Expected::Near(db)]
}
