//! Twin of `shaders/sgd_update.wgsl`: `g = clip * sum of the slices + decay * w; v = momentum * v + g`, then `w = w -
//! rate * v`, or `w - rate * (g + momentum * v)` with Nesterov momentum (PyTorch's form).

use super::{Expected, Inputs, Near, Rounded, Sum, Twin};
use crate::kernels::{Range, SgdUpdate, UpdateShape};

/// Inputs common to the updates of all optimizers.
pub struct Update<'a> {
    pub grad: &'a [f64],
    /// The values that the host computed for the step.
    pub of_step: [f64; 3],
    pub clip: &'a [f64],
    /// Names and values of the hyperparameters.
    hyper: (&'static [&'static str], &'a [f64]),
}

impl<'a> Update<'a> {
    /// Reads the ports; `hyper` names the hyperparameters.
    pub fn new(from: &Inputs<'_, 'a>, hyper: &'static [&'static str]) -> Update<'a> {
        let [grad, of_step, clip, values] = ["grad", "of_step", "clip", "hyper"].map(|port| from.f(port));
        Update { grad, of_step: [0, 1, 2].map(|i| of_step[i]), clip, hyper: (hyper, values) }
    }

    /// Returns a hyperparameter by name.
    pub fn constant(&self, name: &str) -> f64 {
        let (names, values) = self.hyper;
        let at = names.iter().position(|of| *of == name);
        values[at.unwrap_or_else(|| panic!("there is no constant {name}"))]
    }

    /// A parameter's gradient: the sum of its slices, clipped.
    pub fn gradient(&self, range: &Range, i: u32) -> Rounded {
        let mut sum = Sum::default();
        (0..range.slices).for_each(|slice| sum.add(self.grad[(range.slice(slice) + i) as usize]));
        self.clip[0] * Rounded::from(sum)
    }
}

/// Every trainable parameter: its range, its index in the range and its index in the arena.
pub fn learning(s: &UpdateShape) -> impl Iterator<Item = (&Range, u32, usize)> {
    s.ranges.iter().flat_map(|range| (0..range.len).map(move |i| (range, i, (range.start + i) as usize)))
}

/// Values that stay unchanged unless they are overwritten.
pub fn kept(values: &[f64]) -> Near {
    Near { value: values.to_vec(), error: vec![0.0; values.len()] }
}

impl Twin for SgdUpdate {
    fn expected(&self, from: &Inputs) -> Vec<Expected> {
        run(&self.0, self.1, &Update::new(from, SgdUpdate::HYPER), from.f("w"), from.f("v"))
    }
}

pub fn run(s: &UpdateShape, nesterov: bool, given: &Update, w: &[f64], v: &[f64]) -> Vec<Expected> {
    let (mut w_out, mut v_out) = (kept(w), kept(v));
    let [momentum, decay] = ["momentum", "decay"].map(|name| given.constant(name));
    let rate = given.of_step[0];
    for (range, i, at) in learning(s) {
        let weight = Rounded::exact(w[at]);
        let g = given.gradient(range, i) + decay * weight;
        let velocity = momentum * Rounded::exact(v[at]) + g;
        let rate = rate * Rounded::exact(range.rate.into());
        let step = if nesterov { g + momentum * velocity } else { velocity };
        v_out.set(at, velocity);
        w_out.set(at, weight - rate * step);
    }
    vec![Expected::Near(w_out), Expected::Near(v_out)]
}
