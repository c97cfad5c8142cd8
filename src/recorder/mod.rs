//! Records a network as a plan: a loop over its layers, and the steps before and after them.

#![deny(clippy::wildcard_enum_match_arm)]

mod stages;

use crate::kernels::{
    Advance, AugmentImages, AugmentShape, CrossEntropyBackward, CrossEntropyForward, DistillationBackward, FcLoss,
    FeatureShape, GradientClip, GradientNorm, LoadFeatures, LoadImages, LoadShape, LossShape, StepRates, StepsShape,
    Tiles, UpdateShape,
};
use crate::layers::Stage;
use crate::model::{Network, NetworkError};
use crate::optimizers::{self, Optimizer};
use crate::plan::{Builder, Plan, PlanError, names};
use stages::{constant, stages};

/// Recording options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Images in a batch.
    pub batch: usize,
    /// Images in the data set.
    pub set: usize,
    /// Images in an epoch.
    pub rows: usize,
    /// Frozen layers.
    pub frozen: Vec<String>,
    pub work: Work,
    /// Whether pooling and activations are separate steps.
    pub unfused: bool,
    pub tiles: Tiles,
    pub optimizer: Optimizer,
    /// Optimizer settings. Only switches such as `nesterov` change the plan.
    pub hyper: optimizers::Settings,
    /// Whether gradients are clipped by norm.
    pub clip: bool,
    /// Learning-rate factors by layer; 1 for the others.
    pub rates: Vec<(String, f32)>,
    /// Whether training images are augmented.
    pub augment: bool,
    /// Whether classes have different weights in the loss.
    pub weighted: bool,
    /// Teacher for distillation, with the same input and classes.
    pub teacher: Option<Network>,
}

impl Options {
    /// A training step with plain SGD in which every layer learns.
    pub fn new(batch: usize, set: usize, rows: usize, tiles: Tiles) -> Options {
        Options {
            batch,
            set,
            rows,
            frozen: Vec::new(),
            work: Work::Train,
            unfused: false,
            tiles,
            optimizer: Optimizer::Sgd,
            hyper: Optimizer::Sgd.definition().defaults,
            clip: false,
            rates: Vec::new(),
            augment: false,
            weighted: false,
            teacher: None,
        }
    }

    /// Whether the plan trains.
    fn trains(&self) -> bool {
        matches!(self.work, Work::Train | Work::TrainOnFeatures)
    }
}

/// Purpose of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Forward, loss, backward, update.
    Train,
    /// Same as [`Work::Train`], starting from the stored output of the stages below the first that learns: see
    /// [`features`].
    TrainOnFeatures,
    /// Forward and loss.
    Infer,
    /// Only the stages below the first that learns or is random.
    Features,
    /// Forward, and from a gradient of the logits that the caller writes backward to the image, which the caller writes, too.
    Explain,
}

/// Why a network cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(
        "a batch takes 1 to 65535 images, and a set and an epoch at least one; asked for were a batch of {batch}, an epoch of {rows} and \
         a set of {set}"
    )]
    NoImages { set: usize, rows: usize, batch: usize },
}

/// Records a batch.
///
/// A frozen layer has no gradient and no update, and no gradient is propagated below the lowest layer that learns.
///
/// # Errors
/// If a frozen layer does not exist, or a size is out of range.
pub fn record(net: &Network, options: &Options) -> Result<Plan, RecordError> {
    let Options { set, rows, batch, .. } = *options;
    if set == 0 || rows == 0 || !(1..=65_535).contains(&batch) {
        return Err(RecordError::NoImages { set, rows, batch });
    }
    if !matches!(options.work, Work::Infer | Work::Explain) {
        net.check_frozen(&options.frozen)?;
    }
    let stages = stages(net, options, "");
    let teacher = options.teacher.as_ref().filter(|_| options.trains());
    let teaching = teacher.map(|teacher| self::stages(teacher, options, names::TEACHERS)).unwrap_or_default();
    let pixels = net.input().iter().product::<usize>();
    let largest = stages.iter().chain(&teaching).map(Stage::count).fold(pixels, usize::max);
    let parameters = [net.parameters(), teacher.map_or(&[][..], Network::parameters)];
    let mut to = Builder::new(options.tiles, batch as u32, largest as u32, parameters, &options.rates);

    let (constant, lowest) = (constant(&stages, options), stages.iter().position(|s| s.learns));
    let stored = (options.work == Work::TrainOnFeatures).then_some(constant).filter(|&stages| stages > 0);
    match stored.map(|constant| &stages[constant - 1]) {
        Some(last) => load_features(last, options, &mut to)?,
        None if options.work == Work::Explain => {}
        None => load_images(net, options, &mut to)?,
    }
    if options.trains() {
        let steps = StepsShape { batch: batch as u32, steps: rows.div_ceil(batch) as u32 };
        to.step(StepRates(steps), "rates", &[names::CURSOR, names::RATES, names::RATE])?;
    }
    let shape = loss_shape(net, options, &to);
    let merged = with_loss(&stages, lowest, shape, options);
    let end = match options.work {
        Work::Features => constant,
        Work::Train | Work::TrainOnFeatures | Work::Infer | Work::Explain => {
            stages.len() - usize::from(merged.is_some())
        }
    };
    for stage in stages.iter().take(end).skip(stored.unwrap_or(0)) {
        stage.node.layer.forward(stage, &mut to)?;
    }
    let logits = |of: &[Stage]| of.last().map_or_else(|| "input".into(), Stage::y);
    let loss = Loss { shape, logits: logits(&stages) };
    match &merged {
        Some((last, kernel)) => loss.with_layer(last, kernel, &mut to)?,
        None if matches!(options.work, Work::Features | Work::Explain) => {}
        None => loss.forward(&mut to)?,
    }
    if options.work == Work::Explain {
        for stage in stages.iter().rev() {
            stage.node.layer.backward_input(stage, &mut to)?;
        }
    }
    if options.trains() {
        for stage in &teaching {
            stage.node.layer.forward(stage, &mut to)?;
        }
        if merged.is_none() {
            loss.backward(teacher.map(|_| logits(&teaching)), &mut to)?;
        }
        let lowest = lowest.unwrap_or(stages.len());
        for (at, stage) in stages.iter().enumerate().take(end).skip(lowest).rev() {
            if stage.learns {
                stage.node.layer.backward_weight(stage, &mut to)?;
            }
            if at > lowest {
                stage.node.layer.backward_input(stage, &mut to)?;
            }
        }
        update(net, options, &mut to)?;
    }
    to.step(Advance(batch as u32), "advance", &[names::CURSOR])?;
    Ok(to.finish())
}

/// Output of the stages that are the same in every epoch: tensor name, elements per image, and the layers with
/// parameters that compute it. `None` if there is no such stage.
pub fn features(net: &Network, options: &Options) -> Option<(String, usize, Vec<String>)> {
    let stages = stages(net, options, "");
    let stages = &stages[..constant(&stages, options)];
    let last = stages.last()?;
    let layers = stages.iter().filter(|s| s.node.layer.has_parameters()).map(|s| s.name.clone());
    Some((last.y(), last.count(), layers.collect()))
}

/// The tensor that the first fully connected layer reads, and its elements per image.
pub fn hidden(net: &Network, options: &Options) -> Option<(String, usize)> {
    let (name, len) = net.hidden()?;
    stages(net, options, "").into_iter().find(|stage| stage.name == name).map(|stage| (stage.x, len))
}

/// The outputs that the plan stores: names of a layer and of the tensor, for the last layer of each kernel.
pub fn stored(net: &Network, options: &Options) -> Vec<(String, String)> {
    let stages = stages(net, options, "");
    let nodes: Vec<&str> = net.nodes().iter().filter(|n| !n.layer.is_random()).map(|n| n.name.as_str()).collect();
    let first = |stage: &Stage| nodes.iter().position(|name| *name == stage.node.name).unwrap_or(0);
    let ends = stages.iter().skip(1).map(first).chain([nodes.len()]);
    stages.iter().zip(ends).map(|(stage, end)| (nodes[end - 1].to_string(), stage.y())).collect()
}

/// The tensor that the last layer reads, and its elements per image.
pub fn last_hidden(net: &Network, options: &Options) -> Option<(String, usize)> {
    let last = stages(net, options, "").pop()?;
    Some((last.x, last.node.input.iter().product()))
}

/// Records the kernel that loads the stored features of a batch.
fn load_features(last: &Stage, options: &Options, to: &mut Builder) -> Result<(), PlanError> {
    let (len, set, rows) = (last.count() as u32, options.set as u32, options.rows as u32);
    let kernel = LoadFeatures(FeatureShape { batch: to.padded, len, set, rows }, to.tiles);
    to.step(kernel, "load features", &[names::FEATURES, names::ORDER, names::CURSOR, &last.y()])
}

/// Records the kernel that loads the images of a batch.
fn load_images(net: &Network, options: &Options, to: &mut Builder) -> Result<(), PlanError> {
    let (batch, set, rows) = (to.padded, options.set as u32, options.rows as u32);
    let [channels, height, width] = net.input().map(|d| d as u32);
    if options.augment && options.work == Work::Train {
        let shape = AugmentShape { batch, height: channels * height, width, set, rows };
        let bindings =
            [names::IMAGES, names::ORDER, names::PLACES, names::CURSOR, names::BYTE_VALUES, names::AUGMENT, "input"];
        return to.step(AugmentImages(shape, to.tiles), "augment images", &bindings);
    }
    let pixels = channels * height * width;
    let bindings = [names::IMAGES, names::ORDER, names::CURSOR, names::BYTE_VALUES, "input"];
    to.step(LoadImages(LoadShape { batch, pixels, set, rows }, to.tiles), "load images", &bindings)
}

fn loss_shape(net: &Network, options: &Options, to: &Builder) -> LossShape {
    let (set, rows) = (options.set as u32, options.rows as u32);
    let weighted = options.weighted && options.trains();
    LossShape { batch: to.batch, padded: to.padded, classes: net.classes() as u32, set, rows, weighted }
}

/// The last stage and a kernel that computes it with the loss and all gradients, to save dispatches. There is none unless
/// both the stage and one below it learn from labels alone.
fn with_loss<'s, 'a>(
    stages: &'s [Stage<'a>],
    lowest: Option<usize>,
    loss: LossShape,
    options: &Options,
) -> Option<(&'s Stage<'a>, FcLoss)> {
    let last = stages.last().filter(|last| last.learns && lowest.is_some_and(|lowest| lowest + 1 < stages.len()))?;
    let plain = options.unfused || options.teacher.is_some() || options.tiles.gathers();
    let merges = options.trains() && !plain && options.tiles.per_dispatch > 1;
    let kernel = if merges { last.node.layer.with_loss(last, loss, &options.tiles) } else { None };
    kernel.map(|kernel| (last, kernel))
}

/// What every kernel of the loss reads besides logits.
const KNOWN: [&str; 5] = [names::LABELS, names::ORDER, names::CURSOR, names::SMOOTHING, names::CLASS_WEIGHTS];

/// The loss of a batch.
struct Loss {
    shape: LossShape,
    logits: String,
}

impl Loss {
    fn forward(&self, to: &mut Builder) -> Result<(), PlanError> {
        let from = [&[&*self.logits], &KNOWN[..]].concat();
        let bindings = [&from[..], &[names::LOSS, names::PREDICTED, names::PROBABILITY]].concat();
        to.step(CrossEntropyForward(self.shape), "loss forward", &bindings)?;
        self.weigh_equally(to);
        Ok(())
    }

    /// Records a fully connected layer with the loss of its outputs, and the gradients of both.
    fn with_layer(&self, last: &Stage, kernel: &FcLoss, to: &mut Builder) -> Result<(), PlanError> {
        let layer = [&*last.x, &last.of("weight"), &last.of("bias")];
        let written = [names::LOSS, &last.dx(), &last.gradient("weight"), &last.gradient("bias")];
        to.step(kernel.clone(), &format!("{} and loss", last.name), &[&layer[..], &KNOWN, &written].concat())?;
        ["weight", "bias"].iter().for_each(|tensor| to.learn(&last.of(tensor), kernel.1));
        self.weigh_equally(to);
        Ok(())
    }

    /// Class weights, unless the caller sets them.
    fn weigh_equally(&self, to: &mut Builder) {
        to.content(names::CLASS_WEIGHTS, vec![1.0_f32.to_bits(); (self.shape.classes as usize).next_multiple_of(4)]);
    }

    /// Records the gradient against the labels and, with a teacher, its logits.
    fn backward(&self, taught: Option<String>, to: &mut Builder) -> Result<(), PlanError> {
        let (x, dx) = (&*self.logits, &*format!("{}.grad", self.logits));
        match taught {
            Some(z) => {
                let bindings = [&[x, &z][..], &KNOWN, &[names::TEACHING, dx]].concat();
                to.step(DistillationBackward(self.shape), "loss backward", &bindings)
            }
            None => {
                let bindings = [&[x][..], &KNOWN, &[dx]].concat();
                to.step(CrossEntropyBackward(self.shape), "loss backward", &bindings)
            }
        }
    }
}

/// Name of the buffer for the update's table.
const GROUPS: &str = "groups";

/// Records one dispatch over every tensor that learns, preceded by gradient clipping if enabled.
fn update(net: &Network, options: &Options, to: &mut Builder) -> Result<(), PlanError> {
    let (ranges, learning) = to.learning();
    let shape = UpdateShape {
        ranges: ranges.to_vec(),
        parameters: net.arena_len() as u32,
        gradients: to.gradients_len() as u32,
        at_once: to.tiles.at_once,
    };
    let table = shape.table();
    let named = |suffix: &str| learning.iter().map(|name| format!("{name}{suffix}")).collect::<Vec<_>>();
    let gradients = (names::GRADIENTS, named(".grad"));
    let own = |name: &'static str| (name, vec![name.to_string()]);
    let mut tensors = vec![gradients.clone(), own(GROUPS), own(names::RATE), own(names::CLIP)];
    tensors.extend([own(names::HYPER), (names::PARAMETERS, named(""))]);
    let optimizer = options.optimizer.definition();
    tensors.extend(optimizer.states.iter().map(|&state| (state, named(&format!(".{state}")))));
    if options.clip {
        let (groups, at_once) = (shape.groups(), shape.at_once);
        to.bound(GradientNorm(shape.clone()), "gradient norm", vec![gradients, own(GROUPS), own("squares")])?;
        to.bound(
            GradientClip(groups, at_once),
            "gradient clip",
            vec![own("squares"), own(names::LIMIT), own(names::CLIP)],
        )?;
    }
    to.bound((optimizer.kernel)(shape, &options.hyper), "update", tensors)?;
    to.content(GROUPS, table);
    to.content(names::CLIP, vec![1.0_f32.to_bits(); 4]);
    Ok(())
}
