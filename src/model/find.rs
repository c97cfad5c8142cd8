//! Locations of models.

use super::{CheckpointError, PRETRAINED};
use crate::files;
use crate::text::Shown;
use std::io::{ErrorKind, Read};
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

/// Returns true if a path names a model: [`PRETRAINED`], a run folder, or a file with the extension or content of
/// safetensors, or a PyTorch pickle.
pub fn names_model(path: &Path) -> bool {
    path == Path::new(PRETRAINED)
        || path.extension().is_some_and(|ending| ending == "safetensors")
        || path.join("model.safetensors").is_file()
        || path.is_file() && is_model(path)
}

/// Returns true for a safetensors file, which starts with the length of its header and a brace, and for a PyTorch pickle.
fn is_model(path: &Path) -> bool {
    let mut start = [0; 9];
    let Ok((mut file, size)) = files::open(path) else { return false };
    if file.read_exact(&mut start).is_err() {
        return false;
    }
    let [length @ .., brace] = start;
    let is_safetensors = brace == b'{' && u64::from_le_bytes(length) < size;
    is_safetensors || is_pickle(path, &start)
}

/// Returns true for a file of `torch.save`: a ZIP archive or a bare pickle by its first bytes, with a usual extension.
pub(super) fn is_pickle(path: &Path, start: &[u8]) -> bool {
    const ENDINGS: [&str; 5] = ["pt", "pth", "bin", "ckpt", "pkl"];
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let is_named = ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()));
    is_named && (start.starts_with(b"PK\x03\x04") || start.starts_with(b"\x80"))
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
