//! A device with its queue: buffers, read-back and error handling.

use super::{AdapterInfo, GpuError, Selection, adapter};
use crate::kernels::Tiles;
use crate::text::{Argument, Shown};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Time after which a submission is considered dead. Submissions are sized to take a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// An open device.
pub struct Device {
    pub info: AdapterInfo,
    /// Whether kernels keep wgpu's run-time checks.
    pub checked: bool,
    /// Maximum bytes of a data set on the device, if set by the user.
    pub device_memory: Option<u64>,
    /// Tile sizes of plans: those of the device's class unless overridden.
    pub tiles: Tiles,
    /// If true, loops marked `// unroll` are unrolled in the shader source.
    pub unrolls: bool,
    /// How long to wait for an answer.
    pub patience: Duration,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// The first error that no scope caught, or the reason for the loss of the device.
    failure: Arc<Mutex<Option<GpuError>>>,
    /// Pipelines by text and whether they have run-time checks; training and evaluation share most of them.
    pub(super) pipelines: Mutex<HashMap<(String, bool), wgpu::ComputePipeline>>,
}

/// A read-back in progress.
pub struct Pending {
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    lens: Vec<usize>,
    mapped: OneshotReceiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Device {
    /// Opens the selected adapter.
    ///
    /// # Errors
    /// If no adapter matches, or it provides no device.
    pub fn open(selection: &Selection, checked: bool) -> Result<Device, GpuError> {
        let (adapter, info) = adapter::choose(selection)?;
        Device::of(&adapter, info, checked)
    }

    /// Same as [`Device::open`], with timestamps if the adapter has them, for measuring.
    ///
    /// # Errors
    /// Same as [`Device::open`].
    pub fn open_to_measure(selection: &Selection, checked: bool) -> Result<Device, GpuError> {
        let (adapter, info) = adapter::choose(selection)?;
        let timestamps = adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        Device::with(&adapter, info, checked, timestamps)
    }

    /// Opens an adapter. Requests WebGPU's default limits, or lower ones if the adapter does not reach them, and the
    /// adapter's own buffer sizes.
    ///
    /// # Errors
    /// If the driver rejects the request.
    pub fn of(adapter: &wgpu::Adapter, info: AdapterInfo, checked: bool) -> Result<Device, GpuError> {
        Device::with(adapter, info, checked, wgpu::Features::empty())
    }

    fn with(
        adapter: &wgpu::Adapter,
        info: AdapterInfo,
        checked: bool,
        features: wgpu::Features,
    ) -> Result<Device, GpuError> {
        let offered = adapter.limits();
        let mut limits = wgpu::Limits::default().or_worse_values_from(&offered);
        limits.max_buffer_size = offered.max_buffer_size;
        limits.max_storage_buffer_binding_size = offered.max_storage_buffer_binding_size;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("mnist-gpu"),
            required_features: features,
            required_limits: limits,
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| GpuError::NoDevice { name: (&info.name).into(), reason: Shown::new(e) })?;

        let failure = Arc::new(Mutex::new(None));
        let note = |failure: &Arc<Mutex<Option<GpuError>>>, error: GpuError| {
            let mut first = failure.lock().unwrap_or_else(|e| e.into_inner());
            first.get_or_insert(error);
        };
        let uncaptured = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error| note(&uncaptured, rejected("a command", error))));
        let lost = failure.clone();
        device.set_device_lost_callback(move |reason, text| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                note(&lost, GpuError::Lost(text.into()));
            }
        });
        // The software shaders read from uniforms of the size that WebGPU guarantees, which a device may lack.
        let guaranteed = 4 * crate::kernels::UNIFORM as u64;
        let tiles = match device.limits().max_uniform_buffer_binding_size < guaranteed {
            true => Tiles::of(info.class()).without_uniforms(),
            false => Tiles::of(info.class()),
        };
        let unrolls = info.needs_unrolled_loops();
        Ok(Device {
            info,
            checked,
            device_memory: None,
            tiles,
            unrolls,
            patience: PATIENCE,
            device,
            queue,
            failure,
            pipelines: Mutex::default(),
        })
    }

    /// Checks for errors that the driver reported since the last call.
    ///
    /// # Errors
    /// The first such error.
    pub fn check(&self) -> Result<(), GpuError> {
        match self.failure.lock().unwrap_or_else(|e| e.into_inner()).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Runs `create` in error scopes and turns any error into one that names `what`.
    pub(super) fn scoped<T>(&self, what: &str, create: impl FnOnce() -> T) -> Result<T, GpuError> {
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let made = create();
        let errors = [internal, memory, validation].map(|scope| pollster::block_on(scope.pop()));
        match errors.into_iter().flatten().next() {
            Some(error) => Err(rejected(what, error)),
            None => Ok(made),
        }
    }

    /// Maximum bytes of a buffer that a kernel can bind, and the limit that determines it.
    pub fn largest(&self) -> (u64, &'static str) {
        let limits = self.device.limits();
        let buffer = (limits.max_buffer_size, "max_buffer_size");
        let binding = (limits.max_storage_buffer_binding_size, "max_storage_buffer_binding_size");
        if buffer.0 < binding.0 { buffer } else { binding }
    }

    /// Maximum bytes on the device for a data set, or for data computed once from it, and the limit that determines it.
    pub fn room_limit(&self) -> (u64, String) {
        let (largest, name) = self.largest();
        match self.device_memory {
            Some(memory) if memory < largest => (memory, Argument("device-memory").to_string()),
            _ => (largest, name.into()),
        }
    }

    /// Same as [`Device::room_limit`], without the name of the limit.
    pub fn room(&self) -> u64 {
        self.room_limit().0
    }

    /// Destroys the device: later calls fail as on a lost device.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Creates a zeroed storage buffer of `len` four-byte elements.
    ///
    /// # Errors
    /// If it is larger than the device allows, or memory runs out.
    pub fn buffer(&self, name: &str, len: usize) -> Result<wgpu::Buffer, GpuError> {
        let size = (len.max(4) * 4) as u64;
        let (allowed, limit) = self.largest();
        if size > allowed {
            let remedy =
                format!("{} float32 values would fit; use a smaller {} or network", allowed / 4, Argument("batch"));
            return Err(GpuError::Limit { buffer: name.into(), needed: size, limit: limit.into(), allowed, remedy });
        }
        // Parameters are read as uniforms and written as storage, so every buffer allows both.
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::UNIFORM
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        self.scoped(&format!("buffer {name}"), || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(name),
                size,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// Creates a storage buffer with content.
    ///
    /// # Errors
    /// Same as [`Device::buffer`].
    pub fn upload(&self, name: &str, content: &[u32]) -> Result<wgpu::Buffer, GpuError> {
        self.upload_bytes(name, bytemuck::cast_slice(content))
    }

    /// Creates a storage buffer from bytes, the last word padded with zeros. Uploads in chunks, so that the staging
    /// copy of a large data set is never held whole.
    ///
    /// # Errors
    /// Same as [`Device::buffer`].
    pub fn upload_bytes(&self, name: &str, content: &[u8]) -> Result<wgpu::Buffer, GpuError> {
        const PART: usize = 4 << 20;
        let buffer = self.buffer(name, content.len().div_ceil(4))?;
        for (at, part) in content.chunks(PART).enumerate() {
            let (words, rest) = part.split_at(part.len() / 4 * 4);
            let offset = (at * PART) as u64;
            self.queue.write_buffer(&buffer, offset, words);
            if !rest.is_empty() {
                let mut word = [0; 4];
                word[..rest.len()].copy_from_slice(rest);
                self.queue.write_buffer(&buffer, offset + words.len() as u64, &word);
            }
            if content.len() > PART {
                self.wait(self.submit(self.encoder(), &[]))?;
            }
        }
        Ok(buffer)
    }

    /// Overwrites the start of a buffer before the next submission.
    pub fn write(&self, buffer: &wgpu::Buffer, content: &[u32]) {
        self.write_at(buffer, 0, content);
    }

    /// Overwrites a part of a buffer, from element `start` on, before the next submission.
    pub fn write_at(&self, buffer: &wgpu::Buffer, start: usize, content: &[u32]) {
        self.write_bytes(buffer, start, bytemuck::cast_slice(content));
    }

    /// Same as [`Device::write_at`], for bytes; they must be whole words.
    pub fn write_bytes(&self, buffer: &wgpu::Buffer, start: usize, content: &[u8]) {
        self.queue.write_buffer(buffer, (start * 4) as u64, content);
    }

    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("steps") })
    }

    /// Submits, and requests parts of buffers (first element, length) as of the end of the submission.
    pub fn submit(&self, mut encoder: wgpu::CommandEncoder, parts: &[(&wgpu::Buffer, usize, usize)]) -> Pending {
        let lens: Vec<usize> = parts.iter().map(|part| part.2).collect();
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read-back"),
            size: (lens.iter().sum::<usize>().max(1) * 4) as u64,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut at = 0;
        for (buffer, start, len) in parts {
            encoder.copy_buffer_to_buffer(buffer, (start * 4) as u64, &staging, at, (len * 4) as u64);
            at += (len * 4) as u64;
        }
        let submission = self.queue.submit([encoder.finish()]);
        let (sender, mapped) = oneshot_channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // The receiver is gone if the caller gave up waiting.
            let _ = sender.send(result);
        });
        Pending { staging, submission, lens, mapped }
    }

    /// Waits for a read-back and returns the parts in the order of the request.
    ///
    /// # Errors
    /// If the driver reported an error or did not respond in time.
    pub fn wait(&self, pending: Pending) -> Result<Vec<Vec<u32>>, GpuError> {
        let deadline = Instant::now() + self.patience;
        let mut mapped = Box::pin(pending.mapped.receive());
        // Nothing wakes this future: each poll drives the device until the answer arrives or time is up.
        let answer = pollster::block_on(poll_fn(|context| {
            let left = deadline.saturating_duration_since(Instant::now());
            let submission_index = Some(pending.submission.clone());
            let _ = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: Some(left) });
            if let Poll::Ready(answer) = mapped.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            if left.is_zero() {
                return Poll::Ready(None);
            }
            std::thread::sleep(left.min(Duration::from_millis(1)));
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        self.check()?;
        match answer {
            Some(Ok(())) => {}
            Some(Err(e)) => return Err(GpuError::Lost(Shown::new(e))),
            None => {
                self.abandon();
                return Err(GpuError::Silent(self.patience.as_secs()));
            }
        }
        let view = pending.staging.slice(..).get_mapped_range().map_err(|e| GpuError::Lost(Shown::new(e)))?;
        let words: &[u32] = bytemuck::cast_slice(&view);
        let mut at = 0;
        let parts = pending.lens.iter().map(|len| {
            at += len;
            words[at - len..at].to_vec()
        });
        Ok(parts.collect())
    }

    /// Leaks an unresponsive device, since dropping it would wait for it.
    fn abandon(&self) {
        std::mem::forget((self.device.clone(), self.queue.clone()));
    }

    /// Reads `len` elements of a buffer after everything submitted so far.
    ///
    /// # Errors
    /// Same as [`Device::wait`].
    pub fn read(&self, buffer: &wgpu::Buffer, start: usize, len: usize) -> Result<Vec<u32>, GpuError> {
        let mut parts = self.wait(self.submit(self.encoder(), &[(buffer, start, len)]))?;
        Ok(parts.pop().unwrap_or_default())
    }
}

fn rejected(what: &str, error: wgpu::Error) -> GpuError {
    match error {
        wgpu::Error::OutOfMemory { .. } => GpuError::OutOfMemory(what.into()),
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            GpuError::Rejected { what: what.into(), reason: description }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_says_is_told_with_the_thing_it_says_it_of() {
        let source = || Box::<dyn std::error::Error + Send + Sync>::from("no room");
        let text = rejected("buffer input", wgpu::Error::OutOfMemory { source: source() }).to_string();
        assert!(text.contains("out of memory for buffer input") && text.contains("`batch`"), "{text}");
        let error = wgpu::Error::Validation { source: source(), description: "too many groups".into() };
        assert_eq!(rejected("update", error).to_string(), "the driver rejected update: too many groups");
    }
}
