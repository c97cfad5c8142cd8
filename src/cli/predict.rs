//! `predict`: classifies pictures with a model.

use super::flags::{self, Flags};
use super::{Console, DeviceArgs, draw::draw, train::model_or_pretrained};
use crate::data::{DataError, Doubt, Image, Reading, is_left_over, is_picture, pictures_in, read_pictures};
use crate::model::{Model, names_model};
use crate::text::Shown;
use crate::train::{Predictor, TrainError, image_size};
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

/// Classify pictures
///
/// Prints one line per picture: the three most probable classes with their probabilities. Pictures are prepared like
/// the images that the model was trained on. For MNIST's digits, ink of any colour on paper of any other colour is
/// detected, cut out and centred.
#[derive(Args)]
pub struct PredictArgs {
    /// Optionally a model file, a run folder or `pretrained`; then pictures and folders of pictures, or - to read a
    /// list of them from standard input
    #[arg(required = true, value_name = "[MODEL] IMAGE")]
    what: Vec<PathBuf>,
    /// Draw each picture as the network receives it
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    settings: Flags<flags::Pictures>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Probability below which the network is reported as unsure.
const SURE: f64 = 0.6;
/// Probability below which what was found in the picture is reported.
const CERTAIN: f64 = 0.95;
/// Number of pictures that are read before they are sent to the device.
const PORTION: usize = 4096;
/// Maximum number of pictures, and maximum bytes of a line of a list.
const MOST: usize = 1_000_000;
const LONGEST: u64 = 1 << 16;

/// Runs `predict`.
///
/// # Errors
/// If there is no model or no picture, or a picture cannot be read.
pub fn run(args: &PredictArgs, console: &Console) -> anyhow::Result<()> {
    let (model_path, files) = split(&args.what)?;
    let (name, model) = model_or_pretrained(model_path, console)?;
    super::agreed(args.settings.recipe.prepare, Some(&model))?;
    anyhow::ensure!(!files.is_empty(), "no pictures to classify; give pictures, or folders that contain some");
    let device = args.device.open(console)?;
    console.note(format!("model {name}"));

    let size = image_size(&model.network);
    let skip_bad = args.settings.recipe.skip_bad.unwrap_or(false);
    let reading = Reading { prepare: model.prepare, size, skip_bad };
    let predictor = Predictor::new(&device, &model, files.len())?;
    let (mut lines, mut predictions, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for portion in files.chunks(PORTION) {
        let paths: Vec<&Path> = portion.iter().map(PathBuf::as_path).collect();
        let (mut read, mut bytes) = (Vec::new(), Vec::new());
        for (path, image) in paths.iter().zip(read_pictures(&paths, reading)) {
            match image {
                Ok(image) => {
                    bytes.extend_from_slice(&image.bytes);
                    read.push((*path, image));
                }
                Err(error) => skipped.push(error),
            }
        }
        let seen = match predictor.run(&device, &bytes) {
            Err(error @ TrainError::NoAnswer { image }) => {
                return Err(error).with_context(|| format!("{name}, picture {}", Shown::from(read[image].0)));
            }
            seen => seen?,
        };
        for ((path, image), probabilities) in read.into_iter().zip(seen) {
            let prediction = Prediction::of(path, &image, &probabilities, &model);
            if console.json {
                predictions.push(prediction.json());
            } else {
                lines.push(prediction.line());
                if args.show {
                    lines.push(draw(&image.bytes, image.width));
                }
            }
        }
    }
    // All or nothing: a script could not tell that results are missing.
    if !skipped.is_empty() && !skip_bad {
        return Err(DataError::BadPictures(skipped).into());
    }
    if skipped.len() == files.len() {
        return Err(DataError::AllBad { what: "given pictures".into(), bad: skipped }.into());
    }
    lines.iter().for_each(|line| console.result(line));
    if console.json {
        let mut report = json!({
            "command": "predict", "model": name, "adapter": device.info, "predictions": predictions,
        });
        super::add_skipped(&mut report, &skipped);
        console.result_json(&report);
    }
    // Blank pictures have a warning in their lines.
    super::tell_skipped(&skipped, console);
    Ok(())
}

/// Splits the arguments into the model, if the first one names a model, and the pictures.
fn split(what: &[PathBuf]) -> anyhow::Result<(Option<&Path>, Vec<PathBuf>)> {
    let model = what.first().filter(|first| names_model(first)).map(PathBuf::as_path);
    if let Some(late) = what.iter().skip(1).find(|path| names_model(path)) {
        anyhow::bail!("{} is a model and must come first, as in `mnist-gpu predict {0} IMAGE...`", Shown::from(late));
    }
    let is_input = |path: &Path| path == Path::new("-") || path.exists() || is_picture(path);
    if let Some(first) = what.first().filter(|first| model.is_none() && !is_input(first)) {
        anyhow::bail!("{} does not exist; give a model or `pretrained`, then pictures", Shown::from(first));
    }
    let mut files = Vec::new();
    for path in &what[usize::from(model.is_some())..] {
        if path == Path::new("-") {
            read_list(std::io::stdin().lock(), |path| add(path, &mut files))?;
        } else {
            add(path, &mut files)?;
        }
    }
    Ok((model, files))
}

/// Reads a list of paths, one per line, as bytes if the platform's paths are bytes.
fn read_list(mut from: impl BufRead, mut add: impl FnMut(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read.context("cannot read standard input")? == 0 {
            break;
        }
        let name = line.strip_suffix(b"\n").unwrap_or(&line);
        let name = name.strip_suffix(b"\r").unwrap_or(name);
        // A byte order mark, which editors on Windows add.
        let name = if number == 1 { name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name) } else { name };
        let fits = (line.len() as u64) < LONGEST && !name.contains(&0);
        anyhow::ensure!(
            fits,
            "line {number} of standard input is not a file name: it contains a NUL, or is longer than {LONGEST} bytes"
        );
        if !name.trim_ascii().is_empty() {
            add(&path_of(name).with_context(|| format!("line {number} of standard input"))?)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn path_of(name: &[u8]) -> anyhow::Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Ok(std::ffi::OsStr::from_bytes(name).into())
}

#[cfg(not(unix))]
fn path_of(name: &[u8]) -> anyhow::Result<PathBuf> {
    Ok(std::str::from_utf8(name).context("it is not valid UTF-8")?.into())
}

/// Adds a picture, or all pictures in a folder and its subfolders.
fn add(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    anyhow::ensure!(files.len() < MOST, "more than {MOST} pictures; classify them in several calls");
    if !path.is_dir() {
        files.push(path.into());
        return Ok(());
    }
    files.extend(pictures_in(path)?);
    let mut inner: Vec<PathBuf> = std::fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
    inner.retain(|inner| inner.is_dir() && !inner.is_symlink() && !is_left_over(inner));
    inner.sort();
    inner.iter().try_for_each(|inner| add(inner, files))
}

/// The result for a picture.
struct Prediction<'a> {
    file: String,
    /// The three most probable classes.
    top: Vec<(&'a str, f64)>,
    warning: Option<String>,
}

impl<'a> Prediction<'a> {
    fn of(path: &Path, image: &Image, probabilities: &[f64], model: &'a Model) -> Prediction<'a> {
        let mut top: Vec<_> = model.class_names.iter().map(String::as_str).zip(probabilities.iter().copied()).collect();
        top.sort_by(|a, b| b.1.total_cmp(&a.1));
        top.truncate(3);
        let warning = match image.doubt {
            _ if !image.ink => Some("no ink was found in the picture".into()),
            Some(Doubt::Several(count)) => Some(format!("{count} characters are in view; crop the picture to one")),
            _ if top[0].1 < SURE => Some("the network is unsure".into()),
            Some(Doubt::Cut) if top[0].1 < CERTAIN => {
                Some("the ink reaches a side of the picture, so a part may be missing".into())
            }
            Some(Doubt::Lined) if top[0].1 < CERTAIN => Some("there are lines on the paper".into()),
            _ => None,
        };
        Prediction { file: path.display().to_string(), top, warning }
    }

    fn line(&self) -> String {
        let classes: Vec<String> = self
            .top
            .iter()
            .map(|(class, probability)| format!("{} {:.1} %", Shown::from(*class), 100.0 * probability))
            .collect();
        let warning = self.warning.as_ref().map_or(String::new(), |warning| format!("; note: {warning}"));
        format!("{}: {}{warning}", Shown::from(&self.file), classes.join(", "))
    }

    fn json(&self) -> Value {
        let top: Vec<Value> =
            self.top.iter().map(|(class, probability)| json!({"class": class, "probability": probability})).collect();
        let mut report = json!({"file": self.file, "class": self.top[0].0, "probability": self.top[0].1, "top": top});
        if let Some(warning) = &self.warning {
            report["warning"] = warning.as_str().into();
        }
        report
    }
}
