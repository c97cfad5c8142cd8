//! The binary as a user runs it: what it prints where, its exit codes, and every bad input.

mod bad;
mod bench;
mod brought;
mod commands;
mod faults;
mod folders;
mod learning;
mod pictures;
mod recipes;
mod report;
mod runs;
mod serve;
mod tune;
#[cfg(unix)]
mod unix;

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own, in which commands run.
struct Place(tempfile::TempDir);

/// How a command ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command that has not started. Nothing of this machine's settings reaches it, and it never fetches.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mnist-gpu"));
        command.args(args).current_dir(self.0.path()).env("MNIST_GPU_CACHE", self.path("cache"));
        for name in ["WGPU_BACKEND", "WGPU_ADAPTER_NAME", "MNIST_GPU_MIRROR", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    /// A command that succeeds, with its one JSON object.
    fn json(&self, args: &[&str]) -> Value {
        let ended = self.run(&[args, &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.err);
        assert_eq!(ended.out.lines().count(), 1, "{args:?}: {}", ended.out);
        serde_json::from_str(&ended.out).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", ended.out))
    }

    /// A command that fails with exit code 1, says these words, and prints nothing to standard output.
    fn fails(&self, args: &[&str], words: &[&str]) -> String {
        let ended = self.run(args);
        ended.failed(&args.join(" "), words)
    }

    /// The digits that lie beside the tests, copied so that they can be damaged.
    fn digits(&self, name: &str) -> String {
        let folder = self.path(name);
        std::fs::create_dir(&folder).unwrap();
        for entry in std::fs::read_dir(digits()).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, folder.join(from.file_name().unwrap())).unwrap();
        }
        folder.to_string_lossy().into_owned()
    }
}

impl Ended {
    fn of(output: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn failed(&self, what: &str, words: &[&str]) -> String {
        assert_eq!(self.code, Some(1), "`{what}`: {}", self.err);
        assert_eq!(self.out, "", "`{what}` fails, but prints to standard output");
        assert!(!self.err.contains("panicked"), "`{what}`: {}", self.err);
        // Paths are written with slashes here, whatever they are printed with.
        let said = self.err.replace(std::path::MAIN_SEPARATOR, "/");
        for word in words {
            assert!(said.contains(word), "`{what}` does not say {word:?}: {}", self.err);
        }
        self.err.clone()
    }
}

/// A path as it is printed here.
fn shown(path: &str) -> String {
    path.replace('/', std::path::MAIN_SEPARATOR_STR)
}

/// 320 digits to train on and 100 to test, made by this program.
fn digits() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/digits").to_string_lossy().into_owned()
}

fn sha(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Lines of a run's `events.jsonl`.
fn events(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Keys of an object, in order.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
