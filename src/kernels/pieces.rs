//! Pieces of WGSL shared by several shaders.

use super::Activation;

/// Maps the names of the pieces in `shaders/common` to their source.
macro_rules! common {
    ($($name:literal),+) => {
        fn common(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../shaders/common/", $name, ".wgsl"))),)+
                _ => None,
            }
        }
    };
}
common! { "component", "cursor", "group", "hash", "input", "input_vectors", "loss" }

/// Prefix of the shader line that names its pieces.
const USES: &str = "// Uses: ";

/// A shader preceded by the pieces that it names. `activation` is the one that the kernel applies.
///
/// # Errors
/// The name of a piece that does not exist.
pub(crate) fn composed(wgsl: &str, activation: Activation) -> Result<String, String> {
    let Some(line) = wgsl.lines().find(|line| line.starts_with(USES)) else { return Ok(wgsl.into()) };
    let mut text = String::new();
    for name in line[USES.len()..].split(", ") {
        let piece = if name == "activation" { Some(activation.wgsl()) } else { common(name) };
        text.push_str(piece.ok_or_else(|| name.to_string())?);
        text.push('\n');
    }
    // The pieces replace this line.
    Ok(text + &wgsl.replacen(&format!("{line}\n"), "", 1))
}
