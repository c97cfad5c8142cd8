//! Dependencies between modules: each may use those of its own row and of the rows above it.

use std::path::{Path, PathBuf};

/// Lowest first.
const ROWS: &[&[&str]] = &[
    &["text", "words", "random", "threads"],
    &["files", "paths"],
    &["data"],
    &["kernels", "optimizers"],
    &["plan"],
    &["portable"],
    &["layers"],
    &["model"],
    &["recorder"],
    &["reference"],
    &["gpu"],
    &["verify"],
    &["settings"],
    &["train"],
    &["fit", "explain", "notes"],
    &["report", "serve"],
    &["bench"],
    &["cli"],
];

fn row(module: &str) -> usize {
    let at = ROWS.iter().position(|row| row.contains(&module));
    at.unwrap_or_else(|| panic!("src/{module} stands in no row of tests/rooms.rs"))
}

/// Every file of `src`, with its module.
fn files() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut open) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let first = path.strip_prefix(&root).unwrap().components().next().unwrap().as_os_str();
            let module = first.to_str().unwrap().trim_end_matches(".rs");
            if !["lib", "main"].contains(&module) {
                files.push((module.into(), path.clone()));
            }
        }
    }
    files
}

/// The modules that a text names with `crate::`, except in comments and tests.
fn used(text: &str) -> Vec<&str> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| line.split("crate::").skip(1));
    after.map(|rest| &rest[..rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len())]).collect()
}

#[test]
fn nothing_uses_what_lies_above_it() {
    let mut wrong = Vec::new();
    for (module, path) in files().iter().filter(|(_, path)| !path.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(path).unwrap();
        for other in used(&text).into_iter().filter(|other| !other.is_empty() && !other.starts_with("each_")) {
            // The players are independent of each other.
            if row(other) > row(module) || (&**module, other) == ("gpu", "reference") {
                wrong.push(format!("{} uses crate::{other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files stay short enough to read in one go.
#[test]
fn no_file_is_long() {
    let long = files().into_iter().filter_map(|(_, path)| {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        (lines > 430).then(|| format!("{}: {lines} lines", path.display()))
    });
    let long: Vec<String> = long.collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
