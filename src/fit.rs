//! Training on images in memory: without any folder, and without writing files.
//!
//! ```
//! use mnist_gpu::data::synthetic;
//! use mnist_gpu::{Config, DataSet, Device, Fit, Network, Selection};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // One byte per pixel, in row-major order; drawn digits stand in for your own images.
//! let (train, test) = (synthetic::generate(0, 0, 300)?, synthetic::generate(0, 300, 100)?);
//! let train = DataSet::new([28, 28], train.images.bytes, train.labels)?;
//!
//! let device = Device::open(&Selection::Auto, false)?;
//! let config = Config::default().with(|config| (config.epochs, config.validation) = (2, 0));
//! let fitted = Fit::new(&device, &Network::tutorial([1, 28, 28], 10)?, config).run(train, Some(test))?;
//! println!("{} of {} correct", fitted.correct, fitted.test.predicted.len());
//! # Ok(())
//! # }
//! ```

use crate::data::DataSet;
use crate::gpu::Device;
use crate::model::{Architecture, Model, Network};
use crate::settings::Config;
use crate::train::{EpochReport, Event, Outcome, Prepared, Summary, TrainError, Trainer, check_size};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// The starting point of a training.
enum Start {
    Network(Network),
    Model(Box<Model>),
}

/// Callback for events, which may stop the training.
type Watch<'a> = dyn FnMut(&Event) -> ControlFlow<()> + 'a;

/// A training to be run.
pub struct Fit<'a> {
    device: &'a Device,
    config: Config,
    start: Start,
    watch: Box<Watch<'a>>,
}

/// The result of a training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fitted {
    /// The model after the last step.
    pub model: Model,
    /// The model after the epoch with the best validation, if images were held out.
    pub best: Option<Model>,
    pub reports: Vec<EpochReport>,
    /// Results on the test images, in their order; empty if there are none.
    pub test: Summary,
    /// Number of correct predictions on the test images.
    pub correct: usize,
    /// Warnings, such as classes without training images.
    pub notes: Vec<String>,
    /// Whether the callback stopped the training before the last step.
    pub stopped: bool,
}

impl<'a> Fit<'a> {
    /// Trains a network from random parameters, which are derived from the seed. The network decides the fields `network`
    /// and `classes` of `config`; `config.teacher`, if there is one, is read from its file.
    pub fn new(device: &'a Device, network: &Network, config: Config) -> Fit<'a> {
        Fit::from(device, Start::Network(network.clone()), config)
    }

    /// Trains a model further, optionally with `config.freeze` layers. It keeps its classes unless `config.classes` or a
    /// larger label asks for others, which get a new last layer.
    pub fn from_model(device: &'a Device, model: Model, config: Config) -> Fit<'a> {
        Fit::from(device, Start::Model(model.into()), config)
    }

    fn from(device: &'a Device, start: Start, config: Config) -> Fit<'a> {
        Fit { device, config, start, watch: Box::new(|_| ControlFlow::Continue(())) }
    }

    /// Sets a callback for events. The training stops at the next submission if it returns [`ControlFlow::Break`].
    pub fn watch(mut self, watch: impl FnMut(&Event) -> ControlFlow<()> + 'a) -> Fit<'a> {
        self.watch = Box::new(watch);
        self
    }

    /// Trains, and evaluates the result on the test images.
    ///
    /// # Errors
    /// If the data does not fit the network, settings would be ignored, a loss is not finite, or the driver reports an
    /// error.
    pub fn run(self, train: DataSet, test: Option<DataSet>) -> Result<Fitted, TrainError> {
        let Fit { device, mut config, start, watch } = self;
        let prepared = match start {
            Start::Network(network) => {
                check_size(&network, &train)?;
                config.network = Architecture::of(&network);
                config.classes = Some(network.classes());
                Prepared::in_memory(config, None, train, test)?
            }
            Start::Model(model) => {
                let known = model.network.classes();
                if train.labels.iter().all(|&label| usize::from(label) < known) {
                    config.classes = config.classes.or(Some(known));
                }
                Prepared::in_memory(config, Some(*model), train, test)?
            }
        };
        let notes = prepared.notes.clone();
        let (stop, watch) = (AtomicBool::new(false), RefCell::new(watch));
        let tell = |event: &Event| {
            if (watch.borrow_mut())(event).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let outcome = Trainer::new(device, prepared, None, &stop, &tell)?.train()?;
        let Outcome { model, best, reports, test, correct, stopped, .. } = outcome;
        Ok(Fitted { model, best, reports, test, correct, notes, stopped })
    }
}
