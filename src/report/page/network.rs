//! The network as a drawing, and what its channels respond to.

use super::chart::at;
use super::{Run, thumbnail};
use crate::layers::{Layer, Shape};
use crate::report::{LayerRow, channels::Block, pictures};
use maud::{Markup, html};

/// Height of a layer's drawing, and the largest side of a map in it.
const HEIGHT: f64 = 96.0;
const SIDE: f64 = 56.0;
/// Maps that are drawn of a layer.
const MAPS: usize = 6;

pub fn panel(run: Run) -> Option<Markup> {
    let report = run.report;
    let input = report.model.network.input();
    let largest =
        report.layers.iter().map(|layer| layer.output[1].max(layer.output[2])).fold(input[1].max(input[2]), usize::max);
    let shape = |[c, h, w]: Shape| if (h, w) == (1, 1) { c.to_string() } else { format!("{c}x{h}x{w}") };
    let total = report.layers.iter().map(|layer| layer.multiply_adds).sum::<usize>();
    Some(html! {
        div class="layers" {
            figure { (drawing(input, largest)) figcaption { strong { "input" } br; (shape(input)) } }
            @for layer in &report.layers {
                figure {
                    (drawing(layer.output, largest))
                    figcaption {
                        strong { (layer.name) }
                        @if !layer.describe.is_empty() { br; (layer.describe) }
                        br; (shape(layer.output))
                        @if layer.parameters > 0 { br; (layer.parameters) " parameters" }
                        @if report.frozen.contains(&layer.name) { br; "frozen" }
                    }
                }
            }
        }
        details { summary { "The layers as a table" } (table(&report.layers, report.parameters, total, shape)) }
    })
}

/// Maps as squares one behind another, or units as a column.
fn drawing([channels, height, width]: Shape, largest: usize) -> Markup {
    let is_flat = (height, width) == (1, 1);
    let scale = SIDE / largest.max(1) as f64;
    let count = if is_flat { 1 } else { channels.min(MAPS) };
    let [w, h] = match is_flat {
        true => [8.0, (channels as f64).ln_1p() / 257_f64.ln() * HEIGHT],
        false => [width, height].map(|side| (side as f64 * scale).max(3.0)),
    };
    let step = 6.0;
    let (wide, h) = (w + (count - 1) as f64 * step + 2.0, h.min(HEIGHT - 2.0));
    let high = h + (count - 1) as f64 * step + 2.0;
    html! {
        svg class="layer" viewBox={ "0 0 " (at(wide)) " " (at(HEIGHT)) } width=(at(wide)) height=(at(HEIGHT)) aria-hidden="true" {
            @for map in 0..count {
                rect x=(at(1.0 + map as f64 * step)) y=(at((HEIGHT - high) / 2.0 + 1.0 + map as f64 * step)) width=(at(w)) height=(at(h)) {}
            }
        }
    }
}

fn table(layers: &[LayerRow], parameters: usize, multiply_adds: usize, shape: impl Fn(Shape) -> String) -> Markup {
    html! {
        div class="wide" {
            table class="numbers" {
                thead {
                    tr {
                        th scope="col" { "layer" } th scope="col" { "" } th scope="col" { "output" }
                        th scope="col" { "parameters" } th scope="col" { "multiply-adds" }
                    }
                }
                tbody {
                    @for layer in layers {
                        tr {
                            th scope="row" { (layer.name) } td { (layer.describe) } td { (shape(layer.output)) }
                            td { (layer.parameters) } td { (layer.multiply_adds) }
                        }
                    }
                }
                tfoot { tr { th scope="row" { "total" } td {} td {} td { (parameters) } td { (multiply_adds) } } }
            }
        }
    }
}

pub fn channels(run: Run) -> Option<Markup> {
    let seen = run.report.examined.as_ref().filter(|seen| !seen.channels.is_empty())?;
    Some(html! {
        @for (number, block) in seen.channels.iter().enumerate() {
            @let dead = block.channels.iter().filter(|channel| channel.patches.is_empty()).count();
            h4 { (block.layer) ": " (block.channels.len()) " channels, each sees " (block.size) "x" (block.size) " pixels" }
            @if dead > 0 { p { (dead) " of them are never active." } }
            div class="channels" {
                @for (at, channel) in block.channels.iter().enumerate() {
                    figure {
                        div class="row" {
                            @if let Some(filter) = filter(run, number, block, at) {
                                (thumbnail(&filter, &format!("filter {at} of {}", block.layer)))
                            }
                            @if !channel.patches.is_empty() {
                                (thumbnail(&pictures::patches(&seen.set, block, channel), &format!("patches of channel {at}")))
                            }
                        }
                        figcaption { (at) @if channel.patches.is_empty() { " never active" } }
                    }
                }
            }
        }
    })
}

/// The weights of a channel of the first convolution, if the image has one channel.
fn filter(run: Run, number: usize, block: &Block, channel: usize) -> Option<pictures::Picture> {
    let model = &run.report.model;
    let first = model.network.nodes().iter().find(|node| node.name == block.layer)?;
    let Layer::Conv(conv) = &first.layer else { return None };
    let weights = model.network.parameters().iter().find(|tensor| tensor.name == format!("{}.weight", block.layer))?;
    let len = conv.kernel * conv.kernel;
    let start = weights.start + channel * len;
    (number == 0 && first.input[0] == 1).then(|| pictures::filter(&model.parameters[start..][..len], conv.kernel))
}
