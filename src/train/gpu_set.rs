//! A data set on the device: whole, or through a window.
//!
//! What does not fit is streamed: before each submission the images of its rows are packed into a window, in the order in
//! which they are needed. Such a write is staged when it is asked for and copied when the queue comes to it, after the
//! submission before: the host packs the next window while the device still works on the last, and nothing is overwritten
//! that is yet to be read. Kernels see the same rows either way, so the results have the same bits.

use super::TrainError;
use crate::data::DataSet;
use crate::gpu::{Device, GpuError};
use crate::plan::names;
use std::ops::Range;

/// Bytes of a window: a few submissions of the smallest batches, and little beside a set that is streamed.
const WINDOW: u64 = 16 << 20;

/// A data set on the device.
pub struct GpuSet {
    pub(super) images: wgpu::Buffer,
    pub(super) labels: wgpu::Buffer,
    /// Images of the set.
    pub len: usize,
    /// Images that lie on the device at a time.
    pub held: usize,
    /// What the window is filled from.
    streamed: Option<Streamed>,
}

struct Streamed {
    bytes: Vec<u8>,
    labels: Vec<u8>,
    pixels: usize,
}

impl GpuSet {
    /// Brings images to the device as they are, a byte a pixel, and takes them out of `set`. Where they are more than the
    /// device has room for, a window is made, for `batch` images at least. Kernels believe every label that comes through
    /// here.
    ///
    /// # Errors
    /// Labels beyond so many classes, or not even a batch fits.
    pub fn new(device: &Device, set: &mut DataSet, batch: usize, classes: usize) -> Result<GpuSet, TrainError> {
        set.check("a set on its way to the device", classes)?;
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
                0 => "not one image would fit; give more --device-memory, or take smaller images".into(),
                fits => format!("{fits} images would fit, so take a --batch no larger"),
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

    /// Whether only a window lies on the device.
    pub fn is_streamed(&self) -> bool {
        self.streamed.is_some()
    }

    /// Batches of a submission, at most.
    pub fn batches(&self, batch: usize) -> usize {
        if self.is_streamed() { self.held / batch } else { usize::MAX }
    }

    /// Before the first submission: says to the kernels, through `buffer`, in which order the images come.
    ///
    /// # Panics
    /// If one of them is none of the set's.
    pub fn begin(&self, device: &Device, buffer: &wgpu::Buffer, order: &[u32]) {
        assert!(order.iter().all(|&index| (index as usize) < self.len), "an order holds places of the set");
        if !self.is_streamed() {
            device.write(buffer, order);
        }
    }

    /// Before each submission: brings the images of these rows of the order.
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
