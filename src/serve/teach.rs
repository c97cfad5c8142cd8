//! Fine-tuning on drawings, with images of the set that the model has learned from, so that little of it is forgotten.

use super::drawings::Drawings;
use crate::data::{DataSet, Images, Locator, Part, Pictures, Prepare, Source};
use crate::fit::Fit;
use crate::gpu::Device;
use crate::model::{Model, numbered_classes};
use crate::optimizers::Optimizer;
use crate::random::{Purpose, Stream};
use crate::reference::image_of;
use crate::settings::{Augment, Config};
use crate::train::{EpochReport, Event, Predictor, as_trained, evaluate_model, image_size, most_probable};
use serde::Serialize;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Copies of each drawing, all but the first changed at random.
const COPIES: usize = 20;
/// Minimum number of old images that are replayed, and how many of each class.
const REPLAYED: usize = 2000;
const OF_CLASS: usize = 200;
const EPOCHS: usize = 8;
/// Least accuracy of a model on a set that takes the place of its own: below it, the set has other classes.
pub const KNOWN: f64 = 0.8;
/// Digits for a network that has learned digits which are not at hand: as many as are replayed.
const SYNTHETIC: &str = "synthetic:2000";

/// The set that a model has learned from, or one that may take its place.
pub struct OldSet {
    pub name: String,
    /// Why this is not the set itself.
    pub instead: Option<String>,
    /// The value of `--data` for it.
    wanted: PathBuf,
    /// Images to replay, and the test part; their labels are those of the model.
    train: DataSet,
    test: DataSet,
}

impl OldSet {
    /// Finds the set: the wanted one, else the one that the model names, else for digits MNIST or the synthetic ones. The
    /// others are not downloaded.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find(model: &Model, wanted: Option<&Path>, locator: &Locator) -> Result<OldSet, String> {
        if let Some(wanted) = wanted {
            return OldSet::load(model, wanted, locator);
        }
        let own = model.training["config"]["data"].as_str().map(PathBuf::from);
        let are_digits = model.class_names.starts_with(&numbered_classes(10));
        let others = ["mnist", SYNTHETIC].map(PathBuf::from).into_iter().filter(|_| are_digits);
        let offline = Locator { offline: true, ..locator.clone() };
        let own = own.ok_or_else(|| "the model does not tell which set it has learned from".to_string());
        let reason = match own.and_then(|own| OldSet::load(model, &own, &offline)) {
            Err(reason) => reason,
            found => return found,
        };
        for other in others {
            if let Ok(set) = OldSet::load(model, &other, &offline) {
                return Ok(OldSet { instead: Some(reason), ..set });
            }
        }
        Err(reason)
    }

    fn load(model: &Model, wanted: &Path, locator: &Locator) -> Result<OldSet, String> {
        let size = Some(image_size(&model.network));
        let pictures = as_trained(Pictures { prepare: Some(model.prepare), size, ..Pictures::default() }, model);
        let locator = Locator { pictures, ..locator.clone() };
        let shown = |error: crate::data::DataError| error.to_string();
        let source: Source = locator.locate(wanted, &|_, _, _| ()).map_err(shown)?;
        let mut test = source.load(Part::Test).map_err(shown)?.set;
        let mut train = source.load(Part::Train).map_err(shown)?;
        train.set.limit(train.set.labels.len() - train.held_out, 0);
        for set in [&mut train.set, &mut test] {
            source.relabel(set, &model.class_names).map_err(shown)?;
            set.check(&source.name, model.network.classes()).map_err(shown)?;
            let [height, width] = image_size(&model.network);
            if (set.images.height, set.images.width) != (height, width) {
                return Err(format!("{} has images of another size", source.name));
            }
        }
        let wanted_images = (OF_CLASS * model.network.classes()).max(REPLAYED);
        let mut chosen: Vec<u32> = (0..train.set.labels.len() as u32).collect();
        Stream::new(0, Purpose::Replay, 0).shuffle(&mut chosen);
        chosen.truncate(wanted_images);
        let train = train.set.chosen(&chosen);
        Ok(OldSet { name: source.name.clone(), instead: None, wanted: wanted.into(), train, test })
    }

    /// Accuracy of a model that has at least the classes of the set.
    ///
    /// # Errors
    /// If the device fails.
    pub fn accuracy(&self, device: &Device, model: &Model) -> Result<f64, String> {
        let seen = evaluate_model(device, model, &mut self.test.clone()).map_err(|error| error.to_string())?;
        Ok(seen.correct(self.test.labels.iter().copied()) as f64 / self.test.labels.len().max(1) as f64)
    }
}

/// Right answers out of some.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Right {
    pub before: usize,
    pub after: usize,
    pub of: usize,
}

/// A model that has been taught.
pub struct Taught {
    pub model: Model,
    /// Right answers on the drawings.
    pub drawings: Right,
    pub epochs: Vec<EpochReport>,
}

/// Teaches a model its drawings. `tell` gets the epochs, and may stop the training.
///
/// # Errors
/// If there are no drawings, they cannot be read, or the training fails.
pub fn teach(
    device: &Device,
    model: &Model,
    drawings: &Drawings,
    old: Option<&OldSet>,
    mut tell: impl FnMut(&EpochReport, usize) -> ControlFlow<()>,
) -> Result<Taught, String> {
    let mut classes = model.class_names.clone();
    let drawn: Vec<String> = drawings.files().into_keys().collect();
    if drawn.is_empty() {
        return Err("there are no drawings to learn from; draw something, choose its class and keep it".into());
    }
    classes.extend(drawn.into_iter().filter(|class| !model.class_names.contains(class)));
    let shown = |error: &dyn std::fmt::Display| error.to_string();
    let set = drawings.read(model.prepare, image_size(&model.network), &classes)?;
    let head = model.network.learning_layers().pop().unwrap_or_default();
    let grown = match classes.len() == model.class_names.len() {
        true => model.clone(),
        false => {
            let grown = model.clone().with_classes(&classes, &model.class_names, &head, 0);
            grown.map_err(|error| shown(&error))?
        }
    };
    // Without old images, only the last layer may change.
    let freeze = match old {
        Some(_) => model.network.convolutions(),
        None => model.network.learning_layers().into_iter().filter(|layer| *layer != head).collect(),
    };
    let config = Config::of(Optimizer::Adam)
        .with(|config| (config.epochs, config.validation, config.freeze) = (EPOCHS, 0, freeze.clone()));
    let train = training_images(&set, model.prepare, old);
    let watch = |event: &Event| match event {
        Event::Epoch(report) => tell(report, EPOCHS),
        _ => ControlFlow::Continue(()),
    };
    let fitted = Fit::from_model(device, grown, config).watch(watch).run(train, None).map_err(|e| shown(&e))?;
    if fitted.stopped {
        return Err("stopped; the model is as it was".into());
    }
    let mut model_after = fitted.model;
    model_after.training = json!({
        "program": concat!("mnist-gpu ", env!("CARGO_PKG_VERSION")),
        "command": "serve",
        "drawings": drawings.folder().display().to_string(),
        "config": {"data": old.map(|old| old.wanted.display().to_string())},
        "before": model.training,
    });
    let right = |model: &Model| right(device, model, &set, &classes);
    let drawings = Right { before: right(model)?, after: right(&model_after)?, of: set.labels.len() };
    Ok(Taught { model: model_after, drawings, epochs: fitted.reports })
}

/// Several copies of each drawing, and the old images.
fn training_images(drawings: &DataSet, prepare: Prepare, old: Option<&OldSet>) -> DataSet {
    let Images { height, width, .. } = drawings.images;
    let pixels = drawings.images.pixels();
    let mut all = DataSet { images: Images { height, width, bytes: Vec::new() }, labels: Vec::new() };
    // Shifts and turns suit characters; other pictures keep their place.
    let augment: Augment = if prepare == Prepare::Mnist { "digits" } else { "none" }.parse().unwrap_or_default();
    for copy in 0..COPIES {
        let bounds = augment.bounds(0, copy);
        for (place, &label) in drawings.labels.iter().enumerate() {
            let image = &drawings.images.bytes[place * pixels..][..pixels];
            let changed = (copy > 0 && augment.is_some())
                .then(|| image_of(image, height as i32, width as i32, place as u32, &bounds));
            all.images.bytes.extend(changed.as_deref().unwrap_or(image));
            all.labels.push(label);
        }
    }
    if let Some(OldSet { train, .. }) = old {
        all.insert(all.labels.len(), train, &(0..train.labels.len() as u32).collect::<Vec<_>>());
    }
    all
}

/// Number of drawings that a model reads as their classes.
fn right(device: &Device, model: &Model, set: &DataSet, classes: &[String]) -> Result<usize, String> {
    let predictor = Predictor::new(device, model, set.labels.len()).map_err(|error| error.to_string())?;
    let answers = predictor.run(device, &set.images.bytes).map_err(|error| error.to_string())?;
    let is_right = |(answer, &label): (&crate::train::Answer, &u8)| {
        model.class_names[most_probable(&answer.probabilities).0] == classes[usize::from(label)]
    };
    Ok(answers.iter().zip(&set.labels).filter(|pair| is_right(*pair)).count())
}
