//! Runs one case: one kernel on a device, on generated inputs, between guards.

use super::{Case, Judgement, compare};
use crate::gpu::{Device, GpuError, Player};
use crate::kernels::{Access, Element, Kernel};
use crate::plan::{Arg, Buffer, Plan, Step};
use crate::reference::{Tensor, play_in_order};
use std::iter::once;

/// Guard elements before and after each tensor, which nothing may write: one binding alignment.
const GUARD: usize = 64;
/// Content of the guards: NaN as a float, so that reading one shows too.
const PATTERN: u32 = 0x7fc0_beef;
/// Content of outputs before the kernel runs.
const UNWRITTEN: u32 = 0x7fc0_dead;

/// A case as a plan, for any player: one kernel, on generated inputs, between guards.
pub struct Trial {
    pub plan: Plan,
    inputs: Vec<Tensor>,
    kernel: Kernel,
    exact: bool,
}

impl Trial {
    /// The plan of a case. Outputs start as a pattern.
    pub fn of(case: &Case) -> Trial {
        let spec = case.kernel.spec();
        let inputs = case.inputs();
        let mut plan = Plan { batch: 1, buffers: Vec::new(), steps: Vec::new(), dispatches: once(0..1).collect() };
        let mut args = Vec::new();
        for (port, tensor) in spec.ports.iter().zip(&inputs) {
            let mut content = vec![PATTERN; port.len + 2 * GUARD];
            content[GUARD..][..port.len].copy_from_slice(&match port.access {
                Access::Overwrite => vec![UNWRITTEN; port.len],
                Access::Read | Access::Update => tensor.to_bits(),
            });
            args.push(Arg { buffer: args.len(), start: GUARD, len: port.len + GUARD, tensors: vec![port.name.into()] });
            plan.buffers.push(Buffer {
                name: port.name.into(),
                element: port.element,
                len: content.len(),
                content: Some(content),
            });
        }
        plan.steps.push(Step { kernel: case.kernel.clone(), label: case.name.clone(), args });
        Trial { plan, inputs, kernel: case.kernel.clone(), exact: case.exact() }
    }

    /// Indices of the buffers that the kernel writes, all of which are to be judged.
    pub fn written(&self) -> Vec<usize> {
        let ports = self.kernel.spec().ports;
        (0..ports.len()).filter(|&i| ports[i].access != Access::Read).collect()
    }

    /// Judges the content of the written buffers, guards included.
    pub fn judge(&self, read: &[Vec<u32>]) -> Judgement {
        let spec = self.kernel.spec();
        let written = self.written();
        let expected = play_in_order(&self.kernel, &self.inputs);
        assert_eq!(expected.len(), written.len(), "{}: the twin writes every output", spec.stem);
        let mut worst = Judgement::default();
        for ((&port, found), expected) in written.iter().zip(read).zip(&expected) {
            let port = spec.ports[port];
            let (before, rest) = found.split_at(GUARD);
            let (inside, after) = rest.split_at(port.len);
            let mut judgement = compare(port.name, inside, expected, self.exact);
            if before.iter().chain(after).any(|&word| word != PATTERN) {
                let text = format!("{}: the kernel writes outside its tensor", port.name);
                judgement = Judgement { ratio: f64::INFINITY, failure: Some(text) };
            }
            worst.ratio = worst.ratio.max(judgement.ratio);
            worst.failure = worst.failure.or(judgement.failure);
        }
        worst
    }
}

/// Runs a case and judges the device's output. `wgsl` replaces the kernel's shader, and runs with run-time checks.
///
/// # Errors
/// If naga or the driver reports an error.
pub fn run(device: &Device, case: &Case, wgsl: Option<&str>) -> Result<Judgement, GpuError> {
    let trial = Trial::of(case);
    let plan = trial.plan.clone();
    let player = match wgsl {
        None => Player::trusted(device, plan, &[])?,
        Some(wgsl) => Player::with_sources(device, plan, &[], |_| wgsl)?,
    };
    let mut encoder = device.encoder();
    player.encode(&mut encoder, 1);
    let len = |i: usize| trial.plan.buffers[i].len;
    let parts: Vec<_> = trial.written().into_iter().map(|i| (player.buffer_at(i), 0, len(i))).collect();
    Ok(trial.judge(&device.wait(device.submit(encoder, &parts))?))
}

impl Case {
    /// Content of each port before the kernel runs.
    fn inputs(&self) -> Vec<Tensor> {
        let ports = self.kernel.spec().ports;
        let fill = |(at, port): (usize, &crate::kernels::Port)| match (port.access, port.element) {
            (Access::Overwrite, element) => Tensor::zeros(element, 0),
            (_, Element::F32) => Tensor::F(self.floats(at as u32, port)),
            (_, Element::U32) => Tensor::U(self.integers(at as u32, port)),
        };
        ports.iter().enumerate().map(fill).collect()
    }
}
