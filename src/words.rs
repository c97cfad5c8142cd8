//! Enums with one word per value, for files, flags and output.

/// Defines an enum without fields from the word and the name of each value.
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[doc = $about:literal])* $word:ident $value:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $about])* $value),+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [$name] = &[$($name::$value),+];

            /// The words, in the same order.
            pub const WORDS: &'static [&'static str] = &[$(stringify!($word)),+];

            /// Their meaning, in the same order; empty for values that need no explanation.
            pub const ABOUT: &'static [&'static str] = &[$(concat!($($about),*)),+];

            /// The word of this value.
            pub const fn word(self) -> &'static str {
                $name::WORDS[self as usize]
            }

            /// The value of a word.
            pub fn of(word: &str) -> Option<$name> {
                $name::ALL.iter().find(|value| value.word() == word).copied()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                let word = <String as serde::Deserialize>::deserialize(from)?;
                let unknown = || format!("there is no {word:?}{}", crate::text::nearest(&word, $name::WORDS));
                $name::of(&word).ok_or_else(|| serde::de::Error::custom(unknown()))
            }
        }
    };
}
pub(crate) use words;
