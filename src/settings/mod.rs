//! The settings of a training, each of which is one entry of the list below: key, flag, type, default, range and help
//! text.
//!
//! The list defines [`Config`], all settings of a run, and [`Recipe`], some of them: flags and recipe files are recipes,
//! and a run folder stores its configuration as one.
//!
//! # Adding a setting
//! Add an entry to the list. It is then a flag of `train` and `finetune`, a key of recipe files, part of what a run
//! records, and a field of [`Config`]. A new type of value implements [`Value`].

mod augment;
mod class_weights;
mod config;
mod define;
mod range;
mod rates;
mod recipe;
mod schedule;
mod tile_sizes;
mod value;

pub use augment::Augment;
pub use class_weights::ClassWeights;
pub use define::{Setting, Visit};
pub use range::{Count, Range};
pub use rates::Rates;
pub use recipe::RecipeFile;
pub use schedule::Schedule;
pub use tile_sizes::TileSizes;
pub use value::{Problem, Value, seed};

use crate::data::{Prepare, SplitBy};
use crate::kernels::Activation;
use crate::model::Architecture;
use crate::optimizers::Optimizer;
use define::{flag, settings};
use std::path::PathBuf;

/// Range of a number of classes.
pub const CLASSES: Count = Count(2, 256);

// An entry without a default is optional.
settings! {
    /// Data set: auto, a name that `data list` shows, synthetic, synthetic:N, a folder with the four IDX files (gzipped or
    /// not), or a folder with one folder of pictures per class
    ///
    /// `auto` is MNIST, or the built-in synthetic digits if MNIST can be neither found nor downloaded. `synthetic:N`
    /// generates N training images instead of 60,000.
    data: PathBuf = "auto".into() => flag((), "SET").of_data().on_resume();

    /// Number of classes N; labels from N on are rejected, and classes without images count
    classes: usize => flag(CLASSES, "N").note("highest label + 1");

    /// How pictures become images
    prepare: Prepare = Prepare::Mnist => flag((), "HOW").of_pictures().on_resume().note(" for train; otherwise that of the model");

    /// Skip pictures that cannot be read
    skip_bad: bool = false => flag((), "").of_pictures().on_resume();

    /// How to split off a test part where pictures are in folders of writers
    ///
    /// Such a set has one folder per writer with one folder per class in it, or the other way round.
    split_by: SplitBy = SplitBy::Writer => flag((), "WHAT").of_data();

    /// Start from the parameters in this file
    init: PathBuf => flag((), "FILE").fixed_by_model();

    /// The model that fine-tuning starts from
    model: PathBuf => flag((), "").without_flag();

    /// Network: tutorial, lenet5, deep, or a TOML file with a list of layers
    ///
    /// `network NAME` prints each of them. A file contains `layers = [ { conv = { channels = 10, kernel = 5 } }, { max_pool = {
    /// size = 2 } }, "batch_norm", "relu", { linear = { units = 50 } }, "relu", { dropout = { percent = 50 } } ]`, for
    /// example. A linear layer with one unit per class is added.
    network: Architecture = Architecture::default() => flag((), "NAME|FILE").fixed_by_model();

    /// Replace the activation of every layer
    activation: Activation => flag((), "NAME").fixed_by_model();

    /// Number of passes over the training images
    epochs: usize = 10 => flag(Count(1, Count::MAX), "N").on_resume();

    /// Images per batch
    batch: usize = 64 => flag(Count(1, 65_535), "N");

    /// Optimizer, as defined by PyTorch
    ///
    /// If a recipe sets another optimizer, its learning rate and other settings of the optimizer are ignored.
    optimizer: Optimizer = Optimizer::Sgd => flag((), "NAME");

    /// Learning rate
    lr: f64 = 0.01 => flag(Range::AboveZero, "F").of_optimizer();

    /// Momentum for sgd and rmsprop, as in PyTorch: v = momentum * v + gradient, w = w - lr * v
    momentum: f64 = 0.5 => flag(Range::Fraction, "F").of_optimizer();

    /// Use Nesterov momentum, for sgd
    nesterov: bool = false => flag((), "").of_optimizer();

    /// Weight decay: added to the gradient, or subtracted from the weights by adamw
    weight_decay: f64 = 0.0 => flag(Range::FromZero, "F").of_optimizer().in_summary();

    /// Decay rate of Adam's mean of gradients
    beta1: f64 = 0.9 => flag(Range::Fraction, "F").of_optimizer();

    /// Decay rate of Adam's and RMSprop's mean of squared gradients
    beta2: f64 = 0.999 => flag(Range::Fraction, "F").of_optimizer();

    /// Added to the denominator by adam, adamw and rmsprop
    eps: f64 = 1e-8 => flag(Range::AboveZero, "F").of_optimizer();

    /// Scale the gradient down if its norm over all parameters is larger than this
    clip: f64 => flag(Range::AboveZero, "NORM").in_summary();

    /// Learning rate schedule: constant, step, step:EPOCHS:FACTOR, cosine or one-cycle
    ///
    /// `step:5:0.1` multiplies the rate by 0.1 every 5 epochs; `step` is `step:1:0.7`. `cosine` ends at 0 after --epochs. `one-cycle` rises from 1/25
    /// of --lr over 30 % of the steps, and then falls to almost 0.
    schedule: Schedule = Schedule::Constant => flag((), "SCHEDULE").in_summary();

    /// Fraction of the inputs of every linear layer but the first that is dropped
    dropout: f64 => flag(Range::Percent, "F").in_summary();

    /// Distil from this model: a model file, a run folder or `pretrained`
    teacher: PathBuf => flag((), "MODEL").in_summary();

    /// Divisor of both models' logits before they are compared
    temperature: f64 = 4.0 => flag(Range::AboveZero, "F").needs("teacher").in_summary();

    /// Weight of the teacher in the loss, from 0 to 1; the labels get the rest
    alpha: f64 = 0.7 => flag(Range::Share, "F").needs("teacher").in_summary();

    /// Test on this older data set, too, before the training and after every epoch, to see what is forgotten
    ///
    /// Takes the same values as --data. Classes are known by their names.
    keep_testing: PathBuf => flag((), "SET").on_resume().only_finetune();

    /// Train on F images of the older set for each new one, so that less is forgotten; classes are then those of both sets
    replay: f64 => flag(Range::AboveZero, "F").needs("keep-testing").in_summary().only_finetune();

    /// Stop if the validation has not improved for N epochs
    ///
    /// If images are held out for validation, the model of the best epoch is kept in best.safetensors in any case.
    patience: usize => flag(Count(1, Count::MAX), "N").on_resume();

    /// Unfreeze frozen layers after N epochs
    unfreeze_after: usize => flag(Count(0, Count::MAX), "N").note("never");

    /// Learning rate factor of layers once they are unfrozen
    unfreeze_rate: f64 = 0.1 => flag(Range::AboveZero, "F").needs("unfreeze-after");

    /// Learning rate factors of individual layers, such as conv1=0.1,fc2=2
    rates: Rates = Rates::default() => flag((), "LAYER=F").in_summary();

    /// Fraction of each label that is spread evenly over all classes
    label_smoothing: f64 = 0.0 => flag(Range::Fraction, "F").in_summary();

    /// Weights of classes in the loss: none, balanced, or a list with one weight per class, such as 1,2.5,1
    ///
    /// The loss of a batch is PyTorch's weighted mean. `balanced` weighs every class by the inverse of its number of training
    /// images. Evaluation and the teacher's part of the loss have no weights.
    class_weights: ClassWeights => flag((), "none|balanced|LIST").note("none").in_summary();

    /// Random changes of training images: none, digits, things, or a list such as shift=2,rotate=10
    ///
    /// shift and elastic are in pixels, rotate and shear in degrees, scale and erase in percent, crop in whole pixels; flip
    /// mirrors half of the images. `digits` does not flip, because a mirrored character is another one or none; `things`
    /// does. Every image is changed differently in every epoch, by --seed.
    augment: Augment = Augment::default() => flag((), "CHANGES").in_summary();

    /// Number of epochs, such as 0.5, over which the learning rate grows from 0
    warmup: f64 = 0.0 => flag(Range::FromZero, "EPOCHS").in_summary();

    /// Seed of initial parameters, validation split and order of images
    seed: u64 = 0 => flag(Count(0, u64::MAX), "N");

    /// Number of training images to hold out for validation
    ///
    /// Without the flag, `train` holds out half of a set of fewer than 10,000 images. If the set has a folder val, all of
    /// it is used for validation, unless N is 0.
    validation: usize = 5000 => flag(Count(0, Count::MAX), "N").note("; 0 for finetune; or the set's folder val, if it has one");

    /// Use only the first N training images, in file order
    limit: usize => flag(Count(1, Count::MAX), "N");

    /// Shuffle the training images in every epoch
    shuffle: bool = true => flag((), "").off("Keep the training images in file order");

    /// Stop after N steps
    steps: u64 => flag(Count(1, Count::MAX), "N").on_resume();

    /// Layers to freeze, separated by commas, or none
    freeze: Vec<String> = Vec::new() => flag((), "LAYERS").note("; every conv layer for finetune");

    /// Tile sizes of the kernels: those of a device class, software, integrated or discrete, optionally with other sizes, such
    /// as discrete,conv_o=5, or `table` for those of the device's own class
    tiles: TileSizes => flag((), "").without_flag();

    /// Number of steps between loss entries in events.jsonl
    log_every: u64 = 100 => flag(Count(1, Count::MAX), "N");
}
