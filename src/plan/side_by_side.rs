//! One shader of several: their declarations under names of their own, and an entry point that calls one of them.
//!
//! It relies on how the files in `shaders/` are written: a declaration outside a function starts its line, and so does
//! the entry point `fn main(…) {`, with its attributes on the line before.

use super::shader::{ShaderError, Slot, parsed};
use crate::kernels::Spec;
use std::collections::HashMap;

/// A kernel of a dispatch.
pub(super) struct Part<'a> {
    pub spec: &'a Spec,
    /// Its shader, with the plan's sizes.
    pub text: &'a str,
    /// The dispatch's binding for each of its ports.
    pub slots: Vec<&'a Slot>,
}

/// A name of a part's shader in the common one.
pub(super) fn of_part(name: &str, part: usize) -> String {
    format!("{name}_of_{part}")
}

/// Invocations of a workgroup in each direction.
pub(super) fn workgroup_size(module: &naga::Module) -> [u32; 3] {
    module.entry_points.first().map_or([1; 3], |entry| entry.workgroup_size)
}

/// The common shader.
///
/// # Errors
/// If a part is not valid WGSL.
pub(super) fn side_by_side(parts: &[Part]) -> Result<String, ShaderError> {
    let modules = parts.iter().map(|part| parsed(part.spec.stem, part.text)).collect::<Result<Vec<_>, _>>()?;
    let sizes: Vec<[u32; 3]> = modules.iter().map(workgroup_size).collect();
    let invocations = sizes.iter().map(|size| size.iter().product()).max().unwrap_or(1);
    let (mut declarations, mut calls, mut first) = (String::new(), Vec::new(), 0);
    for (at, (part, size)) in parts.iter().zip(sizes).enumerate() {
        let values = part.declare(at, &mut declarations);
        calls.push(part.call(at, first, size, invocations, &values));
        first += part.spec.workgroups.iter().product::<u32>();
    }
    let calls = calls.join(" else ");
    Ok(format!(
        "{declarations}\n@compute @workgroup_size({invocations})\n\
         fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {{\n    {calls}\n}}\n"
    ))
}

impl Part<'_> {
    /// Appends what the shader declares, and returns the built-in values that its entry point takes.
    fn declare(&self, at: usize, out: &mut String) -> Vec<&'static str> {
        let ports: HashMap<&str, &Slot> =
            self.spec.ports.iter().zip(&self.slots).map(|(port, slot)| (port.name, *slot)).collect();
        let declared = self.text.lines().filter_map(declared_name);
        let names: HashMap<&str, String> = declared
            .map(|name| (name, ports.get(name).map_or_else(|| of_part(name, at), |slot| slot.name.clone())))
            .collect();
        let (mut values, mut in_struct) = (Vec::new(), false);
        for line in self.text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            if let Some((_, declaration)) = binding(line) {
                // A binding that parts share is declared by the first of them, after which it is named.
                let slot = declared_name(line).and_then(|name| Some((ports.get(name)?, of_part(name, at))));
                if let Some((slot, _)) = slot.filter(|(slot, own)| slot.name == *own) {
                    let declaration = renamed(declaration, &names);
                    out.push_str(&format!("@group(0) @binding({}) {declaration}\n", slot.binding));
                }
            } else if let Some(list) = line.strip_prefix("fn main(").and_then(|line| line.strip_suffix(") {")) {
                let parameters: Vec<_> = list.split(", ").filter_map(parameter).collect();
                let typed: Vec<&str> = parameters.iter().map(|(_, typed)| *typed).collect();
                out.push_str(&format!("fn {}({}) {{\n", of_part("main", at), typed.join(", ")));
                values = parameters.into_iter().map(|(value, _)| value).collect();
            } else if !line.starts_with("@compute") {
                // Fields of a structure keep their names.
                let start = line.find(':').filter(|_| in_struct).unwrap_or(0);
                out.push_str(&format!("{}{}\n", &line[..start], renamed(&line[start..], &names)));
                in_struct = line.starts_with("struct ") || in_struct && line != "}";
            }
        }
        values
    }

    /// The call of its entry point, for the workgroups from `first` on.
    fn call(&self, at: usize, first: u32, size: [u32; 3], invocations: u32, values: &[&str]) -> String {
        let ([width, height, _], [x, y, z]) = (size, self.spec.workgroups);
        let excess = match size.iter().product::<u32>() {
            own if own < invocations => format!("        if lane >= {own}u {{\n            return;\n        }}\n"),
            _ => String::new(),
        };
        let (last, plane, main) = (first + x * y * z, x * y, of_part("main", at));
        format!(
            "if group.x < {last}u {{\n{excess}        let at = group.x - {first}u;\n        \
             let workgroup = vec3u(at % {x}u, at / {x}u % {y}u, at / {plane}u);\n        \
             let local = vec3u(lane % {width}u, lane / {width}u, 0u);\n        \
             let global = workgroup * vec3u({width}u, {height}u, 1u) + local;\n        \
             {main}({});\n    }}",
            values.join(", ")
        )
    }
}

/// Splits the declaration of a binding into its attributes and the rest.
fn binding(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("@group(0) @binding(").and_then(|line| line.split_once(") "))
}

/// The name that a line declares outside any function, but for `main`.
fn declared_name(line: &str) -> Option<&str> {
    let line = binding(line).map_or(line, |(_, rest)| rest);
    let rest = match line.strip_prefix("var<") {
        Some(rest) => rest.split_once("> ")?.1,
        None => ["const ", "fn ", "struct "].iter().find_map(|word| line.strip_prefix(word))?,
    };
    let name = &rest[..rest.find(|c| !in_name(c))?];
    (name != "main").then_some(name)
}

/// Reads a parameter such as `@builtin(workgroup_id) id: vec3u`: what the common entry point calls the value, and the
/// rest.
fn parameter(text: &str) -> Option<(&'static str, &str)> {
    let (builtin, typed) = text.strip_prefix("@builtin(")?.split_once(") ")?;
    let value = match builtin {
        "workgroup_id" => "workgroup",
        "local_invocation_id" => "local",
        "global_invocation_id" => "global",
        "local_invocation_index" => "lane",
        _ => return None,
    };
    Some((value, typed))
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Replaces names in a line, except fields, which follow a full stop.
fn renamed(line: &str, names: &HashMap<&str, String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(2 * line.len()), line);
    while let Some(start) = rest.find(in_name) {
        let end = rest[start..].find(|c| !in_name(c)).map_or(rest.len(), |len| start + len);
        let (before, word) = (&rest[..start], &rest[start..end]);
        out.push_str(before);
        out.push_str(names.get(word).filter(|_| !before.ends_with('.')).map_or(word, |new| new));
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_module_are_replaced_and_fields_are_not() {
        let names = HashMap::from([("x", "x_of_1".to_string()), ("count", "count_of_1".to_string())]);
        assert_eq!(
            renamed("x[id.x + 0x1u] = max(count, x2) + group.count;", &names),
            "x_of_1[id.x + 0x1u] = max(count_of_1, x2) + group.count;"
        );
        assert_eq!(declared_name("@group(0) @binding(3) var<storage, read_write> dx: array<f32>;"), Some("dx"));
        assert_eq!(declared_name("var<workgroup> parts: array<f32, 4>;"), Some("parts"));
        assert_eq!(declared_name("const_assert a <= b;"), None);
        assert_eq!(declared_name("    let x = 1u;"), None);
    }
}
