//! Plays a plan on a device: pipelines, buffers and bind groups are made once, a step only encodes them.

use super::{Device, GpuError};
use crate::kernels::{Access, Spec};
use crate::plan::shader::{self, Slot};
use crate::plan::{Plan, names};
use crate::threads::on_all_cores;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A plan that is ready to run.
pub struct Player {
    plan: Plan,
    buffers: Vec<wgpu::Buffer>,
    steps: Vec<Recorded>,
}

/// One step, as it is encoded.
struct Recorded {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Player {
    /// Makes pipelines, buffers and bind groups. Buffers named in `shared` are the caller's; the others are made here, with
    /// the plan's content or zeros. Whatever they will hold, run-time checks keep every kernel inside of its bindings.
    ///
    /// # Errors
    /// A shader that does not fit its plan, a driver that refuses it, or too little memory.
    pub fn new(device: &Device, plan: Plan, shared: &[(&str, &wgpu::Buffer)]) -> Result<Player, GpuError> {
        Player::with_sources(device, plan, shared, |spec| spec.wgsl)
    }

    /// The same with other shaders: for tests that prove a broken one is noticed.
    ///
    /// # Errors
    /// As [`Player::new`].
    pub fn with_sources<'s>(
        device: &Device,
        plan: Plan,
        shared: &[(&str, &wgpu::Buffer)],
        source: impl Fn(&Spec) -> &'s str,
    ) -> Result<Player, GpuError> {
        // SAFETY: there is nothing to promise where there are checks.
        unsafe { Player::make(device, plan, shared, source, true) }
    }

    /// The same without run-time checks, unless the device was opened with them.
    ///
    /// # Errors
    /// As [`Player::new`].
    ///
    /// # Safety
    /// The shaders must stay inside of their bindings. Those in `shaders/` do: every loop is bounded by constants or by the
    /// update's table, every index is guarded by the plan's sizes, and no divisor is zero, as long as `order` holds places of
    /// the data set, `labels` classes of the network, and the cursor stands within the epoch.
    pub unsafe fn unchecked<'s>(
        device: &Device,
        plan: Plan,
        shared: &[(&str, &wgpu::Buffer)],
        source: impl Fn(&Spec) -> &'s str,
    ) -> Result<Player, GpuError> {
        // SAFETY: the caller's promise.
        unsafe { Player::make(device, plan, shared, source, device.checked) }
    }

    /// A player whose buffers get what this program has looked at before: sets from a [`crate::train::GpuSet`].
    pub(crate) fn trusted(device: &Device, plan: Plan, shared: &[(&str, &wgpu::Buffer)]) -> Result<Player, GpuError> {
        // SAFETY: a set was checked when it was brought to the device, an order is when it is written, and the cursor is
        // written beside it. The conformance tests run with and without the checks, between guards.
        unsafe { Player::unchecked(device, plan, shared, |spec| spec.wgsl) }
    }

    /// # Safety
    /// As for [`Player::unchecked`], where `checked` is false.
    unsafe fn make<'s>(
        device: &Device,
        plan: Plan,
        shared: &[(&str, &wgpu::Buffer)],
        source: impl Fn(&Spec) -> &'s str,
        checked: bool,
    ) -> Result<Player, GpuError> {
        let buffers = plan
            .buffers
            .iter()
            .map(|wanted| match (shared.iter().find(|(name, _)| *name == wanted.name), &wanted.content) {
                (Some((_, buffer)), _) => Ok((*buffer).clone()),
                (None, Some(content)) => device.upload(&wanted.name, content),
                (None, None) => device.buffer(&wanted.name, wanted.len),
            })
            .map(|made| made.map_err(|error| with_remedy(error, plan.batch)))
            .collect::<Result<Vec<_>, _>>()?;

        let mut specs: Vec<Spec> = plan.steps.iter().map(|step| step.kernel.spec()).collect();
        // A device may grant smaller uniforms than WebGPU does; what does not fit is bound as storage there.
        let largest = device.device.limits().max_uniform_buffer_binding_size;
        for port in specs.iter_mut().flat_map(|spec| &mut spec.ports) {
            port.uniform &= port.bound() as u64 * 4 <= largest;
        }
        let texts = specs.iter().map(|spec| shader::specialise(spec, source(spec))).collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the caller's promise.
        let pipelines = unsafe { compile(device, &specs, &texts, checked)? };

        let steps = plan
            .steps
            .iter()
            .zip(&specs)
            .zip(&texts)
            .map(|((step, spec), text)| {
                let pipeline = pipelines[text].clone();
                let entries: Vec<_> = step
                    .args
                    .iter()
                    .enumerate()
                    .map(|(binding, arg)| wgpu::BindGroupEntry {
                        binding: binding as u32,
                        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                            buffer: &buffers[arg.buffer],
                            offset: (arg.start * 4) as u64,
                            size: std::num::NonZeroU64::new((arg.len * 4) as u64),
                        }),
                    })
                    .collect();
                let bindings = device.scoped(&step.label, || {
                    device.device.create_bind_group(&wgpu::BindGroupDescriptor {
                        label: Some(&step.label),
                        layout: &pipeline.get_bind_group_layout(0),
                        entries: &entries,
                    })
                })?;
                Ok(Recorded { pipeline, bindings, workgroups: spec.workgroups })
            })
            .collect::<Result<Vec<_>, GpuError>>()?;
        Ok(Player { plan, buffers, steps })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A buffer by its name.
    ///
    /// # Panics
    /// If the plan has no such buffer.
    pub fn buffer(&self, name: &str) -> &wgpu::Buffer {
        let at = self.plan.buffer(name).unwrap_or_else(|| panic!("the plan has no buffer {name}"));
        &self.buffers[at]
    }

    /// The buffer at a place of the plan.
    pub fn buffer_at(&self, index: usize) -> &wgpu::Buffer {
        &self.buffers[index]
    }

    /// Appends a number of batches to a submission, in one compute pass.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder, batches: usize) {
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("batches"), timestamp_writes: None });
        for _ in 0..batches {
            for at in 0..self.steps.len() {
                self.encode_step(&mut pass, at);
            }
        }
    }

    /// Appends one step of the plan, in a pass of its own.
    pub fn encode_one(&self, encoder: &mut wgpu::CommandEncoder, step: usize) {
        let label = Some(self.plan.steps[step].label.as_str());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes: None });
        self.encode_step(&mut pass, step);
    }

    /// Appends one step of the plan to a pass.
    pub fn encode_step(&self, pass: &mut wgpu::ComputePass, at: usize) {
        let step = &self.steps[at];
        let [x, y, z] = step.workgroups;
        pass.set_pipeline(&step.pipeline);
        pass.set_bind_group(0, &step.bindings, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Adds to an error about a buffer's size what would fit: a smaller batch, where the buffer grows with it.
fn with_remedy(error: GpuError, batch: usize) -> GpuError {
    match error {
        GpuError::Limit { buffer, needed, limit, allowed, remedy } => {
            let grows = ["input", names::GRADIENTS, names::EARLIER, names::ZEROS].contains(&buffer.as_str())
                || [".out", ".winner", ".out.grad"].iter().any(|end| buffer.ends_with(end));
            let fits = u128::from(allowed) * batch as u128 / u128::from(needed);
            let remedy = match fits {
                1.. if grows => format!("a --batch of {fits} would fit"),
                _ => remedy,
            };
            GpuError::Limit { buffer, needed, limit, allowed, remedy }
        }
        other => other,
    }
}

/// One pipeline for each distinct text, compiled on all cores.
///
/// # Safety
/// As for [`Player::unchecked`], where `checked` is false.
unsafe fn compile(
    device: &Device,
    specs: &[Spec],
    texts: &[String],
    checked: bool,
) -> Result<HashMap<String, wgpu::ComputePipeline>, GpuError> {
    let mut work: Vec<(&Spec, &String)> = specs.iter().zip(texts).collect();
    work.sort_by_key(|(_, text)| *text);
    work.dedup_by_key(|(_, text)| *text);
    let next = AtomicUsize::new(0);
    let made = on_all_cores(work.len(), || {
        let mut mine = Vec::new();
        while let Some((spec, text)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let made = bindings(spec, text).and_then(|slots| {
                // SAFETY: the caller's promise.
                unsafe { device.pipeline(spec.stem, text, &slots, checked) }
            });
            mine.push(made.map(|pipeline| ((*text).clone(), pipeline)));
        }
        mine
    });
    made.into_iter().flatten().collect()
}

/// The bindings, as they are read out of a shader. They must be the plan's ports, in order.
fn bindings(spec: &Spec, text: &str) -> Result<Vec<Slot>, GpuError> {
    let slots = shader::slots(spec.stem, text)?;
    let expected: Vec<_> = (0..)
        .zip(&spec.ports)
        .map(|(binding, port)| Slot {
            binding,
            name: port.name.into(),
            writable: port.access != Access::Read,
            uniform: port.uniform,
        })
        .collect();
    if slots != expected {
        let names = |list: &[Slot]| list.iter().map(|slot| format!("{slot:?}")).collect();
        return Err(GpuError::Bindings { kernel: spec.stem.into(), expected: names(&expected), found: names(&slots) });
    }
    Ok(slots)
}
