//! The result of a run, and how several runs differ.

use super::chart::{Chart, Line, Scale};
use super::{Run, percent};
use crate::report::Examined;
use crate::report::compare::paired;
use maud::{Markup, html};

pub fn panel(run: Run) -> Option<Markup> {
    let report = run.report;
    let frozen =
        if report.frozen.is_empty() { String::new() } else { format!(", frozen: {}", report.frozen.join(", ")) };
    Some(html! {
        @match &report.examined {
            Some(seen) => {
                p class="headline" { strong { (percent(seen.accuracy)) } " of " (seen.total) " " (seen.part) " pictures are right" }
                p {
                    (seen.correct) " right, " (seen.total - seen.correct) " wrong; 95 % interval "
                    (percent(seen.interval[0])) " to " (percent(seen.interval[1])) "; loss " (format!("{:.4}", seen.loss))
                }
            }
            None => p class="headline" { "The pictures are missing: " (report.unexamined.as_deref().unwrap_or("")) }
        }
        dl {
            dt { "Data" } dd { (report.data) }
            dt { "Training" }
            dd {
                (report.command) ", " (counted(report.epochs.len(), "epoch")) ", " (counted(report.steps as usize, "step"))
                @if !report.ended { "; stopped before the end of " (counted(report.config.epochs, "epoch")) }
            }
            @if let Some(best) = report.best.filter(|best| *best < report.epochs.len()) {
                dt { "Model" } dd { "of the last epoch; that of the best one, epoch " (best) ", is in best.safetensors" }
            }
            dt { "Optimizer" } dd { (report.config.summary()) }
            dt { "Network" }
            dd { (report.layers.len()) " layers, " (report.parameters) " parameters" (frozen) }
            dt { "Trained on" } dd { (super::repeat::adapter(&report.trained_on)) }
            dt { "Driver checked" } dd { (super::repeat::verified(report)) }
        }
    })
}

/// `1 epoch`, `2 epochs`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Results and settings of several runs in one table, and their curves in one chart each.
pub fn differences(runs: &[Run]) -> Markup {
    let row = |name: &str, of: &dyn Fn(&Run) -> String| {
        html! { tr { th scope="row" { (name) } @for run in runs { td { (of(run)) } } } }
    };
    let seen = |run: &Run, of: &dyn Fn(&Examined) -> String| run.report.examined.as_ref().map_or("".into(), of);
    html! {
        div class="wide" {
            table {
                thead { tr { td {} @for run in runs { th scope="col" { (run.swatch()) (run.name()) } } } }
                tbody {
                    (row("Accuracy", &|run| seen(run, &|seen| percent(seen.accuracy))))
                    (row("95 % interval", &|run| {
                        seen(run, &|seen| format!("{} to {}", percent(seen.interval[0]), percent(seen.interval[1])))
                    }))
                    (row("Compared with the first run", &|run| against(&runs[0], run)))
                    (row("Loss", &|run| seen(run, &|seen| format!("{:.4}", seen.loss))))
                    (row("Calibration error", &|run| seen(run, &|seen| percent(seen.calibration.error))))
                    (row("Parameters", &|run| run.report.parameters.to_string()))
                    (row("Steps", &|run| run.report.steps.to_string()))
                    (row("Seconds of training", &|run| {
                        format!("{:.2}", run.report.epochs.iter().map(|epoch| epoch.seconds).sum::<f64>())
                    }))
                    @for (key, values) in settings(runs) {
                        tr { th scope="row" { code { (key) } } @for value in values { td { (value) } } }
                    }
                }
            }
        }
        div class="charts" {
            (curves(runs, "Validation loss", Scale::log, super::chart::number, |epoch| epoch.validation_loss))
            (curves(runs, "Validation accuracy", Scale::linear, |x| format!("{} %", super::chart::number(100.0 * x)),
                |epoch| epoch.validation_accuracy))
        }
    }
}

/// Settings that differ, and their values in each run.
fn settings(runs: &[Run]) -> Vec<(&'static str, Vec<String>)> {
    let all: Vec<Vec<(&'static str, String)>> = runs.iter().map(|run| run.report.config.entries()).collect();
    let mut keys: Vec<&'static str> = Vec::new();
    for (key, _) in all.iter().flatten() {
        if !keys.contains(key) {
            keys.push(key);
        }
    }
    let values = |key: &'static str| {
        let of = |entries: &Vec<(&'static str, String)>| {
            entries.iter().find(|(other, _)| *other == key).map_or_else(String::new, |(_, value)| value.clone())
        };
        (key, all.iter().map(of).collect::<Vec<String>>())
    };
    keys.into_iter().map(values).filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

/// A run against the first one, if both were examined on the same pictures.
fn against(first: &Run, run: &Run) -> String {
    let (Some(a), Some(b)) = (&first.report.examined, &run.report.examined) else { return String::new() };
    if run.number == first.number {
        return String::new();
    }
    if a.set != b.set || first.report.classes != run.report.classes {
        return "other pictures".into();
    }
    let right = |seen: &Examined| -> Vec<bool> {
        seen.answers.iter().zip(&seen.set.labels).map(|((class, _), &label)| *class == usize::from(label)).collect()
    };
    let found = paired(right(a), right(b));
    if found.only_first + found.only_second == 0 {
        return "no difference".into();
    }
    let verdict = if found.p < 0.05 { "probably a real difference" } else { "may be chance" };
    let p = if found.p < 0.001 { "p < 0.001".into() } else { format!("p = {:.3}", found.p) };
    format!("{} more right, {} more wrong, {p}: {verdict}", found.only_second, found.only_first)
}

fn curves(
    runs: &[Run],
    title: &str,
    scale: fn(Vec<f64>) -> Scale,
    shown: fn(f64) -> String,
    of: fn(&crate::train::EpochReport) -> Option<f64>,
) -> Markup {
    let points = |run: &Run| -> Vec<[f64; 2]> {
        run.report.epochs.iter().filter_map(|epoch| Some([epoch.epoch as f64, of(epoch)?])).collect()
    };
    let lines: Vec<Line> = runs
        .iter()
        .map(|run| Line {
            name: run.name(),
            colour: run.number,
            dash: run.number,
            is_faint: false,
            points: points(run),
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    let values: Vec<f64> = lines.iter().flat_map(|line| &line.points).map(|point| point[1]).collect();
    let last = lines.iter().flat_map(|line| &line.points).map(|point| point[0]).fold(1.0, f64::max);
    let chart = Chart {
        title,
        x_title: "epoch",
        x: Scale::fixed(0.0, last),
        y: scale(values),
        shown,
        lines,
        marks: Vec::new(),
    };
    chart.draw()
}
