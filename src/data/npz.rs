//! Archives of NumPy arrays (`.npz`): images and labels of a training part and perhaps of a test part.
//!
//! An archive is a ZIP file of `.npy` files, each of which is a header, a dictionary in Python's notation, and the
//! elements (NumPy Enhancement Proposal 1).

use super::{DataError, DataSet, Images, Part};
use crate::files;
use crate::text::Shown;
use std::io::Read;
use std::path::Path;

/// Largest size of all arrays in bytes.
const LARGEST: u64 = 8 << 30;
/// Largest header of an array in bytes.
const LARGEST_HEADER: usize = 1 << 16;

/// Returns true if a file has the extension of an archive.
pub fn is_npz(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"))
}

/// An array of numbers as it is stored.
struct Array {
    name: String,
    shape: Vec<usize>,
    raw: Vec<u8>,
    /// Bytes of an element, and its value.
    size: usize,
    value: fn(&[u8]) -> f64,
}

impl Array {
    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.raw.chunks_exact(self.size).map(self.value)
    }
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
pub fn parts_of(path: &Path) -> Result<Vec<Part>, DataError> {
    let archive = Archive::open(path)?;
    let names = archive.names();
    let has: Vec<Part> =
        [Part::Train, Part::Test].into_iter().filter(|&part| archive.pair(&names, part).is_ok()).collect();
    if has.is_empty() { archive.pair(&names, Part::Train).map(|_| has) } else { Ok(has) }
}

/// Reads a part: the arrays whose names tell the part (`x_train`, `test_labels`), or for training the only images and
/// labels. Images have the shape (N, H, W), also with one channel, or (N, side * side), and values from 0 to 255, or
/// fractions up to 1; labels are whole numbers, or rows with a one in the column of the class.
///
/// # Errors
/// If there are no such arrays, or their numbers do not fit.
pub fn read_npz(path: &Path, part: Part) -> Result<DataSet, DataError> {
    let mut archive = Archive::open(path)?;
    let names = archive.names();
    let Pair { images, labels } = archive.pair(&names, part)?;
    let images = archive.array(&images, LARGEST)?;
    // At most a row of 256 numbers of eight bytes for each image.
    let most = images.shape.first().map_or(0, |&count| (count as u64).saturating_mul(2048));
    let labels = archive.array(&labels, most)?;
    let invalid = |array: &Array, text: String| archive.invalid(&array.name, text);
    let count = images.shape.first().copied().unwrap_or(0);
    let (height, width) = match images.shape[..] {
        [_, height, width] | [_, height, width, 1] | [_, 1, height, width] => (height, width),
        [_, pixels] if pixels.isqrt().pow(2) == pixels => (pixels.isqrt(), pixels.isqrt()),
        _ => {
            let shape = &images.shape;
            return Err(invalid(
                &images,
                format!("its shape {shape:?} is not that of grey images, (N, height, width)"),
            ));
        }
    };
    let scale = if images.values().fold(0.0_f64, f64::max) > 1.0 { 1.0 } else { 255.0 };
    if let Some(value) = images.values().find(|value| !(0.0..=255.0).contains(value)) {
        return Err(invalid(&images, format!("it has a value of {value}, but pixels go from 0 to 255 or from 0 to 1")));
    }
    let bytes = images.values().map(|value| (value * scale).round() as u8).collect();
    let values: Vec<f64> = labels.values().collect();
    let classes: Vec<f64> = match labels.shape[..] {
        [_] | [_, 1] => values,
        [_, columns] if columns > 1 => {
            let class = |row: &[f64]| {
                let ones = row.iter().filter(|&&value| value == 1.0).count();
                let is_one_hot = ones == 1 && row.iter().all(|&value| value == 0.0 || value == 1.0);
                row.iter().position(|&value| value == 1.0).filter(|_| is_one_hot)
            };
            let classes: Option<Vec<f64>> = values.chunks(columns).map(|row| class(row).map(|at| at as f64)).collect();
            classes.ok_or_else(|| invalid(&labels, "its rows are not zeros with a single one".into()))?
        }
        _ => return Err(invalid(&labels, format!("its shape {:?} is not that of labels, (N)", labels.shape))),
    };
    if let Some(value) = classes.iter().find(|value| value.fract() != 0.0 || !(0.0..=255.0).contains(*value)) {
        return Err(
            archive.invalid(&labels.name, format!("it has a label of {value}; labels are whole numbers from 0 to 255"))
        );
    }
    let classes: Vec<u8> = classes.iter().map(|&value| value as u8).collect();
    if classes.len() != count {
        let place = |name: &str| Shown::from(format!("{}, {name}", path.display()).as_str());
        return Err(DataError::Counts {
            images: place(&images.name),
            image_count: count,
            labels: place(&labels.name),
            label_count: classes.len(),
        });
    }
    if count == 0 {
        return Err(DataError::Empty(path.into()));
    }
    Ok(DataSet { images: Images { height, width, bytes }, labels: classes })
}

struct Archive<'a> {
    path: &'a Path,
    zip: zip::ZipArchive<std::fs::File>,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Archive<'a>, DataError> {
        let unreadable = |e: std::io::Error| DataError::Unreadable { path: path.into(), reason: Shown::new(e) };
        let (file, _) = files::open(path).map_err(unreadable)?;
        let damaged = |e| DataError::Npz { path: path.into(), text: format!("it is not a ZIP archive: {e}") };
        Ok(Archive { path, zip: zip::ZipArchive::new(file).map_err(damaged)? })
    }

    fn invalid(&self, name: &str, text: impl Into<String>) -> DataError {
        let name = name.strip_suffix(".npy").unwrap_or(name);
        DataError::Npz { path: self.path.into(), text: format!("array {}: {}", Shown::from(name), text.into()) }
    }

    fn names(&self) -> Vec<String> {
        let names = self.zip.file_names().flatten().map(|name| name.into_owned());
        names.filter(|name| name.ends_with(".npy")).collect()
    }

    fn pair(&self, names: &[String], part: Part) -> Result<Pair, DataError> {
        // x_train.npy has the words x and train.
        let has = |name: &String, wanted: &[&str]| {
            let name = name.to_lowercase();
            name.trim_end_matches(".npy").split(['_', '-', '.', '/']).any(|word| wanted.contains(&word))
        };
        let is_of = |name: &&String| {
            let (test, val) = (has(name, &["test"]), has(name, &["val", "valid", "validation"]));
            if part == Part::Test { test } else { !test && !val }
        };
        let mut own: Vec<String> = names.iter().filter(is_of).cloned().collect();
        // Where the training part is named, others belong to no part.
        if part == Part::Train && own.iter().any(|name| has(name, &["train"])) {
            own.retain(|name| has(name, &["train"]));
        }
        let is_label = |name: &String| {
            has(name, &["y", "label", "labels", "target", "targets", "class", "classes"]) || name.ends_with("arr_1.npy")
        };
        let (labels, images): (Vec<String>, Vec<String>) = own.into_iter().partition(is_label);
        match (&images[..], &labels[..]) {
            ([images], [labels]) => Ok(Pair { images: images.clone(), labels: labels.clone() }),
            _ => {
                let found: Vec<String> = names.iter().map(|name| name.trim_end_matches(".npy").to_string()).collect();
                let what = if part == Part::Test { "x_test and y_test" } else { "x_train and y_train, or x and y" };
                let text = format!("it needs arrays such as {what}; its arrays are {}", crate::text::listed(&found));
                Err(DataError::Npz { path: self.path.into(), text })
            }
        }
    }

    fn array(&mut self, name: &str, most: u64) -> Result<Array, DataError> {
        let failed = |archive: &Self, text: String| archive.invalid(name, text);
        let read =
            self.zip.by_name(name).map_err(|e| e.to_string()).and_then(|mut entry| parse(name, &mut entry, most));
        read.map_err(|text| failed(self, text))
    }
}

/// Reads a `.npy` file.
fn parse(name: &str, from: &mut impl Read, most: u64) -> Result<Array, String> {
    let mut start = [0; 8];
    from.read_exact(&mut start).map_err(|e| e.to_string())?;
    let [b'\x93', b'N', b'U', b'M', b'P', b'Y', major, _] = start else { return Err("it is not a .npy file".into()) };
    let mut length = [0; 4];
    let bytes = if major == 1 { 2 } else { 4 };
    from.read_exact(&mut length[..bytes]).map_err(|e| e.to_string())?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LARGEST_HEADER {
        return Err(format!("it has a header of {length} bytes"));
    }
    let mut header = vec![0; length];
    from.read_exact(&mut header).map_err(|e| e.to_string())?;
    let header = String::from_utf8(header).map_err(|e| e.to_string())?;
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches(['\'', '"', ':', ' ']));
    let descr: String = after("descr").unwrap_or_default().chars().take_while(|c| !"'\",".contains(*c)).collect();
    if after("fortran_order").is_some_and(|rest| rest.starts_with("True")) {
        return Err("it is stored column by column; save numpy.ascontiguousarray of it".into());
    }
    let shape = after("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let numbers =
        shape.map_or("", |(numbers, _)| numbers).split(',').map(str::trim).filter(|number| !number.is_empty());
    let shape = numbers.map(|number| number.parse().map_err(|_| "it has no valid shape".to_string()));
    let shape = shape.collect::<Result<Vec<usize>, String>>()?;
    let (size, value): (usize, fn(&[u8]) -> f64) = match descr.trim_start_matches(['<', '|', '=']) {
        "u1" | "b1" | "?" => (1, |b| b[0].into()),
        "i1" => (1, |b| (b[0] as i8).into()),
        "u2" => (2, |b| u16::from_le_bytes([b[0], b[1]]).into()),
        "i2" => (2, |b| i16::from_le_bytes([b[0], b[1]]).into()),
        "u4" => (4, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()),
        "i4" => (4, |b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()),
        "f4" => (4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()),
        "i8" | "u8" => (8, |b| b.try_into().map_or(f64::NAN, |b| i64::from_le_bytes(b) as f64)),
        "f8" => (8, |b| b.try_into().map_or(f64::NAN, f64::from_le_bytes)),
        _ => return Err(format!("elements of type {descr:?} are not supported; save it as uint8")),
    };
    let count = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side)).unwrap_or(usize::MAX);
    let total = (count as u64).saturating_mul(size as u64);
    if total > most {
        return Err(format!("it has {total} bytes, but at most {most} are supported"));
    }
    let mut raw = Vec::new();
    from.take(total).read_to_end(&mut raw).map_err(|e| e.to_string())?;
    if raw.len() as u64 != total {
        return Err(format!("it ends after {} of {total} bytes", raw.len()));
    }
    Ok(Array { name: name.into(), shape, raw, size, value })
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
            let arrays =
                [("x_train", images), ("y_train", labels), ("x_test", test), ("y_test", npy("|u1", "(1,)", &[2]))];
            let (_folder, path) = archive(&arrays);
            assert_eq!(parts_of(&path).unwrap(), [Part::Train, Part::Test]);
            assert_eq!(read_npz(&path, Part::Train).unwrap(), expected);
            assert_eq!(read_npz(&path, Part::Test).unwrap().labels, [2]);
            let (_folder, path) = archive(&[("pixel_values", arrays[0].1.clone()), ("labels", arrays[1].1.clone())]);
            assert_eq!(parts_of(&path).unwrap(), [Part::Train]);
            assert_eq!(read_npz(&path, Part::Train).unwrap(), expected);
        }
    }

    #[test]
    fn what_does_not_fit_says_which_array() {
        let labels = || ("y", npy("|u1", "(2,)", &[0, 1]));
        for (images, words) in [
            (npy("|u1", "(2, 3)", &[0; 6]), "array x: its shape [2, 3]"),
            (npy("|u1", "(3, 2, 2)", &[0; 12]), "3 images"),
            (npy("|u1", "(2, 2, 2)", &[0; 7]), "ends after 7 of 8"),
            (npy("<f4", "(2, 2, 2)", &[&[0; 28][..], &f32::NAN.to_le_bytes()].concat()), "a value of NaN"),
            (npy("<c8", "(2, 2, 2)", &[0; 64]), "c8\" are not supported"),
            (npy("|u1", "(99999999999, 99999999999)", &[]), "bytes, but at most"),
        ] {
            let (_folder, path) = archive(&[("x", images), labels()]);
            let error = read_npz(&path, Part::Train).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        let (_folder, path) =
            archive(&[("x", npy("|u1", "(2, 2, 2)", &[0; 8])), ("y", npy("|u1", "(2, 2)", &[0, 1, 1, 1]))]);
        let error = read_npz(&path, Part::Train).unwrap_err().to_string();
        assert!(error.contains("array y: its rows are not"), "{error}");
        let (_folder, path) = archive(&[("weights", npy("|u1", "(2,)", &[0; 2]))]);
        let error = parts_of(&path).unwrap_err().to_string();
        assert!(error.contains("x_train and y_train") && error.contains("weights"), "{error}");
        std::fs::write(&path, "no archive").unwrap();
        assert!(parts_of(&path).unwrap_err().to_string().contains("not a ZIP archive"));
    }
}
