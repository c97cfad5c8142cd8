//! What changes parameters: the optimizers' updates, and the clipping of gradients before them.

use super::*;

/// One tensor that an update changes: where it starts in the arena and in the gradients, in elements. The slices of its
/// gradient lie one behind the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub start: u32,
    pub len: u32,
    pub grad: u32,
    pub slices: u32,
    /// What the step's learning rate is multiplied by.
    pub rate: f32,
}

impl Range {
    /// Where a slice of the gradient starts.
    pub fn slice(&self, slice: u32) -> u32 {
        self.grad + slice * self.len
    }
}

/// Words of a row of the update's table: a whole number of vectors.
pub const ROW: usize = 8;

/// Elements of an optimizer's constants, gaps included.
pub const HYPER: usize = 8;

/// Workgroups of an update in one row of its dispatch; a large network takes several rows.
const UPDATE_ROW: u32 = 1 << 15;

/// What an update changes, how large the arenas are, images in a batch and batches in an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateShape {
    pub ranges: Vec<Range>,
    pub parameters: u32,
    pub gradients: u32,
    pub batch: u32,
    pub steps: u32,
}

impl UpdateShape {
    /// A row for each workgroup: where its elements start in the parameters and how many they are, where they start in the
    /// gradient, how long a slice of that is, how many there are, and the bits of the factor of the learning rate.
    pub fn table(&self) -> Vec<u32> {
        let rows = self.ranges.iter().flat_map(|r| {
            (0..r.len).step_by(WORKGROUP as usize).map(|at| {
                let count = (r.len - at).min(WORKGROUP);
                [r.start + at, count, r.grad + at, r.len, r.slices, r.rate.to_bits(), 0, 0]
            })
        });
        rows.flatten().collect()
    }

    /// Workgroups: one for each row of the table.
    pub fn groups(&self) -> u32 {
        self.ranges.iter().map(|r| groups(r.len.into())).sum()
    }

    /// The same, in rows.
    fn workgroups(&self) -> [u32; 3] {
        [self.groups().min(UPDATE_ROW), self.groups().div_ceil(UPDATE_ROW), 1]
    }

    /// Slices of the gradient that has most of them.
    fn most_slices(&self) -> u64 {
        self.ranges.iter().map(|range| range.slices.into()).max().unwrap_or(0)
    }

    fn constants(&self) -> Constants {
        vec![("groups", self.groups()), ("row", UPDATE_ROW), ("batch", self.batch), ("steps", self.steps)]
    }

    fn table_port(&self) -> Port {
        uniform("table", Element::U32, ROW * self.groups() as usize).of(Values::Given)
    }

    /// What an update reads, the parameters, and what it remembers of each. `values` are those that constants and rates may
    /// have, and the means of squares.
    fn ports(&self, states: &[&'static str], values: Values) -> Vec<Port> {
        let learning = self.ranges.iter().map(|r| u64::from(r.len)).sum::<u64>();
        let changed = |name| update(name, self.parameters as usize).touching(8 * learning);
        let mut ports = vec![
            read("grad", self.gradients as usize),
            self.table_port(),
            uniform("cursor", Element::U32, CURSOR).of(Values::Cursor),
            uniform("rates", Element::F32, 4 * self.steps as usize).of(values).touching(16),
            uniform("clip", Element::F32, 1).of(values),
            uniform("hyper", Element::F32, HYPER).of(values),
            changed("w"),
        ];
        let of_state = |state: &&'static str| match *state {
            "s" => changed("s").of(values),
            state => changed(state),
        };
        ports.extend(states.iter().map(of_state));
        ports
    }

    /// Additions of all slices but the first, and so many operations for each parameter.
    fn flops(&self, operations: u32) -> [u64; 2] {
        [self.ranges.iter().map(|r| u64::from(r.len) * u64::from(r.slices - 1 + operations)).sum(); 2]
    }

    /// Shapes with the cursor of one of the epoch's steps.
    fn cases() -> [(UpdateShape, [u32; 3]); 4] {
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
            (
                of(&[[0, 2_100_000, 0, 1], [2_100_032, 30, 2_100_032, 1]], 2_100_096, 2_100_096, 2, 5000),
                [4999, 9998, 9999],
            ),
        ]
    }

    /// Every shape, with every kind of a kernel.
    fn cases_of<K, const N: usize>(fills: &'static [Fill], kinds: impl Fn(UpdateShape) -> [K; N]) -> Vec<Setting<K>> {
        let of_shape = |(shape, cursor)| kinds(shape).map(|kernel| Setting::new(kernel, fills).at(cursor));
        UpdateShape::cases().into_iter().flat_map(of_shape).collect()
    }
}

/// Where roots and quotients have sense.
const POSITIVE: Values = Values::Within(0.1, 1.0);

/// With Nesterov's momentum or without.
#[derive(Clone, Debug, PartialEq)]
pub struct SgdUpdate(pub UpdateShape, pub bool);

impl Definition for SgdUpdate {
    const WGSL: &'static str = shader!("sgd_update");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("s < group.slices;", "s < 1u;"),
        ("s * group.len", "s"),
        ("if lane.x >= group.count {", "if lane.x > group.count {"),
        ("id.y * row + id.x", "id.x"),
        ("rates[cursor[0].y / batch]", "rates[cursor[0].y / batch / steps]"),
        (" * group.rate;", ";"),
        ("clip[0].x * sum", "sum + 0.0 * clip[0].x"),
        ("momentum * v[i] + g", "v[i] + g"),
        ("+ decay * before", ""),
        ("g + momentum * velocity, nesterov == 1u", "velocity, nesterov == 1u"),
        ("nesterov == 1u", "nesterov != 1u"),
    ];

    fn constants(&self) -> Constants {
        let mut constants = self.0.constants();
        constants.push(("nesterov", self.1.into()));
        constants
    }

    fn ports(&self) -> Vec<Port> {
        self.0.ports(&["v"], Values::Any)
    }

    fn workgroups(&self) -> [u32; 3] {
        self.0.workgroups()
    }

    fn iterations(&self) -> u64 {
        self.0.most_slices()
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops(7)
    }

    fn given(&self, _table: &str) -> Vec<u32> {
        self.0.table()
    }

    fn cases() -> Vec<Setting<SgdUpdate>> {
        UpdateShape::cases_of(Fill::EXACT, |s| [SgdUpdate(s.clone(), false), SgdUpdate(s, true)])
    }
}

/// With decoupled weight decay or without.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamUpdate(pub UpdateShape, pub bool);

impl Definition for AdamUpdate {
    const WGSL: &'static str = shader!("adam_update");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("slice < group.slices;", "slice < 1u;"),
        ("slice * group.len", "slice"),
        ("if lane.x >= group.count {", "if lane.x > group.count {"),
        ("id.y * row + id.x", "id.x"),
        ("rates[cursor[0].y / batch]", "rates[cursor[0].y / batch / steps]"),
        (" * group.rate;", ";"),
        ("clip[0].x * sum", "sum + 0.0 * clip[0].x"),
        ("g += decay * weight;", ""),
        ("weight * (1.0 - rate * decay)", "weight"),
        ("hyper[0].w * g * g", "hyper[0].w * g"),
        ("hyper[0].x * m[i]", "hyper[0].y * m[i]"),
        ("sqrt(square) / of_step.z", "sqrt(square)"),
        ("rate * of_step.y * mean", "rate * mean"),
        ("of_step.z + eps", "of_step.z"),
        ("s[i] = square;", ""),
    ];

    fn constants(&self) -> Constants {
        let mut constants = self.0.constants();
        constants.push(("decoupled", self.1.into()));
        constants
    }

    fn ports(&self) -> Vec<Port> {
        self.0.ports(&["m", "s"], POSITIVE)
    }

    fn workgroups(&self) -> [u32; 3] {
        self.0.workgroups()
    }

    fn iterations(&self) -> u64 {
        self.0.most_slices()
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops(17)
    }

    fn given(&self, _table: &str) -> Vec<u32> {
        self.0.table()
    }

    fn cases() -> Vec<Setting<AdamUpdate>> {
        UpdateShape::cases_of(Fill::SMOOTH, |s| [AdamUpdate(s.clone(), false), AdamUpdate(s, true)])
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct RmspropUpdate(pub UpdateShape);

impl Definition for RmspropUpdate {
    const WGSL: &'static str = shader!("rmsprop_update");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("slice < group.slices;", "slice < 1u;"),
        ("slice * group.len", "slice"),
        ("if lane.x >= group.count {", "if lane.x > group.count {"),
        ("id.y * row + id.x", "id.x"),
        ("rates[cursor[0].y / batch]", "rates[cursor[0].y / batch / steps]"),
        (" * group.rate;", ";"),
        ("clip[0].x * sum", "sum + 0.0 * clip[0].x"),
        ("+ decay * before", ""),
        ("hyper[0].y * g * g", "hyper[0].y * g"),
        ("momentum * v[i]", "v[i]"),
        ("(sqrt(square) + eps)", "sqrt(square + eps)"),
        ("s[i] = square;", ""),
    ];

    fn constants(&self) -> Constants {
        self.0.constants()
    }

    fn ports(&self) -> Vec<Port> {
        self.0.ports(&["v", "s"], POSITIVE)
    }

    fn workgroups(&self) -> [u32; 3] {
        self.0.workgroups()
    }

    fn iterations(&self) -> u64 {
        self.0.most_slices() + HALVINGS
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops(13)
    }

    fn given(&self, _table: &str) -> Vec<u32> {
        self.0.table()
    }

    fn cases() -> Vec<Setting<RmspropUpdate>> {
        UpdateShape::cases_of(Fill::SMOOTH, |s| [RmspropUpdate(s)])
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct GradientNorm(pub UpdateShape);

impl Definition for GradientNorm {
    const WGSL: &'static str = shader!("gradient_norm");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("if lane.x < group.count {", "if lane.x <= group.count {"),
        ("s < group.slices;", "s < 1u;"),
        ("sum * sum", "sum"),
        ("var half = WG / 2u;", "var half = WG / 4u;"),
        ("id.y * row + id.x", "id.x"),
        ("        workgroupBarrier();\n", ""),
    ];

    fn constants(&self) -> Constants {
        vec![("groups", self.0.groups()), ("row", UPDATE_ROW)]
    }

    fn ports(&self) -> Vec<Port> {
        let parts = write("part", self.0.groups() as usize);
        vec![read("grad", self.0.gradients as usize), self.0.table_port(), parts]
    }

    fn workgroups(&self) -> [u32; 3] {
        self.0.workgroups()
    }

    fn iterations(&self) -> u64 {
        self.0.most_slices() + HALVINGS
    }

    fn flops(&self) -> [u64; 2] {
        self.0.flops(2)
    }

    fn given(&self, _table: &str) -> Vec<u32> {
        self.0.table()
    }

    fn cases() -> Vec<Setting<GradientNorm>> {
        UpdateShape::cases().map(|(s, _)| Setting::new(GradientNorm(s), Fill::EXACT)).to_vec()
    }
}

/// The workgroups of a [`GradientNorm`].
#[derive(Clone, Debug, PartialEq)]
pub struct GradientClip(pub u32);

impl Definition for GradientClip {
    const WGSL: &'static str = shader!("gradient_clip");
    const FAULTS: &'static [(&'static str, &'static str)] = &[
        ("at += WG", "at += 2u * WG"),
        ("var half = WG / 2u;", "var half = WG / 4u;"),
        ("min(1.0, limit[0].x / (sqrt(sums[0]) + 1e-6))", "limit[0].x / (sqrt(sums[0]) + 1e-6)"),
        ("sqrt(sums[0])", "sums[0]"),
        ("        workgroupBarrier();\n", ""),
    ];

    fn constants(&self) -> Constants {
        vec![("groups", self.0)]
    }

    fn ports(&self) -> Vec<Port> {
        vec![
            read("part", self.0 as usize).of(Values::Within(0.0, 0.05)),
            uniform("limit", Element::F32, 1).of(Values::Within(1.0, 2.0)),
            write("clip", 1),
        ]
    }

    fn workgroups(&self) -> [u32; 3] {
        [1, 1, 1]
    }

    fn iterations(&self) -> u64 {
        u64::from(self.0.div_ceil(WORKGROUP)) + HALVINGS
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<GradientClip>> {
        // Norms below the limit and above.
        [1, 7, 64, 65, 700].map(|groups| Setting::new(GradientClip(groups), Fill::SMOOTH)).to_vec()
    }
}
