//! Tile tables as text: a device class, and the entries that differ from its table, such as `discrete,conv_o=5,fc_n=2`.

use super::{DeviceClass, Tiles};
use crate::text::nearest;
use std::fmt::{self, Display};
use std::str::FromStr;

/// Words of the classes, in the order of [`DeviceClass::ALL`].
const CLASSES: [&str; 3] = ["software", "integrated", "discrete"];

/// The entry of [`Tiles::gathers`], which is 0 or 1.
const GATHERS: &str = "gathers";

impl DeviceClass {
    /// The word of this class.
    pub fn word(self) -> &'static str {
        CLASSES[self as usize]
    }
}

impl Tiles {
    /// The entries that differ from another table, and their values here.
    pub fn differences(self, other: Tiles) -> Vec<(&'static str, u32)> {
        let entries = Tiles::CANDIDATES.iter().map(|&(entry, _)| (entry, self.get(entry)));
        let mut differences: Vec<_> = entries.filter(|&(entry, value)| other.get(entry) != value).collect();
        if self.gathers != other.gathers {
            differences.push((GATHERS, self.gathers.into()));
        }
        differences
    }

    /// The table with one entry replaced.
    ///
    /// # Errors
    /// If no entry has this name, or the value is invalid for it.
    fn replaced(self, entry: &str, value: u32) -> Result<Tiles, String> {
        if entry == GATHERS {
            return if value < 2 {
                Ok(Tiles { gathers: value == 1, ..self })
            } else {
                Err(format!("{GATHERS} is 0 or 1"))
            };
        }
        let entries = Tiles::CANDIDATES.map(|(entry, _)| entry);
        if !entries.contains(&entry) {
            return Err(format!("there is no tile size {entry:?}{}", nearest(entry, &entries)));
        }
        if !Tiles::accepts(entry, value) {
            return Err(format!(
                "{value} is not a valid {entry}; `mnist-gpu bench --sweep {entry}` tries those that are"
            ));
        }
        Ok(self.with(entry, value))
    }
}

impl Display for Tiles {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // The class with the fewest differences, of those with the same entries that have no candidates.
        let described = |class: DeviceClass| {
            let differences = self.differences(Tiles::of(class));
            let same =
                differences.iter().try_fold(Tiles::of(class), |tiles, &(entry, value)| tiles.replaced(entry, value));
            (same == Ok(*self)).then_some((class, differences))
        };
        let all = DeviceClass::ALL.into_iter().filter_map(described);
        let (class, differences) = all.min_by_key(|(_, differences)| differences.len()).ok_or(fmt::Error)?;
        f.write_str(class.word())?;
        differences.iter().try_for_each(|(entry, value)| write!(f, ",{entry}={value}"))
    }
}

impl FromStr for Tiles {
    type Err = String;

    fn from_str(text: &str) -> Result<Tiles, String> {
        let mut parts = text.split(',').map(str::trim);
        let word = parts.next().unwrap_or_default();
        let class = DeviceClass::ALL.into_iter().find(|class| class.word() == word);
        let class = class.ok_or(
            "it takes software, integrated or discrete, optionally with other tile sizes, such as discrete,conv_o=5",
        )?;
        parts.try_fold(Tiles::of(class), |tiles, part| {
            let (entry, value) = part.split_once('=').unwrap_or((part, ""));
            let value =
                value.parse().map_err(|_| format!("{part:?} is not a tile size; write {entry}=4, for example"))?;
            tiles.replaced(entry, value)
        })
    }
}

crate::text::serde_as_text!(Tiles);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written() {
        for tiles in Tiles::ALL {
            for (entry, values) in Tiles::CANDIDATES {
                for &value in values {
                    let tiles = tiles.with(entry, value).without_uniforms();
                    assert_eq!(tiles.to_string().parse(), Ok(tiles), "{tiles}");
                }
            }
            assert_eq!(tiles.to_string().parse(), Ok(tiles));
        }
        assert_eq!(Tiles::of(DeviceClass::Discrete).with("conv_o", 5).to_string(), "discrete,conv_o=5");
    }

    #[test]
    fn a_bad_table_says_what_is_wrong() {
        for (text, word) in [
            ("", "software, integrated or discrete"),
            ("dedicated", "software, integrated or discrete"),
            ("discrete,fc_term=2", "did you mean \"fc_terms\"?"),
            ("discrete,conv_o", "write conv_o=4"),
            ("discrete,conv_o=0", "0 is not a valid conv_o"),
            ("discrete,load_p=5", "5 is not a valid load_p"),
            ("discrete,gathers=2", "0 or 1"),
            ("discrete,conv_o=x", "not a tile size"),
        ] {
            let error = text.parse::<Tiles>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
