//! Pictures from files: decoded within limits, turned upright, converted to grey.

use super::DataError;
use crate::files;
use image::metadata::Orientation;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::{Cursor, ErrorKind};
use std::path::Path;
use std::sync::Mutex;

/// Grey values from 0 to 1, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Grey {
    pub height: usize,
    pub width: usize,
    pub values: Vec<f32>,
    /// Number of the file's pixels per value, along each side.
    pub step: usize,
}

/// Extensions of picture files. Those of the second line cannot be read, and are reported rather than ignored.
#[rustfmt::skip]
const ENDINGS: [&str; 19] = [
    "png", "jpg", "jpeg", "jfif", "jpe", "bmp", "dib", "gif", "webp", "tif", "tiff",
    "heic", "heif", "hif", "avif", "jp2", "jxl", "pdf", "svg",
];

/// Formats that are decoded, regardless of the file name.
const FORMATS: [ImageFormat; 6] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Tiff];

/// Maximum size of a file in bytes.
const LARGEST_FILE: u64 = 256 << 20;
/// Maximum pixels per side and in total: more than any camera produces, less than fills a laptop's memory.
const LARGEST_SIDE: u32 = 20_000;
const LARGEST: u64 = 120_000_000;
/// Maximum size of a decoded picture in bytes.
const MOST_MEMORY: u64 = 400_000_000;
/// Larger pictures are averaged down to at most this side: no network sees more detail.
const DETAIL: u32 = 1000;

/// Pictures that take more bytes than this are decoded one at a time: a laptop has many cores but less memory.
const LARGE: u64 = 64_000_000;
/// Minimum part of its outline that a sheet fills, and minimum part of a sheet that has ink on it.
const FILLED: f64 = 0.9;
const MARKED: f64 = 0.005;

const CUT_OFF: &str = "it ends before the picture does; download or copy it again";

/// Returns true if a file has the extension of a supported picture format.
pub fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

impl Grey {
    /// Reads a picture: PNG, JPEG, BMP, GIF, WebP or TIFF, of which the first frame or page, detected from its content.
    ///
    /// # Errors
    /// If the file is not a picture, is damaged, or is larger than any reasonable picture according to its header,
    /// which is checked before anything is decoded.
    pub fn read(path: &Path) -> Result<Grey, DataError> {
        let unreadable = |reason: String| DataError::Picture { path: path.into(), reason: reason.into() };
        let bytes = files::read(path, LARGEST_FILE).map_err(|e| unreadable(e.to_string()))?;
        Grey::decode(bytes).map_err(unreadable)
    }

    /// Decodes the content of a picture file.
    ///
    /// # Errors
    /// As [`Grey::read`], without the path.
    pub fn decode(bytes: Vec<u8>) -> Result<Grey, String> {
        if bytes.is_empty() {
            return Err("it is empty".into());
        }
        let Some(format) = image::guess_format(&bytes).ok().filter(|format| FORMATS.contains(format)) else {
            return Err(match other_format(&bytes) {
                Some(name) => format!("it is {name}, which is not supported; export it as PNG or JPEG"),
                None => "it is not a PNG, JPEG, BMP, GIF, WebP or TIFF file".into(),
            });
        };
        if format == ImageFormat::Jpeg && !is_whole_jpeg(&bytes) {
            return Err(CUT_OFF.into());
        }
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let limit = |bytes: u64| {
            let mut limits = Limits::default();
            limits.max_alloc = Some(bytes);
            limits
        };
        // Metadata such as colour profiles is read on all cores at once, so it gets the lower limit.
        reader.limits(limit(LARGE));
        let undecodable = |error| undecodable(error, format);
        let mut decoder = reader.into_decoder().map_err(undecodable)?;
        let (width, height) = decoder.dimensions();
        if width.max(height) > LARGEST_SIDE || u64::from(width) * u64::from(height) > LARGEST {
            return Err(format!(
                "it has {width}x{height} pixels, but at most {LARGEST_SIDE} per side and {LARGEST} in total are \
                 supported; scale it down"
            ));
        }
        if width < 3 || height < 3 {
            return Err(format!("it has {width}x{height} pixels, too few to show anything"));
        }
        if decoder.total_bytes() > MOST_MEMORY {
            let bytes = decoder.total_bytes();
            return Err(format!(
                "it needs {bytes} bytes when decoded, but at most {MOST_MEMORY} are allowed; scale it down, or use \
                 8-bit colour"
            ));
        }
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone =
            (decoder.total_bytes() > LARGE).then(|| ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        decoder.set_limits(limit(MOST_MEMORY)).map_err(undecodable)?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
        picture.apply_orientation(orientation);
        Ok(Grey::of(&picture))
    }

    /// A drawing on white paper, from the ink of each pixel.
    pub fn drawn(ink: &[u8], width: usize) -> Grey {
        let values = ink.iter().map(|&ink| 1.0 - f32::from(ink) / 255.0).collect();
        Grey { height: ink.len() / width.max(1), width, values, step: 1 }
    }

    /// Luminance (Rec. 709), averaged down to [`DETAIL`]. Pixels are read in place: a copy of a large picture would
    /// take more memory than the picture.
    fn of(picture: &DynamicImage) -> Grey {
        let (width, height) = (picture.width(), picture.height());
        let ground = if picture.color().has_alpha() { ground(picture) } else { 1.0 };
        let step = width.max(height).div_ceil(DETAIL);
        let (small_w, small_h) = (width.div_ceil(step), height.div_ceil(step));
        let mut values = Vec::with_capacity((small_w * small_h) as usize);
        for i in 0..small_h {
            for j in 0..small_w {
                let (mut sum, mut count) = (0.0, 0.0);
                for y in i * step..height.min((i + 1) * step) {
                    for x in j * step..width.min((j + 1) * step) {
                        let (value, opaque) = seen(picture, x, y);
                        sum += value * opaque + ground * (1.0 - opaque);
                        count += 1.0;
                    }
                }
                values.push(sum / count);
            }
        }
        Grey { height: small_h as usize, width: small_w as usize, values, step: step as usize }
    }
}

/// Why a picture cannot be decoded, and the remedy if there is one.
fn undecodable(error: ImageError, format: ImageFormat) -> String {
    match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => CUT_OFF.into(),
        ImageError::Unsupported(error) => format!("{error}; export it as another {format:?}, as PNG or as JPEG"),
        error => error.to_string(),
    }
}

/// The format of a file that is none of [`FORMATS`], by its first bytes.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    const STARTS: [(&[u8], &str); 6] = [
        (b"%PDF", "a PDF document"),
        (b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
        (b"\0\0\0\x0cJXL ", "a JPEG XL file"),
        (b"\xff\x0a", "a JPEG XL file"),
        (b"8BPS", "a Photoshop document"),
        (b"\0\0\x01\0", "an icon file"),
    ];
    // ISO base media files name their brand after the length and type of their first box.
    match bytes.get(4..12) {
        Some(b"ftypavif" | b"ftypavis") => return Some("an AVIF file"),
        Some(b"ftypheic" | b"ftypheix" | b"ftyphevc" | b"ftypheim" | b"ftyphevx" | b"ftypmif1" | b"ftypmsf1") => {
            return Some("a HEIC file, as iPhones take");
        }
        _ => {}
    }
    let start = &bytes[..bytes.len().min(1024)];
    if start.windows(4).any(|word| word == b"<svg") {
        return Some("an SVG drawing");
    }
    STARTS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, name)| *name)
}

/// Returns true if an end-of-image marker follows the scans of a JPEG file, which the decoder does not require. Scans do
/// not contain it (ITU-T T.81, B.1.1.5), but thumbnails in the segments before them do.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        // Any number of bytes of 0xff may precede a marker.
        if marker == 0xff {
            at += 1;
            continue;
        }
        at += 2;
        if marker == 0xda {
            return bytes[at..].windows(2).any(|two| two == [0xff, 0xd9]);
        }
        at += usize::from(u16::from_be_bytes([high, low]));
    }
    false
}

/// Luminance and opacity of a pixel.
fn seen(picture: &DynamicImage, x: u32, y: u32) -> (f32, f32) {
    let [r, g, b, opaque] = picture.get_pixel(x, y).0;
    (luminance(r, g, b), f32::from(opaque) / 255.0)
}

/// The background of transparent pixels. Ink alone gets a ground that contrasts with it. A sheet, which fills its
/// outline and has ink of another shade on it, is continued with the shade of its paper.
fn ground(picture: &DynamicImage) -> f32 {
    let (mut shades, mut sum, mut all) = ([0.0_f64; 256], 0.0, 0.0);
    let (mut rows, mut columns) = ([u32::MAX, 0], [u32::MAX, 0]);
    for y in 0..picture.height() {
        for x in 0..picture.width() {
            let (value, opaque) = seen(picture, x, y);
            shades[(value * 255.0).round() as usize] += f64::from(opaque);
            sum += f64::from(value * opaque);
            all += f64::from(opaque);
            if opaque > 0.5 {
                rows = [rows[0].min(y), rows[1].max(y + 1)];
                columns = [columns[0].min(x), columns[1].max(x + 1)];
            }
        }
    }
    let outline = f64::from(rows[1].saturating_sub(rows[0])) * f64::from(columns[1].saturating_sub(columns[0]));
    let mut below = 0.0;
    let paper = shades.iter().position(|weight| {
        below += weight;
        below >= all / 2.0
    });
    let paper = paper.unwrap_or(0);
    let ink: f64 = shades.iter().enumerate().filter(|(shade, _)| shade.abs_diff(paper) > 64).map(|(_, w)| w).sum();
    let is_sheet = outline > 0.0 && all > FILLED * outline && ink > MARKED * all;
    if is_sheet {
        paper as f32 / 255.0
    } else if sum > 0.5 * all {
        0.0
    } else {
        1.0
    }
}

fn luminance(r: u8, g: u8, b: u8) -> f32 {
    (0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b)) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgba, RgbaImage};

    fn encoded(picture: DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    /// A dark left half on a light ground.
    fn halves() -> RgbaImage {
        RgbaImage::from_fn(40, 30, |x, _| if x < 20 { Rgba([30, 30, 30, 255]) } else { Rgba([220, 220, 220, 255]) })
    }

    /// A phone stores pictures in the orientation of its sensor, and the actual orientation as metadata.
    #[test]
    fn a_turned_photo_is_turned_back() {
        let jpeg = encoded(DynamicImage::from(halves()).to_rgb8().into(), ImageFormat::Jpeg);
        // Exif 2.3: after the JPEG's first marker, a TIFF directory with one entry, the orientation (0x0112).
        let turned = |orientation: u8| {
            let tiff =
                [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat();
            let length = (2 + 6 + tiff.len()) as u16;
            let exif = [&[0xff, 0xe1][..], &length.to_be_bytes(), b"Exif\0\0", &tiff].concat();
            let grey = Grey::decode([&jpeg[..2], &exif, &jpeg[2..]].concat()).unwrap();
            let at = |i: usize, j: usize| grey.values[i * grey.width + j] < 0.5;
            let (bottom, right) = (grey.height - 1, grey.width - 1);
            (grey.height, grey.width, [at(0, 0), at(0, right), at(bottom, 0), at(bottom, right)])
        };
        assert_eq!(turned(1), (30, 40, [true, false, true, false]));
        assert_eq!(turned(3), (30, 40, [false, true, false, true]));
        // To be rotated right by 90 degrees: the left side becomes the top.
        assert_eq!(turned(6), (40, 30, [true, true, false, false]));
        assert_eq!(turned(8), (40, 30, [false, false, true, true]));
    }

    #[test]
    fn every_format_reads_the_same() {
        let rgb = DynamicImage::from(halves()).to_rgb8();
        let sixteen = DynamicImage::from(rgb.clone()).to_luma16();
        for (picture, format) in [
            (DynamicImage::from(rgb.clone()), ImageFormat::Png),
            (DynamicImage::from(rgb.clone()), ImageFormat::Jpeg),
            (DynamicImage::from(rgb.clone()), ImageFormat::Bmp),
            (DynamicImage::from(rgb.clone()), ImageFormat::Gif),
            (DynamicImage::from(rgb.clone()), ImageFormat::WebP),
            (DynamicImage::from(sixteen), ImageFormat::Png),
            (DynamicImage::from(rgb.clone()).to_luma8().into(), ImageFormat::Png),
            (halves().into(), ImageFormat::Png),
        ] {
            let grey = Grey::decode(encoded(picture, format)).unwrap_or_else(|e| panic!("{format:?}: {e}"));
            assert_eq!((grey.height, grey.width), (30, 40));
            let close = |at: usize, to: f32| (grey.values[at] - to / 255.0).abs() < 0.03;
            assert!(close(40 * 15 + 5, 30.0) && close(40 * 15 + 35, 220.0), "{format:?}");
        }
    }

    #[test]
    fn what_is_transparent_stands_out_from_the_ink() {
        for (ink, ground) in [(0, 1.0), (255, 0.0)] {
            let drawn = RgbaImage::from_fn(9, 9, |x, _| Rgba([ink, ink, ink, if x == 4 { 255 } else { 0 }]));
            let grey = Grey::decode(encoded(drawn.into(), ImageFormat::Png)).unwrap();
            assert_eq!((grey.values[0], grey.values[4]), (ground, f32::from(ink) / 255.0));
        }
    }

    /// A screenshot's frame, or its round corners.
    #[test]
    fn a_sheet_with_a_transparent_frame_goes_on_as_its_paper() {
        for (ink, paper) in [(20, 240), (250, 30)] {
            let shot = RgbaImage::from_fn(40, 40, |x, y| {
                let inside = (6..34).contains(&x) && (6..34).contains(&y);
                let shade = if x == 20 && (12..28).contains(&y) { ink } else { paper };
                Rgba([shade, shade, shade, if inside { 255 } else { 0 }])
            });
            let grey = Grey::decode(encoded(shot.into(), ImageFormat::Png)).unwrap();
            let at = |x: usize, y: usize| grey.values[y * 40 + x];
            assert_eq!((at(0, 0), at(8, 8), at(20, 20)), (at(8, 8), f32::from(paper) / 255.0, f32::from(ink) / 255.0));
        }
        // Translucent ink is ink.
        let faint = RgbaImage::from_fn(40, 40, |x, _| match x {
            10..14 => Rgba([0, 0, 0, 120]),
            20..26 => Rgba([120, 120, 120, 120]),
            _ => Rgba([0, 0, 0, 0]),
        });
        let grey = Grey::decode(encoded(faint.into(), ImageFormat::Png)).unwrap();
        assert_eq!((grey.values[0], grey.values[22] < 0.8), (1.0, true));
        // A filled square is not a sheet: there is no ink on it.
        let square = RgbaImage::from_fn(40, 40, |x, y| Rgba([0, 0, 0, if x.max(y) < 30 { 255 } else { 0 }]));
        assert_eq!(Grey::decode(encoded(square.into(), ImageFormat::Png)).unwrap().values[39], 1.0);
    }

    #[test]
    fn large_pictures_are_averaged_down() {
        let wide = DynamicImage::from(image::GrayImage::from_fn(2500, 10, |x, _| {
            image::Luma([if x % 2 == 0 { 0 } else { 200 }])
        }));
        let grey = Grey::of(&wide);
        assert_eq!((grey.height, grey.width), (4, 834));
        assert!((grey.values[7] * 255.0 - 100.0).abs() < 40.0);
    }

    #[test]
    fn what_is_no_picture_says_so() {
        let says = |bytes: &[u8], word: &str| {
            let text = Grey::decode(bytes.to_vec()).unwrap_err();
            assert!(text.contains(word), "{text}");
        };
        says(b"", "empty");
        says(b"hello", "not a PNG, JPEG");
        let png = encoded(halves().into(), ImageFormat::Png);
        assert!(Grey::decode(png[..png.len() / 2].to_vec()).is_err());
        says(&encoded(RgbaImage::new(1, 1).into(), ImageFormat::Png), "1x1 pixels");
        // A header that declares 30,000 x 30,000 pixels, with a valid checksum and no data.
        let mut header =
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x75\x30\x00\x00\x75\x30\x08\x00\x00\x00\x00".to_vec();
        let mut crc = flate2::Crc::new();
        crc.update(&header[12..29]);
        header.extend(crc.sum().to_be_bytes());
        header.extend(b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e");
        says(&header, "30000x30000 pixels");
    }
}
