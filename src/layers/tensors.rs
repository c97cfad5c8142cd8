//! The tensors of a network, layer by layer.

use super::Shape;
use crate::plan::{Initial, Parameter, arena_len};

/// Collects the tensors of layers, one after another.
#[derive(Debug, Default)]
pub struct Tensors {
    /// Name of the current layer.
    pub(crate) layer: String,
    pub(crate) all: Vec<Parameter>,
}

impl Tensors {
    /// Adds a trainable tensor, named as in PyTorch.
    pub fn learning(&mut self, name: &str, shape: Vec<usize>, initial: Initial) {
        self.add(name, shape, initial, true);
    }

    /// Adds a tensor that is updated by a kernel instead of the optimizer.
    pub fn running(&mut self, name: &str, shape: Vec<usize>, initial: Initial) {
        self.add(name, shape, initial, false);
    }

    fn add(&mut self, name: &str, shape: Vec<usize>, initial: Initial, learns: bool) {
        let (name, layer, start) = (format!("{}.{name}", self.layer), self.layer.clone(), arena_len(&self.all));
        self.all.push(Parameter { name, layer, shape, start, initial, learns });
    }
}

/// Number of elements of a shape.
pub fn count(shape: Shape) -> usize {
    shape.iter().product()
}
