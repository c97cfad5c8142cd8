//! Curves of a training.

use super::chart::{Chart, Line, Scale, number};
use super::{Run, percent};
use crate::train::EpochReport;
use maud::{Markup, html};

pub fn panel(run: Run) -> Option<Markup> {
    let report = run.report;
    let epochs = &report.epochs;
    let of = |value: fn(&EpochReport) -> Option<f64>| -> Vec<[f64; 2]> {
        epochs.iter().filter_map(|epoch| Some([epoch.epoch as f64, value(epoch)?])).collect()
    };
    let line = |name: &str, colour: usize, points: Vec<[f64; 2]>| Line {
        name: name.into(),
        colour,
        dash: colour,
        is_faint: false,
        points,
    };
    let end = report.rates.last().map_or(1.0, |point| point[0]).max(epochs.len() as f64).max(1e-3);
    let x = Scale::fixed(0.0, end);
    let marks: Vec<(f64, String)> =
        report.best.map(|best| (best as f64, format!("best epoch: {best}"))).into_iter().collect();
    let batches = Line { is_faint: true, ..line("single batches", 2, report.batch_losses.clone()) };
    let losses = [
        batches,
        line("training", 0, of(|epoch| Some(epoch.train_loss))),
        line("validation", 1, of(|epoch| epoch.validation_loss)),
    ];
    let accuracies = [
        line("validation", 1, of(|epoch| epoch.validation_accuracy)),
        line("older set", 3, of(|epoch| epoch.old_accuracy)),
    ];
    let chart = |title, y: fn(Vec<f64>) -> Scale, shown, lines: Vec<Line>, marks| {
        let lines: Vec<Line> = lines.into_iter().filter(|line| !line.points.is_empty()).collect();
        let values = lines.iter().flat_map(|line| &line.points).map(|point| point[1]).collect();
        let chart = Chart { title, x_title: "epoch", x, y: y(values), shown, lines, marks };
        chart.draw()
    };
    Some(html! {
        div class="charts" {
            (chart("Loss", Scale::log, number, losses.into(), marks.clone()))
            (chart("Accuracy", Scale::linear, |x| format!("{} %", number(100.0 * x)), accuracies.into(), marks))
            (chart("Learning rate", from_zero, number, vec![line("learning rate", 4, report.rates.clone())], Vec::new()))
        }
        @if !epochs.is_empty() { (table(epochs, report.best)) }
    })
}

/// A scale that begins at zero.
fn from_zero(values: Vec<f64>) -> Scale {
    Scale::linear(values.into_iter().chain([0.0]))
}

/// The epochs as a table.
fn table(epochs: &[EpochReport], best: Option<usize>) -> Markup {
    let has_validation = epochs.iter().any(|epoch| epoch.validation_loss.is_some());
    let has_old = epochs.iter().any(|epoch| epoch.old_accuracy.is_some());
    let loss = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    let share = |value: Option<f64>| value.map(percent).unwrap_or_default();
    html! {
        details {
            summary { "The epochs as a table" }
            div class="wide" {
                table class="numbers" {
                    thead {
                        tr {
                            th scope="col" { "epoch" } th scope="col" { "training loss" }
                            @if has_validation { th scope="col" { "validation loss" } th scope="col" { "accuracy" } }
                            @if has_old { th scope="col" { "older set" } }
                            th scope="col" { "seconds" } th scope="col" { "images/s" }
                        }
                    }
                    tbody {
                        @for epoch in epochs {
                            tr {
                                th scope="row" { (epoch.epoch) @if best == Some(epoch.epoch) { " (best)" } }
                                td { (loss(Some(epoch.train_loss))) }
                                @if has_validation { td { (loss(epoch.validation_loss)) } td { (share(epoch.validation_accuracy)) } }
                                @if has_old { td { (share(epoch.old_accuracy)) } }
                                td { (format!("{:.2}", epoch.seconds)) } td { (format!("{:.0}", epoch.images_per_second)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
