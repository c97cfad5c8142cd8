//! The cases of each kernel: sizes that fit nothing, short batches, ties, extremes.

use crate::plan::{
    Activation, ActivationShape, AugmentShape, ConvPoolShape, ConvShape, DeviceClass, DropoutShape, FcShape,
    FeatureShape, Kernel, LoadShape, LossShape, NormShape, PoolShape, Port, Range, Tiles, UpdateShape,
};
use crate::random::{Purpose, Stream};

/// What the inputs look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Signed, in [-1, 1).
    Random,
    /// Whole numbers from -2 to 2: every sum is exact in any order, and the result must be too. Ties are frequent.
    Integers,
    /// Logits that are all below -200, all equal, or far apart.
    Extreme,
    /// Large, in [-100, 100).
    Large,
}

/// A kernel with its inputs, which follow from the seed.
#[derive(Clone, Debug)]
pub struct Case {
    pub(super) name: String,
    pub(super) kernel: Kernel,
    fill: Fill,
    /// Step, first row and rows in all, where the kernel reads a cursor.
    cursor: [u32; 3],
    seed: u64,
}

/// Every kernel.
pub const STEMS: [&str; 30] = [
    "load_images",
    "augment_images",
    "load_features",
    "conv_forward",
    "conv_backward_input",
    "conv_backward_weight",
    "conv_pool_forward",
    "conv_pool_backward_input",
    "conv_pool_backward_weight",
    "max_pool_forward",
    "max_pool_backward",
    "activation_forward",
    "activation_backward",
    "fc_forward",
    "fc_backward_input",
    "fc_backward_weight",
    "dropout",
    "batch_norm_statistics",
    "batch_norm_forward",
    "batch_norm_backward_input",
    "batch_norm_backward_weight",
    "cross_entropy_forward",
    "cross_entropy_backward",
    "distillation_backward",
    "gradient_norm",
    "gradient_clip",
    "sgd_update",
    "adam_update",
    "rmsprop_update",
    "advance",
];

const RELU: Activation = Activation::Relu;
const SIGMOID: Activation = Activation::Sigmoid;
const NONE: Activation = Activation::None;

/// The cases of a kernel.
///
/// # Panics
/// If there is no such kernel.
pub fn cases(stem: &str) -> Vec<Case> {
    let kernels = kernels(stem);
    let mut cases = Vec::new();
    for (kernel, cursor) in kernels {
        for fill in fills(&kernel) {
            let size: Vec<String> =
                kernel.spec().constants.iter().map(|(name, value)| format!("{name} {value}")).collect();
            let seed = cases.len() as u64;
            let mut name = format!("{}, {fill:?}, seed {seed}", size.join(" ")).to_lowercase();
            if cursor != [0, 0, 0] {
                name = format!("{name}, rows {}..{}", cursor[1], cursor[2]);
            }
            cases.push(Case { name, kernel: kernel.clone(), fill, cursor, seed });
        }
    }
    cases
}

/// Kernels whose result on whole numbers is a whole number get those too.
fn fills(kernel: &Kernel) -> Vec<Fill> {
    let smooth = |a: Activation, b: Activation| a == SIGMOID || b == SIGMOID;
    match kernel {
        Kernel::CrossEntropyForward(_) | Kernel::CrossEntropyBackward(_) | Kernel::DistillationBackward(_) => {
            vec![Fill::Random, Fill::Extreme, Fill::Large]
        }
        Kernel::ActivationForward(s) if s.activation == SIGMOID => vec![Fill::Random, Fill::Large],
        Kernel::ActivationBackward(s) if s.activation == SIGMOID => vec![Fill::Random],
        Kernel::ConvForward(s, _) | Kernel::ConvBackwardInput(s, _) if smooth(s.activation, s.activation_in) => {
            vec![Fill::Random]
        }
        Kernel::ConvPoolForward(s, _) | Kernel::ConvPoolBackwardInput(s, _)
            if smooth(s.conv.activation, s.conv.activation_in) =>
        {
            vec![Fill::Random]
        }
        Kernel::FcForward(s, _) | Kernel::FcBackwardInput(s, _) if smooth(s.activation, s.activation_in) => {
            vec![Fill::Random]
        }
        Kernel::Dropout(_) => vec![Fill::Random],
        Kernel::BatchNormStatistics(..) | Kernel::BatchNormForward(..) => vec![Fill::Random],
        Kernel::BatchNormBackwardInput(..) | Kernel::BatchNormBackwardWeight(..) => vec![Fill::Random],
        // Bytes come to values of a table, which are exact.
        Kernel::AugmentImages(..) => vec![Fill::Integers, Fill::Random],
        // They divide and take roots.
        Kernel::AdamUpdate(..) | Kernel::RmspropUpdate(_) | Kernel::GradientClip(_) => vec![Fill::Random],
        _ => vec![Fill::Random, Fill::Integers],
    }
}

/// Kernels of a stem with their sizes and, where they read one, their cursor. All three columns of the tile table are
/// used, whatever the device.
fn kernels(stem: &str) -> Vec<(Kernel, [u32; 3])> {
    let [software, integrated, discrete] =
        [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete].map(Tiles::of);
    // batch, c_in, h_in, w_in, c_out, k, activation, activation_in
    let conv = |d: [u32; 6], activation, activation_in| ConvShape {
        batch: d[0],
        c_in: d[1],
        h_in: d[2],
        w_in: d[3],
        c_out: d[4],
        k: d[5],
        activation,
        activation_in,
    };
    let convs = || {
        vec![
            (conv([3, 2, 9, 7, 5, 3], NONE, NONE), discrete),
            (conv([1, 1, 5, 5, 1, 5], NONE, RELU), software),
            (conv([2, 3, 8, 11, 4, 5], SIGMOID, SIGMOID), integrated),
            (conv([5, 4, 6, 6, 10, 1], RELU, RELU), software),
            (conv([4, 10, 12, 12, 20, 5], NONE, RELU), integrated),
        ]
    };
    let conv_pools = || {
        let of = |d, pool, a, b| ConvPoolShape { conv: conv(d, a, b), pool };
        vec![
            (of([3, 1, 28, 28, 10, 5], 2, RELU, NONE), discrete),
            (of([2, 10, 12, 12, 20, 5], 2, RELU, RELU), software),
            (of([3, 2, 10, 9, 6, 3], 2, SIGMOID, SIGMOID), integrated),
            (of([1, 1, 6, 6, 1, 5], 2, NONE, NONE), software),
            (of([2, 3, 11, 13, 7, 4], 3, RELU, RELU), integrated),
            (of([5, 4, 7, 8, 4, 2], 2, NONE, RELU), discrete),
            // No pooling: cells of one value.
            (of([3, 4, 9, 8, 6, 3], 1, RELU, RELU), software),
            (of([2, 3, 7, 7, 5, 3], 1, SIGMOID, RELU), discrete),
            // 18,225 weights: more than a uniform may hold, and no whole number of vectors.
            (of([1, 27, 6, 6, 27, 5], 2, RELU, RELU), integrated),
            // A kernel so large that unrolling must be held back.
            (of([1, 2, 14, 13, 4, 11], 2, RELU, RELU), software),
        ]
    };
    let fcs = || {
        let of =
            |batch, c_in, c_out, activation, activation_in| FcShape { batch, c_in, c_out, activation, activation_in };
        vec![
            (of(64, 320, 50, RELU, RELU), software),
            (of(7, 13, 10, NONE, NONE), integrated),
            (of(1, 2, 3, NONE, RELU), software),
            (of(5, 33, 47, SIGMOID, SIGMOID), discrete),
            (of(9, 50, 10, NONE, RELU), software),
        ]
    };
    let with_slices = |batch: u32| [1, batch.min(3), batch];
    let plain = |kernels: Vec<Kernel>| kernels.into_iter().map(|k| (k, [0; 3])).collect();
    match stem {
        "load_images" => [
            (4, 784, 9, 7, 0, integrated),
            (3, 5, 11, 11, 9, software),
            (1, 1, 70, 70, 69, discrete),
            (5, 27, 6, 3, 0, discrete),
            (2, 66, 8, 8, 4, software),
            (4, 784, 9, 7, 5, software),
        ]
        .map(|(batch, pixels, set, rows, start, tiles)| {
            (Kernel::LoadImages(LoadShape { batch, pixels, set, rows }, tiles), [3, start, rows])
        })
        .to_vec(),
        "augment_images" => [
            (3, 28, 28, 9, 7, 0, software),
            (4, 28, 28, 9, 7, 5, integrated),
            // Whose quarter is no whole number of pixels, and smaller than any.
            (5, 13, 7, 6, 5, 0, discrete),
            (6, 3, 2, 8, 6, 0, software),
            (2, 40, 61, 3, 2, 0, integrated),
        ]
        .map(|(batch, height, width, set, rows, start, tiles)| {
            (Kernel::AugmentImages(AugmentShape { batch, height, width, set, rows }, tiles), [3, start, rows])
        })
        .to_vec(),
        // The last number is that of the rows of the epoch, less than the order has room for.
        "load_features" => [
            (4, 320, 9, 7, 0, software, 7),
            (3, 5, 11, 12, 9, software, 11),
            (5, 34, 6, 9, 0, integrated, 3),
            (70, 3, 8, 80, 4, discrete, 73),
        ]
        .map(|(batch, len, set, rows, start, tiles, total)| {
            (Kernel::LoadFeatures(FeatureShape { batch, len, set, rows }, tiles), [3, start, total])
        })
        .to_vec(),
        "conv_forward" => plain(convs().into_iter().map(|(s, t)| Kernel::ConvForward(s, t)).collect()),
        "conv_backward_input" => plain(convs().into_iter().map(|(s, t)| Kernel::ConvBackwardInput(s, t)).collect()),
        "conv_backward_weight" => plain(
            convs()
                .into_iter()
                .flat_map(|(s, _)| with_slices(s.batch).map(|n| Kernel::ConvBackwardWeight(s, n)))
                .collect(),
        ),
        "conv_pool_forward" => plain(conv_pools().into_iter().map(|(s, t)| Kernel::ConvPoolForward(s, t)).collect()),
        "conv_pool_backward_input" => {
            plain(conv_pools().into_iter().map(|(s, t)| Kernel::ConvPoolBackwardInput(s, t)).collect())
        }
        "conv_pool_backward_weight" => plain(
            conv_pools()
                .into_iter()
                .flat_map(|(s, t)| {
                    let rows = s.conv.batch * s.h_out();
                    // Whole images, some rows, one row.
                    [1, s.conv.batch, rows.min(7), rows].map(|n| Kernel::ConvPoolBackwardWeight(s, n, t))
                })
                .collect(),
        ),
        "max_pool_forward" => plain(pools().map(Kernel::MaxPoolForward).to_vec()),
        "max_pool_backward" => plain(pools().map(Kernel::MaxPoolBackward).to_vec()),
        "activation_forward" => plain(activations().map(Kernel::ActivationForward).to_vec()),
        "activation_backward" => plain(activations().map(Kernel::ActivationBackward).to_vec()),
        "fc_forward" => plain(fcs().into_iter().map(|(s, t)| Kernel::FcForward(s, t)).collect()),
        "fc_backward_input" => plain(fcs().into_iter().map(|(s, t)| Kernel::FcBackwardInput(s, t)).collect()),
        "fc_backward_weight" => plain(
            fcs()
                .into_iter()
                .flat_map(|(s, t)| with_slices(s.batch).map(|n| Kernel::FcBackwardWeight(s, n, t)))
                .collect(),
        ),
        "dropout" => [(1, 0, 1), (640, 50, 3), (1757, 25, 0), (300, 99, 7)]
            .map(|(count, percent, layer)| (Kernel::Dropout(DropoutShape { count, percent, layer }), [5 + layer, 0, 9]))
            .to_vec(),
        "batch_norm_statistics" => norms(Kernel::BatchNormStatistics),
        "batch_norm_forward" => norms(Kernel::BatchNormForward),
        "batch_norm_backward_input" => norms(Kernel::BatchNormBackwardInput),
        "batch_norm_backward_weight" => norms(Kernel::BatchNormBackwardWeight),
        "cross_entropy_forward" => losses().map(|(s, cursor)| (Kernel::CrossEntropyForward(s), cursor)).to_vec(),
        "cross_entropy_backward" => losses().map(|(s, cursor)| (Kernel::CrossEntropyBackward(s), cursor)).to_vec(),
        "distillation_backward" => losses().map(|(s, cursor)| (Kernel::DistillationBackward(s), cursor)).to_vec(),
        "gradient_norm" => plain(updates().map(|(s, _)| Kernel::GradientNorm(s)).to_vec()),
        // Norms below the limit and above.
        "gradient_clip" => plain([1, 7, 64, 65, 700].map(Kernel::GradientClip).to_vec()),
        "sgd_update" => of_each(Kernel::SgdUpdate),
        "adam_update" => of_each(Kernel::AdamUpdate),
        "rmsprop_update" => updates().map(|(s, cursor)| (Kernel::RmspropUpdate(s), cursor)).to_vec(),
        "advance" => [(64, [0, 0, 100]), (7, [41, 35, 40])].map(|(n, cursor)| (Kernel::Advance(n), cursor)).to_vec(),
        _ => panic!("there is no kernel {stem}"),
    }
}

fn pools() -> [PoolShape; 5] {
    [(6, 24, 24, 2), (1, 2, 2, 2), (3, 7, 9, 2), (5, 11, 8, 3), (2, 5, 5, 1)]
        .map(|(planes, h_in, w_in, pool)| PoolShape { planes, h_in, w_in, pool })
}

fn activations() -> [ActivationShape; 4] {
    [(1, RELU), (1757, RELU), (3, SIGMOID), (1507, SIGMOID)]
        .map(|(count, activation)| ActivationShape { count, activation })
}

/// A kernel of batch normalisation in every shape, with the cursor.
fn norms(kernel: impl Fn(NormShape, Tiles) -> Kernel) -> Vec<(Kernel, [u32; 3])> {
    [
        ([5, 5, 3, 12], RELU, NONE, DeviceClass::Discrete, [0, 0, 12]),
        // Rows of padding, before the end of the set and behind it.
        ([5, 8, 4, 9], SIGMOID, RELU, DeviceClass::Software, [0, 0, 12]),
        ([5, 8, 7, 10], NONE, SIGMOID, DeviceClass::Integrated, [2, 10, 12]),
        ([1, 1, 3, 2], RELU, RELU, DeviceClass::Discrete, [0, 1, 2]),
        // As behind a fully connected layer.
        ([70, 72, 20, 1], RELU, NONE, DeviceClass::Software, [1, 70, 150]),
        ([16, 16, 5, 144], RELU, RELU, DeviceClass::Integrated, [0, 0, 16]),
        // So many values that eight lanes would loop longer than some drivers do.
        ([1024, 1024, 1, 576], NONE, NONE, DeviceClass::Software, [0, 0, 1024]),
    ]
    .map(|([batch, padded, channels, pixels], activation, activation_in, class, cursor)| {
        let shape = NormShape { batch, padded, channels, pixels, activation, activation_in };
        (kernel(shape, Tiles::of(class)), cursor)
    })
    .to_vec()
}

fn losses() -> [(LossShape, [u32; 3]); 6] {
    [
        (5, 5, 10, 12, 12, [0, 0, 12]),
        // Rows of padding, before the end of the set and behind it.
        (5, 8, 10, 12, 12, [0, 0, 12]),
        (5, 8, 10, 12, 12, [2, 10, 12]),
        (1, 1, 2, 3, 2, [0, 1, 2]),
        (70, 72, 26, 200, 150, [1, 70, 150]),
        (66, 66, 256, 60, 50, [0, 0, 50]),
    ]
    .map(|(batch, padded, classes, set, rows, cursor)| (LossShape { batch, padded, classes, set, rows }, cursor))
}

/// Shapes of an update, with the cursor of one of the epoch's steps.
fn updates() -> [(UpdateShape, [u32; 3]); 4] {
    // Start, length, start of the gradient, slices; the learning rate is halved from range to range.
    let of = |ranges: &[[u32; 4]], parameters, gradients, batch, steps| UpdateShape {
        ranges: ranges
            .iter()
            .zip([1.0, 0.5, 0.25])
            .map(|(&[start, len, grad, slices], rate)| Range { start, len, grad, slices, rate })
            .collect(),
        parameters,
        gradients,
        batch,
        steps,
    };
    [
        (of(&[[0, 250, 0, 1]], 256, 256, 64, 1), [0, 0, 64]),
        (of(&[[64, 10, 0, 16]], 192, 192, 7, 5), [13, 21, 35]),
        // Out of order, with gaps on both sides: what is frozen lies there.
        (of(&[[448, 130, 64, 3], [0, 1, 512, 2], [128, 64, 0, 1]], 640, 576, 1, 9), [8, 8, 9]),
        // More than one row of workgroups, and more steps than a uniform has room for.
        (of(&[[0, 2_100_000, 0, 1], [2_100_032, 30, 2_100_032, 1]], 2_100_096, 2_100_096, 2, 5000), [4999, 9998, 9999]),
    ]
}

/// An update's kernel of both kinds, in every shape.
fn of_each(kernel: impl Fn(UpdateShape, bool) -> Kernel) -> Vec<(Kernel, [u32; 3])> {
    let both = |(shape, cursor): (UpdateShape, _)| [false, true].map(|kind| (kernel(shape.clone(), kind), cursor));
    updates().into_iter().flat_map(both).collect()
}

impl Case {
    /// Its sizes, what its inputs look like, and their seed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is run.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Whether every result must be exact.
    pub fn exact(&self) -> bool {
        self.fill == Fill::Integers
    }

    fn stream(&self, port: u32) -> Stream {
        Stream::new(self.seed, Purpose::Verification, port)
    }

    /// Floats for a port.
    pub(super) fn floats(&self, at: u32, port: &Port) -> Vec<f64> {
        let mut stream = self.stream(at);
        if let Some((low, high)) = self.interval(port) {
            return (0..port.len).map(|_| f64::from(stream.uniform(low, high))).collect();
        }
        let mut value = |i: usize| match self.fill {
            Fill::Random => stream.uniform(-1.0, 1.0),
            Fill::Integers => stream.below(5) as f32 - 2.0,
            Fill::Large => stream.uniform(-100.0, 100.0),
            Fill::Extreme => match i / self.classes() % 3 {
                0 => stream.uniform(-300.0, -200.0),
                1 => -0.75,
                _ => stream.uniform(-10_000.0, 10_000.0),
            },
        };
        let mut values: Vec<f64> = (0..port.len).map(|i| f64::from(value(i))).collect();
        // So that a relu of a single value is not 0, which would prove nothing.
        if let (Some(first), Fill::Random | Fill::Integers) = (values.first_mut(), self.fill) {
            *first = first.abs().max(1.0);
        }
        values
    }

    /// Where a kernel's formula has sense only for values of an interval.
    fn interval(&self, port: &Port) -> Option<(f32, f32)> {
        match (port.name, &self.kernel) {
            ("s" | "hyper" | "rates" | "clip", Kernel::AdamUpdate(..) | Kernel::RmspropUpdate(_)) => Some((0.1, 1.0)),
            ("variance" | "running_var", _) => Some((0.1, 1.0)),
            ("part", Kernel::GradientClip(_)) => Some((0.0, 0.05)),
            ("smoothing", _) => Some((0.0, 0.3)),
            ("teaching", _) => Some((0.5, 0.9)),
            ("limit", _) => Some((1.0, 2.0)),
            _ => None,
        }
    }

    /// Whole numbers that make sense for a port.
    pub(super) fn integers(&self, at: u32, port: &Port) -> Vec<u32> {
        let mut stream = self.stream(at);
        let mut below = |bound: u32| (0..port.len).map(|_| stream.below(bound)).collect::<Vec<_>>();
        match (port.name, &self.kernel) {
            ("cursor", _) => self.cursor.to_vec(),
            ("winner", Kernel::MaxPoolBackward(s)) => below(s.pool * s.pool),
            ("winner", Kernel::ConvPoolBackwardInput(s, _) | Kernel::ConvPoolBackwardWeight(s, ..)) => {
                below(s.pool * s.pool)
            }
            ("order", Kernel::LoadImages(s, _)) => below(s.set),
            ("order", Kernel::AugmentImages(s, _)) => below(s.set),
            ("order", Kernel::LoadFeatures(s, _)) => below(s.set),
            ("places" | "seed", _) => below(u32::MAX),
            ("augment", _) => self.augment(),
            ("order", Kernel::CrossEntropyForward(s) | Kernel::CrossEntropyBackward(s)) => below(s.set),
            ("order", Kernel::DistillationBackward(s)) => below(s.set),
            ("labels", _) => below(self.classes() as u32),
            ("table", Kernel::SgdUpdate(s, _) | Kernel::AdamUpdate(s, _)) => s.table(),
            ("table", Kernel::RmspropUpdate(s) | Kernel::GradientNorm(s)) => s.table(),
            ("images" | "predicted", _) => below(u32::MAX),
            (name, kernel) => unreachable!("{} has no whole numbers for {name}", kernel.stem()),
        }
    }

    /// Bounds of random changes: all of them in every image, or one kind a case where bytes of 255 are frequent.
    fn augment(&self) -> Vec<u32> {
        // 2 pixels, 180 degrees, 15 percent, a slope of a quarter, 1.5 pixels, 2 pixels, half of the images, mirrored.
        let all = [512, 12_868, 614, 1024, 384, 2, 32_768, 1];
        let one = |at: usize| if self.fill == Fill::Random || self.seed as usize % 8 == at { all[at] } else { 0 };
        let bounds = (0..8).map(one);
        [77 + self.seed as u32, 2].into_iter().chain(bounds).chain([0, 0]).collect()
    }

    fn classes(&self) -> usize {
        match &self.kernel {
            Kernel::CrossEntropyForward(s) | Kernel::CrossEntropyBackward(s) => s.classes as usize,
            Kernel::DistillationBackward(s) => s.classes as usize,
            _ => 1,
        }
    }
}
