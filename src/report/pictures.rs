//! Small pictures inside a page: PNG files as data URIs.

use super::channels::{Block, Channel, PATCHES};
use crate::data::DataSet;
use crate::explain::{colour, largest};
use base64::{Engine, engine::general_purpose::STANDARD};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// Paper between and beside patches.
const PAPER: u8 = 255;

/// A picture and its size in pixels.
pub struct Picture {
    pub uri: String,
    pub width: usize,
    pub height: usize,
}

fn picture(bytes: &[u8], [height, width]: [usize; 2], colours: ExtendedColorType) -> Picture {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::NoFilter);
    // It fails only for sizes that do not match the bytes.
    let written = encoder.write_image(bytes, width as u32, height as u32, colours);
    debug_assert!(written.is_ok(), "{written:?}");
    Picture { uri: format!("data:image/png;base64,{}", STANDARD.encode(&png)), width, height }
}

/// An image with dark ink on white paper.
pub fn ink(set: &DataSet, index: usize) -> Picture {
    let bytes: Vec<u8> = image(set, index).iter().map(|&byte| 255 - byte).collect();
    picture(&bytes, [set.images.height, set.images.width], ExtendedColorType::L8)
}

fn image(set: &DataSet, index: usize) -> &[u8] {
    let pixels = set.images.pixels();
    &set.images.bytes[index * pixels..][..pixels]
}

/// The attribution map of an image.
pub fn attribution(set: &DataSet, index: usize, map: &[f32]) -> Picture {
    let scale = largest(map);
    let pixel = |(&ink, value): (&u8, &f32)| colour(ink, value / scale);
    let bytes: Vec<u8> = image(set, index).iter().zip(map).flat_map(pixel).collect();
    picture(&bytes, [set.images.height, set.images.width], ExtendedColorType::Rgb8)
}

/// A filter of `side` x `side` weights.
pub fn filter(weights: &[f32], side: usize) -> Picture {
    let scale = largest(weights);
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| colour(0, weight / scale)).collect();
    picture(&bytes, [side, side], ExtendedColorType::Rgb8)
}

/// The patches of a channel, three in a row, with dark ink.
pub fn patches(set: &DataSet, block: &Block, channel: &Channel) -> Picture {
    const ROW: usize = 3;
    let (height, width) = (set.images.height as isize, set.images.width as isize);
    // Large fields are as large as the image.
    let size = block.size.min(set.images.height.max(set.images.width));
    let side = ROW * (size + 1) - 1;
    let pixel = |at: usize| {
        let (y, x) = (at / side, at % side);
        let (i, j) = (y % (size + 1), x % (size + 1));
        let number = y / (size + 1) * ROW + x / (size + 1);
        let Some(patch) = channel.patches.get(number).filter(|_| i < size && j < size) else { return PAPER };
        // Of a field that is larger than the image, all of the image is shown.
        let start = |start: isize| if block.size > size { 0 } else { start };
        let (row, column) = (start(patch.row) + i as isize, start(patch.column) + j as isize);
        match (0..height).contains(&row) && (0..width).contains(&column) {
            true => 255 - image(set, patch.image)[(row * width + column) as usize],
            false => PAPER,
        }
    };
    let bytes: Vec<u8> = (0..side * side).map(pixel).collect();
    debug_assert!(channel.patches.len() <= PATCHES);
    picture(&bytes, [side, side], ExtendedColorType::L8)
}
