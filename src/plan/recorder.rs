//! From a network to a plan.

use super::{Arg, Buffer, Plan, Step, names};
use crate::kernels::{
    ALIGN, Activation, ActivationBackward, ActivationForward, ActivationShape, AdamUpdate, Advance, AugmentImages,
    AugmentShape, BatchNormBackwardInput, BatchNormBackwardWeight, BatchNormForward, BatchNormStatistics,
    ConvBackwardInput, ConvBackwardWeight, ConvForward, ConvPoolBackwardInput, ConvPoolBackwardWeight, ConvPoolForward,
    ConvPoolShape, ConvShape, CrossEntropyBackward, CrossEntropyForward, DistillationBackward, Dropout, DropoutShape,
    Element, FcBackwardInput, FcBackwardWeight, FcForward, FcShape, FeatureShape, GradientClip, GradientNorm, Kernel,
    LoadFeatures, LoadImages, LoadShape, LossShape, MOST_ITERATIONS, MaxPoolBackward, MaxPoolForward, NormShape,
    PoolShape, Port, Range, RmspropUpdate, SgdUpdate, Spec, Tiles, UpdateShape,
};
use crate::model::{Layer, Network, NetworkError, Node};

/// What to record.
#[derive(Clone, Debug)]
pub struct Options {
    /// Images in a batch.
    pub batch: usize,
    /// Images in the data set.
    pub set: usize,
    /// Images in an epoch.
    pub rows: usize,
    /// Layers that do not learn.
    pub frozen: Vec<String>,
    pub work: Work,
    /// Pooling and activations as steps of their own.
    pub unfused: bool,
    pub tiles: Tiles,
    pub optimizer: Optimizer,
    /// Whether gradients are clipped to a norm.
    pub clip: bool,
    /// Factors of the learning rate for some layers; the others learn at the whole rate.
    pub rates: Vec<(String, f32)>,
    /// Whether training images are changed at random.
    pub augment: bool,
    /// A network of the same input and classes, from whose answers this one learns too.
    pub teacher: Option<Network>,
}

impl Options {
    /// A step of training with plain SGD in which every layer learns.
    pub fn new(batch: usize, set: usize, rows: usize, tiles: Tiles) -> Options {
        Options {
            batch,
            set,
            rows,
            frozen: Vec::new(),
            work: Work::Train,
            unfused: false,
            tiles,
            optimizer: Optimizer::Sgd { nesterov: false },
            clip: false,
            rates: Vec::new(),
            augment: false,
            teacher: None,
        }
    }
}

/// How parameters follow their gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    Sgd { nesterov: bool },
    Adam { decoupled: bool },
    Rmsprop,
}

impl Optimizer {
    /// The kernel of its update.
    pub fn kernel(self, shape: UpdateShape) -> Kernel {
        match self {
            Optimizer::Sgd { nesterov } => SgdUpdate(shape, nesterov).into(),
            Optimizer::Adam { decoupled } => AdamUpdate(shape, decoupled).into(),
            Optimizer::Rmsprop => RmspropUpdate(shape).into(),
        }
    }

    /// What it remembers of each parameter: the buffers that its kernel updates after the parameters, in their order.
    pub fn states(self) -> &'static [&'static str] {
        match self {
            Optimizer::Sgd { .. } => &[names::MOMENTUM],
            Optimizer::Adam { .. } | Optimizer::Rmsprop => &[names::MOMENTUM, names::SQUARE],
        }
    }
}

/// Elements of all slices of a weight gradient times parts of a batch, at most. Beyond that, what each part adds to would
/// cost more than parts gain.
const CARRIED: usize = 1 << 22;

/// What a batch is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Forward, loss, backward, update.
    Train,
    /// The same, from what the stages below the first that learns made of the images: see [`features`].
    TrainOnFeatures,
    /// Forward and loss.
    Infer,
    /// The stages below the first that learns or is random, and nothing else.
    Features,
}

/// Why a network cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(
        "{step} needs {groups} workgroups in one direction and 65535 are allowed; {}",
        match u64::from(u16::MAX) * *batch as u64 / u64::from(*groups) {
            0 => "not one image would fit, so take a smaller network or smaller images".into(),
            fits => format!("take a smaller --batch than {batch}, such as {fits}, or smaller images"),
        }
    )]
    TooManyWorkgroups { step: String, groups: u32, batch: usize },
    #[error(
        "{step} would go through its loops {iterations} times in one invocation, and {MOST_ITERATIONS} are trusted: some \
         drivers leave a loop then and say nothing. Take a smaller --batch, kernel, pooling cell or image"
    )]
    TooLong { step: String, iterations: u64 },
    #[error(
        "a batch takes 1 to 65535 images, and a set and an epoch at least one; asked for were a batch of {batch}, an epoch of {rows} and \
         a set of {set}"
    )]
    NoImages { set: usize, rows: usize, batch: usize },
    #[error("tensor {name} has {len} elements; at most 2^30 can be addressed, so take a smaller --batch or network")]
    TooLarge { name: String, len: u64 },
}

/// What a stage computes. In the unfused plan every layer is a stage of its own.
enum Op {
    Conv,
    ConvPool(u32),
    Pool(u32),
    Activation(Activation),
    Linear,
    BatchNorm,
    /// Percent, and which of them it is.
    Dropout(u32, u32),
}

/// A group of layers that one kernel computes.
struct Stage<'a> {
    /// That of the first layer; of a teacher's, behind [`TEACHER`].
    name: String,
    op: Op,
    node: &'a Node,
    /// (channels, height, width) of what it writes.
    output: [usize; 3],
    /// Fused into the stage's kernel, after everything else.
    activation: Activation,
    /// Whether it has parameters that are not frozen, in a network that is trained.
    learns: bool,
}

/// What a teacher's tensors are called by.
const TEACHER: &str = "teacher.";

fn activation_of(layer: &Layer) -> Option<Activation> {
    match layer {
        Layer::Relu => Some(Activation::Relu),
        Layer::Sigmoid => Some(Activation::Sigmoid),
        _ => None,
    }
}

/// Groups `conv, max-pool, activation` and `linear, activation` (see `plan`'s documentation).
///
/// An activation is fused only where the next stage has weights: the backward kernel of that stage applies its derivative.
fn stages<'a>(net: &'a Network, options: &Options, prefix: &str) -> Vec<Stage<'a>> {
    // Only training leaves values out, and no teacher does.
    let trains = options.work != Work::Infer && prefix.is_empty();
    let nodes: Vec<&Node> =
        net.nodes().iter().filter(|node| trains || !matches!(node.layer, Layer::Dropout { .. })).collect();
    let mut stages: Vec<Stage> = Vec::new();
    let mut at = 0;
    while let Some(&node) = nodes.get(at) {
        at += 1;
        let mut output = node.output;
        let mut op = match node.layer {
            Layer::Conv { .. } => Op::Conv,
            Layer::MaxPool { size } => Op::Pool(size as u32),
            Layer::Relu => Op::Activation(Activation::Relu),
            Layer::Sigmoid => Op::Activation(Activation::Sigmoid),
            Layer::Linear { .. } => Op::Linear,
            Layer::BatchNorm => Op::BatchNorm,
            Layer::Dropout { percent } => Op::Dropout(percent, stages.len() as u32),
        };
        let mut activation = Activation::None;
        if !options.unfused {
            if let Layer::Conv { kernel, .. } = node.layer {
                match nodes.get(at).map(|n| &n.layer) {
                    Some(Layer::MaxPool { size }) if options.tiles.fuses(kernel, *size) => {
                        op = Op::ConvPool(*size as u32);
                        output = nodes[at].output;
                        at += 1;
                    }
                    // A convolution without pooling is one with cells of a single value.
                    _ if options.tiles.fuses(kernel, 1) => op = Op::ConvPool(1),
                    _ => {}
                }
            }
            let weights_next = nodes.get(at + 1).is_some_and(|n| n.layer.has_parameters());
            let next = nodes.get(at).and_then(|n| activation_of(&n.layer));
            if let (true, Some(fused), true) = (node.layer.has_parameters(), next, weights_next) {
                activation = fused;
                at += 1;
            }
        }
        let learns = node.layer.has_parameters() && trains && !options.frozen.contains(&node.name);
        stages.push(Stage { name: format!("{prefix}{}", node.name), op, node, output, activation, learns });
    }
    stages
}

/// Collects buffers and steps, and checks each step as it comes.
struct Recorder<'a> {
    net: &'a Network,
    options: &'a Options,
    plan: Plan,
    ranges: Vec<Range>,
    learning: Vec<String>,
    /// The gradients that learn, and where their slices lie.
    gradients: Vec<(String, std::ops::Range<usize>)>,
    /// Rows of every tensor of the batch: its images, and padding so that they divide into parts.
    padded: u32,
}

impl Recorder<'_> {
    /// The buffer of this name, made at its first use, with room for at least so many elements.
    fn buffer(&mut self, name: &str, element: Element, len: usize) -> usize {
        if let Some(at) = self.plan.buffer(name) {
            let room = &mut self.plan.buffers[at].len;
            *room = len.max(*room);
            return at;
        }
        self.plan.buffers.push(Buffer { name: name.into(), element, len, content: None });
        self.plan.buffers.len() - 1
    }

    /// Appends a step that is bound to whole buffers, each with the tensors that the step reads or writes there.
    fn bound(&mut self, kernel: Kernel, label: &str, tensors: Vec<(&str, Vec<String>)>) -> Result<(), PlanError> {
        let ports = self.checked(&kernel, label)?.ports;
        let bound = ports.iter().zip(tensors);
        let args = bound.map(|(port, (name, tensors))| Arg { tensors, ..self.part(port, name, 0, 1) }).collect();
        self.plan.steps.push(Step { kernel, label: label.into(), args });
        Ok(())
    }

    /// A part of a buffer, which is made at its first use, with room for so many parts.
    fn part(&mut self, port: &Port, name: &str, part: u32, parts: u32) -> Arg {
        let len = port.bound();
        let buffer = self.buffer(name, port.element, len * parts as usize);
        Arg { buffer, start: len * part as usize, len, tensors: vec![name.into()] }
    }

    /// Appends a step. A binding's text is the name of a buffer, of a parameter, or of a parameter's gradient.
    fn step(&mut self, kernel: Kernel, label: String, bindings: &[&str]) -> Result<(), PlanError> {
        self.steps(kernel, label, bindings, 1)
    }

    /// Appends a kernel that takes a part of the batch, once for each part. What belongs to no image is bound whole. Each part
    /// adds its gradients to those of the part before, and the last leaves the sum where the update looks for it.
    fn steps(&mut self, kernel: Kernel, label: String, bindings: &[&str], parts: u32) -> Result<(), PlanError> {
        let spec = self.checked(&kernel, &label)?;
        assert_eq!(spec.ports.len(), bindings.len(), "{label}: as many bindings as ports");
        for part in 0..parts {
            let mut args = Vec::new();
            for (port, &name) in spec.ports.iter().zip(bindings) {
                let (net, arena, key) = match (name.strip_prefix(TEACHER), &self.options.teacher) {
                    (Some(key), Some(teacher)) => (teacher, names::TEACHER, key),
                    _ => (self.net, names::PARAMETERS, name),
                };
                let parameter = net.parameters().iter().find(|p| p.name == key).map(|p| (p.start, net.arena_len()));
                let of = name.strip_suffix(".grad");
                let gradient = self.net.parameters().iter().any(|p| of == Some(&p.name));
                args.push(if let Some((start, len)) = parameter {
                    let buffer = self.buffer(arena, Element::F32, len);
                    Arg { buffer, start, len: port.bound(), tensors: vec![name.into()] }
                } else if gradient {
                    self.gradient(port, name, part, parts)
                } else if port.whole {
                    self.part(port, name, 0, 1)
                } else {
                    self.part(port, name, part, parts)
                });
            }
            self.plan.steps.push(Step { kernel: kernel.clone(), label: label.clone(), args });
        }
        Ok(())
    }

    /// A gradient, or where a port is called `.._in`, what the parts before this one came to. As nothing may be read and
    /// written at once, parts write to two buffers in turn.
    fn gradient(&mut self, port: &Port, name: &str, part: u32, parts: u32) -> Arg {
        let len = port.bound();
        let written = match port.name.ends_with("_in") {
            true if part == 0 => return self.part(port, names::ZEROS, 0, 1),
            true => part - 1,
            _ => part,
        };
        let start = self.gradient_start(name, len);
        let as_last = (parts - 1 - written).is_multiple_of(2);
        let buffer = self.buffer(if as_last { names::GRADIENTS } else { names::EARLIER }, Element::F32, start + len);
        Arg { buffer, start, len, tensors: vec![name.into()] }
    }

    /// Where a gradient lies, from its first mention on.
    fn gradient_start(&mut self, name: &str, len: usize) -> usize {
        if let Some((_, place)) = self.gradients.iter().find(|(of, _)| of == name) {
            return place.start;
        }
        let start = self.gradients_len();
        self.gradients.push((name.into(), start..start + len.next_multiple_of(ALIGN)));
        start
    }

    /// Elements of all gradients.
    fn gradients_len(&self) -> usize {
        self.gradients.last().map_or(0, |(_, place)| place.end)
    }

    /// A kernel's sizes, if a device can do them.
    fn checked(&self, kernel: &Kernel, label: &str) -> Result<Spec, PlanError> {
        let spec = kernel.spec();
        if let Some(&groups) = spec.workgroups.iter().find(|&&g| g > 65_535) {
            return Err(PlanError::TooManyWorkgroups { step: label.into(), groups, batch: self.options.batch });
        }
        let iterations = kernel.iterations();
        if iterations > MOST_ITERATIONS.into() {
            return Err(PlanError::TooLong { step: label.into(), iterations });
        }
        match spec.ports.iter().find(|port| port.len > 1 << 30) {
            Some(port) => Err(PlanError::TooLarge { name: format!("{label}: {}", port.name), len: port.len as u64 }),
            None => Ok(spec),
        }
    }

    /// Notes that the update folds the gradient of this parameter, so many slices.
    fn learn(&mut self, parameter: &str, slices: u32) {
        if let Some(p) = self.net.parameters().iter().find(|p| p.name == parameter) {
            let grad = self.gradient_start(&format!("{parameter}.grad"), p.len() * slices as usize) as u32;
            let rate = self.options.rates.iter().find(|(layer, _)| *layer == p.layer).map_or(1.0, |(_, rate)| *rate);
            self.ranges.push(Range { start: p.start as u32, len: p.len() as u32, grad, slices, rate });
            self.learning.push(p.name.clone());
        }
    }

    /// A shape with the images of a part in place of the batch's, and how many parts there are.
    fn conv_pool_part(&self, mut shape: ConvPoolShape, gathered: &[u32], written: &[u32]) -> (ConvPoolShape, u32) {
        shape.conv.batch = self.options.tiles.part(self.padded, gathered, written);
        (shape, self.padded / shape.conv.batch)
    }

    fn linear_part(&self, mut shape: FcShape, gathered: &[u32], written: &[u32]) -> (FcShape, u32) {
        shape.batch = self.options.tiles.part(self.padded, gathered, written);
        (shape, self.padded / shape.batch)
    }

    /// Brings a batch in: images, or what is stored of them.
    fn load(&mut self, stored: Option<(String, usize)>) -> Result<(), PlanError> {
        let (batch, set, rows) = (self.padded, self.options.set as u32, self.options.rows as u32);
        let tiles = self.options.tiles;
        if let Some((name, len)) = stored {
            let kernel: Kernel = LoadFeatures(FeatureShape { batch, len: len as u32, set, rows }, tiles).into();
            let bindings = [names::FEATURES, names::ORDER, names::CURSOR, &name];
            return self.step(kernel, "load features".into(), &bindings);
        }
        let [channels, height, width] = self.net.input().map(|d| d as u32);
        if self.options.augment && self.options.work == Work::Train {
            let shape = AugmentShape { batch, height: channels * height, width, set, rows };
            let bindings =
                [names::IMAGES, names::ORDER, names::PLACES, names::CURSOR, names::TABLE, names::AUGMENT, "input"];
            return self.step(AugmentImages(shape, tiles).into(), "augment images".into(), &bindings);
        }
        let pixels = channels * height * width;
        let kernel: Kernel = LoadImages(LoadShape { batch, pixels, set, rows }, tiles).into();
        let bindings = [names::IMAGES, names::ORDER, names::CURSOR, names::TABLE, "input"];
        self.step(kernel, "load images".into(), &bindings)
    }

    fn loss_shape(&self) -> LossShape {
        let (set, rows) = (self.options.set as u32, self.options.rows as u32);
        let classes = self.net.classes() as u32;
        LossShape { batch: self.options.batch as u32, padded: self.padded, classes, set, rows }
    }

    fn loss(&mut self, logits: &str) -> Result<(), PlanError> {
        let into = [names::LOSS, names::PREDICTED, names::PROBABILITY];
        let from = [logits, names::LABELS, names::ORDER, names::CURSOR, names::SMOOTHING];
        let bindings = [&from[..], &into].concat();
        self.step(CrossEntropyForward(self.loss_shape()).into(), "loss forward".into(), &bindings)
    }

    /// Against the labels, and the logits of a teacher.
    fn loss_backward(&mut self, logits: &str, taught: Option<&str>) -> Result<(), PlanError> {
        let dx = format!("{logits}.grad");
        if let Some(z) = taught {
            let known = [names::LABELS, names::ORDER, names::CURSOR, names::SMOOTHING, names::TEACHING];
            let bindings = [&[logits, z][..], &known, &[&dx]].concat();
            return self.step(DistillationBackward(self.loss_shape()).into(), "loss backward".into(), &bindings);
        }
        let bindings = [logits, names::LABELS, names::ORDER, names::CURSOR, names::SMOOTHING, &dx];
        self.step(CrossEntropyBackward(self.loss_shape()).into(), "loss backward".into(), &bindings)
    }

    fn forward(&mut self, stage: &Stage, x: &str, below: Activation) -> Result<(), PlanError> {
        let name = &stage.name;
        let (w, b) = (format!("{name}.weight"), format!("{name}.bias"));
        let (y, winner) = (format!("{name}.out"), format!("{name}.winner"));
        let statistics = self::statistics(stage);
        let tiles = self.options.tiles;
        let (parts, kernel, bindings): (u32, Kernel, Vec<&str>) = match stage.op {
            Op::Conv => (1, ConvForward(self.conv(stage, below), tiles).into(), vec![x, &w, &b, &y]),
            Op::ConvPool(pool) => {
                let shape = self.conv_pool(stage, pool, below);
                let [x_len, y_len] = shape.image();
                let (shape, parts) = self.conv_pool_part(shape, &[x_len], &[y_len]);
                (parts, ConvPoolForward(shape, tiles).into(), vec![x, &w, &b, &y, &winner])
            }
            Op::Pool(pool) => (1, MaxPoolForward(self.pool(stage, pool)).into(), vec![x, &y, &winner]),
            Op::Activation(activation) => {
                (1, ActivationForward(self.activation(stage, activation)).into(), vec![x, &y])
            }
            Op::Dropout(percent, layer) => {
                (1, self.dropout(stage, percent, layer), vec![x, names::CURSOR, names::DROPOUT, &y])
            }
            Op::BatchNorm => {
                let mut shape = self.norm(stage, below);
                let [mean, variance] = &statistics;
                if stage.learns {
                    let label = format!("{name} statistics");
                    let running = [format!("{name}.running_mean"), format!("{name}.running_var")];
                    let bindings = [x, names::CURSOR, &running[0], &running[1], mean, variance];
                    self.step(BatchNormStatistics(shape, tiles).into(), label, &bindings)?;
                }
                let image = shape.channels * shape.pixels;
                shape.padded = tiles.part(self.padded, &[image], &[image]);
                let parts = self.padded / shape.padded;
                (parts, BatchNormForward(shape, tiles).into(), vec![x, &w, &b, mean, variance, &y])
            }
            Op::Linear => {
                let shape = self.linear(stage, below);
                let (shape, parts) = self.linear_part(shape, &[shape.c_in], &[shape.c_out]);
                (parts, FcForward(shape, tiles).into(), vec![x, &w, &b, &y])
            }
        };
        self.steps(kernel, format!("{name} forward"), &bindings, parts)
    }

    fn backward_weight(&mut self, stage: &Stage, x: &str, below: Activation) -> Result<(), PlanError> {
        let name = &stage.name;
        let (w, b) = (format!("{name}.weight"), format!("{name}.bias"));
        let (dw, db) = (format!("{w}.grad"), format!("{b}.grad"));
        let (dy, winner) = (format!("{name}.out.grad"), format!("{name}.winner"));
        let statistics = self::statistics(stage);
        let tiles = self.options.tiles;
        let (slices, parts, kernel, bindings): (u32, u32, Kernel, Vec<&str>) = match stage.op {
            Op::Conv => {
                let shape = self.conv(stage, below);
                let slices = tiles.conv_slices(&shape);
                (slices, 1, ConvBackwardWeight(shape, slices).into(), vec![&dy, x, &dw, &db])
            }
            Op::ConvPool(pool) => {
                let shape = self.conv_pool(stage, pool, below);
                let (mut part, mut parts) = self.conv_pool_part(shape, &shape.image(), &[]);
                if parts as usize * tiles.conv_pool_slices(&part) as usize * shape.lens().1 > CARRIED {
                    (part, parts) = (shape, 1);
                }
                let (shape, slices) = (part, tiles.conv_pool_slices(&part));
                (
                    slices,
                    parts,
                    ConvPoolBackwardWeight(shape, slices, tiles).into(),
                    vec![&dy, &winner, x, &dw, &db, &dw, &db],
                )
            }
            Op::Linear => {
                let shape = self.linear(stage, below);
                let (mut part, mut parts) = self.linear_part(shape, &[shape.c_in, shape.c_out], &[]);
                if parts as usize * shape.c_in as usize * shape.c_out as usize > CARRIED {
                    (part, parts) = (shape, 1);
                }
                let (shape, slices) = (part, tiles.fc_slices(part.batch));
                (slices, parts, FcBackwardWeight(shape, slices, tiles).into(), vec![&dy, x, &dw, &db, &dw, &db])
            }
            Op::BatchNorm => {
                let shape = self.norm(stage, below);
                let [mean, variance] = &statistics;
                (1, 1, BatchNormBackwardWeight(shape, tiles).into(), vec![&dy, x, mean, variance, &dw, &db])
            }
            Op::Pool(_) | Op::Activation(_) | Op::Dropout(..) => return Ok(()),
        };
        self.steps(kernel, format!("{name} backward weight"), &bindings, parts)?;
        self.learn(&w, slices);
        self.learn(&b, slices);
        Ok(())
    }

    fn backward_input(&mut self, stage: &Stage, x: &str, below: Activation) -> Result<(), PlanError> {
        let name = &stage.name;
        let w = format!("{name}.weight");
        let (y, dy, winner) = (format!("{name}.out"), format!("{name}.out.grad"), format!("{name}.winner"));
        let dx = format!("{x}.grad");
        let statistics = self::statistics(stage);
        // Mean and variance of a frozen layer are constants.
        let [dw, db] = ["weight", "bias"].map(|kind| match stage.learns {
            true => format!("{name}.{kind}.grad"),
            false => names::ZEROS.into(),
        });
        let tiles = self.options.tiles;
        let (parts, kernel, bindings): (u32, Kernel, Vec<&str>) = match stage.op {
            Op::Conv => (1, ConvBackwardInput(self.conv(stage, below), tiles).into(), vec![&dy, &w, x, &dx]),
            Op::ConvPool(pool) => {
                let whole = self.conv_pool(stage, pool, below);
                let [x_len, y_len] = whole.image();
                let (mut shape, mut parts) = self.conv_pool_part(whole, &[x_len, y_len], &[]);
                if tiles.is_idle(&shape) {
                    // Each x is read once: its cost from storage is less than that of lanes without work.
                    (shape, parts) = self.conv_pool_part(whole, &[y_len], &[x_len]);
                }
                (parts, ConvPoolBackwardInput(shape, tiles).into(), vec![&dy, &winner, &w, x, &dx])
            }
            Op::Pool(pool) => (1, MaxPoolBackward(self.pool(stage, pool)).into(), vec![&dy, &winner, &dx]),
            Op::Activation(activation) => {
                (1, ActivationBackward(self.activation(stage, activation)).into(), vec![&dy, &y, &dx])
            }
            Op::Dropout(percent, layer) => {
                (1, self.dropout(stage, percent, layer), vec![&dy, names::CURSOR, names::DROPOUT, &dx])
            }
            Op::BatchNorm => {
                let [mean, variance] = &statistics;
                let bindings = vec![&dy, x, &w, mean, variance, &dw, &db, names::CURSOR, &dx];
                (1, BatchNormBackwardInput(self.norm(stage, below), tiles).into(), bindings)
            }
            Op::Linear => {
                let shape = self.linear(stage, below);
                let (shape, parts) = self.linear_part(shape, &[shape.c_in, shape.c_out], &[]);
                (parts, FcBackwardInput(shape, tiles).into(), vec![&dy, &w, x, &dx])
            }
        };
        self.steps(kernel, format!("{name} backward input"), &bindings, parts)
    }

    fn conv_pool(&self, stage: &Stage, pool: u32, below: Activation) -> ConvPoolShape {
        ConvPoolShape { conv: self.conv(stage, below), pool }
    }

    fn conv(&self, stage: &Stage, below: Activation) -> ConvShape {
        let [c_in, h_in, w_in] = stage.node.input.map(|d| d as u32);
        let k = match stage.node.layer {
            Layer::Conv { kernel, .. } => kernel as u32,
            _ => unreachable!("only convolutions have a ConvShape"),
        };
        ConvShape {
            batch: self.padded,
            c_in,
            h_in,
            w_in,
            c_out: stage.node.output[0] as u32,
            k,
            activation: stage.activation,
            activation_in: below,
        }
    }

    fn pool(&self, stage: &Stage, pool: u32) -> PoolShape {
        let [c, h_in, w_in] = stage.node.input.map(|d| d as u32);
        PoolShape { planes: self.padded * c, h_in, w_in, pool }
    }

    fn activation(&self, stage: &Stage, activation: Activation) -> ActivationShape {
        let count = self.padded as usize * stage.output.iter().product::<usize>();
        ActivationShape { count: count as u32, activation }
    }

    fn dropout(&self, stage: &Stage, percent: u32, layer: u32) -> Kernel {
        let count = self.padded as usize * stage.output.iter().product::<usize>();
        Dropout(DropoutShape { count: count as u32, percent, layer }).into()
    }

    fn norm(&self, stage: &Stage, below: Activation) -> NormShape {
        let [channels, height, width] = stage.output.map(|d| d as u32);
        NormShape {
            batch: self.options.batch as u32,
            padded: self.padded,
            channels,
            pixels: height * width,
            activation: stage.activation,
            activation_in: below,
        }
    }

    fn linear(&self, stage: &Stage, below: Activation) -> FcShape {
        FcShape {
            batch: self.padded,
            c_in: stage.node.input.iter().product::<usize>() as u32,
            c_out: stage.node.output[0] as u32,
            activation: stage.activation,
            activation_in: below,
        }
    }
}

/// How many stages come to the same in each epoch: those below the first that learns or is random.
fn constant(stages: &[Stage], options: &Options) -> usize {
    let changes = |s: &Stage| s.learns || matches!(s.op, Op::Dropout(..));
    if options.augment || options.teacher.is_some() {
        0
    } else {
        stages.iter().position(changes).unwrap_or(stages.len())
    }
}

/// What the stages that are the same in each epoch leave of an image: the name of the tensor, how many elements it has, and
/// the layers with parameters that make it. None where there is no such stage.
pub fn features(net: &Network, options: &Options) -> Option<(String, usize, Vec<String>)> {
    let stages = stages(net, options, "");
    let stages = &stages[..constant(&stages, options)];
    let last = stages.last()?;
    let layers = stages.iter().filter(|s| s.node.layer.has_parameters()).map(|s| s.name.clone());
    Some((out(last), last.output.iter().product(), layers.collect()))
}

/// The mean and the variance by which a stage normalises: the batch's, or the running ones.
fn statistics(stage: &Stage) -> [String; 2] {
    let of = if stage.learns { ["mean", "variance"] } else { ["running_mean", "running_var"] };
    of.map(|statistic| format!("{}.{statistic}", stage.name))
}

fn out(stage: &Stage) -> String {
    format!("{}.out", stage.name)
}

/// Records a batch.
///
/// A frozen layer has no gradient and no update, and below the lowest layer that learns nothing is handed down.
///
/// # Errors
/// Frozen layers that do not exist, and sizes beyond what a dispatch can do.
pub fn record(net: &Network, options: &Options) -> Result<Plan, PlanError> {
    let Options { set, rows, batch, .. } = *options;
    if set == 0 || rows == 0 || !(1..=65_535).contains(&batch) {
        return Err(PlanError::NoImages { set, rows, batch });
    }
    if options.work != Work::Infer {
        net.check_frozen(&options.frozen)?;
    }
    let plan = Plan { batch: options.batch, buffers: Vec::new(), steps: Vec::new() };
    let batch = options.batch as u32;
    let stages = stages(net, options, "");
    let pixels = net.input().iter().product::<usize>();
    let trains = matches!(options.work, Work::Train | Work::TrainOnFeatures);
    let teacher = options.teacher.as_ref().filter(|_| trains);
    let teaching = teacher.map(|teacher| self::stages(teacher, options, TEACHER)).unwrap_or_default();
    let outputs = stages.iter().chain(&teaching).map(|stage| stage.output.iter().product());
    let largest = outputs.fold(pixels, usize::max);
    let padded = options.tiles.padded(batch, largest as u32);
    let mut r =
        Recorder { net, options, plan, ranges: Vec::new(), learning: Vec::new(), gradients: Vec::new(), padded };
    let lowest = stages.iter().position(|s| s.learns).unwrap_or(stages.len());
    let constant = constant(&stages, options);

    let stored = features(net, options).filter(|_| options.work == Work::TrainOnFeatures);
    let stored = stored.map(|(name, len, _)| (name, len));
    let first = if stored.is_some() { constant } else { 0 };
    r.load(stored)?;
    // The tensor under each stage, and the activation that made it if that was fused.
    let input = ("input".to_string(), Activation::None);
    let made = stages.iter().map(|stage| (out(stage), stage.activation));
    let below: Vec<_> = std::iter::once(input).chain(made).collect();
    let end = if options.work == Work::Features { constant } else { stages.len() };
    for (stage, (x, activation)) in stages.iter().zip(&below).take(end).skip(first) {
        r.forward(stage, x, *activation)?;
    }

    let logits = &below[stages.len()].0;
    if options.work != Work::Features {
        r.loss(logits)?;
    }
    if trains {
        let mut x = ("input".to_string(), Activation::None);
        for stage in &teaching {
            r.forward(stage, &x.0, x.1)?;
            x = (out(stage), stage.activation);
        }
        r.loss_backward(logits, teacher.map(|_| x.0.as_str()))?;
        for (at, (stage, (x, activation))) in stages.iter().zip(&below).enumerate().skip(lowest).rev() {
            if stage.learns {
                r.backward_weight(stage, x, *activation)?;
            }
            if at > lowest {
                r.backward_input(stage, x, *activation)?;
            }
        }
        record_update(&mut r)?;
    }
    r.step(Advance(batch).into(), "advance".into(), &[names::CURSOR])?;
    Ok(r.plan)
}

/// One dispatch over every tensor that learns, after what it takes to clip their gradients.
fn record_update(r: &mut Recorder) -> Result<(), PlanError> {
    let (batch, rows) = (r.options.batch as u32, r.options.rows as u32);
    let shape = UpdateShape {
        ranges: std::mem::take(&mut r.ranges),
        parameters: r.net.arena_len() as u32,
        gradients: r.gradients_len() as u32,
        batch,
        steps: rows.div_ceil(batch),
    };
    let table = shape.table();
    let named = |suffix: &str| r.learning.iter().map(|name| format!("{name}{suffix}")).collect::<Vec<_>>();
    let gradients = (names::GRADIENTS, named(".grad"));
    let own = |name: &'static str| (name, vec![name.to_string()]);
    let mut tensors = vec![gradients.clone(), own(GROUPS), own(names::CURSOR), own(names::RATES), own(names::CLIP)];
    tensors.extend([own(names::HYPER), (names::PARAMETERS, named(""))]);
    let states = r.options.optimizer.states();
    tensors.extend(states.iter().map(|&state| (state, named(&format!(".{state}")))));

    if r.options.clip {
        let groups = shape.groups();
        let norm: Kernel = GradientNorm(shape.clone()).into();
        r.bound(norm, "gradient norm", vec![gradients, own(GROUPS), own("squares")])?;
        let clip: Kernel = GradientClip(groups).into();
        r.bound(clip, "gradient clip", vec![own("squares"), own(names::LIMIT), own(names::CLIP)])?;
    }
    r.bound(r.options.optimizer.kernel(shape), "update", tensors)?;
    for (name, content) in [(GROUPS, table), (names::CLIP, vec![1.0_f32.to_bits(); 4])] {
        if let Some(at) = r.plan.buffer(name) {
            r.plan.buffers[at].content = Some(content);
        }
    }
    Ok(())
}

/// The table of an update.
const GROUPS: &str = "groups";
