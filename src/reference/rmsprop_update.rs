//! Twin of `shaders/rmsprop_update.wgsl`: `g = clip * sum of the slices + decay * w; s = alpha * s + (1 - alpha) * g *
//! g`, then `v = momentum * v + g / (sqrt(s) + eps); w = w - rate * v`.

use super::sgd_update::{Update, kept, learning};
use super::{Expected, Inputs, Rounded, Twin};
use crate::kernels::{RmspropUpdate, UpdateShape};

impl Twin for RmspropUpdate {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, &Update::new(from, RmspropUpdate::HYPER), from.f("w"), from.f("v"), from.f("s"))
    }
}

pub fn run(s: &UpdateShape, given: &Update, w: &[f64], v: &[f64], sq: &[f64]) -> Vec<Expected> {
    let (mut w_out, mut v_out, mut s_out) = (kept(w), kept(v), kept(sq));
    let [alpha, rest, momentum, decay] = ["alpha", "rest", "momentum", "decay"].map(|name| given.constant(name));
    let eps = Rounded::exact(given.constant("eps"));
    let rate = given.of_step[0];
    for (range, i, at) in learning(s) {
        let weight = Rounded::exact(w[at]);
        let g = given.gradient(range, i) + decay * weight;
        let square = alpha * Rounded::exact(sq[at]) + rest * g * g;
        let velocity = momentum * Rounded::exact(v[at]) + g / (square.sqrt() + eps);
        let rate = rate * Rounded::exact(range.rate.into());
        s_out.set(at, square);
        v_out.set(at, velocity);
        w_out.set(at, weight - rate * velocity);
    }
    vec![Expected::Near(w_out), Expected::Near(v_out), Expected::Near(s_out)]
}
