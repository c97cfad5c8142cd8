//! A folder of drawings: a PNG for each, in a folder for its class, as `finetune --data` takes them.

use crate::data::{DataSet, Image, Images, Prepare, Reading, is_picture, means_part, read_pictures};
use crate::text::Shown;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::collections::BTreeMap;
use std::io::{Cursor, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Longest name of a class in bytes.
const LONGEST_NAME: usize = 64;
/// Maximum number of drawings of a class.
const MOST: usize = 99_999;

/// A folder of drawings.
pub struct Drawings {
    folder: PathBuf,
    /// Files that were added since the server began, the latest last.
    added: Vec<PathBuf>,
}

impl Drawings {
    pub fn new(folder: PathBuf) -> Drawings {
        Drawings { folder, added: Vec::new() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of drawings that can be taken back.
    pub fn undoable(&self) -> usize {
        self.added.len()
    }

    /// The files of each class, in order. A folder that does not exist has none.
    pub fn files(&self) -> BTreeMap<String, Vec<PathBuf>> {
        let mut classes = BTreeMap::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let Ok(class) = entry.file_name().into_string() else { continue };
            if check_name(&class).is_err() {
                continue;
            }
            let inside = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = inside.map(|file| file.path()).filter(|path| is_picture(path)).collect();
            files.sort();
            if !files.is_empty() {
                classes.insert(class, files);
            }
        }
        classes
    }

    /// Keeps a drawing. Returns its file.
    ///
    /// # Errors
    /// If the class has a name that no folder can have everywhere, or the file cannot be written.
    pub fn keep(&mut self, class: &str, ink: &[u8], width: usize) -> Result<PathBuf, String> {
        check_name(class)?;
        let paper: Vec<u8> = ink.iter().map(|ink| 255 - ink).collect();
        let height = ink.len() / width.max(1);
        let mut png = Vec::new();
        PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::NoFilter)
            .write_image(&paper, width as u32, height as u32, ExtendedColorType::L8)
            .map_err(|error| format!("cannot encode the drawing: {error}"))?;
        let folder = self.folder.join(class);
        let cannot = |path: &Path, error: std::io::Error| format!("cannot write {}: {error}", Shown::from(path));
        std::fs::create_dir_all(&folder).map_err(|error| cannot(&folder, error))?;
        // Where case does not count, or accents are written in one way, another class may have this folder.
        let real = std::fs::canonicalize(&folder).map_err(|error| cannot(&folder, error))?;
        if let Some(other) = real.file_name().map(|name| name.to_string_lossy()).filter(|name| *name != class) {
            return Err(format!("on this system, class {class:?} would have the folder of class {other:?}"));
        }
        for number in 1..=MOST {
            let path = folder.join(format!("{number:05}.png"));
            let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
            match made.and_then(|mut file| file.write_all(&png)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    // Half a drawing is worse than none.
                    let _ = std::fs::remove_file(&path);
                    return Err(cannot(&path, error));
                }
                Ok(()) => {
                    self.added.push(path.clone());
                    return Ok(path);
                }
            }
        }
        Err(format!("{} has {MOST} drawings already", Shown::from(&folder)))
    }

    /// Takes back the latest drawing. Returns its file, or `None` if there is none.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn undo(&mut self) -> Result<Option<PathBuf>, String> {
        let Some(path) = self.added.pop() else { return Ok(None) };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(format!("cannot remove {}: {error}", Shown::from(&path)))
            }
            _ => {
                // Only if it is empty.
                let _ = path.parent().map(std::fs::remove_dir);
                Ok(Some(path))
            }
        }
    }

    /// The drawings as images of a network; labels are places in `classes`.
    ///
    /// # Errors
    /// If a picture cannot be read, or has a class that is not there.
    pub fn read(&self, prepare: Prepare, size: [usize; 2], classes: &[String]) -> Result<DataSet, String> {
        let files = self.files();
        let all: Vec<(&String, &Path)> =
            files.iter().flat_map(|(class, files)| files.iter().map(move |file| (class, file.as_path()))).collect();
        let paths: Vec<&Path> = all.iter().map(|(_, path)| *path).collect();
        let [height, width] = size;
        let mut set = DataSet { images: Images { height, width, bytes: Vec::new() }, labels: Vec::new() };
        let read = read_pictures(&paths, Reading { prepare, size, skip_bad: false });
        for ((class, _), image) in all.iter().zip(read) {
            let Image { bytes, .. } = image.map_err(|error| format!("{error}; remove the file"))?;
            let label = classes.iter().position(|known| known == *class);
            set.labels.push(label.ok_or_else(|| format!("class {class:?} is new"))? as u8);
            set.images.bytes.extend(bytes);
        }
        Ok(set)
    }

    /// All drawings in a ZIP archive.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn archive(&self) -> Result<Vec<u8>, String> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (class, files) in self.files() {
            for path in files {
                let bytes = std::fs::read(&path).map_err(|e| format!("cannot read {}: {e}", Shown::from(&path)))?;
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                // Pictures are compressed already.
                let stored =
                    zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
                archive
                    .start_file(format!("drawings/{class}/{name}"), stored)
                    .map_err(|error| error.to_string())
                    .and_then(|()| archive.write_all(&bytes).map_err(|error| error.to_string()))?;
            }
        }
        archive.finish().map(Cursor::into_inner).map_err(|error| error.to_string())
    }
}

/// Checks that a class can have a folder of its name on every system, which `finetune` takes for a class.
///
/// # Errors
/// Why it cannot.
pub fn check_name(class: &str) -> Result<(), String> {
    let is_plain = |c: char| !c.is_control() && !"/\\<>:\"|?*".contains(c);
    if class.is_empty() || class.len() > LONGEST_NAME {
        return Err(format!("a class needs a name of 1 to {LONGEST_NAME} bytes"));
    }
    if !class.chars().all(is_plain) || class.starts_with('.') || class.ends_with(['.', ' ']) || class.starts_with(' ') {
        return Err(format!(
            "{class:?} cannot be the name of a folder on every system: leave out / \\ < > : \" | ? * and dots and spaces \
             at its ends"
        ));
    }
    // They write other text than they show.
    if Shown::new(class).to_string() != class
        || class.chars().any(|c| matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}'))
    {
        return Err("the name of the class has characters that cannot be seen; leave them out".into());
    }
    let stem = class.split('.').next().unwrap_or("").to_lowercase();
    let is_numbered = |name: &str| {
        ["com", "lpt"]
            .iter()
            .any(|port| name.strip_prefix(port).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit()))
    };
    if ["con", "prn", "aux", "nul"].contains(&&*stem) || is_numbered(&stem) {
        return Err(format!("{class:?} is the name of a device on Windows; give the class another name"));
    }
    // Other programs call the validation part `valid`.
    if means_part(class) || class.to_lowercase() == "valid" {
        return Err(format!("{class:?} means a part of a data set; give the class another name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_are_kept_as_a_data_set_and_taken_back_one_by_one() {
        let root = tempfile::tempdir().unwrap();
        let mut drawings = Drawings::new(root.path().join("mine"));
        assert!(drawings.files().is_empty() && drawings.undo().unwrap().is_none());
        let ink = [0, 255, 0, 128, 0, 0];
        let first = drawings.keep("é A", &ink, 3).unwrap();
        // A file of the same name is never replaced.
        std::fs::write(root.path().join("mine/é A/00002.png"), "mine").unwrap();
        let third = drawings.keep("é A", &ink, 3).unwrap();
        assert!(first.ends_with("é A/00001.png") && third.ends_with("é A/00003.png"));
        let read = image::open(&first).unwrap().to_luma8();
        assert_eq!((read.dimensions(), read.as_raw().as_slice()), ((3, 2), &[255, 0, 255, 127, 255, 255][..]));
        assert_eq!(drawings.files()["é A"].len(), 3);
        assert_eq!(drawings.undo().unwrap(), Some(third));
        assert_eq!(drawings.undo().unwrap(), Some(first));
        assert_eq!((drawings.undo().unwrap(), drawings.undoable()), (None, 0));
        assert_eq!(drawings.files()["é A"].len(), 1, "what was there before stays");
    }

    #[test]
    fn a_class_has_a_name_that_every_system_takes() {
        for name in ["A", "é", "日本", "a b", "7", "console", "com", "lpt10"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in [
            "",
            "..",
            ".",
            ".x",
            "a/b",
            "a\\b",
            "a:",
            "Test",
            "train",
            "x.",
            " x",
            "a\n",
            "CON",
            "lpt1",
            "nul.x",
            "a\u{202e}",
            "\u{200b}",
            &"x".repeat(65),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
