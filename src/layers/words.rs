//! Serialisation of layers: a word, or a word with settings.

use super::{Layer, Written};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if Layer::bare(self.word()).as_ref() == Some(self) {
            return to.serialize_str(self.word());
        }
        let mut map = to.serialize_map(Some(1))?;
        self.settings(&mut map)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Layer, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Layer;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a layer, such as \"relu\" or { max_pool = { size = 2 } }")
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<Layer, E> {
                match Layer::bare(word) {
                    Some(layer) => Ok(layer),
                    None if is_known(word) => {
                        Err(E::custom(format!("{word} needs settings: {{ {word} = {{ ... }} }}")))
                    }
                    None => Err(unknown(word)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Layer, A::Error> {
                let word: String = map.next_key()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let layer = Layer::with(&word, &mut map)?;
                match map.next_key::<String>()? {
                    None => Ok(layer),
                    Some(second) => {
                        Err(A::Error::custom(format!("{second} stands beside {word}; each is a layer of its own")))
                    }
                }
            }
        }
        from.deserialize_any(Words)
    }
}

fn words() -> impl Iterator<Item = &'static str> {
    Layer::WORDS.iter().flat_map(|words| words.iter().copied())
}

fn is_known(word: &str) -> bool {
    words().any(|known| known == word)
}

/// Error for an unknown word, in serde's phrasing, which lists all known ones.
pub(super) fn unknown<E: Error>(word: &str) -> E {
    let known: Vec<String> = words().map(|word| format!("`{word}`")).collect();
    E::custom(format!("unknown layer `{word}`, expected one of {}", known.join(", ")))
}

/// Says that a layer has no settings if its bare word is valid; otherwise passes the error through.
pub(super) fn told<L: Written, E: Error>(word: &str, error: E) -> E {
    if L::bare(word).is_some() { E::custom(format!("{word} has no settings; write \"{word}\"")) } else { error }
}

/// An activation deserialises from its own word, so any other word in its settings is an error.
pub(super) fn checked<E: Error>(word: &str, layer: Layer) -> Result<Layer, E> {
    if layer.word() == word { Ok(layer) } else { Err(E::custom(format!("{word} has no settings"))) }
}
