//! Runs that are going on or have ended, read from their logs.

use crate::train::{EVENTS, LOCK, each_event};
use serde_json::{Value, json};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Maximum number of runs that are listed, and bytes of a log that are read at once.
const MOST: usize = 100;
const PORTION: u64 = 1 << 20;

/// The runs in a folder, and one that was named.
pub struct Runs {
    folder: PathBuf,
    named: Option<PathBuf>,
}

impl Runs {
    pub fn new(folder: PathBuf, named: Option<PathBuf>) -> Runs {
        Runs { folder, named }
    }

    /// Names and folders, the newest first.
    fn all(&self) -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut all: Vec<PathBuf> = entries.filter(|path| log(path).is_file()).collect();
        let key =
            |path: &PathBuf| std::fs::metadata(log(path)).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        all.sort_by_key(|path| std::cmp::Reverse(key(path)));
        all.truncate(MOST);
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        if let Some(named) = &self.named
            && !all.iter().any(|path| real(path) == real(named))
        {
            all.insert(0, named.clone());
        }
        let name =
            |path: &PathBuf| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        all.iter().map(|path| (name(path), path.clone())).collect()
    }

    /// The folder of a run that is listed.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        self.all().into_iter().find(|(known, _)| known == name).map(|(_, path)| path)
    }

    /// The list: name, state, epochs and accuracy of each run, from its log.
    pub fn list(&self) -> Value {
        let told = |(name, path): (String, PathBuf)| {
            let mut told = json!({"name": name, "state": "waiting"});
            // A run whose log cannot be read has told nothing.
            let _ = each_event(&log(&path), |event| match event["event"].as_str() {
                Some("start") => {
                    told["command"] = event["command"].clone();
                    told["epochs"] = event["config"]["epochs"].clone();
                    told["state"] = "running".into();
                }
                Some("epoch") => {
                    told["epoch"] = event["epoch"].clone();
                    told["validation_accuracy"] = event["validation_accuracy"].clone();
                }
                Some("end") => {
                    told["state"] = "ended".into();
                    told["accuracy"] = event["accuracy"].clone();
                }
                Some("stopped") => told["state"] = "stopped".into(),
                _ => {}
            });
            if told["state"] == "running" && !is_in_use(&path) {
                told["state"] = "broken off".into();
            }
            told
        };
        self.all().into_iter().map(told).collect()
    }
}

/// Returns true if a process holds the lock of a run, or if the file system has no locks.
fn is_in_use(run: &Path) -> bool {
    let Ok((file, _)) = crate::files::open(&run.join(LOCK)) else { return false };
    file.try_lock_shared().is_err()
}

fn log(run: &Path) -> PathBuf {
    run.join(EVENTS)
}

/// Reads a log as it grows.
pub struct Tail {
    path: PathBuf,
    at: u64,
    /// Bytes of a line that is not complete.
    rest: Vec<u8>,
}

impl Tail {
    pub fn new(run: &Path) -> Tail {
        Tail { path: log(run), at: 0, rest: Vec::new() }
    }

    /// Complete lines that are new. `None` if the log cannot be read.
    pub fn lines(&mut self) -> Option<Vec<String>> {
        let (mut file, size) = crate::files::open(&self.path).ok()?;
        if size < self.at {
            // It was begun again.
            (self.at, self.rest) = (0, Vec::new());
        }
        file.seek(SeekFrom::Start(self.at)).ok()?;
        let read = file.take(PORTION).read_to_end(&mut self.rest).ok()?;
        self.at += read as u64;
        let complete = self.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.rest.split_off(complete);
        let lines = String::from_utf8_lossy(&self.rest).lines().map(str::to_string).collect();
        // A line without end is no event.
        self.rest = if rest.len() as u64 > PORTION { Vec::new() } else { rest };
        Some(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_log_is_read_line_by_line_as_it_grows() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("a");
        std::fs::create_dir(&run).unwrap();
        let mut tail = Tail::new(&run);
        assert_eq!(tail.lines(), None);
        let mut log = std::fs::File::create(run.join("events.jsonl")).unwrap();
        log.write_all(b"{\"event\":\"start\",\"command\":\"train\",\"config\":{\"epochs\":3}}\n{\"event\":\"ep")
            .unwrap();
        assert_eq!(tail.lines().unwrap().len(), 1);
        assert!(tail.lines().unwrap().is_empty());
        log.write_all(b"och\",\"epoch\":1,\"validation_accuracy\":0.5}\n").unwrap();
        assert_eq!(tail.lines().unwrap(), ["{\"event\":\"epoch\",\"epoch\":1,\"validation_accuracy\":0.5}"]);

        let runs = Runs::new(root.path().into(), Some(root.path().join(".").join("a")));
        assert_eq!((runs.list().as_array().unwrap().len(), &runs.list()[0]["state"]), (1, &"broken off".into()));
        let lock = std::fs::File::create(run.join("run.lock")).unwrap();
        lock.try_lock().unwrap();
        let told = runs.list();
        assert_eq!(
            (&told[0]["name"], &told[0]["state"], &told[0]["epoch"]),
            (&"a".into(), &"running".into(), &1.into())
        );
        log.write_all(b"{\"event\":\"end\",\"accuracy\":0.75}\n").unwrap();
        assert_eq!(runs.list()[0]["accuracy"], 0.75);
        // Only what is listed can be read.
        assert!(runs.find("a").is_some() && runs.find("../a").is_none() && runs.find("..").is_none());
    }
}
