//! The map of the pictures.

use super::chart::at;
use super::{Run, percent};
use maud::{Markup, html};
use std::fmt::Write;

/// Size of the map and its margin.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 16.0;

pub fn panel(run: Run) -> Option<Markup> {
    let seen = run.report.examined.as_ref()?;
    let map = seen.projection.as_ref()?;
    let classes = run.report.classes.len();
    let ends = |axis: usize| {
        let values = map.points.iter().map(|point| f64::from(point[axis]));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    let (across, up) = (ends(0), ends(1));
    let part =
        |value: f32, (low, high): (f64, f64)| if high > low { (f64::from(value) - low) / (high - low) } else { 0.5 };
    let place = |point: &[f32; 2]| {
        let x = MARGIN + part(point[0], across) * (WIDTH - 2.0 * MARGIN);
        [x, HEIGHT - MARGIN - part(point[1], up) * (HEIGHT - 2.0 * MARGIN)]
    };
    // A path of points for each class is much shorter than a circle for each.
    let mut dots = vec![String::new(); classes];
    let mut sums = vec![[0.0, 0.0, 0.0]; classes];
    for (point, &image) in map.points.iter().zip(&seen.projected).step_by(run.of) {
        let (class, [x, y]) = (usize::from(seen.set.labels[image]), place(point));
        // Writing to a string cannot fail.
        let _ = write!(dots[class], "M{} {}h0", at(x), at(y));
        sums[class].iter_mut().zip([x, y, 1.0]).for_each(|(sum, value)| *sum += value);
    }
    let is_wrong = |image: usize| seen.answers[image].0 != usize::from(seen.set.labels[image]);
    let rings = map.points.iter().zip(&seen.projected).filter(|(_, image)| is_wrong(**image));
    Some(html! {
        figure class="chart map" {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
                aria-label={ "The outputs before " (map.layer) " of " (map.points.len()) " pictures in two dimensions, coloured by class" } {
                @for (class, dots) in dots.iter().enumerate().filter(|(_, dots)| !dots.is_empty()) {
                    path class={ "points c" (class % 8) @if class / 8 % 2 == 1 { " square" } } d=(dots) { title { (run.class(class)) } }
                }
                @for (point, &image) in rings {
                    @let [x, y] = place(point);
                    circle class="ring" cx=(at(x)) cy=(at(y)) r="4" {
                        title { (run.class(seen.set.labels[image].into())) " read as " (run.class(seen.answers[image].0)) }
                    }
                }
                @for (class, [x, y, count]) in sums.iter().enumerate().filter(|(_, sum)| sum[2] > 0.0) {
                    text class="label" x=(at(x / count)) y=(at(y / count + 5.0)) text-anchor="middle" { (run.class(class)) }
                }
            }
            figcaption {
                (map.points.len()) " pictures; " (percent(map.shares[0])) " of the variance is from left to right, "
                (percent(map.shares[1])) " from bottom to top."
            }
        }
    })
}
