//! A data set on the device: whole, or through a window.
//!
//! A set that does not fit is streamed: before each submission the images of its rows are packed into a window, in the
//! order in which they are needed. Such a write is staged at once and copied when the queue reaches it, after the
//! previous submission: the host packs the next window while the device still works on the last one, and nothing is
//! overwritten before it is read. Kernels see the same rows either way, so the results are bit-identical.

use super::TrainError;
use crate::data::DataSet;
use crate::gpu::{Device, GpuError};
use crate::plan::names;
use crate::text::Argument;
use std::ops::Range;

/// Size of a window in bytes: a few submissions of the smallest batches, and small compared with a streamed set.
const WINDOW: u64 = 16 << 20;

/// A data set on the device.
pub struct GpuSet {
    pub(super) images: wgpu::Buffer,
    pub(super) labels: wgpu::Buffer,
    /// Number of images in the set.
    pub len: usize,
    /// Number of images on the device at a time.
    pub held: usize,
    /// Source of the window's images.
    streamed: Option<Streamed>,
}

struct Streamed {
    bytes: Vec<u8>,
    labels: Vec<u8>,
    pixels: usize,
}

impl GpuSet {
    /// Moves the images of `set` to the device, one byte per pixel. If the device has no room for all of them, makes a
    /// window for at least `batch` images. Labels are checked here because kernels trust them.
    ///
    /// # Errors
    /// If a label is not below `classes`, or if not even a batch fits.
    pub fn new(device: &Device, set: &mut DataSet, batch: usize, classes: usize) -> Result<GpuSet, TrainError> {
        set.check("the data set", classes)?;
        let (len, pixels) = (set.labels.len(), set.images.pixels());
        let bytes = std::mem::take(&mut set.images.bytes);
        if bytes.len() as u64 <= device.room() {
            match device.upload_bytes(names::IMAGES, &bytes) {
                Ok(images) => {
                    let labels = device.upload(names::LABELS, &words(&set.labels))?;
                    return Ok(GpuSet { images, labels, len, held: len, streamed: None });
                }
                Err(GpuError::OutOfMemory(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (needed, (allowed, limit)) = ((batch * pixels) as u64, device.room_limit());
        if needed > allowed {
            let remedy = match allowed / pixels as u64 {
                0 => "not one image would fit; raise the limit, or use smaller images".into(),
                fits => format!("{fits} images would fit; use a smaller {}", Argument("batch")),
            };
            return Err(GpuError::Limit { buffer: names::IMAGES.into(), needed, limit, allowed, remedy }.into());
        }
        let held = (allowed.min(WINDOW) as usize / pixels).max(batch).min(len);
        Ok(GpuSet {
            images: device.buffer(names::IMAGES, (held * pixels).div_ceil(4))?,
            labels: device.buffer(names::LABELS, held)?,
            len,
            held,
            streamed: Some(Streamed { bytes, labels: set.labels.clone(), pixels }),
        })
    }

    /// Whether the device holds only a window of the set.
    pub fn is_streamed(&self) -> bool {
        self.streamed.is_some()
    }

    /// Maximum number of batches in a submission.
    pub fn batches(&self, batch: usize) -> usize {
        if self.is_streamed() { self.held / batch } else { usize::MAX }
    }

    /// Writes the order of the images to `buffer`. Call it before the first submission.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn begin(&self, device: &Device, buffer: &wgpu::Buffer, order: &[u32]) {
        assert!(order.iter().all(|&index| (index as usize) < self.len), "an index is out of range");
        if !self.is_streamed() {
            device.write(buffer, order);
        }
    }

    /// Uploads the images of these rows of the order. Call it before each submission.
    pub fn provide(&self, device: &Device, buffer: &wgpu::Buffer, order: &[u32], rows: Range<usize>) {
        let Some(Streamed { bytes, labels, pixels }) = &self.streamed else { return };
        let indices = || order[rows.clone()].iter().map(|&index| index as usize);
        let mut window = Vec::with_capacity((rows.len() * pixels).next_multiple_of(4));
        indices().for_each(|index| window.extend_from_slice(&bytes[index * pixels..][..*pixels]));
        window.resize(window.len().next_multiple_of(4), 0);
        device.write_bytes(&self.images, 0, &window);
        device.write(&self.labels, &indices().map(|index| u32::from(labels[index])).collect::<Vec<_>>());
        device.write_at(buffer, rows.start, &(0..rows.len() as u32).collect::<Vec<_>>());
    }
}

fn words(labels: &[u8]) -> Vec<u32> {
    labels.iter().map(|&label| u32::from(label)).collect()
}
