//! A run: batches in submissions, epochs, evaluations.

mod keep;

use super::evaluate::{bits, floats, mean};
use super::exam::Exam;
use super::folder::RunFolder;
use super::learner::{Learner, check_tiles};
use super::old::Forgetting;
use super::pace::Pace;
use super::{EpochReport, Evaluator, Event, GpuSet, Prepared, Summary, TrainError};
use crate::data::{DataSet, epoch_order};
use crate::files::Log;
use crate::gpu::{Device, GpuError, Pending, Player, check_steps};
use crate::model::Model;
use crate::plan::names;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Reasons why a run stops before its last epoch.
const INTERRUPTED: &str = "interrupted";
const STEPS: &str = "the number of steps is reached";

/// Maximum number of training images that tell a model what is not new, and of their bytes.
const SAMPLE: [usize; 2] = [2000, 32 << 20];

/// A run on a device.
pub struct Trainer<'a> {
    device: &'a Device,
    run: Prepared,
    /// The run folder and its log; `None` for a run in memory.
    kept: Option<(RunFolder, Log)>,
    /// The model of the epoch with the best validation, for a run in memory.
    best: Option<Model>,
    player: Player,
    learner: Learner,
    /// Layers that are frozen in `player`.
    frozen: Vec<String>,
    /// Evaluates the validation images, or a batch of training images if there are none, before each checkpoint, so
    /// that a network whose loss is not finite is never saved.
    judge: Evaluator,
    train_set: GpuSet,
    /// Some of the training images.
    sample: DataSet,
    test: Option<Exam>,
    old: Option<(Exam, Forgetting)>,
    stop: &'a AtomicBool,
    tell: &'a dyn Fn(&Event),
    pace: Pace,
    /// Whether there was a checkpoint when the run began.
    resumed: bool,
    /// Step of the last checkpoint that was saved.
    saved: Option<u64>,
}

/// The result of a run.
pub struct Outcome {
    /// The run folder; empty for a run in memory.
    pub folder: PathBuf,
    pub model: Model,
    /// The model of the epoch with the best validation, for a run in memory.
    pub best: Option<Model>,
    pub steps: u64,
    pub dispatches_per_step: usize,
    pub reports: Vec<EpochReport>,
    /// Accuracy on an older set, if it was tested on.
    pub old: Option<Forgetting>,
    /// Empty without a test part.
    pub test: Summary,
    pub correct: usize,
    pub train_time: Duration,
    /// Whether a run in memory was interrupted.
    pub stopped: bool,
}

/// A submission in flight.
struct Submission {
    pending: Pending,
    rows: std::ops::Range<usize>,
    batches: usize,
    step_after: u64,
}

impl<'a> Trainer<'a> {
    /// Brings a prepared run onto a device and creates its folder; without `out` a new run stays in memory. Nothing is
    /// written before everything else has succeeded.
    ///
    /// # Errors
    /// If the run does not fit the device, or if the folder is taken.
    pub fn new(
        device: &'a Device,
        mut run: Prepared,
        out: Option<&Path>,
        stop: &'a AtomicBool,
        tell: &'a dyn Fn(&Event),
    ) -> Result<Trainer<'a>, TrainError> {
        check_tiles(&run.config, device)?;
        let network = run.model.network.clone();
        let (rows, batch) = (run.indices.len(), run.config.batch);
        let sample = run.train.sample(&run.indices, SAMPLE);
        let train_set = GpuSet::new(device, &mut run.train, batch.min(rows), network.classes())?;
        let parameters = device.upload(names::PARAMETERS, &bits(&run.model.parameters))?;
        let states = run.config.optimizer.definition().states.iter().zip(&run.progress.states);
        let states: Vec<_> = states
            .map(|(&name, state)| Ok((name, device.upload(name, &bits(state))?)))
            .collect::<Result<_, GpuError>>()?;
        let learner = Learner { parameters, states };
        let player = learner.player(device, &run, &train_set, stop, tell)?;
        let (normalisation, parameters) = (run.model.normalisation, &learner.parameters);
        let judged = if run.held_out.is_empty() { batch.min(rows) } else { run.held_out.len() };
        let judge = Evaluator::new(device, &network, normalisation, parameters, &train_set, judged)?;
        let test = Exam::new(device, &run.model, parameters, &mut run.test)?;
        let old = match &mut run.old {
            Some(old) => {
                old.test_before(device, &run.model.class_names)?;
                let before = old.record.before;
                let exam = Exam::new(device, &run.model, parameters, &mut old.set)?;
                exam.map(|exam| (exam, Forgetting { name: old.name.clone(), before, after: None }))
            }
            None => None,
        };
        device.check()?;

        let resumed = run.resume.is_some();
        let folder = match (run.resume.take(), out) {
            (Some(folder), _) => Some(folder),
            (None, Some(out)) => Some(RunFolder::make(out)?),
            (None, None) => None,
        };
        let begin = |mut folder: RunFolder| {
            let log = folder.begin(&run.config, &run.progress.reports)?;
            Ok::<_, TrainError>((folder, log))
        };
        let kept = folder.map(begin).transpose()?;
        Ok(Trainer {
            frozen: run.config.frozen_in(run.progress.epoch).to_vec(),
            device,
            run,
            kept,
            best: None,
            player,
            learner,
            judge,
            train_set,
            sample,
            test,
            old,
            stop,
            tell,
            pace: Pace::new(),
            resumed,
            saved: None,
        })
    }

    /// Trains to the end or until stopped, then evaluates the test part.
    ///
    /// # Errors
    /// If the training diverges, the device fails or the disk is full. The last checkpoint is kept unchanged.
    pub fn train(mut self) -> Result<Outcome, TrainError> {
        match self.run_epochs() {
            Ok((test, correct, train_time, stopped)) => Ok(Outcome {
                dispatches_per_step: self.player.plan().dispatches().len(),
                folder: self.kept.as_ref().map_or_else(PathBuf::new, |(folder, _)| folder.path().into()),
                old: self.old.map(|(_, old)| old),
                best: self.best,
                model: self.run.model,
                steps: self.run.progress.step,
                reports: self.run.progress.reports,
                test,
                correct,
                train_time,
                stopped,
            }),
            Err(error) => {
                let (step, epoch) = (self.run.progress.step, self.run.progress.epoch);
                if !matches!(error, TrainError::Stopped { .. }) {
                    // Report the first error, not a failure to log it.
                    let _ = self.event(&Event::Stopped { step, epoch, reason: &error.to_string() });
                }
                Err(error)
            }
        }
    }

    /// Returns the results on the test part, the number of correct ones, the training time, and whether it was
    /// interrupted.
    fn run_epochs(&mut self) -> Result<(Summary, usize, Duration, bool), TrainError> {
        let (adapter, config) = (self.device.info.clone(), self.run.config.clone());
        let step = self.run.progress.step;
        self.event(&Event::Start { command: self.run.command, adapter: &adapter, config: &config, step })?;
        if let Some((_, Forgetting { name, before: Some(accuracy), .. })) = self.old.as_ref().filter(|_| !self.resumed)
        {
            let (data, accuracy) = (name.clone(), *accuracy);
            self.event(&Event::Before { data: &data, accuracy })?;
        }
        let began = Instant::now();
        let mut stopped = None;
        let stalled = |run: &Prepared| run.config.is_stalled(&run.progress.reports);
        while self.run.progress.epoch <= config.epochs && stopped.is_none() && !stalled(&self.run) {
            stopped = self.epoch()?;
        }
        let (step, epoch) = (self.run.progress.step, self.run.progress.epoch);
        if let Some(reason) = stopped {
            self.judge()?;
            self.save()?;
            self.event(&Event::Stopped { step, epoch, reason })?;
        }
        let train_time = began.elapsed();
        let interrupted = stopped == Some(INTERRUPTED);
        if let Some((folder, _)) = self.kept.as_ref().filter(|_| interrupted) {
            return Err(TrainError::Stopped { step, run: folder.path().into() });
        }

        self.keep_novelty()?;
        let after = self.old_accuracy()?;
        self.old.iter_mut().for_each(|(_, old)| old.after = after);
        let Some(exam) = &self.test else { return Ok((Summary::default(), 0, train_time, interrupted)) };
        let (test, correct) = self.test_on(exam)?;
        let (total, loss) = (test.predicted.len(), test.mean_loss());
        let accuracy = correct as f64 / total as f64;
        self.event(&Event::End { steps: step, correct, total, accuracy, loss })?;
        Ok((test, correct, train_time, interrupted))
    }

    /// Trains the rest of an epoch. Returns the reason if it stopped early.
    fn epoch(&mut self) -> Result<Option<&'static str>, TrainError> {
        let began = Instant::now();
        let (epoch, config) = (self.run.progress.epoch, self.run.config.clone());
        if config.frozen_in(epoch) != self.frozen {
            self.frozen = config.frozen_in(epoch).to_vec();
            self.player = self.learner.player(self.device, &self.run, &self.train_set, self.stop, self.tell)?;
            (self.tell)(&Event::Unfrozen { epoch, layers: &config.freeze });
        }
        let order = epoch_order(&self.run.indices, config.seed, epoch, config.shuffle);
        let rows = order.len();
        let batch = self.player.plan().batch;
        let first = self.run.progress.losses.len();
        let step = self.run.progress.step;
        self.train_set.begin(self.device, self.player.buffer(names::ORDER), &order);
        self.device.write(self.player.buffer(names::CURSOR), &[step as u32, first as u32, rows as u32]);
        if self.player.plan().buffer(names::AUGMENT).is_some() {
            let bounds = config.augment.bounds(config.seed, epoch).map(|bound| bound as u32);
            self.device.write(self.player.buffer(names::PLACES), &order);
            self.device.write(self.player.buffer(names::AUGMENT), &bounds);
        }
        self.device.write(self.player.buffer(names::RATES), &bits(&config.step_rates(epoch, rows.div_ceil(batch))));

        // One submission runs while the next is encoded.
        let mut submission: Option<Submission> = None;
        let (mut row, mut submitted) = (first, step);
        let mut stopped = None;
        let mut mark = Instant::now();
        loop {
            let most = self.train_set.batches(batch);
            let mut batches = self.pace.next((rows - row).div_ceil(batch).min(most));
            if let Some(steps) = config.steps {
                batches = batches.min(steps.saturating_sub(submitted) as usize);
                if batches == 0 && row < rows {
                    stopped = Some(STEPS);
                }
            }
            if self.stop.load(Ordering::Relaxed) && row < rows {
                stopped = Some(INTERRUPTED);
            }
            let next = (batches > 0 && stopped.is_none()).then(|| {
                let end = rows.min(row + batches * batch);
                submitted += batches as u64;
                let next = self.submit(&order, row..end, batches, submitted);
                row = end;
                next
            });
            let last = next.is_none();
            if let Some(landed) = std::mem::replace(&mut submission, next) {
                let batches = landed.batches;
                self.land(landed)?;
                self.pace.measured(batches, mark.elapsed());
                mark = Instant::now();
            }
            if last && submission.is_none() {
                break;
            }
        }
        if stopped.is_some() {
            return Ok(stopped);
        }

        let seconds = began.elapsed().as_secs_f64();
        let train_loss = mean(&self.run.progress.losses);
        let (mut validation_loss, mut validation_accuracy) = (None, None);
        let seen = self.judge()?;
        let held = &self.run.held_out;
        if !held.is_empty() {
            let labels = held.iter().map(|&index| self.run.train.labels[index as usize]);
            validation_loss = Some(seen.mean_loss());
            validation_accuracy = Some(seen.correct(labels) as f64 / held.len() as f64);
        }
        let report = EpochReport {
            epoch,
            train_loss,
            validation_loss,
            validation_accuracy,
            old_accuracy: self.old_accuracy()?,
            seconds,
            images_per_second: (rows - first) as f64 / seconds,
        };
        self.run.progress.reports.push(report.clone());
        self.run.progress.epoch += 1;
        self.run.progress.losses.clear();
        self.save()?;
        self.event(&Event::Epoch(&report))?;
        let enough = config.steps.is_some_and(|steps| self.run.progress.step >= steps);
        Ok((enough && epoch < config.epochs).then_some(STEPS))
    }

    fn submit(&self, order: &[u32], rows: std::ops::Range<usize>, batches: usize, step_after: u64) -> Submission {
        self.train_set.provide(self.device, self.player.buffer(names::ORDER), order, rows.clone());
        let mut encoder = self.device.encoder();
        self.player.encode(&mut encoder, batches);
        let loss = (self.player.buffer(names::LOSS), rows.start, rows.len());
        let pending = self.device.submit(encoder, &[(self.player.buffer(names::CURSOR), 0, 1), loss]);
        Submission { pending, rows, batches, step_after }
    }

    /// Completes a submission: checks that all of its steps ran, checks its losses, and reports them.
    fn land(&mut self, submission: Submission) -> Result<(), TrainError> {
        let read = self.device.wait(submission.pending).map_err(|e| self.interrupted(e))?;
        check_steps(submission.step_after, read[0][0]).map_err(|e| self.interrupted(e))?;
        let losses = floats(&read[1]);
        let batch = self.player.plan().batch;
        for (at, losses) in losses.chunks(batch).enumerate() {
            let step = submission.step_after - submission.batches as u64 + at as u64 + 1;
            self.finite(losses, step)?;
            if step.is_multiple_of(self.run.config.log_every) {
                self.event(&Event::Step { step, loss: mean(losses) })?;
            }
        }
        let loss = mean(&losses[losses.len().saturating_sub(batch)..]);
        self.run.progress.losses.extend(losses);
        self.run.progress.step = submission.step_after;
        (self.tell)(&Event::Progress {
            epoch: self.run.progress.epoch,
            rows: submission.rows.end,
            of: self.run.indices.len(),
            step: submission.step_after,
            loss,
        });
        Ok(())
    }

    /// Evaluates the validation images, or the first batch of training images if there are none.
    fn judge(&self) -> Result<Summary, TrainError> {
        let (held, indices, batch) = (&self.run.held_out, &self.run.indices, self.run.config.batch);
        let indices = if held.is_empty() { &indices[..batch.min(indices.len())] } else { held };
        self.look(&self.judge, &self.train_set, indices)
    }

    /// Tests on a set, and counts what is correct.
    fn test_on(&self, exam: &Exam) -> Result<(Summary, usize), TrainError> {
        let seen = self.look(&exam.evaluator, &exam.set, &exam.order)?;
        let correct = seen.correct(exam.labels.iter().copied());
        Ok((seen, correct))
    }

    /// Accuracy on the older set, if there is one.
    fn old_accuracy(&self) -> Result<Option<f64>, TrainError> {
        let Some((exam, _)) = &self.old else { return Ok(None) };
        let (_, correct) = self.test_on(exam)?;
        Ok(Some(correct as f64 / exam.labels.len() as f64))
    }

    /// Evaluates images with the current parameters; their losses must be finite.
    fn look(&self, evaluator: &Evaluator, set: &GpuSet, indices: &[u32]) -> Result<Summary, TrainError> {
        let seen = evaluator.run(self.device, set, indices).map_err(|e| self.interrupted(e))?;
        self.finite(&seen.loss, self.run.progress.step)?;
        Ok(seen)
    }

    /// Checks that all values of a step are finite.
    fn finite<'v>(&self, values: impl IntoIterator<Item = &'v f32>, step: u64) -> Result<(), TrainError> {
        match values.into_iter().all(|value| value.is_finite()) {
            true => Ok(()),
            false => Err(TrainError::Diverged { step, rate: self.run.config.lr, kept: self.kept() }),
        }
    }

    fn interrupted(&self, error: GpuError) -> TrainError {
        TrainError::Interrupted { error, kept: self.kept() }
    }
}
