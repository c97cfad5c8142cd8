//! Softmax cross-entropy, and its combination with distillation from a teacher.

use super::*;

/// Sizes of softmax cross-entropy. `padded` is the number of rows of the logits, of which the first `batch` are images;
/// `set` is the number of images in the data set, and `rows` the number in an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossShape {
    pub batch: u32,
    pub padded: u32,
    pub classes: u32,
    pub set: u32,
    pub rows: u32,
    /// Whether classes have different weights.
    pub weighted: bool,
}

impl LossShape {
    /// Elements of the logits, including padding.
    pub fn logits(&self) -> usize {
        size([self.padded, self.classes])
    }

    /// Labels, order, cursor, smoothing and weights of classes.
    pub(super) fn known(&self) -> [Port; 5] {
        let labels = read_u32("labels", self.set as usize).of(Values::Below(self.classes));
        [
            labels.touching(self.row()),
            order(self.rows, self.set, self.batch),
            cursor(),
            uniform("smoothing", Element::F32, 1).of(Values::Within(0.0, 0.3)),
            uniform("weights", Element::F32, self.classes as usize).of(Values::Within(0.25, 4.0)),
        ]
    }

    /// Bytes of one value per image of a batch.
    pub(super) fn row(&self) -> u64 {
        4 * u64::from(self.batch)
    }

    /// Loop iterations of an invocation for the weights.
    pub(super) fn weighing(&self) -> u64 {
        if self.weighted { u64::from(self.batch.div_ceil(WORKGROUP) + WORKGROUP + self.classes) } else { 0 }
    }

    fn cases<K>(kernel: impl Fn(LossShape) -> K) -> Vec<Setting<K>> {
        let cases = [
            (5, 5, 10, 12, 12, [0, 0, 12]),
            // Padding rows, before and past the end of the set.
            (5, 8, 10, 12, 12, [0, 0, 12]),
            (5, 8, 10, 12, 12, [2, 10, 12]),
            (1, 1, 2, 3, 2, [0, 1, 2]),
            (70, 72, 26, 200, 150, [1, 70, 150]),
            (66, 66, 256, 60, 50, [0, 0, 50]),
        ];
        let cases = cases.into_iter().flat_map(|(batch, padded, classes, set, rows, at)| {
            [false, true].map(|weighted| {
                let kernel = kernel(LossShape { batch, padded, classes, set, rows, weighted });
                Setting::new(kernel, &[Fill::Random, Fill::Extreme, Fill::Large]).at(at)
            })
        });
        cases.collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropyForward(pub LossShape);

impl Definition for CrossEntropyForward {
    const WGSL: &'static str = shader!("cross_entropy_forward");
    const FAULTS: Faults = &[
        ("smoothing[0].x * (own - all / f32(classes))", "0.0 * smoothing[0].x"),
        ("all / f32(classes)", "all"),
        ("if x[n * classes + j] > best {", "if x[n * classes + j] >= best {"),
        ("exp(x[n * classes + j] - best)", "exp(x[n * classes + j])"),
        ("labels[order[row]]", "labels[row]"),
        ("loss[row] =", "loss[n] ="),
        ("probability[row] = 1.0 / sum;", "probability[row] = sum;"),
        ("    workgroupBarrier();\n", ""),
        ("weights[c / 4u][c % 4u]", "weights[c / 4u].x"),
        ("label[q] = labels[label[q]];", "label[q] = labels[first];"),
        ("value *= scale;", ""),
        ("value += weighted_target", "value = weighted_target"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => batch, classes, weighted]
    }

    fn ports(&self) -> Vec<Port> {
        let CrossEntropyForward(s) = self;
        let (rows, touched) = (s.rows as usize, s.row());
        let mut ports = vec![read("x", size([s.batch, s.classes]))];
        ports.extend(s.known());
        ports.extend([
            update("loss", rows).touching(touched),
            update_u32("predicted", rows).touching(touched),
            update("probability", rows).touching(touched),
        ]);
        ports
    }

    fn workgroups(&self) -> [u32; 3] {
        [groups(self.0.batch.into()), 1, 1]
    }

    fn iterations(&self) -> u64 {
        4 * u64::from(self.0.classes) + self.0.weighing()
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<CrossEntropyForward>> {
        LossShape::cases(CrossEntropyForward)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropyBackward(pub LossShape);

impl Definition for CrossEntropyBackward {
    const WGSL: &'static str = shader!("cross_entropy_backward");
    const FAULTS: Faults = &[
        ("let share = e / f32(classes);", "let share = 0.0;"),
        ("1.0 - e + share", "1.0 - e"),
        ("let rows = min(batch, cursor.total - cursor.start);", "let rows = batch;"),
        ("n >= batch || row", "row"),
        ("select(share, 1.0 - e + share, j == label)", "share"),
        ("labels[order[row]]", "labels[row]"),
        ("sum += exp(x[n * classes + j] - best);", "sum += exp(x[n * classes + j]);"),
        ("dx[n * classes + j] = 0.0;", ""),
        ("    workgroupBarrier();\n", ""),
        ("e / f32(classes) * class_weight(c)", "e / f32(classes)"),
        ("(1.0 - e) * class_weight(label), c == label", "(1.0 - e), c == label"),
        ("first + q * WG < rows", "first + q * WG <= rows"),
        ("targets * softmax", "softmax"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => batch, padded, classes, weighted]
    }

    fn ports(&self) -> Vec<Port> {
        let CrossEntropyBackward(s) = self;
        let mut ports = vec![read("x", s.logits())];
        ports.extend(s.known());
        ports.push(write("dx", s.logits()));
        ports
    }

    fn workgroups(&self) -> [u32; 3] {
        [groups(self.0.padded.into()), 1, 1]
    }

    fn iterations(&self) -> u64 {
        4 * u64::from(self.0.classes) + self.0.weighing()
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<CrossEntropyBackward>> {
        LossShape::cases(CrossEntropyBackward)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DistillationBackward(pub LossShape);

impl Definition for DistillationBackward {
    const WGSL: &'static str = shader!("distillation_backward");
    const FAULTS: Faults = &[
        ("let rows = min(batch, cursor.total - cursor.start);", "let rows = batch;"),
        ("n >= batch || row", "row"),
        ("labels[order[row]]", "labels[row]"),
        ("(1.0 - a) * own", "own"),
        ("a * t * (soft - taught)", "a * (soft - taught)"),
        ("soft_sum += exp((x[n * classes + j] - best) / t);", "soft_sum += exp(x[n * classes + j] - best);"),
        (
            "taught_sum += exp((z[n * classes + j] - best_z) / t);",
            "taught_sum += exp((z[n * classes + j] - best) / t);",
        ),
        ("select(share, 1.0 - e + share, j == label)", "select(0.0, 1.0 - e, j == label)"),
        ("    workgroupBarrier();\n", ""),
        ("- weighted_target(j, label)) * scale", "- weighted_target(j, label))"),
        ("f32(rows) / weight_of_batch(lane, rows)", "1.0 / weight_of_batch(lane, rows)"),
    ];

    fn constants(&self) -> Constants {
        constants![self.0 => batch, padded, classes, weighted]
    }

    fn ports(&self) -> Vec<Port> {
        let DistillationBackward(s) = self;
        let mut ports = vec![read("x", s.logits()), read("z", s.logits())];
        ports.extend(s.known());
        let teaching = uniform("teaching", Element::F32, 2).of(Values::Within(0.5, 0.9));
        ports.extend([teaching, write("dx", s.logits())]);
        ports
    }

    fn workgroups(&self) -> [u32; 3] {
        [groups(self.0.padded.into()), 1, 1]
    }

    fn iterations(&self) -> u64 {
        8 * u64::from(self.0.classes) + self.0.weighing()
    }

    fn flops(&self) -> [u64; 2] {
        [0, 0]
    }

    fn cases() -> Vec<Setting<DistillationBackward>> {
        LossShape::cases(DistillationBackward)
    }
}
