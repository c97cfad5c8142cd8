//! The folder of a run. Only one process uses it at a time, and leftovers of a run that never began do not block a new
//! one.

use super::{EpochReport, Event, TrainError};
use crate::files::{self, Lock, Log};
use crate::settings::{Config, Recipe, TileSizes};
use crate::text::Shown;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Files of a run folder.
pub const MODEL: &str = "model.safetensors";
/// The model of the epoch with the best validation; [`MODEL`] is that of the last epoch.
pub const BEST: &str = "best.safetensors";
pub const RESUME: &str = "resume.safetensors";
const RECIPE: &str = "recipe.toml";
/// Files that are first written under a temporary name.
const WRITTEN: [&str; 4] = [MODEL, BEST, RESUME, RECIPE];
const EVENTS: &str = "events.jsonl";
const LOCK: &str = "run.lock";

/// First bytes of every line of a log.
const BEGINNING: &[u8] = b"{\"event\":";
/// Maximum size of a line of a log in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// A run folder that this process has locked.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    lock: Option<Lock>,
    /// What to remove if the run never begins: its files, and the folder too if it was created for the run.
    unbegun: Option<Made>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Files,
    Folder,
}

fn failed(path: &Path, reason: std::io::Error) -> TrainError {
    TrainError::Folder { path: path.into(), reason: Shown::new(reason) }
}

impl RunFolder {
    /// Creates the folder of a new run.
    ///
    /// # Errors
    /// If the path is taken or cannot be created.
    pub fn make(path: &Path) -> Result<RunFolder, TrainError> {
        check_free(path)?;
        let made = if path.is_dir() { Made::Files } else { Made::Folder };
        files::make_folder(path).map_err(|e| failed(path, e))?;
        let mut folder = RunFolder::lock(path)?;
        // Another process may have been faster.
        check_free(path)?;
        folder.unbegun = Some(made);
        folder.remove_files();
        Ok(folder)
    }

    /// Opens the folder of a run to resume.
    ///
    /// # Errors
    /// If another process uses it, or if it is not a folder.
    pub fn reopen(path: &Path) -> Result<RunFolder, TrainError> {
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {}
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(path, e)),
            _ => return Err(TrainError::NoRun(path.into())),
        }
        let folder = RunFolder::lock(path)?;
        files::sweep(path, &WRITTEN);
        Ok(folder)
    }

    fn lock(path: &Path) -> Result<RunFolder, TrainError> {
        let lock = Lock::take(&path.join(LOCK)).map_err(|(error, holder)| match error.kind() {
            ErrorKind::WouldBlock => TrainError::Busy { run: path.into(), holder },
            _ => failed(&path.join(LOCK), error),
        })?;
        Ok(RunFolder { path: path.into(), lock: Some(lock), unbegun: None })
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the log, and appends saved epochs that a killed process did not log.
    ///
    /// # Errors
    /// If it is not a regular file or cannot be written.
    pub fn open_log(&self, reports: &[EpochReport]) -> Result<Log, TrainError> {
        let events = self.path.join(EVENTS);
        let mut log = Log::open(&events).map_err(|e| failed(&events, e))?;
        let told = epochs_told(&events).map_err(|e| failed(&events, e))?;
        for report in reports.iter().filter(|report| !told.contains(&report.epoch)) {
            let line = serde_json::to_string(&Event::Epoch(report)).map_err(|e| failed(&events, e.into()))?;
            log.line(&line).map_err(|e| failed(&events, e))?;
        }
        Ok(log)
    }

    /// Begins or resumes the run: opens the log and writes the recipe. From now on the folder is kept.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn begin(&mut self, config: &Config, reports: &[EpochReport]) -> Result<Log, TrainError> {
        let log = self.open_log(reports)?;
        let recipe = self.path.join(RECIPE);
        // It repeats with the same tile sizes, even if others are found by `tune` later.
        let mut written = Recipe::from(config.clone());
        written.tiles.get_or_insert(TileSizes::OfClass);
        let text = toml::to_string(&written).map_err(|e| failed(&recipe, std::io::Error::other(e)))?;
        files::replace(&recipe, text.as_bytes()).map_err(|e| failed(&recipe, e))?;
        self.unbegun = None;
        Ok(log)
    }

    /// Removes the files of a run that never began.
    fn remove_files(&self) {
        files::sweep(&self.path, &WRITTEN);
        for name in [EVENTS, RECIPE] {
            let _ = std::fs::remove_file(self.path.join(name));
        }
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if self.unbegun.is_some() {
            self.remove_files();
        }
        self.lock.take();
        if self.unbegun == Some(Made::Folder) {
            // Only if it is empty.
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Checks that a run folder can be created here without overwriting anything.
///
/// # Errors
/// If the path is taken.
pub fn check_free(folder: &Path) -> Result<(), TrainError> {
    if folder.as_os_str().is_empty() {
        let reason = std::io::Error::new(ErrorKind::InvalidInput, "the name of the folder is empty");
        return Err(failed(folder, reason));
    }
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            if is_free(folder, entries) {
                Ok(())
            } else {
                Err(TrainError::Exists(folder.into()))
            }
        }
        // A dangling link counts as existing.
        Err(e) if e.kind() == ErrorKind::NotFound && !folder.is_symlink() => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotADirectory => {
            let reason =
                std::io::Error::new(ErrorKind::NotADirectory, "it is a file, and a run needs a new or empty folder");
            Err(failed(folder, reason))
        }
        Err(e) => Err(failed(folder, e)),
    }
}

/// Whether a folder is empty or has only the files of a run that ended before its first checkpoint.
fn is_free(folder: &Path, entries: std::fs::ReadDir) -> bool {
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let known = |name: &std::ffi::OsString| {
        [EVENTS, RECIPE, LOCK].iter().any(|known| name == known) || files::is_temporary(name, &WRITTEN)
    };
    names.iter().all(|name| known(name) && (name == LOCK || is_ours(folder)))
}

/// Whether a folder's log was written by this program, or is empty.
fn is_ours(folder: &Path) -> bool {
    let read = |(file, _): (std::fs::File, u64)| {
        let mut start = Vec::new();
        file.take(BEGINNING.len() as u64).read_to_end(&mut start).map(|_| start)
    };
    let start = files::open(&folder.join(EVENTS)).and_then(read);
    start.is_ok_and(|start| start.is_empty() || start == BEGINNING)
}

/// The epochs in a log.
fn epochs_told(log: &Path) -> std::io::Result<Vec<usize>> {
    let (file, _) = files::open(log)?;
    let mut reader = BufReader::new(file);
    let (mut epochs, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(epochs);
        }
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(&line) else { continue };
        if event["event"] == "epoch" {
            epochs.extend(event["epoch"].as_u64().map(|epoch| epoch as usize));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_became_a_run_is_taken_away_and_blocks_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        // A run that cannot begin leaves nothing behind.
        drop(RunFolder::make(&path).unwrap());
        assert!(!path.exists());
        // A run that began keeps its folder and log; without a checkpoint the name is free again.
        let mut folder = RunFolder::make(&path).unwrap();
        folder.begin(&Config::default(), &[]).unwrap().line("{\"event\":\"start\"}").unwrap();
        assert!(matches!(RunFolder::make(&path), Err(TrainError::Busy { .. })));
        drop(folder);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2);
        std::fs::write(path.join(".model.safetensors.abcdef.part"), "half").unwrap();
        check_free(&path).unwrap();
        std::fs::write(path.join(MODEL), "whole").unwrap();
        assert!(matches!(check_free(&path), Err(TrainError::Exists(_))));
        // A user's file with the name of a run's file is not mistaken for one.
        let own = root.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join(RECIPE), "mine").unwrap();
        assert!(matches!(RunFolder::make(&own), Err(TrainError::Exists(_))));
        std::fs::write(own.join(EVENTS), "mine").unwrap();
        assert!(matches!(RunFolder::make(&own), Err(TrainError::Exists(_))));
        assert_eq!(std::fs::read_to_string(own.join(RECIPE)).unwrap(), "mine");
        assert!(check_free(Path::new("")).is_err());
    }

    #[test]
    fn a_log_tells_every_epoch_once() {
        let root = tempfile::tempdir().unwrap();
        let report = |epoch| EpochReport {
            epoch,
            train_loss: 1.0,
            validation_loss: None,
            old_accuracy: None,
            validation_accuracy: None,
            seconds: 1.0,
            images_per_second: 1.0,
        };
        let mut folder = RunFolder::make(&root.path().join("run")).unwrap();
        drop(folder.begin(&Config::default(), &[report(1)]).unwrap());
        drop(folder.begin(&Config::default(), &[report(1), report(2), report(3)]).unwrap());
        assert_eq!(epochs_told(&folder.path().join(EVENTS)).unwrap(), [1, 2, 3]);
    }
}
