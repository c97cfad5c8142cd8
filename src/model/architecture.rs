//! The architecture of a network, independent of the data: a name, or a list of layers from a file.

use super::{NETWORKS, Network, NetworkError, hidden_layers};
use crate::files;
use crate::layers::Layer;
use crate::text::Shown;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// All layers of a network but the last, whose number of units is the number of classes of the data.
#[derive(Clone, Debug, PartialEq)]
pub enum Architecture {
    Named(String),
    Listed(Listed),
}

/// Layers, and their file and line numbers if they came from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    layers: Vec<Layer>,
    file: Option<(PathBuf, Vec<usize>)>,
}

impl Default for Architecture {
    fn default() -> Architecture {
        Architecture::Named(NETWORKS[0].into())
    }
}

/// Errors of a network file. Every message names the file, and the line if there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    #[error("there is no network \"{name}\"; give {}, or a file with a list of layers", NETWORKS.join(", "))]
    Unknown { name: Shown },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("cannot read {path}: {reason}")]
    Unreadable { path: Shown, reason: Shown },
    #[error("{path} is not a valid network: {reason}")]
    Invalid { path: Shown, reason: String },
    #[error("{path}, line {line}: {error}")]
    DoesNotFit { path: Shown, line: usize, error: NetworkError },
}

/// A network file: `layers = [..]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    layers: Vec<toml::Spanned<Layer>>,
}

impl Architecture {
    /// Finds a network by its name or file.
    ///
    /// # Errors
    /// If the argument is neither a name nor a file, or if the file is not a list of layers.
    pub fn find(wanted: impl AsRef<Path>) -> Result<Architecture, ArchitectureError> {
        let path = wanted.as_ref();
        if let Some(name) = path.to_str().filter(|name| hidden_layers(name).is_some()) {
            return Ok(Architecture::Named(name.into()));
        }
        if !path.exists() {
            return Err(ArchitectureError::Unknown { name: path.into() });
        }
        let (layers, lines) = read(path)?;
        Ok(Architecture::Listed(Listed { layers, file: Some((path.into(), lines)) }))
    }

    /// The name of a network, or its layers if it has none.
    pub fn of(network: &Network) -> Architecture {
        let is = |name: &&str| {
            let named = Architecture::Named(name.to_string()).network(network.input(), network.classes());
            named.is_ok_and(|named| named.layers() == network.layers())
        };
        match NETWORKS.iter().copied().find(is) {
            Some(name) => Architecture::Named(name.into()),
            None => {
                let mut layers = network.layers();
                layers.pop();
                Architecture::Listed(Listed { layers, file: None })
            }
        }
    }

    /// The network for images of this size and this number of classes.
    ///
    /// # Errors
    /// If a layer does not fit its input; with its line if the layers came from a file.
    pub fn network(&self, input: [usize; 3], classes: usize) -> Result<Network, ArchitectureError> {
        let whole = |hidden: &[Layer]| Network::new(input, &[hidden, &[Layer::linear(classes)]].concat());
        let listed = match self {
            Architecture::Named(name) => return Ok(whole(&hidden_layers(name).unwrap_or_default())?),
            Architecture::Listed(listed) => listed,
        };
        let error = match (whole(&listed.layers), &listed.file) {
            (Ok(network), _) => return Ok(network),
            (Err(error), None) => return Err(error.into()),
            (Err(error), Some(_)) => error,
        };
        // The layer after the longest prefix that fits is the one to blame.
        let counts: Vec<usize> = (0..listed.layers.len()).collect();
        let count = counts.partition_point(|&count| whole(&listed.layers[..count]).is_ok());
        let (path, lines) = listed.file.clone().unwrap_or_default();
        let line = count.checked_sub(1).and_then(|at| lines.get(at)).copied().unwrap_or(1);
        Err(ArchitectureError::DoesNotFit { path: path.into(), line, error })
    }
}

/// The layers of a file and their lines.
fn read(path: &Path) -> Result<(Vec<Layer>, Vec<usize>), ArchitectureError> {
    let text = files::read_text(path, files::LONGEST_TEXT)
        .map_err(|e| ArchitectureError::Unreadable { path: path.into(), reason: Shown::new(e) })?;
    let file: File =
        toml::from_str(&text).map_err(|e| ArchitectureError::Invalid { path: path.into(), reason: e.to_string() })?;
    let line = |at: usize| 1 + text[..at].matches('\n').count();
    Ok(file.layers.into_iter().map(|layer| (layer.get_ref().clone(), line(layer.span().start))).unzip())
}

impl Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Architecture::Named(name) => f.write_str(name),
            Architecture::Listed(listed) => write!(f, "a list of {} layers", listed.layers.len()),
        }
    }
}

impl Serialize for Architecture {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Architecture::Named(name) => to.serialize_str(name),
            Architecture::Listed(listed) => listed.layers.serialize(to),
        }
    }
}

/// Written by hand so that errors in a layer are reported with their position.
impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Architecture, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Architecture;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a network's name, its file, or a list of layers")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Architecture, E> {
                Architecture::find(name).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Architecture, A::Error> {
                let mut layers = Vec::new();
                while let Some(layer) = list.next_element()? {
                    layers.push(layer);
                }
                Ok(Architecture::Listed(Listed { layers, file: None }))
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_file_is_a_list_of_layers() {
        let text = "layers = [\n  { conv = { channels = 4, kernel = 3 } },\n  \"relu\",\n  { dropout = { percent = 20 } },\n]\n";
        let file = file(text);
        let found = Architecture::find(file.path().to_str().unwrap()).unwrap();
        let net = found.network([1, 8, 8], 3).unwrap();
        assert_eq!(net.parameter_count(), 4 * 9 + 4 + 3 * 4 * 36 + 3);
        // A run writes and reads it the same way.
        let text = toml::to_string(&std::collections::BTreeMap::from([("network", found.clone())])).unwrap();
        let back: std::collections::BTreeMap<String, Architecture> = toml::from_str(&text).unwrap();
        assert_eq!(back["network"].network([1, 8, 8], 3).unwrap(), net);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        let says = |text: &str, words: &[&str]| {
            let file = file(text);
            let path = file.path().to_str().unwrap();
            let network = Architecture::find(path).and_then(|found| found.network([1, 28, 28], 10));
            let error = network.unwrap_err().to_string();
            for word in [&[path], words].concat() {
                assert!(error.contains(word), "{word}: {error}");
            }
        };
        let conv = "{ conv = { channels = 4, kernel = 15 } }";
        says(&format!("layers = [\n{conv},\n\"relu\",\n{conv}]"), &["line 4", "conv2", "15x15 kernel", "14x14 input"]);
        says("layers = [\n{ tanh = {} }]", &["line 2", "tanh has no settings"]);
        says("layers = [\"conv\"]", &["line 1", "conv needs settings"]);
        says("layers = [{ max_pool = { size = 2 }, relu = {} }]", &["line 1", "relu stands beside max_pool"]);
        says("layers = [\n\"relu\",\n\"rely\"]", &["line 3", "rely", "relu"]);
        says("layers = [{ conv = { channels = 4, kernal = 5 } }]", &["line 1", "kernal", "kernel"]);
        says("layer = []", &["line 1", "layer"]);
        let unknown = Architecture::find("vgg").unwrap_err().to_string();
        assert!(unknown.contains("vgg") && unknown.contains("tutorial, lenet5, deep"), "{unknown}");
    }
}
