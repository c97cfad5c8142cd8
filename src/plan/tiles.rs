//! Tile sizes: how much work one invocation takes, by class of device.
//!
//! A GPU wants many invocations with few accumulators each; a software device has eight lanes, pays dearly for each load
//! from storage and nothing for many accumulators. The numbers below for software were measured on llvmpipe (Mesa 22.3.6,
//! 256 bit, two cores) with `cargo bench`; those for GPUs are reasoned, not measured: many invocations at a batch of 64, and
//! at most about 64 accumulators.

use super::{ConvPoolShape, ConvShape, UNIFORM};
use crate::model::ALIGN;

/// Batches are padded to a multiple of this, where they are cut into parts.
const PART: u32 = 8;

/// Multiply-adds of a single pooled value in a fused kernel, at most. Its weight gradient chooses among as many inputs for each
/// of the sums of a channel, and drivers take minutes for more.
const FUSED: usize = 1000;

/// What kind of device a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceClass {
    /// A driver that runs shaders on the CPU.
    Software,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// A GPU with memory of its own.
    Discrete,
}

impl DeviceClass {
    /// Every class.
    pub const ALL: [DeviceClass; 3] = [DeviceClass::Software, DeviceClass::Integrated, DeviceClass::Discrete];
}

/// Upper bounds of the tile sizes. A kernel takes the largest divisor of its size within the bound, so that no tile but the
/// last of a batch is ragged, and less where its body would be longer than `unrolled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Invocations in a workgroup of a kernel with tiles.
    pub(super) workgroup: u32,
    /// Whether what differs from lane to lane is read through uniforms too, in parts of the batch that fit one. llvmpipe
    /// gathers eight lanes from a uniform in 3.4 ns and from storage in 55, where it loops over the lanes.
    pub(super) gathers: bool,
    /// Pixels of `load_images`, and of batch normalisation, at most.
    pub(super) load_p: u32,
    /// Features of `load_features`.
    load_i: u32,
    /// Multiply-adds in the unrolled body of a convolution, at most: what is longer, drivers compile for minutes or never.
    unrolled: u32,
    /// Sums that an invocation of a convolution holds, at most: each is compared or stored by itself.
    conv_sums: u32,
    conv_o: u32,
    conv_i: u32,
    conv_j: u32,
    conv_c: u32,
    /// Rows and columns of blocks of a convolution's input gradient.
    conv_block: u32,
    /// Sums that an invocation of a convolution's weight gradient holds, those of one output channel at least.
    conv_weight_sums: u32,
    /// Terms that a fully connected layer sums in registers.
    fc_terms: u32,
    fc_n: u32,
    fc_o: u32,
    fc_i: u32,
    fc_weight_o: u32,
    /// Invocations that a convolution's weight gradient wants at least: its batch is cut into slices until there are so many.
    /// More slices are more to fold for the update, which does so one after the other.
    conv_lanes: u32,
    /// Images in a slice of a fully connected layer's weight gradient, at least.
    fc_slice: u32,
}

impl Tiles {
    /// The table.
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
                fc_slice: 1024,
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
                conv_block: 2,
                conv_weight_sums: 25,
                fc_terms: 16,
                fc_n: 2,
                fc_o: 1,
                fc_i: 2,
                fc_weight_o: 2,
                conv_lanes: 2048,
                fc_slice: 256,
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
                fc_slice: 128,
            },
        }
    }

    /// Entries of the table by name, with values worth trying. A value that divides no size of a network comes to the next
    /// smaller one that does. `load_p` must be a multiple of four.
    pub const CANDIDATES: [(&'static str, &'static [u32]); 15] = [
        ("workgroup", &[8, 32, 64, 128, 256]),
        ("load_p", &[4, 8, 28]),
        ("load_i", &[1, 4, 16]),
        ("conv_o", &[1, 2, 5, 10, 20]),
        ("conv_i", &[1, 2, 4]),
        ("conv_j", &[1, 2, 4, 12]),
        ("conv_c", &[1, 2, 5]),
        ("conv_block", &[1, 2, 3, 6]),
        ("conv_weight_sums", &[25, 50, 125, 250]),
        ("conv_lanes", &[16, 64, 2048, 8192]),
        ("fc_terms", &[4, 8, 16]),
        ("fc_n", &[1, 2, 4, 8]),
        ("fc_o", &[1, 2, 5, 10]),
        ("fc_i", &[1, 2, 4, 8]),
        ("fc_weight_o", &[1, 2, 5, 10]),
    ];

    /// An entry of [`Tiles::CANDIDATES`].
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn get(mut self, entry: &str) -> u32 {
        *self.entry(entry)
    }

    /// The table with another value of an entry.
    ///
    /// # Panics
    /// If there is none of this name, or it cannot have this value.
    pub fn with(mut self, entry: &str, value: u32) -> Tiles {
        let fits = (1..=256).contains(&value) || entry == "conv_lanes";
        assert!(value > 0 && fits && (entry != "load_p" || value.is_multiple_of(4)), "{entry} of {value}");
        *self.entry(entry) = value;
        self
    }

    fn entry(&mut self, name: &str) -> &mut u32 {
        match name {
            "workgroup" => &mut self.workgroup,
            "load_p" => &mut self.load_p,
            "load_i" => &mut self.load_i,
            "conv_o" => &mut self.conv_o,
            "conv_i" => &mut self.conv_i,
            "conv_j" => &mut self.conv_j,
            "conv_c" => &mut self.conv_c,
            "conv_block" => &mut self.conv_block,
            "conv_weight_sums" => &mut self.conv_weight_sums,
            "conv_lanes" => &mut self.conv_lanes,
            "fc_terms" => &mut self.fc_terms,
            "fc_n" => &mut self.fc_n,
            "fc_o" => &mut self.fc_o,
            "fc_i" => &mut self.fc_i,
            "fc_weight_o" => &mut self.fc_weight_o,
            _ => panic!("there is no tile size {name}"),
        }
    }

    pub(super) fn groups(&self, invocations: u64) -> u32 {
        super::kernel::groups_of(self.workgroup, invocations)
    }
    pub(super) fn load_i(&self, features: u32) -> u32 {
        divisor(features, self.load_i)
    }
    /// Invocations that sum a channel of so many values: more of them for more, so that none loops for too long.
    pub(super) fn norm_lanes(&self, values: u64) -> u32 {
        let most = (super::MOST_ITERATIONS / 4) as u64;
        values.div_ceil(most).next_power_of_two().clamp(self.workgroup.into(), 256) as u32
    }
    /// Values of a channel of batch normalisation.
    pub(super) fn norm_p(&self, pixels: u32) -> u32 {
        divisor(pixels, self.load_p)
    }
    /// Output channels of `conv_forward`.
    pub(super) fn conv_o(&self, channels: u32) -> u32 {
        divisor(channels, self.conv_o)
    }
    /// Input channels of `conv_backward_input`.
    pub(super) fn conv_c(&self, channels: u32) -> u32 {
        divisor(channels, self.conv_c)
    }
    /// Output channels, rows and columns of cells of `conv_pool_forward`.
    pub(super) fn conv_pool_forward(&self, s: &ConvPoolShape) -> (u32, u32, u32) {
        // Cells that the body has room for, of which others take so many already.
        let room = |taken: u32| self.cells(s) / taken;
        let tile_j = divisor(s.w_out(), self.conv_j.min(room(1)));
        let tile_o = divisor(s.conv.c_out, self.conv_o.min(room(tile_j)));
        (tile_o, divisor(s.h_out(), self.conv_i.min(room(tile_j * tile_o))), tile_j)
    }
    /// Cells, or blocks of inputs, that the body of a convolution may compute. Choosing a winner and unpooling are compiled the
    /// slower, the larger the cells are.
    fn cells(&self, s: &ConvPoolShape) -> u32 {
        let (cell, k) = (s.pool * s.pool, s.conv.k);
        (self.unrolled / (cell * k * k)).min(self.conv_sums / cell) * 2 / s.pool.max(2)
    }
    /// Whether a convolution with this kernel is computed in one body with pooling of these cells; 1 is none. Beyond that the
    /// two are kernels of their own, whose bodies stay short whatever their sizes.
    pub(super) fn fuses(&self, k: usize, pool: usize) -> bool {
        let (cell, weights) = (pool.saturating_mul(pool), k.saturating_mul(k));
        cell.max(weights) <= self.conv_sums as usize && cell.saturating_mul(weights) <= FUSED
    }
    /// Input channels, rows and columns of blocks of `conv_pool_backward_input`.
    pub(super) fn conv_pool_backward_input(&self, s: &ConvPoolShape) -> (u32, u32, u32) {
        let (rows, columns) = s.blocks();
        let room = |taken: u32| self.cells(s) / taken;
        let tile_j = divisor(columns, self.conv_block.min(room(1)));
        let mut tile_i = divisor(rows, self.conv_block.min(room(tile_j)));
        // Smaller tiles rather than idle lanes.
        while tile_i.is_multiple_of(2) && s.conv.batch * (columns / tile_j) * (rows / tile_i) < self.workgroup {
            tile_i /= 2;
        }
        (divisor(s.conv.c_in, self.conv_c.min(room(tile_j * tile_i))), tile_i, tile_j)
    }
    /// Whether `conv_pool_backward_input` leaves lanes of its only workgroup idle.
    pub(super) fn is_idle(&self, s: &ConvPoolShape) -> bool {
        let ((rows, columns), (_, tile_i, tile_j)) = (s.blocks(), self.conv_pool_backward_input(s));
        s.conv.batch * (rows / tile_i) * (columns / tile_j) < self.workgroup
    }
    /// Images of a part: as many of the batch as fit a uniform, where `gathered` are the elements of an image in the tensors
    /// that a kernel gathers from, and `written` in those that it writes. The whole batch where nothing is gained.
    pub(super) fn part(&self, batch: u32, gathered: &[u32], written: &[u32]) -> u32 {
        let elements = |part: u32, len: &u32| u64::from(part) * u64::from(*len);
        let fits = |part: u32| gathered.iter().all(|len| elements(part, len) <= UNIFORM as u64);
        let aligned = |part| gathered.iter().chain(written).all(|len| elements(part, len).is_multiple_of(ALIGN as u64));
        let mut parts = (1..batch).rev().filter(|part| batch.is_multiple_of(*part));
        match self.gathers && !fits(batch) {
            true => parts.find(|&part| fits(part) && aligned(part)).unwrap_or(batch),
            false => batch,
        }
    }
    /// Images of a batch with padding, so that it divides into parts, where `largest` is the most elements that an image has
    /// anywhere and parts are needed for it.
    pub(super) fn padded(&self, batch: u32, largest: u32) -> u32 {
        let cut = self.gathers && batch > PART && u64::from(batch) * u64::from(largest) > UNIFORM as u64;
        if cut { batch.next_multiple_of(PART) } else { batch }
    }
    /// Output channels of `conv_pool_backward_weight`.
    pub(super) fn conv_pool_backward_weight(&self, s: &ConvPoolShape) -> u32 {
        let sums = s.conv.k * s.conv.k;
        divisor(s.conv.c_out, (self.conv_weight_sums / sums).min(self.unrolled / (sums * s.pool * s.pool)))
    }
    /// Terms of a sum of `n` that are summed at a time.
    pub(super) fn fc_terms(&self, n: u32) -> u32 {
        divisor(n, self.fc_terms)
    }
    pub(super) fn fc_n(&self, batch: u32) -> u32 {
        batch.min(self.fc_n)
    }
    pub(super) fn fc_o(&self, units: u32) -> u32 {
        divisor(units, self.fc_o)
    }
    pub(super) fn fc_i(&self, inputs: u32) -> u32 {
        divisor(inputs, self.fc_i)
    }
    pub(super) fn fc_weight_o(&self, units: u32) -> u32 {
        divisor(units, self.fc_weight_o)
    }
    /// Slices of the weight gradient of a convolution that takes `lanes` invocations for each, of so many units at most, each of
    /// which takes so many iterations.
    fn slices(&self, lanes: u32, units: u32, iterations: u32) -> u32 {
        let least = units.div_ceil((super::MOST_ITERATIONS / iterations).max(1));
        self.conv_lanes.div_ceil(lanes).max(least).min(units)
    }
    /// Slices of `conv_backward_weight`.
    pub fn conv_slices(&self, s: &ConvShape) -> u32 {
        self.slices(s.c_out * s.c_in * s.k, s.batch, s.h_out() * (s.w_out() + 2))
    }
    /// Slices of `conv_pool_backward_weight`, whose unit is a row of cells.
    pub fn conv_pool_slices(&self, s: &ConvPoolShape) -> u32 {
        let lanes = s.conv.c_in * (s.conv.c_out / self.conv_pool_backward_weight(s));
        self.slices(lanes, s.conv.batch * s.h_out(), s.w_out() + 1)
    }
    /// Slices of a fully connected layer's weight gradient.
    pub fn fc_slices(&self, batch: u32) -> u32 {
        batch.div_ceil(self.fc_slice)
    }
}

/// The largest divisor of `n` that is at most `bound`.
fn divisor(n: u32, bound: u32) -> u32 {
    (1..=bound.min(n)).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1)
}
