//! Collects the buffers and steps of a plan, checking each step as it is added.

use super::dispatch::grouped;
use super::parameter::{Parameter, arena_len};
use super::{Arg, Buffer, Plan, Step, names};
use crate::kernels::{ALIGN, Element, Kernel, MOST_ITERATIONS, Port, Range, Spec, Tiles, UNIFORM};
use crate::text::Argument;

/// Why a step cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    #[error(
        "{step} needs {groups} workgroups in one direction and {WORKGROUPS} are allowed; {}",
        match u64::from(u16::MAX) * *batch as u64 / u64::from(*groups) {
            0 => "not one image would fit, so use a smaller network or smaller images".into(),
            fits => format!("use a smaller {} than {batch}, such as {fits}, or smaller images", Argument("batch")),
        }
    )]
    TooManyWorkgroups { step: String, groups: u32, batch: usize },
    #[error(
        "{step} needs {iterations} loop iterations per invocation, more than the limit of {MOST_ITERATIONS}: beyond it some \
         drivers leave a loop without an error. Use a smaller {}, kernel, pooling cell or image",
        Argument("batch")
    )]
    TooLong { step: String, iterations: u64 },
    #[error(
        "tensor {name} has {len} elements, and at most 2^30 can be addressed; use a smaller {} or network",
        Argument("batch")
    )]
    TooLarge { name: String, len: u64 },
    #[error(
        "{step} reads {len} values of {name} from a uniform buffer, which holds at most {UNIFORM}; use a smaller layer"
    )]
    TooManyUniforms { step: String, name: &'static str, len: usize },
}

/// Workgroups in one direction that WebGPU guarantees.
pub(super) const WORKGROUPS: u32 = 65_535;

/// Limit on the elements in all slices of a weight gradient times the parts of a batch. Beyond it, accumulating over
/// the parts costs more than splitting the batch gains.
const CARRIED: usize = 1 << 22;

/// Builds a [`Plan`].
pub struct Builder<'a> {
    pub tiles: Tiles,
    /// Images in a batch.
    pub batch: u32,
    /// Rows of every per-batch tensor: the images of the batch, padded so that they divide into parts.
    pub padded: u32,
    /// Parameters of the network and of its teacher.
    parameters: [&'a [Parameter]; 2],
    /// Learning-rate factors by layer.
    rates: &'a [(String, f32)],
    plan: Plan,
    ranges: Vec<Range>,
    learning: Vec<String>,
    /// Gradients that are trained on, and the element ranges of their slices.
    gradients: Vec<(String, std::ops::Range<usize>)>,
}

impl<'a> Builder<'a> {
    /// An empty plan. `largest` is the maximum number of elements per image in any tensor.
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
            plan: Plan { batch: batch as usize, buffers: Vec::new(), steps: Vec::new(), dispatches: Vec::new() },
            ranges: Vec::new(),
            learning: Vec::new(),
            gradients: Vec::new(),
        }
    }

    pub fn finish(mut self) -> Plan {
        self.plan.dispatches = grouped(&self.plan.steps, self.tiles.per_dispatch as usize);
        self.plan
    }

    /// Returns the index of the named buffer, creating it on first use and growing it to at least `len` elements.
    fn buffer(&mut self, name: &str, element: Element, len: usize) -> usize {
        if let Some(at) = self.plan.buffer(name) {
            let room = &mut self.plan.buffers[at].len;
            *room = len.max(*room);
            return at;
        }
        self.plan.buffers.push(Buffer { name: name.into(), element, len, content: None });
        self.plan.buffers.len() - 1
    }

    /// Fixes the content of a buffer, if the plan has it.
    pub fn content(&mut self, name: &str, content: Vec<u32>) {
        if let Some(at) = self.plan.buffer(name) {
            self.plan.buffers[at].content = Some(content);
        }
    }

    /// Appends a step bound to whole buffers, each listed with the tensors that the step reads or writes in it.
    ///
    /// # Errors
    /// If the step exceeds a dispatch, loop or buffer-size limit.
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

    /// One of `parts` parts of a buffer, which is created on first use with room for all of them.
    fn part_of(&mut self, port: &Port, name: &str, part: u32, parts: u32) -> Arg {
        let len = port.bound();
        let buffer = self.buffer(name, port.element, len * parts as usize);
        Arg { buffer, start: len * part as usize, len, tensors: vec![name.into()] }
    }

    /// Appends a step. Each binding names a buffer, a parameter or a parameter's gradient.
    ///
    /// # Errors
    /// If the step exceeds a dispatch, loop or buffer-size limit.
    pub fn step(&mut self, kernel: impl Into<Kernel>, label: &str, bindings: &[&str]) -> Result<(), PlanError> {
        self.steps(kernel, label, bindings, 1)
    }

    /// Appends a kernel that processes part of the batch, once per part. Tensors without a batch dimension are bound
    /// whole. Each part adds its gradients to those of the previous part; the last one leaves the sum where the update
    /// reads it.
    ///
    /// # Errors
    /// If the step exceeds a dispatch, loop or buffer-size limit.
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

    /// Appends a kernel that sums the gradients of a layer's weights and biases, as [`Builder::steps`] does.
    ///
    /// # Errors
    /// Same as [`Builder::steps`].
    pub fn sums(
        &mut self,
        kernel: impl Into<Kernel>,
        label: &str,
        inputs: &[&str],
        gradients: [&str; 2],
        parts: u32,
    ) -> Result<(), PlanError> {
        let kernel = kernel.into();
        let continues = kernel.spec().ports.len() > inputs.len() + gradients.len();
        assert!(continues || parts == 1, "{label}: the shader sums one part only");
        let earlier = if continues { &gradients[..] } else { &[] };
        self.steps(kernel, label, &[inputs, earlier, &gradients].concat(), parts)
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

    /// A gradient or, for a port named `.._in`, the sum over the previous parts. One dispatch cannot bind a buffer both
    /// read-only and writable, so parts alternate between two.
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

    /// Start of a gradient, which is allocated on first use.
    fn gradient_start(&mut self, name: &str, len: usize) -> usize {
        if let Some((_, place)) = self.gradients.iter().find(|(of, _)| of == name) {
            return place.start;
        }
        let start = self.gradients_len();
        self.gradients.push((name.into(), start..start + len.next_multiple_of(ALIGN)));
        start
    }

    /// Number of elements in all gradients.
    pub fn gradients_len(&self) -> usize {
        self.gradients.last().map_or(0, |(_, place)| place.end)
    }

    /// Returns a kernel's spec if it is within the limits of dispatch, loops and buffer sizes.
    fn checked(&self, kernel: &Kernel, label: &str) -> Result<Spec, PlanError> {
        let spec = kernel.spec();
        if let Some(&groups) = spec.workgroups.iter().find(|&&g| g > WORKGROUPS) {
            return Err(PlanError::TooManyWorkgroups { step: label.into(), groups, batch: self.batch as usize });
        }
        let iterations = kernel.iterations();
        if iterations > MOST_ITERATIONS.into() {
            return Err(PlanError::TooLong { step: label.into(), iterations });
        }
        if let Some(port) = spec.ports.iter().find(|port| port.uniform && port.len > UNIFORM) {
            return Err(PlanError::TooManyUniforms { step: label.into(), name: port.name, len: port.len });
        }
        match spec.ports.iter().find(|port| port.len > 1 << 30) {
            Some(port) => Err(PlanError::TooLarge { name: format!("{label}: {}", port.name), len: port.len as u64 }),
            None => Ok(spec),
        }
    }

    /// Registers a parameter for the update, which sums the `slices` slices of its gradient.
    pub fn learn(&mut self, parameter: &str, slices: u32) {
        if let Some(p) = self.parameters[0].iter().find(|p| p.name == parameter) {
            let grad = self.gradient_start(&format!("{parameter}.grad"), p.len() * slices as usize) as u32;
            let rate = self.rates.iter().find(|(layer, _)| *layer == p.layer).map_or(1.0, |(_, rate)| *rate);
            self.ranges.push(Range { start: p.start as u32, len: p.len() as u32, grad, slices, rate });
            self.learning.push(p.name.clone());
        }
    }

    /// Ranges of the trained tensors, and their names.
    pub fn learning(&self) -> (&[Range], &[String]) {
        (&self.ranges, &self.learning)
    }

    /// Images per part of the batch: as many as fit a uniform for the tensors that are gathered from.
    pub fn part(&self, gathered: &[u32], written: &[u32]) -> u32 {
        self.tiles.part(self.padded, gathered, written)
    }

    /// Number of parts in which a weight gradient sums the batch, where each has `part` images and adds `elements`
    /// elements to the previous part; 1 if that costs too much.
    pub fn carrying(&self, part: u32, elements: usize) -> u32 {
        let parts = self.padded / part;
        if parts as usize * elements > CARRIED { 1 } else { parts }
    }
}
