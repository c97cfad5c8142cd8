//! Compiles WGSL to pipelines.

use super::{Device, GpuError};
use crate::plan::shader::Slot;

impl Device {
    /// Returns the pipeline of a shader with these bindings, compiled on first use, with or without run-time checks.
    ///
    /// # Errors
    /// If the driver rejects it, or it needs too many storage buffers.
    ///
    /// # Safety
    /// Without checks, the shader must not access memory outside its bindings, whatever they hold, nor loop forever.
    pub(super) unsafe fn pipeline(
        &self,
        name: &str,
        text: &str,
        slots: &[Slot],
        checked: bool,
    ) -> Result<wgpu::ComputePipeline, GpuError> {
        let known = || self.pipelines.lock().unwrap_or_else(|e| e.into_inner());
        let key = (text.to_string(), checked);
        if let Some(pipeline) = known().get(&key) {
            return Ok(pipeline.clone());
        }
        // SAFETY: upheld by the caller.
        let pipeline = unsafe { self.compile(name, text, slots, checked)? };
        known().insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// # Safety
    /// Same as [`Device::pipeline`].
    unsafe fn compile(
        &self,
        name: &str,
        text: &str,
        slots: &[Slot],
        checked: bool,
    ) -> Result<wgpu::ComputePipeline, GpuError> {
        let gpu = &self.device;
        let stored = slots.iter().filter(|slot| !slot.uniform).count() as u32;
        let allowed = gpu.limits().max_storage_buffers_per_shader_stage;
        if stored > allowed {
            return Err(GpuError::StorageBuffers { kernel: name.into(), needed: stored, allowed });
        }
        self.scoped(name, || {
            let source =
                wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(text.into()) };
            let module = if checked {
                gpu.create_shader_module(source)
            } else {
                // SAFETY: upheld by the caller.
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
                // Every kernel writes workgroup memory before reading it. Clearing it costs a serial loop on some
                // drivers, and in GLSL a whole-array assignment that Mesa takes minutes to compile.
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        })
    }
}
