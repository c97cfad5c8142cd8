//! Dispatches: steps that run side by side.
//!
//! On a GPU, a dispatch that waits for the one before it costs 2 to 4 us, often more than its work. Neighbouring steps
//! that do not depend on each other, such as the two gradients of a layer, therefore share a dispatch: their shaders
//! become functions of one shader, and each workgroup calls the one that its number selects.

use super::shader::{ShaderError, Slot, parsed, slots, specialise};
use super::side_by_side::{Part, of_part, side_by_side, workgroup_size};
use super::{Arg, Step};
use crate::kernels::{Access, Port, Spec};
use std::ops::Range;

/// Limits that WebGPU guarantees: bindings of a shader, workgroups in one direction, and bytes of workgroup memory.
const STORAGE_BUFFERS: usize = 8;
const UNIFORMS: usize = 12;
const WORKGROUPS: u64 = 65_535;
const WORKGROUP_MEMORY: u32 = 16_384;

/// What a device runs at once: the shader of one step or of several, with its bindings in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// Stems of its kernels, and labels of its steps, joined by ` + `.
    pub stem: String,
    pub label: String,
    pub wgsl: String,
    pub slots: Vec<Slot>,
    /// What is bound to each of the `slots`.
    pub args: Vec<Arg>,
    pub workgroups: [u32; 3],
}

impl Dispatch {
    /// The dispatch of these steps. `source` returns the shader of a kernel.
    ///
    /// # Errors
    /// If a shader does not match its kernel.
    pub fn new<'s>(steps: &[Step], source: impl Fn(&Spec) -> &'s str) -> Result<Dispatch, ShaderError> {
        let specs: Vec<Spec> = steps.iter().map(|step| step.kernel.spec()).collect();
        let texts = specs.iter().map(|spec| specialise(spec, source(spec))).collect::<Result<Vec<_>, _>>()?;
        let stem = specs.iter().map(|spec| spec.stem).collect::<Vec<_>>().join(" + ");
        let label = joined_label(steps);
        let mut declared = Vec::new();
        for (spec, text) in specs.iter().zip(&texts) {
            declared = slots(spec.stem, text)?;
            matches(spec, &declared)?;
        }
        if let ([step], [spec], [text]) = (steps, &specs[..], &texts[..]) {
            let (args, workgroups) = (step.args.clone(), spec.workgroups);
            return Ok(Dispatch { stem, label, wgsl: text.clone(), slots: declared, args, workgroups });
        }
        let bindings = Bindings::of(steps, &specs);
        let slots: Vec<Slot> = bindings.list.iter().map(|binding| binding.slot.clone()).collect();
        let parts: Vec<Part> = specs
            .iter()
            .zip(&texts)
            .zip(&bindings.of)
            .map(|((spec, text), of)| Part { spec, text, slots: of.iter().map(|&at| &slots[at]).collect() })
            .collect();
        let (wgsl, groups) = (side_by_side(&parts)?, groups(&specs) as u32);
        let args = bindings.list.iter().map(|binding| binding.arg.clone()).collect();
        Ok(Dispatch { stem, label, wgsl, slots, args, workgroups: [groups, 1, 1] })
    }
}

/// Label of steps that share a dispatch.
pub(super) fn joined_label(steps: &[Step]) -> String {
    let mut labels: Vec<&str> = steps.iter().map(|step| &*step.label).collect();
    labels.dedup();
    labels.join(" + ")
}

/// Whether a shader declares the bindings of its kernel, in order.
fn matches(spec: &Spec, declared: &[Slot]) -> Result<(), ShaderError> {
    let expected: Vec<Slot> =
        (0..).zip(&spec.ports).map(|(binding, port)| slot(binding, port, port.name.into())).collect();
    if declared != expected {
        let names = |list: &[Slot]| list.iter().map(|slot| format!("{slot:?}")).collect();
        let (expected, found) = (names(&expected), names(declared));
        return Err(ShaderError::Bindings { stem: spec.stem.into(), expected, found });
    }
    Ok(())
}

fn slot(binding: u32, port: &Port, name: String) -> Slot {
    Slot { binding, name, writable: port.access != Access::Read, uniform: port.uniform }
}

/// Splits the steps of a plan into dispatches of at most `most` steps. The order of the steps is kept.
pub(super) fn grouped(steps: &[Step], most: usize) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for at in 0..steps.len() {
        match groups.last_mut() {
            Some(last) if last.len() < most && fits(&steps[last.clone()], &steps[at]) => last.end += 1,
            _ => groups.push(at..at + 1),
        }
    }
    groups
}

/// Whether a step can join those of a dispatch.
fn fits(group: &[Step], step: &Step) -> bool {
    if !group.iter().all(|other| independent(other, step)) {
        return false;
    }
    let all = [group, std::slice::from_ref(step)].concat();
    let specs: Vec<Spec> = all.iter().map(|step| step.kernel.spec()).collect();
    let bindings = Bindings::of(&all, &specs).list;
    let stored = bindings.iter().filter(|binding| !binding.slot.uniform).count();
    let bound = stored <= STORAGE_BUFFERS && bindings.len() - stored <= UNIFORMS;
    bound && groups(&specs) <= WORKGROUPS && workgroups_fit(&specs)
}

/// Whether workgroups of these kernels can be invocations of one shader.
fn workgroups_fit(specs: &[Spec]) -> bool {
    let modules =
        specs.iter().map(|spec| Some((parsed(spec.stem, &specialise(spec, spec.wgsl).ok()?).ok()?, spec.text())));
    let Some(modules) = modules.collect::<Option<Vec<_>>>() else { return false };
    let memory: u32 = modules.iter().map(|(module, _)| workgroup_memory(module)).sum();
    let sizes = || modules.iter().map(|(module, _)| workgroup_size(module).iter().product::<u32>());
    // The excess invocations of a smaller workgroup return at once, which they must not do before a barrier.
    let largest = sizes().max();
    let whole = sizes().zip(&modules).all(|(size, (_, text))| Some(size) == largest || !text.contains("Barrier()"));
    memory <= WORKGROUP_MEMORY && whole
}

/// Bytes of workgroup memory that a shader declares.
fn workgroup_memory(module: &naga::Module) -> u32 {
    let shared = module.global_variables.iter().filter(|(_, var)| var.space == naga::AddressSpace::WorkGroup);
    shared.map(|(_, var)| module.types[var.ty].inner.size(module.to_ctx())).sum()
}

/// Number of workgroups in total.
fn groups(specs: &[Spec]) -> u64 {
    specs.iter().map(|spec| spec.workgroups.map(u64::from).iter().product::<u64>()).sum()
}

/// Whether neither of two steps writes what the other one reads or writes. A dispatch cannot bind a buffer both for
/// reading and for writing, not even different parts of it.
fn independent(a: &Step, b: &Step) -> bool {
    let uses = |step: &Step| {
        let ports = step.kernel.spec().ports.into_iter().map(|port| port.access != Access::Read);
        ports.zip(step.args.iter().map(|arg| (arg.buffer, arg.start..arg.start + arg.len))).collect::<Vec<_>>()
    };
    let (of_a, of_b) = (uses(a), uses(b));
    of_a.iter().all(|(writes_a, (buffer_a, a))| {
        of_b.iter().filter(|(_, (buffer, _))| buffer == buffer_a).all(|(writes_b, (_, b))| match (writes_a, writes_b) {
            (false, false) => true,
            (true, true) => a.end <= b.start || b.end <= a.start,
            (true, false) | (false, true) => false,
        })
    })
}

/// A binding of a dispatch.
struct Binding<'s> {
    slot: Slot,
    arg: &'s Arg,
}

/// The bindings of a dispatch, where steps that read the same elements share one.
struct Bindings<'s> {
    list: Vec<Binding<'s>>,
    /// For each step, the index of each port's binding.
    of: Vec<Vec<usize>>,
}

impl<'s> Bindings<'s> {
    fn of(steps: &'s [Step], specs: &[Spec]) -> Bindings<'s> {
        let mut bindings = Bindings { list: Vec::new(), of: Vec::new() };
        for (part, (step, spec)) in steps.iter().zip(specs).enumerate() {
            let of_step =
                spec.ports.iter().zip(&step.args).map(|(port, arg)| bindings.index(part, port, arg)).collect();
            bindings.of.push(of_step);
        }
        bindings
    }

    /// Index of a port's binding, which is added unless an earlier step reads the same.
    fn index(&mut self, part: usize, port: &Port, arg: &'s Arg) -> usize {
        let new = slot(self.list.len() as u32, port, of_part(port.name, part));
        let same = |other: &Binding| {
            let both_read = !other.slot.writable && !new.writable;
            let range = |arg: &Arg| (arg.buffer, arg.start, arg.len);
            both_read && other.slot.uniform == new.uniform && range(other.arg) == range(arg)
        };
        if let Some(at) = self.list.iter().position(same) {
            return at;
        }
        self.list.push(Binding { slot: new, arg });
        self.list.len() - 1
    }
}
