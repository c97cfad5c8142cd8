//! A network: a list of layers that determines the shapes and the parameter table.

use crate::kernels::Activation;
use crate::layers::{Layer, Linear, Node, Tensors};
use crate::plan::{Parameter, arena_len};

/// Why a list of layers is not a valid network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkError {
    #[error("{layer} does not fit its input: {text}")]
    DoesNotFit { layer: String, text: String },
    #[error("a network must end with a linear layer with one unit per class, from 2 to 256")]
    NoClassifier,
    #[error("images of {0:?} (channels, height, width) are not supported")]
    Input([usize; 3]),
    #[error("a network of {0} layers is too deep; at most {MOST_LAYERS} are supported")]
    TooManyLayers(usize),
    #[error("with {layer}, the network has more than 2^30 parameters; use fewer units or smaller images")]
    TooManyParameters { layer: String },
    #[error("images of {0}x{1} pixels are too large; at most 4096x4096 are supported")]
    TooLarge(usize, usize),
    #[error("there is no layer {unknown:?} with parameters; this network has {}", .known.join(", "))]
    UnknownLayer { unknown: String, known: Vec<String> },
    #[error("every layer is frozen, so there is nothing to train")]
    AllFrozen,
}

/// Maximum length of an arena in elements: the range of a shader's 32-bit byte offsets.
const MOST: usize = 1 << 30;

/// Maximum number of layers: each needs several kernels, buffers and bindings.
const MOST_LAYERS: usize = 1000;

/// A validated network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    input: [usize; 3],
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
}

impl Network {
    /// Validates a list of layers for an input (channels, height, width) and computes every shape.
    ///
    /// # Errors
    /// If a layer does not fit its input, or if the list does not end in a classifier.
    pub fn new(input: [usize; 3], layers: &[Layer]) -> Result<Network, NetworkError> {
        if input.contains(&0) || input[0] > 4096 {
            return Err(NetworkError::Input(input));
        }
        if input[1] > 4096 || input[2] > 4096 {
            return Err(NetworkError::TooLarge(input[1], input[2]));
        }
        if layers.len() > MOST_LAYERS {
            return Err(NetworkError::TooManyLayers(layers.len()));
        }
        let mut nodes: Vec<Node> = Vec::new();
        let mut tensors = Tensors::default();
        let mut shape = input;
        for layer in layers {
            let number = 1 + nodes.iter().filter(|n| n.layer.kind() == layer.kind()).count();
            let name = format!("{}{number}", layer.kind());
            tensors.layer.clone_from(&name);
            let output = match layer.output(shape, &mut tensors) {
                Ok(output) => output,
                Err(text) => return Err(NetworkError::DoesNotFit { layer: name, text }),
            };
            if arena_len(&tensors.all) > MOST {
                return Err(NetworkError::TooManyParameters { layer: name });
            }
            nodes.push(Node { name, layer: layer.clone(), input: shape, output });
            shape = output;
        }
        match layers.last() {
            Some(Layer::Linear(Linear { units: 2..=256 })) => Ok(Network { input, nodes, parameters: tensors.all }),
            _ => Err(NetworkError::NoClassifier),
        }
    }

    /// The tutorial's network: two 5x5 convolutions with pooling and relu, 10 and 20 channels, then 50 hidden units.
    ///
    /// # Errors
    /// If the images are too small for the two convolutions.
    pub fn tutorial(input: [usize; 3], classes: usize) -> Result<Network, NetworkError> {
        Network::new(input, &tutorial_layers(classes))
    }

    /// The input's (channels, height, width).
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// Number of classes: the number of units of the last layer.
    pub fn classes(&self) -> usize {
        self.nodes.last().map_or(0, |n| n.output[0])
    }

    /// The layers in order, each with its name and shapes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Name of the first fully connected layer, and its number of inputs.
    pub fn hidden(&self) -> Option<(&str, usize)> {
        let first = self.nodes.iter().find(|node| matches!(node.layer, Layer::Linear(_)))?;
        Some((&first.name, first.input.iter().product()))
    }

    /// The list of layers without names and shapes.
    pub fn layers(&self) -> Vec<Layer> {
        self.nodes.iter().map(|n| n.layer.clone()).collect()
    }

    /// Every tensor, in order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Length of the parameter arena in elements, gaps included.
    pub fn arena_len(&self) -> usize {
        arena_len(&self.parameters)
    }

    /// Names of the layers that have parameters.
    pub fn learning_layers(&self) -> Vec<String> {
        let mut names: Vec<String> = self.parameters.iter().map(|p| p.layer.clone()).collect();
        names.dedup();
        names
    }

    /// Names of the convolutions and of the layers that normalise their outputs.
    pub fn convolutions(&self) -> Vec<String> {
        let before = self.nodes.iter().take_while(|n| !matches!(n.layer, Layer::Linear(_)));
        before.filter(|n| matches!(n.layer, Layer::Conv(_) | Layer::BatchNorm(_))).map(|n| n.name.clone()).collect()
    }

    /// The trainable tensors, without those of frozen layers.
    fn learning<'a>(&'a self, frozen: &'a [String]) -> impl Iterator<Item = &'a Parameter> {
        self.parameters.iter().filter(|p| p.learns && !frozen.contains(&p.layer))
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> usize {
        self.trainable_count(&[])
    }

    /// Number of trainable values in a layer.
    pub fn parameters_of(&self, layer: &str) -> usize {
        self.learning(&[]).filter(|p| p.layer == layer).map(Parameter::len).sum()
    }

    /// Number of trainable values when these layers are frozen.
    pub fn trainable_count(&self, frozen: &[String]) -> usize {
        self.learning(frozen).map(Parameter::len).sum()
    }

    /// Validates a list of layers to freeze.
    ///
    /// # Errors
    /// If a name is not a layer with parameters, or if the list leaves nothing to train.
    pub fn check_frozen(&self, frozen: &[String]) -> Result<(), NetworkError> {
        let known = self.learning_layers();
        if let Some(unknown) = frozen.iter().find(|name| !known.contains(name)) {
            return Err(NetworkError::UnknownLayer { unknown: unknown.clone(), known });
        }
        if known.iter().all(|name| frozen.contains(name)) {
            return Err(NetworkError::AllFrozen);
        }
        Ok(())
    }

    /// The same network with this activation everywhere.
    pub fn with_activation(self, activation: Option<Activation>) -> Network {
        let Some(activation) = activation else { return self };
        let layers = self.layers().into_iter().map(|layer| match layer {
            Layer::Activation(_) => Layer::Activation(activation),
            layer => layer,
        });
        // Activations do not change shapes.
        Network::new(self.input, &layers.collect::<Vec<_>>()).unwrap_or(self)
    }

    /// The same network with dropout before each linear layer but the first, or before the only one; 0 removes it.
    ///
    /// # Errors
    /// If `percent` is more than 99.
    pub fn with_dropout(&self, percent: u32) -> Result<Network, NetworkError> {
        let kept = self.layers().into_iter().filter(|layer| !matches!(layer, Layer::Dropout(_)));
        let linear = |layer: &Layer| matches!(layer, Layer::Linear(_));
        let several = self.nodes.iter().filter(|node| linear(&node.layer)).count() > 1;
        let (mut layers, mut seen) = (Vec::new(), usize::from(!several));
        for layer in kept {
            if linear(&layer) {
                if seen > 0 && percent > 0 {
                    layers.push(Layer::dropout(percent));
                }
                seen += 1;
            }
            layers.push(layer);
        }
        Network::new(self.input, &layers)
    }

    /// The same network with another number of classes.
    ///
    /// # Errors
    /// If no network can have this number of classes.
    pub fn with_classes(&self, classes: usize) -> Result<Network, NetworkError> {
        let mut layers = self.layers();
        if let Some(Layer::Linear(last)) = layers.last_mut() {
            last.units = classes;
        }
        Network::new(self.input, &layers)
    }
}

/// The tutorial's layers.
pub fn tutorial_layers(classes: usize) -> Vec<Layer> {
    [hidden_layers("tutorial").unwrap_or_default(), vec![Layer::linear(classes)]].concat()
}

/// Names of the known networks.
pub const NETWORKS: [&str; 3] = ["tutorial", "lenet5", "deep"];

/// All layers but the last of a known network.
pub fn hidden_layers(name: &str) -> Option<Vec<Layer>> {
    let (pool, relu) = (Layer::max_pool(2), Layer::Activation(Activation::Relu));
    let block = |channels| [Layer::conv(channels, 5), pool.clone(), relu.clone()];
    let linear = |units| [Layer::linear(units), relu.clone()];
    match name {
        "tutorial" => Some([&block(10)[..], &block(20), &linear(50)].concat()),
        // After Y. LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998: its sizes for 28x28
        // pixels, with max-pooling, relu and full connections.
        "lenet5" => Some([&block(6)[..], &block(16), &linear(120), &linear(84)].concat()),
        // Four convolutions, each normalised, directly followed by the classifier: 43,697 parameters for ten classes.
        "deep" => {
            let normalised = |layers: &[Layer]| [layers, &[Layer::batch_norm(), relu.clone()]].concat();
            let pooled = |channels, kernel| normalised(&[Layer::conv(channels, kernel), pool.clone()]);
            Some(
                [pooled(24, 5), normalised(&[Layer::conv(40, 3)]), pooled(45, 3), normalised(&[Layer::conv(40, 3)])]
                    .concat(),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ALIGN;
    use crate::plan::Initial;

    #[test]
    fn the_tutorial_network_has_pytorchs_names_and_21840_parameters() {
        let net = Network::tutorial([1, 28, 28], 10).unwrap();
        let fan_in = |p: &Parameter| match p.initial {
            Initial::Uniform { fan_in } => fan_in,
            Initial::Constant(_) => 0,
        };
        let table: Vec<_> = net.parameters().iter().map(|p| (p.name.as_str(), p.shape.clone(), fan_in(p))).collect();
        assert_eq!(
            table,
            [
                ("conv1.weight", vec![10, 1, 5, 5], 25),
                ("conv1.bias", vec![10], 25),
                ("conv2.weight", vec![20, 10, 5, 5], 250),
                ("conv2.bias", vec![20], 250),
                ("fc1.weight", vec![50, 320], 320),
                ("fc1.bias", vec![50], 320),
                ("fc2.weight", vec![10, 50], 50),
                ("fc2.bias", vec![10], 50),
            ]
        );
        assert_eq!(net.parameter_count(), 21_840);
        assert_eq!(net.trainable_count(&["conv1".into(), "conv2".into()]), 16_560);
        assert!(net.parameters().iter().all(|p| p.start % ALIGN == 0));
    }

    #[test]
    fn normalisation_has_pytorchs_names_and_learns_half_of_its_tensors() {
        let layers = [Layer::conv(3, 3), Layer::batch_norm(), Layer::linear(2)];
        let net = Network::new([1, 5, 5], &layers).unwrap();
        let of_it: Vec<_> = net.parameters().iter().filter(|p| p.layer == "bn1").collect();
        let names: Vec<&str> = of_it.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"]);
        assert_eq!(of_it.iter().map(|p| p.learns).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!((net.parameters_of("bn1"), net.parameter_count()), (6, 30 + 6 + 2 * 27 + 2));
        assert_eq!(net.convolutions(), ["conv1", "bn1"]);
    }

    #[test]
    fn layers_that_do_not_fit_are_named() {
        let text = Network::tutorial([1, 12, 12], 10).unwrap_err().to_string();
        assert_eq!(text, "conv2 does not fit its input: a 5x5 kernel is larger than its 4x4 input");
        assert_eq!(Network::new([1, 8, 8], &[Activation::Relu.into()]), Err(NetworkError::NoClassifier));
        assert_eq!(Network::tutorial([1, 28, 28], 300), Err(NetworkError::NoClassifier));
    }

    #[test]
    fn freezing_is_checked() {
        let net = Network::tutorial([1, 28, 28], 10).unwrap();
        let text = net.check_frozen(&["conv9".into()]).unwrap_err().to_string();
        assert_eq!(text, "there is no layer \"conv9\" with parameters; this network has conv1, conv2, fc1, fc2");
        assert_eq!(net.check_frozen(&net.learning_layers()), Err(NetworkError::AllFrozen));
        assert_eq!(net.check_frozen(&["fc1".into()]), Ok(()));
    }
}
