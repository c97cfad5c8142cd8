//! Prepares a run from its settings or from a run to resume: data, network, split, normalisation.

use super::folder::{RESUME, RunFolder};
use super::{EpochReport, Record, TrainError};
use crate::data::{Classes, DataError, DataSet, Images, Locator, Part, Pictures, Source, Unfit, fingerprint, hold_out};
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
        let data = load(&config, &source)?;
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
        if config.init.is_some() || config.limit.is_some() || config.model.is_some() || config.tiles.is_some() {
            return idle(
                "init, limit, model and tiles do not apply to data in memory; tile sizes are those of the device"
                    .into(),
            );
        }
        if model.is_some() && config.activation.is_some() {
            return idle("a model has its activations already; leave activation out".into());
        }
        config.check_values().and_then(|()| config.check_optimizer()).map_err(TrainError::Idle)?;
        let none = || Images { bytes: Vec::new(), ..train.images };
        let test = test.unwrap_or_else(|| DataSet { images: none(), labels: Vec::new() });
        check_parts(&train, &test)?;
        let classes = Classes::of("the data", None, &train, &test, config.classes)?;
        let data = Data { train, test, held_out: 0, unfit: Unfit::default(), classes };
        match model {
            Some(model) => {
                model.network.check_frozen(&config.freeze)?;
                Prepared::further(config, None, data, model)
            }
            None => Prepared::fresh(config, None, data),
        }
    }

    fn fresh(config: Config, source: Option<Source>, data: Data) -> Result<Prepared, TrainError> {
        let Data { train, test, held_out, unfit, classes } = data;
        let notes = classes.remarks(config.class_weights.is_some());
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
        let parameters = match &config.init {
            Some(file) => load_parameters(file, &network)?,
            None => initialise(&network, config.seed),
        };
        let model = Model {
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
    pub fn finetune(config: Config, source: Source, model: Model) -> Result<Prepared, TrainError> {
        config.check_optimizer().map_err(TrainError::Idle)?;
        model.network.check_frozen(&config.freeze)?;
        let data = load(&config, &source)?;
        Prepared::further(config, Some(source), data, model)
    }

    fn further(config: Config, source: Option<Source>, data: Data, mut model: Model) -> Result<Prepared, TrainError> {
        let Data { mut train, mut test, held_out, unfit, classes } = data;
        check_size(&model.network, &train)?;
        let mut notes = classes.remarks(config.class_weights.is_some());
        let Classes { count, mut names, .. } = classes;
        // The same classes in another order get the order of the model.
        let same = |own: &Vec<String>| {
            own.len() == model.class_names.len() && own.iter().all(|name| model.class_names.contains(name))
        };
        if let Some(source) = source.as_ref().filter(|_| names.as_ref().is_some_and(same)) {
            for set in [&mut train, &mut test] {
                source.relabel(set, &model.class_names)?;
            }
            names = Some(model.class_names.clone());
        }
        let old = model.network.classes();
        let numbered = names.is_none() && count == old;
        let wanted = names.clone().unwrap_or_else(|| numbered_classes(count));
        if !numbered && wanted != model.class_names {
            let head = model.network.learning_layers().pop().unwrap_or_default();
            if config.freeze.contains(&head) {
                return Err(TrainError::FrozenHead { layer: head, old, new: count });
            }
            let remedy = match names.is_none() && count < old {
                true => format!("; if this set just lacks the others, {} {old} keeps them", Argument("classes")),
                false => String::new(),
            };
            let (known, new): (Vec<String>, Vec<String>) =
                // More numbered classes than the model's are others: letters, for example.
                wanted.iter().cloned().partition(|name| (names.is_some() || count < old) && model.class_names.contains(name));
            let kept = match (known.is_empty(), new.is_empty()) {
                (true, _) => format!("starts anew for the classes {}", text::listed(&new)),
                (_, true) => format!("keeps the classes {}", text::listed(&known)),
                _ => format!("keeps the classes {}, and starts anew for {}", text::listed(&known), text::listed(&new)),
            };
            let classes = text::listed(&model.class_names);
            notes.push(format!("the model knows the classes {classes}; its last layer {head} {kept}{remedy}"));
            model = model.with_classes(&wanted, &known, &head, config.seed)?;
        }
        if let Some(names) = names {
            model.class_names = names;
        }
        model.network = with_dropout(model.network, &config)?;
        let (indices, held_out) = parts(&train, held_out, &config)?;
        config.check(held_out.len()).map_err(TrainError::Idle)?;
        let prepared = Prepared::new("finetune", config, source, model, train, test, indices, held_out, unfit);
        Prepared { notes, ..prepared }.completed()
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
        let model = Model::load(run)?;
        let states = |record: &Record| record.config.optimizer.definition().states;
        let state: Resume<Record> = Resume::load(&run.join(RESUME), &model.network, states)?;
        let bad = |reason: String| TrainError::BadRecord { run: run.into(), reason: reason.into() };
        state.record.check(&model.network, state.losses.len()).map_err(bad)?;
        let Record { command, mut config, fingerprint: known, step, epoch, rows, reports, .. } = state.record;
        let (before, recorded) = (config.epochs, config.data.clone());
        change(&mut config);
        if config.schedule.knows_its_end() && config.epochs != before {
            return Err(TrainError::Scheduled { run: run.into(), schedule: config.schedule, epochs: before });
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
        let pictures = Pictures {
            prepare: Some(model.prepare),
            seed: config.seed,
            size: Some(image_size(&model.network)),
            skip_bad: config.skip_bad,
            split_by: config.split_by,
            whole: false,
        };
        let found = Locator { pictures, ..locator.clone() }.locate(&config.data, progress);
        let source = found.map_err(|error| match error {
            DataError::Unknown(data) if config.data == recorded => TrainError::Moved { run: run.into(), data },
            error => error.into(),
        })?;
        config.data = source.wanted.clone();
        let Data { mut train, mut test, held_out, unfit, .. } = load(&config, &source)?;
        check_size(&model.network, &train)?;
        for set in [&mut train, &mut test] {
            source.relabel(set, &model.class_names)?;
            set.check(&source.name, model.network.classes())?;
        }
        let (indices, held_out) = parts(&train, held_out, &config)?;
        config.check_patience(held_out.len()).map_err(TrainError::Idle)?;
        let model = Model { parameters: state.parameters, ..model };
        let command = if command == "finetune" { "finetune" } else { "train" };
        let mut prepared = Prepared::new(command, config, Some(source), model, train, test, indices, held_out, unfit);
        if prepared.fingerprint != known {
            let text = format!("its images and labels now have SHA-256 {}", prepared.fingerprint);
            return Err(TrainError::OtherData { run: run.into(), text });
        }
        let batch = prepared.config.batch.min(prepared.indices.len());
        let of_epoch = prepared.indices.len().div_ceil(batch) as u64;
        let stands = (epoch as u64 - 1) * of_epoch + rows.div_ceil(batch) as u64;
        if !rows.is_multiple_of(batch) || rows >= prepared.indices.len() || step != stands {
            let all = prepared.indices.len();
            return Err(bad(format!("step {step}, but epoch {epoch} and {rows} of its {all} images, {batch} a batch")));
        }
        let losses = state.losses;
        prepared.progress = Position { states: state.states, step, epoch, losses, reports };
        prepared.resume = Some(folder);
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

/// Indices to train on and to validate on: the images at the end that the set provides for it, else some chosen by
/// seed.
fn parts(train: &DataSet, held_out: usize, config: &Config) -> Result<(Vec<u32>, Vec<u32>), DataError> {
    let images = train.labels.len();
    if held_out > 0 && config.validation > 0 {
        let first = (images - held_out) as u32;
        return Ok(((0..first).collect(), (first..images as u32).collect()));
    }
    hold_out(images - held_out, config.validation, config.seed)
}

/// Both parts, as they were read.
struct Data {
    train: DataSet,
    test: DataSet,
    held_out: usize,
    unfit: Unfit,
    classes: Classes,
}

/// Both parts, checked against each other.
fn load(config: &Config, source: &Source) -> Result<Data, TrainError> {
    let (test, train) = match (source.load(Part::Test), source.load(Part::Train)) {
        // Report unreadable pictures of both parts at once.
        (Err(DataError::BadPictures(test)), Err(DataError::BadPictures(train))) => {
            return Err(DataError::BadPictures([train, test].into_iter().flatten().collect()).into());
        }
        (test, train) => (test?, train?),
    };
    let mut unfit = train.unfit;
    unfit.extend(test.unfit);
    let (mut train, test, held_out) = (train.set, test.set, train.held_out);
    // Classes come from all of the labels, regardless of the limit.
    let classes = source.classes(&train, &test, config.classes)?;
    if let Some(limit) = config.limit {
        train.limit(limit, held_out);
    }
    check_parts(&train, &test)?;
    Ok(Data { train, test, held_out, unfit, classes })
}

/// Checks that the images of both parts have the same size.
fn check_parts(train: &DataSet, test: &DataSet) -> Result<(), DataError> {
    let size = |set: &DataSet| (set.images.height, set.images.width);
    match (size(train), size(test)) {
        (train, test) if train != test => Err(DataError::Sizes { train, test }),
        _ => Ok(()),
    }
}

/// Checks that a network takes these images.
///
/// # Errors
/// If they have another size.
pub(crate) fn check_size(network: &Network, set: &DataSet) -> Result<(), TrainError> {
    let input = network.input();
    let data = [1, set.images.height, set.images.width];
    if input == data { Ok(()) } else { Err(TrainError::ImageSize { network: input, data }) }
}

#[cfg(test)]
mod tests;
