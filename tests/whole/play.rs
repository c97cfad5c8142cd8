//! One plan on both players: the same buffers filled with the same bits.

use mnist_gpu::Config;
use mnist_gpu::data::{DataSet, Images};
use mnist_gpu::gpu::{Device, Player};
use mnist_gpu::kernels::{DeviceClass, Kernel, SgdUpdate, Tiles};
use mnist_gpu::model::{Network, Normalisation};
use mnist_gpu::plan::{Plan, names};
use mnist_gpu::random::Stream;
use mnist_gpu::recorder::Options;
use mnist_gpu::reference;

/// Mean and standard deviation of MNIST.
pub const NORMALISATION: Normalisation = Normalisation { mean: 0.1307, std: 0.3081 };

/// Noise images with labels, for a network.
pub fn noise(net: &Network, count: usize, stream: &mut Stream) -> DataSet {
    let [_, height, width] = net.input();
    let bytes = (0..count * height * width).map(|_| stream.below(256) as u8).collect();
    let labels = (0..count).map(|_| stream.below(net.classes() as u32) as u8).collect();
    DataSet { images: Images { height, width, bytes }, labels }
}

/// A plan for a set in file order.
pub fn options(set: &DataSet, batch: usize, class: DeviceClass) -> Options {
    Options::new(batch, set.labels.len(), set.labels.len(), Tiles::of(class))
}

/// Shared buffers that the caller of a plan fills: a set in file order, parameters, and the optimizer's settings.
pub fn content(set: &DataSet, parameters: &[f32], config: &Config) -> Vec<(&'static str, Vec<u32>)> {
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
    vec![
        (names::IMAGES, set.images.bytes.chunks(4).map(word).collect()),
        (names::LABELS, set.labels.iter().map(|&label| u32::from(label)).collect()),
        (names::ORDER, (0..set.labels.len() as u32).collect()),
        (names::CURSOR, vec![0, 0, set.labels.len() as u32]),
        (names::BYTE_VALUES, bits(&NORMALISATION.byte_values())),
        (names::PARAMETERS, bits(parameters)),
        (names::SMOOTHING, bits(&[config.label_smoothing as f32])),
        (names::DROPOUT, vec![12_345]),
        (names::HYPER, bits(&config.optimizer.hyper(&config.optimizer_settings()))),
        (names::RATES, bits(&config.step_rates(1, set.labels.len().div_ceil(config.batch)))),
    ]
}

/// Fills the buffers of a plan on a device.
pub fn fill_device(device: &Device, player: &Player, content: &[(&str, Vec<u32>)]) {
    for (name, bits) in content.iter().filter(|(name, _)| player.plan().buffer(name).is_some()) {
        device.write(player.buffer(name), bits);
    }
}

/// Fills the buffers of a plan on the reference.
pub fn fill_reference(player: &mut reference::Player, plan: &Plan, content: &[(&str, Vec<u32>)]) {
    for (name, bits) in content {
        if let Some(at) = plan.buffer(name) {
            let tensor = reference::Tensor::from_bits(plan.buffers()[at].element, bits);
            *player.buffer(name) = tensor;
        }
    }
}

/// A parameter's gradient: the sum of its slices in the gradient buffer.
pub fn gradient(plan: &Plan, net: &Network, name: &str, slices: &[f64]) -> Vec<f64> {
    let start = net.parameters().iter().find(|p| p.name == name).map(|p| p.start as u32);
    let ranges = plan.steps().iter().find_map(|step| match &step.kernel {
        Kernel::SgdUpdate(SgdUpdate(shape, _)) => Some(&shape.ranges),
        _ => None,
    });
    let range = ranges.and_then(|ranges| ranges.iter().find(|r| Some(r.start) == start));
    let range = range.unwrap_or_else(|| panic!("{name} has no gradient"));
    let at = |slice: u32, i: u32| slices[(range.slice(slice) + i) as usize];
    (0..range.len).map(|i| (0..range.slices).map(|slice| at(slice, i)).sum()).collect()
}
