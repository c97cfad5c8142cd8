//! Types of settings: how each is parsed, checked, and stored.

use super::{Augment, ClassWeights, Count, Range, Rates, Schedule, TileSizes};
use crate::data::{Prepare, SplitBy};
use crate::kernels::Activation;
use crate::model::Architecture;
use crate::optimizers::Optimizer;
use crate::paths;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsStr;
use std::path::PathBuf;

/// Why a text is not a value.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A type of settings.
pub trait Value: Clone + PartialEq + Send + Sync + 'static {
    /// Range of the values of a setting; `()` if every value of the type is valid.
    type Check: Clone + Send + Sync + 'static;

    /// Whether a flag without a value means `true`.
    const IS_SWITCH: bool = false;

    /// All values and their meaning, for types with few values.
    fn words() -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// Parses the value of a flag.
    ///
    /// # Errors
    /// If the text is no value of this type, or out of range.
    fn parse(text: &OsStr, check: &Self::Check) -> Result<Self, Problem>;

    /// Checks a value, and returns it in its usual form.
    ///
    /// # Errors
    /// If it is out of range; the message names the range.
    fn check(self, _: &Self::Check) -> Result<Self, String> {
        Ok(self)
    }

    /// Reads a value from a file.
    ///
    /// # Errors
    /// Errors of the format, or of another type.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;

    /// Writes a value to a file.
    ///
    /// # Errors
    /// Errors of the format.
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// The value as a flag takes it.
    fn shown(&self) -> String;
}

/// The text of a flag's value.
fn utf8(text: &OsStr) -> Result<&str, Problem> {
    text.to_str().ok_or_else(|| "it is not valid UTF-8".into())
}

/// `read` and `write` of types that serde stores as they should be.
macro_rules! by_serde {
    () => {
        fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            Self::deserialize(from)
        }

        fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            self.serialize(to)
        }
    };
}

/// Types whose values each have a word.
macro_rules! words {
    ($($type:ty),+) => {$(
        impl Value for $type {
            type Check = ();
            by_serde!();

            fn words() -> Vec<(&'static str, &'static str)> {
                <$type>::WORDS.iter().copied().zip(<$type>::ABOUT.iter().map(|about| about.trim())).collect()
            }

            fn parse(text: &OsStr, _: &()) -> Result<Self, Problem> {
                <$type>::of(utf8(text)?).ok_or_else(|| format!("give one of {}", <$type>::WORDS.join(", ")).into())
            }

            fn shown(&self) -> String {
                self.word().into()
            }
        }
    )+};
}
words!(Activation, Optimizer, Prepare, SplitBy);

/// Types that are written as text.
macro_rules! texts {
    ($($type:ty),+) => {$(
        impl Value for $type {
            type Check = ();

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from).map_err(|_| D::Error::custom("it takes text in quotes"))?;
                text.parse().map_err(D::Error::custom)
            }

            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.serialize(to)
            }

            fn parse(text: &OsStr, _: &()) -> Result<Self, Problem> {
                Ok(utf8(text)?.parse::<$type>()?)
            }

            // A value that was not parsed is valid if its text is.
            fn check(self, _: &()) -> Result<$type, String> {
                self.to_string().parse()
            }

            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
texts!(Augment, ClassWeights, Rates, Schedule, TileSizes);

/// Whole numbers in a range.
macro_rules! counts {
    ($type:ty $({ $($storage:tt)+ })?) => {
        impl Value for $type {
            type Check = Count;
            $($($storage)+)?

            fn parse(text: &OsStr, check: &Count) -> Result<Self, Problem> {
                Ok(check.parse(utf8(text)?)? as $type)
            }

            fn check(self, check: &Count) -> Result<Self, String> {
                Ok(check.check(Some(self as u64))? as $type)
            }

            fn shown(&self) -> String {
                self.to_string()
            }
        }
    };
}
counts!(usize {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
        usize::deserialize(from).map_err(|_| D::Error::custom("it takes a whole number"))
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.serialize(to)
    }
});
counts!(u64 {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        seed::deserialize(from)
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        seed::serialize(self, to)
    }
});

impl Value for f64 {
    type Check = Range;

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        f64::deserialize(from).map_err(|_| D::Error::custom("it takes a number"))
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.serialize(to)
    }

    fn parse(text: &OsStr, check: &Range) -> Result<f64, Problem> {
        Ok(check.parse(utf8(text)?)?)
    }

    fn check(self, check: &Range) -> Result<f64, String> {
        Range::check(*check, self)
    }

    fn shown(&self) -> String {
        if (1e-4..1e7).contains(&self.abs()) || *self == 0.0 { self.to_string() } else { format!("{self:e}") }
    }
}

impl Value for bool {
    type Check = ();
    const IS_SWITCH: bool = true;
    by_serde!();

    fn words() -> Vec<(&'static str, &'static str)> {
        vec![("true", ""), ("false", "")]
    }

    fn parse(text: &OsStr, _: &()) -> Result<bool, Problem> {
        Ok(utf8(text)?.parse()?)
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    type Check = ();

    fn parse(text: &OsStr, _: &()) -> Result<PathBuf, Problem> {
        Ok(PathBuf::from(text).check(&())?)
    }

    fn check(self, _: &()) -> Result<PathBuf, String> {
        if self.as_os_str().is_empty() { Err("the name is empty".into()) } else { Ok(self) }
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        paths::deserialize(from)
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        paths::serialize(self, to)
    }

    fn shown(&self) -> String {
        crate::text::Shown::from(self).to_string()
    }
}

impl Value for Architecture {
    type Check = ();
    by_serde!();

    fn parse(text: &OsStr, _: &()) -> Result<Architecture, Problem> {
        Ok(Architecture::find(text)?)
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

/// Names of layers: separated by commas, or `none`.
impl Value for Vec<String> {
    type Check = ();

    fn parse(text: &OsStr, _: &()) -> Result<Vec<String>, Problem> {
        Ok(layers(utf8(text)?))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        Ok(layers(&String::deserialize(from)?))
    }

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.shown())
    }

    fn shown(&self) -> String {
        if self.is_empty() { "none".into() } else { self.join(",") }
    }
}

fn layers(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "none");
    names.map(str::to_string).collect()
}

/// Serialization of 64-bit numbers such as seeds. TOML has no integers from 2^63 on, so these are written as text.
pub mod seed {
    use super::{Deserialize, Deserializer, Error, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }

    /// For `#[serde(with = "seed")]`.
    pub fn serialize<S: Serializer>(seed: &u64, to: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(*seed) {
            Ok(number) => to.serialize_i64(number),
            Err(_) => to.serialize_str(&seed.to_string()),
        }
    }

    /// For `#[serde(with = "seed")]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let number = match Written::deserialize(from) {
            Ok(Written::Number(seed)) => Some(seed),
            Ok(Written::Text(text)) => text.parse().ok().filter(|&seed| i64::try_from(seed).is_err()),
            Err(_) => None,
        };
        number.ok_or_else(|| D::Error::custom("it takes a whole number"))
    }
}
