//! Unrolls loops in the text of a shader, for drivers that would keep an array in memory otherwise.
//!
//! A private array is kept in registers only if every index is a constant, so every loop that indexes one must be unrolled.
//! Mesa until version 22 does so whenever a loop runs over an entire array. Later ones stop at a certain size, and
//! Microsoft's DXC unrolls innermost loops only. The loops of such kernels are marked `// unroll` in their shaders.

use super::shader::{ShaderError, parsed};
use std::collections::HashMap;

/// Ends the first line of a loop that is to be unrolled.
const MARK: &str = " { // unroll";

/// The text with a copy of the body for each iteration of the marked loops, in which the loop's variable is a constant.
///
/// # Errors
/// If the text is not valid WGSL, or the bound of a marked loop is not a constant.
pub fn unrolled(stem: &str, wgsl: &str) -> Result<String, ShaderError> {
    if !wgsl.contains(MARK) {
        return Ok(wgsl.into());
    }
    let module = parsed(stem, wgsl)?;
    let constants: HashMap<&str, u32> = module
        .constants
        .iter()
        .filter_map(|(_, constant)| match module.global_expressions[constant.init] {
            naga::Expression::Literal(naga::Literal::U32(value)) => Some((constant.name.as_deref()?, value)),
            _ => None,
        })
        .collect();
    let mut out = String::with_capacity(8 * wgsl.len());
    let lines: Vec<&str> = wgsl.lines().collect();
    let unknown = |line: &str| ShaderError::Unrolled { stem: stem.into(), line: line.trim().into() };
    expand(&lines, &constants, &mut out).map_err(unknown)?;
    Ok(out)
}

/// Appends lines with their marked loops unrolled.
///
/// # Errors
/// The first line of a loop that is not of the form `for (var i = 0u; i < N; i++) {` with a known N, or does not end.
fn expand<'l>(lines: &[&'l str], constants: &HashMap<&str, u32>, out: &mut String) -> Result<(), &'l str> {
    let mut at = 0;
    while let Some(&line) = lines.get(at) {
        at += 1;
        let Some(head) = line.strip_suffix(MARK) else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let indent = &line[..line.len() - line.trim_start().len()];
        let (name, count) = counted(head.trim_start(), constants).ok_or(line)?;
        let end = lines[at..].iter().position(|other| other.strip_prefix(indent) == Some("}")).ok_or(line)?;
        let mut body = String::new();
        expand(&lines[at..at + end], constants, &mut body)?;
        for value in 0..count {
            out.push_str(&format!("{indent}{{\nconst {name} = {value}u;\n{body}{indent}}}\n"));
        }
        at += end + 1;
    }
    Ok(())
}

/// Variable and number of iterations of a loop.
fn counted<'l>(head: &'l str, constants: &HashMap<&str, u32>) -> Option<(&'l str, u32)> {
    let (name, rest) = head.strip_prefix("for (var ")?.split_once(" = 0u; ")?;
    let (left, rest) = rest.split_once(" < ")?;
    let (bound, step) = rest.split_once("; ")?;
    let known = left == name && step.strip_suffix("++)") == Some(name);
    let count = constants.get(bound).copied().or_else(|| bound.strip_suffix('u')?.parse().ok());
    count.filter(|_| known).map(|count| (name, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_loops_are_unrolled_and_others_stay() {
        let wgsl = "const N = 2u;\nconst M = N + 1u;\nfn f() -> u32 {\n    var sum = 0u;\n    for (var i = 0u; i < N; i++) { // unroll\n        \
                    for (var j = 0u; j < M; j++) {\n            for (var k = 0u; k < M; k++) { // unroll\n                \
                    sum += i * j + k;\n            }\n        }\n    }\n    return sum;\n}\n";
        let text = unrolled("f", wgsl).unwrap();
        assert_eq!(text.matches("sum += ").count(), 6);
        assert_eq!(text.matches("for (var j").count(), 2);
        assert!(text.contains("const i = 1u;") && text.contains("const k = 2u;") && !text.contains("// unroll"));
        parsed("f", &text).unwrap();
        assert_eq!(unrolled("f", "fn f() {}").unwrap(), "fn f() {}");
        let error = unrolled("f", &wgsl.replace("j < M", "j < sum").replace("j++) {", "j++) { // unroll")).unwrap_err();
        assert!(error.to_string().contains("for (var j = 0u; j < sum; j++)"), "{error}");
    }
}
