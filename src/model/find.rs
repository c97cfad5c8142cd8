//! Locations of models.

use super::{CheckpointError, PRETRAINED};
use crate::text::Shown;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The model file of a path: the path itself, or the file in a run folder.
///
/// # Errors
/// If there is no model.
pub fn model_file(path: &Path) -> Result<PathBuf, CheckpointError> {
    if path == Path::new(PRETRAINED) && !path.exists() {
        return Ok(path.into());
    }
    let look = |path: &Path| match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(CheckpointError::Unreadable { path: path.into(), reason: Shown::new(e) }),
    };
    match look(path)? {
        None => Err(CheckpointError::Nowhere(path.into())),
        Some(found) if !found.is_dir() => Ok(path.into()),
        Some(_) => {
            let file = path.join("model.safetensors");
            if look(&file)?.is_some() { Ok(file) } else { Err(CheckpointError::NoModel(path.into())) }
        }
    }
}

/// Whether a path names a model: [`PRETRAINED`], a file with the extension, or a run folder.
pub fn names_model(path: &Path) -> bool {
    path == Path::new(PRETRAINED)
        || path.extension().is_some_and(|ending| ending == "safetensors")
        || path.join("model.safetensors").is_file()
}

/// The run in a folder whose model was written last.
///
/// # Errors
/// If there is no run.
pub fn newest_run(runs: &Path) -> Result<PathBuf, CheckpointError> {
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let written = |run: &Path| std::fs::metadata(run.join("model.safetensors")).and_then(|m| m.modified()).ok();
    entries
        .map(|entry| entry.path())
        .filter_map(|run| Some((written(&run)?, run)))
        .max()
        .map(|(_, run)| run)
        .ok_or_else(|| CheckpointError::NoRun(runs.into()))
}
