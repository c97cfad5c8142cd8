//! Images with their labels.

use super::fetch::hex;
use super::{DataError, Images};
use sha2::{Digest, Sha256};

/// One part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    Test,
}

/// Images with their labels, as many of one as of the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSet {
    pub images: Images,
    pub labels: Vec<u8>,
}

impl DataSet {
    /// Images of this height and width, a byte for each pixel, row by row and one behind the other, with a label for each.
    ///
    /// # Errors
    /// As many bytes as do not make so many images.
    pub fn new([height, width]: [usize; 2], images: Vec<u8>, labels: Vec<u8>) -> Result<DataSet, DataError> {
        let set = DataSet { images: Images { height, width, bytes: images }, labels };
        set.check("the labels", 256).map(|()| set)
    }

    /// Keeps the first `limit`, and the last ones that are held out.
    pub fn limit(&mut self, limit: usize, held_out: usize) {
        let end = self.labels.len() - held_out;
        if limit < end {
            let pixels = self.images.pixels();
            self.labels.drain(limit..end);
            self.images.bytes.drain(limit * pixels..end * pixels);
            self.images.bytes.shrink_to_fit();
        }
    }

    /// Mean and standard deviation of the pixels of some images, in 0..1. Exact sums of whole numbers, so the same anywhere.
    pub fn normalisation(&self, indices: &[u32]) -> (f32, f32) {
        let pixels = self.images.pixels();
        let mut histogram = [0_u64; 256];
        for &index in indices {
            for &byte in &self.images.bytes[index as usize * pixels..][..pixels] {
                histogram[usize::from(byte)] += 1;
            }
        }
        let count = (indices.len() * pixels) as f64;
        let values = || histogram.iter().enumerate().map(|(byte, &n)| (byte as f64 / 255.0, n as f64));
        let mean = values().map(|(value, n)| value * n).sum::<f64>() / count;
        let variance = values().map(|(value, n)| (value - mean).powi(2) * n).sum::<f64>() / count;
        // Images without any contrast would divide by zero.
        (mean as f32, (variance.sqrt() as f32).max(1e-3))
    }

    /// Checks that there is a label for each image, and that each label is one of so many classes.
    ///
    /// # Errors
    /// There is not, or the first label that is none of them.
    pub fn check(&self, name: &str, classes: usize) -> Result<(), DataError> {
        let (images, labels) = (self.images.len(), self.labels.len());
        if images != labels || self.images.bytes.len() != images * self.images.pixels() {
            return Err(DataError::Uneven { images, labels });
        }
        match self.labels.iter().position(|&label| usize::from(label) >= classes) {
            Some(index) => Err(DataError::Label { path: name.into(), label: self.labels[index], index, classes }),
            None => Ok(()),
        }
    }
}

/// How many classes a set has, and what they are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    pub count: usize,
    /// None where its labels are numbers and nothing more.
    pub names: Option<Vec<String>>,
    /// Those without a training image.
    pub(super) missing: Vec<usize>,
}

impl Classes {
    /// As many classes as are asked for, or as the largest label tells of.
    ///
    /// # Errors
    /// A label that is none of them, or not as many labels as images.
    pub fn of_labels(train: &DataSet, test: &DataSet, asked: Option<usize>) -> Result<Classes, DataError> {
        let labels = || train.labels.iter().chain(&test.labels).map(|&label| usize::from(label));
        let count = asked.unwrap_or_else(|| labels().max().map_or(1, |largest| largest + 1));
        for (set, name) in [(train, "the training labels"), (test, "the test labels")] {
            set.check(name, count)?;
        }
        let missing = (0..count).filter(|&class| !train.labels.iter().any(|&label| usize::from(label) == class));
        Ok(Classes { count, names: None, missing: missing.collect() })
    }

    /// A warning for classes without any images, or none if every class occurs.
    pub fn oddity(&self) -> Option<String> {
        let (missing, count) = (self.missing.len(), self.count);
        let remedy = match &self.names {
            Some(_) => "",
            None => ". If a label is wrong, mend it; with --classes N, labels from N on are refused",
        };
        (missing > 0).then(|| {
            let (verb, runs) = (if missing == 1 { "has" } else { "have" }, runs(&self.missing));
            format!("{missing} of the {count} classes {verb} no training images: {runs}{remedy}")
        })
    }
}

/// `0, 10 to 254`.
fn runs(numbers: &[usize]) -> String {
    let parts = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match (run[0], run[run.len() - 1]) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first} to {last}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// What identifies the data of a run: the SHA-256 of images and labels.
pub fn fingerprint(set: &DataSet) -> String {
    let mut digest = Sha256::new();
    digest.update((set.images.height as u64).to_le_bytes());
    digest.update((set.images.width as u64).to_le_bytes());
    digest.update(&set.labels);
    digest.update(&set.images.bytes);
    hex(&digest.finalize())
}
