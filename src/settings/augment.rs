//! Random augmentation of training images: its text form and the parameters of its kernel.

use crate::random::{Purpose, Stream};
use crate::reference::Bounds;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Bounds of the random changes; 0 disables a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Augment {
    /// Maximum shift in pixels, possibly fractional.
    pub shift: f64,
    /// Maximum rotation in degrees.
    pub rotate: f64,
    /// Maximum change of each side's length in percent.
    pub scale: f64,
    /// Maximum shear in degrees.
    pub shear: f64,
    /// Maximum displacement in pixels of the corners of a coarse grid; points in between are interpolated.
    pub elastic: f64,
    /// Width in whole pixels of the border that is added before a crop to the image's own size.
    pub crop: f64,
    /// Percentage of images in which a rectangle is erased.
    pub erase: f64,
    /// 1 mirrors half of the images.
    pub flip: f64,
}

/// Keys and their maximum values.
const KEYS: [(&str, f64); 8] = [
    ("shift", 100.0),
    ("rotate", 180.0),
    ("scale", 90.0),
    ("shear", 45.0),
    ("elastic", 100.0),
    ("crop", 100.0),
    ("erase", 100.0),
    ("flip", 1.0),
];

/// Presets that suit most sets of characters and of things.
const PRESETS: [(&str, &str); 2] =
    [("digits", "shift=2,rotate=10,scale=10,shear=10,elastic=1"), ("things", "shift=1,rotate=5,scale=5,erase=25,flip")];

impl Augment {
    fn values(&self) -> [f64; 8] {
        [self.shift, self.rotate, self.scale, self.shear, self.elastic, self.crop, self.erase, self.flip]
    }

    /// Whether any change is enabled.
    pub fn is_some(&self) -> bool {
        self.values().iter().any(|&value| value > 0.0)
    }

    /// Parameters of the kernel for an epoch. Epochs count from 1.
    pub fn bounds(&self, seed: u64, epoch: usize) -> Bounds {
        let round = |x: f64| libm::round(x) as i32;
        [
            Stream::new(seed, Purpose::Augmentation, 0).bits() as i32,
            epoch as i32,
            round(self.shift * 256.0),
            round(self.rotate.to_radians() / 4.0 * 16_384.0),
            round(self.scale / 100.0 * 4096.0),
            round(libm::tan(self.shear.to_radians()) * 4096.0),
            round(self.elastic * 256.0),
            self.crop as i32,
            round(self.erase / 100.0 * 65_536.0),
            self.flip as i32,
            0,
            0,
        ]
    }
}

impl Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let parts: Vec<String> = KEYS
            .iter()
            .zip(self.values())
            .filter(|(_, value)| *value > 0.0)
            .map(|((key, _), value)| if *key == "flip" { "flip".into() } else { format!("{key}={value}") })
            .collect();
        f.write_str(&if parts.is_empty() { "none".into() } else { parts.join(",") })
    }
}

impl FromStr for Augment {
    type Err = String;

    /// `none`, a preset, or a list such as `shift=2,rotate=10,flip`.
    fn from_str(text: &str) -> Result<Augment, String> {
        if text == "none" {
            return Ok(Augment::default());
        }
        let preset = PRESETS.iter().find(|(name, _)| *name == text);
        let mut values = [0.0; 8];
        for part in preset.map_or(text, |(_, spec)| spec).split(',') {
            let (key, value) = part.trim().split_once('=').unwrap_or((part.trim(), ""));
            let at = KEYS.iter().position(|(known, _)| *known == key).ok_or_else(|| {
                let names = KEYS.map(|(name, _)| name).join(", ");
                format!("there is no change {key:?}; give none, digits, things, or a list of {names} such as shift=2,rotate=10")
            })?;
            let largest = KEYS[at].1;
            let whole = matches!(key, "crop" | "flip");
            let value = if value.is_empty() && key == "flip" { Some(1.0) } else { value.parse::<f64>().ok() };
            let value = value.filter(|v| (0.0..=largest).contains(v) && (!whole || v.fract() == 0.0));
            let kind = if whole { "whole number" } else { "number" };
            values[at] = value.ok_or_else(|| format!("{key} takes a {kind} from 0 to {largest}, such as {key}=1"))?;
        }
        let [shift, rotate, scale, shear, elastic, crop, erase, flip] = values;
        let augment = Augment { shift, rotate, scale, shear, elastic, crop, erase, flip };
        let fixed = augment.bounds(0, 1);
        match KEYS.iter().zip(values).zip(&fixed[2..]).find(|((_, value), bound)| *value > 0.0 && **bound == 0) {
            Some((((key, _), value), _)) => Err(format!("{key}={value} is too little to change a pixel; leave it out")),
            None => Ok(augment),
        }
    }
}

crate::text::serde_as_text!(Augment);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_what_it_writes() {
        for text in ["none", "shift=2,rotate=10,scale=12.5,shear=1,elastic=1.5,crop=3,erase=25,flip", "crop=2"] {
            assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
        }
        assert!("digits".parse::<Augment>().unwrap().flip == 0.0, "a mirrored digit is none");
        assert!("things".parse::<Augment>().unwrap().flip == 1.0);
        for (text, word) in [
            ("", "shift"),
            ("spin=3", "spin"),
            ("rotate=200", "180"),
            ("crop=1.5", "whole"),
            ("shift", "shift=1"),
            ("shift=1e-9", "too little"),
        ] {
            assert!(text.parse::<Augment>().unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn nothing_to_change_leaves_every_byte_and_a_shift_moves_them() {
        let image: Vec<u8> = (0..28 * 28).map(|p| (p * 7 % 256) as u8).collect();
        let of = |text: &str, place| {
            let bounds = text.parse::<Augment>().unwrap().bounds(5, 1);
            crate::reference::image_of(&image, 28, 28, place, &bounds)
        };
        assert_eq!(of("none", 3), image);
        // A crop moves by whole pixels: pixels that stay inside keep their bytes.
        let moved = of("crop=2", 1);
        let equal = |i: usize, j: usize, (u, v): (i32, i32)| {
            moved[i * 28 + j] == image[((i as i32 + u) * 28 + j as i32 + v) as usize]
        };
        let by = (-2..=2).flat_map(|u| (-2..=2).map(move |v| (u, v)));
        let fits = |by: &(i32, i32)| (2..26).all(|i| (2..26).all(|j| equal(i, j, *by)));
        assert_eq!(by.filter(fits).count(), 1);
    }

    /// The centre of an off-centre mark shows where a change moves it.
    #[test]
    fn each_change_does_what_its_name_says() {
        let mut image = vec![0; 28 * 28];
        for i in 6..10 {
            image[i * 28 + 18..i * 28 + 24].fill(255);
        }
        let centre = |image: &[u8]| {
            let sum =
                |f: &dyn Fn(usize) -> f64| image.iter().enumerate().map(|(p, &b)| f(p) * f64::from(b)).sum::<f64>();
            let mass = sum(&|_| 1.0);
            (sum(&|p| (p / 28) as f64) / mass - 13.5, sum(&|p| (p % 28) as f64) / mass - 13.5, mass)
        };
        let (v, u, mass) = centre(&image);
        let seen = |text: &str| -> Vec<(f64, f64, f64)> {
            let augment = text.parse::<Augment>().unwrap();
            (0..200)
                .map(|place| centre(&crate::reference::image_of(&image, 28, 28, place, &augment.bounds(1, 2))))
                .collect()
        };
        let radius = (u * u + v * v).sqrt();
        let turned: Vec<f64> = seen("rotate=30")
            .iter()
            .map(|(i, j, m)| {
                assert!(((i * i + j * j).sqrt() - radius).abs() < 0.3 && (m / mass - 1.0).abs() < 0.1, "{i} {j} {m}");
                (v * j - u * i).atan2(u * j + v * i).to_degrees()
            })
            .collect();
        let widest = turned.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        assert!((25.0..31.0).contains(&widest), "{widest}");
        assert!(seen("flip").iter().all(|(i, j, _)| (i - v).abs() < 1e-9 && (j.abs() - u.abs()).abs() < 1e-9));
        assert!((60..140).contains(&seen("flip").iter().filter(|(_, j, _)| *j < 0.0).count()));
        assert!(
            seen("scale=20").iter().any(|(.., m)| *m > 1.2 * mass)
                && seen("scale=20").iter().all(|(.., m)| *m < 1.6 * mass)
        );
        let erased = seen("erase=50").iter().filter(|(.., m)| *m < mass || m.is_nan()).count();
        assert!((5..100).contains(&erased), "{erased}");
        assert!(seen("elastic=2").iter().all(|(i, j, _)| (i - v).abs() < 2.1 && (j - u).abs() < 2.1));
        assert!(seen("shear=20").iter().all(|(i, _, _)| (i - v).abs() < 0.3));
    }
}
