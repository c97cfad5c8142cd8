//! Tensors of a safetensors file.

use super::{CheckpointError, KEY, Network};
use crate::files;
use crate::text::{Shown, listed};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// What PyTorch's wrappers put before the names of a network's tensors: `DataParallel` and its successors, `torch.compile`,
/// and the attributes in which programs usually hold a network.
const PREFIXES: [&str; 4] = ["module.", "_orig_mod.", "model.", "net."];

/// The tensors of a file, without a prefix that all their names share.
pub struct Tensors<'a> {
    file: SafeTensors<'a>,
    prefix: String,
    /// A network's layers and the file's layers of other names with their shapes.
    layers: Vec<(String, String)>,
}

/// A layer's tensors: their names within the layer, and their shapes.
type Shapes = BTreeMap<String, Vec<usize>>;

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
        Ok(Tensors { file, prefix, layers: Vec::new() })
    }

    /// Takes the file's layers for those of a network by their shapes, if every layer of either has one of the other. Of layers of
    /// the same shapes, all have the network's names, or names that differ in a number only, by which they are in order.
    /// Returns false if they do not fit.
    pub fn match_layers(&mut self, network: &Network) -> bool {
        let mut own: BTreeMap<String, Shapes> = BTreeMap::new();
        for (name, tensor) in self.file.iter().filter(|(name, _)| !is_counter(name)) {
            let Some((layer, tensor_of_layer)) = name[self.prefix.len()..].rsplit_once('.') else { return false };
            own.entry(layer.into()).or_default().insert(tensor_of_layer.into(), tensor.shape().to_vec());
        }
        let mut own: Vec<(String, Shapes)> = own.into_iter().collect();
        own.sort_by_key(|(layer, _)| natural(layer));
        let mut layers = Vec::new();
        for wanted in network.learning_layers() {
            let shapes: Shapes = network
                .parameters()
                .iter()
                .filter(|p| p.layer == wanted)
                .map(|p| (p.name.rsplit('.').next().unwrap_or_default().into(), p.shape.clone()))
                .collect();
            let alike: Vec<usize> = (0..own.len()).filter(|&at| own[at].1 == shapes).collect();
            let same = alike.iter().copied().find(|&at| own[at].0 == wanted);
            let is_ordered =
                alike.windows(2).all(|two| without_numbers(&own[two[0]].0) == without_numbers(&own[two[1]].0));
            let Some(at) = same.or(alike.first().copied().filter(|_| is_ordered)) else { return false };
            layers.push((wanted, own.remove(at).0));
        }
        if own.is_empty() {
            self.layers = layers;
        }
        own.is_empty()
    }

    /// What was done to the names of the file.
    pub fn notices(&self) -> Vec<String> {
        let prefix = format!("the names of its tensors start with {}, which is ignored", Shown::from(&self.prefix));
        let renamed: Vec<String> = self
            .layers
            .iter()
            .filter(|(layer, own)| layer != own)
            .map(|(layer, own)| format!("{} is {layer}", Shown::from(own)))
            .collect();
        let renamed = format!("its layers have other names; by their shapes, {}", listed(&renamed));
        let notices = [(!self.prefix.is_empty(), prefix), (!self.layers.is_empty(), renamed)];
        notices.into_iter().filter(|(is_so, _)| *is_so).map(|(_, notice)| notice).collect()
    }

    pub fn get(&self, name: &str) -> Option<TensorView<'a>> {
        let own = name.rsplit_once('.').and_then(|(layer, rest)| {
            self.layers.iter().find(|(known, _)| known == layer).map(|(_, own)| format!("{own}.{rest}"))
        });
        self.file.tensor(&format!("{}{}", self.prefix, own.as_deref().unwrap_or(name))).ok()
    }

    /// Lengths of the tensors of one dimension, up to the largest number of classes.
    pub fn lengths(&self) -> Vec<usize> {
        let shapes = self.file.iter().map(|(_, tensor)| tensor.shape().to_vec());
        let lengths = shapes.filter_map(|shape| if let [length] = shape[..] { Some(length) } else { None });
        lengths.filter(|&length| length <= 256).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// True if layers were matched, which leaves none over.
    fn are_matched(&self) -> bool {
        !self.layers.is_empty()
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

/// Returns true for the counter of PyTorch's batch normalisation, which it needs only without a momentum.
fn is_counter(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

/// A name with a placeholder for each number.
fn without_numbers(name: &str) -> Vec<String> {
    natural(name).into_iter().map(|(number, text)| if number < u64::MAX { "0".into() } else { text }).collect()
}

/// A key that sorts numbers in names by their values: `conv2` before `conv10`.
pub fn natural(name: &str) -> Vec<(u64, String)> {
    let runs = name.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let key = |run: &[u8]| {
        let text = String::from_utf8_lossy(run).into_owned();
        (text.parse().unwrap_or(u64::MAX), text)
    };
    runs.map(key).collect()
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
    let known = |name: &str| is_counter(name) || network.parameters().iter().any(|p| p.name == name);
    let only = only && !tensors.are_matched();
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
