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

/// The column separator of a table, detected from its first row: comma, semicolon or tab.
pub fn separator(row: &str) -> char {
    let count = |c: char| row.matches(c).count();
    if count(';').max(count('\t')) <= count(',') {
        ','
    } else if count(';') > count('\t') {
        ';'
    } else {
        '\t'
    }
}

/// The cells of a row.
fn cells(row: &str, separator: char) -> Vec<&str> {
    row.split(separator).map(|word| word.trim().trim_matches('"')).collect()
}

/// Reads a table of labelled images: perhaps a row of names, then rows of numbers from 0 to 255. The label is in the column
/// `label`, `class`, `target` or `y`, or else in the first; a column `id` is ignored, and the others are the pixels of a square
/// image, row by row.
///
/// # Errors
/// If the file cannot be read, has no labels, or a row differs in length or is not such numbers.
pub fn read_table(path: &Path) -> Result<DataSet, DataError> {
    let (images, labels) = read_rows(path, true)?;
    match labels {
        Some(labels) => Ok(DataSet { images, labels }),
        None => {
            let pixels = images.pixels();
            let text = format!(
                "it has {pixels} columns, a square image without a label; add a column with the labels, or classify \
                 the images with `mnist-gpu predict`"
            );
            Err(DataError::Table { path: path.into(), row: 1, text })
        }
    }
}

/// The images of a table, and their labels if it has any and they are `wanted`. Pixels that are all 0 or 1 are scaled to 255.
///
/// # Errors
/// As [`read_table`], but for the labels.
pub fn read_rows(path: &Path, wanted: bool) -> Result<(Images, Option<Vec<u8>>), DataError> {
    let unreadable = |e: std::io::Error| DataError::Unreadable { path: path.into(), reason: Shown::new(e) };
    let (file, size) = files::open(path).map_err(unreadable)?;
    let invalid = |row: usize, text: String| DataError::Table { path: path.into(), row, text };
    if size > LARGEST {
        return Err(invalid(1, format!("the file has {size} bytes, but at most {LARGEST} are supported")));
    }
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    let mut columns: Option<Columns> = None;
    let mut comma = ',';
    let (mut bytes, mut labels) = (Vec::new(), Vec::new());
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
        if columns.is_none() {
            comma = separator(text);
        }
        let words = cells(text, comma);
        let columns = match columns {
            Some(columns) => columns,
            None => {
                let found = *columns.insert(Columns::of(&words).map_err(|text| invalid(row, text))?);
                let numbers = words.iter().filter(|word| word.parse::<f64>().is_ok()).count();
                let first = found.label.or(found.id).unwrap_or(0);
                // Columns of pixels may be called by numbers, and all columns by consecutive ones.
                if 2 * numbers < words.len() || words[first].parse::<f64>().is_err() || are_consecutive(&words) {
                    continue;
                }
                found
            }
        };
        if words.len() != columns.count {
            return Err(invalid(
                row,
                format!("it has {} columns, but the first row has {}", words.len(), columns.count),
            ));
        }
        let is_read = |at: usize| Some(at) != columns.id && (wanted || Some(at) != columns.label);
        for (at, word) in words.iter().enumerate().filter(|(at, _)| is_read(*at)) {
            // Some programs write whole numbers as 7.0.
            let number = word.strip_suffix(".0").unwrap_or(word);
            let value = number.parse::<u8>().map_err(|_| {
                let hint = match word.parse::<f64>() {
                    Ok(value) if (0.0..=1.0).contains(&value) => "; multiply fractions by 255",
                    _ => "",
                };
                let word = Shown::from(*word).to_string();
                invalid(row, format!("{word:?} in column {} is not a whole number from 0 to 255{hint}", at + 1))
            })?;
            if Some(at) == columns.label { labels.push(value) } else { bytes.push(value) }
        }
    }
    let Some(Columns { side, label, .. }) = columns.filter(|_| !bytes.is_empty()) else {
        return Err(DataError::Empty(path.into()));
    };
    if bytes.iter().all(|&byte| byte <= 1) {
        bytes.iter_mut().for_each(|byte| *byte *= 255);
    }
    Ok((Images { height: side, width: side, bytes }, label.filter(|_| wanted).map(|_| labels)))
}

/// Returns true for the names that some programs give to columns: 0, 1, 2 and on, or from 1 on.
fn are_consecutive(words: &[&str]) -> bool {
    let first = words[0].parse::<usize>().ok().filter(|&first| first <= 1 && words.len() > 16);
    first.is_some_and(|first| words.iter().enumerate().all(|(at, word)| word.parse() == Ok(first + at)))
}

/// Roles of the columns of a table.
#[derive(Clone, Copy)]
struct Columns {
    count: usize,
    label: Option<usize>,
    id: Option<usize>,
    /// Height and width of the images.
    side: usize,
}

impl Columns {
    /// Determines them from the first row.
    fn of(words: &[&str]) -> Result<Columns, String> {
        let called = |names: &[&str]| words.iter().position(|word| names.contains(&word.to_lowercase().as_str()));
        let (count, id) = (words.len(), called(&["id", "imageid", "image_id", "", "unnamed: 0"]));
        let is_square = |pixels: usize| pixels >= 4 && pixels.isqrt().pow(2) == pixels;
        let rest = count - usize::from(id.is_some());
        let label = match called(&["label", "class", "target", "y"]) {
            Some(at) => Some(at),
            None if is_square(rest) => None,
            None => (0..count).find(|at| Some(*at) != id),
        };
        let pixels = rest - usize::from(label.is_some());
        if !is_square(pixels) {
            return Err(format!(
                "it has {count} columns, but a label and the pixels of a square image are needed, such as 785"
            ));
        }
        Ok(Columns { count, label, id, side: pixels.isqrt() })
    }
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
            "label;a;b;c;d\n7;0;10;20;255\n3;1;2;3;4\n",
            "\"label\",\"1\",\"2\",\"3\",\"4\"\n7.0,0.0,10,20,255\n3,1,2,3,4\n",
        ] {
            assert_eq!(read(text), Ok(set.clone()), "{text}");
        }
    }

    #[test]
    fn images_may_have_no_labels_and_an_id() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        for text in ["p0,p1,p2,p3\n1,2,3,4\n5,6,7,8", "1,2,3,4\n5,6,7,8\n", "Id,0,1,2,3\n900,1,2,3,4\n901,5,6,7,8\n"] {
            std::fs::write(&path, text).unwrap();
            let images = Images { height: 2, width: 2, bytes: (1..=8).collect() };
            assert_eq!(read_rows(&path, true).unwrap(), (images, None), "{text}");
        }
        std::fs::write(&path, "id,label,0,1,2,3\n900,9,1,2,3,4\n").unwrap();
        assert_eq!(read_rows(&path, true).unwrap().1, Some(vec![9]));
        // Names of columns may be numbers, an index has no name, and labels that are not needed may be anything.
        let (names, row) = ((0..25).map(|n| n.to_string()).collect::<Vec<_>>().join(","), vec!["1"; 25].join(","));
        std::fs::write(&path, format!("{names}\n{row}\n")).unwrap();
        assert_eq!(read_rows(&path, false).unwrap().0.bytes, [255; 25], "one image, whose pixels are 1");
        std::fs::write(&path, ",label,a,b,c,d\n300,cat,1,2,3,4\n").unwrap();
        assert_eq!(read_rows(&path, false).unwrap().0.bytes, [1, 2, 3, 4]);
    }

    #[test]
    fn what_is_no_table_of_images_says_where() {
        for (text, words) in [
            ("", "contains no images"),
            ("label,a,b,c,d\n", "contains no images"),
            ("1,2,3\n", "3 columns"),
            ("1,2,3,4\n", "without a label"),
            ("1,2,3,4,5\n1,2,3\n", "row 2"),
            ("1,2,3,4,5\n1,2,x,4,5\n", "\"x\" in column 3"),
            ("1,2,3,4,5\n1,2,256,4,5\n", "0 to 255"),
            ("1,2,3,4,5\n1,2,0.5,4,5\n", "multiply fractions by 255"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
