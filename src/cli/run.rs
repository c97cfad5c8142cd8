//! A run in the terminal: its messages, progress and report.

use super::{CacheArgs, Console, DeviceArgs, listed};
use crate::gpu::Device;
use crate::settings::Config;
use crate::text::{Shown, quoted};
use crate::train::{BEST, Event, Forgetting, MODEL, Outcome, Prepared, Trainer, wilson};
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Carries out a run, new or resumed, and reports on it.
///
/// # Errors
/// Any error.
pub fn carry_out(
    mut prepared: Prepared,
    out: &Path,
    device: &DeviceArgs,
    page: Option<&CacheArgs>,
    console: &Console,
    began: Instant,
) -> anyhow::Result<()> {
    let device = device.open_for_run(&mut prepared.config, prepared.resume.is_some(), console)?;
    carry_out_on(&device, prepared, out, page, console, began)
}

/// Carries out a run on a device that is open. `page` locates the data for the page about the run, if one is wanted.
///
/// # Errors
/// Any error.
pub fn carry_out_on(
    device: &Device,
    prepared: Prepared,
    out: &Path,
    page: Option<&CacheArgs>,
    console: &Console,
    began: Instant,
) -> anyhow::Result<()> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let config = prepared.config.clone();
    let counts = [prepared.indices.len(), prepared.held_out.len(), prepared.test.labels.len()];
    let classes = prepared.model.network.classes();
    let guess = guess(&prepared.test.labels);
    let source = prepared.source.clone().context("the run has no data source")?;
    let (command, data) = (prepared.command, source.name.clone());
    let mut described = json!({"name": data, "train": counts[0], "validation": counts[1], "test": counts[2]});
    super::add_skipped(&mut described, &prepared.unfit.skipped);
    super::add_passed_over(&mut described, &source);
    console.note(format!(
        "data {data} ({}): {} training, {} validation and {} test images; {classes} classes",
        source.place(),
        counts[0],
        counts[1],
        counts[2]
    ));
    super::tell_unfit(&prepared.unfit, console);
    prepared.notes.iter().for_each(|note| console.warn(note));
    let trainable = prepared.model.network.trainable_count(&config.freeze);
    console.note(format!(
        "seed {}, {} epochs, batch {}, {}; {trainable} of {} parameters are trained{}",
        config.seed,
        config.epochs,
        config.batch,
        config.summary(),
        prepared.model.network.parameter_count(),
        if config.freeze.is_empty() { String::new() } else { format!(", {} frozen", listed(&config.freeze)) }
    ));

    listen_for_signals(&STOP)?;
    let tell = |event: &Event| tell(event, console, &config);
    let trainer = Trainer::new(device, prepared, Some(out), &STOP, &tell)?;
    console.note(format!("run {}", Shown::from(out)));
    let setup = began.elapsed();
    let outcome = trainer.train();
    console.clear_bar();
    let outcome = outcome?;
    let done = outcome.reports.len();
    match Config::best(&outcome.reports) {
        Some(best) if config.is_stalled(&outcome.reports) && done < config.epochs => console.note(format!(
            "stopped after epoch {done}: no improvement since epoch {best}, whose model is in {}",
            Shown::from(&outcome.folder.join(BEST))
        )),
        Some(best) if best < done => {
            console.note(format!("best epoch: {best}; its model is in {}", Shown::from(&outcome.folder.join(BEST))));
        }
        _ => {}
    }
    advice(&outcome, command, counts[0], guess, &config).iter().for_each(|note| console.warn(note));
    let times = [setup, began.elapsed()];
    let page = page.map(|cache| super::report::of_run(out, cache, device, console)).transpose();
    let drawn = page.as_ref().ok().and_then(|page| page.as_deref());
    report(&outcome, command, described, device, &config.freeze, times, drawn, console);
    if page?.is_none() {
        console.note(format!("a page about it: mnist-gpu report {}", quoted(out)));
    }
    Ok(())
}

/// Number of training images below which fine-tuning usually beats training from nothing, and Adam beats SGD at it.
pub const FEW: usize = 2000;
/// Accuracy below which a run on few images is worth a hint.
const GOOD: f64 = 0.95;

/// Accuracy of always guessing the most frequent class.
fn guess(labels: &[u8]) -> f64 {
    let count = |class: u8| labels.iter().filter(|&&label| label == class).count();
    (0..=255).map(count).max().unwrap_or(0) as f64 / labels.len().max(1) as f64
}

/// Hints for a run whose result is no better than guessing, or could be better on so few images.
fn advice(outcome: &Outcome, command: &str, images: usize, guess: f64, config: &Config) -> Option<String> {
    let (correct, tested) = (outcome.correct, outcome.test.predicted.len());
    if tested == 0 {
        return None;
    }
    let accuracy = correct as f64 / tested as f64;
    let better = match command {
        "train" if images < FEW => format!("`mnist-gpu finetune pretrained --data {}`", quoted(&config.data)),
        "train" => "more epochs, another learning rate (--lr), or --recipe best".into(),
        _ => "more epochs, another learning rate (--lr), or --freeze none".into(),
    };
    if wilson(correct, tested).0 <= guess {
        return Some(format!(
            "this is not clearly better than always guessing one class ({:.2} %); try {better}",
            100.0 * guess
        ));
    }
    (command == "train" && images < FEW && accuracy < GOOD)
        .then(|| format!("{images} images are few to train a network from nothing; try {better}"))
}

/// Sets `stop` on Ctrl-C, SIGTERM and SIGHUP, unless SIGHUP is ignored, as under `nohup`. A second signal ends the
/// program at once.
pub(super) fn listen_for_signals(stop: &'static AtomicBool) -> anyhow::Result<()> {
    let handler = || {
        if stop.swap(true, Ordering::Relaxed) {
            super::end_at_once(130);
        }
    };
    #[cfg(unix)]
    // SAFETY: this only reads a signal's disposition.
    let hang_up_is_ignored = unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
    };
    ctrlc::set_handler(handler).context("cannot install a handler for Ctrl-C")?;
    #[cfg(unix)]
    if hang_up_is_ignored {
        // SAFETY: no function is installed.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
    Ok(())
}

fn tell(event: &Event, console: &Console, config: &Config) {
    match event {
        Event::Progress { epoch, rows, of, step, loss } => {
            let template = "{msg} [{bar:30}] {percent:>3} %, {rate} images/s, {eta} left";
            let message = format!("epoch {epoch} of {}, step {step}, loss {loss:.4}", config.epochs);
            console.bar(&format!("epoch {epoch}"), *rows as u64, Some(*of as u64), template, message);
        }
        Event::Epoch(report) => {
            console.clear_bar();
            let validation = match (report.validation_loss, report.validation_accuracy) {
                (Some(loss), Some(accuracy)) => {
                    format!(", validation loss {loss:.4}, accuracy {:.2} %", 100.0 * accuracy)
                }
                _ => String::new(),
            };
            let old = report.old_accuracy.map(|old| format!(", old set {:.2} %", 100.0 * old)).unwrap_or_default();
            console.note(format!(
                "epoch {:>2} of {}: loss {:.4}{validation}{old}, {:.2} s, {:.0} images/s",
                report.epoch, config.epochs, report.train_loss, report.seconds, report.images_per_second
            ));
        }
        Event::Before { data, accuracy } => {
            console.note(format!(
                "old set {}: accuracy {:.2} % before the training",
                Shown::from(*data),
                100.0 * accuracy
            ));
        }
        Event::Features { layers, images, seconds } => console.note(format!(
            "{} computed once for {images} images in {seconds:.2} s, since only later layers are trained",
            listed(layers)
        )),
        Event::Unfrozen { epoch, layers } => {
            let (verb, layers) = (if layers.len() == 1 { "is" } else { "are" }, listed(layers));
            console.note(format!(
                "from epoch {epoch} on, {layers} {verb} trained too, at {} of the learning rate",
                config.unfreeze_rate
            ));
        }
        Event::Step { step, loss } => console.detail(format!("step {step}: loss {loss:.6}")),
        _ => {}
    }
}

#[expect(clippy::too_many_arguments, reason = "everything that is told of a run")]
fn report(
    outcome: &Outcome,
    command: &str,
    data: serde_json::Value,
    device: &Device,
    frozen: &[String],
    [setup, total]: [std::time::Duration; 2],
    page: Option<&Path>,
    console: &Console,
) {
    let (tested, model) = (outcome.test.predicted.len(), outcome.folder.join(MODEL));
    let accuracy = outcome.correct as f64 / tested as f64;
    if !console.json {
        console.result(format!(
            "test accuracy {:.2} % ({} of {tested}), loss {:.4}",
            100.0 * accuracy,
            outcome.correct,
            outcome.test.mean_loss()
        ));
        if let Some(Forgetting { name, before, after: Some(after) }) = &outcome.old {
            let before = before.map(|before| format!("{:.2} % before, ", 100.0 * before)).unwrap_or_default();
            console.result(format!("old set {}: {before}{:.2} % after", Shown::from(name), 100.0 * after));
        }
        console.result(format!("model {}", Shown::from(&model)));
        if let Some(page) = page {
            console.result(format!("page {}", Shown::from(page)));
        }
        return;
    }
    let network = &outcome.model.network;
    let mut result = json!({
        "command": command,
        "run": outcome.folder.display().to_string(),
        "model": model.display().to_string(),
        "adapter": device.info,
        "data": data,
        "network": {
            "parameters": network.parameter_count(),
            "trainable": network.trainable_count(frozen),
            "frozen": frozen,
        },
        "steps": outcome.steps,
        "dispatches_per_step": outcome.dispatches_per_step,
        "epochs": outcome.reports,
        "test": {
            "correct": outcome.correct,
            "total": tested,
            "accuracy": accuracy,
            "loss": outcome.test.mean_loss(),
        },
        "seconds": {
            "setup": setup.as_secs_f64(),
            "train": outcome.train_time.as_secs_f64(),
            "total": total.as_secs_f64(),
        },
    });
    if let Some(old) = &outcome.old {
        result["old"] = json!(old);
    }
    if let Some(page) = page {
        result["page"] = page.display().to_string().into();
    }
    console.result_json(&result);
}
