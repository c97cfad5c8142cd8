//! A layer's tensors and their places in the parameter arena.

/// Initial value of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Uniform in ±1/sqrt(fan_in), where `fan_in` is the number of inputs to each output of the layer.
    Uniform {
        fan_in: usize,
    },
    Constant(f32),
}

/// A layer's tensor, at element `start` of the parameter arena.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Checkpoint key, such as `conv1.weight`.
    pub name: String,
    /// Layer name, such as `conv1`.
    pub layer: String,
    /// Shape as in PyTorch: OIHW, (O,I) or (O).
    pub shape: Vec<usize>,
    pub start: usize,
    pub initial: Initial,
    /// Whether gradients update it; false for the running statistics of batch normalisation.
    pub learns: bool,
}

impl Parameter {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no elements; never true in a valid network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First aligned element past the tensor, where another may start.
    pub fn end(&self) -> usize {
        self.start + self.len().next_multiple_of(crate::kernels::ALIGN)
    }
}

/// Number of elements in the arena of these tensors, padding included.
pub fn arena_len(parameters: &[Parameter]) -> usize {
    parameters.last().map_or(0, Parameter::end)
}
