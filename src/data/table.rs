//! Tables of comma-separated numbers: a row for each image, with its label and its pixels, as in Kaggle's digit
//! recognizer.

use super::{DataError, DataSet, Images};
use crate::files;
use crate::text::Shown;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Longest row in bytes: far more than an image of 256 x 256 pixels takes.
const LONGEST: u64 = 1 << 20;
/// Largest table in bytes.
const LARGEST: u64 = 8 << 30;

/// Returns true if a file has the extension of a table.
pub fn is_table(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

/// The cells of a row.
pub(super) fn cells(row: &str) -> Vec<&str> {
    row.split(',').map(|word| word.trim().trim_matches('"')).collect()
}

/// Reads a table: perhaps a row of names, then rows of numbers from 0 to 255. The label is in the column `label` or
/// `class`, or else in the first; the others are the pixels of a square image, row by row.
///
/// # Errors
/// If the file cannot be read, or a row differs in length or is not such numbers.
pub fn read_table(path: &Path) -> Result<DataSet, DataError> {
    let unreadable = |e: std::io::Error| DataError::Unreadable { path: path.into(), reason: Shown::new(e) };
    let (file, size) = files::open(path).map_err(unreadable)?;
    let invalid = |row: usize, text: String| DataError::Table { path: path.into(), row, text };
    if size > LARGEST {
        return Err(invalid(1, format!("the file has {size} bytes, but at most {LARGEST} are supported")));
    }
    let mut reader = BufReader::new(file);
    let (mut line, mut columns, mut at_label) = (String::new(), 0, 0);
    let mut set = DataSet::default();
    for row in 1.. {
        line.clear();
        if std::io::Read::take(&mut reader, LONGEST).read_line(&mut line).map_err(unreadable)? == 0 {
            break;
        }
        if line.len() as u64 == LONGEST {
            return Err(invalid(row, format!("it is longer than {LONGEST} bytes")));
        }
        let text = line.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            continue;
        }
        let words = cells(text);
        if columns == 0 {
            columns = words.len();
            let side = (columns - 1).isqrt();
            if side < 2 || side * side != columns - 1 {
                let is_square = columns.isqrt().pow(2) == columns && columns > 1;
                let hint = if is_square { "; a column with the labels is missing" } else { "" };
                return Err(invalid(
                    row,
                    format!(
                        "it has {columns} columns, but a label and the pixels of a square image are needed, such as 785{hint}"
                    ),
                ));
            }
            set.images = Images { height: side, width: side, bytes: Vec::new() };
            let name = |word: &&str| ["label", "class", "target", "y"].contains(&word.to_lowercase().as_str());
            at_label = words.iter().position(name).unwrap_or(0);
            let numbers = words.iter().filter(|word| word.parse::<f64>().is_ok()).count();
            // Columns of pixels may be called by numbers.
            if 2 * numbers < columns || words[at_label].parse::<f64>().is_err() {
                continue;
            }
        }
        if words.len() != columns {
            return Err(invalid(row, format!("it has {} columns, but the first row has {columns}", words.len())));
        }
        for (at, word) in words.iter().enumerate() {
            // Some programs write whole numbers as 7.0.
            let number = word.strip_suffix(".0").unwrap_or(word);
            let value = number.parse::<u8>().map_err(|_| {
                invalid(
                    row,
                    format!(
                        "{:?} in column {} is not a whole number from 0 to 255",
                        Shown::from(*word).to_string(),
                        at + 1
                    ),
                )
            })?;
            if at == at_label { set.labels.push(value) } else { set.images.bytes.push(value) }
        }
    }
    if set.labels.is_empty() {
        return Err(DataError::Empty(path.into()));
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DataSet, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        read_table(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn rows_are_images_with_their_labels() {
        let set = DataSet::new([2, 2], vec![0, 10, 20, 255, 1, 2, 3, 4], vec![7, 3]).unwrap();
        for text in [
            "label,pixel0,pixel1,pixel2,pixel3\n7,0,10,20,255\n3,1,2,3,4\n",
            "\u{feff}7,0,10,20,255\r\n3,1,2,3,4\r\n\r\n",
            "a,b,c,d,class\n0,10,20,255,7\n1,2,3,4,3",
            "\"label\",\"1\",\"2\",\"3\",\"4\"\n7.0,0.0,10,20,255\n3,1,2,3,4\n",
        ] {
            assert_eq!(read(text), Ok(set.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_no_table_of_images_says_where() {
        for (text, words) in [
            ("", "contains no images"),
            ("label,a,b,c,d\n", "contains no images"),
            ("1,2,3\n", "3 columns"),
            ("1,2,3,4\n", "labels is missing"),
            ("1,2,3,4,5\n1,2,3\n", "row 2"),
            ("1,2,3,4,5\n1,2,x,4,5\n", "\"x\" in column 3"),
            ("1,2,3,4,5\n1,2,256,4,5\n", "0 to 255"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
