//! Groups layers that one kernel computes.

use super::{Options, Work};
use crate::kernels::Activation;
use crate::layers::{Layer, Node, Stage};
use crate::model::Network;

/// Groups `conv, max-pool, activation` and `linear, activation`.
///
/// An activation is fused only if the next stage has weights, since the backward kernel of that stage applies its
/// derivative.
pub(super) fn stages<'a>(net: &'a Network, options: &Options, prefix: &str) -> Vec<Stage<'a>> {
    // Dropout applies only in training, and never to a teacher.
    let trains = !matches!(options.work, Work::Infer | Work::Explain) && prefix.is_empty();
    let nodes: Vec<&Node> = net.nodes().iter().filter(|node| trains || !node.layer.is_random()).collect();
    let fuses = !options.unfused;
    let mut stages: Vec<Stage> = Vec::new();
    let mut at = 0;
    while let Some(&node) = nodes.get(at) {
        at += 1;
        let (mut output, mut taken, mut activation) = (node.output, None, Activation::Identity);
        if let Some(next) = nodes.get(at).filter(|next| fuses && node.layer.takes(&next.layer, &options.tiles)) {
            (taken, output) = (Some(&next.layer), next.output);
            at += 1;
        }
        if let (Some(Layer::Activation(next)), Some(behind)) = (nodes.get(at).map(|n| &n.layer), nodes.get(at + 1))
            && fuses
            && node.layer.has_parameters()
            && behind.layer.has_parameters()
        {
            activation = *next;
            at += 1;
        }
        let (x, activation_in) = match stages.last() {
            Some(below) => (below.y(), below.activation),
            None => ("input".into(), Activation::Identity),
        };
        stages.push(Stage {
            name: format!("{prefix}{}", node.name),
            node,
            taken,
            output,
            activation,
            x,
            activation_in,
            learns: node.layer.has_parameters() && trains && !options.frozen.contains(&node.name),
            number: stages.len() as u32,
            fuses,
        });
    }
    stages
}

/// Number of leading stages with the same output in every epoch: those below the first that learns or is random.
pub(super) fn constant(stages: &[Stage], options: &Options) -> usize {
    if options.augment || options.teacher.is_some() {
        return 0;
    }
    stages.iter().position(|stage| stage.learns || stage.node.layer.is_random()).unwrap_or(stages.len())
}
