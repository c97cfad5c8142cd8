//! Plays a plan on a device. Pipelines, buffers and bind groups are created once; a batch only encodes them.

use super::{Device, GpuError};
use crate::kernels::Spec;
use crate::plan::shader::{self, Slot};
use crate::plan::{Dispatch, Plan, names, unrolled};
use crate::text::Argument;
use crate::threads::on_all_cores;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A plan ready to run.
pub struct Player {
    plan: Plan,
    buffers: Vec<wgpu::Buffer>,
    dispatches: Vec<Recorded>,
}

/// A dispatch, ready to encode.
struct Recorded {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Player {
    /// Creates pipelines, buffers and bind groups. Buffers named in `shared` are the caller's; the others are created
    /// here, with the plan's content or zeros. Run-time checks keep every kernel inside its bindings, whatever they
    /// hold.
    ///
    /// # Errors
    /// If a shader does not match its plan, the driver rejects it, or memory runs out.
    pub fn new(device: &Device, plan: Plan, shared: &[(&str, &wgpu::Buffer)]) -> Result<Player, GpuError> {
        Player::with_sources(device, plan, shared, |spec| spec.wgsl)
    }

    /// Same as [`Player::new`] with other shaders, for tests that a broken one is noticed.
    ///
    /// # Errors
    /// Same as [`Player::new`].
    pub fn with_sources<'s>(
        device: &Device,
        plan: Plan,
        shared: &[(&str, &wgpu::Buffer)],
        source: impl Fn(&Spec) -> &'s str,
    ) -> Result<Player, GpuError> {
        // SAFETY: with run-time checks there is nothing to uphold.
        unsafe { Player::make(device, plan, shared, source, true, false) }
    }

    /// Same as [`Player::with_sources`] without run-time checks, unless the device was opened with them.
    ///
    /// # Errors
    /// Same as [`Player::new`].
    ///
    /// # Safety
    /// The shaders must stay inside their bindings. Those in `shaders/` do: every loop is bounded by constants or by
    /// the update's table, every index is guarded by the plan's sizes, and no divisor is zero, provided that `order`
    /// holds indices into the data set, `labels` holds classes of the network, and the cursor is within the epoch.
    pub unsafe fn unchecked<'s>(
        device: &Device,
        plan: Plan,
        shared: &[(&str, &wgpu::Buffer)],
        source: impl Fn(&Spec) -> &'s str,
    ) -> Result<Player, GpuError> {
        // SAFETY: upheld by the caller.
        unsafe { Player::make(device, plan, shared, source, device.checked, device.unrolls) }
    }

    /// A player whose buffers hold contents validated by this program: sets from a [`crate::train::GpuSet`].
    pub(crate) fn trusted(device: &Device, plan: Plan, shared: &[(&str, &wgpu::Buffer)]) -> Result<Player, GpuError> {
        // SAFETY: a set is validated when it is brought to the device, an order when it is written, and the cursor is
        // written with it. The conformance tests run with and without the checks, between guards.
        unsafe { Player::unchecked(device, plan, shared, |spec| spec.wgsl) }
    }

    /// Same as [`Player::trusted`], but never unrolls loops: compiling unrolled text may take a second.
    pub(crate) fn as_written(device: &Device, plan: Plan) -> Result<Player, GpuError> {
        // SAFETY: same as above.
        unsafe { Player::make(device, plan, &[], |spec| spec.wgsl, device.checked, false) }
    }

    /// # Safety
    /// If `checked` is false, same as [`Player::unchecked`].
    unsafe fn make<'s>(
        device: &Device,
        plan: Plan,
        shared: &[(&str, &wgpu::Buffer)],
        source: impl Fn(&Spec) -> &'s str,
        checked: bool,
        unrolls: bool,
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

        let dispatches = plan.dispatches().map(|steps| Dispatch::new(steps, &source)).collect::<Result<Vec<_>, _>>()?;
        // SAFETY: upheld by the caller.
        let pipelines = unsafe { compile(device, &dispatches, checked, unrolls)? };

        let recorded = dispatches
            .iter()
            .map(|dispatch| {
                let pipeline = pipelines[&dispatch.wgsl].clone();
                let entries: Vec<_> = dispatch
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
                let bindings = device.scoped(&dispatch.label, || {
                    device.device.create_bind_group(&wgpu::BindGroupDescriptor {
                        label: Some(&dispatch.label),
                        layout: &pipeline.get_bind_group_layout(0),
                        entries: &entries,
                    })
                })?;
                Ok(Recorded { pipeline, bindings, workgroups: dispatch.workgroups })
            })
            .collect::<Result<Vec<_>, GpuError>>()?;
        Ok(Player { plan, buffers, dispatches: recorded })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A buffer by name.
    ///
    /// # Panics
    /// If the plan has no such buffer.
    pub fn buffer(&self, name: &str) -> &wgpu::Buffer {
        let at = self.plan.buffer(name).unwrap_or_else(|| panic!("the plan has no buffer {name}"));
        &self.buffers[at]
    }

    /// A buffer by its index in the plan.
    pub fn buffer_at(&self, index: usize) -> &wgpu::Buffer {
        &self.buffers[index]
    }

    /// Encodes a number of batches in one compute pass.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder, batches: usize) {
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("batches"), timestamp_writes: None });
        for _ in 0..batches {
            for at in 0..self.dispatches.len() {
                self.encode_dispatch(&mut pass, at);
            }
        }
    }

    /// Encodes one dispatch of the plan in a separate pass.
    pub fn encode_one(&self, encoder: &mut wgpu::CommandEncoder, at: usize) {
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("dispatch"), timestamp_writes: None });
        self.encode_dispatch(&mut pass, at);
    }

    /// Encodes one dispatch of the plan into a pass.
    pub fn encode_dispatch(&self, pass: &mut wgpu::ComputePass, at: usize) {
        let dispatch = &self.dispatches[at];
        let [x, y, z] = dispatch.workgroups;
        pass.set_pipeline(&dispatch.pipeline);
        pass.set_bind_group(0, &dispatch.bindings, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Adds a remedy to an error about a buffer's size: a smaller batch that fits, if the buffer grows with the batch.
fn with_remedy(error: GpuError, batch: usize) -> GpuError {
    match error {
        GpuError::Limit { buffer, needed, limit, allowed, remedy } => {
            let grows = ["input", names::GRADIENTS, names::EARLIER, names::ZEROS].contains(&buffer.as_str())
                || [".out", ".winner", ".out.grad"].iter().any(|end| buffer.ends_with(end));
            let fits = u128::from(allowed) * batch as u128 / u128::from(needed);
            let remedy = match fits {
                1.. if grows => format!("a {} of {fits} would fit", Argument("batch")),
                _ => remedy,
            };
            GpuError::Limit { buffer, needed, limit, allowed, remedy }
        }
        other => other,
    }
}

/// Compiles one pipeline per distinct text, on all cores.
///
/// # Safety
/// If `checked` is false, same as [`Player::unchecked`].
unsafe fn compile(
    device: &Device,
    dispatches: &[Dispatch],
    checked: bool,
    unrolls: bool,
) -> Result<HashMap<String, wgpu::ComputePipeline>, GpuError> {
    let mut work: Vec<&Dispatch> = dispatches.iter().collect();
    work.sort_by_key(|dispatch| &dispatch.wgsl);
    work.dedup_by_key(|dispatch| &dispatch.wgsl);
    let next = AtomicUsize::new(0);
    let made = on_all_cores(work.len(), || {
        let mut mine = Vec::new();
        while let Some(dispatch) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Dispatch { stem, wgsl, slots, .. } = dispatch;
            let made = text(dispatch, unrolls && !checked).and_then(|text| {
                // SAFETY: upheld by the caller.
                unsafe { device.pipeline(stem, &text, slots, checked) }
            });
            mine.push(made.map(|pipeline| (wgsl.clone(), pipeline)));
        }
        mine
    });
    made.into_iter().flatten().collect()
}

/// The text to compile, whose bindings must be those of the plan, in order. With run-time checks, arrays stay in memory
/// even in unrolled text, which takes llvmpipe minutes to compile.
fn text(dispatch: &Dispatch, unrolls: bool) -> Result<String, GpuError> {
    let Dispatch { stem, wgsl, slots, .. } = dispatch;
    let declared = shader::slots(stem, wgsl)?;
    if declared != *slots {
        let names = |list: &[Slot]| list.iter().map(|slot| format!("{slot:?}")).collect();
        return Err(GpuError::Bindings { kernel: stem.clone(), expected: names(slots), found: names(&declared) });
    }
    Ok(if unrolls { unrolled(stem, wgsl)? } else { wgsl.clone() })
}
