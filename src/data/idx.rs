//! IDX files: the format of MNIST, optionally gzipped.
//!
//! Two zero bytes, one for the element type, one for the number of dimensions, each dimension as a big-endian u32, then
//! the elements (Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits).

use super::DataError;
use crate::files;
use crate::text::Shown;
use flate2::bufread::MultiGzDecoder;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Grey images of one size, one byte per pixel, in row-major order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    pub height: usize,
    pub width: usize,
    pub bytes: Vec<u8>,
}

impl Images {
    /// Bytes per image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.bytes.len().checked_div(self.pixels()).unwrap_or(0)
    }

    /// Swaps rows and columns.
    pub fn transpose(&mut self) {
        let (height, width, pixels) = (self.height, self.width, self.pixels());
        let upright =
            |at: usize| self.bytes[at / pixels * pixels + at % pixels % height * width + at % pixels / height];
        self.bytes = (0..self.bytes.len()).map(upright).collect();
        (self.height, self.width) = (width, height);
    }

    /// Returns true if there are no images.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Maximum compression ratio of Deflate (RFC 1951: 258 bytes in a quarter of a byte, rounded up).
const LARGEST_RATIO: u64 = 1100;

/// Reads a file of images: three dimensions of unsigned bytes.
///
/// # Errors
/// If the header does not match, the sizes exceed the file or the memory, or the file is too short or too long.
pub fn read_images(path: &Path) -> Result<Images, DataError> {
    let ([_, height, width], bytes) = read(path, "images", BYTES)?;
    Ok(Images { height: height as usize, width: width as usize, bytes })
}

/// Reads a file of labels: one dimension of unsigned bytes.
///
/// # Errors
/// As [`read_images`].
pub fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    read::<1>(path, "labels", BYTES).map(|(_, bytes)| bytes)
}

/// Reads a file of rows of 32-bit integers and returns the first of each row, which is where QMNIST has its labels.
///
/// # Errors
/// As [`read_images`], and if a label does not fit in a byte.
pub fn read_first_column(path: &Path) -> Result<Vec<u8>, DataError> {
    let ([_, columns], bytes) = read::<2>(path, "labels", INTEGERS)?;
    let rows = bytes.chunks_exact(4 * columns as usize);
    let label = |row: &[u8]| u8::try_from(u32::from_be_bytes([row[0], row[1], row[2], row[3]])).ok();
    let header = || DataError::Header { path: path.into(), what: "labels", text: "a label is larger than 255".into() };
    rows.map(label).collect::<Option<Vec<u8>>>().ok_or_else(header)
}

/// Returns true for a file that starts like one of images, gzipped or not.
pub fn is_idx_of_images(path: &Path) -> bool {
    let Ok((file, _)) = files::open(path) else { return false };
    let mut file = BufReader::with_capacity(1 << 10, file);
    let gzipped = file.fill_buf().is_ok_and(|start| start.starts_with(&[0x1f, 0x8b]));
    let mut start = [0; 4];
    let read = if gzipped { MultiGzDecoder::new(file).read_exact(&mut start) } else { file.read_exact(&mut start) };
    read.is_ok() && start == [0, 0, BYTES.0, 3]
}

/// Code and size in bytes of an element type.
const BYTES: (u8, u64) = (0x08, 1);
const INTEGERS: (u8, u64) = (0x0c, 4);

fn read<const DIMS: usize>(
    path: &Path,
    what: &'static str,
    (code, size): (u8, u64),
) -> Result<([u32; DIMS], Vec<u8>), DataError> {
    let unreadable = |e: std::io::Error| DataError::Unreadable { path: path.into(), reason: Shown::new(e) };
    let header = |text: String| DataError::Header { path: path.into(), what, text };

    let (file, on_disk) = files::open(path).map_err(unreadable)?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let gzipped = file.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
    let mut content: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let most = if gzipped { on_disk.saturating_mul(LARGEST_RATIO) } else { on_disk };

    let mut start = vec![0; 4 + 4 * DIMS];
    let got = read_up_to(&mut content, &mut start).map_err(unreadable)?;
    if got < start.len() {
        return Err(header(format!("it ends after {got} bytes, within the header")));
    }
    check_magic(&start, code, DIMS).map_err(header)?;
    let mut dims = [0; DIMS];
    for (dim, bytes) in dims.iter_mut().zip(start[4..].chunks_exact(4)) {
        *dim = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    if dims.contains(&0) {
        return Err(if dims[0] == 0 {
            DataError::Empty(path.into())
        } else {
            header(format!("sizes {dims:?} contain 0"))
        });
    }
    let expected = dims.iter().try_fold(size, |product, &dim| product.checked_mul(u64::from(dim)));
    let expected = expected.filter(|&bytes| bytes <= isize::MAX as u64);
    let expected = expected.ok_or_else(|| header(format!("sizes {dims:?} overflow")))?;
    if expected + start.len() as u64 > most {
        let found = if gzipped { most } else { on_disk - start.len() as u64 };
        return Err(DataError::Truncated { path: path.into(), found, expected });
    }

    let mut bytes =
        files::reserved(expected).map_err(|_| DataError::NoMemory { path: path.into(), bytes: expected })?;
    // Memory is touched only as content arrives, regardless of the header.
    content.by_ref().take(expected).read_to_end(&mut bytes).map_err(|e| damaged(path, e))?;
    if (bytes.len() as u64) < expected {
        return Err(DataError::Truncated { path: path.into(), found: bytes.len() as u64, expected });
    }
    // Reading to the end also makes the gzip reader verify its checksum.
    if read_up_to(&mut content, &mut [0]).map_err(|e| damaged(path, e))? > 0 {
        return Err(DataError::TooLong { path: path.into(), expected });
    }
    Ok((dims, bytes))
}

fn damaged(path: &Path, error: std::io::Error) -> DataError {
    let reason = format!("{error}; the file is truncated or damaged, download or copy it again");
    DataError::Unreadable { path: path.into(), reason: reason.into() }
}

/// Fills a buffer as far as the content reaches.
fn read_up_to(content: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match content.read(&mut buffer[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(at)
}

fn check_magic(start: &[u8], code: u8, dims: usize) -> Result<(), String> {
    let kind = |code: u8| match code {
        0x08 => Some("unsigned bytes"),
        0x09 => Some("signed bytes"),
        0x0b => Some("16-bit integers"),
        0x0c => Some("32-bit integers"),
        0x0d => Some("32-bit floats"),
        0x0e => Some("64-bit floats"),
        _ => None,
    };
    match kind(start[2]).filter(|_| start[..2] == [0, 0]) {
        None => return Err(format!("it starts with {:02x?}, not with 00 00 {code:02x}", &start[..4])),
        Some(found) if start[2] != code => {
            return Err(format!("it contains {found}; only {} are supported", kind(code).unwrap_or_default()));
        }
        Some(_) => {}
    }
    if usize::from(start[3]) != dims {
        return Err(format!("it has {} dimensions, not {dims}", start[3]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> tempfile::TempPath {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file.into_temp_path()
    }
    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }
    fn images(count: u32, h: u32, w: u32, bytes: usize) -> Vec<u8> {
        let mut out = vec![0, 0, 8, 3];
        for dim in [count, h, w] {
            out.extend(dim.to_be_bytes());
        }
        out.extend((0..bytes).map(|i| i as u8));
        out
    }
    fn error(bytes: &[u8]) -> String {
        read_images(&file(bytes)).unwrap_err().to_string()
    }

    #[test]
    fn raw_and_gzipped_files_read_the_same() {
        let raw = images(3, 2, 5, 30);
        let read = read_images(&file(&raw)).unwrap();
        assert_eq!((read.len(), read.height, read.width, read.bytes[29]), (3, 2, 5, 29));
        assert_eq!(read_images(&file(&gzip(&raw))).unwrap(), read);
        assert_eq!(read_labels(&file(&[0, 0, 8, 1, 0, 0, 0, 2, 7, 9])).unwrap(), [7, 9]);
    }

    #[test]
    fn every_lie_of_a_header_is_told() {
        assert!(error(&images(3, 2, 5, 29)).contains("ends after 29 of the 30 bytes"));
        assert!(error(&images(3, 2, 5, 31)).contains("more than the 30 bytes"));
        assert!(error(&gzip(&images(3, 2, 5, 29))).contains("ends after 29 of the 30 bytes"));
        assert!(error(&gzip(&images(3, 2, 5, 31))).contains("more than the 30 bytes"));
        assert!(error(&images(0, 2, 5, 0)).contains("contains no images"));
        assert!(error(&images(3, 0, 5, 0)).contains("sizes [3, 0, 5]"));
        assert!(error(&images(u32::MAX, u32::MAX, u32::MAX, 8)).contains("overflow"));
        assert!(error(&gzip(&images(4_000_000_000, 28, 28, 100))).contains("ends after"));
        assert!(error(&[0, 0, 8, 3, 0, 0]).contains("within the header"));
        assert!(error(&[0, 0, 8, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]).contains("1 dimensions, not 3"));
        assert!(error(&[0, 0, 13, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]).contains("32-bit floats"));
        assert!(error(b"PNG and so on, and on").contains("not with 00 00 08"));
    }

    #[test]
    fn a_damaged_gzip_file_is_told() {
        let mut whole = gzip(&images(30, 20, 20, 12_000));
        assert!(error(&whole[..whole.len() / 2]).contains("truncated or damaged"));
        let checksum = whole.len() - 6;
        whole[checksum] ^= 1;
        assert!(error(&whole).contains("truncated or damaged"));
    }
}
