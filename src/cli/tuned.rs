//! Tile sizes that `tune` found, kept in the cache folder: a file per adapter, driver and version of the program.

use crate::data::Locator;
use crate::files;
use crate::gpu::AdapterInfo;
use crate::kernels::Tiles;
use crate::text::Shown;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::path::PathBuf;

/// Folder in the cache.
const FOLDER: &str = "tuned";

/// The tile sizes of a device, and what they were measured with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    adapter: String,
    backend: String,
    driver: String,
    version: String,
    pub tiles: Tiles,
    pub networks: Vec<String>,
    pub batch: usize,
    /// Time of a step relative to the table's.
    pub ratio: f64,
}

impl Tuned {
    pub fn new(info: &AdapterInfo, tiles: Tiles, networks: Vec<String>, batch: usize, ratio: f64) -> Tuned {
        let (adapter, backend, driver) = (info.name.clone(), info.backend.to_string(), info.driver.clone());
        let version = env!("CARGO_PKG_VERSION").to_string();
        Tuned { adapter, backend, driver, version, tiles, networks, batch, ratio }
    }

    /// The file of a device.
    fn path(info: &AdapterInfo) -> anyhow::Result<PathBuf> {
        let key = [&info.name, info.backend, &info.driver, env!("CARGO_PKG_VERSION")].join("\n");
        let hash: String = Sha256::digest(key).iter().take(8).map(|b| format!("{b:02x}")).collect();
        Ok(Locator::default().cache()?.join(FOLDER).join(hash + ".json"))
    }

    fn is_of(&self, info: &AdapterInfo) -> bool {
        let Tuned { adapter, backend, driver, version, .. } = self;
        [adapter, backend, driver, version] == [&info.name, info.backend, &info.driver, env!("CARGO_PKG_VERSION")]
    }

    /// The tile sizes that are kept for a device, if any.
    ///
    /// # Errors
    /// If the file is damaged or cannot be read.
    pub fn load(info: &AdapterInfo) -> anyhow::Result<Option<Tuned>> {
        let Ok(path) = Tuned::path(info) else { return Ok(None) };
        let text = match files::read_text(&path, files::LONGEST_TEXT) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("cannot read {}", Shown::from(&path)))?,
        };
        let kept: Tuned = serde_json::from_str(&text).with_context(|| format!("{} is damaged", Shown::from(&path)))?;
        Ok(Some(kept).filter(|kept| kept.is_of(info)))
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// If there is no cache folder, or it cannot be written.
    pub fn prepare() -> anyhow::Result<()> {
        let folder = Locator::default().cache()?.join(FOLDER);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", Shown::from(&folder)))
    }

    /// Keeps it, in place of earlier results. Returns the file.
    ///
    /// # Errors
    /// If there is no cache folder, or it cannot be written.
    pub fn save(&self, info: &AdapterInfo) -> anyhow::Result<PathBuf> {
        let path = Tuned::path(info)?;
        let cannot = || format!("cannot write {}", Shown::from(&path));
        files::replace(&path, serde_json::to_string_pretty(self)?.as_bytes()).with_context(cannot)?;
        Ok(path)
    }

    /// Removes what is kept for a device. Returns the file, if there was one.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(info: &AdapterInfo) -> anyhow::Result<Option<PathBuf>> {
        let path = Tuned::path(info)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            removed => {
                removed.map(|()| Some(path.clone())).with_context(|| format!("cannot remove {}", Shown::from(&path)))
            }
        }
    }
}
