//! Plays a plan on a device: pipelines, buffers and bind groups are made once, a step only encodes them.

use super::{Device, GpuError};
use crate::plan::shader::{self, Slot};
use crate::plan::{Access, Plan, Spec, names};
use std::collections::HashMap;

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
    /// the plan's content or zeros.
    ///
    /// # Errors
    /// A shader that does not fit its plan, a driver that refuses it, or too little memory.
    pub fn new(device: &Device, plan: Plan, shared: &[(&str, &wgpu::Buffer)]) -> Result<Player, GpuError> {
        Player::with_sources(device, plan, shared, |spec| spec.wgsl)
    }

    /// The same with other shaders: for tests that prove a broken one is noticed, and for tuning without a build.
    ///
    /// # Errors
    /// As [`Player::new`].
    pub fn with_sources<'s>(
        device: &Device,
        plan: Plan,
        shared: &[(&str, &wgpu::Buffer)],
        source: impl Fn(&Spec) -> &'s str,
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
        let pipelines = compile(device, &specs, &texts)?;

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

/// One pipeline for each distinct text, compiled on as many threads as there are cores.
fn compile(
    device: &Device,
    specs: &[Spec],
    texts: &[String],
) -> Result<HashMap<String, wgpu::ComputePipeline>, GpuError> {
    let mut work: Vec<(&Spec, &String)> = specs.iter().zip(texts).collect();
    work.sort_by_key(|(_, text)| *text);
    work.dedup_by_key(|(_, text)| *text);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(work.len());
    let mut made = HashMap::new();
    std::thread::scope(|scope| {
        let run = || {
            let mut mine = Vec::new();
            while let Some((spec, text)) = work.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                mine.push(pipeline(device, spec, text).map(|p| ((*text).clone(), p)));
            }
            mine
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        for handle in handles {
            for result in handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                let (text, pipeline) = result?;
                made.insert(text, pipeline);
            }
        }
        Ok(())
    })
    .map(|()| made)
}

/// WGSL to pipeline. The bindings are read out of the shader and must be the plan's ports, in order.
fn pipeline(device: &Device, spec: &Spec, text: &str) -> Result<wgpu::ComputePipeline, GpuError> {
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
    device.pipeline(spec.stem, text, &slots)
}
