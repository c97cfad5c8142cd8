//! The folder of a run. Only one process uses it at a time, and leftovers of a run that never began do not block a new
//! one.

use super::{EpochReport, Event, TrainError};
use crate::files::{self, Lock, Log};
use crate::settings::{Config, Recipe, TileSizes};
use crate::text::Shown;
use std::collections::BTreeMap;
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
pub const EVENTS: &str = "events.jsonl";
pub const LOCK: &str = "run.lock";

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
        let text = recipe_text(config).map_err(|e| failed(&recipe, std::io::Error::other(e)))?;
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

/// The recipe that repeats a run, with the same tile sizes even if others are found by `tune` later.
///
/// # Errors
/// If it cannot be written as TOML, which does not happen for settings of this program.
pub fn recipe_text(config: &Config) -> Result<String, toml::ser::Error> {
    let mut recipe = Recipe::from(config.clone());
    recipe.tiles.get_or_insert(TileSizes::OfClass);
    toml::to_string(&recipe)
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
    let mut epochs = Vec::new();
    each_event(log, |event| {
        if event["event"] == "epoch" {
            epochs.extend(event["epoch"].as_u64().map(|epoch| epoch as usize));
        }
    })?;
    Ok(epochs)
}

/// The adapter and the single losses in the log of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The adapter that it was last trained on, as JSON.
    pub adapter: serde_json::Value,
    /// Losses of the logged steps, in order.
    pub steps: Vec<(u64, f64)>,
}

impl History {
    /// Reads the log of a run. A step that was repeated after a resumption counts once.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(run: &Path) -> Result<History, TrainError> {
        let log = run.join(EVENTS);
        let (mut history, mut steps) = (History::default(), BTreeMap::new());
        let read = each_event(&log, |mut event| match event["event"].as_str() {
            Some("start") => history.adapter = event["adapter"].take(),
            Some("step") => steps.extend(event["step"].as_u64().zip(event["loss"].as_f64())),
            _ => {}
        });
        read.map_err(|reason| TrainError::Log { path: log.into(), reason: Shown::new(reason) })?;
        Ok(History { steps: steps.into_iter().collect(), ..history })
    }
}

/// Calls a function for each event of a log. Lines that are not JSON are passed over.
///
/// # Errors
/// If the log cannot be read.
pub fn each_event(log: &Path, mut each: impl FnMut(serde_json::Value)) -> std::io::Result<()> {
    let (file, _) = files::open(log)?;
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    loop {
        line.clear();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if let Ok(event) = serde_json::from_slice(&line) {
            each(event);
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
    fn a_history_tells_each_step_once_and_the_last_adapter() {
        let root = tempfile::tempdir().unwrap();
        let lines = [
            r#"{"event":"start","adapter":{"name":"first"}}"#,
            r#"{"event":"step","step":10,"loss":2.5}"#,
            r#"{"event":"step","step":20,"loss":1.5}"#,
            "{\"event\":\"st",
            r#"{"event":"start","adapter":{"name":"second"}}"#,
            r#"{"event":"step","step":20,"loss":1.25}"#,
        ];
        std::fs::write(root.path().join(EVENTS), lines.join("\n")).unwrap();
        let history = History::of(root.path()).unwrap();
        assert_eq!(history.steps, [(10, 2.5), (20, 1.25)]);
        assert_eq!(history.adapter["name"], "second");
        let error = History::of(&root.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("events.jsonl"), "{error}");
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
