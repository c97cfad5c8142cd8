//! Tensors of a safetensors file.

use super::{CheckpointError, KEY, Network};
use crate::files;
use crate::text::Shown;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// What PyTorch's wrappers put before the names of a network's tensors: `DataParallel` and its successors, `torch.compile`,
/// and the attributes in which programs usually hold a network.
const PREFIXES: [&str; 4] = ["module.", "_orig_mod.", "model.", "net."];

/// The tensors of a file, without a prefix that all their names share.
pub struct Tensors<'a> {
    file: SafeTensors<'a>,
    pub prefix: String,
}

impl<'a> Tensors<'a> {
    /// # Errors
    /// If the content is not that of a safetensors file.
    pub fn of(path: &Path, raw: &'a [u8]) -> Result<Tensors<'a>, CheckpointError> {
        let damaged = |e| CheckpointError::Damaged { path: path.into(), reason: Shown::new(e) };
        let file = SafeTensors::deserialize(raw).map_err(damaged)?;
        let mut prefix = String::new();
        let names = file.names();
        // Wrappers may be in one another.
        for _ in 0..PREFIXES.len() {
            let is_of = |next: &str| names.iter().all(|name| name[prefix.len()..].starts_with(next));
            let Some(next) = PREFIXES.iter().find(|next| !names.is_empty() && is_of(next)) else { break };
            prefix.push_str(next);
        }
        Ok(Tensors { file, prefix })
    }

    pub fn get(&self, name: &str) -> Option<TensorView<'a>> {
        self.file.tensor(&format!("{}{name}", self.prefix)).ok()
    }

    /// Names without the prefix, in the file's order of values, which is that of the network.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.file.iter().map(|(name, tensor)| (tensor.data().as_ptr(), name)).collect();
        names.sort();
        names.into_iter().map(|(_, name)| name[self.prefix.len()..].to_string()).collect()
    }

    pub fn find(&self, path: &Path, name: &str) -> Result<TensorView<'a>, CheckpointError> {
        let missing = || CheckpointError::Missing { path: path.into(), name: name.into(), found: self.names() };
        self.get(name).ok_or_else(missing)
    }
}

/// Gathers a network's tensors into its arena. `only` rejects tensors with other names.
pub fn arena(
    path: &Path,
    tensors: &Tensors,
    network: &Network,
    suffix: &str,
    only: bool,
) -> Result<Vec<f32>, CheckpointError> {
    // It grows only with tensors that the file has, regardless of its metadata.
    let mut arena = Vec::new();
    for p in kept(network, suffix) {
        let name = format!("{}{suffix}", p.name);
        let tensor = tensors.find(path, &name)?;
        if tensor.shape() != p.shape {
            let (found, expected) = (tensor.shape().to_vec(), p.shape.clone());
            return Err(CheckpointError::Shape { path: path.into(), name: name.into(), found, expected });
        }
        let values = floats(path, &name, &tensor)?;
        // A network divides by the square roots of these.
        if let Some(index) = values.iter().position(|value| *value < 0.0 && name.ends_with(".running_var")) {
            let (path, value) = (path.into(), values[index]);
            return Err(CheckpointError::Negative { path, name: name.into(), value, index });
        }
        arena.resize(p.start, 0.0);
        arena.extend(values);
    }
    arena.resize(network.arena_len(), 0.0);
    // PyTorch's batch normalisation also stores a counter, which it needs only without a momentum.
    let counter = |name: &str| name.ends_with(".num_batches_tracked");
    let known = |name: &str| counter(name) || network.parameters().iter().any(|p| p.name == name);
    match tensors.names().into_iter().filter(|_| only).find(|name| !known(name.as_str())) {
        Some(name) => Err(CheckpointError::Extra { path: path.into(), name: name.into() }),
        None => Ok(arena),
    }
}

pub fn floats(path: &Path, name: &str, tensor: &TensorView) -> Result<Vec<f32>, CheckpointError> {
    if tensor.dtype() != Dtype::F32 {
        let found = format!("{:?}", tensor.dtype());
        return Err(CheckpointError::Type { path: path.into(), name: name.into(), found: found.into() });
    }
    let values: Vec<f32> =
        tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => {
            Err(CheckpointError::NotFinite { path: path.into(), name: name.into(), value: values[index], index })
        }
        None => Ok(values),
    }
}

pub type Named = (String, Vec<usize>, Vec<f32>);

pub fn named(network: &Network, arena: &[f32], suffix: &str) -> Vec<Named> {
    let tensor = |p: &crate::plan::Parameter| {
        (format!("{}{suffix}", p.name), p.shape.clone(), arena[p.start..][..p.len()].to_vec())
    };
    kept(network, suffix).map(tensor).collect()
}

/// The tensors that a file stores: all, or, for an optimizer state, which has a suffix, those that are trained.
pub fn kept<'a>(network: &'a Network, suffix: &'a str) -> impl Iterator<Item = &'a crate::plan::Parameter> {
    network.parameters().iter().filter(move |p| p.learns || suffix.is_empty())
}

pub fn write(path: &Path, tensors: &[Named], metadata: &impl Serialize) -> Result<(), CheckpointError> {
    let content = serialized(path, tensors, metadata)?;
    let unwritable = |e: std::io::Error| CheckpointError::Unwritable { path: path.into(), reason: Shown::new(e) };
    files::replace(path, &content).map_err(unwritable)
}

pub fn serialized(path: &Path, tensors: &[Named], metadata: &impl Serialize) -> Result<Vec<u8>, CheckpointError> {
    let unwritable = |reason: String| CheckpointError::Unwritable { path: path.into(), reason: reason.into() };
    let json = serde_json::to_string(metadata).map_err(|e| unwritable(e.to_string()))?;
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, v)| v.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| unwritable(e.to_string()))?;
    let header = Some(HashMap::from([(KEY.to_string(), json)]));
    safetensors::serialize(views, header).map_err(|e| unwritable(e.to_string()))
}
