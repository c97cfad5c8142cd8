//! Finds tile sizes for a device: coordinate descent from its table, by the time of training steps.

use super::step::{Stepper, dispatches, does_not_fit};
use super::{Setting, Stat};
use crate::gpu::Device;
use crate::kernels::Tiles;
use crate::recorder::{Options, Work};
use crate::train::TrainError;
use crate::verify::step_agrees;
use std::time::{Duration, Instant};

/// The result of tuning.
#[derive(Clone, Debug)]
pub struct Tuned {
    pub tiles: Tiles,
    /// Time of a step relative to the table's, from alternating runs: the geometric mean over the networks.
    pub ratio: f64,
    /// Seconds per step of the first network, with the table and with the result.
    pub seconds: [f64; 2],
    /// Number of candidates that were measured.
    pub tried: usize,
    /// Candidates that were faster, but did not agree with the reference.
    pub wrong: Vec<String>,
    /// False if the time limit was reached before all candidates were tried.
    pub finished: bool,
}

/// Ratio below which a candidate is worth a second measurement, and below which it then wins.
const PROMISING: f64 = 0.97;
const FASTER: f64 = 0.98;

/// Runs of a first and of a deciding measurement.
const RUNS: usize = 3;
const DECIDING: usize = 9;

/// Part of the time that is kept for the last comparison with the table.
const LAST: f64 = 0.1;

/// Steps of all networks with one table.
struct Steps<'d>(Vec<Stepper<'d>>);

impl<'d> Steps<'d> {
    fn new(device: &'d Device, settings: &[Setting], tiles: Tiles) -> Result<Steps<'d>, TrainError> {
        // SAFETY: these are the crate's own shaders.
        let stepper =
            |setting: &Setting| unsafe { Stepper::new(device, &Setting { tiles, ..*setting }, |spec| spec.wgsl) };
        settings.iter().map(stepper).collect::<Result<_, _>>().map(Steps)
    }

    /// Time relative to that of other steps.
    fn ratio(&self, to: &Steps, runs: usize) -> Result<f64, TrainError> {
        Ok(geometric_mean(&self.timed(to, runs)?))
    }

    /// For each network the median time of a step, that of other steps, and of the ratios of runs that follow each other.
    fn timed(&self, to: &Steps, runs: usize) -> Result<Vec<[f64; 3]>, TrainError> {
        let timed = self.0.iter().zip(&to.0).map(|(own, other)| {
            let (mut times, mut others, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for run in 0..runs {
                // The order alternates, so that neither always follows the other.
                let (time, of_other) = match run % 2 {
                    0 => (own.step(run)?, other.step(run)?),
                    _ => {
                        let of_other = other.step(run)?;
                        (own.step(run)?, of_other)
                    }
                };
                times.push(time);
                others.push(of_other);
                ratios.push(time / of_other);
            }
            Ok([times, others, ratios].map(|values| Stat::of(&values).median))
        });
        timed.collect()
    }
}

/// Mean of the ratios of several networks.
fn geometric_mean(timed: &[[f64; 3]]) -> f64 {
    let product: f64 = timed.iter().map(|[.., ratio]| ratio).product();
    libm::pow(product, 1.0 / timed.len() as f64)
}

/// Searches tile sizes for steps of all settings within a time limit, from those of `settings[0]`, and passes the candidate
/// and the best ratio so far to `tell`. Returns `table` if nothing faster is found. What wins must agree with the reference.
///
/// # Errors
/// If the steps do not run with the table, or the device fails.
pub fn tune(
    device: &Device,
    settings: &[Setting],
    table: Tiles,
    limit: Duration,
    tell: impl Fn(&str, Duration, f64),
) -> Result<Tuned, TrainError> {
    let (began, start) = (Instant::now(), settings[0].tiles);
    let rest = limit.mul_f64(1.0 - LAST);
    let changes = |tiles: Tiles, from: Tiles| {
        settings.iter().any(|setting| {
            let of = |tiles| dispatches(&Setting { tiles, ..*setting }).ok();
            of(tiles) != of(from)
        })
    };
    let of_table = Steps::new(device, settings, table)?;
    let (mut best, mut steps) = (start, Steps::new(device, settings, start)?);
    let mut tuned = Tuned { tiles: table, ratio: 1.0, seconds: [0.0; 2], tried: 0, wrong: Vec::new(), finished: false };
    'search: loop {
        let before = best;
        for (entry, values) in Tiles::CANDIDATES {
            let mut candidate: Option<(f64, Tiles, Steps)> = None;
            for &value in values {
                let tiles = best.with(entry, value);
                if best.get(entry) == value || !changes(tiles, best) {
                    continue;
                }
                if began.elapsed() > rest {
                    break 'search;
                }
                tell(&format!("{entry}={value}"), began.elapsed(), tuned.ratio);
                tuned.tried += 1;
                let other = match Steps::new(device, settings, tiles) {
                    Err(error) if does_not_fit(&error) => continue,
                    other => other?,
                };
                let ratio = other.ratio(&steps, RUNS)?;
                if ratio < PROMISING && candidate.as_ref().is_none_or(|(least, ..)| ratio < *least) {
                    candidate = Some((ratio, tiles, other));
                }
            }
            let Some((_, tiles, other)) = candidate else { continue };
            if other.ratio(&steps, DECIDING)? >= FASTER {
                continue;
            }
            if let Some(failure) = disagreement(device, settings, tiles)? {
                let wrong = format!("{tiles}: {failure}");
                if !tuned.wrong.contains(&wrong) {
                    tuned.wrong.push(wrong);
                }
                continue;
            }
            (best, steps) = (tiles, other);
            tuned.ratio = steps.ratio(&of_table, RUNS)?;
        }
        if best == before {
            tuned.finished = true;
            break;
        }
    }
    // Discard a result that the final measurement does not confirm.
    let timed = steps.timed(&of_table, DECIDING)?;
    let [of_best, usual, _] = timed[0];
    (tuned.ratio, tuned.seconds) = (geometric_mean(&timed), [usual, of_best]);
    if best == table || tuned.ratio >= FASTER {
        (best, tuned.ratio, tuned.seconds) = (table, 1.0, [usual; 2]);
    }
    Ok(Tuned { tiles: best, ..tuned })
}

/// The first difference from the reference with these tiles, if any: in a training step of a whole batch and of a short one,
/// and in an evaluation.
fn disagreement(device: &Device, settings: &[Setting], tiles: Tiles) -> Result<Option<String>, TrainError> {
    for setting in settings {
        let (batch, unfused) = (setting.batch, setting.unfused);
        // One image less: a part of a batch without any image would prove nothing.
        let short = (batch - 1).max(1);
        for (work, rows) in [(Work::Train, batch), (Work::Train, short), (Work::Infer, batch)] {
            let options = Options { work, unfused, ..Options::new(batch, 2 * batch, rows, tiles) };
            if let Some(failure) = step_agrees(device, setting.network, &options)?.into_iter().next() {
                return Ok(Some(failure));
            }
        }
    }
    Ok(None)
}
