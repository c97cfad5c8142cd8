//! Initial parameters.

use super::{Model, Network, NetworkError};
use crate::plan::{Initial, Parameter};
use crate::random::{Purpose, Stream};

/// Initial parameters of a whole network, in the arena's layout.
///
/// PyTorch's default for convolutions and linear layers: weights and biases uniform in ±1/sqrt(fan_in) (for weights,
/// this is what its `kaiming_uniform_` with a = sqrt(5) gives; for biases, it is PyTorch's rule). Normalisation layers
/// start with PyTorch's constants. The random numbers differ from PyTorch's, so equal seeds give different networks.
pub fn initialise(net: &Network, seed: u64) -> Vec<f32> {
    let mut arena = vec![0.0; net.arena_len()];
    for parameter in net.parameters() {
        initialise_one(net, parameter, seed, &mut arena);
    }
    arena
}

/// Initial values of one tensor. Each tensor has its own stream, so replacing one layer leaves the others unchanged.
fn initialise_one(net: &Network, parameter: &Parameter, seed: u64, arena: &mut [f32]) {
    let values = &mut arena[parameter.start..][..parameter.len()];
    let fan_in = match parameter.initial {
        Initial::Uniform { fan_in } => fan_in,
        Initial::Constant(value) => return values.fill(value),
    };
    let part = net.parameters().iter().position(|p| p.name == parameter.name).unwrap_or(0) as u32;
    let mut stream = Stream::new(seed, Purpose::Initialisation, part);
    let bound = 1.0 / (fan_in as f32).sqrt();
    values.fill_with(|| stream.uniform(-bound, bound));
}

/// Initial values of one class's row of a last layer's tensor, from a stream of its own: the rows beside it may have been
/// drawn from the seed's usual one.
fn initialise_class(parameter: &Parameter, class: usize, seed: u64, arena: &mut [f32]) {
    let row = parameter.len() / parameter.shape[0];
    let values = &mut arena[parameter.start + class * row..][..row];
    let Initial::Uniform { fan_in } = parameter.initial else { return };
    // A last layer has weights of two dimensions, and biases of one.
    let part = 2 * class + usize::from(parameter.shape.len() > 1);
    let mut stream = Stream::new(seed, Purpose::Classes, part as u32);
    let bound = 1.0 / (fan_in as f32).sqrt();
    values.fill_with(|| stream.uniform(-bound, bound));
}

impl Model {
    /// The model for other classes. The `kept` ones keep their rows of the last layer, `head`.
    ///
    /// # Errors
    /// If the network cannot have so many classes.
    pub fn with_classes(
        self,
        wanted: &[String],
        kept: &[String],
        head: &str,
        seed: u64,
    ) -> Result<Model, NetworkError> {
        let network = self.network.with_classes(wanted.len())?;
        let mut parameters = vec![0.0; network.arena_len()];
        for (new, old) in network.parameters().iter().zip(self.network.parameters()) {
            let values = &self.parameters[old.start..][..old.len()];
            if new.layer != head {
                parameters[new.start..][..new.len()].copy_from_slice(values);
                continue;
            }
            let row = new.len() / wanted.len();
            for (class, name) in wanted.iter().enumerate() {
                match self.class_names.iter().position(|known| known == name && kept.contains(name)) {
                    Some(known) => {
                        parameters[new.start + class * row..][..row].copy_from_slice(&values[known * row..][..row])
                    }
                    None => initialise_class(new, class, seed, &mut parameters),
                }
            }
        }
        Ok(Model { network, parameters, class_names: wanted.to_vec(), novelty: None, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tensor_fills_its_interval() {
        let net = Network::tutorial([1, 28, 28], 10).unwrap();
        let arena = initialise(&net, 1);
        for p in net.parameters() {
            let values = &arena[p.start..][..p.len()];
            let Initial::Uniform { fan_in } = p.initial else { unreachable!("{} is drawn", p.name) };
            let bound = 1.0 / (fan_in as f32).sqrt();
            assert!(values.iter().all(|v| v.abs() <= bound), "{}", p.name);
            let largest = values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            assert!(largest > 0.6 * bound, "{}: {largest} of {bound}", p.name);
        }
        assert_eq!(arena, initialise(&net, 1));
        assert_ne!(arena, initialise(&net, 2));
    }
}
