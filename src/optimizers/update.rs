//! Common parts of the optimizers' updates.

use crate::kernels::{
    Constants, Element, Fill, Port, RATE, Setting, Values, WORKGROUP, groups, read, read_u32, uniform, update,
};

/// A tensor that an update changes: its start in the arena and in the gradients, in elements. The slices of its
/// gradient are contiguous.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub start: u32,
    pub len: u32,
    pub grad: u32,
    pub slices: u32,
    /// Factor of the learning rate.
    pub rate: f32,
}

impl Range {
    /// Start of a slice of the gradient.
    pub fn slice(&self, slice: u32) -> u32 {
        self.grad + slice * self.len
    }
}

/// Words per row of the update's table: a whole number of vectors.
pub const ROW: usize = 8;

/// Number of optimizer constants, padding included.
pub const HYPER_LEN: usize = 8;

/// Workgroups of an update per row of its dispatch; a large network takes several rows.
pub(crate) const UPDATE_ROW: u32 = 1 << 15;

/// Ranges that an update changes, and sizes of the arenas.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateShape {
    pub ranges: Vec<Range>,
    pub parameters: u32,
    pub gradients: u32,
    /// Slices that an invocation reads before adding them.
    pub at_once: u32,
}

impl UpdateShape {
    /// One row per workgroup: start of its elements in the parameters, their number, their start in the gradient, the
    /// length of a gradient slice, the number of slices, and the bits of the learning-rate factor.
    pub fn table(&self) -> Vec<u32> {
        let rows = self.ranges.iter().flat_map(|r| {
            (0..r.len).step_by(WORKGROUP as usize).map(|at| {
                let count = (r.len - at).min(WORKGROUP);
                [r.start + at, count, r.grad + at, r.len, r.slices, r.rate.to_bits(), 0, 0]
            })
        });
        rows.flatten().collect()
    }

    /// Number of workgroups: one per row of the table.
    pub fn groups(&self) -> u32 {
        self.ranges.iter().map(|r| groups(r.len.into())).sum()
    }

    /// The same, as a dispatch.
    pub(crate) fn workgroups(&self) -> [u32; 3] {
        [self.groups().min(UPDATE_ROW), self.groups().div_ceil(UPDATE_ROW), 1]
    }

    /// Maximum number of slices of any gradient.
    pub(crate) fn most_slices(&self) -> u64 {
        self.ranges.iter().map(|range| range.slices.into()).max().unwrap_or(0)
    }

    /// Constants that the plan sets in the shaders of an update and of the gradient norm.
    pub(crate) fn constants(&self) -> Constants {
        vec![("groups", self.groups()), ("row", UPDATE_ROW), ("at_once", self.at_once)]
    }

    pub(crate) fn table_port(&self) -> Port {
        read_u32("table", ROW * self.groups() as usize).of(Values::Given)
    }

    /// Bindings of an update: its inputs, the parameters and their state. `values` are those allowed for constants,
    /// rates and means of squares.
    pub(crate) fn ports(&self, states: &[&'static str], values: Values) -> Vec<Port> {
        let learning = self.ranges.iter().map(|r| u64::from(r.len)).sum::<u64>();
        let changed = |name| update(name, self.parameters as usize).touching(8 * learning);
        let mut ports = vec![
            read("grad", self.gradients as usize),
            self.table_port(),
            uniform("of_step", Element::F32, RATE).of(values),
            uniform("clip", Element::F32, 1).of(values),
            uniform("hyper", Element::F32, HYPER_LEN).of(values),
            changed("w"),
        ];
        let of_state = |state: &&'static str| match *state {
            "s" => changed("s").of(values),
            state => changed(state),
        };
        ports.extend(states.iter().map(of_state));
        ports
    }

    /// FLOPs: the additions of all slices but the first, and `operations` per parameter.
    pub(crate) fn flops(&self, operations: u32) -> [u64; 2] {
        [self.ranges.iter().map(|r| u64::from(r.len) * u64::from(r.slices - 1 + operations)).sum(); 2]
    }

    /// Shapes for tests.
    pub(crate) fn cases() -> [UpdateShape; 4] {
        // Start, length, start of the gradient, slices; the learning rate halves from range to range.
        let of = |ranges: &[[u32; 4]], parameters, gradients, at_once| UpdateShape {
            ranges: ranges
                .iter()
                .zip([1.0, 0.5, 0.25])
                .map(|(&[start, len, grad, slices], rate)| Range { start, len, grad, slices, rate })
                .collect(),
            parameters,
            gradients,
            at_once,
        };
        [
            of(&[[0, 250, 0, 1]], 256, 256, 4),
            of(&[[64, 10, 0, 39]], 192, 448, 16),
            // Out of order, with gaps on both sides, as frozen tensors leave them.
            of(&[[448, 130, 64, 3], [0, 1, 512, 2], [128, 64, 0, 1]], 640, 576, 1),
            // More than one row of workgroups.
            of(&[[0, 2_100_000, 0, 1], [2_100_032, 30, 2_100_032, 1]], 2_100_096, 2_100_096, 4),
        ]
    }

    /// Every shape, with every variant of the kernel.
    pub(crate) fn cases_of<K, const N: usize>(
        fills: &'static [Fill],
        kinds: impl Fn(UpdateShape) -> [K; N],
    ) -> Vec<Setting<K>> {
        let of_shape = |shape| kinds(shape).map(|kernel| Setting::new(kernel, fills));
        UpdateShape::cases().into_iter().flat_map(of_shape).collect()
    }
}

/// Range in which roots and quotients are well defined.
pub(super) const POSITIVE: Values = Values::Within(0.1, 1.0);
