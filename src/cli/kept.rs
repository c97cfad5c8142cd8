//! Per-device results in the cache folder: one file for each adapter, driver and version of the program.

use crate::data::{Locator, hex};
use crate::files;
use crate::gpu::AdapterInfo;
use crate::text::Shown;
use anyhow::Context;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::path::PathBuf;

/// A result that depends on the device.
pub trait OfDevice: Serialize + DeserializeOwned {
    /// Folder in the cache.
    const FOLDER: &'static str;
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    adapter: String,
    backend: String,
    driver: String,
    version: String,
    #[serde(flatten)]
    of: T,
}

/// The folder of all files of a kind.
fn folder<T: OfDevice>() -> anyhow::Result<PathBuf> {
    Ok(Locator::default().cache()?.join(T::FOLDER))
}

/// The file of a device.
fn path<T: OfDevice>(info: &AdapterInfo) -> anyhow::Result<PathBuf> {
    let key = [&info.name, info.backend, &info.driver, env!("CARGO_PKG_VERSION")].join("\n");
    Ok(folder::<T>()?.join(hex(&Sha256::digest(key)[..8]) + ".json"))
}

/// The stored result for a device, if there is one.
///
/// # Errors
/// If the file is damaged or cannot be read.
pub fn load<T: OfDevice>(info: &AdapterInfo) -> anyhow::Result<Option<T>> {
    let Ok(path) = path::<T>(info) else { return Ok(None) };
    let text = match files::read_text(&path, files::LONGEST_TEXT) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", Shown::from(&path)))?,
    };
    let kept: Kept<T> = serde_json::from_str(&text).with_context(|| format!("{} is damaged", Shown::from(&path)))?;
    let Kept { adapter, backend, driver, version, of } = kept;
    let is_of = [&*adapter, &*backend, &*driver, &*version]
        == [&*info.name, info.backend, &*info.driver, env!("CARGO_PKG_VERSION")];
    Ok(Some(of).filter(|_| is_of))
}

/// Creates the folder.
///
/// # Errors
/// If there is no cache folder, or it cannot be written.
pub fn prepare<T: OfDevice>() -> anyhow::Result<()> {
    let folder = folder::<T>()?;
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", Shown::from(&folder)))
}

/// Stores a result, replacing an earlier one. Returns the file.
///
/// # Errors
/// If there is no cache folder, or it cannot be written.
pub fn save<T: OfDevice>(info: &AdapterInfo, of: &T) -> anyhow::Result<PathBuf> {
    let path = path::<T>(info)?;
    let (adapter, backend, driver) = (info.name.clone(), info.backend.to_string(), info.driver.clone());
    let kept = Kept { adapter, backend, driver, version: env!("CARGO_PKG_VERSION").into(), of };
    let cannot = || format!("cannot write {}", Shown::from(&path));
    files::replace(&path, serde_json::to_string_pretty(&kept)?.as_bytes()).with_context(cannot)?;
    Ok(path)
}

/// Removes the stored result for a device. Returns the file, if there was one.
///
/// # Errors
/// If it cannot be removed.
pub fn discard<T: OfDevice>(info: &AdapterInfo) -> anyhow::Result<Option<PathBuf>> {
    let path = path::<T>(info)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        removed => {
            removed.map(|()| Some(path.clone())).with_context(|| format!("cannot remove {}", Shown::from(&path)))
        }
    }
}
