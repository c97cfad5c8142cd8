//! A run on one page: a self-contained HTML file with its curves, its mistakes, and what the network has learned.
//!
//! [`Report::of`] gathers everything about a run, [`html()`] draws the page of one or several. The same run on the same adapter
//! gives the same bytes.

mod calibration;
mod channels;
mod compare;
mod examined;
mod page;
mod pictures;
mod projection;
mod suspects;

pub use examined::Examined;
pub use page::{html, is_report};

use crate::explain::ExplainError;
use crate::gpu::{AdapterInfo, Device};
use crate::layers::Shape;
use crate::model::Model;
use crate::settings::Config;
use crate::text::quoted;
use crate::train::{EpochReport, History, Record, Recorded, Reread, recipe_text};
use serde::Serialize;
use std::path::Path;

/// Maximum number of points of a curve.
const CURVE: usize = 300;

/// Everything that a page shows about a run.
#[derive(Serialize)]
pub struct Report {
    pub run: String,
    pub command: String,
    /// The command that repeats the run, and the recipe that it needs.
    pub repeat: String,
    pub recipe: String,
    /// The adapter of the training, as it is in the log.
    pub trained_on: serde_json::Value,
    /// The adapter that examined the model, and the result of `verify` on it, if it is known.
    pub adapter: AdapterInfo,
    pub verified: Option<Verified>,
    pub data: String,
    pub classes: Vec<String>,
    pub steps: u64,
    /// False if the run was stopped or is still in progress.
    pub ended: bool,
    pub epochs: Vec<EpochReport>,
    /// The epoch with the best validation.
    pub best: Option<usize>,
    /// Losses of single batches, and learning rates: pairs of a position in epochs and a value.
    pub batch_losses: Vec<[f64; 2]>,
    pub rates: Vec<[f64; 2]>,
    pub layers: Vec<LayerRow>,
    pub parameters: usize,
    pub frozen: Vec<String>,
    /// `None` if the data could not be read, or has neither a test nor a validation part.
    pub examined: Option<Examined>,
    /// Why `examined` is `None`.
    pub unexamined: Option<String>,
    #[serde(skip)]
    pub config: Config,
    #[serde(skip)]
    pub model: Model,
}

/// A layer of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerRow {
    pub name: String,
    pub kind: &'static str,
    pub describe: String,
    pub output: Shape,
    pub parameters: usize,
    pub multiply_adds: usize,
}

/// The result of `verify` on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Verified {
    pub cases: usize,
    pub passed: usize,
}

impl Report {
    /// Gathers a report about the run in a folder. `data` are its images, or the reason why they are missing.
    ///
    /// # Errors
    /// If the device fails or does not fit the network.
    pub fn of(
        device: &Device,
        run: &Path,
        recorded: Recorded,
        history: History,
        data: Result<Reread, String>,
        verified: Option<Verified>,
    ) -> Result<Report, ExplainError> {
        let Recorded { model, state } = recorded;
        let Record { command, config, step, epoch, reports, .. } = state.record;
        let (images, name, moved) = match &data {
            Ok(data) => {
                let place = Some(data.source.wanted.clone()).filter(|place| *place != config.data);
                (Some(data.indices.len()), data.source.name.clone(), place)
            }
            Err(_) => (None, model.training["data"].as_str().unwrap_or("unknown").into(), None),
        };
        // Without the data, the record tells how many steps an epoch has, if one was finished.
        let batches = match images {
            Some(images) => images.div_ceil(config.batch.min(images).max(1)),
            None if epoch > 1 => (step as usize / (epoch - 1)).max(1),
            None => (step as usize).max(1),
        };
        let batch_losses =
            history.steps.iter().map(|&(step, loss)| [step as f64 / batches as f64, loss]).collect::<Vec<_>>();
        let rate = |at: usize| {
            let (epoch, i) = (at / batches + 1, at % batches);
            [
                at as f64 / batches as f64,
                config.schedule.rate(config.lr, config.warmup, epoch, i, batches, config.epochs),
            ]
        };
        let rates: Vec<[f64; 2]> = (0..step as usize).map(rate).collect();
        let (examined, unexamined) = match data {
            Ok(data) => match Examined::of(device, &model, data)? {
                Some(examined) => (Some(examined), None),
                None => (None, Some("the data have neither test nor validation images".into())),
            },
            Err(reason) => (None, Some(reason)),
        };
        let ended = epoch > config.epochs || config.is_stalled(&reports);
        let mut repeat = format!("mnist-gpu {command} --recipe {}", quoted(run.join("recipe.toml")));
        if !ended {
            repeat.push_str(&format!(" --steps {step}"));
        }
        if let Some(place) = moved {
            repeat.push_str(&format!(" --data {}", quoted(place)));
        }
        let network = &model.network;
        let row = |node: &crate::layers::Node| LayerRow {
            name: node.name.clone(),
            kind: node.layer.kind(),
            describe: node.layer.describe(),
            output: node.output,
            parameters: network.parameters_of(&node.name),
            multiply_adds: node.multiply_adds(),
        };
        Ok(Report {
            run: run.display().to_string(),
            repeat,
            command,
            recipe: recipe_text(&config).unwrap_or_default(),
            trained_on: history.adapter,
            adapter: device.info.clone(),
            verified,
            data: name,
            classes: model.class_names.clone(),
            steps: step,
            ended,
            best: Config::best(&reports),
            epochs: reports,
            batch_losses: thinned(&batch_losses),
            rates: thinned(&rates),
            layers: network.nodes().iter().map(row).collect(),
            parameters: network.parameter_count(),
            frozen: config.freeze.clone(),
            examined,
            unexamined,
            config,
            model,
        })
    }
}

/// A curve with fewer points, each the mean of several.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let bunch = points.len().div_ceil(CURVE).max(1);
    let mean = |points: &[[f64; 2]]| {
        let sum = points.iter().fold([0.0; 2], |sum, point| [sum[0] + point[0], sum[1] + point[1]]);
        sum.map(|sum| sum / points.len() as f64)
    };
    points.chunks(bunch).map(mean).collect()
}
