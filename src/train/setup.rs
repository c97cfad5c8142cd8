//! From what was asked for to what can run: data, network, split, normalisation; or the same from a run that goes on.

use super::{Config, EpochReport, TrainError};
use crate::data::{DataError, DataSet, Locator, Part, Pictures, Source, Unfit, class_count, fingerprint, hold_out};
use crate::model::{
    Model, Network, NetworkError, Normalisation, Resume, initialise, initialise_one, load_parameters, numbered_classes,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where a run stands: the record in `resume.safetensors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub command: String,
    pub config: Config,
    /// SHA-256 of the training images and labels.
    pub fingerprint: String,
    /// Steps done in all.
    pub step: u64,
    /// The epoch that is under way, from 1; one more than `config.epochs` when all are done.
    pub epoch: usize,
    /// Images of it that are trained on.
    pub rows: usize,
    pub reports: Vec<EpochReport>,
}

/// The optimizer's state and the position to go on with.
pub struct Progress {
    /// What the optimizer remembers of each parameter, in the order of its `states`.
    pub states: Vec<Vec<f32>>,
    pub step: u64,
    pub epoch: usize,
    /// Losses of the images of the epoch that are trained on.
    pub losses: Vec<f32>,
    pub reports: Vec<EpochReport>,
}

/// A run, ready for a device.
pub struct Prepared {
    pub command: &'static str,
    pub config: Config,
    pub source: Source,
    pub model: Model,
    pub train: DataSet,
    pub test: DataSet,
    /// Places in `train` to learn from, and to validate on.
    pub places: Vec<u32>,
    pub held_out: Vec<u32>,
    /// A model of the same classes, on images of the same size, which are normalised in the same way.
    pub teacher: Option<Model>,
    pub fingerprint: String,
    pub progress: Progress,
    pub unfit: Unfit,
    /// The run folder to go on in.
    pub resume: Option<PathBuf>,
}

impl Prepared {
    /// A fresh run of the tutorial's network.
    ///
    /// # Errors
    /// Data, network or parameters that do not fit each other.
    pub fn train(config: Config, source: Source) -> Result<Prepared, TrainError> {
        let Data { train, test, held_out, unfit } = load(&config, &source)?;
        let names = source.class_names();
        let classes = classes(&source, &train, &test)?;
        let mut network = config.network.network([1, train.images.height, train.images.width], classes)?;
        network = network.with_activation(config.activation);
        network = with_dropout(network, &config)?;
        network.check_frozen(&config.frozen)?;
        let (places, held_out) = parts(&train, held_out, &config)?;
        config.check(held_out.len())?;
        let (mean, deviation) = source.normalisation().unwrap_or_else(|| train.normalisation(&places));
        let parameters = match &config.init {
            Some(file) => load_parameters(file, &network)?,
            None => initialise(&network, config.seed),
        };
        let model = Model {
            parameters,
            normalisation: Normalisation { mean, deviation },
            class_names: names.unwrap_or_else(|| numbered_classes(classes)),
            prepare: config.prepare,
            training: serde_json::Value::Null,
            network,
        };
        Prepared::new("train", config, source, model, train, test, places, held_out, unfit).with_teacher()
    }

    /// A run that starts from a model, some of whose layers are frozen. A different number of classes gets a new last
    /// layer.
    ///
    /// # Errors
    /// Data and model that do not fit each other.
    pub fn finetune(config: Config, source: Source, mut model: Model) -> Result<Prepared, TrainError> {
        model.network.check_frozen(&config.frozen)?;
        let Data { mut train, mut test, held_out, unfit } = load(&config, &source)?;
        check_size(&model.network, &train)?;
        let mut names = source.class_names();
        let classes = classes(&source, &train, &test)?;
        // The same classes in another order are those of the model.
        let same = |own: &Vec<String>| {
            own.len() == model.class_names.len() && own.iter().all(|name| model.class_names.contains(name))
        };
        if names.as_ref().is_some_and(same) {
            for set in [&mut train, &mut test] {
                source.relabel(set, &model.class_names)?;
            }
            names = Some(model.class_names.clone());
        }
        let old = model.network.classes();
        if classes != old {
            let head = model.network.learning_layers().pop().unwrap_or_default();
            if config.frozen.contains(&head) {
                return Err(TrainError::FrozenHead { layer: head, old, new: classes });
            }
            let network = model.network.with_classes(classes)?;
            let mut parameters = vec![0.0; network.arena_len()];
            for (new, old) in network.parameters().iter().zip(model.network.parameters()) {
                if new.layer == head {
                    initialise_one(&network, new, config.seed, &mut parameters);
                } else {
                    parameters[new.start..][..new.len()].copy_from_slice(&model.parameters[old.start..][..old.len()]);
                }
            }
            model = Model { network, parameters, class_names: numbered_classes(classes), ..model };
        }
        if let Some(names) = names {
            model.class_names = names;
        }
        model.network = with_dropout(model.network, &config)?;
        let (places, held_out) = parts(&train, held_out, &config)?;
        config.check(held_out.len())?;
        Prepared::new("finetune", config, source, model, train, test, places, held_out, unfit).with_teacher()
    }

    /// A run that goes on where it stopped or ended. `change` may give it a new total of epochs or another place for its
    /// data.
    ///
    /// # Errors
    /// The run cannot be read, its data has changed, or nothing is left to do.
    pub fn resume(
        run: &Path,
        locator: &Locator,
        change: impl FnOnce(&mut Config),
        progress: crate::data::Progress,
    ) -> Result<Prepared, TrainError> {
        let model = Model::load(run)?;
        let states = |record: &Record| record.config.plan_optimizer().states();
        let state: Resume<Record> = Resume::load(&run.join("resume.safetensors"), &model.network, states)?;
        let Record { command, mut config, fingerprint: known, step, epoch, rows, reports, .. } = state.record;
        let before = config.epochs;
        change(&mut config);
        if config.schedule.knows_its_end() && config.epochs != before {
            return Err(TrainError::Scheduled { run: run.into(), schedule: config.schedule, epochs: before });
        }
        if config.batch == 0 || config.log_every == 0 || rows > state.losses.len() {
            return Err(TrainError::BadRecord { run: run.into() });
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
        };
        let source = Locator { pictures, ..locator.clone() }.locate(&config.data, progress)?;
        config.data = source.wanted.clone();
        let Data { mut train, mut test, held_out, unfit } = load(&config, &source)?;
        check_size(&model.network, &train)?;
        for set in [&mut train, &mut test] {
            source.relabel(set, &model.class_names)?;
            set.check_labels(&source.name, model.network.classes())?;
        }
        let (places, held_out) = parts(&train, held_out, &config)?;
        config.check_patience(held_out.len())?;
        if rows > places.len() {
            return Err(TrainError::BadRecord { run: run.into() });
        }
        let model = Model { parameters: state.parameters, ..model };
        let command = if command == "finetune" { "finetune" } else { "train" };
        let mut prepared = Prepared::new(command, config, source, model, train, test, places, held_out, unfit);
        if prepared.fingerprint != known {
            let text = format!("its images and labels now have SHA-256 {}", prepared.fingerprint);
            return Err(TrainError::OtherData { run: run.into(), text });
        }
        let losses = state.losses.into_iter().take(rows).collect();
        prepared.progress = Progress { states: state.states, step, epoch, losses, reports };
        prepared.resume = Some(run.into());
        prepared.with_teacher()
    }

    /// Checks layers that are named, and reads the teacher, if there is one, and checks that it fits.
    fn with_teacher(mut self) -> Result<Prepared, TrainError> {
        let known = self.model.network.learning_layers();
        if let Some((unknown, _)) = self.config.rates.0.iter().find(|(layer, _)| !known.contains(layer)) {
            return Err(NetworkError::UnknownLayer { unknown: unknown.clone(), known }.into());
        }
        let Some(path) = &self.config.teacher else { return Ok(self) };
        let (teacher, model) = (Model::load(path)?, &mut self.model);
        if self.command == "train" && self.resume.is_none() {
            // Both look at the same pixels.
            model.normalisation = teacher.normalisation;
        }
        let text = if teacher.class_names != model.class_names {
            let (taught, here) = (teacher.class_names.join(", "), model.class_names.join(", "));
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
            let by = |n: &Normalisation| format!("mean {} and deviation {}", n.mean, n.deviation);
            format!("it normalises by {}, and the model by {}", by(&teacher.normalisation), by(&model.normalisation))
        } else {
            self.teacher = Some(teacher);
            return Ok(self);
        };
        Err(TrainError::Teacher { path: path.clone(), text })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a struct that is made in one place")]
    fn new(
        command: &'static str,
        config: Config,
        source: Source,
        model: Model,
        train: DataSet,
        test: DataSet,
        places: Vec<u32>,
        held_out: Vec<u32>,
        unfit: Unfit,
    ) -> Prepared {
        let progress = Progress {
            states: vec![vec![0.0; model.network.arena_len()]; config.plan_optimizer().states().len()],
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
            places,
            held_out,
            teacher: None,
            fingerprint,
            progress,
            unfit,
            resume: None,
        }
    }
}

/// How many classes the data have: as many as they have names for, or labels.
fn classes(source: &Source, train: &DataSet, test: &DataSet) -> Result<usize, DataError> {
    match source.class_names() {
        Some(names) => Ok(names.len()),
        None => class_count(&source.name, &[train.labels.as_slice(), &test.labels].concat()),
    }
}

/// With the dropout that is asked for, if any: layers know it in whole percent.
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

/// Places to learn from and to validate on: the images at the end that the set has for it, else some by seed.
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
}

/// Both parts, checked against each other.
fn load(config: &Config, source: &Source) -> Result<Data, TrainError> {
    if config.limit == Some(0) {
        return Err(TrainError::NoImages);
    }
    let (test, train) = match (source.load(Part::Test), source.load(Part::Train)) {
        // What is wrong with pictures is said at once.
        (Err(DataError::BadPictures(test)), Err(DataError::BadPictures(train))) => {
            return Err(DataError::BadPictures([train, test].into_iter().flatten().collect()).into());
        }
        (test, train) => (test?, train?),
    };
    let mut unfit = train.unfit;
    unfit.extend(test.unfit);
    let (mut train, test, held_out) = (train.set, test.set, train.held_out);
    if let Some(limit) = config.limit {
        train.limit(limit, held_out);
    }
    let size = |set: &DataSet| (set.images.height, set.images.width);
    if size(&train) != size(&test) {
        return Err(DataError::Sizes { train: size(&train), test: size(&test) }.into());
    }
    Ok(Data { train, test, held_out, unfit })
}

/// Checks that a network takes these images.
///
/// # Errors
/// They have another size.
pub(super) fn check_size(network: &Network, set: &DataSet) -> Result<(), TrainError> {
    let input = network.input();
    let data = [1, set.images.height, set.images.width];
    if input == data { Ok(()) } else { Err(TrainError::ImageSize { network: input, data }) }
}
