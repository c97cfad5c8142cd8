//! Turns pictures into images like those that a network was trained on.
//!
//! MNIST's digits were black ink on white forms. They were located, cut out, fitted into 20x20 pixels with their aspect
//! ratio kept, and placed by their centre of mass in the middle of 28x28; the scaling produced their grey levels (Y.
//! LeCun, C. Cortes, C. J. C. Burges: The MNIST database). [`Prepare::Mnist`] does the same to any picture of one
//! character.

mod ink;
mod strokes;

use super::{DataError, picture::Grey};
use crate::words::words;
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};
use ink::{ink, usual, without_specks};
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
}

/// Size of the box that a character is fitted into, as a fraction of the image's side.
const BOX: f32 = 20.0 / 28.0;

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
    Image { height: grey.height, width: grey.width, bytes, ink: true }
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
    Image { height, width, bytes, ink: true }
}

fn mnist(grey: &Grey, size: [usize; 2]) -> Image {
    let [height, width] = size;
    let blank = || Image { height, width, bytes: vec![0; height * width], ink: false };
    let ink = ink(grey);
    // Light on black and of the right size: already prepared.
    if [grey.height, grey.width] == size && usual(grey) < 0.2 {
        return Image { ink: ink.is_some(), ..exact(grey) };
    }
    let Some(ink) = ink.and_then(|ink| without_specks(ink, grey.height, grey.width)) else { return blank() };
    place(&fit(&ink, grey, size), size)
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
    Image { height, width, bytes, ink: true }
}

#[cfg(test)]
mod tests {
    use super::strokes::STROKES;
    use super::*;

    /// A ring off the centre, on a ground, in a picture of this side.
    fn ring(side: usize, pen: f32, ground: f32, ink: f32) -> Grey {
        let (centre, radius) = ([0.3 * side as f32, 0.6 * side as f32], 0.2 * side as f32);
        let value = |at: usize| {
            let (i, j) = ((at / side) as f32 - centre[0], (at % side) as f32 - centre[1]);
            let away = ((i * i + j * j).sqrt() - radius).abs();
            if away < pen / 2.0 { ink } else { ground + 0.1 * (at % side) as f32 / side as f32 }
        };
        Grey { height: side, width: side, values: (0..side * side).map(value).collect() }
    }

    fn apply(grey: &Grey) -> Image {
        Prepare::Mnist.apply(Path::new("x"), grey, [28, 28]).unwrap()
    }

    #[test]
    fn whatever_the_paper_the_pen_and_the_size_a_ring_is_the_same_ring() {
        for (side, pen, ground, ink) in [
            (200, 12.0, 0.9, 0.1),
            (200, 12.0, 0.1, 0.9),
            (64, 5.0, 0.6, 0.2),
            (900, 2.0, 0.8, 0.3),
            (900, 90.0, 0.8, 0.3),
            (28, 2.0, 0.7, 0.0),
        ] {
            let image = apply(&ring(side, pen, ground, ink));
            let what = format!("side {side}, pen {pen}, {ink} on {ground}: {:?}", image.bytes);
            assert!(image.ink, "{what}");
            let rows: Vec<usize> = (0..28).filter(|i| image.bytes[i * 28..][..28].iter().any(|&b| b > 60)).collect();
            let columns: Vec<usize> = (0..28).filter(|j| (0..28).any(|i| image.bytes[i * 28 + j] > 60)).collect();
            for span in [rows, columns] {
                let (first, last) = (span[0], span[span.len() - 1]);
                assert!((3..=5).contains(&first) && (22..=24).contains(&last), "{first}..{last}: {what}");
            }
            let at = |i: usize, j: usize| image.bytes[i * 28 + j];
            assert!(at(0, 0) == 0 && at(14, 14) == 0, "the ground and the hole are black: {what}");
            let width = (0..14).filter(|&i| at(i, 14) > 100).count();
            assert!((1..=5).contains(&width), "{width} pixels wide: {what}");
        }
    }

    #[test]
    fn no_ink_is_no_ink_and_specks_are_none() {
        let mut blank = Grey { height: 50, width: 60, values: vec![0.8; 3000] };
        assert_eq!(apply(&blank), Image { height: 28, width: 28, bytes: vec![0; 784], ink: false });
        for (at, value) in blank.values.iter_mut().enumerate() {
            *value += 0.02 * ((at * 7919 % 13) as f32 / 13.0 - 0.5);
        }
        assert!(!apply(&blank).ink, "noise is none");
        let mut ring = ring(200, 12.0, 0.9, 0.1);
        let clean = apply(&ring);
        for i in 180..183 {
            ring.values[i * 200 + 10..i * 200 + 13].fill(0.1);
        }
        assert_eq!(apply(&ring).bytes, clean.bytes, "a speck changes nothing");
    }

    /// A letter as wide as its picture, and one cut off at a side.
    #[test]
    fn ink_that_reaches_the_border_is_ink() {
        for (ground, ink) in [(0.9, 0.1), (0.1, 0.9)] {
            for side in [40, 300] {
                let value = |at: usize| {
                    let (i, j) = (at / side, at % side);
                    let noise = 0.02 * ((at * 7919 % 13) as f32 / 13.0 - 0.5);
                    let stem = j < side / 4 || (i < side / 6 && j < side / 2);
                    noise + if stem { ink } else { ground }
                };
                let grey = Grey { height: side, width: side, values: (0..side * side).map(value).collect() };
                let image = apply(&grey);
                let filled = image.bytes.iter().filter(|&&b| b > 128).count();
                assert!(image.ink && (80..200).contains(&filled), "{side}, {ink} on {ground}: {filled}");
                let ink_at = |i: usize, j: usize| image.bytes[i * 28 + j] > 128;
                assert!(ink_at(20, 11) && !ink_at(20, 18), "{side}, {ink} on {ground}: {:?}", image.bytes);
            }
        }
        // A bold letter that was scaled up: black, white and the shades between them share the border.
        let shade = |j: usize| match j {
            ..4 => 0.68,
            4..140 => 0.05,
            _ => 1.0,
        };
        let bold = Grey { height: 200, width: 200, values: (0..200 * 200).map(|at| shade(at % 200)).collect() };
        let image = apply(&bold);
        assert!(image.ink && image.bytes.iter().filter(|&&b| b > 200).count() > 20, "{:?}", image.bytes);
    }

    /// The time per pixel must not depend on the size.
    #[test]
    fn large_images_are_prepared_like_small_ones() {
        for side in [128, 1024] {
            let grey = ring(900, 2.0, 0.8, 0.3);
            let image = Prepare::Mnist.apply(Path::new("x"), &grey, [side, side]).unwrap();
            let at = |i: usize, j: usize| image.bytes[i * side + j];
            let width = (0..side / 2).filter(|&i| at(i, side / 2) > 100).count();
            let expected = STROKES.start * BOX * side as f32;
            assert!((width as f32 / expected - 1.0).abs() < 0.2, "{width} pixels of {side}, {expected} wanted");
            assert!(at(0, 0) == 0 && at(side / 2, side / 2) == 0);
        }
    }

    #[test]
    fn what_is_prepared_already_stays_as_it_is() {
        let first = apply(&ring(200, 12.0, 0.9, 0.1));
        let values = first.bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
        assert_eq!(apply(&Grey { height: 28, width: 28, values }), first);
    }

    #[test]
    fn resize_keeps_aspect_and_polarity_and_none_wants_the_size() {
        let wide = Grey { height: 10, width: 40, values: vec![128.0 / 255.0; 400] };
        let image = Prepare::Resize.apply(Path::new("x"), &wide, [28, 28]).unwrap();
        assert!(image.bytes.iter().all(|&b| b.abs_diff(128) <= 1), "{:?}", image.bytes);
        let text = Prepare::None.apply(Path::new("x.png"), &wide, [28, 28]).unwrap_err().to_string();
        assert!(text.contains("x.png") && text.contains("10x40") && text.contains("28x28"), "{text}");
        let exact = Prepare::None.apply(Path::new("x"), &wide, [10, 40]).unwrap();
        assert_eq!((exact.height, exact.width, exact.bytes[0]), (10, 40, 128));
    }
}
