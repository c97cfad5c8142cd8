//! Collects the buffers and steps of a plan, and checks each step as it comes.

use super::parameter::{Parameter, arena_len};
use super::{Arg, Buffer, Plan, Step, names};
use crate::kernels::{ALIGN, Element, Kernel, MOST_ITERATIONS, Port, Range, Spec, Tiles};

/// Why something cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    #[error(
        "{step} needs {groups} workgroups in one direction and 65535 are allowed; {}",
        match u64::from(u16::MAX) * *batch as u64 / u64::from(*groups) {
            0 => "not one image would fit, so take a smaller network or smaller images".into(),
            fits => format!("take a smaller --batch than {batch}, such as {fits}, or smaller images"),
        }
    )]
    TooManyWorkgroups { step: String, groups: u32, batch: usize },
    #[error(
        "{step} would go through its loops {iterations} times in one invocation, and {MOST_ITERATIONS} are trusted: some \
         drivers leave a loop then and say nothing. Take a smaller --batch, kernel, pooling cell or image"
    )]
    TooLong { step: String, iterations: u64 },
    #[error("tensor {name} has {len} elements; at most 2^30 can be addressed, so take a smaller --batch or network")]
    TooLarge { name: String, len: u64 },
}

/// Elements of all slices of a weight gradient times parts of a batch, at most. Beyond that, what each part adds to would
/// cost more than parts gain.
const CARRIED: usize = 1 << 22;

/// A plan in the making.
pub struct Builder<'a> {
    pub tiles: Tiles,
    /// Images of a batch.
    pub batch: u32,
    /// Rows of every tensor of the batch: its images, and padding so that they divide into parts.
    pub padded: u32,
    /// The network's tensors, and those of its teacher.
    parameters: [&'a [Parameter]; 2],
    /// Factors of the learning rate for some layers.
    rates: &'a [(String, f32)],
    plan: Plan,
    ranges: Vec<Range>,
    learning: Vec<String>,
    /// The gradients that learn, and where their slices lie.
    gradients: Vec<(String, std::ops::Range<usize>)>,
}

impl<'a> Builder<'a> {
    /// An empty plan. `largest` is the most elements that an image has in any tensor.
    pub fn new(
        tiles: Tiles,
        batch: u32,
        largest: u32,
        parameters: [&'a [Parameter]; 2],
        rates: &'a [(String, f32)],
    ) -> Builder<'a> {
        Builder {
            tiles,
            batch,
            padded: tiles.padded(batch, largest),
            parameters,
            rates,
            plan: Plan { batch: batch as usize, buffers: Vec::new(), steps: Vec::new() },
            ranges: Vec::new(),
            learning: Vec::new(),
            gradients: Vec::new(),
        }
    }

    /// The plan.
    pub fn finish(self) -> Plan {
        self.plan
    }

    /// The buffer of this name, made at its first use, with room for at least so many elements.
    fn buffer(&mut self, name: &str, element: Element, len: usize) -> usize {
        if let Some(at) = self.plan.buffer(name) {
            let room = &mut self.plan.buffers[at].len;
            *room = len.max(*room);
            return at;
        }
        self.plan.buffers.push(Buffer { name: name.into(), element, len, content: None });
        self.plan.buffers.len() - 1
    }

    /// Fixes what a buffer holds, if the plan has it.
    pub fn content(&mut self, name: &str, content: Vec<u32>) {
        if let Some(at) = self.plan.buffer(name) {
            self.plan.buffers[at].content = Some(content);
        }
    }

    /// Appends a step that is bound to whole buffers, each with the tensors that the step reads or writes there.
    ///
    /// # Errors
    /// Sizes that no device can do.
    pub fn bound(
        &mut self,
        kernel: impl Into<Kernel>,
        label: &str,
        tensors: Vec<(&str, Vec<String>)>,
    ) -> Result<(), PlanError> {
        let kernel = kernel.into();
        let ports = self.checked(&kernel, label)?.ports;
        let bound = ports.iter().zip(tensors);
        let args = bound.map(|(port, (name, tensors))| Arg { tensors, ..self.part_of(port, name, 0, 1) }).collect();
        self.plan.steps.push(Step { kernel, label: label.into(), args });
        Ok(())
    }

    /// A part of a buffer, which is made at its first use, with room for so many parts.
    fn part_of(&mut self, port: &Port, name: &str, part: u32, parts: u32) -> Arg {
        let len = port.bound();
        let buffer = self.buffer(name, port.element, len * parts as usize);
        Arg { buffer, start: len * part as usize, len, tensors: vec![name.into()] }
    }

    /// Appends a step. A binding's text is the name of a buffer, of a parameter, or of a parameter's gradient.
    ///
    /// # Errors
    /// Sizes that no device can do.
    pub fn step(&mut self, kernel: impl Into<Kernel>, label: &str, bindings: &[&str]) -> Result<(), PlanError> {
        self.steps(kernel, label, bindings, 1)
    }

    /// Appends a kernel that takes a part of the batch, once for each part. What belongs to no image is bound whole. Each part
    /// adds its gradients to those of the part before, and the last leaves the sum where the update looks for it.
    ///
    /// # Errors
    /// Sizes that no device can do.
    pub fn steps(
        &mut self,
        kernel: impl Into<Kernel>,
        label: &str,
        bindings: &[&str],
        parts: u32,
    ) -> Result<(), PlanError> {
        let kernel = kernel.into();
        let spec = self.checked(&kernel, label)?;
        assert_eq!(spec.ports.len(), bindings.len(), "{label}: as many bindings as ports");
        for part in 0..parts {
            let args = spec.ports.iter().zip(bindings).map(|(port, name)| self.arg(port, name, part, parts)).collect();
            self.plan.steps.push(Step { kernel: kernel.clone(), label: label.into(), args });
        }
        Ok(())
    }

    fn arg(&mut self, port: &Port, name: &str, part: u32, parts: u32) -> Arg {
        let [own, teachers] = self.parameters;
        let (table, arena, key) = match name.strip_prefix(names::TEACHERS) {
            Some(key) => (teachers, names::TEACHER, key),
            None => (own, names::PARAMETERS, name),
        };
        if let Some(parameter) = table.iter().find(|p| p.name == key) {
            let buffer = self.buffer(arena, Element::F32, arena_len(table));
            return Arg { buffer, start: parameter.start, len: port.bound(), tensors: vec![name.into()] };
        }
        let of = name.strip_suffix(".grad");
        if own.iter().any(|p| of == Some(&p.name)) {
            self.gradient(port, name, part, parts)
        } else if port.whole {
            self.part_of(port, name, 0, 1)
        } else {
            self.part_of(port, name, part, parts)
        }
    }

    /// A gradient, or where a port is called `.._in`, what the parts before this one came to. As nothing may be read and
    /// written at once, parts write to two buffers in turn.
    fn gradient(&mut self, port: &Port, name: &str, part: u32, parts: u32) -> Arg {
        let len = port.bound();
        let written = match port.name.ends_with("_in") {
            true if part == 0 => return self.part_of(port, names::ZEROS, 0, 1),
            true => part - 1,
            false => part,
        };
        let start = self.gradient_start(name, len);
        let as_last = (parts - 1 - written).is_multiple_of(2);
        let buffer = self.buffer(if as_last { names::GRADIENTS } else { names::EARLIER }, Element::F32, start + len);
        Arg { buffer, start, len, tensors: vec![name.into()] }
    }

    /// Where a gradient lies, from its first mention on.
    fn gradient_start(&mut self, name: &str, len: usize) -> usize {
        if let Some((_, place)) = self.gradients.iter().find(|(of, _)| of == name) {
            return place.start;
        }
        let start = self.gradients_len();
        self.gradients.push((name.into(), start..start + len.next_multiple_of(ALIGN)));
        start
    }

    /// Elements of all gradients.
    pub fn gradients_len(&self) -> usize {
        self.gradients.last().map_or(0, |(_, place)| place.end)
    }

    /// A kernel's sizes, if a device can do them.
    fn checked(&self, kernel: &Kernel, label: &str) -> Result<Spec, PlanError> {
        let spec = kernel.spec();
        if let Some(&groups) = spec.workgroups.iter().find(|&&g| g > 65_535) {
            return Err(PlanError::TooManyWorkgroups { step: label.into(), groups, batch: self.batch as usize });
        }
        let iterations = kernel.iterations();
        if iterations > MOST_ITERATIONS.into() {
            return Err(PlanError::TooLong { step: label.into(), iterations });
        }
        match spec.ports.iter().find(|port| port.len > 1 << 30) {
            Some(port) => Err(PlanError::TooLarge { name: format!("{label}: {}", port.name), len: port.len as u64 }),
            None => Ok(spec),
        }
    }

    /// Notes that the update folds the gradient of this parameter, so many slices.
    pub fn learn(&mut self, parameter: &str, slices: u32) {
        if let Some(p) = self.parameters[0].iter().find(|p| p.name == parameter) {
            let grad = self.gradient_start(&format!("{parameter}.grad"), p.len() * slices as usize) as u32;
            let rate = self.rates.iter().find(|(layer, _)| *layer == p.layer).map_or(1.0, |(_, rate)| *rate);
            self.ranges.push(Range { start: p.start as u32, len: p.len() as u32, grad, slices, rate });
            self.learning.push(p.name.clone());
        }
    }

    /// What learns: where it lies, and the names of its tensors.
    pub fn learning(&self) -> (&[Range], &[String]) {
        (&self.ranges, &self.learning)
    }

    /// Images of a part of the batch: as many images as fit a uniform where tensors are gathered from.
    pub fn part(&self, gathered: &[u32], written: &[u32]) -> u32 {
        self.tiles.part(self.padded, gathered, written)
    }

    /// Parts in which a weight gradient sums the batch, where each has so many images and adds so many elements to those of
    /// the part before: one where they are too many.
    pub fn carrying(&self, part: u32, elements: usize) -> u32 {
        let parts = self.padded / part;
        if parts as usize * elements > CARRIED { 1 } else { parts }
    }
}
