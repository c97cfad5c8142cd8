//! Serialization of paths: a string if they are Unicode, and otherwise their units as numbers, so that every path
//! survives the round trip.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Serialized form of a path.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    /// Bytes, or the 16-bit units of Windows.
    Units(Vec<u16>),
}

#[cfg(unix)]
fn units(path: &Path) -> Vec<u16> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().iter().map(|&byte| byte.into()).collect()
}

#[cfg(unix)]
fn joined(units: &[u16]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let bytes = units.iter().map(|&unit| u8::try_from(unit).ok());
    bytes.collect::<Option<Vec<u8>>>().map(OsString::from_vec)
}

#[cfg(windows)]
fn units(path: &Path) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str().encode_wide().collect()
}

#[cfg(windows)]
fn joined(units: &[u16]) -> Option<OsString> {
    use std::os::windows::ffi::OsStringExt;
    Some(OsString::from_wide(units))
}

/// For `#[serde(with = "paths")]`.
pub fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    let written = match path.to_str() {
        Some(text) => Written::Text(text.into()),
        None => Written::Units(units(path)),
    };
    written.serialize(to)
}

/// For `#[serde(with = "paths")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    match Written::deserialize(from)? {
        Written::Text(text) => Ok(text.into()),
        Written::Units(units) => joined(&units)
            .map(PathBuf::from)
            .ok_or_else(|| serde::de::Error::custom("these numbers are not a valid path")),
    }
}

/// For `#[serde(with = "paths::optional")]`, beside `default` and `skip_serializing_if`.
pub mod optional {
    use super::{Deserializer, Path, PathBuf, Serializer};

    /// An absent path is skipped before this is called.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        super::serialize(path.as_deref().unwrap_or(Path::new("")), to)
    }

    /// For `#[serde(with = "paths::optional")]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        super::deserialize(from).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Place {
        #[serde(with = "super")]
        path: PathBuf,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "super::optional")]
        other: Option<PathBuf>,
    }

    #[test]
    fn every_path_is_read_as_it_was() {
        let mut paths = vec![PathBuf::from("/a/é 日本"), PathBuf::from("")];
        #[cfg(unix)]
        paths.push(joined(&[47, 0x66, 0xff, 0xfe, 0x1b]).unwrap().into());
        #[cfg(windows)]
        paths.push(joined(&[0x66, 0xd800]).unwrap().into());
        for path in paths {
            for other in [None, Some(path.clone())] {
                let place = Place { path: path.clone(), other };
                let text = toml::to_string(&place).unwrap();
                assert_eq!(toml::from_str::<Place>(&text).unwrap(), place, "{text}");
                let text = serde_json::to_string(&place).unwrap();
                assert_eq!(serde_json::from_str::<Place>(&text).unwrap(), place, "{text}");
            }
        }
        assert!(serde_json::from_str::<Place>("{\"path\": [47, 999]}").is_err() || cfg!(windows));
    }
}
