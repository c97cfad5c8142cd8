//! Whole steps: each kernel of a recorded batch against its twin, on the actual output of the kernels before it.

use super::compare;
use crate::gpu::{Device, GpuError, Player};
use crate::kernels::{Access, Activation, Element, Tiles};
use crate::layers::Layer;
use crate::model::{Network, tutorial_layers};
use crate::optimizers::{Optimizer, Settings};
use crate::plan::{Initial, Step, names};
use crate::random::{Purpose, Stream};
use crate::recorder::{Options, record};
use crate::reference::{Tensor, play_in_order};

/// Result of verifying steps.
#[derive(Clone, Debug, Default)]
pub struct StepReport {
    pub cases: usize,
    pub passed: usize,
    pub failures: Vec<String>,
}

/// Networks that are stepped besides the [`example`]s, with their input shape.
const NETWORKS: [(&str, [usize; 3]); 7] = [
    ("tutorial", [1, 28, 28]),
    ("lenet-sigmoid", [1, 28, 28]),
    ("three-convs", [1, 20, 22]),
    ("no-conv", [1, 9, 11]),
    ("dropout", [1, 11, 9]),
    ("batch-norm", [1, 14, 13]),
    ("large-cell", [1, 20, 38]),
];

/// The layers of one of [`NETWORKS`].
fn layers(name: &str) -> Vec<Layer> {
    let conv = |channels, kernel| Layer::conv(channels, kernel);
    let linear = |units| Layer::linear(units);
    let pool = Layer::max_pool(2);
    match name {
        // After LeCun et al. 1998, with max-pooling and full connections.
        "lenet-sigmoid" => vec![
            conv(6, 5),
            Activation::Sigmoid.into(),
            pool.clone(),
            conv(16, 5),
            pool,
            Activation::Sigmoid.into(),
            linear(120),
            Activation::Sigmoid.into(),
            linear(84),
            Activation::Sigmoid.into(),
            linear(10),
        ],
        "three-convs" => {
            vec![
                conv(4, 3),
                Activation::Relu.into(),
                conv(6, 3),
                Activation::Relu.into(),
                pool,
                conv(8, 3),
                Activation::Relu.into(),
                linear(7),
            ]
        }
        "dropout" => vec![
            conv(5, 3),
            pool,
            Activation::Relu.into(),
            Layer::dropout(20),
            linear(24),
            Activation::Sigmoid.into(),
            Layer::dropout(50),
            linear(4),
        ],
        // Before pooling, after it, after an activation and after a linear layer.
        "batch-norm" => vec![
            conv(5, 3),
            Layer::batch_norm(),
            pool.clone(),
            Activation::Relu.into(),
            conv(6, 3),
            pool,
            Layer::batch_norm(),
            Activation::Sigmoid.into(),
            Layer::batch_norm(),
            linear(9),
            Layer::batch_norm(),
            Activation::Relu.into(),
            linear(3),
        ],
        // Too large for a kernel that convolves and pools, as is a kernel size of 17.
        "large-cell" => {
            vec![
                conv(3, 3),
                Layer::max_pool(17),
                Activation::Relu.into(),
                linear(12),
                Activation::Sigmoid.into(),
                linear(4),
            ]
        }
        "no-conv" => vec![linear(32), Activation::Relu.into(), linear(16), Activation::Sigmoid.into(), linear(3)],
        _ => tutorial_layers(10),
    }
}

/// Steps every network for an epoch of two batches, the second one short: fused and unfused, with and without a frozen
/// layer, with the given tables of tile sizes, regardless of the actual device. For a table that splits batches, a batch of
/// twelve is two parts plus padding.
///
/// # Errors
/// If the driver reports an error or does not respond.
pub fn steps(device: &Device, tables: &[Tiles]) -> Result<StepReport, GpuError> {
    let mut report = StepReport::default();
    tables.iter().try_for_each(|tiles| steps_of(device, *tiles, &mut report))?;
    Ok(report)
}

/// Steps a network for an epoch, and returns what differs from the reference.
///
/// # Errors
/// If the driver reports an error or does not respond.
pub fn step_agrees(device: &Device, net: &Network, options: &Options) -> Result<Vec<String>, GpuError> {
    let mut report = StepReport::default();
    case(device, net, options, "a step", &mut report)?;
    Ok(report.failures)
}

fn steps_of(device: &Device, tiles: Tiles, report: &mut StepReport) -> Result<(), GpuError> {
    let options = || Options::new(12, 30, 21, tiles);
    let case = |net: &Network, options: &Options, what: &str, report: &mut StepReport| {
        case(device, net, options, &format!("{what}, {tiles} tiles"), report)
    };
    for (name, net) in named() {
        let second = net.learning_layers()[1].clone();
        case(&net, &options(), &name, report)?;
        case(&net, &Options { unfused: true, ..options() }, &format!("{name}, unfused"), report)?;
        let frozen = Options { frozen: vec![second.clone()], ..options() };
        case(&net, &frozen, &format!("{name}, {second} frozen"), report)?;
    }
    // Tiles that split a batch exercise all of a layer; the kernels' cases cover every class's tiles.
    if tiles.gathers() {
        for (name, net) in examples() {
            case(&net, &options(), &name, report)?;
            case(&net, &Options { unfused: true, ..options() }, &format!("{name}, unfused"), report)?;
        }
    }
    let find = |name: &str| network(name).unwrap_or_else(|| panic!("there is no network {name}"));
    let augmented = Options { augment: true, ..options() };
    let net = find("dropout");
    case(&net, &augmented, "dropout, augmented", report)?;
    let teacher = find("lenet-sigmoid");
    let taught = Options { teacher: Some(teacher), ..options() };
    let net = find("tutorial");
    case(&net, &taught, "tutorial, taught by lenet-sigmoid", report)?;
    case(&net, &Options { weighted: true, ..taught }, "tutorial, taught, with weighted classes", report)?;
    case(&net, &Options { weighted: true, ..options() }, "tutorial, with weighted classes", report)?;
    let methods = Optimizer::ALL.iter().map(|&optimizer| (optimizer, optimizer.word(), false));
    for (optimizer, what, nesterov) in methods.skip(1).chain([(Optimizer::Sgd, "nesterov", true)]) {
        let hyper = Settings { nesterov, ..optimizer.definition().defaults };
        let rates = vec![("conv2".into(), 0.25)];
        let options = Options { optimizer, hyper, clip: true, rates, ..options() };
        case(&net, &options, &format!("tutorial, {what}, clipped"), report)?;
    }
    Ok(())
}

/// The networks that are stepped, with their names.
///
/// # Panics
/// If one of them is invalid.
pub fn networks() -> Vec<(String, Network)> {
    named().chain(examples()).collect()
}

fn named() -> impl Iterator<Item = (String, Network)> {
    NETWORKS.iter().map(|(name, _)| (name.to_string(), network(name).unwrap_or_else(|| panic!("{name}"))))
}

/// A small network around an example of each layer.
fn examples() -> impl Iterator<Item = (String, Network)> {
    Layer::examples().into_iter().map(example)
}

/// A network of [`networks`] by name, other than the layer examples.
pub fn network(name: &str) -> Option<Network> {
    let (_, input) = NETWORKS.iter().find(|(of, _)| *of == name)?;
    Network::new(*input, &layers(name)).ok()
}

/// A network with the layer between two others.
fn example(layer: Layer) -> (String, Network) {
    let name = format!("a layer of {}, {}", layer.kind(), layer.describe());
    let layers = [Layer::conv(4, 3), layer, Layer::linear(6), Activation::Sigmoid.into(), Layer::linear(3)];
    let network = Network::new([1, 9, 10], &layers).unwrap_or_else(|e| panic!("{name}: {e}"));
    (name.trim_end_matches(", ").into(), network)
}

fn case(
    device: &Device,
    net: &Network,
    options: &Options,
    what: &str,
    report: &mut StepReport,
) -> Result<(), GpuError> {
    let plan = record(net, options).unwrap_or_else(|e| panic!("{what}: {e}"));
    // The kernels' cases cover loops that are unrolled on this device.
    let player = Player::as_written(device, plan)?;
    let plan = player.plan();
    let mut stream = Stream::new(report.cases as u64, Purpose::Verification, 1000);
    for buffer in &plan.buffers {
        let mut below = |bound: usize| (0..buffer.len).map(|_| stream.below(bound as u32)).collect::<Vec<_>>();
        let content: Vec<u32> = match buffer.name.as_str() {
            names::IMAGES => below(u32::MAX as usize),
            names::LABELS => below(net.classes()),
            names::ORDER => below(options.set),
            names::CURSOR => vec![0, 0, options.rows as u32],
            names::BYTE_VALUES => (0..buffer.len).map(|i| ((i as f32 / 255.0 - 0.13) / 0.31).to_bits()).collect(),
            names::TEACHING => vec![3.0_f32.to_bits(), 0.6_f32.to_bits(), 0, 0],
            names::PARAMETERS | names::TEACHER => {
                let mut values: Vec<f32> = (0..buffer.len).map(|_| stream.uniform(-0.2, 0.2)).collect();
                // Variances must not be negative.
                for p in net.parameters().iter().filter(|p| p.initial == Initial::Constant(1.0)) {
                    values[p.start..][..p.len()].iter_mut().for_each(|v| *v += 1.0);
                }
                values.into_iter().map(f32::to_bits).collect()
            }
            // Valid constants for every optimizer, whatever their order.
            names::HYPER => [0.9_f32, 0.1, 0.75, 0.25, 0.01, 0.02, 0.0, 0.0].map(f32::to_bits).to_vec(),
            names::RATES => [0.05_f32, 1.25, 0.5, 0.0].repeat(buffer.len / 4).into_iter().map(f32::to_bits).collect(),
            names::SMOOTHING => vec![0.1_f32.to_bits(); buffer.len],
            names::CLASS_WEIGHTS => (0..buffer.len).map(|class| (0.5 + class as f32 / 4.0).to_bits()).collect(),
            names::PLACES => below(60_000),
            names::DROPOUT => below(u32::MAX as usize),
            // Shift 2 pixels, rotation 11 degrees, scale 10 percent, shear 10 degrees, bend 1 pixel.
            names::AUGMENT => vec![7, 1, 512, 786, 410, 722, 256, 0, 0, 0, 0, 0],
            names::LIMIT => vec![0.5_f32.to_bits(); buffer.len],
            _ => continue,
        };
        device.write(player.buffer(&buffer.name), &content);
    }
    report.cases += 1;
    let failures = report.failures.len();
    for batch in 0..options.rows.div_ceil(options.batch) {
        for (at, steps) in plan.dispatches().enumerate() {
            let read = |encoder| device.wait(device.submit(encoder, &bound(&player, steps)));
            let before = read(device.encoder())?;
            let mut encoder = device.encoder();
            player.encode_one(&mut encoder, at);
            let after = read(encoder)?;
            let (mut before, mut after) = (before.iter(), after.iter());
            for step in steps {
                let count = step.args.len();
                let found = judged(step, before.by_ref().take(count), after.by_ref().take(count));
                let failed = |text| format!("{what}, batch {batch}, {}: {text}", step.label);
                report.failures.extend(found.into_iter().map(failed));
            }
        }
    }
    report.passed += usize::from(report.failures.len() == failures);
    Ok(())
}

/// Buffer ranges bound to these steps, in order: buffer, start and length.
fn bound<'p>(player: &'p Player, steps: &[Step]) -> Vec<(&'p wgpu::Buffer, usize, usize)> {
    let of_step = |step: &Step| {
        let ports = step.kernel.spec().ports.into_iter().zip(&step.args);
        ports.map(|(port, arg)| (player.buffer_at(arg.buffer), arg.start, port.len)).collect::<Vec<_>>()
    };
    steps.iter().flat_map(of_step).collect()
}

/// Differences from the reference in a step's outputs, given the contents of its ports before and after.
fn judged<'w>(
    step: &Step,
    before: impl Iterator<Item = &'w Vec<u32>>,
    after: impl Iterator<Item = &'w Vec<u32>>,
) -> Vec<String> {
    let ports = step.kernel.spec().ports;
    let inputs: Vec<Tensor> = ports
        .iter()
        .zip(before)
        .map(|(port, bits)| match (port.access, port.element) {
            (Access::Overwrite, element) => Tensor::zeros(element, 0),
            (_, element @ (Element::F32 | Element::U32)) => Tensor::from_bits(element, bits),
        })
        .collect();
    let expected = play_in_order(&step.kernel, &inputs);
    let written = ports.iter().zip(after).filter(|(port, _)| port.access != Access::Read);
    let compared = written.zip(&expected).map(|((port, found), expected)| compare(port.name, found, expected, false));
    compared.filter_map(|judgement| judgement.failure).collect()
}
