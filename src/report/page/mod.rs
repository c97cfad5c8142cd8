//! The page: one section per subject, with a panel for each run.

mod calibration;
mod chart;
mod classes;
mod mistakes;
mod network;
mod projection;
mod repeat;
mod results;
mod training;

use super::Report;
use super::pictures::Picture;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::io::Read;

/// The style of all pages, and that of reports.
const STYLE: [&str; 2] =
    [include_str!("../../../assets/web/style.css"), include_str!("../../../assets/web/report.css")];

/// Nothing is loaded from anywhere, and no script runs.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// Side of a thumbnail in CSS pixels.
const THUMBNAIL: usize = 56;

/// A report and its number on the page.
#[derive(Clone, Copy)]
struct Run<'a> {
    number: usize,
    report: &'a Report,
    /// Number of runs on the page.
    of: usize,
}

/// Draws the page of one run, or of several side by side.
pub fn html(reports: &[Report]) -> String {
    let of = reports.len();
    let runs: Vec<Run> = reports.iter().enumerate().map(|(number, report)| Run { number, report, of }).collect();
    let title = match &runs[..] {
        [run] => format!("Run {}", run.name()),
        _ => format!("{of} runs compared"),
    };
    let sections = sections(&runs);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ "mnist-gpu " (env!("CARGO_PKG_VERSION")) };
                title { (title) }
                style { (PreEscaped(STYLE.concat())) }
            }
            body {
                a class="skip" href="#main" { "Skip to the results" }
                header {
                    h1 { (title) }
                    nav aria-label="Sections" {
                        @for section in &sections { a href={ "#" (section.id) } { (section.title) } }
                    }
                }
                main id="main" {
                    @for section in &sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } { (section.title) }
                            @if !section.about.is_empty() { p class="about" { (section.about) } }
                            (section.content)
                        }
                    }
                }
                footer { p { "Made by mnist-gpu " (env!("CARGO_PKG_VERSION")) "." } }
            }
        }
    };
    page.into_string()
}

/// Returns true if a file is a page that [`html()`] drew.
pub fn is_report(path: &std::path::Path) -> bool {
    let mut start = Vec::new();
    let read = crate::files::open(path).and_then(|(file, _)| file.take(1024).read_to_end(&mut start));
    read.is_ok() && String::from_utf8_lossy(&start).contains(r#"<meta name="generator" content="mnist-gpu "#)
}

/// A section of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    content: Markup,
}

/// All sections that have something to show.
fn sections(runs: &[Run]) -> Vec<Section> {
    let mut all = Vec::new();
    if runs.len() > 1 {
        all.push(Section {
            id: "differences",
            title: "Differences",
            about: "Results, and the settings that are not the same in all runs.",
            content: results::differences(runs),
        });
    }
    let mut add = |id, title, about, panel: fn(Run) -> Option<Markup>| {
        let panels: Vec<_> = runs.iter().filter_map(|&run| Some((run, panel(run)?))).collect();
        if !panels.is_empty() {
            let content = html! {
                div class="panels" {
                    @for (run, panel) in &panels {
                        div class="panel" {
                            @if run.of > 1 { h3 { (run.swatch()) (run.name()) } }
                            (panel)
                        }
                    }
                }
            };
            all.push(Section { id, title, about, content });
        }
    };
    add("results", "Results", "", results::panel);
    add("training", "Training", "", training::panel);
    add(
        "confusion",
        "Confusion",
        "Rows are labels, columns are predictions. A number leads to its pictures: of mistakes the most confident ones, of \
         right predictions the least certain ones.",
        classes::confusion,
    );
    add("classes", "Classes", "", classes::scores);
    add(
        "mistakes",
        "Most confident mistakes",
        "Beside each picture the pixels that speak for the class that was predicted, and those that speak for the label: orange \
         for the class, blue against it (integrated gradients, from a blank image).",
        mistakes::panel,
    );
    add(
        "labels",
        "Labels to check",
        "Pictures whose label is probably wrong: another class is at least as probable as it usually is for its own pictures \
         (confident learning). The network was not trained on them.",
        mistakes::labels,
    );
    add("calibration", "Calibration", "Whether the network is right as often as it is sure.", calibration::panel);
    add("network", "Network", "", network::panel);
    add(
        "channels",
        "What the channels respond to",
        "For each channel of each convolution, the parts of pictures with its nine largest outputs, each from another \
         picture. Filters of the first layer: orange weights are positive, blue ones negative.",
        network::channels,
    );
    add(
        "map",
        "Map of the pictures",
        "What the last layer sees of each picture, along the two directions in which pictures differ most (principal \
         component analysis). Rings are mistakes.",
        projection::panel,
    );
    add("repeat", "Repeat this run", "", repeat::panel);
    all
}

impl Run<'_> {
    /// Name of the run's folder.
    fn name(&self) -> String {
        let path = std::path::Path::new(&self.report.run);
        // `runs/x/.` and `..` have no name of their own.
        path.file_name().map_or_else(|| self.report.run.clone(), |name| name.to_string_lossy().into_owned())
    }

    /// Name of a class.
    fn class(&self, class: usize) -> &str {
        &self.report.classes[class]
    }

    /// The colour of the run in charts.
    fn swatch(&self) -> Markup {
        chart::swatch(&format!("line c{} d{}", self.number % 8, self.number % 4))
    }

    /// How many pictures a list may have, if `alone` is what a page of a single run has.
    fn share(&self, alone: usize) -> usize {
        (alone / self.of).max(4)
    }
}

/// A small picture.
fn thumbnail(picture: &Picture, description: &str) -> Markup {
    // The longer side is that of the frame.
    let longer = picture.width.max(picture.height).max(1);
    let [width, height] = [picture.width, picture.height].map(|side| (side * THUMBNAIL).div_ceil(longer));
    html! { img src=(picture.uri) width=(width) height=(height) alt=(description); }
}

/// A share in percent.
fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Name of an image: its file, or its number.
fn image_name(file: Option<&str>, index: usize) -> String {
    let name =
        file.map(|file| std::path::Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy()));
    name.map_or_else(|| index.to_string(), |name| name.into_owned())
}
