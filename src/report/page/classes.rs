//! The confusion matrix with its pictures, and the scores of each class.

use super::{Run, image_name, percent, thumbnail};
use crate::report::{Examined, pictures};
use maud::{Markup, html};

/// Largest number of classes whose matrix is a table.
const MATRIX: usize = 60;
/// Pictures of all cells of a page, of a cell of mistakes, and of one of right predictions.
const PICTURES: usize = 700;
const OF_MISTAKES: usize = 24;
const OF_RIGHT: usize = 10;
/// Rows of the list of most frequent mistakes.
const PAIRS: usize = 40;

/// A cell of the matrix: a label and a prediction.
struct Cell {
    label: usize,
    predicted: usize,
    count: usize,
    /// Images that are shown.
    images: Vec<usize>,
}

/// The cells with pictures: those of mistakes first, the most frequent ones first.
fn cells(run: Run, seen: &Examined) -> Vec<Cell> {
    let classes = run.report.classes.len();
    let mut cells: Vec<Cell> = Vec::new();
    for label in 0..classes {
        for predicted in 0..classes {
            let count = seen.confusion.counts[label][predicted];
            if count > 0 {
                cells.push(Cell { label, predicted, count, images: Vec::new() });
            }
        }
    }
    cells.sort_by_key(|cell| (cell.label == cell.predicted, std::cmp::Reverse(cell.count)));
    let mut of = vec![Vec::new(); classes * classes];
    for (image, ((predicted, _), &label)) in seen.answers.iter().zip(&seen.set.labels).enumerate() {
        of[usize::from(label) * classes + predicted].push(image);
    }
    let mut left = run.share(PICTURES);
    for cell in &mut cells {
        let mut images = std::mem::take(&mut of[cell.label * classes + cell.predicted]);
        images.sort_by(|&a, &b| seen.answers[a].1.total_cmp(&seen.answers[b].1));
        let most = if cell.label == cell.predicted {
            OF_RIGHT
        } else {
            images.reverse();
            OF_MISTAKES
        };
        images.truncate(most.min(left));
        left -= images.len();
        cell.images = images;
    }
    cells
}

pub fn confusion(run: Run) -> Option<Markup> {
    let seen = run.report.examined.as_ref()?;
    let cells = cells(run, seen);
    let classes = run.report.classes.len();
    let id = |label: usize, predicted: usize| format!("r{}-{label}-{predicted}", run.number);
    Some(html! {
        @if classes <= MATRIX {
            (matrix(run, seen, &cells, &id))
        } @else {
            (pairs(run, &cells, &id))
        }
        @for cell in cells.iter().filter(|cell| !cell.images.is_empty()) {
            div class={ "cell" @if cell.label == cell.predicted { " right" } } id=(id(cell.label, cell.predicted)) tabindex="-1" {
                h4 {
                    (run.class(cell.label)) " read as " (run.class(cell.predicted)) ": "
                    @if cell.images.len() < cell.count { (cell.images.len()) " of " }
                    (cell.count) " " a class="back" href="#confusion" { "back" }
                }
                div class="pictures" {
                    @for &image in &cell.images {
                        @let file = seen.files[1].get(image).map(|file| file.to_string_lossy());
                        @let name = image_name(file.as_deref(), image);
                        figure {
                            (thumbnail(&pictures::ink(&seen.set, image), &format!("picture {name}")))
                            figcaption { (name) br; (percent(seen.answers[image].1)) }
                        }
                    }
                }
            }
        }
    })
}

/// The matrix as a table, shaded by the share of each row.
fn matrix(run: Run, seen: &Examined, cells: &[Cell], id: &dyn Fn(usize, usize) -> String) -> Markup {
    let classes = run.report.classes.len();
    let has_pictures =
        |label, predicted| cells.iter().any(|c| (c.label, c.predicted) == (label, predicted) && !c.images.is_empty());
    let shade = |label: usize, predicted: usize| {
        let (count, of) = (seen.confusion.counts[label][predicted], seen.confusion.scores(label).support.max(1));
        // By the square root, so that single mistakes are seen.
        ((count as f64 / of as f64).sqrt() * 8.0).ceil() as usize
    };
    html! {
        div class="wide" {
            table class="matrix" {
                thead {
                    tr { td {} @for class in 0..classes { th scope="col" { (run.class(class)) } } }
                }
                tbody {
                    @for label in 0..classes {
                        tr {
                            th scope="row" { (run.class(label)) }
                            @for predicted in 0..classes {
                                @let count = seen.confusion.counts[label][predicted];
                                td class={ @if label == predicted { "good" } @else { "bad" } " s" (shade(label, predicted)) } {
                                    @if has_pictures(label, predicted) {
                                        a href={ "#" (id(label, predicted)) }
                                            title={ (run.class(label)) " read as " (run.class(predicted)) } { (count) }
                                    } @else if count > 0 { (count) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The most frequent mistakes, if there are too many classes for a matrix.
fn pairs(run: Run, cells: &[Cell], id: &dyn Fn(usize, usize) -> String) -> Markup {
    html! {
        div class="wide" {
            table class="numbers" {
                thead { tr { th scope="col" { "label" } th scope="col" { "read as" } th scope="col" { "pictures" } } }
                tbody {
                    @for cell in cells.iter().filter(|cell| cell.label != cell.predicted).take(PAIRS) {
                        tr {
                            td { (run.class(cell.label)) } td { (run.class(cell.predicted)) }
                            td {
                                @if cell.images.is_empty() { (cell.count) }
                                @else { a href={ "#" (id(cell.label, cell.predicted)) } { (cell.count) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub fn scores(run: Run) -> Option<Markup> {
    let seen = run.report.examined.as_ref()?;
    let bar = |value: f64| {
        html! {
            (format!("{value:.4}"))
            svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                rect class="full" width="100" height="4" {} rect class="part" width=(super::chart::at(100.0 * value)) height="4" {}
            }
        }
    };
    Some(html! {
        div class="wide" {
            table class="numbers" {
                thead {
                    tr {
                        th scope="col" { "class" } th scope="col" { "pictures" } th scope="col" { "precision" }
                        th scope="col" { "recall" } th scope="col" { "F1" }
                    }
                }
                tbody {
                    @for class in 0..run.report.classes.len() {
                        @let scores = seen.confusion.scores(class);
                        tr {
                            th scope="row" { (run.class(class)) } td { (scores.support) }
                            td { (bar(scores.precision)) } td { (bar(scores.recall)) } td { (bar(scores.f1)) }
                        }
                    }
                }
            }
        }
    })
}
