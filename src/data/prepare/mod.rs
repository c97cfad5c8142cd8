//! Turns pictures into images like those that a network was trained on.
//!
//! MNIST's digits were black ink on white forms. They were located, cut out, fitted into 20x20 pixels with their aspect
//! ratio kept, and placed by their centre of mass in the middle of 28x28; the scaling produced their grey levels (Y.
//! LeCun, C. Cortes, C. J. C. Burges: The MNIST database). [`Prepare::Mnist`] does the same to any picture of one
//! character.

mod ground;
mod ink;
mod lines;
mod pieces;
mod strokes;

use super::{DataError, picture::Grey};
use crate::words::words;
use ground::usual;
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};
use ink::{Ink, ink};
use pieces::{Extent, Pieces};
use std::path::Path;
use strokes::fit;

words! {
    /// How pictures become images of a network's size.
    pub enum Prepare {
        /// Like MNIST: cropped to the ink, fitted, centred, light on black
        mnist Mnist,
        /// Scaled to fit, with the aspect ratio kept, and padded with the colour of the border
        resize Resize,
        /// Unchanged; all pictures must have the network's size
        none None,
    }
}

#[expect(clippy::derivable_impls, reason = "the macro defines the enum")]
impl Default for Prepare {
    fn default() -> Prepare {
        Prepare::Mnist
    }
}

/// An image in the form that a network takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub height: usize,
    pub width: usize,
    pub bytes: Vec<u8>,
    /// False for a blank picture. Only [`Prepare::Mnist`] detects ink; the others always set it.
    pub ink: bool,
    /// Why the ink may not be a single whole character. Only [`Prepare::Mnist`] looks.
    pub doubt: Option<Doubt>,
}

/// Why the ink of a picture may not be a single whole character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// So many characters of similar height.
    Several(usize),
    /// The ink ends at a side of the picture.
    Cut,
    /// Lines across the picture were removed.
    Lined,
}

/// Size of the box that a character is fitted into, as a fraction of the image's side.
const BOX: f32 = 20.0 / 28.0;

/// Level up to which a pixel of a prepared image is black.
const BLACK: f32 = 0.02;
/// Pictures whose sides are shorter than the first are scaled up to at least the second.
const SMALL_SIDE: usize = 56;
const FINE_SIDE: usize = 112;
/// Part of the ink's extent that ends at a side of the picture above which the ink counts as cut off.
const CUT: f32 = 0.3;

type Plane = ImageBuffer<Luma<f32>, Vec<f32>>;

impl Prepare {
    /// Prepares a picture for images of this height and width.
    ///
    /// # Errors
    /// If [`Prepare::None`] gets a picture of another size.
    pub fn apply(self, path: &Path, grey: &Grey, [height, width]: [usize; 2]) -> Result<Image, DataError> {
        match self {
            Prepare::Mnist => Ok(mnist(grey, [height, width])),
            Prepare::Resize => Ok(fitted(grey, [height, width])),
            Prepare::None if [grey.height, grey.width] == [height, width] => Ok(exact(grey)),
            Prepare::None => Err(DataError::PictureSize {
                path: path.into(),
                found: [grey.height, grey.width],
                wanted: [height, width],
            }),
        }
    }
}

fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn exact(grey: &Grey) -> Image {
    let bytes = grey.values.iter().map(|&v| byte(v)).collect();
    Image { height: grey.height, width: grey.width, bytes, ink: true, doubt: None }
}

fn plane(height: usize, width: usize, values: Vec<f32>) -> Plane {
    // The length matches the sides by construction.
    ImageBuffer::from_raw(width as u32, height as u32, values).unwrap_or_default()
}

fn fitted(grey: &Grey, [height, width]: [usize; 2]) -> Image {
    let scale = (height as f32 / grey.height as f32).min(width as f32 / grey.width as f32);
    let side = |of: usize, most: usize| ((of as f32 * scale).round() as usize).clamp(1, most);
    let (h, w) = (side(grey.height, height), side(grey.width, width));
    let source = plane(grey.height, grey.width, grey.values.clone());
    let small = resize(&source, w as u32, h as u32, FilterType::Triangle);
    let mut bytes = vec![byte(usual(grey)); height * width];
    let (top, left) = ((height - h) / 2, (width - w) / 2);
    for (j, i, value) in small.enumerate_pixels() {
        bytes[(top + i as usize) * width + left + j as usize] = byte(value.0[0]);
    }
    Image { height, width, bytes, ink: true, doubt: None }
}

fn mnist(grey: &Grey, size: [usize; 2]) -> Image {
    let [height, width] = size;
    if is_prepared(grey, size) {
        return exact(grey);
    }
    let Some(found) = Found::of(grey) else {
        return Image { height, width, bytes: vec![0; height * width], ink: false, doubt: None };
    };
    let characters = found.pieces.characters();
    let all: Vec<usize> = characters.iter().flat_map(|of| &of.pieces).copied().collect();
    let doubt = match characters.len() {
        1 if found.pieces.ends(&all) > CUT => Some(Doubt::Cut),
        1 => found.ink.lines.then_some(Doubt::Lined),
        count => Some(Doubt::Several(count)),
    };
    Image { doubt, ..found.image(&all, size) }
}

/// A character of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Character {
    pub image: Image,
    /// Left, top, width and height in pixels of the file.
    pub place: [usize; 4],
}

/// All characters of a picture in reading order, each prepared like MNIST's: rows from top to bottom, each from left to
/// right. Pieces above one another are one character, as in i and =, and so are characters that touch. Dots and strokes
/// with no character above or below them are left out.
pub fn characters(grey: &Grey, size: [usize; 2]) -> Vec<Character> {
    let Some(found) = Found::of(grey) else { return Vec::new() };
    let characters = found.pieces.characters().into_iter().map(|of| {
        let Extent { top, bottom, left, right } = of.extent;
        let place = [found.left + left, found.top + top, right - left, bottom - top];
        let place = place.map(|at| (at as f32 * found.scale).round() as usize);
        Character { image: found.image(&of.pieces, size), place }
    });
    characters.collect()
}

/// The ink of a picture or of the panel in it.
struct Found {
    ink: Ink,
    pieces: Pieces,
    /// Where the panel starts.
    top: usize,
    left: usize,
    /// Pixels of the file per value.
    scale: f32,
}

impl Found {
    /// `None` if there is no ink.
    fn of(picture: &Grey) -> Option<Found> {
        let enlarged = enlarged(picture);
        let grey = enlarged.as_ref().unwrap_or(picture);
        let scale = (picture.step * picture.width) as f32 / grey.width as f32;
        let ink = ink(grey)?;
        let pieces = Pieces::of(&ink.amounts, grey.width);
        let here = Found { ink, pieces, top: 0, left: 0, scale };
        let inside = here.pieces.panel().and_then(|panel| here.content(grey, panel));
        Some(inside.unwrap_or(here)).filter(|found| found.pieces.extent().is_some())
    }

    /// The inside of a panel of this picture, if there is ink that does not reach its sides: otherwise the panel is part of a character.
    fn content(&self, grey: &Grey, panel: Extent) -> Option<Found> {
        let rows = (panel.top..panel.bottom).map(|i| &grey.values[i * grey.width..][panel.left..panel.right]);
        let values = rows.flatten().copied().collect();
        let found = Found::of(&Grey { height: panel.height(), width: panel.width(), values, step: 1 })?;
        let extent = found.pieces.extent()?;
        let [height, width] = [found.pieces.height, found.pieces.width];
        let margin = 1 + height.max(width) / 100;
        let [bottom, right] = [height - extent.bottom, width - extent.right];
        let is_free = [extent.top, extent.left, bottom, right].iter().all(|&room| room >= margin);
        let at = |start: usize, own: usize| (start as f32 / found.scale).round() as usize + own;
        let (top, left) = (at(panel.top, found.top), at(panel.left, found.left));
        is_free.then_some(Found { top, left, scale: found.scale * self.scale, ..found })
    }

    /// The image of some pieces.
    fn image(&self, pieces: &[usize], size: [usize; 2]) -> Image {
        let (ink, width) = self.pieces.ink_of(pieces, &self.ink.amounts);
        place(&fit(&ink, width, size), size)
    }
}

/// Returns true for an image such as [`place`] makes: of this size, on black, as large as the box, and with its
/// centre of mass in the middle.
fn is_prepared(grey: &Grey, [height, width]: [usize; 2]) -> bool {
    if [grey.height, grey.width] != [height, width] || usual(grey) > BLACK {
        return false;
    }
    let drawn =
        || grey.values.iter().enumerate().filter(|(_, v)| **v > BLACK).map(|(at, v)| (at / width, at % width, *v));
    let span = |of: &dyn Fn((usize, usize, f32)) -> usize| {
        let low = drawn().map(of).min().unwrap_or(0);
        drawn().map(of).max().map_or(0, |high| high + 1 - low)
    };
    let longest = span(&|(i, ..)| i).max(span(&|(_, j, _)| j)) as f32;
    let mass: f32 = drawn().map(|(.., v)| v).sum();
    let centre =
        |of: &dyn Fn((usize, usize, f32)) -> usize| drawn().map(|at| at.2 * (of(at) as f32 + 0.5)).sum::<f32>() / mass;
    let off =
        (centre(&|(i, ..)| i) - height as f32 / 2.0).abs().max((centre(&|(_, j, _)| j) - width as f32 / 2.0).abs());
    (longest - BOX * height.min(width) as f32).abs() <= 1.0 && off <= 1.5
}

/// A small picture scaled up, so that strokes of a pixel's width have an outline; `None` if it is large enough.
fn enlarged(grey: &Grey) -> Option<Grey> {
    let side = grey.height.max(grey.width);
    let factor = FINE_SIDE.div_ceil(side);
    if side >= SMALL_SIDE {
        return None;
    }
    let [height, width] = [grey.height, grey.width].map(|side| side * factor);
    let source = plane(grey.height, grey.width, grey.values.clone());
    let values = resize(&source, width as u32, height as u32, FilterType::CatmullRom).into_raw();
    Some(Grey { step: 1, height, width, values })
}

/// Places a character in an image with its centre of mass in the middle, and scales its darkest ink to white.
fn place(character: &Plane, [height, width]: [usize; 2]) -> Image {
    let sum = |f: &dyn Fn(u32, u32) -> f32| character.enumerate_pixels().map(|(j, i, v)| f(i, j) * v.0[0]).sum::<f32>();
    let mass = sum(&|_, _| 1.0).max(1e-6);
    let (i, j) = (sum(&|i, _| i as f32 + 0.5) / mass, sum(&|_, j| j as f32 + 0.5) / mass);
    let corner = |middle: usize, centre: f32, side: u32| {
        let most = (middle as i64 - i64::from(side)).max(0);
        ((middle as f32 / 2.0 - centre).round() as i64).clamp(0, most) as usize
    };
    let (top, left) = (corner(height, i, character.height()), corner(width, j, character.width()));
    let most = character.as_raw().iter().fold(1e-6_f32, |most, &v| most.max(v));
    let mut bytes = vec![0; height * width];
    for (j, i, value) in character.enumerate_pixels() {
        let (i, j) = (top + i as usize, left + j as usize);
        if i < height && j < width {
            bytes[i * width + j] = byte(value.0[0] / most);
        }
    }
    Image { height, width, bytes, ink: true, doubt: None }
}

#[cfg(test)]
mod tests;
