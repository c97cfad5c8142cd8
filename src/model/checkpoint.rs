//! Checkpoints of trained networks: safetensors with PyTorch's names and shapes, and one metadata key with everything
//! else that a network needs. A file without that key, such as one saved by PyTorch, is read as the tutorial's network.

mod tensors;

use super::find::is_pickle;
use super::unique::has_unique_keys;
use super::{Network, NetworkError, Normalisation, Novelty, model_file};
use crate::data::Prepare;
use crate::files;
use crate::layers::Layer;
use crate::text::{self, Shown};
use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use tensors::{Named, Tensors, arena, floats, named, serialized, write};

/// The metadata key. There is only one because safetensors does not preserve the order of several.
const KEY: &str = "mnist-gpu";
/// Name of the network that comes with the program: the tutorial's, trained by this program on MNIST.
pub const PRETRAINED: &str = "pretrained";
/// The format version that this program writes, and the only one it reads.
const FORMAT: u32 = 1;

/// Errors of a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    #[error("cannot read {path}: {reason}")]
    Unreadable { path: Shown, reason: Shown },
    #[error("{path} is not a valid safetensors file, such as PyTorch's safetensors.torch.save_file writes: {reason}")]
    Damaged { path: Shown, reason: Shown },
    #[error(
        "{0} is a PyTorch pickle, which can run any program; convert it once, in Python: \
         safetensors.torch.save_file(torch.load(\"{0}\", weights_only=True), \"model.safetensors\")"
    )]
    Pickle(Shown),
    #[error("cannot use the metadata of {path}: {reason}")]
    Metadata { path: Shown, reason: Shown },
    #[error("{path} has no metadata, so it is read as the tutorial's network, but {reason}")]
    Bare { path: Shown, reason: Shown },
    #[error("{path} has no tensor {name}; its tensors are {}", text::listed(.found))]
    Missing { path: Shown, name: Shown, found: Vec<String> },
    #[error("{path} has a tensor {name} that the network does not have")]
    Extra { path: Shown, name: Shown },
    #[error("{path}: tensor {name} has shape {found:?}, but the network needs {expected:?}")]
    Shape { path: Shown, name: Shown, found: Vec<usize>, expected: Vec<usize> },
    #[error("{path}: tensor {name} has type {found}, but only F32 is supported; convert it with `.float()`")]
    Type { path: Shown, name: Shown, found: Shown },
    #[error("{path}: tensor {name} has {value} at index {index}; the file is damaged, or its training diverged")]
    NotFinite { path: Shown, name: Shown, value: f32, index: usize },
    #[error(
        "{path}: tensor {name} has {value} at index {index}, but a variance cannot be negative; the file is damaged"
    )]
    Negative { path: Shown, name: Shown, value: f32, index: usize },
    #[error("{path}: {error}")]
    Network { path: Shown, error: NetworkError },
    #[error("cannot write {path}: {reason}; the existing file, if any, is unchanged")]
    Unwritable { path: Shown, reason: Shown },
    #[error(
        "{0} is a folder without model.safetensors; give a model file or the folder of a run that finished an epoch"
    )]
    NoModel(Shown),
    #[error("there is no run under {0}; train one with `mnist-gpu train`, or give a model file or `pretrained`")]
    NoRun(Shown),
    #[error("there is no model file or run folder {0}; give a file, a folder of `mnist-gpu train`, or `pretrained`")]
    Nowhere(Shown),
}

/// A network with its parameters and everything that belongs to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub network: Network,
    /// In the layout of the network's arena.
    pub parameters: Vec<f32>,
    pub normalisation: Normalisation,
    pub class_names: Vec<String>,
    /// How pictures become images for the network.
    pub prepare: Prepare,
    /// How the model was trained; nothing depends on it.
    pub training: serde_json::Value,
    /// Novelty detector fitted to the training images; `None` if there were too few.
    pub novelty: Option<Novelty>,
    /// Changes to tensor names made while loading, such as a removed prefix.
    pub notices: Vec<String>,
}

/// The JSON of the metadata key.
#[derive(Serialize, Deserialize)]
struct Metadata {
    format: u32,
    input: [usize; 3],
    layers: Vec<Layer>,
    class_names: Vec<String>,
    normalisation: Normalisation,
    #[serde(default)]
    prepare: Prepare,
    #[serde(default)]
    training: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    novelty: Option<Novelty>,
}

impl Metadata {
    /// Checks the class names and the normalisation.
    fn check(&self, network: &Network) -> Result<(), String> {
        let (names, classes) = (&self.class_names, network.classes());
        if names.len() != classes {
            return Err(format!("it has {} class names for {classes} classes", names.len()));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            return Err(format!("two classes are called {twice:?}"));
        }
        // Class names may come from a folder of pictures, which has the same restriction.
        if let Some(name) = names.iter().find(|name| name.chars().any(char::is_control)) {
            return Err(format!("the class name {name:?} contains control characters"));
        }
        let hidden = network.hidden().map_or(0, |(_, outputs)| outputs);
        if let Some(novelty) = self.novelty.as_ref().filter(|f| (f.classes(), f.features()) != (classes, hidden)) {
            let (of, outputs) = (novelty.classes(), novelty.features());
            return Err(format!(
                "its novelty has {outputs} outputs and {of} classes, but the network {hidden} and {classes}"
            ));
        }
        let n = self.normalisation;
        let is_usable = n.std > 0.0 && n.byte_values().iter().all(|value| value.is_finite());
        if is_usable {
            Ok(())
        } else {
            Err(format!("a mean of {:?} and a deviation of {:?} do not give finite pixel values", n.mean, n.std))
        }
    }
}

impl Model {
    /// Loads a model from a file or from a run folder; [`PRETRAINED`] names the built-in one.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, belongs to another network, or has a value that is not finite.
    pub fn load(path: &Path) -> Result<Model, CheckpointError> {
        let file = model_file(path)?;
        let raw = content(&file)?;
        Model::parsed(file, &raw)
    }

    /// Loads a model from the content of a file.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Model, CheckpointError> {
        Model::parsed("the model".into(), bytes)
    }

    /// The built-in network for MNIST's digits.
    pub fn pretrained() -> Model {
        Model::from_bytes(include_bytes!("../../assets/pretrained.safetensors"))
            .expect("it was written by this program")
    }

    fn parsed(file: PathBuf, raw: &[u8]) -> Result<Model, CheckpointError> {
        let path = || Shown::from(&file);
        let mut tensors = Tensors::of(&file, raw)?;
        let metadata = metadata::<Metadata>(&file, raw)?;
        let is_bare = metadata.is_none();
        let metadata = match metadata {
            Some(metadata) => metadata,
            None => bare(&file, &mut tensors)?,
        };
        if metadata.format != FORMAT {
            let reason = format!("it has format {}, but only format {FORMAT} is supported", metadata.format);
            return Err(CheckpointError::Metadata { path: path(), reason: reason.into() });
        }
        let network = Network::new(metadata.input, &metadata.layers)
            .map_err(|error| CheckpointError::Network { path: path(), error })?;
        metadata.check(&network).map_err(|reason| CheckpointError::Metadata { path: path(), reason: reason.into() })?;
        let n = metadata.normalisation;
        let parameters = arena(&file, &tensors, &network, "", true).map_err(|error| match is_bare {
            true => CheckpointError::Bare { path: path(), reason: Shown::new(error) },
            false => error,
        })?;
        Ok(Model {
            network,
            parameters,
            normalisation: n,
            class_names: metadata.class_names,
            prepare: metadata.prepare,
            training: metadata.training,
            novelty: metadata.novelty,
            notices: tensors.notices(),
        })
    }

    /// Saves the model atomically: the file is either complete or absent.
    ///
    /// # Errors
    /// If the disk is full or the path is not writable.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let (tensors, metadata) = self.parts();
        write(path, &tensors, &metadata)
    }

    /// The bytes that [`Model::save`] writes.
    ///
    /// # Errors
    /// If the model cannot be serialized, which does not happen for models of this program.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let (tensors, metadata) = self.parts();
        serialized(Path::new("the model"), &tensors, &metadata)
    }

    fn parts(&self) -> (Vec<Named>, Metadata) {
        let metadata = Metadata {
            format: FORMAT,
            input: self.network.input(),
            layers: self.network.layers(),
            class_names: self.class_names.clone(),
            normalisation: self.normalisation,
            prepare: self.prepare,
            training: self.training.clone(),
            novelty: self.novelty.clone(),
        };
        (named(&self.network, &self.parameters, ""), metadata)
    }
}

/// Parameters of a network from a file with the same shapes, regardless of its metadata, and what was done to the names of
/// its tensors.
///
/// # Errors
/// As [`Model::load`].
pub fn load_parameters(path: &Path, network: &Network) -> Result<(Vec<f32>, Vec<String>), CheckpointError> {
    let file = model_file(path)?;
    let raw = content(&file)?;
    let mut tensors = Tensors::of(&file, &raw)?;
    if network.parameters().iter().any(|p| tensors.get(&p.name).is_none()) {
        tensors.match_layers(network);
    }
    Ok((arena(&file, &tensors, network, "", true)?, tensors.notices()))
}

/// Everything needed to resume a run: parameters, optimizer state, and a record of the position.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume<T> {
    pub parameters: Vec<f32>,
    pub states: Vec<Vec<f32>>,
    /// Losses of the unfinished epoch, one per image.
    pub losses: Vec<f32>,
    pub record: T,
}

const LOSSES: &str = "epoch.loss";

impl<T: Serialize + DeserializeOwned> Resume<T> {
    /// Saves it like a model. `states` are the names of the optimizer's states.
    ///
    /// # Errors
    /// As [`Model::save`].
    pub fn save(&self, path: &Path, network: &Network, states: &[&str]) -> Result<(), CheckpointError> {
        let mut tensors = named(network, &self.parameters, "");
        for (name, state) in states.iter().zip(&self.states) {
            tensors.extend(named(network, state, &format!(".{name}")));
        }
        tensors.push((LOSSES.into(), vec![self.losses.len()], self.losses.clone()));
        write(path, &tensors, &self.record)
    }

    /// Loads the state of a run of this network. The record says which optimizer states there are.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load(
        path: &Path,
        network: &Network,
        states: impl Fn(&T) -> &'static [&'static str],
    ) -> Result<Resume<T>, CheckpointError> {
        let raw = read(path)?;
        let tensors = Tensors::of(path, &raw)?;
        let record: T = metadata(path, &raw)?.ok_or_else(|| CheckpointError::Metadata {
            path: path.into(),
            reason: "there is none, so this is not a file to resume from".into(),
        })?;
        let parameters = arena(path, &tensors, network, "", false)?;
        let state = |name: &&str| arena(path, &tensors, network, &format!(".{name}"), false);
        let states = states(&record).iter().map(state).collect::<Result<_, _>>()?;
        let losses = floats(path, LOSSES, &tensors.find(path, LOSSES)?)?;
        Ok(Resume { parameters, states, losses, record })
    }
}

/// The content of a file, or of the built-in model for [`PRETRAINED`].
fn content(file: &Path) -> Result<Vec<u8>, CheckpointError> {
    if file == Path::new(PRETRAINED) && !file.exists() {
        return Ok(include_bytes!("../../assets/pretrained.safetensors").to_vec());
    }
    read(file)
}

/// Maximum size of a header in bytes: far more than any network of this program needs.
const MOST_HEADER: u64 = 16 << 20;

/// Reads a file. The size in the header is checked against the file before memory is reserved.
fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let unreadable = |e: std::io::Error| CheckpointError::Unreadable { path: path.into(), reason: Shown::new(e) };
    let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason: reason.into() };
    let (mut file, size) = files::open(path).map_err(unreadable)?;
    let mut length = [0; 8];
    if size < 8 {
        return Err(damaged(format!("it has only {size} bytes")));
    }
    file.read_exact(&mut length).map_err(unreadable)?;
    if is_pickle(path, &length) {
        return Err(CheckpointError::Pickle(path.into()));
    }
    let header = u64::from_le_bytes(length);
    if !(2..=MOST_HEADER.min(size - 8)).contains(&header) {
        return Err(damaged(format!("it has a header of {header} bytes in a file of {size} bytes")));
    }
    let mut bytes = length.to_vec();
    file.by_ref().take(header).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = bytes.get(8..).and_then(|text| str::from_utf8(text).ok());
    let text = text.ok_or_else(|| damaged("its header is not UTF-8".into()))?;
    has_unique_keys(text).map_err(|e| damaged(e.to_string()))?;
    let tensors: HashMap<String, serde_json::Value> = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
    let end = tensors.values().filter_map(|tensor| tensor["data_offsets"][1].as_u64()).max().unwrap_or(0);
    if end.checked_add(header + 8) != Some(size) {
        return Err(damaged(format!("its header declares {end} bytes of tensors, but {} follow", size - 8 - header)));
    }
    bytes.try_reserve_exact(end as usize).map_err(|_| unreadable(ErrorKind::OutOfMemory.into()))?;
    file.take(end).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn metadata<T: DeserializeOwned>(path: &Path, raw: &[u8]) -> Result<Option<T>, CheckpointError> {
    let (_, header) = SafeTensors::read_metadata(raw)
        .map_err(|e| CheckpointError::Damaged { path: path.into(), reason: Shown::new(e) })?;
    let Some(text) = header.metadata().as_ref().and_then(|map| map.get(KEY)) else { return Ok(None) };
    let read = has_unique_keys(text).and_then(|()| serde_json::from_str(text));
    read.map(Some).map_err(|e| CheckpointError::Metadata { path: path.into(), reason: Shown::new(e) })
}

/// The metadata assumed for a file without metadata: the tutorial's network for as many classes as its tensors have.
fn bare(path: &Path, tensors: &mut Tensors) -> Result<Metadata, CheckpointError> {
    let failed = |reason: String| CheckpointError::Bare { path: path.into(), reason: reason.into() };
    let bias = tensors.get("fc2.bias").map(|bias| bias.shape().to_vec());
    let candidates = match bias.as_deref() {
        Some(&[classes]) if classes > 256 => {
            return Err(failed(format!("its fc2.bias is for {classes} classes, but at most 256 are supported")));
        }
        Some(&[classes]) => vec![classes],
        _ => tensors.lengths(),
    };
    let mut fit = None;
    for &classes in &candidates {
        let network = Network::tutorial([1, 28, 28], classes).ok();
        let has_names = |network: &Network| network.parameters().iter().all(|p| tensors.get(&p.name).is_some());
        if network.as_ref().is_some_and(has_names) || network.is_some_and(|network| tensors.match_layers(&network)) {
            fit = Some(classes);
            break;
        }
    }
    // If only some names are missing, the first of them is reported when the tensors are gathered.
    let of_bias = bias.and_then(|shape| shape.first().copied());
    let classes = fit
        .or(of_bias)
        .ok_or_else(|| failed(format!("it has no fc2.bias; its tensors are {}", text::listed(tensors.names()))))?;
    Ok(Metadata {
        format: FORMAT,
        input: [1, 28, 28],
        layers: super::tutorial_layers(classes),
        class_names: numbered_classes(classes),
        normalisation: Normalisation::MNIST,
        prepare: Prepare::Mnist,
        training: serde_json::Value::Null,
        novelty: None,
    })
}

/// Default class names: the labels.
pub fn numbered_classes(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

#[cfg(test)]
mod tests;
