//! How long a pass takes on a device.

use super::{Device, GpuError};
use std::time::Instant;

/// Measures passes: by the device's own timestamps where it has them, else by the clock around a submission.
pub struct Timer<'d> {
    device: &'d Device,
    /// The two timestamps of a pass, and where they are put to be read.
    queries: Option<(wgpu::QuerySet, wgpu::Buffer)>,
}

impl<'d> Timer<'d> {
    /// Makes what measuring needs. A device that is the CPU itself is measured by the clock: its timestamps are taken on the
    /// same clock, when a submission is taken up.
    pub fn new(device: &'d Device) -> Timer<'d> {
        let gpu = &device.device;
        let has = gpu.features().contains(wgpu::Features::TIMESTAMP_QUERY) && !device.info.is_software();
        let queries = has.then(|| {
            let set = gpu.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            });
            let buffer = gpu.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: 16,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            (set, buffer)
        });
        Timer { device, queries }
    }

    /// Whether the device's own timestamps are used.
    pub fn has_timestamps(&self) -> bool {
        self.queries.is_some()
    }

    /// Runs a pass and returns the seconds it took.
    ///
    /// # Errors
    /// What the driver says.
    pub fn pass(&self, encode: impl FnOnce(&mut wgpu::ComputePass)) -> Result<f64, GpuError> {
        let mut encoder = self.device.encoder();
        let timestamp_writes = self.queries.as_ref().map(|(query_set, _)| wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        let descriptor = wgpu::ComputePassDescriptor { label: Some("measured"), timestamp_writes };
        encode(&mut encoder.begin_compute_pass(&descriptor));
        let start = Instant::now();
        let Some((set, buffer)) = &self.queries else {
            self.device.wait(self.device.submit(encoder, &[]))?;
            return Ok(start.elapsed().as_secs_f64());
        };
        encoder.resolve_query_set(set, 0..2, buffer, 0);
        let words = self.device.wait(self.device.submit(encoder, &[(buffer, 0, 4)]))?.concat();
        let at = |i: usize| u64::from(words[i]) | u64::from(words[i + 1]) << 32;
        let ticks = at(2).wrapping_sub(at(0)) as f64;
        Ok(ticks * f64::from(self.device.queue.get_timestamp_period()) * 1e-9)
    }
}
