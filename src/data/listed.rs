//! Folders of pictures with a table of their classes.

use super::DataError;
use super::table::{is_table, separator};
use super::tree::{Classes, unlike};
use crate::text::Shown;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest table in bytes.
const LARGEST: u64 = 64 << 20;
/// Names of a column of classes, and of one of files.
const CLASS: [&str; 6] = ["label", "class", "category", "target", "digit", "character"];
const FILE: [&str; 6] = ["file", "filename", "file_name", "image", "path", "name"];

/// The table that lists the pictures of a folder: the path itself, or the only CSV file beside pictures that are in no class
/// folders.
pub fn listing(path: &Path) -> Option<PathBuf> {
    if is_table(path) {
        return lists_files(path).then(|| path.into());
    }
    unlike(path)?;
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut tables: Vec<PathBuf> = entries.filter(|path| is_table(path)).collect();
    tables.pop().filter(|table| tables.is_empty() && lists_files(table))
}

/// Returns true if the second row of a table has too few cells for pixels.
fn lists_files(table: &Path) -> bool {
    let Ok((file, _)) = crate::files::open(table) else { return false };
    let mut start = Vec::new();
    if file.take(1 << 16).read_to_end(&mut start).is_err() {
        return false;
    }
    let second = rows(&start).into_records().nth(1);
    second.is_some_and(|row| row.is_ok_and(|row| (2..5).contains(&row.len())))
}

/// The rows of a table, of any lengths.
fn rows(bytes: &[u8]) -> csv::Reader<&[u8]> {
    let first = String::from_utf8_lossy(bytes.split(|&byte| byte == b'\n').next().unwrap_or_default());
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).trim(csv::Trim::All).delimiter(separator(&first) as u8).from_reader(bytes)
}

/// The pictures that a table lists, by class: a row for each, with its file, relative to the table, and its class. A row of
/// names may come first; without one, the file is in the first column and the class in the second.
///
/// # Errors
/// If the table cannot be read, a row has no class, or a file is missing.
pub fn classes_of(table: &Path) -> Result<Classes, DataError> {
    let unreadable = |reason: std::io::Error| DataError::Unreadable { path: table.into(), reason: Shown::new(reason) };
    let invalid = |row: usize, text: String| DataError::Table { path: table.into(), row: row + 1, text };
    let bytes = crate::files::read(table, LARGEST).map_err(unreadable)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let folder = table.parent().unwrap_or(Path::new("."));
    let mut classes = Classes::new();
    let mut columns = [0, 1];
    for (row, record) in rows(bytes).into_records().enumerate() {
        let row = record.as_ref().ok().and_then(|record| record.position()).map_or(row, |at| at.line() as usize - 1);
        let words = record.map_err(|error| invalid(row, format!("it is not text in columns: {error}")))?;
        if row == 0 {
            let place = |names: &[&str]| words.iter().position(|word| names.contains(&word.to_lowercase().as_str()));
            if let (Some(file), Some(class)) = (place(&FILE), place(&CLASS)) {
                columns = [file, class];
                continue;
            }
        }
        let [Some(file), Some(class)] = columns.map(|column| words.get(column).filter(|word| !word.is_empty())) else {
            return Err(invalid(row, "it needs a file and its class, such as a.png,7".into()));
        };
        if class.chars().any(|c| c.is_control() || c == '\\' || c == '/') {
            return Err(invalid(row, format!("{} is not a valid class name", Shown::from(class))));
        }
        let picture = folder.join(file);
        if !picture.is_file() {
            // A row of other names.
            if row == 0 {
                continue;
            }
            return Err(invalid(row, format!("there is no file {}", Shown::from(&picture))));
        }
        classes.entry(class.to_string()).or_default().push(picture);
    }
    Ok(classes)
}
