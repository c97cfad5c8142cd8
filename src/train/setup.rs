//! Prepares a run from its settings or from a run to resume: data, network, split, normalisation.

use super::classes::fit_classes;
use super::folder::RunFolder;
use super::old::Old;
use super::parts::{Data, Sources, check_parts, check_size, load, parts};
use super::{EpochReport, Record, Recorded, Reread, TrainError};
use crate::data::{Classes, DataSet, Images, Locator, Source, Unfit, fingerprint};
use crate::model::{
    ArchitectureError, Model, Network, NetworkError, Normalisation, Resume, initialise, load_parameters,
    numbered_classes,
};
use crate::settings::Config;
use crate::text::{self, Argument};
use std::path::Path;

/// The optimizer's state and the position to continue from.
pub struct Position {
    /// The optimizer's state for every parameter, in the order of its `states`.
    pub states: Vec<Vec<f32>>,
    pub step: u64,
    pub epoch: usize,
    /// Losses of the images already trained on in the current epoch.
    pub losses: Vec<f32>,
    pub reports: Vec<EpochReport>,
}

/// A run, ready for a device.
pub struct Prepared {
    pub command: &'static str,
    pub config: Config,
    /// Source of the data; `None` for data in memory.
    pub source: Option<Source>,
    pub model: Model,
    pub train: DataSet,
    pub test: DataSet,
    /// Indices into `train` of the images to train on, and of those to validate on.
    pub indices: Vec<u32>,
    pub held_out: Vec<u32>,
    /// A model with the same classes, image size and normalisation.
    pub teacher: Option<Model>,
    /// Weight of each class in the loss, if it is weighted.
    pub class_weights: Option<Vec<f32>>,
    pub fingerprint: String,
    pub progress: Position,
    pub unfit: Unfit,
    /// The set that the model was trained on before, if it is still to be tested on it.
    pub old: Option<Old>,
    /// Images of `train` that are replayed from that set.
    pub replayed: std::ops::Range<usize>,
    /// What the user should know before the run begins.
    pub notes: Vec<String>,
    /// The run folder to continue in.
    pub resume: Option<RunFolder>,
}

impl Prepared {
    /// A new run of a network.
    ///
    /// # Errors
    /// If data, network and parameters do not fit each other.
    pub fn train(config: Config, source: Source) -> Result<Prepared, TrainError> {
        config.check_optimizer().map_err(TrainError::Idle)?;
        let sources = Sources::from(source);
        let data = load(&config, &sources, &[])?;
        let source = sources.data;
        Prepared::fresh(config, Some(source), data)
    }

    /// A run on data in memory, of the network that `config` describes, or starting from a model.
    ///
    /// # Errors
    /// If data, network and parameters do not fit each other.
    pub fn in_memory(
        config: Config,
        model: Option<Model>,
        train: DataSet,
        test: Option<DataSet>,
    ) -> Result<Prepared, TrainError> {
        let idle = |text: String| Err(TrainError::Idle(text));
        let of_files = [config.init.is_some(), config.limit.is_some(), config.model.is_some(), config.tiles.is_some()];
        if of_files.contains(&true) || config.keep_testing.is_some() {
            let text = "init, limit, model, keep_testing and tiles do not apply to data in memory; tile sizes are those of \
                        the device";
            return idle(text.into());
        }
        if model.is_some() && config.activation.is_some() {
            return idle("a model has its activations already; leave activation out".into());
        }
        config.check_values().and_then(|()| config.check_optimizer()).map_err(TrainError::Idle)?;
        let none = || Images { bytes: Vec::new(), ..train.images };
        let test = test.unwrap_or_else(|| DataSet { images: none(), labels: Vec::new() });
        check_parts(&train, &test)?;
        let classes = Classes::of("the data", None, &train, &test, config.classes)?;
        let data = Data {
            train,
            test,
            files: Default::default(),
            held_out: 0,
            unfit: Unfit::default(),
            classes,
            old: None,
            replayed: 0..0,
        };
        match model {
            Some(model) => {
                model.network.check_frozen(&config.freeze)?;
                Prepared::further(config, None, data, model)
            }
            None => Prepared::fresh(config, None, data),
        }
    }

    fn fresh(config: Config, source: Option<Source>, data: Data) -> Result<Prepared, TrainError> {
        let Data { train, test, held_out, unfit, classes, .. } = data;
        let mut notes = classes.remarks(config.class_weights.is_some());
        let Images { height, width, .. } = train.images;
        let mut network = config.network.network([1, height, width], classes.count).map_err(|error| match error {
            ArchitectureError::Network(error) if height.max(width) < 28 => TrainError::Small { height, width, error },
            error => error.into(),
        })?;
        network = network.with_activation(config.activation);
        network = with_dropout(network, &config)?;
        network.check_frozen(&config.freeze)?;
        let (indices, held_out) = parts(&train, held_out, &config)?;
        config.check(held_out.len()).map_err(TrainError::Idle)?;
        let known = source.as_ref().and_then(Source::normalisation);
        let (mean, std) = known.unwrap_or_else(|| train.normalisation(&indices));
        let (parameters, notices) = match &config.init {
            Some(file) => load_parameters(file, &network)?,
            None => (initialise(&network, config.seed), Vec::new()),
        };
        notes.extend(notices);
        let model = Model {
            novelty: None,
            notices: Vec::new(),
            parameters,
            normalisation: Normalisation { mean, std },
            class_names: classes.names.unwrap_or_else(|| numbered_classes(classes.count)),
            prepare: config.prepare,
            training: serde_json::Value::Null,
            network,
        };
        let prepared = Prepared::new("train", config, source, model, train, test, indices, held_out, unfit);
        Prepared { notes, ..prepared }.completed()
    }

    /// A run that starts from a model, some of whose layers may be frozen. A different number of classes gets a new
    /// last layer.
    ///
    /// # Errors
    /// If data and model do not fit each other.
    pub fn finetune(config: Config, sources: impl Into<Sources>, model: Model) -> Result<Prepared, TrainError> {
        config.check_optimizer().map_err(TrainError::Idle)?;
        model.network.check_frozen(&config.freeze)?;
        let sources = sources.into();
        let data = load(&config, &sources, &model.class_names)?;
        Prepared::further(config, Some(sources.data), data, model)
    }

    fn further(config: Config, source: Option<Source>, data: Data, mut model: Model) -> Result<Prepared, TrainError> {
        let Data { mut train, mut test, held_out, unfit, classes, old, replayed, .. } = data;
        check_size(&model.network, &train)?;
        let mut notes = classes.remarks(config.class_weights.is_some());
        notes.extend(old.as_ref().and_then(|old| old.replay_note(&replayed)));
        let old = old.map(|old| Old::of(old, model.clone())).transpose()?;
        notes.extend(fit_classes(&mut model, &config, source.as_ref(), classes, [&mut train, &mut test])?);
        let old = old.map(|old| old.for_classes(&model.class_names)).transpose()?;
        model.network = with_dropout(model.network, &config)?;
        let (indices, held_out) = parts(&train, held_out, &config)?;
        config.check(held_out.len()).map_err(TrainError::Idle)?;
        let prepared = Prepared::new("finetune", config, source, model, train, test, indices, held_out, unfit);
        Prepared { notes, old, replayed, ..prepared }.completed()
    }

    /// Resumes a run that stopped or ended. `change` may set a new total of epochs or another location of the data.
    ///
    /// # Errors
    /// If the run cannot be read, its data has changed, or nothing is left to do.
    pub fn resume(
        run: &Path,
        locator: &Locator,
        change: impl FnOnce(&mut Config),
        progress: crate::data::OnProgress,
    ) -> Result<Prepared, TrainError> {
        // The lock keeps other processes from changing what is read from now on.
        let folder = RunFolder::reopen(run)?;
        let recorded = Recorded::load(run)?;
        let Record { config, step, epoch, rows, reports, .. } = recorded.state.record.clone();
        let mut config = config;
        let epochs = config.epochs;
        change(&mut config);
        if config.schedule.knows_its_end() && config.epochs != epochs {
            return Err(TrainError::Scheduled { run: run.into(), schedule: config.schedule, epochs });
        }
        if epoch > config.epochs || config.is_stalled(&reports) {
            // The run does not begin again, so an epoch that was saved but not logged when it was killed is logged
            // here.
            folder.open_log(&reports)?;
        }
        if epoch > config.epochs {
            return Err(TrainError::Finished { run: run.into(), done: epoch.saturating_sub(1) });
        }
        if config.is_stalled(&reports) {
            return Err(TrainError::Stalled { run: run.into(), patience: config.patience.unwrap_or(0) });
        }
        if let Some(steps) = config.steps.filter(|&steps| step >= steps) {
            return Err(TrainError::PastSteps { run: run.into(), step, steps });
        }
        let data = recorded.reread(run, &config, locator, progress)?;
        config.data = data.source.wanted.clone();
        config.check_patience(data.held_out.len()).map_err(TrainError::Idle)?;
        let Reread { source, train, test, indices, held_out, unfit, old, .. } = data;
        let model = Model { parameters: recorded.state.parameters.clone(), ..recorded.model.clone() };
        let command = if recorded.state.record.command == "finetune" { "finetune" } else { "train" };
        let mut prepared = Prepared::new(command, config, Some(source), model, train, test, indices, held_out, unfit);
        recorded.check_fingerprint(run, &prepared.fingerprint)?;
        let batch = prepared.config.batch.min(prepared.indices.len());
        let of_epoch = prepared.indices.len().div_ceil(batch) as u64;
        let stands = (epoch as u64 - 1) * of_epoch + rows.div_ceil(batch) as u64;
        if !rows.is_multiple_of(batch) || rows >= prepared.indices.len() || step != stands {
            let all = prepared.indices.len();
            let reason = format!("step {step}, but epoch {epoch} and {rows} of its {all} images, {batch} a batch");
            return Err(TrainError::BadRecord { run: run.into(), reason: reason.into() });
        }
        let Resume { states, losses, .. } = recorded.state;
        prepared.progress = Position { states, step, epoch, losses, reports };
        prepared.resume = Some(folder);
        prepared.old = old;
        prepared.completed()
    }

    /// Name of the data.
    pub fn data_name(&self) -> &str {
        self.source.as_ref().map_or("memory", |source| &source.name)
    }

    /// Checks that the layers named in `rates` exist, determines the weights of classes, loads the teacher, and checks that
    /// they fit.
    fn completed(mut self) -> Result<Prepared, TrainError> {
        let known = self.model.network.learning_layers();
        if let Some((unknown, _)) = self.config.rates.0.iter().find(|(layer, _)| !known.contains(layer)) {
            return Err(NetworkError::UnknownLayer { unknown: unknown.clone(), known }.into());
        }
        if let Some(weights) = &self.config.class_weights {
            let labels = self.indices.iter().map(|&image| self.train.labels[image as usize]);
            let weights = weights.of(labels, self.model.network.classes());
            let named = |reason| TrainError::Idle(format!("{}: {reason}", Argument("class-weights")));
            self.class_weights = weights.map_err(named)?;
        }
        let Some(path) = &self.config.teacher else { return Ok(self) };
        let (teacher, model) = (Model::load(path)?, &mut self.model);
        if self.command == "train" && self.resume.is_none() {
            // Both see the same pixels.
            model.normalisation = teacher.normalisation;
        }
        let text = if teacher.class_names != model.class_names {
            let [taught, here] = [&teacher.class_names, &model.class_names].map(text::listed);
            format!("it tells {taught} apart, and the data have {here}")
        } else if teacher.network.input() != model.network.input() {
            format!(
                "it takes images of {:?}, and the data have {:?} (height, width)",
                image_size(&teacher.network),
                image_size(&model.network)
            )
        } else if teacher.prepare != model.prepare {
            format!("its images are prepared by {}, and the data by {}", teacher.prepare, model.prepare)
        } else if teacher.normalisation != model.normalisation {
            let by = |n: &Normalisation| format!("mean {} and standard deviation {}", n.mean, n.std);
            format!("it normalises by {}, and the model by {}", by(&teacher.normalisation), by(&model.normalisation))
        } else {
            self.teacher = Some(teacher);
            return Ok(self);
        };
        Err(TrainError::Teacher { path: path.into(), text: text.into() })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a struct that is made in one place")]
    fn new(
        command: &'static str,
        config: Config,
        source: Option<Source>,
        model: Model,
        train: DataSet,
        test: DataSet,
        indices: Vec<u32>,
        held_out: Vec<u32>,
        unfit: Unfit,
    ) -> Prepared {
        let progress = Position {
            states: vec![vec![0.0; model.network.arena_len()]; config.optimizer.definition().states.len()],
            step: 0,
            epoch: 1,
            losses: Vec::new(),
            reports: Vec::new(),
        };
        let fingerprint = fingerprint(&train);
        // It depends on the parameters.
        let model = Model { novelty: None, ..model };
        Prepared {
            command,
            config,
            source,
            model,
            train,
            test,
            indices,
            held_out,
            teacher: None,
            class_weights: None,
            fingerprint,
            progress,
            unfit,
            old: None,
            replayed: 0..0,
            notes: Vec::new(),
            resume: None,
        }
    }
}

/// Adds the configured dropout, if any. Layers take it in whole percent.
fn with_dropout(network: Network, config: &Config) -> Result<Network, NetworkError> {
    match config.dropout {
        Some(share) => network.with_dropout(libm::round(share * 100.0) as u32),
        None => Ok(network),
    }
}

/// Height and width of a network's images.
pub fn image_size(network: &Network) -> [usize; 2] {
    let [_, height, width] = network.input();
    [height, width]
}

#[cfg(test)]
mod tests;
