//! Images and labels on the host: reading, fetching, generating, splitting.

mod fetch;
mod folder;
mod idx;
mod known;
mod picture;
mod prepare;
mod set;
mod source;
mod split;
pub mod synthetic;

pub use fetch::{Checking, Fetcher, OnProgress, is_right};
use folder::unlike;
pub use folder::{Folder, PassedOver, Reading, is_left_over, pictures_in, read_pictures};
pub use idx::{Images, read_first_column, read_images, read_labels};
pub use known::{Check, File, KNOWN, Known, Layout, find};
pub use picture::{Grey, is_picture};
pub use prepare::{Image, Prepare};
pub use set::{Classes, DataSet, Part, fingerprint};
pub use source::{Loaded, Locator, Pictures, Source, Unfit};
pub use split::{epoch_order, hold_out};

use crate::text::{self, Argument, Shown};

/// Errors of data sets. Every message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    #[error("cannot read {path}: {reason}")]
    Unreadable { path: Shown, reason: Shown },
    #[error("{path} is no IDX file of {what}: {text}")]
    Header { path: Shown, what: &'static str, text: String },
    #[error("{path} ends after {found} of the {expected} bytes that its header promises; fetch or copy it again")]
    Truncated { path: Shown, found: u64, expected: u64 },
    #[error("{path} holds more than the {expected} bytes that its header promises; fetch or copy it again")]
    TooLong { path: Shown, expected: u64 },
    #[error("{path} promises {bytes} bytes, more than this machine has memory for")]
    NoMemory { path: Shown, bytes: u64 },
    #[error("{images} holds {image_count} images and {labels} holds {label_count} labels; the two belong together")]
    Counts { images: Shown, image_count: usize, labels: Shown, label_count: usize },
    #[error("{path} cannot be used as a picture: {reason}")]
    Picture { path: Shown, reason: Shown },
    #[error(
        "{path} has {}x{} pixels (height, width), not {}x{}; {} mnist or resize fits it",
        .found[0], .found[1], .wanted[0], .wanted[1], Argument("prepare")
    )]
    PictureSize { path: Shown, found: [usize; 2], wanted: [usize; 2] },
    #[error(
        "{} of the pictures cannot be used; repair or remove them, or skip them with {}:\n{}", .0.len(), Argument("skip-bad"),
        listed(.0)
    )]
    BadPictures(Vec<DataError>),
    #[error(
        "{0} holds no pictures: it takes a folder for each class with PNG, JPEG, BMP, GIF or WebP files, itself or in its \
         folders train and test"
    )]
    NoPictures(Shown),
    #[error("{folder} has one class only, {class:?}; there is nothing to tell apart. Give each class a folder")]
    OneClassFolder { folder: Shown, class: String },
    #[error("{folder} has {classes} classes, and at most 256 can be told apart")]
    TooManyClasses { folder: Shown, classes: usize },
    #[error(
        "class {class:?} of {folder} has one picture, so none is left to test on; add more, or make folders train and test"
    )]
    OnePicture { folder: Shown, class: String },
    #[error(
        "the name of folder \"{0}\" cannot be a class name: it is not UTF-8, or has control characters or backslashes"
    )]
    ClassName(Shown),
    #[error(
        "{name} has the class {class:?}, which the model does not know: it has {}; fine-tune it, or name the folders so",
        text::listed(.known)
    )]
    UnknownClass { name: Shown, class: String, known: Vec<String> },
    #[error("{0} holds no images")]
    Empty(Shown),
    #[error("the training images have {train:?} pixels and the test images {test:?} (height, width)")]
    Sizes { train: (usize, usize), test: (usize, usize) },
    #[error("{path}: label {label} at place {index}, but there are only {classes} classes")]
    Label { path: Shown, label: u8, index: usize, classes: usize },
    #[error("{path}: all of its labels are {label}; with one class there is nothing to tell apart")]
    OneClass { path: Shown, label: u8 },
    #[error("{name} has names for {classes} classes, but {} is {asked}; omit it", Argument("classes"))]
    Classes { name: Shown, classes: usize, asked: usize },
    #[error("a set has {images} images and {labels} labels; there must be as many of one as of the other")]
    Uneven { images: usize, labels: usize },
    #[error(
        "{folder} is no data set: {reason}. Give a folder with a folder of pictures for each class, such as \
         {folder}/A/1.png, or one with the four IDX files"
    )]
    NoData { folder: Shown, reason: &'static str },
    #[error("class folder {0} has no pictures (PNG, JPEG, BMP, GIF or WebP); put some there, or remove it")]
    EmptyClass(Shown),
    #[error("class {class:?} of {folder} has pictures to test or to validate on, but none to train on")]
    Untrained { folder: Shown, class: String },
    #[error("none of the pictures {what} can be used; repair some, or remove them:\n{}", listed(.bad))]
    AllBad { what: String, bad: Vec<DataError> },
    #[error(
        "{folder} has neither {name} nor {name}.gz; a data folder holds train-images-idx3-ubyte, \
         train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, gzipped or not"
    )]
    Missing { folder: Shown, name: String },
    #[error(
        "there is no data set \"{0}\": give auto, {names}, synthetic, synthetic:N, a folder with four IDX files, or one with a \
         folder of pictures for each class", names = KNOWN.map(|known| known.name).join(", ")
    )]
    Unknown(Shown),
    #[error("\"{0}\": synthetic:N takes a whole number of training images from 2 to 10000000")]
    SyntheticCount(Shown),
    #[error(
        "{name} is not in {cache}, and {} forbids downloading it; run `mnist-gpu data fetch {name}` once",
        Argument("offline")
    )]
    Offline { name: String, cache: Shown },
    #[error("{path} is damaged: {reason}. Fetch it again with `mnist-gpu data fetch {name}`")]
    Damaged { path: Shown, reason: Shown, name: String },
    #[error(
        "cannot fetch {file}. Tried:\n{}\nBy hand: mkdir -p {folder} && curl -fL -o {folder}/{file} {url}",
        .tried.iter().map(|(url, reason)| format!("  {url}: {reason}")).collect::<Vec<_>>().join("\n")
    )]
    Fetch { file: String, folder: Shown, url: String, tried: Vec<(String, Shown)> },
    #[error("{path} does not hold {name}: {reason}; remove it to fetch it again")]
    Archive { path: Shown, name: String, reason: Shown },
    #[error("cannot write {path}: {reason}")]
    Unwritable { path: Shown, reason: Shown },
    #[error("this system has no cache folder; set MNIST_GPU_CACHE or {}", Argument("cache"))]
    NoCache,
    #[error("{} {validation} leaves nothing to train on: there are {images} training images", Argument("validation"))]
    Validation { validation: usize, images: usize },
}

/// One error per line.
fn listed(errors: &[DataError]) -> String {
    errors.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n")
}
