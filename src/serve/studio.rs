//! The device and what belongs to it: the model, the drawings, and the jobs on them, one at a time.

use super::drawings::Drawings;
use super::look::Eye;
use super::queue::{Ask, Hub, Queue, Reply};
use super::teach::{KNOWN, OldSet, Right, Taught, teach};
use super::{ServeError, Shown};
use crate::data::{Grey, Locator};
use crate::gpu::Device;
use crate::model::Model;
use crate::train::{EpochReport, TrainError};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// How often a stop is looked for, and how long after the last job the device is idle.
const PATIENCE: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_millis(500);

/// Everything that jobs work on.
pub struct Studio<'a> {
    device: &'a Device,
    hub: &'a Hub,
    stop: &'a AtomicBool,
    /// Set by the page to stop a training.
    halt: &'a AtomicBool,
    model: Model,
    name: String,
    eye: Eye<'a>,
    /// Earlier models, the latest last.
    earlier: Vec<Model>,
    drawings: Drawings,
    /// The set that the model has learned from, or why there is none, once the thread that reads it has ended; and the model's
    /// accuracy on it.
    old: Option<Result<OldSet, String>>,
    finding: Option<JoinHandle<Result<OldSet, String>>>,
    old_accuracy: Option<f64>,
    wanted_old: Option<PathBuf>,
    locator: Locator,
    /// The file of a run's model, which a training may replace, and when it was read.
    followed: Option<(PathBuf, Option<SystemTime>)>,
}

impl<'a> Studio<'a> {
    /// Brings a model onto a device.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn new(
        device: &'a Device,
        hub: &'a Hub,
        stop: &'a AtomicBool,
        halt: &'a AtomicBool,
        shown: Shown,
    ) -> Result<Studio<'a>, ServeError> {
        let Shown { model, name, followed, drawings, old: wanted_old, locator, .. } = shown;
        let eye = Eye::new(device, &model)?;
        let mut studio = Studio {
            device,
            hub,
            stop,
            halt,
            model,
            name,
            eye,
            earlier: Vec::new(),
            drawings: Drawings::new(drawings),
            old: None,
            finding: None,
            old_accuracy: None,
            wanted_old,
            locator,
            followed: followed.map(|path| {
                let written = written(&path);
                (path, written)
            }),
        };
        studio.find_old();
        // A set that was named is missed now, not when it is needed.
        if let (true, Err(reason)) = (studio.wanted_old.is_some(), studio.old()) {
            return Err(ServeError::Old(reason.clone()));
        }
        Ok(studio)
    }

    /// Looks for the set that the model has learned from, while other things are done.
    fn find_old(&mut self) {
        let (model, wanted, locator) = (self.model.clone(), self.wanted_old.clone(), self.locator.clone());
        self.finding = Some(std::thread::spawn(move || OldSet::find(&model, wanted.as_deref(), &locator)));
        (self.old, self.old_accuracy) = (None, None);
    }

    /// Does jobs until it is stopped.
    ///
    /// # Errors
    /// If the device fails: nothing can be answered then.
    pub fn run(mut self, queue: &Queue) -> Result<(), TrainError> {
        let mut idle = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let Some((ask, reply)) = queue.next(PATIENCE) else {
                self.follow();
                if idle.elapsed() > IDLE {
                    self.prepare_to_teach();
                }
                continue;
            };
            self.follow();
            let answer = self.answer(ask).unwrap_or_else(Reply::Error);
            // A page that has been closed needs no answer.
            let _ = reply.send(answer);
            self.device.check()?;
            idle = Instant::now();
        }
        Ok(())
    }

    fn answer(&mut self, ask: Ask) -> Result<Reply, String> {
        match ask {
            Ask::Look { ink, width } => self.look(&Grey::drawn(&ink, width)),
            Ask::LookAtFile(bytes) => {
                let grey = Grey::decode(bytes).map_err(|reason| format!("the picture cannot be used: {reason}"))?;
                self.look(&grey)
            }
            Ask::Keep { class, ink, width } => {
                let file = self.drawings.keep(&class, &ink, width)?;
                Ok(self.state_with("kept", file.display().to_string().into()))
            }
            Ask::TakeBack => {
                let file = self.drawings.undo()?.ok_or("there is no drawing to take back")?;
                Ok(self.state_with("removed", file.display().to_string().into()))
            }
            Ask::Teach => self.teach(),
            Ask::Unteach => {
                let model = self.earlier.pop().ok_or("there is nothing to undo")?;
                self.show(model)?;
                Ok(Reply::Json(self.state()))
            }
            Ask::Save => self.save(),
            Ask::State => Ok(Reply::Json(self.state())),
            Ask::Archive => Ok(Reply::File("drawings.zip", self.drawings.archive()?)),
            Ask::Model => {
                let bytes = self.model.to_bytes().map_err(|error| error.to_string())?;
                Ok(Reply::File("model.safetensors", bytes))
            }
        }
    }

    fn look(&mut self, grey: &Grey) -> Result<Reply, String> {
        let began = Instant::now();
        let mut told = self.eye.look(&self.model, grey).map_err(|error| error.to_string())?;
        told["milliseconds"] = (began.elapsed().as_secs_f64() * 1e3).into();
        Ok(Reply::Json(told))
    }

    /// Replaces the model.
    fn show(&mut self, model: Model) -> Result<(), String> {
        self.eye = Eye::new(self.device, &model).map_err(|error| error.to_string())?;
        self.model = model;
        self.old_accuracy = None;
        Ok(())
    }

    /// Takes the model of a run again if it was replaced, unless this page has changed it.
    fn follow(&mut self) {
        let Some((path, known)) = self.followed.clone().filter(|_| self.earlier.is_empty()) else { return };
        let now = written(&path);
        if now == known {
            return;
        }
        // While it is being replaced, the earlier one serves.
        if let Ok(model) = Model::load(&path)
            && self.show(model).is_ok()
        {
            self.name = path.display().to_string();
            self.followed = Some((path, now));
            self.find_old();
            self.hub.tell(&json!({"event": "model"}));
        }
    }

    /// Waits for the old set.
    fn old(&mut self) -> &Result<OldSet, String> {
        let finding = self.finding.take();
        let read = || {
            finding.map_or_else(
                || Err("it was not looked for".into()),
                |finding| match finding.join() {
                    Ok(found) => found,
                    Err(_) => Err("reading it has failed".into()),
                },
            )
        };
        self.old.get_or_insert_with(read)
    }

    /// Tests the model on the old set while nobody waits. Errors are told when a training needs it.
    fn prepare_to_teach(&mut self) {
        if self.old_accuracy.is_none() && self.finding.as_ref().is_none_or(JoinHandle::is_finished) {
            let _ = self.test_on_old();
        }
    }

    /// Tests the model on the old set. A set in the place of another is dropped if the model does not know it.
    fn test_on_old(&mut self) -> Result<(), String> {
        let (device, model) = (self.device, self.model.clone());
        let Ok(old) = self.old() else { return Ok(()) };
        let (accuracy, instead) = (old.accuracy(device, &model)?, old.instead.clone());
        match instead {
            Some(reason) if accuracy < KNOWN && self.earlier.is_empty() => self.old = Some(Err(reason)),
            _ => self.old_accuracy = Some(accuracy),
        }
        Ok(())
    }

    fn teach(&mut self) -> Result<Reply, String> {
        self.halt.store(false, Ordering::Relaxed);
        self.hub.tell(&json!({"event": "teaching"}));
        let began = Instant::now();
        let taught = self.taught();
        self.hub.tell(&json!({"event": "idle"}));
        let (drawings, old, losses) = taught?;
        let seconds = began.elapsed().as_secs_f64();
        let told = json!({"drawings": drawings, "old": old, "losses": losses, "seconds": seconds});
        Ok(self.state_with("taught", told))
    }

    /// Replaces the model by one that has learned the drawings. Returns what came of it.
    fn taught(&mut self) -> Result<(Right, Value, Vec<f64>), String> {
        if self.old_accuracy.is_none() {
            self.test_on_old()?;
        }
        let before = self.old_accuracy;
        if let (Some(Err(reason)), 1) = (&self.old, self.drawings.files().len()) {
            return Err(format!(
                "drawings of one class alone would be all that the network still knows: keep some of another class, too, or start \
                 with --keep-testing SET, the set that it has learned from ({reason})"
            ));
        }
        let old = self.old.as_ref().and_then(|old| old.as_ref().ok());
        let (stop, halt, hub) = (self.stop, self.halt, self.hub);
        let tell = |report: &EpochReport, of: usize| {
            hub.tell(&json!({"event": "epoch", "epoch": report.epoch, "of": of, "loss": report.train_loss}));
            match stop.load(Ordering::Relaxed) || halt.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let Taught { model, drawings, epochs } = teach(self.device, &self.model, &self.drawings, old, tell)?;
        let after = old.map(|old| old.accuracy(self.device, &model)).transpose()?;
        let old = match &self.old {
            Some(Ok(old)) => json!({"name": old.name, "instead": old.instead, "before": before, "after": after}),
            Some(Err(reason)) => json!({"missing": reason}),
            None => Value::Null,
        };
        let earlier = self.model.clone();
        self.show(model)?;
        self.earlier.push(earlier);
        self.old_accuracy = after;
        Ok((drawings, old, epochs.iter().map(|epoch| epoch.train_loss).collect()))
    }

    /// Writes the model beside the drawings' folder, under a name that is free.
    fn save(&mut self) -> Result<Reply, String> {
        let named = |number: usize| match number {
            1 => self.drawings.folder().with_file_name("taught.safetensors"),
            _ => self.drawings.folder().with_file_name(format!("taught-{number}.safetensors")),
        };
        let path = (1..).map(named).find(|path| !path.exists()).unwrap_or_default();
        self.model.save(&path).map_err(|error| error.to_string())?;
        Ok(self.state_with("saved", path.display().to_string().into()))
    }

    fn state_with(&self, key: &str, value: Value) -> Reply {
        let mut state = self.state();
        state[key] = value;
        Reply::Json(state)
    }

    fn state(&self) -> Value {
        let drawn: Vec<Value> = self
            .drawings
            .files()
            .into_iter()
            .map(|(class, files)| json!({"class": class, "drawings": files.len()}))
            .collect();
        json!({
            "model": self.name,
            "classes": self.model.class_names,
            "parameters": self.model.network.parameter_count(),
            "adapter": self.device.info,
            "drawings": {"folder": self.drawings.folder().display().to_string(), "classes": drawn},
            "can_take_back": self.drawings.undoable(),
            "can_unteach": self.earlier.len(),
        })
    }
}

/// When a file was written.
fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|known| known.modified()).ok()
}
