//! Line charts as inline SVG. Colours and fonts come from the style sheet.

use maud::{Markup, html};
use std::fmt::Write;

/// Size in units of the drawing, and the margins around the plot: top, right, bottom, left.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
const MARGINS: [f64; 4] = [14.0, 14.0, 40.0, 54.0];

/// Largest number of points that get a dot.
const DOTS: usize = 60;

/// A scale from values to places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

impl Scale {
    /// From the smallest to the largest value, rounded outwards to a tick.
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Scale {
        let (low, high) = range(values);
        let step = step(low, high);
        Scale { low: (low / step).floor() * step, high: (high / step).ceil() * step, is_log: false }
    }

    /// With fixed ends.
    pub fn fixed(low: f64, high: f64) -> Scale {
        Scale { low, high, is_log: false }
    }

    /// Logarithmic, for values above zero; others are drawn at the lower end.
    pub fn log(values: impl IntoIterator<Item = f64>) -> Scale {
        let (low, high) = range(values.into_iter().filter(|&value| value > 0.0));
        Scale { low: low.max(1e-9) / 1.1, high: high.max(1e-9) * 1.1, is_log: true }
    }

    /// Part of the way from the lower to the upper end.
    fn part(&self, value: f64) -> f64 {
        let (low, high, value) = match self.is_log {
            true => (self.low.ln(), self.high.ln(), value.max(self.low).ln()),
            false => (self.low, self.high, value),
        };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        if self.is_log {
            let wide = self.high / self.low > 200.0;
            for exponent in self.low.log10().floor() as i32..=self.high.log10().ceil() as i32 {
                for factor in [1.0, 2.0, 5.0] {
                    let tick = factor * 10_f64.powi(exponent);
                    if (self.low..=self.high).contains(&tick) && (!wide || factor == 1.0) {
                        ticks.push(tick);
                    }
                }
            }
            return ticks;
        }
        let step = step(self.low, self.high);
        let first = (self.low / step - 1e-9).ceil() as i64;
        ticks.extend((first..).map(|at| at as f64 * step).take_while(|&tick| tick <= self.high + step * 1e-9));
        ticks
    }
}

/// The smallest and the largest value, apart from each other.
fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let all = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    match low.partial_cmp(&high) {
        Some(std::cmp::Ordering::Less) => (low, high),
        Some(std::cmp::Ordering::Equal) => (low - 0.05 * low.abs().max(1e-6), high + 0.05 * high.abs().max(1e-6)),
        _ => (0.0, 1.0),
    }
}

/// A distance of ticks, 1, 2 or 5 times a power of ten, so that there are about five.
fn step(low: f64, high: f64) -> f64 {
    let rough = (high - low) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough)
}

/// A line of a chart.
pub struct Line {
    /// Name in the legend and for screen readers.
    pub name: String,
    /// Number of its colour, and of its dash pattern.
    pub colour: usize,
    pub dash: usize,
    /// A thin line without dots.
    pub is_faint: bool,
    pub points: Vec<[f64; 2]>,
}

impl Line {
    fn class(&self) -> String {
        format!("line c{} d{}{}", self.colour % 8, self.dash % 4, if self.is_faint { " faint" } else { "" })
    }
}

/// A short piece of a line with this class, for a legend.
pub fn swatch(class: &str) -> Markup {
    html! { svg class="swatch" viewBox="0 0 24 8" aria-hidden="true" { path class=(class) d="M0 4L24 4" {} } }
}

/// A chart.
pub struct Chart<'a> {
    /// Heading of the legend.
    pub title: &'a str,
    pub x_title: &'a str,
    pub x: Scale,
    pub y: Scale,
    /// Formats a value of the vertical axis.
    pub shown: fn(f64) -> String,
    pub lines: Vec<Line>,
    /// Vertical lines with a label.
    pub marks: Vec<(f64, String)>,
}

/// A coordinate with one decimal.
pub fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

impl Chart<'_> {
    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [top, right, bottom, left] = MARGINS;
        let across = left + self.x.part(x) * (WIDTH - left - right);
        [across, HEIGHT - bottom - self.y.part(y) * (HEIGHT - top - bottom)]
    }

    fn path(&self, points: &[[f64; 2]]) -> String {
        let mut path = String::new();
        for (number, &point) in points.iter().enumerate() {
            let [x, y] = self.place(point).map(at);
            // Writing to a string cannot fail.
            let _ = write!(path, "{}{x} {y}", if number == 0 { "M" } else { "L" });
        }
        path
    }

    /// Draws the chart with its legend; nothing if there are no lines.
    pub fn draw(&self) -> Markup {
        if self.lines.is_empty() {
            return html! {};
        }
        let [top, right, bottom, left] = MARGINS;
        let [x_end, y_end] = [WIDTH - right, HEIGHT - bottom];
        html! {
            figure class="chart" {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.described()) {
                    @for tick in self.y.ticks() {
                        @let y = self.place([self.x.low, tick])[1];
                        line class="grid" x1=(at(left)) x2=(at(x_end)) y1=(at(y)) y2=(at(y)) {}
                        text x=(at(left - 6.0)) y=(at(y + 4.0)) text-anchor="end" { ((self.shown)(tick)) }
                    }
                    @for tick in self.x.ticks() {
                        @let x = self.place([tick, self.y.low])[0];
                        text x=(at(x)) y=(at(y_end + 16.0)) text-anchor="middle" { (number(tick)) }
                    }
                    line class="axis" x1=(at(left)) x2=(at(x_end)) y1=(at(y_end)) y2=(at(y_end)) {}
                    text x=(at((left + x_end) / 2.0)) y=(at(HEIGHT - 6.0)) text-anchor="middle" { (self.x_title) }
                    @for (x, label) in &self.marks {
                        @let x = self.place([*x, self.y.low])[0];
                        @let is_left = x > (left + x_end) / 2.0;
                        line class="mark" x1=(at(x)) x2=(at(x)) y1=(at(top)) y2=(at(y_end)) {}
                        text class="note" x=(at(if is_left { x - 4.0 } else { x + 4.0 })) y=(at(top + 8.0))
                            text-anchor=(if is_left { "end" } else { "start" }) { (label) }
                    }
                    @for line in &self.lines {
                        path class=(line.class()) d=(self.path(&line.points)) {}
                        @if !line.is_faint && line.points.len() <= DOTS {
                            @for &point in &line.points {
                                @let [x, y] = self.place(point);
                                circle class={ "dot c" (line.colour % 8) } cx=(at(x)) cy=(at(y)) r="2.5" {
                                    title { (line.name) ", " (self.x_title) " " (number(point[0])) ": " ((self.shown)(point[1])) }
                                }
                            }
                        }
                    }
                }
                figcaption {
                    strong { (self.title) }
                    @for line in &self.lines {
                        span class="key" {
                            (swatch(&line.class()))
                            (line.name)
                        }
                    }
                }
            }
        }
    }

    /// The chart in words: where each line ends.
    fn described(&self) -> String {
        let ends = self.lines.iter().filter(|line| !line.is_faint).filter_map(|line| {
            let [first, last] = [line.points.first()?, line.points.last()?].map(|point| (self.shown)(point[1]));
            Some(format!("{} from {first} to {last}", line.name))
        });
        format!("{}: {}", self.title, ends.collect::<Vec<_>>().join("; "))
    }
}

/// A number with as many decimals as it needs, up to six.
pub fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let ticks = |scale: Scale| scale.ticks().into_iter().map(number).collect::<Vec<_>>().join(" ");
        assert_eq!(ticks(Scale::linear([0.951, 0.989])), "0.95 0.96 0.97 0.98 0.99");
        assert_eq!(ticks(Scale::linear([1.0, 10.0])), "0 2 4 6 8 10");
        assert_eq!(ticks(Scale::log([2.3, 0.04])), "0.05 0.1 0.2 0.5 1 2");
        assert_eq!(ticks(Scale::log([1e-4, 2.0])), "0.0001 0.001 0.01 0.1 1");
        // Nothing to draw, a single value, and values that are no numbers.
        for scale in [Scale::linear([]), Scale::linear([3.0]), Scale::log([0.0, f64::NAN]), Scale::linear([0.0])] {
            assert!(scale.low < scale.high && !scale.ticks().is_empty(), "{scale:?}");
        }
    }

    #[test]
    fn values_lie_between_the_ends() {
        let scale = Scale::log([0.01, 1.0]);
        assert!((scale.part(0.1) - 0.5).abs() < 1e-9);
        assert_eq!((scale.part(0.0), scale.part(1e9)), (0.0, 1.0));
        assert_eq!(Scale::fixed(0.0, 4.0).part(1.0), 0.25);
    }
}
