//! What a kernel must do at least: arithmetic and traffic, counted from its sizes.

use super::{Access, ConvShape, Kernel, UpdateShape};

/// The least that a kernel's formula asks for.
///
/// Counted as floating-point operations are the multiplications and additions of sums of products, and those of an update.
/// Biases, activations, comparisons, exponentials and index arithmetic are not: they are few, or no arithmetic of the layer.
/// Counted as bytes are each input read once and each output written once, as if a cache held all of it; of a data set, only
/// the images of the batch. A batch that is cut into parts reads parameters, and reads and writes gradients, once for each
/// part: that traffic is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Every product of a convolution's gradients, also those with the zeros that max-pooling leaves.
    pub flops: u64,
    /// Without those: a pooled cell has one winner.
    pub sparse_flops: u64,
    pub bytes: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.flops += other.flops;
        self.sparse_flops += other.sparse_flops;
        self.bytes += other.bytes;
    }
}

/// Multiplications and additions of a convolution of which so many positions are computed.
fn conv(s: &ConvShape, positions: u32) -> u64 {
    2 * [s.batch, s.c_out, positions, s.c_in, s.k, s.k].map(u64::from).iter().product::<u64>()
}

/// Parameters that an update changes.
fn learning(s: &UpdateShape) -> u64 {
    s.ranges.iter().map(|r| u64::from(r.len)).sum()
}

/// Additions of all slices but the first, and so many operations for each parameter.
fn of_each(s: &UpdateShape, operations: u32) -> (u64, u64) {
    let all = s.ranges.iter().map(|r| u64::from(r.len) * u64::from(r.slices - 1 + operations)).sum();
    (all, all)
}

impl Kernel {
    /// The kernel's cost.
    pub fn cost(&self) -> Cost {
        let (flops, sparse_flops) = match self {
            Kernel::ConvForward(s, _) | Kernel::ConvBackwardInput(s, _) | Kernel::ConvBackwardWeight(s, _) => {
                let all = conv(s, s.h_out() * s.w_out());
                (all, all)
            }
            Kernel::ConvPoolForward(s, _) => {
                let all = conv(&s.conv, s.h_out() * s.w_out() * s.pool * s.pool);
                (all, all)
            }
            Kernel::ConvPoolBackwardInput(s, _) | Kernel::ConvPoolBackwardWeight(s, ..) => {
                let winners = conv(&s.conv, s.h_out() * s.w_out());
                (winners * u64::from(s.pool * s.pool), winners)
            }
            Kernel::FcForward(s, _) | Kernel::FcBackwardInput(s, _) | Kernel::FcBackwardWeight(s, ..) => {
                let all = 2 * [s.batch, s.c_in, s.c_out].map(u64::from).iter().product::<u64>();
                (all, all)
            }
            // The slices are added up; then come the operations of the formula at the top of each shader.
            Kernel::SgdUpdate(s, _) => of_each(s, 7),
            Kernel::AdamUpdate(s, _) => of_each(s, 17),
            Kernel::RmspropUpdate(s) => of_each(s, 13),
            Kernel::GradientNorm(s) => of_each(s, 2),
            _ => (0, 0),
        };
        Cost { flops, sparse_flops, bytes: self.bytes() }
    }

    fn bytes(&self) -> u64 {
        let batch = match self {
            Kernel::LoadImages(s, _) => s.batch,
            Kernel::AugmentImages(s, _) => s.batch,
            Kernel::LoadFeatures(s, _) => s.batch,
            Kernel::CrossEntropyForward(s) | Kernel::CrossEntropyBackward(s) => s.batch,
            Kernel::DistillationBackward(s) => s.batch,
            _ => 0,
        };
        let port_bytes = |port: &super::Port| match (port.name, self) {
            ("images", Kernel::LoadImages(s, _)) => u64::from(batch) * u64::from(s.pixels),
            ("images", Kernel::AugmentImages(s, _)) => u64::from(batch) * u64::from(s.height * s.width),
            ("features", Kernel::LoadFeatures(s, _)) => 4 * u64::from(batch) * u64::from(s.len),
            ("order" | "places" | "labels" | "loss" | "predicted" | "probability", _) => 4 * u64::from(batch),
            ("w" | "v" | "m" | "s", Kernel::SgdUpdate(s, _) | Kernel::AdamUpdate(s, _) | Kernel::RmspropUpdate(s)) => {
                8 * learning(s)
            }
            ("rates", _) => 16,
            _ => 4 * port.len as u64 * if port.access == Access::Update { 2 } else { 1 },
        };
        self.spec().ports.iter().map(port_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Network;
    use crate::plan::{DeviceClass, Options, Tiles, record};

    /// 0.96 million operations an image forward; backward 0.288 for conv1's weights and 0.64 for each gradient of conv2.
    #[test]
    fn the_tutorials_network_costs_what_is_worked_out_by_hand() {
        let net = Network::tutorial([1, 28, 28], 10).unwrap();
        for class in [DeviceClass::Software, DeviceClass::Discrete] {
            let plan = record(&net, &Options::new(64, 1000, 1000, Tiles::of(class))).unwrap();
            let of = |label: &str| {
                let mut sum = super::Cost::default();
                plan.steps.iter().filter(|s| s.label == label).for_each(|s| sum += s.kernel.cost());
                (sum.flops / 64, sum.sparse_flops / 64)
            };
            assert_eq!(of("conv1 forward"), (288_000, 288_000));
            assert_eq!(of("conv2 forward"), (640_000, 640_000));
            assert_eq!(of("conv1 backward weight"), (288_000, 72_000));
            assert_eq!(of("conv2 backward weight"), (640_000, 160_000));
            assert_eq!(of("conv2 backward input"), (640_000, 160_000));
            assert_eq!(of("fc1 forward"), (32_000, 32_000));
            assert_eq!(of("fc2 backward input"), (1000, 1000));
            assert_eq!(of("loss forward"), (0, 0));
            let load = plan.steps[0].kernel.cost();
            // Bytes in, floats out, an entry of the order each, cursor and table.
            assert_eq!(load.bytes, 64 * (784 + 784 * 4 + 4) + 4 * (3 + 256));
        }
    }
}
