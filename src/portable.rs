//! Plans as JSON with their shaders, for players outside this program, such as the one of a web page
//! (`assets/web/player.js`).
//!
//! A file says everything that a player needs to know: it plays dispatches, and knows nothing of layers.
//!
//! | key | content |
//! |---|---|
//! | `format`, `version` | `mnist-gpu plan`, and 1 |
//! | `program` | the program that wrote it |
//! | `shaders` | for each text of WGSL `kernel`, its name, and `bindings`, a letter for each binding of group 0: `u` uniform, `r` read-only storage, `w` storage |
//! | `plans` | plans by name |
//!
//! A plan has `batch`, the number of images in a batch; `buffers`, each with `name`, `element` (`f32` or `u32`), `length` in
//! elements and either `content` (little-endian words in base64), `role`, or neither, in which case it begins with zeros; and
//! `dispatches`, each with `label`, `shader` (an index), `workgroups` and `bindings`: an index of a buffer, the first element
//! and the number of elements.
//!
//! A role names a buffer that plans share or that the caller writes: see [`Role`].

use crate::kernels::Element;
use crate::plan::shader::ShaderError;
use crate::plan::{Dispatch, Plan, names};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

const FORMAT: &str = "mnist-gpu plan";
const VERSION: u32 = 1;

/// Maximum number of elements of a buffer: what a binding of WebGPU's default limits holds.
const LONGEST: usize = (128 << 20) / 4;

/// A file of plans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portable {
    pub format: String,
    pub version: u32,
    pub program: String,
    pub shaders: Vec<Shader>,
    pub plans: BTreeMap<String, PortablePlan>,
}

/// A shader and the kinds of its bindings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shader {
    pub kernel: String,
    pub bindings: String,
    pub wgsl: String,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortablePlan {
    pub batch: usize,
    pub buffers: Vec<PortableBuffer>,
    pub dispatches: Vec<PortableDispatch>,
}

/// A buffer of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortableBuffer {
    pub name: String,
    pub element: Element,
    pub length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Who fills a buffer, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Images of the data set, four bytes to a word, and their labels: once.
    Images,
    Labels,
    /// The images of an epoch in order, and their places in the file, which seed their augmentation: before each epoch.
    Order,
    Places,
    /// Step, first row of the next batch, rows of the epoch: before each epoch. The plan advances it.
    Cursor,
    /// Values of each step, and bounds of the augmentation: before each epoch.
    Rates,
    Augment,
    /// Parameters, and the optimizer's state: shared by plans.
    Parameters,
    State,
}

impl Role {
    /// The role of a buffer by its name.
    fn of(name: &str) -> Option<Role> {
        Some(match name {
            names::IMAGES => Role::Images,
            names::LABELS => Role::Labels,
            names::ORDER => Role::Order,
            names::PLACES => Role::Places,
            names::CURSOR => Role::Cursor,
            names::RATES => Role::Rates,
            names::AUGMENT => Role::Augment,
            names::PARAMETERS => Role::Parameters,
            names::MOMENTUM | names::SQUARE => Role::State,
            _ => return None,
        })
    }
}

/// A dispatch of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortableDispatch {
    pub label: String,
    pub shader: usize,
    pub workgroups: [u32; 3],
    /// Index of the buffer, first element, number of elements.
    pub bindings: Vec<[usize; 3]>,
}

/// Why a file is not one of plans.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortableError {
    #[error("this is not a file of plans: {0}")]
    Json(#[from] serde_json::Error),
    #[error("this is {format:?} version {version}, and only \"{FORMAT}\" version {VERSION} is known")]
    Version { format: String, version: u32 },
    #[error("plan {plan}: {text}")]
    Plan { plan: String, text: String },
    #[error(transparent)]
    Shader(#[from] ShaderError),
}

impl Portable {
    /// A file of these plans. A buffer with content keeps it, whatever its role.
    ///
    /// # Errors
    /// If a shader does not match its kernel.
    pub fn of(plans: &[(&str, &Plan)]) -> Result<Portable, PortableError> {
        let mut shaders: Vec<Shader> = Vec::new();
        let mut known: HashMap<Shader, usize> = HashMap::new();
        let mut all = BTreeMap::new();
        for (name, plan) in plans {
            let mut dispatches = Vec::new();
            for steps in plan.dispatches() {
                let Dispatch { stem, label, wgsl, slots, args, workgroups } = Dispatch::new(steps, |spec| spec.wgsl)?;
                let kind = |slot: &crate::plan::shader::Slot| match (slot.uniform, slot.writable) {
                    (true, _) => 'u',
                    (_, false) => 'r',
                    (_, true) => 'w',
                };
                let shader = Shader { kernel: stem, bindings: slots.iter().map(kind).collect(), wgsl };
                let shader = *known.entry(shader).or_insert_with_key(|shader| {
                    shaders.push(shader.clone());
                    shaders.len() - 1
                });
                let bindings = args.iter().map(|arg| [arg.buffer, arg.start, arg.len]).collect();
                dispatches.push(PortableDispatch { label, shader, workgroups, bindings });
            }
            let buffer = |buffer: &crate::plan::Buffer| PortableBuffer {
                name: buffer.name.clone(),
                element: buffer.element,
                length: buffer.len,
                content: buffer.content.as_deref().map(encoded),
                role: Role::of(&buffer.name).filter(|_| buffer.content.is_none()),
            };
            let buffers = plan.buffers().iter().map(buffer).collect();
            all.insert((*name).to_string(), PortablePlan { batch: plan.batch, buffers, dispatches });
        }
        let program = concat!("mnist-gpu ", env!("CARGO_PKG_VERSION")).into();
        Ok(Portable { format: FORMAT.into(), version: VERSION, program, shaders, plans: all })
    }

    /// The file as JSON.
    ///
    /// # Errors
    /// If it cannot be written as JSON, which does not happen.
    pub fn to_json(&self) -> Result<String, PortableError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads a file and checks that everything in it refers to something that is there.
    ///
    /// # Errors
    /// If it is not such a file, has another version, or contradicts itself.
    pub fn from_json(text: &str) -> Result<Portable, PortableError> {
        let head: Head = serde_json::from_str(text)?;
        if (&*head.format, head.version) != (FORMAT, VERSION) {
            return Err(PortableError::Version { format: head.format, version: head.version });
        }
        let portable: Portable = serde_json::from_str(text)?;
        for (name, plan) in &portable.plans {
            plan.check(&portable.shaders).map_err(|text| PortableError::Plan { plan: name.clone(), text })?;
        }
        Ok(portable)
    }
}

/// The fields that all versions of the format have.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl PortablePlan {
    fn check(&self, shaders: &[Shader]) -> Result<(), String> {
        for (at, buffer) in self.buffers.iter().enumerate() {
            let name = &buffer.name;
            if self.buffers[..at].iter().any(|other| other.name == *name) {
                return Err(format!("two buffers are called {name:?}"));
            }
            if !(1..=LONGEST).contains(&buffer.length) {
                return Err(format!("buffer {name:?} has {} elements; 1 to {LONGEST} are supported", buffer.length));
            }
            if let Some(content) = &buffer.content {
                let words =
                    decoded(content).ok_or_else(|| format!("the content of buffer {name:?} is not base64 of words"))?;
                if words.len() != buffer.length || buffer.role.is_some() {
                    return Err(format!("the content of buffer {name:?} does not fit it"));
                }
            }
        }
        for dispatch in &self.dispatches {
            let label = &dispatch.label;
            let shader = shaders.get(dispatch.shader).ok_or_else(|| format!("{label:?} has no shader"))?;
            if shader.bindings.chars().any(|kind| !"urw".contains(kind)) {
                return Err(format!("shader {:?} has an unknown kind of binding", shader.kernel));
            }
            if shader.bindings.len() != dispatch.bindings.len() {
                return Err(format!("{label:?} does not bind what its shader declares"));
            }
            if dispatch.workgroups.iter().any(|count| !(1..=65_535).contains(count)) {
                return Err(format!("{label:?} has {:?} workgroups; 1 to 65535 are supported", dispatch.workgroups));
            }
            for &[buffer, start, len] in &dispatch.bindings {
                let room = self.buffers.get(buffer).map_or(0, |buffer| buffer.length);
                if len == 0 || start.checked_add(len).is_none_or(|end| end > room) {
                    return Err(format!("{label:?} binds elements that its buffer does not have"));
                }
            }
        }
        Ok(())
    }
}

/// Words in base64.
pub fn encoded(words: &[u32]) -> String {
    STANDARD.encode(words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>())
}

/// Words from base64.
pub fn decoded(text: &str) -> Option<Vec<u32>> {
    let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len().is_multiple_of(4))?;
    Some(bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{DeviceClass, Tiles};
    use crate::model::Network;
    use crate::recorder::{Options, Work, record};

    fn file() -> Portable {
        let network = Network::tutorial([1, 28, 28], 10).unwrap();
        let options = Options::new(4, 10, 10, Tiles::of(DeviceClass::Software));
        let train = record(&network, &options).unwrap();
        let infer = record(&network, &Options { work: Work::Infer, ..options }).unwrap();
        Portable::of(&[("train", &train), ("infer", &infer)]).unwrap()
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let file = file();
        let text = file.to_json().unwrap();
        assert_eq!(Portable::from_json(&text).unwrap(), file);
        let plan = &file.plans["train"];
        let of = |name: &str| plan.buffers.iter().find(|buffer| buffer.name == name).unwrap();
        for (name, role) in [("images", Role::Images), ("cursor", Role::Cursor), ("momentum", Role::State)] {
            assert_eq!(of(name).role, Some(role), "{name}");
        }
        assert_eq!((of("conv1.out").role, of("conv1.out").content.as_ref()), (None, None));
        assert_eq!(decoded(of("clip").content.as_ref().unwrap()).unwrap(), [1.0_f32.to_bits(); 4]);
        // The forward kernels of both plans are the same texts.
        assert!(file.shaders.len() < plan.dispatches.len() + file.plans["infer"].dispatches.len());
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused() {
        let refused = |change: &dyn Fn(&mut Portable), word: &str| {
            let mut file = file();
            change(&mut file);
            let error = Portable::from_json(&file.to_json().unwrap()).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        };
        let train =
            |file: &mut Portable, change: &dyn Fn(&mut PortablePlan)| change(file.plans.get_mut("train").unwrap());
        refused(&|file| file.version = 2, "version 2");
        refused(&|file| file.format = "other".into(), "other");
        refused(&|file| file.shaders.truncate(1), "has no shader");
        refused(&|file| file.shaders[0].bindings.push('x'), "unknown kind");
        refused(&|file| file.shaders[0].bindings.push('u'), "what its shader declares");
        refused(&|file| train(file, &|plan| plan.dispatches[0].bindings[0][0] = 999), "does not have");
        refused(&|file| train(file, &|plan| plan.dispatches[0].bindings[0][1] = usize::MAX), "does not have");
        refused(&|file| train(file, &|plan| plan.dispatches[0].bindings[0][2] = 0), "does not have");
        refused(&|file| train(file, &|plan| plan.dispatches[0].workgroups[1] = 0), "workgroups");
        refused(&|file| train(file, &|plan| plan.buffers[1].name = plan.buffers[0].name.clone()), "two buffers");
        refused(&|file| train(file, &|plan| plan.buffers[0].length = 0), "0 elements");
        refused(&|file| train(file, &|plan| plan.buffers[0].content = Some("AAA".into())), "base64");
        refused(&|file| train(file, &|plan| plan.buffers[0].content = Some("AAAAAA==".into())), "does not fit");
        for text in ["", "{}", "[1]", "{\"format\":\"mnist-gpu plan\",\"version\":1}"] {
            assert!(Portable::from_json(text).is_err(), "{text}");
        }
    }
}
