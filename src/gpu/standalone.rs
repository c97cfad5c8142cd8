//! Runs a single shader outside any plan.

use super::{Device, GpuError};
use crate::kernels::Spec;
use crate::plan::shader::{self, Slot};

/// One of the crate's own shaders, bound by name.
pub(crate) struct Standalone {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Standalone {
    /// Compiles and binds the shader.
    ///
    /// # Errors
    /// If the shader is invalid or the driver rejects it.
    ///
    /// # Panics
    /// If a binding of the shader has no buffer.
    pub fn new(device: &Device, spec: &Spec, buffers: &[(&str, &wgpu::Buffer)]) -> Result<Standalone, GpuError> {
        let (name, text) = (spec.stem, shader::specialise(spec, spec.wgsl)?);
        let slots = shader::slots(name, &text)?;
        // SAFETY: every loop of the probes is bounded by constants, and every index is guarded by one.
        let pipeline = unsafe { device.pipeline(name, &text, &slots, device.checked)? };
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
        Ok(Standalone { pipeline, bindings, workgroups: spec.workgroups })
    }

    /// Encodes the dispatch into a pass.
    pub fn encode(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}
