//! `predict`: classifies pictures with a model.

use super::answers::Answers;
use super::flags::{self, Flags};
use super::prediction::{Picture, Place, Prediction};
use super::{Console, DeviceArgs, train::model_or_pretrained};
use crate::data::{
    DataError, Prepare, Reading, is_array, is_left_over, is_picture, pictures_in, read_characters, read_pictures,
    read_unlabelled,
};
use crate::model::names_model;
use crate::text::Shown;
use crate::train::{Answer, Predictor, TrainError, image_size};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::io::{BufRead, Read as _};
use std::path::{Path, PathBuf};

/// Classify pictures
///
/// Prints one line per picture: the three most probable classes with their probabilities. Pictures are prepared like
/// the images that the model was trained on. For MNIST's digits, ink of any colour on paper of any other colour is
/// detected, cut out and centred.
#[derive(Args)]
pub struct PredictArgs {
    /// Optionally a model file, a run folder or `pretrained`; then pictures, folders of pictures, and files of images as
    /// numbers (CSV, IDX, .npy or .npz), or - to read a list of them from standard input
    #[arg(required = true, value_name = "[MODEL] IMAGE")]
    what: Vec<PathBuf>,
    /// Draw each picture as the network receives it
    #[arg(long)]
    show: bool,
    /// Read every character of a picture, in rows from left to right. Characters that touch are read as one
    #[arg(long)]
    each: bool,
    /// Write the answers to this table instead: file, class, probability and note; or, for a single file of images as
    /// numbers, ImageId and Label as Kaggle takes them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["each", "show"])]
    csv: Option<PathBuf>,
    #[command(flatten)]
    settings: Flags<flags::Pictures>,
    #[command(flatten)]
    device: DeviceArgs,
}

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
    if let Some(csv) = args.csv.as_deref().filter(|csv| csv.exists()) {
        anyhow::bail!("{} exists; choose another --csv", Shown::from(csv));
    }
    if let Some(csv) = args.csv.as_deref() {
        let folder = std::path::absolute(csv)?.parent().map(Path::to_path_buf).unwrap_or_default();
        anyhow::ensure!(folder.is_dir(), "there is no folder {}; choose another --csv", Shown::from(&folder));
    }
    anyhow::ensure!(!files.is_empty(), "no pictures to classify; give pictures, or folders that contain some");
    let device = args.device.open(console)?;
    console.note(format!("model {name}"));

    let size = image_size(&model.network);
    let skip_bad = args.settings.recipe.skip_bad.unwrap_or(false);
    let reading = Reading { prepare: model.prepare, size, skip_bad };
    anyhow::ensure!(
        !args.each || model.prepare == Prepare::Mnist,
        "--each needs a model whose pictures are prepared like MNIST's, not by {}",
        model.prepare
    );
    let has_arrays = files.iter().any(|file| is_array(file));
    let predictor = Predictor::new(&device, &model, if has_arrays { usize::MAX } else { files.len() })?;
    let mut answers = Answers::new(args.csv.as_deref(), &files);
    let mut skipped = Vec::new();
    // The images of an array are a portion of their own.
    let portions = files.chunk_by(|a, b| !is_array(a) && !is_array(b)).flat_map(|files| files.chunks(PORTION));
    for portion in portions {
        let pictures = read(portion, args.each, reading)?;
        let (mut read, mut bytes, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (place, picture) in pictures {
            match picture {
                Ok(picture) => {
                    picture.images().for_each(|image| {
                        bytes.extend_from_slice(&image.bytes);
                        owners.push(place);
                    });
                    read.push((place, picture));
                }
                Err(error) => skipped.push(error),
            }
        }
        let seen = match predictor.run(&device, &bytes) {
            Err(error @ TrainError::NoAnswer { image }) => {
                return Err(error).with_context(|| format!("{name}, picture {}", owners[image]));
            }
            seen => seen?,
        };
        let mut seen = seen.into_iter();
        for (place, picture) in read {
            let own: Vec<Answer> = seen.by_ref().take(picture.images().count()).collect();
            let prediction = Prediction::of(place, &picture, &own, &model);
            answers.add(&prediction, &picture, args.show, console.json);
        }
    }
    // All or nothing: a script could not tell that results are missing.
    if !skipped.is_empty() && !skip_bad {
        return Err(DataError::BadPictures(skipped).into());
    }
    if skipped.len() == files.len() {
        return Err(DataError::AllBad { what: "given pictures".into(), bad: skipped }.into());
    }
    answers.give(console, |report| {
        report["command"] = "predict".into();
        report["model"] = name.as_str().into();
        report["adapter"] = json!(device.info);
        super::add_skipped(report, &skipped);
    })?;
    // Blank pictures have a warning in their lines.
    super::tell_skipped(&skipped, console);
    Ok(())
}

pub(super) type Read<'a> = (Place<'a>, Result<Picture, DataError>);

/// Reads pictures, or the images of an array.
pub(super) fn read(files: &[PathBuf], each: bool, reading: Reading) -> anyhow::Result<Vec<Read<'_>>> {
    if let [array] = files
        && is_array(array)
    {
        anyhow::ensure!(!each, "--each is for pictures; {} has images of one character each", Shown::from(array));
        let images = read_unlabelled(array, reading)?.into_iter().enumerate();
        let place = |index| Place { file: array, index: Some(index) };
        return Ok(images.map(|(index, image)| (place(index), Ok(Picture::One(image)))).collect());
    }
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let pictures: Vec<_> = match each {
        true => read_characters(&paths, reading.size).into_iter().map(|read| read.map(Picture::Each)).collect(),
        false => read_pictures(&paths, reading).into_iter().map(|read| read.map(Picture::One)).collect(),
    };
    Ok(paths.into_iter().map(|file| Place { file, index: None }).zip(pictures).collect())
}

/// Splits the arguments into the model, if the first one names a model, and the pictures.
pub(super) fn split(what: &[PathBuf]) -> anyhow::Result<(Option<&Path>, Vec<PathBuf>)> {
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
