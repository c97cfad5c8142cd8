//! JSON without duplicate keys: two readers could pick different values of a duplicate.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Checks a whole text.
///
/// # Errors
/// If the text is not JSON, or if a key is duplicated, which the error names.
pub fn has_unique_keys(text: &str) -> serde_json::Result<()> {
    serde_json::from_str::<Unique>(text).map(|_| ())
}

/// Any value; it is checked and discarded.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Unique, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Unique;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_unit<E>(self) -> Result<Unique, E> {
                Ok(Unique)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
                while list.next_element::<Unique>()?.is_some() {}
                Ok(Unique)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut keys = HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    map.next_value::<Unique>()?;
                    if let Some(twice) = keys.replace(key) {
                        return Err(A::Error::custom(format!("duplicate key {twice:?}")));
                    }
                }
                Ok(Unique)
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::has_unique_keys;

    #[test]
    fn a_key_that_is_there_twice_is_found_at_any_depth() {
        assert!(has_unique_keys(r#"{"a": [1, -2, 0.5, null, true, "x"], "b": {"a": 1}}"#).is_ok());
        for text in [r#"{"a": 1, "a": 1}"#, r#"{"b": [{"a": {}, "c": 1, "a": []}]}"#] {
            let error = has_unique_keys(text).unwrap_err().to_string();
            assert!(error.contains("duplicate key \"a\""), "{error}");
        }
        assert!(has_unique_keys(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).is_err());
    }
}
