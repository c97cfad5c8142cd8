//! Test cases of each kernel: its sizes, with seeded inputs.

use crate::kernels::{Activation, Fill, Kernel, Port, Values};
use crate::random::{Purpose, Stream};

/// A kernel with seeded inputs.
#[derive(Clone, Debug)]
pub struct Case {
    pub(super) name: String,
    pub(super) kernel: Kernel,
    fill: Fill,
    /// Step, first row and total rows, if the kernel reads a cursor.
    cursor: [u32; 3],
    seed: u64,
}

/// The cases of a kernel.
///
/// # Panics
/// If there is no such kernel.
pub fn cases(stem: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in Kernel::cases(stem) {
        for &fill in setting.fills {
            let spec = setting.kernel.spec();
            let mut size: Vec<String> = spec.constants.iter().map(|(name, value)| format!("{name} {value}")).collect();
            if spec.activation != Activation::Identity {
                size.push(spec.activation.to_string());
            }
            let (seed, cursor) = (cases.len() as u64, setting.cursor);
            let mut name = format!("{}, {fill:?}, seed {seed}", size.join(" ")).to_lowercase();
            if cursor != [0, 0, 0] {
                name = format!("{name}, rows {}..{}", cursor[1], cursor[2]);
            }
            cases.push(Case { name, kernel: setting.kernel.clone(), fill, cursor, seed });
        }
    }
    cases
}

impl Case {
    /// Sizes, kind of inputs, and seed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel under test.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Whether results must be exact.
    pub fn exact(&self) -> bool {
        self.fill == Fill::Integers
    }

    fn stream(&self, port: u32) -> Stream {
        Stream::new(self.seed, Purpose::Verification, port)
    }

    /// Float inputs of a port.
    pub(super) fn floats(&self, at: u32, port: &Port) -> Vec<f64> {
        let mut stream = self.stream(at);
        if let Values::Within(low, high) = port.values {
            return (0..port.len).map(|_| f64::from(stream.uniform(low, high))).collect();
        }
        let classes = self.classes();
        let mut value = |i: usize| match self.fill {
            Fill::Random => stream.uniform(-1.0, 1.0),
            Fill::Integers => stream.below(5) as f32 - 2.0,
            Fill::Large => stream.uniform(-100.0, 100.0),
            Fill::Extreme => match i / classes % 3 {
                0 => stream.uniform(-300.0, -200.0),
                1 => -0.75,
                _ => stream.uniform(-10_000.0, 10_000.0),
            },
        };
        let mut values: Vec<f64> = (0..port.len).map(|i| f64::from(value(i))).collect();
        // Keeps the relu of a single value from being 0, which would prove nothing.
        if let (Some(first), Fill::Random | Fill::Integers) = (values.first_mut(), self.fill) {
            *first = first.abs().max(1.0);
        }
        values
    }

    /// Integer inputs that are valid for a port.
    pub(super) fn integers(&self, at: u32, port: &Port) -> Vec<u32> {
        let mut stream = self.stream(at);
        let mut below = |bound: u32| (0..port.len).map(|_| stream.below(bound)).collect::<Vec<_>>();
        match port.values {
            Values::Cursor => self.cursor.to_vec(),
            Values::Given => self.kernel.given(port.name),
            Values::Augment => self.augment(),
            Values::Below(bound) => below(bound),
            Values::Any => below(u32::MAX),
            Values::Within(..) => unreachable!("{} of {} holds whole numbers", port.name, self.kernel.stem()),
        }
    }

    /// Augmentation bounds: all kinds in every image, or one kind per case where bytes of 255 are frequent.
    fn augment(&self) -> Vec<u32> {
        // Shift 2 pixels, rotation 180 degrees, scale 15 percent, shear 1/4, bend 1.5 pixels, crop 2 pixels, half of
        // the images erased in part, mirroring.
        let all = [512, 12_868, 614, 1024, 384, 2, 32_768, 1];
        let one = |at: usize| if self.fill == Fill::Random || self.seed as usize % 8 == at { all[at] } else { 0 };
        let bounds = (0..8).map(one);
        [77 + self.seed as u32, 2].into_iter().chain(bounds).chain([0, 0]).collect()
    }

    /// Number of logits per image; each image has its own kind of extreme values.
    fn classes(&self) -> usize {
        self.kernel.spec().constants.iter().find(|(name, _)| *name == "classes").map_or(1, |&(_, n)| n as usize)
    }
}
