//! Plays a plan on the CPU in f64, using the twins.

use super::{Tensor, play_in_order};
use crate::kernels::{Access, Port};
use crate::plan::{Arg, Plan, Step};

/// A plan and the contents of its buffers.
pub struct Player<'a> {
    plan: &'a Plan,
    memory: Vec<Tensor>,
}

impl<'a> Player<'a> {
    /// Initialises buffers with the plan's contents, or with zeros.
    pub fn new(plan: &'a Plan) -> Player<'a> {
        let memory = plan
            .buffers
            .iter()
            .map(|b| match &b.content {
                Some(bits) => Tensor::from_bits(b.element, bits),
                None => Tensor::zeros(b.element, b.len),
            })
            .collect();
        Player { plan, memory }
    }

    /// Returns a buffer by name.
    ///
    /// # Panics
    /// If the plan has no such buffer.
    pub fn buffer(&mut self, name: &str) -> &mut Tensor {
        let at = self.plan.buffer(name).unwrap_or_else(|| panic!("the plan has no buffer {name}"));
        &mut self.memory[at]
    }

    /// Plays every step of the plan once.
    pub fn step(&mut self) {
        for step in &self.plan.steps {
            self.play(step);
        }
    }

    /// Plays one step of the plan.
    pub fn play(&mut self, step: &Step) {
        let ports = step.kernel.spec().ports;
        let inputs: Vec<Tensor> = ports.iter().zip(&step.args).map(|(port, arg)| self.read(port, arg)).collect();
        let expected = play_in_order(&step.kernel, &inputs);
        let written = ports.iter().zip(&step.args).filter(|(port, _)| port.access != Access::Read);
        for ((_, arg), expected) in written.zip(expected) {
            match (&mut self.memory[arg.buffer], expected.tensor()) {
                (Tensor::F(buffer), Tensor::F(new)) => buffer[arg.start..][..new.len()].copy_from_slice(&new),
                (Tensor::U(buffer), Tensor::U(new)) => buffer[arg.start..][..new.len()].copy_from_slice(&new),
                _ => unreachable!("a port has one element type"),
            }
        }
    }

    fn read(&self, port: &Port, arg: &Arg) -> Tensor {
        match &self.memory[arg.buffer] {
            Tensor::F(buffer) => Tensor::F(buffer[arg.start..][..port.len].to_vec()),
            Tensor::U(buffer) => Tensor::U(buffer[arg.start..][..port.len].to_vec()),
        }
    }
}
