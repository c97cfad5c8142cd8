//! Times compute passes on a device.

use super::{Device, GpuError};
use std::time::Instant;

/// Times passes with device timestamps where available, otherwise with the host clock around a submission.
pub struct Timer<'d> {
    device: &'d Device,
    /// The two timestamps of a pass, and the buffer they are resolved into.
    queries: Option<(wgpu::QuerySet, wgpu::Buffer)>,
}

impl<'d> Timer<'d> {
    /// Creates the queries. A software rasteriser is timed with the host clock: its timestamps use the same clock and
    /// are taken when a submission is picked up.
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

    /// Whether device timestamps are used.
    pub fn has_timestamps(&self) -> bool {
        self.queries.is_some()
    }

    /// Runs a pass and returns its duration in seconds.
    ///
    /// # Errors
    /// If the driver reports an error or does not respond.
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
