//! Training on images in memory: no folder appears anywhere, and nothing is written.
//!
//! ```
//! use mnist_gpu::data::synthetic;
//! use mnist_gpu::{Config, DataSet, Device, Fit, Network, Selection};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A byte for each pixel, row by row; drawn digits stand in for your own.
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
use crate::train::{Config, EpochReport, Event, Outcome, Prepared, Summary, TrainError, Trainer, check_size};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a training starts from.
enum Start {
    Network(Network),
    Model(Box<Model>),
}

/// Who is told of events, and may break off.
type Watch<'a> = dyn FnMut(&Event) -> ControlFlow<()> + 'a;

/// A training to be run.
pub struct Fit<'a> {
    device: &'a Device,
    config: Config,
    start: Start,
    watch: Box<Watch<'a>>,
}

/// What a training comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fitted {
    /// As it was after the last step.
    pub model: Model,
    /// As it was after the epoch with the best validation, where images were held out.
    pub best: Option<Model>,
    pub reports: Vec<EpochReport>,
    /// What the model makes of the test images, in their order; empty where none were given.
    pub test: Summary,
    /// How many of them it gets right.
    pub correct: usize,
    /// Whether the watcher broke off before the last step.
    pub stopped: bool,
}

impl<'a> Fit<'a> {
    /// A training from random parameters, which follow from the seed. `config` says how; of what it names, `data`, `init`,
    /// `network` and `model` do not count here.
    pub fn new(device: &'a Device, network: &Network, config: Config) -> Fit<'a> {
        Fit::from(device, Start::Network(network.clone()), config)
    }

    /// A training that goes on from a model, such as one with `config.frozen` layers. Another number of classes gets a new last
    /// layer.
    pub fn from_model(device: &'a Device, model: Model, config: Config) -> Fit<'a> {
        Fit::from(device, Start::Model(model.into()), config)
    }

    fn from(device: &'a Device, start: Start, config: Config) -> Fit<'a> {
        Fit { device, config, start, watch: Box::new(|_| ControlFlow::Continue(())) }
    }

    /// Is told of each event; breaks off the training at the next submission by returning [`ControlFlow::Break`].
    pub fn watch(mut self, watch: impl FnMut(&Event) -> ControlFlow<()> + 'a) -> Fit<'a> {
        self.watch = Box::new(watch);
        self
    }

    /// Trains, and evaluates the result on the test images.
    ///
    /// # Errors
    /// Data that do not fit the network, settings that would be ignored, a loss that is not finite, and what the driver says.
    pub fn run(self, train: DataSet, test: Option<DataSet>) -> Result<Fitted, TrainError> {
        let Fit { device, mut config, start, watch } = self;
        let prepared = match start {
            Start::Network(network) => {
                check_size(&network, &train)?;
                config.network = Architecture::of(&network);
                config.classes = Some(network.classes());
                Prepared::in_memory(config, None, train, test)?
            }
            Start::Model(model) => Prepared::in_memory(config, Some(*model), train, test)?,
        };
        let (stop, watch) = (AtomicBool::new(false), RefCell::new(watch));
        let tell = |event: &Event| {
            if (watch.borrow_mut())(event).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let outcome = Trainer::new(device, prepared, None, &stop, &tell)?.train()?;
        let Outcome { model, best, reports, test, correct, stopped, .. } = outcome;
        Ok(Fitted { model, best, reports, test, correct, stopped })
    }
}
