//! The tensors of a network, layer by layer.

use super::Shape;
use crate::plan::{Initial, Parameter, arena_len};

/// Collects the tensors of layers, one behind the other.
#[derive(Debug, Default)]
pub struct Tensors {
    /// The layer whose turn it is.
    pub(crate) layer: String,
    pub(crate) all: Vec<Parameter>,
}

impl Tensors {
    /// A tensor that learns, named in PyTorch's way.
    pub fn learning(&mut self, name: &str, shape: Vec<usize>, initial: Initial) {
        self.add(name, shape, initial, true);
    }

    /// A tensor that a kernel keeps up to date by itself.
    pub fn running(&mut self, name: &str, shape: Vec<usize>, initial: Initial) {
        self.add(name, shape, initial, false);
    }

    fn add(&mut self, name: &str, shape: Vec<usize>, initial: Initial, learns: bool) {
        let (name, layer, start) = (format!("{}.{name}", self.layer), self.layer.clone(), arena_len(&self.all));
        self.all.push(Parameter { name, layer, shape, start, initial, learns });
    }
}

/// Elements of a shape.
pub fn count(shape: Shape) -> usize {
    shape.iter().product()
}
