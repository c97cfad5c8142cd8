//! What a run keeps: its checkpoints and its log.

use super::super::evaluate::floats;
use super::super::folder::{BEST, EVENTS, MODEL, RESUME};
use super::super::predict::novelty;
use super::super::{Event, Record, TrainError};
use super::Trainer;
use crate::model::{Model, Resume};
use crate::settings::Config;
use crate::text::Shown;

impl Trainer<'_> {
    /// Writes the model and the state. Parameters that are not finite are never written.
    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        let network = &self.run.model.network;
        let len = network.arena_len();
        let read = |buffer: &wgpu::Buffer| self.device.read(buffer, 0, len).map(|bits| floats(&bits));
        let parameters = read(&self.learner.parameters).map_err(|e| self.interrupted(e))?;
        let names = self.run.config.optimizer.definition().states;
        let states: Vec<Vec<f32>> = names
            .iter()
            .map(|name| read(self.player.buffer(name)))
            .collect::<Result<_, _>>()
            .map_err(|e| self.interrupted(e))?;
        let step = self.run.progress.step;
        self.finite(parameters.iter().chain(states.iter().flatten()), step)?;
        let (config, progress) = (&self.run.config, &self.run.progress);
        let record = Record {
            command: self.run.command.into(),
            config: config.clone(),
            fingerprint: self.run.fingerprint.clone(),
            step,
            epoch: progress.epoch,
            rows: progress.losses.len(),
            reports: progress.reports.clone(),
            old: self.run.old.as_ref().map(|old| old.record.clone()),
        };
        let state = Resume { parameters: parameters.clone(), states, losses: progress.losses.clone(), record };
        self.run.model.parameters = parameters;
        self.run.model.training = serde_json::json!({
            "program": concat!("mnist-gpu ", env!("CARGO_PKG_VERSION")),
            "command": self.run.command,
            "data": self.run.data_name(),
            "images": self.run.indices.len(),
            "steps": step,
            "epochs": progress.epoch - 1,
            // `steps` above is the position; `config.steps` is not part of how the model was trained.
            "config": Config { steps: None, ..config.clone() },
        });
        let is_last = progress.epoch > config.epochs || config.is_stalled(&progress.reports);
        if is_last {
            // Now, so that a model that is complete has it.
            self.run.model.novelty = novelty(self.device, &self.run.model, &self.sample)?;
        }
        let reports = &self.run.progress.reports;
        let ended = self.run.progress.losses.is_empty().then(|| reports.last()).flatten();
        let is_best = ended.is_some_and(|last| Config::best(reports) == Some(last.epoch));
        let Some((folder, _)) = &self.kept else {
            if is_best {
                self.best = Some(self.run.model.clone());
            }
            return Ok(());
        };
        // The model first: if the disk fills up after it, there is still a model to evaluate.
        self.run.model.save(&folder.path().join(MODEL))?;
        if is_best {
            self.run.model.save(&folder.path().join(BEST))?;
        }
        state.save(&folder.path().join(RESUME), &self.run.model.network, names)?;
        self.saved = Some(step);
        Ok(())
    }

    /// Adds the novelty of images to the models that are kept.
    pub(super) fn keep_novelty(&mut self) -> Result<(), TrainError> {
        let (device, sample) = (self.device, &self.sample);
        // Returns true if the model had none.
        let add = |model: &mut Model| {
            let lacks = model.novelty.is_none();
            if lacks {
                model.novelty = novelty(device, model, sample)?;
            }
            Ok::<bool, TrainError>(lacks)
        };
        let is_new = add(&mut self.run.model)?;
        if let Some(best) = &mut self.best {
            add(best)?;
        }
        let Some((folder, _)) = &self.kept else { return Ok(()) };
        if is_new {
            self.run.model.save(&folder.path().join(MODEL))?;
        }
        let file = folder.path().join(BEST);
        if file.exists() {
            let mut best = Model::load(&file)?;
            if add(&mut best)? {
                best.save(&file)?;
            }
        }
        Ok(())
    }

    /// Logs an event and reports it.
    pub(super) fn event(&mut self, event: &Event) -> Result<(), TrainError> {
        if let Some((folder, log)) = &mut self.kept {
            let failed = |reason: &dyn std::fmt::Display| TrainError::Folder {
                path: folder.path().join(EVENTS).into(),
                reason: Shown::new(reason),
            };
            let line = serde_json::to_string(event).map_err(|e| failed(&e))?;
            log.line(&line).map_err(|e| failed(&e))?;
        }
        (self.tell)(event);
        Ok(())
    }

    /// What is left of the run after an error.
    pub(super) fn kept(&self) -> Shown {
        let Some((folder, _)) = &self.kept else { return "Nothing of it is kept.".into() };
        let folder = Shown::from(folder.path());
        Shown::from(match (self.saved, self.resumed) {
            (Some(step), _) => format!("The checkpoint of step {step} in {folder} is intact."),
            (None, true) => format!("The checkpoint in {folder} is as it was."),
            (None, false) => "No epoch was finished, so there is no checkpoint.".into(),
        })
    }
}
