//! Mistakes with their explanations, and labels that are probably wrong.

use super::{Run, image_name, percent, thumbnail};
use crate::report::pictures::{attribution, ink};
use maud::{Markup, html};

/// Pictures of the list of doubtful labels.
const DOUBTS: usize = 24;

pub fn panel(run: Run) -> Option<Markup> {
    let seen = run.report.examined.as_ref().filter(|seen| !seen.maps.is_empty())?;
    let shown = run.share(seen.maps.len());
    Some(html! {
        div class="pictures" {
            @for (wrong, maps) in seen.wrong.iter().zip(&seen.maps).take(shown) {
                @let (label, predicted) = (run.class(wrong.label), run.class(wrong.predicted));
                @let name = image_name(wrong.file.as_deref(), wrong.index);
                figure class="mistake" {
                    div class="row" {
                        (thumbnail(&ink(&seen.set, wrong.index), &format!("picture {name}, a {label}")))
                        (thumbnail(&attribution(&seen.set, wrong.index, &maps[0]), &format!("what speaks for {predicted}")))
                        (thumbnail(&attribution(&seen.set, wrong.index, &maps[1]), &format!("what speaks for {label}")))
                    }
                    figcaption {
                        strong { (label) " read as " (predicted) } ", " (percent(wrong.probability))
                        br; (name)
                    }
                }
            }
        }
    })
}

pub fn labels(run: Run) -> Option<Markup> {
    let seen = run.report.examined.as_ref()?;
    Some(html! {
        @if seen.suspects.is_empty() { p { "None is suspect." } }
        @else {
            p { (seen.suspects.len()) " of " (seen.total + if seen.part == "test" { seen.validation.labels.len() } else { 0 })
                " pictures are suspect." }
        }
        div class="pictures" {
            @for doubt in seen.suspects.iter().take(run.share(DOUBTS)) {
                @let suspect = &doubt.suspect;
                @let set = if doubt.part == seen.part { &seen.set } else { &seen.validation };
                @let name = image_name(doubt.file.as_deref(), suspect.image);
                figure {
                    (thumbnail(&ink(set, suspect.image), &format!("{} picture {name}", doubt.part)))
                    figcaption {
                        "labelled " strong { (run.class(suspect.label)) } br;
                        "looks like " strong { (run.class(suspect.other)) } br;
                        (percent(suspect.of_other)) br;
                        (doubt.part) " " (name)
                    }
                }
            }
        }
    })
}
