//! The answers of `predict` as lines, as JSON or as a table.

use super::Console;
use super::draw::draw;
use super::prediction::{Picture, Prediction, Seen};
use crate::data::is_array;
use crate::files;
use crate::text::Shown;
use anyhow::Context;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Answers, given all at once.
pub struct Answers<'a> {
    lines: Vec<String>,
    predictions: Vec<Value>,
    table: Option<Table<'a>>,
}

/// A table of answers, and its file.
struct Table<'a> {
    file: &'a Path,
    /// Use Kaggle's submission format: `ImageId`, which counts from 1, and `Label`.
    is_numbered: bool,
    rows: Vec<[String; 4]>,
}

impl<'a> Answers<'a> {
    /// Answers for these inputs, in a table if there is a file for it.
    pub fn new(csv: Option<&'a Path>, inputs: &[PathBuf]) -> Answers<'a> {
        let is_numbered = matches!(inputs, [only] if is_array(only));
        let table = csv.map(|file| Table { file, is_numbered, rows: Vec::new() });
        Answers { lines: Vec::new(), predictions: Vec::new(), table }
    }

    pub fn add(&mut self, prediction: &Prediction, picture: &Picture, show: bool, as_json: bool) {
        if let (Some(table), Some((class, probability))) = (&mut self.table, prediction.best()) {
            let note = prediction.warning().unwrap_or_default().to_string();
            let file = match prediction.place.index {
                Some(index) if table.is_numbered => (index + 1).to_string(),
                Some(index) => format!("{}, image {index}", prediction.place.file.display()),
                None => prediction.place.file.display().to_string(),
            };
            table.rows.push([file, class.into(), format!("{probability:.4}"), note]);
        }
        if as_json {
            self.predictions.push(prediction.json());
        } else if self.table.is_none() {
            self.lines.push(prediction.line());
            for (at, image) in picture.images().enumerate() {
                self.lines.extend(prediction.characters.get(at).map(Seen::line));
                if show {
                    self.lines.push(draw(&image.bytes, image.width));
                }
            }
        }
    }

    /// Writes the table, and prints the lines or the JSON, to which `describe` adds.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn give(self, console: &Console, describe: impl FnOnce(&mut Value)) -> anyhow::Result<()> {
        if let Some(table) = &self.table {
            let bytes = table.bytes().context("cannot make the table")?;
            files::replace(table.file, &bytes)
                .with_context(|| format!("cannot write {}; choose another --csv", Shown::from(table.file)))?;
            console.note(format!("wrote {} answers to {}", table.rows.len(), Shown::from(table.file)));
        }
        self.lines.iter().for_each(|line| console.result(line));
        if console.json {
            let mut report = json!({"predictions": self.predictions});
            describe(&mut report);
            console.result_json(&report);
        }
        Ok(())
    }
}

impl Table<'_> {
    fn bytes(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        if self.is_numbered {
            writer.write_record(["ImageId", "Label"])?;
            self.rows.iter().try_for_each(|row| writer.write_record(&row[..2]))?;
        } else {
            writer.write_record(["file", "class", "probability", "note"])?;
            self.rows.iter().try_for_each(|row| writer.write_record(row))?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}
