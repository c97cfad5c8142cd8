//! Images with their labels.

use super::fetch::hex;
use super::{DataError, Images};
use crate::text::Argument;
use sha2::{Digest, Sha256};

/// One part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    Test,
}

/// Images with one label each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSet {
    pub images: Images,
    pub labels: Vec<u8>,
}

impl DataSet {
    /// A set of images of this height and width, one byte per pixel, in row-major order and consecutive, with one label
    /// each.
    ///
    /// # Errors
    /// If the number of bytes does not match the number of labels.
    pub fn new([height, width]: [usize; 2], images: Vec<u8>, labels: Vec<u8>) -> Result<DataSet, DataError> {
        let set = DataSet { images: Images { height, width, bytes: images }, labels };
        set.check("the labels", 256).map(|()| set)
    }

    /// Keeps the first `limit` images and the held-out ones at the end.
    pub fn limit(&mut self, limit: usize, held_out: usize) {
        let end = self.labels.len() - held_out;
        if limit < end {
            let pixels = self.images.pixels();
            self.labels.drain(limit..end);
            self.images.bytes.drain(limit * pixels..end * pixels);
            self.images.bytes.shrink_to_fit();
        }
    }

    /// At most so many of the chosen images, and bytes of them, evenly spread.
    pub fn sample(&self, chosen: &[u32], [images, bytes]: [usize; 2]) -> DataSet {
        let most = images.min(bytes / self.images.pixels().max(1)).min(chosen.len());
        self.chosen(&evenly(most, chosen.len()).map(|at| chosen[at]).collect::<Vec<u32>>())
    }

    /// Some of the images.
    pub fn chosen(&self, chosen: &[u32]) -> DataSet {
        let Images { height, width, .. } = self.images;
        let mut set = DataSet { images: Images { height, width, bytes: Vec::new() }, labels: Vec::new() };
        set.insert(0, self, chosen);
        set
    }

    /// Inserts some images of another set with the same size of images.
    pub fn insert(&mut self, at: usize, other: &DataSet, chosen: &[u32]) {
        let pixels = self.images.pixels();
        let end = self.labels.split_off(at);
        let end_bytes = self.images.bytes.split_off(at * pixels);
        for &image in chosen {
            self.labels.push(other.labels[image as usize]);
            self.images.bytes.extend_from_slice(&other.images.bytes[image as usize * pixels..][..pixels]);
        }
        self.labels.extend(end);
        self.images.bytes.extend(end_bytes);
    }

    /// Mean and standard deviation of the pixels of some images, in 0..1. Computed from exact integer counts, so the
    /// result is the same everywhere.
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
        // Images without contrast would cause a division by zero.
        (mean as f32, (variance.sqrt() as f32).max(1e-3))
    }

    /// Checks that every image has a label, and that every label is below `classes`.
    ///
    /// # Errors
    /// If the numbers differ, or the first label that is out of range.
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

/// At most `most` of the numbers below `of`, evenly spread.
pub fn evenly(most: usize, of: usize) -> impl Iterator<Item = usize> {
    let count = most.min(of);
    (0..count).map(move |at| at * of / count)
}

/// Number and names of the classes of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    pub count: usize,
    /// `None` if its labels are only numbers.
    pub names: Option<Vec<String>>,
    /// Classes without a training image.
    pub(super) missing: Vec<usize>,
    /// Training images of the smallest class that has any, and of the largest.
    sizes: [usize; 2],
}

/// Ratio of the largest class to the smallest one from which on a set is called unbalanced.
const UNBALANCED: usize = 10;

impl Classes {
    /// The classes of a data set: those with names, else as many as are requested, else one more than the largest
    /// training label.
    ///
    /// # Errors
    /// If there is only one class, a label of either part is out of range, or `asked` contradicts the names.
    pub fn of(
        data: &str,
        names: Option<Vec<String>>,
        train: &DataSet,
        test: &DataSet,
        asked: Option<usize>,
    ) -> Result<Classes, DataError> {
        let mut images = [0_usize; 256];
        train.labels.iter().for_each(|&label| images[usize::from(label)] += 1);
        let largest = images.iter().rposition(|&count| count > 0).unwrap_or(0);
        let count = match (&names, asked) {
            (Some(names), Some(asked)) if names.len() != asked => {
                return Err(DataError::Classes { name: data.into(), classes: names.len(), asked });
            }
            (Some(names), _) => names.len(),
            (None, Some(asked)) => asked,
            (None, None) => largest + 1,
        };
        train.check(&format!("the training part of {data}"), count)?;
        test.check(&format!("the test part of {data}"), count)?;
        let missing: Vec<usize> = (0..count).filter(|&class| images[class] == 0).collect();
        if count - missing.len() < 2 {
            return Err(DataError::OneClass { path: data.into(), label: largest as u8 });
        }
        let sizes = || images.iter().copied().filter(|&count| count > 0);
        let sizes = [sizes().min().unwrap_or(0), sizes().max().unwrap_or(0)];
        Ok(Classes { count, names, missing, sizes })
    }

    /// Warnings of what is unusual about the classes, whose loss may be `weighted`.
    pub fn remarks(&self, weighted: bool) -> Vec<String> {
        self.oddity().into_iter().chain(self.imbalance().filter(|_| !weighted)).collect()
    }

    /// A warning if some classes have far fewer training images than others.
    fn imbalance(&self) -> Option<String> {
        let [least, most] = self.sizes;
        (most >= UNBALANCED * least).then(|| {
            let weights = Argument("class-weights");
            format!("classes have from {least} to {most} training images; {weights} balanced counts small classes as much as large ones")
        })
    }

    /// A warning if classes have no training images; `None` if every class occurs.
    pub fn oddity(&self) -> Option<String> {
        let (missing, count) = (self.missing.len(), self.count);
        let remedy = match &self.names {
            Some(_) => String::new(),
            None => format!(". If a label is wrong, correct it; {} N rejects labels from N on", Argument("classes")),
        };
        (missing > 0).then(|| {
            let (verb, runs) = (if missing == 1 { "has" } else { "have" }, runs(&self.missing));
            format!("{missing} of the {count} classes {verb} no training images: {runs}{remedy}")
        })
    }
}

/// Formats numbers as `0, 10 to 254`.
fn runs(numbers: &[usize]) -> String {
    let parts = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match (run[0], run[run.len() - 1]) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first} to {last}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Identifies the data of a run: the SHA-256 of images and labels.
pub fn fingerprint(set: &DataSet) -> String {
    let mut digest = Sha256::new();
    digest.update((set.images.height as u64).to_le_bytes());
    digest.update((set.images.width as u64).to_le_bytes());
    digest.update(&set.labels);
    digest.update(&set.images.bytes);
    hex(&digest.finalize())
}
