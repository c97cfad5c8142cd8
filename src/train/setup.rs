//! From what was asked for to what can run: data, network, split, normalisation; or the same from a run that goes on.

use super::{Augment, EpochReport, Method, Schedule, TrainError};
use crate::data::{DataError, DataSet, Locator, Part, Pictures, Prepare, Source, class_count, fingerprint, hold_out};
use crate::model::{
    Architecture, Model, Network, NetworkError, Nonlinearity, Normalisation, Resume, initialise, initialise_one,
    load_parameters, numbered_classes,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything that decides what a run computes. It lies in the run folder, so that a run can go on as it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// What `--data` was.
    pub data: String,
    /// How pictures become images, where the data are pictures.
    pub prepare: Prepare,
    /// Leave out pictures that cannot be read.
    pub skip_bad: bool,
    /// The file whose parameters a training starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    pub network: Architecture,
    /// In place of the network's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Nonlinearity>,
    pub epochs: usize,
    pub batch: usize,
    pub optimizer: Method,
    pub lr: f64,
    pub momentum: f64,
    /// Nesterov's momentum, for SGD.
    pub nesterov: bool,
    pub weight_decay: f64,
    /// Of Adam's mean of gradients.
    pub beta1: f64,
    /// Of Adam's and RMSprop's mean of squared gradients.
    pub beta2: f64,
    pub eps: f64,
    /// The largest norm that the gradient of all parameters together may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    pub schedule: Schedule,
    /// The share of the inputs of linear layers, all but the first, that is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// A model from whose answers this one learns too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<PathBuf>,
    /// By which the logits of both are divided before they are compared.
    pub temperature: f64,
    /// The teacher's share of the loss; the labels have the rest.
    pub alpha: f64,
    /// Epochs without a better validation, after which a run stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Epochs after which frozen layers learn too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfreeze_after: Option<usize>,
    /// What the learning rate of these layers is then multiplied by.
    pub unfreeze_rate: f64,
    /// What the learning rates of some layers are multiplied by.
    pub rates: Rates,
    /// What part of a label is spread over all classes.
    pub label_smoothing: f64,
    pub augment: Augment,
    /// Epochs over which the learning rate grows from nothing.
    pub warmup: f64,
    pub seed: u64,
    pub validation: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    pub shuffle: bool,
    /// Stop after so many steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    #[serde(rename = "freeze", with = "list")]
    pub frozen: Vec<String>,
    pub log_every: u64,
}

impl Default for Config {
    /// The tutorial's recipe, on MNIST, with PyTorch's defaults for what the tutorial does not use.
    fn default() -> Config {
        Config {
            data: "auto".into(),
            prepare: Prepare::default(),
            skip_bad: false,
            init: None,
            network: Architecture::default(),
            activation: None,
            epochs: 10,
            batch: 64,
            optimizer: Method::Sgd,
            lr: 0.01,
            momentum: 0.5,
            nesterov: false,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            clip: None,
            schedule: Schedule::Constant,
            dropout: None,
            teacher: None,
            temperature: 4.0,
            alpha: 0.7,
            patience: None,
            unfreeze_after: None,
            unfreeze_rate: 0.1,
            rates: Rates::default(),
            label_smoothing: 0.0,
            augment: Augment::default(),
            warmup: 0.0,
            seed: 0,
            validation: 5000,
            limit: None,
            shuffle: true,
            steps: None,
            frozen: Vec::new(),
            log_every: 100,
        }
    }
}

impl Config {
    /// Layers that do not learn in an epoch, counted from 1.
    pub fn frozen_in(&self, epoch: usize) -> &[String] {
        if self.unfreeze_after.is_some_and(|after| epoch > after) { &[] } else { &self.frozen }
    }

    /// What the learning rates of layers are multiplied by in an epoch.
    pub fn rates_in(&self, epoch: usize) -> Vec<(String, f32)> {
        let of = |layer: &String| self.rates.of(layer);
        let frozen = self.frozen_in(epoch).is_empty().then_some(&self.frozen).into_iter().flatten();
        let thawed: Vec<_> = frozen.map(|layer| (layer.clone(), (self.unfreeze_rate * of(layer)) as f32)).collect();
        let others = self.rates.0.iter().filter(|(layer, _)| thawed.iter().all(|(other, _)| other != layer));
        others.map(|(layer, rate)| (layer.clone(), *rate as f32)).chain(thawed.clone()).collect()
    }

    /// The epoch with the best validation, if there was any: the highest accuracy, and of those the lowest loss.
    pub fn best(reports: &[EpochReport]) -> Option<usize> {
        let score = |r: &EpochReport| Some((r.validation_accuracy?, -r.validation_loss?));
        let mut best: Option<(usize, (f64, f64))> = None;
        for report in reports {
            if let Some(score) = score(report)
                && best.is_none_or(|(_, other)| score > other)
            {
                best = Some((report.epoch, score));
            }
        }
        best.map(|(epoch, _)| epoch)
    }

    /// Whether the last epochs have brought nothing better, as many as it has patience for.
    pub fn is_stalled(&self, reports: &[EpochReport]) -> bool {
        let last = reports.last().map_or(0, |report| report.epoch);
        let since = Config::best(reports).map_or(0, |best| last - best);
        self.patience.is_some_and(|patience| since >= patience)
    }
}

/// Factors of the learning rates of some layers: `conv1=0.1,fc2=2`, or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rates(pub Vec<(String, f64)>);

impl Rates {
    fn of(&self, layer: &str) -> f64 {
        self.0.iter().find(|(of, _)| of == layer).map_or(1.0, |(_, rate)| *rate)
    }
}

impl std::fmt::Display for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(layer, rate)| format!("{layer}={rate}")).collect();
        f.write_str(&if parts.is_empty() { "none".into() } else { parts.join(",") })
    }
}

impl std::str::FromStr for Rates {
    type Err = String;
    fn from_str(text: &str) -> Result<Rates, String> {
        let part = |part: &str| {
            let (layer, rate) = part.split_once('=')?;
            let rate = rate.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)?;
            Some((layer.trim().to_string(), rate))
        };
        let parts = text.split(',').filter(|_| text != "none").map(part).collect::<Option<_>>();
        parts.map(Rates).ok_or_else(|| "it takes layers with factors above 0, such as conv1=0.1,fc2=2, or none".into())
    }
}

impl TryFrom<String> for Rates {
    type Error = String;
    fn try_from(text: String) -> Result<Rates, String> {
        text.parse()
    }
}

impl From<Rates> for String {
    fn from(rates: Rates) -> String {
        rates.to_string()
    }
}

/// Layers as `--freeze` takes them: separated by commas, or none.
mod list {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(layers: &[String], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&if layers.is_empty() { "none".into() } else { layers.join(",") })
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        Ok(super::layers(&String::deserialize(from)?))
    }
}

/// The layers of a comma-separated list; `none` names none.
pub fn layers(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "none");
    names.map(str::to_string).collect()
}

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
    /// Pictures that were left out, and why.
    pub skipped: Vec<DataError>,
    /// The run folder to go on in.
    pub resume: Option<PathBuf>,
}

impl Prepared {
    /// A fresh run of the tutorial's network.
    ///
    /// # Errors
    /// Data, network or parameters that do not fit each other.
    pub fn train(config: Config, source: Source) -> Result<Prepared, TrainError> {
        let Data { train, test, held_out, skipped } = load(&config, &source)?;
        let names = source.class_names();
        let classes = match &names {
            Some(names) => names.len(),
            None => class_count(&source.name, &[train.labels.as_slice(), &test.labels].concat())?,
        };
        let mut network = config.network.network([1, train.images.height, train.images.width], classes)?;
        network = network.with_activation(config.activation);
        if let Some(share) = config.dropout {
            network = network.with_dropout(percent(share))?;
        }
        network.check_frozen(&config.frozen)?;
        let (places, held_out) = parts(&train, held_out, &config)?;
        let (mean, deviation) = source.normalisation().unwrap_or_else(|| train.normalisation(&places));
        let parameters = match &config.init {
            Some(file) => load_parameters(file, &network)?,
            None => initialise(&network, config.seed),
        };
        let model = Model {
            parameters,
            normalisation: Normalisation { mean, deviation },
            class_names: names.unwrap_or_else(|| numbered_classes(classes)),
            prepare: source.prepare().unwrap_or_default(),
            training: serde_json::Value::Null,
            network,
        };
        let prepared = Prepared::new("train", config, source, model, train, test, places, held_out);
        Prepared { skipped, ..prepared }.with_teacher()
    }

    /// A run that starts from a model, some of whose layers are frozen. A different number of classes gets a new last
    /// layer.
    ///
    /// # Errors
    /// Data and model that do not fit each other.
    pub fn finetune(config: Config, source: Source, mut model: Model) -> Result<Prepared, TrainError> {
        model.network.check_frozen(&config.frozen)?;
        let Data { mut train, mut test, held_out, skipped } = load(&config, &source)?;
        check_size(&model.network, &train)?;
        let mut names = source.class_names();
        let classes = match &names {
            Some(names) => names.len(),
            None => class_count(&source.name, &[train.labels.as_slice(), &test.labels].concat())?,
        };
        // The same classes in another order are those of the model.
        if let Some(own) = &names
            && own.len() == model.class_names.len()
            && own.iter().all(|name| model.class_names.contains(name))
        {
            for set in [&mut train, &mut test] {
                set.relabel(&source.name, own, &model.class_names)?;
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
        if let Some(share) = config.dropout {
            model.network = model.network.with_dropout(percent(share))?;
        }
        let (places, held_out) = parts(&train, held_out, &config)?;
        let prepared = Prepared::new("finetune", config, source, model, train, test, places, held_out);
        Prepared { skipped, ..prepared }.with_teacher()
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
        let Data { mut train, mut test, held_out, skipped } = load(&config, &source)?;
        check_size(&model.network, &train)?;
        if let Some(names) = source.class_names() {
            for set in [&mut train, &mut test] {
                set.relabel(&source.name, &names, &model.class_names)?;
            }
        }
        for part in [&train, &test] {
            part.check_labels(&source.name, model.network.classes())?;
        }
        let (places, held_out) = parts(&train, held_out, &config)?;
        if rows > places.len() {
            return Err(TrainError::BadRecord { run: run.into() });
        }
        let model = Model { parameters: state.parameters, ..model };
        let command = if command == "finetune" { "finetune" } else { "train" };
        let prepared = Prepared::new(command, config, source, model, train, test, places, held_out);
        let mut prepared = Prepared { skipped, ..prepared };
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
        let text = if teacher.class_names != model.class_names {
            format!(
                "it tells {} apart, and the data have {}",
                teacher.class_names.join(", "),
                model.class_names.join(", ")
            )
        } else if teacher.network.input() != model.network.input() {
            format!("it takes images of {:?}, and the data have {:?}", teacher.network.input(), model.network.input())
        } else if teacher.prepare != model.prepare {
            format!("its images are prepared by {}, and the data by {}", teacher.prepare, model.prepare)
        } else if self.command == "train" && self.resume.is_none() {
            // Both look at the same pixels.
            model.normalisation = teacher.normalisation;
            String::new()
        } else if teacher.normalisation != model.normalisation {
            format!("it normalises by {:?}, and the model by {:?}", teacher.normalisation, model.normalisation)
        } else {
            String::new()
        };
        if !text.is_empty() {
            return Err(TrainError::Teacher { path: path.clone(), text });
        }
        self.teacher = Some(teacher);
        Ok(self)
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
    ) -> Prepared {
        let progress = Progress {
            states: vec![vec![0.0; model.network.arena_len()]; config.plan_optimizer().states().len()],
            step: 0,
            epoch: 1,
            losses: Vec::new(),
            reports: Vec::new(),
        };
        let fingerprint = fingerprint(&train);
        let (resume, skipped) = (None, Vec::new());
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
            skipped,
            resume,
        }
    }
}

fn percent(share: f64) -> u32 {
    libm::round(share * 100.0) as u32
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
    skipped: Vec<DataError>,
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
    let skipped = [train.skipped, test.skipped].into_iter().flatten().collect();
    let (mut train, test, mut held_out) = (train.set, test.set, train.held_out);
    if let Some(limit) = config.limit.filter(|&limit| limit < train.labels.len()) {
        // Those for validation lie at the end.
        held_out = 0;
        train.truncate(limit);
    }
    let size = |set: &DataSet| (set.images.height, set.images.width);
    if size(&train) != size(&test) {
        return Err(crate::data::DataError::Sizes { train: size(&train), test: size(&test) }.into());
    }
    Ok(Data { train, test, held_out, skipped })
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
