//! Times kernels and steps, and relates them to the device's ceilings.

use super::{Ceilings, Stat, repetitions};
use crate::data::{DataSet, synthetic};
use crate::gpu::{Device, GpuError, Player, Timer};
use crate::kernels::{Cost, Spec, Tiles};
use crate::model::{Network, initialise};
use crate::plan::{Dispatch, Plan, joined, names};
use crate::random::{Purpose, Stream};
use crate::recorder::{Options, RecordError, record};
use crate::train::TrainError;
use serde::{Deserialize, Serialize};

/// Settings of a measurement.
pub struct Setting<'a> {
    pub network: &'a Network,
    pub batch: usize,
    pub tiles: Tiles,
    pub unfused: bool,
    pub runs: usize,
    /// Also times each kernel.
    pub kernels: bool,
}

/// A kernel of a step, or several that run side by side, over all parts of a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelTimes {
    pub label: String,
    pub kernel: String,
    pub dispatches: usize,
    pub seconds: Stat,
    pub flops: u64,
    pub sparse_flops: u64,
    pub bytes: u64,
    /// `arithmetic` or `memory`, whichever ceiling is nearer.
    pub ceiling: String,
    /// Time that the nearer ceiling allows, as a fraction of the time measured. Above 1 if a kernel skips products with
    /// zero that are counted.
    pub share: f64,
    /// The same without those products.
    pub sparse_share: f64,
}

/// Times of a training step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepTimes {
    pub batch: usize,
    pub dispatches: usize,
    pub kernels: Vec<KernelTimes>,
    pub step: Stat,
    /// Step time minus the sum of its kernels: launches that do not overlap. Negative if they do.
    pub between_kernels: Option<f64>,
    pub images_per_second: f64,
}

/// Minimum number of images to measure with.
const SET: usize = 4096;

/// Times a step of a network on synthetic digits if they fit it, else on noise.
///
/// # Errors
/// If the network does not fit the device.
pub fn step(device: &Device, setting: &Setting, ceilings: Option<&Ceilings>) -> Result<StepTimes, TrainError> {
    // SAFETY: these are the crate's own shaders.
    unsafe { step_with_sources(device, setting, ceilings, |spec| spec.wgsl) }
}

/// Same as [`step`] with other shaders, without run-time checks as in training, for tuning without a rebuild.
///
/// # Errors
/// Same as [`step`].
///
/// # Safety
/// The shaders must stay inside their bindings, as the crate's own do.
pub unsafe fn step_with_sources<'s>(
    device: &Device,
    setting: &Setting,
    ceilings: Option<&Ceilings>,
    source: impl Fn(&Spec) -> &'s str,
) -> Result<StepTimes, TrainError> {
    // SAFETY: upheld by the caller.
    let stepper = unsafe { Stepper::new(device, setting, source)? };
    let plan = stepper.player.plan();
    let labels = if setting.kernels { labels(plan) } else { Vec::new() };
    let mut rounds = Vec::new();
    for Labelled { dispatches, .. } in &labels {
        stepper.pass(dispatches, 0, 1, 1)?;
        rounds.push(repetitions(stepper.pass(dispatches, 0, 1, 1)?));
    }
    let mut of_step = Vec::new();
    let mut of_kernels = vec![Vec::new(); labels.len()];
    for run in 0..setting.runs {
        for ((of_label, &times), seconds) in labels.iter().zip(&rounds).zip(&mut of_kernels) {
            seconds.push(stepper.pass(&of_label.dispatches, run, 1, times)?);
        }
        of_step.push(stepper.step(run)?);
    }

    let kernels: Vec<KernelTimes> = labels
        .iter()
        .zip(&of_kernels)
        .map(|(of_label, seconds)| kernel_times(of_label, Stat::of(seconds), ceilings))
        .collect();
    let (step, batch) = (Stat::of(&of_step), setting.batch);
    let sum: f64 = kernels.iter().map(|k| k.seconds.median).sum();
    Ok(StepTimes {
        batch,
        dispatches: plan.dispatches().len(),
        between_kernels: setting.kernels.then_some(step.median - sum),
        kernels,
        step,
        images_per_second: batch as f64 / step.median,
    })
}

/// A step ready to be timed.
pub(super) struct Stepper<'d> {
    device: &'d Device,
    player: Player,
    timer: Timer<'d>,
    /// Images in the set, and in a batch.
    set: usize,
    batch: usize,
    /// Steps per measurement.
    rounds: usize,
}

impl<'d> Stepper<'d> {
    /// Compiles, fills the buffers and runs twice: once for late driver compilation and to leave real activations
    /// behind, once to estimate the time.
    ///
    /// # Safety
    /// Same as [`step_with_sources`].
    pub(super) unsafe fn new<'s>(
        device: &'d Device,
        setting: &Setting,
        source: impl Fn(&Spec) -> &'s str,
    ) -> Result<Stepper<'d>, TrainError> {
        // SAFETY: the caller vouches for the shaders; the order, the labels and the cursor are written here.
        let player = unsafe { Player::unchecked(device, plan(setting)?, &[], source)? };
        let (set, batch) = (plan_set(setting), setting.batch);
        fill(device, &player, setting, set)?;
        let mut stepper = Stepper { device, player, timer: Timer::new(device), set, batch, rounds: 1 };
        stepper.step(0)?;
        stepper.rounds = repetitions(stepper.step(0)?).min(set / batch);
        Ok(stepper)
    }

    /// Seconds per training step.
    pub(super) fn step(&self, run: usize) -> Result<f64, GpuError> {
        let all: Vec<usize> = (0..self.player.plan().dispatches().len()).collect();
        self.pass(&all, run, self.rounds, self.rounds)
    }

    /// Seconds per pass over some dispatches of the plan, repeated `times` times while the cursor moves over `batches`
    /// batches.
    fn pass(&self, dispatches: &[usize], run: usize, batches: usize, times: usize) -> Result<f64, GpuError> {
        // Other images in each run, as in training, and none past the end.
        let start = run * self.batch % (self.set - batches * self.batch + 1);
        self.device.write(self.player.buffer(names::CURSOR), &[0, start as u32, self.set as u32]);
        let pass = |pass: &mut wgpu::ComputePass| {
            (0..times).for_each(|_| dispatches.iter().for_each(|&at| self.player.encode_dispatch(pass, at)));
        };
        self.timer.pass(pass).map(|seconds| seconds / times as f64)
    }
}

fn kernel_times(of: &Labelled, seconds: Stat, ceilings: Option<&Ceilings>) -> KernelTimes {
    let cost = of.cost;
    let allowed = |flops: u64| ceilings.map_or((0.0, 0.0), |c| (flops as f64 / c.flops, cost.bytes as f64 / c.bytes));
    let ((arithmetic, memory), (sparse, _)) = (allowed(cost.flops), allowed(cost.sparse_flops));
    KernelTimes {
        label: of.label.clone(),
        kernel: of.kernel.clone(),
        dispatches: of.dispatches.len(),
        seconds,
        flops: cost.flops,
        sparse_flops: cost.sparse_flops,
        bytes: cost.bytes,
        ceiling: if arithmetic >= memory { "arithmetic" } else { "memory" }.into(),
        share: arithmetic.max(memory) / seconds.median,
        sparse_share: sparse.max(memory) / seconds.median,
    }
}

fn plan_set(setting: &Setting) -> usize {
    SET.max(2 * setting.batch)
}

fn plan(setting: &Setting) -> Result<Plan, RecordError> {
    let set = plan_set(setting);
    let options = Options { unfused: setting.unfused, ..Options::new(setting.batch, set, set, setting.tiles) };
    record(setting.network, &options)
}

/// Returns true if the plan or the driver rejects the tile sizes. Other errors, such as a lost device, abort a search.
pub(super) fn does_not_fit(error: &TrainError) -> bool {
    use GpuError::{Limit, OutOfMemory, Rejected};
    matches!(error, TrainError::Plan(_) | TrainError::Gpu(Limit { .. } | Rejected { .. } | OutOfMemory(_)))
}

/// The dispatches of a step.
pub(super) fn dispatches(setting: &Setting) -> Result<Vec<Dispatch>, TrainError> {
    let plan = plan(setting)?;
    let dispatches = plan.dispatches().map(|steps| Dispatch::new(steps, |spec| spec.wgsl));
    Ok(dispatches.collect::<Result<_, _>>().map_err(GpuError::from)?)
}

/// The dispatches of one label: the same kernels, once for each part of a batch.
struct Labelled {
    label: String,
    kernel: String,
    dispatches: Vec<usize>,
    cost: Cost,
}

/// The dispatches of each label, in order.
fn labels(plan: &Plan) -> Vec<Labelled> {
    let mut labels: Vec<Labelled> = Vec::new();
    for (at, steps) in plan.dispatches().enumerate() {
        let label = joined(steps, |step| &step.label);
        let found = labels.iter().position(|of| of.label == label).unwrap_or_else(|| {
            let kernel = joined(steps, |step| step.kernel.stem());
            labels.push(Labelled { label, kernel, dispatches: Vec::new(), cost: Cost::default() });
            labels.len() - 1
        });
        labels[found].dispatches.push(at);
        steps.iter().for_each(|step| labels[found].cost += step.kernel.cost());
    }
    labels
}

/// Fills a plan's buffers as in a real run.
fn fill(device: &Device, player: &Player, setting: &Setting, count: usize) -> Result<(), TrainError> {
    let [_, height, width] = setting.network.input();
    let classes = setting.network.classes() as u32;
    let mut stream = Stream::new(1, Purpose::Verification, 4000);
    let set = if [height, width] == [28, 28] && classes >= 10 {
        synthetic::generate(1, 0, count as u32)?
    } else {
        let bytes = (0..count * height * width).map(|_| stream.below(256) as u8).collect();
        let labels = (0..count).map(|_| stream.below(classes) as u8).collect();
        DataSet { images: crate::data::Images { height, width, bytes }, labels }
    };
    let mut bytes = set.images.bytes;
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    device.write_bytes(player.buffer(names::IMAGES), 0, &bytes);
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let byte_values = (0..256).map(|byte| (byte as f32 / 255.0 - 0.13) / 0.31).collect();
    for (name, content) in [
        (names::LABELS, set.labels.iter().map(|&label| u32::from(label)).collect()),
        (names::ORDER, epoch(count, &mut stream)),
        (names::BYTE_VALUES, bits(byte_values)),
        (names::PARAMETERS, bits(initialise(setting.network, 1))),
        // Buffers start with rates of 0, which cost the same and let a repeated update leave the parameters unchanged.
        (names::HYPER, bits(vec![0.5, 0.0])),
    ] {
        device.write(player.buffer(name), &content);
    }
    Ok(())
}

fn epoch(count: usize, stream: &mut Stream) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    stream.shuffle(&mut order);
    order
}
