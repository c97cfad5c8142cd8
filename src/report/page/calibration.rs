//! The reliability diagram.

use super::chart::at;
use super::{Run, percent};
use crate::report::calibration::Bin;
use maud::{Markup, html};

/// Size of the diagram and its margins.
const SIDE: f64 = 300.0;
const LEFT: f64 = 46.0;
const BELOW: f64 = 40.0;

pub fn panel(run: Run) -> Option<Markup> {
    let seen = run.report.examined.as_ref()?;
    let calibration = &seen.calibration;
    Some(html! {
        p {
            "The expected calibration error is " strong { (percent(calibration.error)) } " (15 bins). "
            @match (calibration.temperature, calibration.error_at_temperature) {
                (Some(temperature), Some(error)) => {
                    "The temperature with the least loss on the "
                    @if seen.part == "validation" { "same" } @else { "validation" } " pictures is "
                    strong { (format!("{temperature:.3}")) } ": dividing the logits by it "
                    @if error < calibration.error { "would make the error " } @else { "would not help, the error would be " }
                    (percent(error)) ". "
                    @if temperature > 1.0 { "Above 1, the network is too sure of itself." } @else { "Below 1, the network is not sure enough." }
                }
                _ if seen.validation.labels.is_empty() => "Without validation pictures no temperature can be fitted.",
                _ => "No temperature is best for the validation pictures, as all of them are right, or none.",
            }
        }
        div class="charts" { (diagram(&calibration.bins)) }
        (table(&calibration.bins))
    })
}

/// Accuracy over confidence in each bin, against the diagonal.
fn diagram(bins: &[Bin]) -> Markup {
    let (x, y) = (|value: f64| LEFT + value * SIDE, |value: f64| 10.0 + (1.0 - value) * SIDE);
    let total: usize = bins.iter().map(|bin| bin.images).sum();
    html! {
        figure class="chart square" {
            svg viewBox={ "0 0 " (LEFT + SIDE + 12.0) " " (SIDE + 10.0 + BELOW) } role="img"
                aria-label="Reliability diagram: share of right predictions for each interval of confidence" {
                @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    line class="grid" x1=(at(LEFT)) x2=(at(LEFT + SIDE)) y1=(at(y(tick))) y2=(at(y(tick))) {}
                    text x=(at(LEFT - 6.0)) y=(at(y(tick) + 4.0)) text-anchor="end" { (100.0 * tick) " %" }
                    text x=(at(x(tick))) y=(at(y(0.0) + 16.0)) text-anchor="middle" { (100.0 * tick) }
                }
                @for bin in bins.iter().filter(|bin| bin.images > 0) {
                    rect class="accuracy" x=(at(x(bin.low) + 1.0)) width=(at(x(bin.high) - x(bin.low) - 2.0))
                        y=(at(y(bin.accuracy))) height=(at(y(0.0) - y(bin.accuracy))) {
                        title { (bin.images) " pictures: confidence " (percent(bin.confidence)) ", accuracy " (percent(bin.accuracy)) }
                    }
                    circle class="dot c1" cx=(at(x(bin.confidence))) cy=(at(y(bin.accuracy)))
                        r=(at(2.0 + 5.0 * (bin.images as f64 / total as f64).sqrt())) {}
                }
                path class="mark" d={ "M" (at(x(0.0))) " " (at(y(0.0))) "L" (at(x(1.0))) " " (at(y(1.0))) } {}
                text x=(at(LEFT + SIDE / 2.0)) y=(at(SIDE + BELOW + 4.0)) text-anchor="middle" { "confidence in %" }
            }
            figcaption {
                strong { "Accuracy over confidence" }
                " The bars would end on the dashed line. The larger a dot, the more pictures."
            }
        }
    }
}

fn table(bins: &[Bin]) -> Markup {
    html! {
        details {
            summary { "The bins as a table" }
            div class="wide" {
                table class="numbers" {
                    thead {
                        tr {
                            th scope="col" { "confidence" } th scope="col" { "pictures" } th scope="col" { "mean confidence" }
                            th scope="col" { "accuracy" }
                        }
                    }
                    tbody {
                        @for bin in bins.iter().filter(|bin| bin.images > 0) {
                            tr {
                                th scope="row" { (percent(bin.low)) " to " (percent(bin.high)) } td { (bin.images) }
                                td { (percent(bin.confidence)) } td { (percent(bin.accuracy)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
