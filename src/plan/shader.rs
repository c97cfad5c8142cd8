//! Turns a file of `shaders/` into the text that runs: prepends common pieces, substitutes sizes and reads the
//! bindings.

use crate::kernels::{Spec, composed};

/// An error in a shader, found before any driver sees it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShaderError {
    #[error("shader {stem} has no line `const {name} = …u;` among those that the plan sets, for {name} = {value}")]
    NoSuchConstant { stem: String, name: String, value: u32 },
    #[error("shader {stem} leaves the constant `{name}` to the plan, which does not set it")]
    Unset { stem: String, name: String },
    #[error("shader {stem} uses {piece}, and there is no shaders/common/{piece}.wgsl")]
    NoSuchPiece { stem: String, piece: String },
    #[error("shader {stem} marks a loop `// unroll` that has no constant number of iterations: {line}")]
    Unrolled { stem: String, line: String },
    #[error("shader {stem} is not valid WGSL:\n{report}")]
    Invalid { stem: String, report: String },
}

/// Starts the block of constants that the plan sets; an empty line ends it.
const PLAN_SETS: &str = "// The plan sets:";

/// Prepends the pieces that a shader names, and replaces the example values of the constants under `// The plan sets:`
/// with the plan's sizes.
///
/// # Errors
/// If a piece does not exist, the shader does not declare a size, or the plan does not set a constant.
pub fn specialise(spec: &Spec, wgsl: &str) -> Result<String, ShaderError> {
    let stem = || spec.stem.to_string();
    let wgsl = composed(wgsl, spec.activation).map_err(|piece| ShaderError::NoSuchPiece { stem: stem(), piece })?;
    let mut left = spec.constants.clone();
    let mut out = String::with_capacity(wgsl.len());
    let mut of_plan = false;
    for line in wgsl.lines() {
        of_plan = line == PLAN_SETS || of_plan && !line.is_empty();
        if let Some(name) = size_constant(line).filter(|_| of_plan) {
            let Some(at) = left.iter().position(|(of, _)| *of == name) else {
                return Err(ShaderError::Unset { stem: stem(), name: name.into() });
            };
            let (name, value) = left.swap_remove(at);
            out.push_str(&format!("const {name} = {value}u;"));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    match left.first() {
        Some((name, value)) => Err(ShaderError::NoSuchConstant { stem: stem(), name: (*name).into(), value: *value }),
        None => Ok(out),
    }
}

/// Returns `name` from a line `const name = 12u;`.
fn size_constant(line: &str) -> Option<&str> {
    let (name, value) = line.strip_prefix("const ")?.split_once(" = ")?;
    value.strip_suffix("u;")?.parse::<u32>().ok()?;
    Some(name)
}

/// A binding as declared by the shader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub binding: u32,
    pub name: String,
    pub writable: bool,
    pub uniform: bool,
}

/// Parses a shader.
///
/// # Errors
/// If the WGSL does not parse; the report shows the line and position, as drawn by naga.
pub(super) fn parsed(stem: &str, wgsl: &str) -> Result<naga::Module, ShaderError> {
    naga::front::wgsl::parse_str(wgsl)
        .map_err(|e| ShaderError::Invalid { stem: stem.into(), report: e.emit_to_string(wgsl) })
}

/// Parses a shader and lists its bindings in order.
///
/// # Errors
/// If the WGSL does not parse.
pub fn slots(stem: &str, wgsl: &str) -> Result<Vec<Slot>, ShaderError> {
    let module = parsed(stem, wgsl)?;
    let mut slots: Vec<Slot> = module
        .global_variables
        .iter()
        .filter_map(|(_, var)| {
            let writable = match var.space {
                naga::AddressSpace::Storage { access } => access.contains(naga::StorageAccess::STORE),
                _ => false,
            };
            let uniform = var.space == naga::AddressSpace::Uniform;
            Some(Slot { binding: var.binding.as_ref()?.binding, name: var.name.clone()?, writable, uniform })
        })
        .collect();
    slots.sort_by_key(|slot| slot.binding);
    Ok(slots)
}
