//! From WGSL to a pipeline, and a shader that is played by itself.

use super::{Device, GpuError};
use crate::plan::Spec;
use crate::plan::shader::{self, Slot};

impl Device {
    /// The pipeline of a shader whose bindings are these, compiled at its first use.
    pub(super) fn pipeline(&self, name: &str, text: &str, slots: &[Slot]) -> Result<wgpu::ComputePipeline, GpuError> {
        let known = || self.pipelines.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(pipeline) = known().get(text) {
            return Ok(pipeline.clone());
        }
        let pipeline = self.compile(name, text, slots)?;
        known().insert(text.into(), pipeline.clone());
        Ok(pipeline)
    }

    fn compile(&self, name: &str, text: &str, slots: &[Slot]) -> Result<wgpu::ComputePipeline, GpuError> {
        let gpu = &self.device;
        let stored = slots.iter().filter(|slot| !slot.uniform).count() as u32;
        let allowed = gpu.limits().max_storage_buffers_per_shader_stage;
        if stored > allowed {
            return Err(GpuError::StorageBuffers { kernel: name.into(), needed: stored, allowed });
        }
        self.scoped(name, || {
            let source =
                wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(text.into()) };
            let module = if self.checked {
                gpu.create_shader_module(source)
            } else {
                // SAFETY: every loop of the shaders in `shaders/` is bounded by constants or by the update's table, every
                // index is guarded by the plan's sizes, and no divisor is zero; the conformance tests run with and without
                // the checks, with guarded padding around every buffer.
                unsafe { gpu.create_shader_module_trusted(source, wgpu::ShaderRuntimeChecks::unchecked()) }
            };
            let entries: Vec<_> = slots
                .iter()
                .map(|slot| wgpu::BindGroupLayoutEntry {
                    binding: slot.binding,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer {
                        ty: match slot.uniform {
                            true => wgpu::BufferBindingType::Uniform,
                            false => wgpu::BufferBindingType::Storage { read_only: !slot.writable },
                        },
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                })
                .collect();
            let layout =
                gpu.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries: &entries });
            let layout = gpu.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            gpu.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            })
        })
    }
}

/// A shader outside of any plan, bound by name.
pub struct Lone {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Lone {
    /// Compiles and binds it.
    ///
    /// # Errors
    /// A shader that is not valid, a driver that refuses it.
    ///
    /// # Panics
    /// If a binding of the shader has no buffer.
    pub fn new(device: &Device, spec: &Spec, buffers: &[(&str, &wgpu::Buffer)]) -> Result<Lone, GpuError> {
        let (name, text) = (spec.stem, shader::specialise(spec, spec.wgsl)?);
        let slots = shader::slots(name, &text)?;
        let pipeline = device.pipeline(name, &text, &slots)?;
        let buffer = |slot: &Slot| buffers.iter().find(|(of, _)| *of == slot.name).map(|(_, buffer)| *buffer);
        let entries: Vec<_> = slots
            .iter()
            .map(|slot| wgpu::BindGroupEntry {
                binding: slot.binding,
                resource: buffer(slot).unwrap_or_else(|| panic!("{name}: no {}", slot.name)).as_entire_binding(),
            })
            .collect();
        let bindings = device.scoped(name, || {
            device.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(name),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            })
        })?;
        Ok(Lone { pipeline, bindings, workgroups: spec.workgroups })
    }

    /// Appends it to a pass.
    pub fn encode(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}
