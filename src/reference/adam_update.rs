//! Twin of `shaders/adam_update.wgsl`: `m = beta1 * m + (1 - beta1) * g; s = beta2 * s + (1 - beta2) * g * g`, then `w
//! = w - rate / (1 - beta1^t) * m / (sqrt(s) / sqrt(1 - beta2^t) + eps)`. If decoupled, w is first multiplied by `1 -
//! rate * decay`; otherwise `decay * w` is added to g.

use super::sgd_update::{Update, kept, learning};
use super::{Expected, Inputs, Rounded, Twin};
use crate::kernels::{AdamUpdate, UpdateShape};

impl Twin for AdamUpdate {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, self.1, &Update::new(from, AdamUpdate::HYPER), from.f("w"), from.f("m"), from.f("s"))
    }
}

pub fn run(s: &UpdateShape, decoupled: bool, given: &Update, w: &[f64], m: &[f64], sq: &[f64]) -> Vec<Expected> {
    let (mut w_out, mut m_out, mut s_out) = (kept(w), kept(m), kept(sq));
    let [rate, scale, root] = given.of_step.map(Rounded::exact);
    let [eps, decay] = ["eps", "decay"].map(|name| Rounded::exact(given.constant(name)));
    let [beta1, rest1, beta2, rest2] = ["beta1", "rest1", "beta2", "rest2"].map(|name| given.constant(name));
    for (range, i, at) in learning(s) {
        let rate = rate * Rounded::exact(range.rate.into());
        let mut weight = Rounded::exact(w[at]);
        let mut g = given.gradient(range, i);
        if decoupled {
            weight = weight * (Rounded::exact(1.0) - rate * decay);
        } else {
            g = g + decay * weight;
        }
        let mean = beta1 * Rounded::exact(m[at]) + rest1 * g;
        let square = beta2 * Rounded::exact(sq[at]) + rest2 * g * g;
        m_out.set(at, mean);
        s_out.set(at, square);
        w_out.set(at, weight - rate * scale * mean / (square.sqrt() / root + eps));
    }
    vec![Expected::Near(w_out), Expected::Near(m_out), Expected::Near(s_out)]
}
