//! Data sets whose files have the pixels as numbers: folders of IDX files, tables, and archives of arrays.

use super::fetch::hex;
use super::idx::is_idx_of_images;
use super::known::NAMES;
use super::npz::{Which, has_npy, images_of, is_npy, is_npz, parts_of, read_npz};
use super::split::take_test;
use super::table::{is_table, read_rows, read_table};
use super::{
    Check, DataError, DataSet, Grey, Image, Images, KNOWN, Known, Layout, Loaded, Part, Pictures, Prepare, Reading,
    Unfit, read_first_column, read_images, read_labels,
};
use crate::text::Shown;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Where images and labels are.
#[derive(Clone, Debug)]
pub struct Arrays {
    pub path: PathBuf,
    pub known: Option<&'static Known>,
    /// The training part and the test part.
    parts: [Option<Files>; 2],
    validation: Option<Files>,
    /// Seed of the split, if there is only one part, and how images of another size than the wanted one are prepared.
    pictures: Pictures,
}

/// Where the images and labels of a part are.
#[derive(Clone, Debug)]
enum Files {
    Idx([PathBuf; 2]),
    Table(PathBuf),
    Npz(PathBuf, Which),
}

impl Arrays {
    /// The IDX files of a folder: with MNIST's names or those of a known set, gzipped or not, with a dash or a dot, and
    /// perhaps with the set's name before them.
    ///
    /// # Errors
    /// If neither part has both its files.
    pub fn of_folder(path: &Path, known: Option<&'static Known>, pictures: Pictures) -> Result<Arrays, DataError> {
        let files = files_of(path)?;
        let own = |at: usize| known.map(|known| path.join(known.files[at].name)).filter(|path| path.is_file());
        let file = |at: usize| match own(at) {
            None => only(path, named(&files, at)),
            own => Ok(own),
        };
        let found: Vec<Option<PathBuf>> = (0..4).map(file).collect::<Result<_, _>>()?;
        let lacks = |at: usize| DataError::Missing { folder: path.into(), name: NAMES[at].into() };
        let pair = |at: usize| match (&found[at], &found[at + 1]) {
            (Some(images), Some(labels)) => Ok(Some([images.clone(), labels.clone()])),
            (None, None) => Ok(None),
            (images, _) => Err(lacks(if images.is_none() { at } else { at + 1 })),
        };
        let parts = [pair(0)?, pair(2)?];
        if parts == [None, None] && has_npy(path) {
            return Arrays::of_numpy(path, pictures);
        }
        if parts == [None, None] {
            return Err(lacks(0));
        }
        let known = known.or_else(|| recognise(parts[0].as_ref()?));
        let parts = parts.map(|files| files.map(Files::Idx));
        Ok(Arrays { path: path.into(), known, parts, validation: None, pictures })
    }

    /// A table of labels and pixels, or an archive of arrays; `None` if the file is neither.
    ///
    /// # Errors
    /// If an archive cannot be read, or has no images with labels, or an array stands alone.
    pub fn of_file(path: &Path, pictures: Pictures) -> Result<Option<Arrays>, DataError> {
        if is_npz(path) {
            return Arrays::of_numpy(path, pictures).map(Some);
        }
        if is_npy(path) {
            let text = "one array is not a data set; give the folder that has it and the array of labels, called such as \
                        x_train.npy and y_train.npy, or classify its images with `mnist-gpu predict`";
            return Err(DataError::Npz { path: path.into(), text: text.into() });
        }
        let table = || [Some(Files::Table(path.into())), None];
        let arrays = || Arrays { path: path.into(), known: None, parts: table(), validation: None, pictures };
        Ok(is_table(path).then(arrays))
    }

    /// An archive or a folder of NumPy's arrays.
    fn of_numpy(path: &Path, pictures: Pictures) -> Result<Arrays, DataError> {
        let has = parts_of(path)?;
        let [train, validation, test] = [Which::Train, Which::Validation, Which::Test]
            .map(|part| has.contains(&part).then(|| Files::Npz(path.into(), part)));
        Ok(Arrays { path: path.into(), known: None, parts: [train, test], validation, pictures })
    }

    /// Returns true if there is no test part.
    pub fn is_undivided(&self) -> bool {
        self.parts[1].is_none()
    }

    /// Returns true if the test part is split off the training part.
    pub fn is_split(&self) -> bool {
        self.is_undivided() && !self.pictures.whole
    }

    /// Reads a part. Images for validation follow those for training.
    ///
    /// # Errors
    /// If a file cannot be read or is invalid, or there is no such part.
    pub fn load(&self, part: Part) -> Result<Loaded, DataError> {
        let mut set = self.stored(part)?;
        let mut held_out = 0;
        if let Some(files) = self.validation.as_ref().filter(|_| part == Part::Train) {
            let own = self.read(files)?;
            let size = |set: &DataSet| (set.images.height, set.images.width);
            if size(&own) != size(&set) {
                return Err(DataError::Sizes { train: size(&set), test: size(&own) });
            }
            held_out = own.labels.len();
            set.insert(set.labels.len(), &own, &(0..held_out as u32).collect::<Vec<_>>());
        }
        let (set, scaled) = self.sized(set)?;
        Ok(Loaded { set, files: Vec::new(), held_out, unfit: Unfit { scaled, ..Unfit::default() } })
    }

    /// A part with its images as they are stored.
    fn stored(&self, part: Part) -> Result<DataSet, DataError> {
        let set = match (&self.parts, part) {
            ([Some(files), None], _) if self.pictures.whole => self.read(files)?,
            ([Some(files), None], part) => {
                let [train, test] = split(self.read(files)?, self.pictures.seed);
                if part == Part::Train { train } else { test }
            }
            ([Some(files), _], Part::Train) | ([_, Some(files)], Part::Test) => self.read(files)?,
            ([None, _], _) => return Err(DataError::TestOnly(self.path.clone().into())),
        };
        if set.labels.is_empty() || set.images.pixels() == 0 {
            return Err(if self.is_split() {
                DataError::TooFew(self.path.clone().into())
            } else {
                DataError::Empty(self.path.clone().into())
            });
        }
        Ok(set)
    }

    /// Number of training images, from the labels alone, and of those for validation.
    ///
    /// # Errors
    /// As [`Arrays::load`].
    pub fn training_images(&self) -> Result<[usize; 2], DataError> {
        let train = match &self.parts {
            [Some(_), None] => self.stored(Part::Train)?.labels.len(),
            [Some(Files::Idx([_, labels])), _] => labels_of(labels, self.layout())?.len(),
            [Some(files), _] => self.read(files)?.labels.len(),
            [None, _] => return Err(DataError::TestOnly(self.path.clone().into())),
        };
        let held_out = self.validation.as_ref().map_or(Ok(0), |files| self.read(files).map(|set| set.labels.len()))?;
        Ok([train, held_out])
    }

    fn layout(&self) -> Layout {
        self.known.map_or(Layout::default(), |known| known.layout)
    }

    /// Reads images and their labels. Images are upright and labels count from 0.
    fn read(&self, files: &Files) -> Result<DataSet, DataError> {
        let [image_path, label_path] = match files {
            Files::Idx(paths) => paths,
            Files::Table(path) => return read_table(path),
            Files::Npz(path, part) => return read_npz(path, *part),
        };
        let layout = self.layout();
        let mut images = read_images(image_path)?;
        if layout.transposed {
            images.transpose();
        }
        let labels = labels_of(label_path, layout)?;
        if images.len() != labels.len() {
            return Err(DataError::Counts {
                images: image_path.clone().into(),
                image_count: images.len(),
                labels: label_path.clone().into(),
                label_count: labels.len(),
            });
        }
        let set = DataSet { images, labels };
        if let Some(names) = self.known.and_then(Known::class_names) {
            set.check(&Shown::from(label_path).to_string(), names.len())?;
        }
        Ok(set)
    }

    /// Prepares the images like pictures if they have another size than a model's or, where they are to be resized, than
    /// MNIST's.
    fn sized(&self, set: DataSet) -> Result<(DataSet, Option<[usize; 2]>), DataError> {
        let Pictures { prepare, size, .. } = self.pictures;
        let wanted = size.or(prepare.filter(|&prepare| prepare == Prepare::Resize).map(|_| [28, 28]));
        let (Some(size), Some(prepare)) = (wanted, prepare) else { return Ok((set, None)) };
        let Images { height, width, .. } = set.images;
        if [height, width] == size || prepare == Prepare::None {
            return Ok((set, None));
        }
        let images = prepared(&self.path, &set.images, prepare, size)?;
        let bytes = images.into_iter().flat_map(|image| image.bytes).collect();
        let images = Images { height: size[0], width: size[1], bytes };
        Ok((DataSet { images, labels: set.labels }, Some([height, width])))
    }
}

/// Prepares images like pictures.
fn prepared(path: &Path, images: &Images, prepare: Prepare, size: [usize; 2]) -> Result<Vec<Image>, DataError> {
    let Images { height, width, .. } = *images;
    let prepared = |image: &[u8]| {
        let values = image.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        prepare.apply(path, &Grey { step: 1, height, width, values }, size)
    };
    images.bytes.chunks(height * width).map(prepared).collect()
}

/// Returns true if a file has the pixels of images as numbers: a table, an archive or an array of NumPy, or an IDX file of
/// images.
pub fn is_array(path: &Path) -> bool {
    is_table(path) || is_npz(path) || is_npy(path) || (path.is_file() && is_idx_of_images(path))
}

/// Reads images without their labels. Those of another size than a network's are prepared like pictures.
///
/// # Errors
/// If the file cannot be read or has no images.
pub fn read_unlabelled(path: &Path, Reading { prepare, size, .. }: Reading) -> Result<Vec<Image>, DataError> {
    let images = if is_table(path) {
        read_rows(path, false)?.0
    } else if is_npz(path) || is_npy(path) {
        images_of(path)?
    } else {
        read_images(path)?
    };
    if images.bytes.is_empty() {
        return Err(DataError::Empty(path.into()));
    }
    let [height, width] = [images.height, images.width];
    if [height, width] != size {
        return prepared(path, &images, prepare, size);
    }
    let image = |bytes: &[u8]| {
        let ink = prepare != Prepare::Mnist || bytes.iter().any(|&byte| byte > 0);
        Image { height, width, bytes: bytes.to_vec(), ink, doubt: None }
    };
    Ok(images.bytes.chunks(height * width).map(image).collect())
}

/// Splits a test part off by seed, with the same share of each class.
fn split(set: DataSet, seed: u64) -> [DataSet; 2] {
    let pixels = set.images.pixels();
    let mut in_test = vec![false; set.labels.len()];
    for class in 0..=255 {
        let mut own: Vec<usize> = (0..set.labels.len()).filter(|&at| set.labels[at] == class).collect();
        // A single image is trained on.
        if own.len() > 1 {
            take_test(&mut own, seed, class.into()).into_iter().for_each(|at| in_test[at] = true);
        }
    }
    [false, true].map(|wanted| {
        let places = || (0..set.labels.len()).filter(|&at| in_test[at] == wanted);
        let bytes = places().flat_map(|at| set.images.bytes[at * pixels..][..pixels].iter().copied()).collect();
        DataSet { images: Images { bytes, ..set.images }, labels: places().map(|at| set.labels[at]).collect() }
    })
}

/// The files of a folder with their names.
fn files_of(folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let unreadable = |e: std::io::Error| DataError::Unreadable { path: folder.into(), reason: Shown::new(e) };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_file()) {
            files.push((name.to_string(), path.clone()));
        }
    }
    // A file before its gzipped form.
    files.sort();
    Ok(files)
}

/// The files that may be meant by one of MNIST's four names: the one that is called so, or else those with a set's name before
/// it, each once.
fn named(files: &[(String, PathBuf)], at: usize) -> Vec<PathBuf> {
    let (wanted, other) = (NAMES[at], NAMES[at].replace("t10k", "test"));
    let plain = |name: &str| name.strip_suffix(".gz").unwrap_or(name).replace(".idx", "-idx");
    if let Some((_, path)) = files.iter().find(|(name, _)| plain(name) == wanted) {
        return vec![path.clone()];
    }
    let is_similar = |name: &str| [wanted, &other].iter().any(|wanted| plain(name).ends_with(*wanted));
    let mut found: Vec<&(String, PathBuf)> = files.iter().filter(|(name, _)| is_similar(name)).collect();
    found.dedup_by_key(|(name, _)| plain(name));
    found.into_iter().map(|(_, path)| path.clone()).collect()
}

/// The only one of some files, if there are any.
fn only(folder: &Path, mut files: Vec<PathBuf>) -> Result<Option<PathBuf>, DataError> {
    if files.len() > 1 {
        let names = files.iter().filter_map(|file| file.file_name()).map(|name| Shown::from(name).to_string());
        return Err(DataError::SeveralSets { folder: folder.into(), files: names.collect() });
    }
    Ok(files.pop())
}

/// Returns true if a folder has one of the files that a data set needs.
pub fn has_arrays(folder: &Path) -> bool {
    has_npy(folder) || files_of(folder).is_ok_and(|files| (0..4).any(|at| !named(&files, at).is_empty()))
}

/// The folder below a root of torchvision that has its files, such as `MNIST/raw`, if there is only one.
pub fn below(root: &Path) -> Option<PathBuf> {
    let inner = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    let raw = |folder: &PathBuf| Some(folder.join("raw")).filter(|raw| has_arrays(raw));
    let mut found: Vec<PathBuf> = inner(root).iter().filter_map(raw).chain(raw(&root.to_path_buf())).collect();
    found.pop().filter(|_| found.is_empty())
}

/// Recognises a known set: by the training labels and, if those match, the images.
fn recognise([images, labels]: &[PathBuf; 2]) -> Option<&'static Known> {
    let is = |dims: &[usize], bytes: &[u8], check: Check| {
        let mut digest = Sha256::new();
        digest.update([0, 0, 8, dims.len() as u8]);
        dims.iter().for_each(|&dim| digest.update((dim as u32).to_be_bytes()));
        digest.update(bytes);
        let found = hex(&digest.finalize());
        matches!(check, Check::Sha256(hash) if hash == found)
    };
    let labels = read_labels(labels).ok()?;
    let known = KNOWN.iter().find(|known| is(&[labels.len()], &labels, known.files[1].check))?;
    let images = read_images(images).ok()?;
    let dims = [images.len(), images.height, images.width];
    is(&dims, &images.bytes, known.files[0].check).then_some(known)
}

fn labels_of(path: &Path, layout: Layout) -> Result<Vec<u8>, DataError> {
    let mut labels = if layout.columns { read_first_column(path)? } else { read_labels(path)? };
    if let Some(at) = labels.iter().position(|&label| label < layout.first_label) {
        let text = format!("label {} at index {at}, but labels start from {}", labels[at], layout.first_label);
        return Err(DataError::Header { path: path.into(), what: "labels", text });
    }
    labels.iter_mut().for_each(|label| *label -= layout.first_label);
    Ok(labels)
}
