//! Sets of NumPy's arrays: images and labels of a training part and perhaps of a test part, in an archive (`.npz`, a ZIP file
//! of `.npy` files) or in a folder of `.npy` files.

use super::npy::{Array, parse};
use super::tree::is_left_over;
use super::{DataError, DataSet, Images};
use crate::files;
use crate::text::Shown;
use std::path::{Path, PathBuf};

/// Words for the training part in the names of arrays.
const TRAIN: [&str; 2] = ["train", "training"];
/// Largest size of all elements of an array in bytes.
const LARGEST: u64 = 8 << 30;

/// Returns true if a file has the extension of an archive.
pub fn is_npz(path: &Path) -> bool {
    has_ending(path, "npz")
}

/// Returns true if a file has the extension of an array.
pub fn is_npy(path: &Path) -> bool {
    has_ending(path, "npy")
}

fn has_ending(path: &Path, wanted: &str) -> bool {
    path.is_file() && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(wanted))
}

/// Returns true if a folder has arrays that are a data set, or would be if more of them were there.
pub fn has_npy(folder: &Path) -> bool {
    let names = arrays_in(folder);
    let archive = Archive { path: folder, zip: None };
    [Which::Train, Which::Test].into_iter().any(|part| !archive.images_and_labels(&names, part).1.is_empty())
}

fn arrays_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_string());
    let mut names: Vec<String> = entries.filter(|path| is_npy(path) && !is_left_over(path)).filter_map(name).collect();
    names.sort();
    names
}

/// The images of an array file, or the only images or the test images of an archive.
///
/// # Errors
/// If it has none.
pub fn images_of(path: &Path) -> Result<Images, DataError> {
    let invalid = |text: String| DataError::Npz { path: path.into(), text };
    if is_npy(path) {
        let unreadable = |e: std::io::Error| DataError::Unreadable { path: path.into(), reason: Shown::new(e) };
        let (mut file, _) = files::open(path).map_err(unreadable)?;
        let array = parse(&mut file, LARGEST).map_err(invalid)?;
        return array.images(true).map_err(invalid);
    }
    let mut archive = Archive::open(path)?;
    let names = archive.names();
    let (images, _) = archive.images_and_labels(&names, Which::Test);
    let images = if images.is_empty() { archive.images_and_labels(&names, Which::Train).0 } else { images };
    match &images[..] {
        [only] => archive.array(only, LARGEST)?.images(true).map_err(|text| archive.invalid(only, text)),
        _ => Err(invalid(format!("it needs one array of images; its arrays are {}", archive.listed(&names)))),
    }
}

/// Which images and labels of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Train,
    Validation,
    Test,
}

/// Names of the arrays of a part.
struct Pair {
    images: String,
    labels: String,
}

/// The parts that an archive has.
///
/// # Errors
/// If it cannot be read, or has no images with labels.
pub fn parts_of(path: &Path) -> Result<Vec<Which>, DataError> {
    let archive = Archive::open(path)?;
    let names = archive.names();
    let mut has = vec![Which::Train, Which::Validation, Which::Test];
    has.retain(|&part| archive.pair(&names, part).is_ok());
    if has.is_empty() || has == [Which::Validation] { archive.pair(&names, Which::Train).map(|_| has) } else { Ok(has) }
}

/// Reads a part: the arrays whose names tell the part (`x_train`, `test_labels`), or for training the only images and
/// labels, as [`Array::images`] and [`Array::labels`] take them.
///
/// # Errors
/// If there are no such arrays, or their numbers do not fit.
pub fn read_npz(path: &Path, part: Which) -> Result<DataSet, DataError> {
    let mut archive = Archive::open(path)?;
    let names = archive.names();
    let Pair { images: of_images, labels: of_labels } = archive.pair(&names, part)?;
    let array = archive.array(&of_images, LARGEST)?;
    let images = array.images(false).map_err(|text| archive.invalid(&of_images, text))?;
    let count = array.shape.first().copied().unwrap_or(0);
    // At most a row of 256 numbers of eight bytes for each image.
    let labels = archive.array(&of_labels, (count as u64).saturating_mul(2048))?;
    let labels = labels.labels().map_err(|text| archive.invalid(&of_labels, text))?;
    if labels.len() != count {
        let place = |name: &str| Shown::from(format!("{}, {name}", path.display()).as_str());
        return Err(DataError::Counts {
            images: place(&of_images),
            image_count: count,
            labels: place(&of_labels),
            label_count: labels.len(),
        });
    }
    if count == 0 {
        return Err(DataError::Empty(path.into()));
    }
    Ok(DataSet { images, labels })
}

struct Archive<'a> {
    path: &'a Path,
    /// `None` for a folder.
    zip: Option<zip::ZipArchive<std::fs::File>>,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Archive<'a>, DataError> {
        if path.is_dir() {
            return Ok(Archive { path, zip: None });
        }
        let unreadable = |e: std::io::Error| DataError::Unreadable { path: path.into(), reason: Shown::new(e) };
        let (file, _) = files::open(path).map_err(unreadable)?;
        let damaged = |e| DataError::Npz { path: path.into(), text: format!("it is not a ZIP archive: {e}") };
        Ok(Archive { path, zip: Some(zip::ZipArchive::new(file).map_err(damaged)?) })
    }

    fn invalid(&self, name: &str, text: impl Into<String>) -> DataError {
        let name = name.strip_suffix(".npy").unwrap_or(name);
        DataError::Npz { path: self.path.into(), text: format!("array {}: {}", Shown::from(name), text.into()) }
    }

    fn names(&self) -> Vec<String> {
        let Some(zip) = &self.zip else { return arrays_in(self.path) };
        let names = zip.file_names().flatten().map(|name| name.into_owned());
        names.filter(|name| name.ends_with(".npy") && !is_left_over(Path::new(name))).collect()
    }

    fn listed(&self, names: &[String]) -> String {
        let found: Vec<String> = names.iter().map(|name| name.trim_end_matches(".npy").to_string()).collect();
        crate::text::listed(&found)
    }

    /// The arrays of a part by their names.
    fn images_and_labels(&self, names: &[String], part: Which) -> (Vec<String>, Vec<String>) {
        // x_train.npy has the words x and train.
        let has = |name: &String, wanted: &[&str]| {
            let name = name.to_lowercase();
            name.trim_end_matches(".npy").split(['_', '-', '.', '/']).any(|word| wanted.contains(&word))
        };
        let is_of = |name: &&String| {
            let (test, val) = (has(name, &["test", "testing"]), has(name, &["val", "valid", "validation"]));
            match part {
                Which::Train => !test && !val,
                Which::Validation => val,
                Which::Test => test,
            }
        };
        let mut own: Vec<String> = names.iter().filter(is_of).cloned().collect();
        // Where the training part is named, others belong to no part.
        if part == Which::Train && own.iter().any(|name| has(name, &TRAIN)) {
            own.retain(|name| has(name, &TRAIN));
        }
        let is_label = |name: &String| {
            has(name, &["y", "label", "labels", "target", "targets", "class", "classes"]) || name.ends_with("arr_1.npy")
        };
        own.into_iter().partition(|name| !is_label(name))
    }

    fn pair(&self, names: &[String], part: Which) -> Result<Pair, DataError> {
        let (images, labels) = self.images_and_labels(names, part);
        match (&images[..], &labels[..]) {
            ([images], [labels]) => Ok(Pair { images: images.clone(), labels: labels.clone() }),
            _ => {
                let what = match part {
                    Which::Train => "x_train and y_train, or x and y",
                    Which::Validation => "x_val and y_val",
                    Which::Test => "x_test and y_test",
                };
                let text = format!("it needs arrays such as {what}; its arrays are {}", self.listed(names));
                Err(DataError::Npz { path: self.path.into(), text })
            }
        }
    }

    fn array(&mut self, name: &str, most: u64) -> Result<Array, DataError> {
        let read = match &mut self.zip {
            Some(zip) => zip.by_name(name).map_err(|e| e.to_string()).and_then(|mut entry| parse(&mut entry, most)),
            None => {
                let file = files::open(&self.path.join(name)).map_err(|e| e.to_string());
                file.and_then(|(mut file, _)| parse(&mut file, most))
            }
        };
        read.map_err(|text| self.invalid(name, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), bytes].concat()
    }

    fn archive(arrays: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.npz");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        for (name, bytes) in arrays {
            zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        (folder, path)
    }

    #[test]
    fn parts_are_read_by_their_names_whatever_their_types() {
        let pixels = [0, 255, 3, 4, 5, 6, 7, 8];
        let floats: Vec<u8> = pixels.iter().flat_map(|&p| (f32::from(p) / 255.0).to_le_bytes()).collect();
        let long: Vec<u8> = [4_i64, 1].iter().flat_map(|label| label.to_le_bytes()).collect();
        let one_hot = [0, 0, 0, 0, 1, 0, 1, 0, 0, 0];
        let expected = DataSet::new([2, 2], pixels.to_vec(), vec![4, 1]).unwrap();
        for (images, labels) in [
            (npy("|u1", "(2, 2, 2)", &pixels), npy("|u1", "(2,)", &[4, 1])),
            (npy("<f4", "(2, 2, 2, 1)", &floats), npy("<i8", "(2, 1)", &long)),
            (npy("|u1", "(2, 4)", &pixels), npy("|u1", "(2, 5)", &one_hot)),
        ] {
            let test = npy("|u1", "(1, 2, 2)", &[9; 4]);
            let val = npy("|u1", "(1, 2, 2)", &[7; 4]);
            let label = |label| npy("|u1", "(1,)", &[label]);
            let arrays = [
                ("x_train", images),
                ("y_train", labels),
                ("x_val", val),
                ("y_val", label(1)),
                ("x_test", test),
                ("y_test", label(2)),
            ];
            let (_folder, path) = archive(&arrays);
            assert_eq!(parts_of(&path).unwrap(), [Which::Train, Which::Validation, Which::Test]);
            assert_eq!(read_npz(&path, Which::Validation).unwrap().images.bytes, [7; 4]);
            assert_eq!(read_npz(&path, Which::Train).unwrap(), expected);
            assert_eq!(read_npz(&path, Which::Test).unwrap().labels, [2]);
            let (_folder, path) = archive(&[("pixel_values", arrays[0].1.clone()), ("labels", arrays[1].1.clone())]);
            assert_eq!(parts_of(&path).unwrap(), [Which::Train]);
            assert_eq!(read_npz(&path, Which::Train).unwrap(), expected);
        }
    }

    #[test]
    fn what_does_not_fit_says_which_array() {
        let labels = || ("y", npy("|u1", "(2,)", &[0, 1]));
        for (images, words) in [
            (npy("|u1", "(2, 5, 5, 2, 2)", &[0; 200]), "array x: its shape [2, 5, 5, 2, 2]"),
            (npy("|u1", "(2, 3)", &[0; 6]), "array x: its shape [2, 3]"),
            (npy("|u1", "(2, 2, 2, 3)", &[0; 24]), "is that of colour images"),
            (npy("|u1", "(3, 2, 2)", &[0; 12]), "3 images"),
            (npy("|u1", "(2, 2, 2)", &[0; 7]), "ends after 7 of 8"),
            (npy("<f4", "(2, 2, 2)", &[&[0; 28][..], &f32::NAN.to_le_bytes()].concat()), "a value of NaN"),
            (npy("<c8", "(2, 2, 2)", &[0; 64]), "c8\" are not supported"),
            (npy("|u1", "(99999999999, 99999999999)", &[]), "bytes, but at most"),
        ] {
            let (_folder, path) = archive(&[("x", images), labels()]);
            let error = read_npz(&path, Which::Train).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        let (_folder, path) =
            archive(&[("x", npy("|u1", "(2, 2, 2)", &[0; 8])), ("y", npy("|u1", "(2, 2)", &[0, 1, 1, 1]))]);
        let error = read_npz(&path, Which::Train).unwrap_err().to_string();
        assert!(error.contains("array y: its rows are not"), "{error}");
        let (_folder, path) = archive(&[("weights", npy("|u1", "(2,)", &[0; 2]))]);
        let error = parts_of(&path).unwrap_err().to_string();
        assert!(error.contains("x_train and y_train") && error.contains("weights"), "{error}");
        std::fs::write(&path, "no archive").unwrap();
        assert!(parts_of(&path).unwrap_err().to_string().contains("not a ZIP archive"));
    }

    #[test]
    fn a_folder_of_arrays_is_a_set_and_one_array_has_images() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("train_images.npy", npy("|u1", "(2, 2, 2)", &[1, 2, 3, 4, 5, 6, 7, 8]));
        write("train_labels.npy", npy("<u2", "(2,)", &[4, 0, 1, 0]));
        write("test_images.npy", npy("|u1", "(1, 2, 2)", &[9; 4]));
        write("test_labels.npy", npy("|u1", "(1,)", &[2]));
        write("notes.txt", Vec::new());
        assert!(has_npy(folder.path()));
        assert_eq!(parts_of(folder.path()).unwrap(), [Which::Train, Which::Test]);
        let set = DataSet::new([2, 2], (1..=8).collect(), vec![4, 1]).unwrap();
        assert_eq!(read_npz(folder.path(), Which::Train).unwrap(), set);
        assert_eq!(images_of(&folder.path().join("train_images.npy")).unwrap(), set.images);
        // One array may be one picture.
        for (shape, size) in [("(5, 6)", (5, 6)), ("(9, 9)", (9, 9)), ("(5, 6, 1)", (5, 6)), ("(2, 9)", (3, 3))] {
            let count = size.0 * size.1 * if shape == "(2, 9)" { 2 } else { 1 };
            write("alone.npy", npy("|u1", shape, &vec![9; count]));
            let images = images_of(&folder.path().join("alone.npy")).unwrap();
            assert_eq!((images.height, images.width, images.bytes.len()), (size.0, size.1, count), "{shape}");
        }
        write("alone.npy", npy("|u1", "(5, 6, 3)", &[0; 90]));
        let error = images_of(&folder.path().join("alone.npy")).unwrap_err().to_string();
        assert!(error.contains("is that of a colour picture"), "{error}");
        let (_folder, path) = archive(&[("x", npy("|u1", "(1, 2, 2)", &[9; 4]))]);
        assert_eq!(images_of(&path).unwrap().bytes, [9; 4]);
    }
}
