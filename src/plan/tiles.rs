//! Tile sizes: how much work one invocation takes, by class of device.
//!
//! A GPU wants many invocations with few accumulators each; a software device has eight lanes, pays dearly for each load
//! and nothing for accumulators. The numbers below for software were measured on llvmpipe (Mesa 22.3.6, 256 bit, two
//! cores) with `cargo bench`; those for GPUs follow from occupancy: enough invocations to fill the device at a batch of
//! 64, and at most about 64 accumulators.

use super::ConvShape;

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

/// Upper bounds of the tile sizes. A kernel takes the largest divisor of its size within the bound, so no tile is ragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Invocations in a workgroup of a kernel with tiles.
    pub(super) workgroup: u32,
    conv_o: u32,
    conv_c: u32,
    conv_j: u32,
    conv_weight_o: u32,
    fc_n: u32,
    fc_o: u32,
    fc_i: u32,
    fc_weight_o: u32,
    /// Invocations that a convolution's weight gradient wants at least: its batch is cut into slices until there are so many.
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
                conv_o: 20,
                conv_c: 5,
                conv_j: 6,
                conv_weight_o: 20,
                fc_n: 8,
                fc_o: 10,
                fc_i: 8,
                fc_weight_o: 10,
                conv_lanes: 80,
                fc_slice: 1024,
            },
            DeviceClass::Integrated => Tiles {
                workgroup: 64,
                conv_o: 4,
                conv_c: 4,
                conv_j: 2,
                conv_weight_o: 2,
                fc_n: 2,
                fc_o: 1,
                fc_i: 2,
                fc_weight_o: 2,
                conv_lanes: 2048,
                fc_slice: 256,
            },
            DeviceClass::Discrete => Tiles {
                workgroup: 64,
                conv_o: 2,
                conv_c: 2,
                conv_j: 1,
                conv_weight_o: 2,
                fc_n: 1,
                fc_o: 1,
                fc_i: 1,
                fc_weight_o: 1,
                conv_lanes: 8192,
                fc_slice: 128,
            },
        }
    }

    pub(super) fn groups(&self, invocations: u64) -> u32 {
        super::kernel::groups_of(self.workgroup, invocations)
    }
    pub(super) fn conv_o(&self, channels: u32) -> u32 {
        divisor(channels, self.conv_o)
    }
    pub(super) fn conv_c(&self, channels: u32) -> u32 {
        divisor(channels, self.conv_c)
    }
    pub(super) fn conv_j(&self, cells: u32) -> u32 {
        divisor(cells, self.conv_j)
    }
    pub(super) fn conv_weight_o(&self, channels: u32) -> u32 {
        divisor(channels, self.conv_weight_o)
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
    /// Slices of a convolution's weight gradient.
    pub fn conv_slices(&self, s: &ConvShape) -> u32 {
        let lanes = s.c_in * (s.c_out / self.conv_weight_o(s.c_out));
        self.conv_lanes.div_ceil(lanes).min(s.batch)
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
