//! Twin of `shaders/fc_backward_weight.wgsl`: `dw[s,o,i] = sum over n in slice s of dy[n,o] * x[n,i]`, and db, the sum of
//! dy alone; on software devices added to the sums of earlier parts of the batch.

use super::{Expected, Inputs, Near, Sum, Twin};
use crate::kernels::{Definition, FcBackwardWeight, FcShape};

impl Twin for FcBackwardWeight {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        let before = self.is_software().then(|| [from.f("dw_in"), from.f("db_in")]);
        run(&self.0, self.1, from.f("dy"), from.f("x"), before)
    }
}

pub fn run(s: &FcShape, slices: u32, dy: &[f64], x: &[f64], before: Option<[&[f64]; 2]>) -> Vec<Expected> {
    let slice = s.batch.div_ceil(slices);
    let mut dw = Near::with_capacity((slices * s.c_out * s.c_in) as usize);
    let mut db = Near::with_capacity((slices * s.c_out) as usize);
    for part in 0..slices {
        let images = part * slice..s.batch.min((part + 1) * slice);
        for o in 0..s.c_out {
            for i in 0..s.c_in {
                let mut sum = Sum::default();
                before.iter().for_each(|[dw, _]| sum.add(dw[((part * s.c_out + o) * s.c_in + i) as usize]));
                for n in images.clone() {
                    sum.add(dy[(n * s.c_out + o) as usize] * x[(n * s.c_in + i) as usize]);
                }
                dw.push(sum.value, sum.error());
            }
            let mut sum = Sum::default();
            before.iter().for_each(|[_, db]| sum.add(db[(part * s.c_out + o) as usize]));
            for n in images.clone() {
                sum.add(dy[(n * s.c_out + o) as usize]);
            }
            db.push(sum.value, sum.error());
        }
    }
    vec![Expected::Near(dw), Expected::Near(db)]
}
