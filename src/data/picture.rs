//! Pictures from files: decoded within limits, turned upright, made grey.

use super::DataError;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::path::Path;

/// Shades of grey from 0 to 1, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Grey {
    pub height: usize,
    pub width: usize,
    pub values: Vec<f32>,
}

/// File names with these endings are taken for pictures; those of the second line cannot be read, and are told of rather than
/// passed over.
#[rustfmt::skip]
const ENDINGS: [&str; 13] = [
    "png", "jpg", "jpeg", "bmp", "gif", "webp",
    "tif", "tiff", "heic", "heif", "avif", "jp2", "jxl",
];

/// What files may hold, whatever they are called.
const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP];

/// Bytes of a file, at most.
const LARGEST_FILE: u64 = 256 << 20;
/// Pixels of a side and in all, at most: more than any camera gives, less than what fills a laptop's memory.
const LARGEST_SIDE: u32 = 20_000;
const LARGEST: u64 = 120_000_000;
/// Bytes that a picture may take when it is decoded.
const MOST_MEMORY: u64 = 400_000_000;
/// A picture that is larger is averaged down to at most this side: no network sees more of it.
const DETAIL: usize = 1000;

/// Whether a file's name says that it is a picture.
pub fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

impl Grey {
    /// Reads a picture: PNG, JPEG, BMP, GIF (its first frame) or WebP, told by its content.
    ///
    /// # Errors
    /// A file that is none, is damaged, or is larger than any reasonable picture, as its header says before any of it is
    /// decoded.
    pub fn read(path: &Path) -> Result<Grey, DataError> {
        let unreadable = |reason: String| DataError::Picture { path: path.into(), reason };
        let size = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
        if size > LARGEST_FILE {
            return Err(unreadable(format!("it has {size} bytes and at most {LARGEST_FILE} are read")));
        }
        let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
        Grey::decode(bytes).map_err(unreadable)
    }

    fn decode(bytes: Vec<u8>) -> Result<Grey, String> {
        if bytes.is_empty() {
            return Err("it is empty".into());
        }
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
        if !reader.format().is_some_and(|format| FORMATS.contains(&format)) {
            return Err("it is no PNG, JPEG, BMP, GIF or WebP".into());
        }
        let mut limits = Limits::default();
        limits.max_alloc = Some(MOST_MEMORY);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
        let (width, height) = decoder.dimensions();
        if width.max(height) > LARGEST_SIDE || u64::from(width) * u64::from(height) > LARGEST {
            return Err(format!(
                "it has {width}x{height} pixels, and at most {LARGEST_SIDE} a side and {LARGEST} in all are read; scale it down"
            ));
        }
        if width < 3 || height < 3 {
            return Err(format!("it has {width}x{height} pixels, too few to show anything"));
        }
        if decoder.total_bytes() > MOST_MEMORY {
            let bytes = decoder.total_bytes();
            return Err(format!(
                "it would take {bytes} bytes when decoded, and {MOST_MEMORY} are allowed; scale it down, or take 8-bit colour"
            ));
        }
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
        picture.apply_orientation(orientation);
        Ok(Grey::of(&picture))
    }

    /// Luminance (Rec. 709), averaged down to [`DETAIL`]. What is transparent shows a ground that stands out from the ink.
    fn of(picture: &DynamicImage) -> Grey {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixels: Vec<[f32; 2]> = if picture.color().has_alpha() {
            picture
                .to_rgba8()
                .pixels()
                .map(|p| [luminance(p.0[0], p.0[1], p.0[2]), f32::from(p.0[3]) / 255.0])
                .collect()
        } else {
            picture.to_rgb8().pixels().map(|p| [luminance(p.0[0], p.0[1], p.0[2]), 1.0]).collect()
        };
        let (ink, opaque) =
            pixels.iter().fold((0.0, 0.0), |(ink, all), [l, a]| (ink + f64::from(l * a), all + f64::from(*a)));
        let ground = if ink > 0.5 * opaque { 0.0 } else { 1.0 };
        let step = width.max(height).div_ceil(DETAIL);
        let (small_w, small_h) = (width.div_ceil(step), height.div_ceil(step));
        let mut values = Vec::with_capacity(small_w * small_h);
        for i in 0..small_h {
            for j in 0..small_w {
                let (mut sum, mut count) = (0.0, 0.0);
                for row in i * step..height.min((i + 1) * step) {
                    for [l, a] in &pixels[row * width + j * step..row * width + width.min((j + 1) * step)] {
                        sum += l * a + ground * (1.0 - a);
                        count += 1.0;
                    }
                }
                values.push(sum / count);
            }
        }
        Grey { height: small_h, width: small_w, values }
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

    /// A phone writes pictures as its sensor lies, and how it was held beside them.
    #[test]
    fn a_turned_photo_is_turned_back() {
        let jpeg = encoded(DynamicImage::from(halves()).to_rgb8().into(), ImageFormat::Jpeg);
        // Exif 2.3: behind the JPEG's first marker, a TIFF directory with one entry, the orientation (0x0112).
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
        // To be turned right by 90 degrees: what was left comes to the top.
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
        says(b"hello", "no PNG, JPEG");
        let png = encoded(halves().into(), ImageFormat::Png);
        assert!(Grey::decode(png[..png.len() / 2].to_vec()).is_err());
        says(&encoded(RgbaImage::new(1, 1).into(), ImageFormat::Png), "1x1 pixels");
        // A header that promises 30,000 x 30,000 pixels, with its checksum, and nothing behind it.
        let mut header =
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x75\x30\x00\x00\x75\x30\x08\x00\x00\x00\x00".to_vec();
        let mut crc = flate2::Crc::new();
        crc.update(&header[12..29]);
        header.extend(crc.sum().to_be_bytes());
        header.extend(b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e");
        says(&header, "30000x30000 pixels");
    }
}
