//! Pieces that stand in many shaders.

use super::Activation;

/// Hands the names of the pieces in `shaders/common` to their texts.
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
common! { "cursor", "group", "hash", "input", "input_vectors" }

/// How the line of a shader begins that names its pieces.
const USES: &str = "// Uses: ";

/// A shader with the pieces that it names before it. `activation` is the one that the kernel applies.
///
/// # Errors
/// The name of a piece that there is not.
pub(crate) fn composed(wgsl: &str, activation: Activation) -> Result<String, String> {
    let Some(line) = wgsl.lines().find(|line| line.starts_with(USES)) else { return Ok(wgsl.into()) };
    let mut text = String::new();
    for name in line[USES.len()..].split(", ") {
        let piece = if name == "activation" { Some(activation.wgsl()) } else { common(name) };
        text.push_str(piece.ok_or_else(|| name.to_string())?);
        text.push('\n');
    }
    // The pieces stand in their place.
    Ok(text + &wgsl.replacen(&format!("{line}\n"), "", 1))
}
