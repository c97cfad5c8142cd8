//! What `predict` says of a picture.

use crate::data::{Character, Image};
use crate::model::Model;
use crate::notes::{NO_INK, is_unlike, is_unsure, note};
use crate::text::Shown;
use crate::train::Answer;
use serde_json::{Value, json};
use std::fmt::{self, Display};
use std::path::Path;

/// A picture of one character, or the characters of a picture.
pub enum Picture {
    One(Image),
    Each(Vec<Character>),
}

impl Picture {
    pub fn images(&self) -> impl Iterator<Item = &Image> {
        let (one, each) = match self {
            Picture::One(image) => (Some(image), &[][..]),
            Picture::Each(characters) => (None, &characters[..]),
        };
        one.into_iter().chain(each.iter().map(|character| &character.image))
    }
}

/// The three most probable classes.
type Top<'a> = Vec<(&'a str, f64)>;

fn top<'a>(probabilities: &[f64], model: &'a Model) -> Top<'a> {
    let mut top: Top = model.class_names.iter().map(String::as_str).zip(probabilities.iter().copied()).collect();
    top.sort_by(|a, b| b.1.total_cmp(&a.1));
    top.truncate(3);
    top
}

/// A character that was read, and its place in the picture.
pub struct Seen<'a> {
    class: &'a str,
    probability: f64,
    is_unlike: bool,
    place: [usize; 4],
}

impl Seen<'_> {
    pub fn line(&self) -> String {
        let [left, top, width, height] = self.place;
        format!("  {} {:.1} % at {left},{top}, {width}x{height}", Shown::from(self.class), 100.0 * self.probability)
    }
}

/// A picture file, or an image of a file of several.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub file: &'a Path,
    pub index: Option<usize>,
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}, image {index}", Shown::from(self.file)),
            None => write!(f, "{}", Shown::from(self.file)),
        }
    }
}

/// The result for a picture.
pub struct Prediction<'a> {
    pub place: Place<'a>,
    /// Empty if every character was read.
    top: Top<'a>,
    pub characters: Vec<Seen<'a>>,
    warning: Option<String>,
}

impl<'a> Prediction<'a> {
    pub fn of(place: Place<'a>, picture: &Picture, answers: &[Answer], model: &'a Model) -> Prediction<'a> {
        match picture {
            Picture::One(image) => {
                let top = top(&answers[0].probabilities, model);
                let warning = note(image, &answers[0], "; crop the picture to one, or use --each");
                Prediction { place, top, characters: Vec::new(), warning }
            }
            Picture::Each(found) => {
                let read = |(character, answer): (&Character, &Answer)| {
                    let (class, probability) = top(&answer.probabilities, model)[0];
                    Seen { class, probability, is_unlike: is_unlike(answer, probability), place: character.place }
                };
                let characters: Vec<Seen> = found.iter().zip(answers).map(read).collect();
                let unsure = characters.iter().filter(|read| is_unsure(read.probability) || read.is_unlike).count();
                let warning = match (characters.len(), unsure) {
                    (0, _) => Some(NO_INK.into()),
                    (_, 0) => None,
                    (all, unsure) => Some(format!("the network is unsure of {unsure} of {all}")),
                };
                Prediction { place, top: Vec::new(), characters, warning }
            }
        }
    }

    /// The characters one after another, with a space between classes of several letters.
    fn text(&self) -> String {
        let classes: Vec<&str> = self.characters.iter().map(|read| read.class).collect();
        classes.join(if classes.iter().all(|class| class.chars().count() == 1) { "" } else { " " })
    }

    pub fn line(&self) -> String {
        let classes =
            |(class, probability): &(&str, f64)| format!("{} {:.1} %", Shown::from(*class), 100.0 * probability);
        let read = match self.top.is_empty() {
            true => Shown::from(self.text().as_str()).to_string(),
            false => self.top.iter().map(classes).collect::<Vec<_>>().join(", "),
        };
        let warning = self.warning.as_ref().map(|warning| format!("note: {warning}"));
        let parts: Vec<String> = Some(read).filter(|read| !read.is_empty()).into_iter().chain(warning).collect();
        format!("{}: {}", self.place, parts.join("; "))
    }

    /// The most probable class and its probability, of a picture of one character.
    pub fn best(&self) -> Option<(&str, f64)> {
        self.top.first().copied()
    }

    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    pub fn json(&self) -> Value {
        let mut report = json!({"file": self.place.file.display().to_string()});
        if let Some(index) = self.place.index {
            report["index"] = index.into();
        }
        if let Some((class, probability)) = self.top.first() {
            let top = self.top.iter().map(|(class, probability)| json!({"class": class, "probability": probability}));
            report["class"] = (*class).into();
            report["probability"] = (*probability).into();
            report["top"] = top.collect();
        } else {
            let characters = self
                .characters
                .iter()
                .map(|read| json!({"class": read.class, "probability": read.probability, "box": read.place}));
            report["text"] = self.text().into();
            report["characters"] = characters.collect();
        }
        if let Some(warning) = &self.warning {
            report["warning"] = warning.as_str().into();
        }
        report
    }
}
