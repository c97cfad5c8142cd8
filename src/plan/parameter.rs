//! Tensors that belong to a layer, and where they lie.

/// What a tensor holds before any training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Drawn from ±1/sqrt(fan_in), where `fan_in` is the number of inputs to each of the layer's outputs.
    Uniform {
        fan_in: usize,
    },
    Constant(f32),
}

/// A tensor of a layer. `start` is where it lies in the parameter arena.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `conv1.weight`: the checkpoint's key.
    pub name: String,
    /// `conv1`.
    pub layer: String,
    /// PyTorch's shape: OIHW, (O,I) or (O).
    pub shape: Vec<usize>,
    pub start: usize,
    pub initial: Initial,
    /// Whether it follows a gradient; the running statistics of a batch normalisation do not.
    pub learns: bool,
}

impl Parameter {
    /// Elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements; never, in a valid network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first element behind it where another tensor may start.
    pub fn end(&self) -> usize {
        self.start + self.len().next_multiple_of(crate::kernels::ALIGN)
    }
}

/// Elements of the arena of these tensors, gaps included.
pub fn arena_len(parameters: &[Parameter]) -> usize {
    parameters.last().map_or(0, Parameter::end)
}
