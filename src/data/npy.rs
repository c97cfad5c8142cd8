//! NumPy's arrays (`.npy`): a header, which is a dictionary in Python's notation, and the elements (NumPy Enhancement
//! Proposal 1).

use super::Images;
use std::io::Read;

/// Largest header of an array in bytes.
const LARGEST_HEADER: usize = 1 << 16;

/// An array of numbers as it is stored.
pub struct Array {
    pub shape: Vec<usize>,
    raw: Vec<u8>,
    /// Bytes of an element, and its value.
    size: usize,
    value: fn(&[u8]) -> f64,
}

impl Array {
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.raw.chunks_exact(self.size).map(self.value)
    }

    /// The array as grey images: of the shape (N, H, W), also with one channel, or (N, side * side), with values from 0 to 255,
    /// or fractions up to 1. An array that stands `alone` may be a single picture, (H, W).
    ///
    /// # Errors
    /// If it has another shape or other values.
    pub fn images(&self, alone: bool) -> Result<Images, String> {
        let (height, width) = match self.shape[..] {
            // One picture, with or without channels.
            [height, width, 1] | [height, width] if alone && self.is_one_picture() => (height, width),
            [_, _, 2..=4] if alone && self.is_one_picture() => {
                return Err(format!(
                    "its shape {:?} is that of a colour picture; save its mean, array.mean(axis=-1)",
                    self.shape
                ));
            }
            [_, height, width] | [_, height, width, 1] | [_, 1, height, width] => (height, width),
            [_, pixels] if pixels.isqrt().pow(2) == pixels => (pixels.isqrt(), pixels.isqrt()),
            [_, _, _, 2..=4] => {
                return Err(format!(
                    "its shape {:?} is that of colour images; save the mean of their channels, array.mean(axis=-1)",
                    self.shape
                ));
            }
            _ => return Err(format!("its shape {:?} is not that of grey images, (N, height, width)", self.shape)),
        };
        let scale = if self.values().fold(0.0_f64, f64::max) > 1.0 { 1.0 } else { 255.0 };
        if let Some(value) = self.values().find(|value| !(0.0..=255.0).contains(value)) {
            return Err(format!("it has a value of {value}, but pixels go from 0 to 255 or from 0 to 1"));
        }
        Ok(Images { height, width, bytes: self.values().map(|value| (value * scale).round() as u8).collect() })
    }

    /// Returns true for the shape of a single picture rather than that of several.
    fn is_one_picture(&self) -> bool {
        match self.shape[..] {
            [height, width] => height == width || width.isqrt().pow(2) != width,
            [height, width, channels] => channels <= 4 && height.min(width) > 4,
            _ => false,
        }
    }

    /// The array as labels: whole numbers, or rows with a one in the column of the class.
    ///
    /// # Errors
    /// If it has another shape or other values.
    pub fn labels(&self) -> Result<Vec<u8>, String> {
        let values: Vec<f64> = self.values().collect();
        let classes = match self.shape[..] {
            [_] | [_, 1] => values,
            [_, columns] if columns > 1 => {
                let class = |row: &[f64]| {
                    let ones = row.iter().filter(|&&value| value == 1.0).count();
                    let is_one_hot = ones == 1 && row.iter().all(|&value| value == 0.0 || value == 1.0);
                    row.iter().position(|&value| value == 1.0).filter(|_| is_one_hot)
                };
                let classes: Option<Vec<f64>> =
                    values.chunks(columns).map(|row| class(row).map(|at| at as f64)).collect();
                classes.ok_or("its rows are not zeros with a single one")?
            }
            _ => return Err(format!("its shape {:?} is not that of labels, (N)", self.shape)),
        };
        match classes.iter().find(|value| value.fract() != 0.0 || !(0.0..=255.0).contains(*value)) {
            Some(value) => Err(format!("it has a label of {value}; labels are whole numbers from 0 to 255")),
            None => Ok(classes.iter().map(|&value| value as u8).collect()),
        }
    }
}

/// Reads an array of at most this many bytes.
///
/// # Errors
/// If it is no such array.
pub fn parse(from: &mut impl Read, most: u64) -> Result<Array, String> {
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
    Ok(Array { shape, raw, size, value })
}
