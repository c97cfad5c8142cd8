//! Dispatches: steps that run side by side.
//!
//! On a GPU, a dispatch that waits for the one before it costs 2 to 4 us, often more than its work. Neighbouring steps
//! that do not depend on each other, such as the two gradients of a layer, therefore share a dispatch: their shaders
//! become functions of one shader, and each workgroup calls the one that its number selects.

use super::builder::WORKGROUPS;
use super::shader::{ShaderError, Slot, parsed, specialise};
use super::side_by_side::{Part, of_part, side_by_side, workgroup_size};
use super::{Arg, Step};
use crate::kernels::{Access, Port, Spec, WORKGROUP_MEMORY};
use std::ops::Range;

/// Bindings of a shader that WebGPU guarantees.
const STORAGE_BUFFERS: usize = 8;
const UNIFORMS: usize = 12;

/// A dispatch of one step or of several: its shader and bindings.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// Stems of its kernels.
    pub stem: String,
    /// Labels of its steps.
    pub label: String,
    pub wgsl: String,
    /// The bindings that the shader must declare, in order.
    pub slots: Vec<Slot>,
    /// The buffer range bound to each slot.
    pub args: Vec<Arg>,
    pub workgroups: [u32; 3],
}

impl Dispatch {
    /// The dispatch of these steps. `source` returns the shader of a kernel.
    ///
    /// # Errors
    /// If a shader lacks a constant or a piece, or one that runs beside another is not valid WGSL.
    pub fn new<'s>(steps: &[Step], source: impl Fn(&Spec) -> &'s str) -> Result<Dispatch, ShaderError> {
        let specs: Vec<Spec> = steps.iter().map(|step| step.kernel.spec()).collect();
        let mut texts = specs.iter().map(|spec| specialise(spec, source(spec))).collect::<Result<Vec<_>, _>>()?;
        let (stem, label) = (joined(steps, |step| step.kernel.stem()), joined(steps, |step| &step.label));
        if let ([step], [spec]) = (steps, &specs[..]) {
            let slots = (0..).zip(&spec.ports).map(|(at, port)| slot(at, port, port.name.into())).collect();
            let (wgsl, args, workgroups) = (texts.remove(0), step.args.clone(), spec.workgroups);
            return Ok(Dispatch { stem, label, wgsl, slots, args, workgroups });
        }
        let bindings = Bindings::of(steps, &specs);
        let slots: Vec<Slot> = bindings.list.iter().map(|binding| binding.slot.clone()).collect();
        let args = bindings.list.iter().map(|binding| binding.arg.clone()).collect();
        let parts = specs.iter().zip(&texts).zip(&bindings.of).map(|((spec, text), of)| {
            let slots = of.iter().map(|&at| &slots[at]).collect();
            Part { spec, text, slots }
        });
        let wgsl = side_by_side(&parts.collect::<Vec<_>>())?;
        Ok(Dispatch { stem, label, wgsl, slots, args, workgroups: [groups(&specs) as u32, 1, 1] })
    }
}

/// Names of steps that share a dispatch, such as their labels, joined by ` + `. Parts of a batch have one name.
pub fn joined<'s>(steps: &'s [Step], name: impl Fn(&'s Step) -> &'s str) -> String {
    let mut names: Vec<&str> = steps.iter().map(name).collect();
    names.dedup();
    names.join(" + ")
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

/// Returns true if a step can join those of a dispatch.
fn fits(group: &[Step], step: &Step) -> bool {
    if !group.iter().all(|other| independent(other, step)) {
        return false;
    }
    let all = [group, std::slice::from_ref(step)].concat();
    let specs: Vec<Spec> = all.iter().map(|step| step.kernel.spec()).collect();
    let bindings = Bindings::of(&all, &specs).list;
    let stored = bindings.iter().filter(|binding| !binding.slot.uniform).count();
    let bound = stored <= STORAGE_BUFFERS && bindings.len() - stored <= UNIFORMS;
    bound && groups(&specs) <= WORKGROUPS.into() && workgroups_fit(&specs)
}

/// Returns true if one shader can contain these kernels, given their workgroup sizes and memory.
fn workgroups_fit(specs: &[Spec]) -> bool {
    let texts = specs.iter().map(|spec| specialise(spec, spec.wgsl)).collect::<Result<Vec<_>, _>>();
    let Ok(texts) = texts else { return false };
    let modules = specs.iter().zip(&texts).map(|(spec, text)| parsed(spec.stem, text)).collect::<Result<Vec<_>, _>>();
    let Ok(modules) = modules else { return false };
    let memory: u32 = modules.iter().map(workgroup_memory).sum();
    let sizes = || modules.iter().map(|module| workgroup_size(module).iter().product::<u32>());
    // The excess invocations of a smaller workgroup return at once, which they must not do before a barrier.
    let largest = sizes().max();
    let whole = sizes().zip(&texts).all(|(size, text)| Some(size) == largest || !text.contains("Barrier()"));
    memory <= 4 * WORKGROUP_MEMORY && whole
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

/// Returns true if the order of two steps does not matter. Since WebGPU does not allow a dispatch to bind a buffer both
/// read-only and writable, steps that do so depend on each other even if the ranges differ.
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

fn slot(binding: u32, port: &Port, name: String) -> Slot {
    Slot { binding, name, writable: port.access != Access::Read, uniform: port.uniform }
}

/// A binding of a dispatch.
struct Binding<'s> {
    slot: Slot,
    arg: &'s Arg,
}

/// The bindings of a dispatch. Steps that read the same elements share a binding.
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
