//! Tile sizes by device class: how much work an invocation does.
//!
//! A GPU needs many invocations with few accumulators each. A software device has eight lanes; each load from storage
//! is expensive, while accumulators are free. The values for software were measured on llvmpipe (Mesa 22.3.6, 256 bit,
//! two cores) with `cargo bench`, and those for discrete GPUs on an H100 with `bench --what step --sweep`, where no
//! other value of an entry is more than 1 % faster. Those for integrated GPUs are extrapolated from them.

use super::{ALIGN, UNIFORM};
use serde::{Deserialize, Serialize};

/// Batches that are cut into parts are padded to a multiple of this.
const PART: u32 = 8;

/// Class of device that a plan targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceClass {
    /// A driver that runs shaders on the CPU.
    Software,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// A GPU with dedicated memory.
    Discrete,
}

impl DeviceClass {
    /// Every class.
    pub const ALL: [DeviceClass; 3] = [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete];
}

/// Upper bounds of the tile sizes. A kernel uses the largest divisor of its size within the bound, so that only the
/// last tile of a batch can be ragged, and a smaller one if its body would otherwise exceed `unrolled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tiles {
    /// Workgroup size of kernels with tiles.
    pub(super) workgroup: u32,
    /// Whether values that differ between lanes are also read through uniforms, in parts of the batch that fit in one.
    /// llvmpipe gathers eight lanes from a uniform in 3.4 ns and from storage in 55 ns, because it loops over the lanes
    /// there.
    pub(super) gathers: bool,
    /// Maximum number of pixels per invocation in `load_images` and batch normalisation.
    pub(super) load_p: u32,
    /// Features per invocation in `load_features`.
    pub(super) load_i: u32,
    /// Maximum number of multiply-adds in the unrolled body of a convolution. Drivers take minutes to compile longer
    /// bodies, or never finish.
    pub(super) unrolled: u32,
    /// Maximum number of sums that an invocation of a convolution holds; each is compared or stored separately.
    pub(super) conv_sums: u32,
    pub(super) conv_o: u32,
    pub(super) conv_i: u32,
    pub(super) conv_j: u32,
    pub(super) conv_c: u32,
    /// Rows and columns of blocks in a convolution's input gradient.
    pub(super) conv_block: u32,
    /// Maximum number of sums that an invocation of a convolution's weight gradient holds, but at least those of one
    /// output channel.
    pub(super) conv_weight_sums: u32,
    /// Number of terms that a fully connected layer sums in registers.
    pub(super) fc_terms: u32,
    pub(super) fc_n: u32,
    pub(super) fc_o: u32,
    pub(super) fc_i: u32,
    pub(super) fc_weight_o: u32,
    /// Minimum number of invocations of a convolution's weight gradient: the batch is cut into slices to reach it. More
    /// slices are more work for the update, which folds them sequentially.
    pub(super) conv_lanes: u32,
    /// Minimum number of workgroups of a fused convolution's weight gradient, in the GPU shader.
    pub(super) conv_groups: u32,
    /// Minimum number of invocations on a GPU for a typical batch; long sums are split within a workgroup to reach it.
    pub(super) split_lanes: u32,
    /// Maximum number of steps in a dispatch. With 1, no kernels are merged merely to save dispatches.
    pub(crate) per_dispatch: u32,
    /// Maximum number of images in a slice of a fully connected layer's weight gradient.
    pub(super) fc_slice: u32,
    /// Number of values that an invocation reads before it adds the first, in long sums: a GPU then waits for memory
    /// once for all of them. On software devices, the array costs more than it gains.
    pub(crate) at_once: u32,
}

/// Elements of workgroup memory that WebGPU guarantees: 16 KiB.
pub(crate) const WORKGROUP_MEMORY: u32 = 1 << 12;

/// Images in a typical batch.
const USUAL_BATCH: u64 = 64;

/// Tiles in a workgroup that splits sums, and the maximum workgroup size that WebGPU guarantees.
const SPLIT: u32 = 32;
const MOST_INVOCATIONS: u32 = 256;

impl Tiles {
    /// The tables of all classes, in the order of [`DeviceClass::ALL`].
    pub const ALL: [Tiles; 3] =
        [Tiles::of(DeviceClass::Software), Tiles::of(DeviceClass::Integrated), Tiles::of(DeviceClass::Discrete)];

    /// The table of a device class.
    pub const fn of(class: DeviceClass) -> Tiles {
        match class {
            DeviceClass::Software => Tiles {
                workgroup: 8,
                gathers: true,
                load_p: 28,
                load_i: 16,
                unrolled: 6000,
                conv_sums: 256,
                conv_o: 5,
                conv_i: 2,
                conv_j: 12,
                conv_c: 1,
                conv_block: 12,
                conv_weight_sums: 125,
                fc_terms: 8,
                fc_n: 8,
                fc_o: 10,
                fc_i: 8,
                fc_weight_o: 10,
                conv_lanes: 16,
                conv_groups: 4,
                split_lanes: 1,
                per_dispatch: 1,
                fc_slice: 1024,
                at_once: 1,
            },
            DeviceClass::Integrated => Tiles {
                workgroup: 64,
                gathers: false,
                load_p: 4,
                load_i: 1,
                unrolled: 1000,
                conv_sums: 256,
                conv_o: 4,
                conv_i: 1,
                conv_j: 2,
                conv_c: 4,
                conv_block: 1,
                conv_weight_sums: 25,
                fc_terms: 16,
                fc_n: 2,
                fc_o: 1,
                fc_i: 2,
                fc_weight_o: 2,
                conv_lanes: 2048,
                conv_groups: 64,
                split_lanes: 1 << 14,
                per_dispatch: 4,
                fc_slice: 256,
                at_once: 16,
            },
            DeviceClass::Discrete => Tiles {
                workgroup: 64,
                gathers: false,
                load_p: 4,
                load_i: 1,
                unrolled: 1000,
                conv_sums: 256,
                conv_o: 2,
                conv_i: 1,
                conv_j: 1,
                conv_c: 2,
                conv_block: 1,
                conv_weight_sums: 25,
                fc_terms: 16,
                fc_n: 1,
                fc_o: 1,
                fc_i: 1,
                fc_weight_o: 1,
                conv_lanes: 2560,
                conv_groups: 224,
                split_lanes: 1 << 15,
                per_dispatch: 4,
                fc_slice: 128,
                at_once: 16,
            },
        }
    }

    /// Returns true for tables of software devices.
    pub(crate) fn gathers(&self) -> bool {
        self.gathers
    }

    /// The table for a device whose uniform buffers are smaller than WebGPU guarantees.
    pub const fn without_uniforms(self) -> Tiles {
        Tiles { gathers: false, ..self }
    }

    /// Entries of the table by name, with candidate values. A value that does not divide a network's size is lowered to
    /// the next one that does. `load_p` must be a multiple of four. Those that matter most come first, and `workgroup`, with
    /// which everything is compiled again, comes last.
    pub const CANDIDATES: [(&'static str, &'static [u32]); 18] = [
        ("conv_o", &[1, 2, 5, 10, 20]),
        ("conv_i", &[1, 2, 4]),
        ("conv_j", &[1, 2, 4, 12]),
        ("conv_c", &[1, 2, 5]),
        ("conv_block", &[1, 2, 3, 6]),
        ("conv_weight_sums", &[25, 50, 125, 250]),
        ("conv_lanes", &[16, 64, 2048, 8192]),
        ("conv_groups", &[1, 16, 64, 224, 448]),
        ("split_lanes", &[1, 1 << 13, 1 << 15, 1 << 16, 1 << 17]),
        ("fc_terms", &[4, 8, 16]),
        ("fc_n", &[1, 2, 4, 8]),
        ("fc_o", &[1, 2, 5, 10]),
        ("fc_i", &[1, 2, 4, 8]),
        ("fc_weight_o", &[1, 2, 5, 10]),
        ("per_dispatch", &[1, 2, 4]),
        ("load_p", &[4, 8, 28]),
        ("load_i", &[1, 4, 16]),
        ("workgroup", &[8, 16, 32, 64, 128, 256]),
    ];

    /// Value of an entry of [`Tiles::CANDIDATES`].
    ///
    /// # Panics
    /// If no entry has this name.
    pub fn get(mut self, entry: &str) -> u32 {
        *self.entry(entry)
    }

    /// The table with one entry replaced.
    ///
    /// # Panics
    /// If no entry has this name, or the value is invalid for it.
    pub fn with(mut self, entry: &str, value: u32) -> Tiles {
        assert!(Tiles::accepts(entry, value), "{entry} of {value}");
        *self.entry(entry) = value;
        self
    }

    /// Whether a value is valid for an entry.
    pub(super) fn accepts(entry: &str, value: u32) -> bool {
        // Drivers take minutes to compile much larger bodies.
        let candidates = Tiles::CANDIDATES.iter().filter(|(of, _)| *of == entry).flat_map(|(_, values)| *values);
        let largest = candidates.copied().chain(Tiles::ALL.map(|tiles| tiles.get(entry))).max();
        let fits = value > 0 && largest.is_some_and(|largest| value <= largest);
        fits && (entry != "load_p" || value.is_multiple_of(4))
    }

    fn entry(&mut self, name: &str) -> &mut u32 {
        match name {
            "workgroup" => &mut self.workgroup,
            "per_dispatch" => &mut self.per_dispatch,
            "load_p" => &mut self.load_p,
            "load_i" => &mut self.load_i,
            "conv_o" => &mut self.conv_o,
            "conv_i" => &mut self.conv_i,
            "conv_j" => &mut self.conv_j,
            "conv_c" => &mut self.conv_c,
            "conv_block" => &mut self.conv_block,
            "conv_weight_sums" => &mut self.conv_weight_sums,
            "conv_lanes" => &mut self.conv_lanes,
            "conv_groups" => &mut self.conv_groups,
            "split_lanes" => &mut self.split_lanes,
            "fc_terms" => &mut self.fc_terms,
            "fc_n" => &mut self.fc_n,
            "fc_o" => &mut self.fc_o,
            "fc_i" => &mut self.fc_i,
            "fc_weight_o" => &mut self.fc_weight_o,
            _ => panic!("there is no tile size {name}"),
        }
    }

    /// Number of tiles in a workgroup, and number of invocations among which the sums of each tile are split. Without
    /// splitting, an image would have `invocations` invocations, each with `sums` sums of `terms` terms. The batch size
    /// is ignored, because the rounding of an image's result must not depend on it.
    pub(super) fn split(&self, invocations: u64, terms: u32, sums: u64) -> [u32; 2] {
        let room = 1 + WORKGROUP_MEMORY / (sums as u32 * SPLIT);
        let wanted = u64::from(self.split_lanes).div_ceil(USUAL_BATCH * invocations).min(terms.into()) as u32;
        match wanted.min(room).min(MOST_INVOCATIONS / SPLIT) {
            0 | 1 => [self.workgroup, 1],
            // Twice as many where they fit, for fewer workgroups.
            split if 2 * SPLIT * split <= MOST_INVOCATIONS && 2 * split <= room + 1 => [2 * SPLIT, split],
            split => [SPLIT, split],
        }
    }

    /// Bound of the channels in a convolution's tile, which is `channels` for a batch of few invocations. In a large
    /// batch fewer invocations suffice, and each uses what it loads for more channels, `most` at most.
    pub(super) fn grown(&self, channels: u32, invocations: u64, most: u32) -> u32 {
        let factor = (invocations / u64::from(self.split_lanes)).clamp(1, most.max(1).into()) as u32;
        (channels * factor).min(most)
    }

    /// Elements of workgroup memory for a convolution's weight gradient, and for its input gradient in the same dispatch.
    pub(super) fn memory_beside(&self) -> [u32; 2] {
        let beside = if self.per_dispatch > 1 { WORKGROUP_MEMORY / 2 } else { 0 };
        [WORKGROUP_MEMORY - beside, beside]
    }

    /// The same table, for a kernel that is always dispatched alone.
    pub(crate) const fn alone(self) -> Tiles {
        Tiles { per_dispatch: 1, ..self }
    }

    /// A [`Tiles::split`] with the workgroup size of the kernel with which it shares a dispatch, and at most its share of
    /// workgroup memory.
    pub(super) fn beside(&self, workgroup: u32, [lanes, split]: [u32; 2], sums: u64) -> [u32; 2] {
        let fits = |split: u32| {
            let memory = u64::from((split - 1) * (workgroup / split)) * sums;
            workgroup.is_multiple_of(split) && memory <= self.memory_beside()[1].into()
        };
        match self.per_dispatch {
            1 => [lanes, split],
            _ => (1..=split.next_power_of_two())
                .rev()
                .find(|&split| fits(split))
                .map_or([lanes, split], |split| [workgroup / split, split]),
        }
    }

    pub(super) fn groups(&self, invocations: u64) -> u32 {
        super::groups_of(self.workgroup, invocations)
    }

    /// Number of images in a part: as many of the batch as fit in a uniform, or the whole batch if splitting gains
    /// nothing. `gathered` lists the elements per image of the tensors that a kernel gathers from, `written` of those
    /// that it writes.
    pub(crate) fn part(&self, batch: u32, gathered: &[u32], written: &[u32]) -> u32 {
        let elements = |part: u32, len: &u32| u64::from(part) * u64::from(*len);
        let fits = |part: u32| gathered.iter().all(|len| elements(part, len) <= UNIFORM as u64);
        let aligned = |part| gathered.iter().chain(written).all(|len| elements(part, len).is_multiple_of(ALIGN as u64));
        let mut parts = (1..batch).rev().filter(|part| batch.is_multiple_of(*part));
        match self.gathers && !fits(batch) {
            true => parts.find(|&part| fits(part) && aligned(part)).unwrap_or(batch),
            false => batch,
        }
    }
    /// Batch size, padded to divide into parts if parts are needed. `largest` is the maximum number of elements that an
    /// image has in any tensor.
    pub(crate) fn padded(&self, batch: u32, largest: u32) -> u32 {
        let cut = self.gathers && batch > PART && u64::from(batch) * u64::from(largest) > UNIFORM as u64;
        if cut { batch.next_multiple_of(PART) } else { batch }
    }

    /// Number of slices of a convolution's weight gradient, which uses `lanes` invocations per slice. It is at most
    /// `units`, each of which takes `iterations` iterations.
    pub(super) fn slices(&self, lanes: u32, units: u32, iterations: u32) -> u32 {
        let least = units.div_ceil((super::MOST_ITERATIONS / iterations).max(1));
        self.conv_lanes.div_ceil(lanes).max(least).min(units)
    }
}
