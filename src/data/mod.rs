//! Images and labels on the host: reading, fetching, generating, splitting.

mod fetch;
mod idx;
mod known;
mod set;
mod split;
pub mod synthetic;

pub use fetch::{Fetcher, Progress};
pub use idx::{Images, read_images, read_labels};
pub use known::{Check, File, KNOWN, Known, find};
pub use set::{DataSet, Locator, Part, Source, class_count, fingerprint};
pub use split::{epoch_order, hold_out};

use std::path::PathBuf;

/// What can be wrong with data. Every message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot read {path}: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{path} is no IDX file of {what}: {text}")]
    Header { path: PathBuf, what: &'static str, text: String },
    #[error("{path} ends after {found} of the {expected} bytes that its header promises; fetch or copy it again")]
    Truncated { path: PathBuf, found: u64, expected: u64 },
    #[error("{path} holds more than the {expected} bytes that its header promises; fetch or copy it again")]
    TooLong { path: PathBuf, expected: u64 },
    #[error("{path} promises {bytes} bytes, more than this machine has memory for")]
    NoMemory { path: PathBuf, bytes: u64 },
    #[error("{images} holds {image_count} images and {labels} holds {label_count} labels; the two belong together")]
    Counts { images: PathBuf, image_count: usize, labels: PathBuf, label_count: usize },
    #[error("{0} holds no images")]
    Empty(PathBuf),
    #[error("the training images have {train:?} pixels and the test images {test:?} (height, width)")]
    Sizes { train: (usize, usize), test: (usize, usize) },
    #[error("{path}: label {label} at place {index}, but there are only {classes} classes")]
    Label { path: String, label: u8, index: usize, classes: usize },
    #[error("{0} has labels of one class only; there is nothing to tell apart")]
    OneClass(String),
    #[error(
        "{folder} has neither {name} nor {name}.gz; a data folder holds train-images-idx3-ubyte, \
         train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, gzipped or not"
    )]
    Missing { folder: PathBuf, name: String },
    #[error(
        "there is no data set {0:?}: give auto, mnist, fashion, kmnist, synthetic, synthetic:N, or a folder with four IDX files"
    )]
    Unknown(String),
    #[error("{0:?}: synthetic:N takes a whole number of training images from 2 to 10000000")]
    SyntheticCount(String),
    #[error("{name} is not in {cache} and --offline forbids to fetch it; run `mnist-gpu data fetch {name}` once")]
    Offline { name: String, cache: PathBuf },
    #[error(
        "cannot fetch {file}. Tried:\n{}\nBy hand: mkdir -p {folder} && curl -fL -o {folder}/{file} {url}",
        .tried.iter().map(|(url, reason)| format!("  {url}: {reason}")).collect::<Vec<_>>().join("\n")
    )]
    Fetch { file: String, folder: PathBuf, url: String, tried: Vec<(String, String)> },
    #[error("cannot write {path}: {reason}")]
    Unwritable { path: PathBuf, reason: String },
    #[error("this system has no cache folder; set MNIST_GPU_CACHE or --cache")]
    NoCache,
    #[error("--validation {validation} leaves nothing to train on: there are {images} training images")]
    Validation { validation: usize, images: usize },
}
