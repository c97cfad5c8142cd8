//! Images and labels on the host: reading, downloading, generating, splitting.

mod arrays;
mod fetch;
mod folder;
mod idx;
mod known;
mod listed;
mod npy;
mod npz;
mod picture;
mod prepare;
mod set;
mod source;
mod split;
pub mod synthetic;
mod table;
mod tree;

pub use arrays::{is_array, read_unlabelled};
#[cfg(feature = "cli")]
pub(crate) use fetch::hex;
pub use fetch::{Checking, Fetcher, OnProgress, is_right};
pub use folder::{Folder, Reading, read_characters, read_pictures};
pub use idx::{Images, read_first_column, read_images, read_labels};
pub use known::{Check, File, KNOWN, Known, Layout, find};
pub use picture::{Grey, is_picture};
pub use prepare::{Character, Doubt, Image, Prepare, characters};
pub use set::{Classes, DataSet, Part, evenly, fingerprint};
pub use source::{Loaded, Locator, Pictures, Source, Unfit};
pub use split::{SplitBy, epoch_order, hold_out, means_part};
pub use tree::{PassedOver, is_left_over, pictures_in};

use crate::text::{self, Argument, Shown};

/// Errors of data sets. Every message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    #[error("cannot read {path}: {reason}")]
    Unreadable { path: Shown, reason: Shown },
    #[error("{path} is not a valid IDX file of {what}: {text}")]
    Header { path: Shown, what: &'static str, text: String },
    #[error("{path} ends after {found} of the {expected} bytes that its header declares; download or copy it again")]
    Truncated { path: Shown, found: u64, expected: u64 },
    #[error("{path} has more than the {expected} bytes that its header declares; download or copy it again")]
    TooLong { path: Shown, expected: u64 },
    #[error("{0} has too few images of each class to keep some for testing; add more, or a test part")]
    TooFew(Shown),
    #[error(
        "{folder} has files of several data sets, {}; move the files of each set into a folder of its own",
        text::listed(.files)
    )]
    SeveralSets { folder: Shown, files: Vec<String> },
    #[error("{path}: {text}")]
    Npz { path: Shown, text: String },
    #[error("{path}, row {row}: {text}")]
    Table { path: Shown, row: usize, text: String },
    #[error("{0} has only a test part; `mnist-gpu eval --data` uses it, but training needs a training part")]
    TestOnly(Shown),
    #[error("{path} needs {bytes} bytes, more than the available memory")]
    NoMemory { path: Shown, bytes: u64 },
    #[error("{images} has {image_count} images, but {labels} has {label_count} labels; the two must match")]
    Counts { images: Shown, image_count: usize, labels: Shown, label_count: usize },
    #[error("cannot use {path} as a picture: {reason}")]
    Picture { path: Shown, reason: Shown },
    #[error(
        "{path} has {}x{} pixels (height, width), not {}x{}; scale it with {} mnist or resize",
        .found[0], .found[1], .wanted[0], .wanted[1], Argument("prepare")
    )]
    PictureSize { path: Shown, found: [usize; 2], wanted: [usize; 2] },
    #[error(
        "{} of the pictures cannot be used; repair or remove them, or skip them with {}:\n{}", .0.len(), Argument("skip-bad"),
        listed(.0)
    )]
    BadPictures(Vec<DataError>),
    #[error(
        "{0} contains no pictures; it needs one folder per class with PNG, JPEG, BMP, GIF, WebP or TIFF files, directly or \
         in its folders train and test"
    )]
    NoPictures(Shown),
    #[error(
        "{folder} has only one class, {class:?}, but training needs at least two; put each class into its own folder"
    )]
    OneClassFolder { folder: Shown, class: String },
    #[error("{folder} has {classes} classes, but at most 256 are supported")]
    TooManyClasses { folder: Shown, classes: usize },
    #[error(
        "class {class:?} of {folder} has only one picture, so none is left for the test part; add more, or create \
         folders train and test"
    )]
    OnePicture { folder: Shown, class: String },
    #[error(
        "the name of folder \"{0}\" is not a valid class name: it is not UTF-8, or contains control characters or \
         backslashes"
    )]
    ClassName(Shown),
    #[error(
        "{name} has the class {class:?}, which the model does not have; its classes are {}. Fine-tune the model, or \
         rename the folders",
        text::listed(.known)
    )]
    UnknownClass { name: Shown, class: String, known: Vec<String> },
    #[error("{0} contains no images")]
    Empty(Shown),
    #[error("the training images have {train:?} pixels (height, width), but the test images have {test:?}")]
    Sizes { train: (usize, usize), test: (usize, usize) },
    #[error("{path}: label {label} at index {index}, but there are only {classes} classes")]
    Label { path: Shown, label: u8, index: usize, classes: usize },
    #[error("{path}: all labels are {label}, but training needs more than one class")]
    OneClass { path: Shown, label: u8 },
    #[error("{name} has names for {classes} classes, but {} is {asked}; omit it", Argument("classes"))]
    Classes { name: Shown, classes: usize, asked: usize },
    #[error("the data set has {images} images and {labels} labels; the numbers must match")]
    Uneven { images: usize, labels: usize },
    #[error(
        "{folder} is not a data set: {reason}. Give a folder with one folder of pictures per class, such as \
         {folder}/A/1.png, or a folder with the four IDX files"
    )]
    NoData { folder: Shown, reason: &'static str },
    #[error("class folder {0} has no pictures (PNG, JPEG, BMP, GIF, WebP or TIFF); add some, or remove the folder")]
    EmptyClass(Shown),
    #[error("class {class:?} of {folder} has test or validation pictures, but no training pictures")]
    Untrained { folder: Shown, class: String },
    #[error("none of the {what} can be used; repair or remove them:\n{}", listed(.bad))]
    AllBad { what: String, bad: Vec<DataError> },
    #[error(
        "{folder} has neither {name} nor {name}.gz; a data folder contains train-images-idx3-ubyte, \
         train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, gzipped or not"
    )]
    Missing { folder: Shown, name: String },
    #[error(
        "there is no data set \"{0}\"; give auto, {names}, synthetic, synthetic:N, a folder with IDX files, a folder with \
         one folder of pictures per class, a CSV table of labels and pixels, or an .npz archive of images and labels", names = KNOWN.map(|known| known.name).join(", ")
    )]
    Unknown(Shown),
    #[error("\"{0}\": synthetic:N takes a whole number of training images from 2 to 10000000")]
    SyntheticCount(Shown),
    #[error(
        "{name} is not in {cache}, and {} forbids downloading it; run `mnist-gpu data fetch {name}` once",
        Argument("offline")
    )]
    Offline { name: String, cache: Shown },
    #[error("{path} is damaged: {reason}. Download it again with `mnist-gpu data fetch {name}`")]
    Damaged { path: Shown, reason: Shown, name: String },
    #[error(
        "cannot download {file}. Tried:\n{}\nManually: mkdir -p {folder} && curl -fL -o {folder}/{file} {url}",
        .tried.iter().map(|(url, reason)| format!("  {url}: {reason}")).collect::<Vec<_>>().join("\n")
    )]
    Fetch { file: String, folder: Shown, url: String, tried: Vec<(String, Shown)> },
    #[error("cannot extract {name} from {path}: {reason}; remove the archive to download it again")]
    Archive { path: Shown, name: String, reason: Shown },
    #[error("cannot write {path}: {reason}")]
    Unwritable { path: Shown, reason: Shown },
    #[error("this system has no cache folder; set MNIST_GPU_CACHE or {}", Argument("cache"))]
    NoCache,
    #[error("{} {validation} leaves nothing to train on; there are {images} training images", Argument("validation"))]
    Validation { validation: usize, images: usize },
}

/// One error per line.
fn listed(errors: &[DataError]) -> String {
    errors.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n")
}
