//! For each channel of the convolutions, the image patches with the largest outputs.

use crate::data::{DataSet, evenly};
use crate::gpu::Device;
use crate::layers::Layer;
use crate::model::{Model, Network};
use crate::recorder::stored;
use crate::train::{Forward, Output, TrainError};
use serde::Serialize;

/// Number of patches of a channel.
pub const PATCHES: usize = 9;
/// Maximum number of images that are searched, and of outputs that are read of them at once.
const IMAGES: usize = 2000;
const OUTPUTS: usize = 32 << 20;

/// A convolution, with the pooling, normalisation and activation after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Block {
    /// Name of the convolution.
    pub layer: String,
    /// Side of the part of the image that an output depends on.
    pub size: usize,
    pub channels: Vec<Channel>,
}

/// The patches of a channel, the largest output first; empty if it is never active.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Channel {
    pub patches: Vec<Patch>,
}

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Patch {
    pub image: usize,
    /// Its upper left pixel, which may lie outside the image.
    pub row: isize,
    pub column: isize,
    pub output: f32,
}

/// The pixels that an output depends on: those of the first one, and the distance to those of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    start: isize,
    size: usize,
    jump: usize,
}

impl Field {
    fn behind(self, kernel: usize, stride: usize, padding: usize) -> Field {
        Field {
            start: self.start - (padding * self.jump) as isize,
            size: self.size + (kernel - 1) * self.jump,
            jump: self.jump * stride,
        }
    }
}

/// The output of a block in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    layer: String,
    output: Output,
    shape: [usize; 3],
    field: Field,
}

/// The blocks of a network, up to its first layer that is not local. `stored` are the outputs that the plan stores, by layer.
fn blocks(network: &Network, stored: &[(String, String)]) -> Vec<Found> {
    let mut field = Field { start: 0, size: 1, jump: 1 };
    let mut found: Vec<Found> = Vec::new();
    // The convolution whose block is not complete.
    let mut open: Option<&str> = None;
    for node in network.nodes() {
        match &node.layer {
            Layer::Conv(conv) => {
                field = field.behind(conv.kernel, conv.stride, conv.padding);
                open = Some(&node.name);
            }
            Layer::MaxPool(pool) => field = field.behind(pool.size, pool.size, 0),
            Layer::AvgPool(pool) => {
                field = field.behind(pool.size, pool.size, 0);
                open = None;
            }
            Layer::BatchNorm(_) | Layer::Activation(_) => {}
            Layer::Dropout(_) => continue,
            Layer::GlobalAvgPool(_) | Layer::Linear(_) => break,
        }
        let tensor = stored.iter().find(|(layer, _)| *layer == node.name).map(|(_, tensor)| tensor.clone());
        if let (Some(layer), Some(tensor)) = (open, tensor) {
            let output = (tensor, node.output.iter().product());
            let block = Found { layer: layer.into(), output, shape: node.output, field };
            match found.last_mut().filter(|last| last.layer == layer) {
                Some(last) => *last = block,
                None => found.push(block),
            }
        }
    }
    found
}

/// Searches some images, evenly spread over a set.
///
/// # Errors
/// If the device fails or the network does not fit it.
pub fn search(device: &Device, model: &Model, set: &DataSet) -> Result<Vec<Block>, TrainError> {
    let images = set.labels.len().min(IMAGES);
    let options = Forward::options(device, images);
    let blocks = blocks(&model.network, &stored(&model.network, &options));
    let wanted: Vec<Output> = blocks.iter().map(|block| block.output.clone()).collect();
    let of_image: usize = wanted.iter().map(|(_, len)| len).sum();
    let mut found: Vec<Block> = blocks
        .iter()
        .map(|block| Block {
            layer: block.layer.clone(),
            size: block.field.size,
            channels: vec![Channel::default(); block.shape[0]],
        })
        .collect();
    if blocks.is_empty() || images == 0 {
        return Ok(found);
    }
    let at_once = (OUTPUTS / of_image.max(1)).clamp(1, images);
    let forward = Forward::new(device, model, &options)?;
    let chosen: Vec<u32> = evenly(images, set.labels.len()).map(|image| image as u32).collect();
    for chosen in chosen.chunks(at_once) {
        let outputs = forward.run(device, &set.chosen(chosen).images.bytes, &wanted)?;
        for ((block, found), outputs) in blocks.iter().zip(&mut found).zip(&outputs) {
            let [_, height, width] = block.shape;
            for (&image, maps) in chosen.iter().zip(outputs.chunks(block.output.1)) {
                for (channel, map) in found.channels.iter_mut().zip(maps.chunks(height * width)) {
                    channel.consider(image as usize, map, width, block.field);
                }
            }
        }
    }
    Ok(found)
}

impl Channel {
    /// Keeps the place of the largest output for an image if it is among the largest so far.
    fn consider(&mut self, image: usize, map: &[f32], width: usize, field: Field) {
        let largest = map.iter().copied().fold(0.0, f32::max);
        if largest <= 0.0 || self.patches.get(PATCHES - 1).is_some_and(|last| last.output >= largest) {
            return;
        }
        let place = map.iter().position(|&x| x == largest).unwrap_or(0);
        let pixel = |at: usize| field.start + (at * field.jump) as isize;
        let patch = Patch { image, row: pixel(place / width), column: pixel(place % width), output: largest };
        let at = self.patches.partition_point(|other| other.output >= largest);
        self.patches.insert(at, patch);
        self.patches.truncate(PATCHES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Activation, DeviceClass, Tiles};
    use crate::layers::Conv;
    use crate::recorder::{Options, Work};

    #[test]
    fn a_block_ends_with_its_activation_and_covers_the_pixels_below_it() {
        let options = Options { work: Work::Infer, ..Options::new(1, 1, 1, Tiles::of(DeviceClass::Integrated)) };
        let separate = Options { unfused: true, ..options.clone() };
        let tutorial = Network::tutorial([1, 28, 28], 10).unwrap();
        let names = |options| {
            let found = blocks(&tutorial, &stored(&tutorial, options));
            found.into_iter().map(|block| (block.layer, block.output.0)).collect::<Vec<_>>()
        };
        let named = |names: [[&str; 2]; 2]| names.map(|[layer, tensor]| (layer.to_string(), tensor.to_string()));
        assert_eq!(names(&separate), named([["conv1", "relu1.out"], ["conv2", "relu2.out"]]));
        assert_eq!(names(&options), named([["conv1", "conv1.out"], ["conv2", "conv2.out"]]));
        let found = blocks(&tutorial, &stored(&tutorial, &options));
        assert_eq!(found[0].field, Field { start: 0, size: 6, jump: 2 });
        // A 5x5 convolution of cells two pixels apart, pooled by two: 6 + 4 * 2 + 2.
        assert_eq!((found[1].field, found[1].shape), (Field { start: 0, size: 16, jump: 4 }, [20, 4, 4]));
        assert_eq!(found[1].output.1, 320);

        let padded = Layer::from(Conv { channels: 3, kernel: 3, stride: 2, padding: 1 });
        let relu = Layer::Activation(Activation::Relu);
        let layers = [padded.clone(), relu, Layer::dropout(20), Layer::avg_pool(2), Layer::batch_norm(), padded];
        let network = Network::new([1, 28, 28], &[&layers[..], &[Layer::linear(2)]].concat()).unwrap();
        let found = blocks(&network, &stored(&network, &separate));
        assert_eq!((found[0].output.0.as_str(), found[0].field), ("relu1.out", Field { start: -1, size: 3, jump: 2 }));
        assert_eq!(found[1].field, Field { start: -5, size: 13, jump: 8 });
    }

    #[test]
    fn the_largest_outputs_are_kept_one_of_each_image() {
        let mut channel = Channel::default();
        let field = Field { start: -1, size: 3, jump: 2 };
        channel.consider(7, &[0.0, 0.0, -1.0, 0.0], 2, field);
        assert!(channel.patches.is_empty(), "a channel that is never active has no patch");
        for image in 0..20 {
            channel.consider(image, &[0.0, 0.5, image as f32, 0.1], 2, field);
        }
        let images: Vec<usize> = channel.patches.iter().map(|patch| patch.image).collect();
        assert_eq!(images, [19, 18, 17, 16, 15, 14, 13, 12, 11]);
        assert_eq!((channel.patches[0].row, channel.patches[0].column, channel.patches[0].output), (1, -1, 19.0));
    }
}
