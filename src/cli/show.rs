//! `data show`: images as the network receives them, in the terminal and as a contact sheet.

use super::{Console, SourceArgs, draw::side_by_side, recipe};
use crate::data::{DataSet, Part, Pictures};
use crate::files;
use crate::model::numbered_classes;
use crate::reference::image_of;
use crate::settings::Augment;
use crate::text::{self, Shown};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Show images as the network receives them: prepared and, with --augment, changed at random
#[derive(Args)]
pub struct ShowArgs {
    /// Same as --data
    name: Option<PathBuf>,
    /// Show only the image at this index, counted from 0
    #[arg(long, value_name = "N", conflicts_with = "class")]
    index: Option<usize>,
    /// Show only images of this class, by name, or by number if the classes have no names
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Change images at random as in training; with --index, show the image of several epochs
    #[arg(long, value_name = "SPEC", num_args = 0..=1, default_missing_value = "digits", default_value = "none")]
    augment: Augment,
    /// Show test images instead of training images
    #[arg(long)]
    test: bool,
    /// Seed of random changes, and of the test part if a folder of pictures has none
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Write a contact sheet, a PNG with one row per class
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
}

/// Maximum number of images per row of a sheet, and per row of the terminal.
const ROW: usize = 10;
const SIDE_BY_SIDE: usize = 4;
/// Pixels between images of a sheet.
const GAP: usize = 2;

/// An image to show: its index, epoch, class and pixels.
struct Sample {
    place: usize,
    epoch: usize,
    class: usize,
    bytes: Vec<u8>,
}

/// Runs `data show`.
///
/// # Errors
/// If there is no such data set, image or class, or the output file exists.
pub fn run(args: &ShowArgs, console: &Console) -> anyhow::Result<()> {
    super::check_png(args.out.as_deref())?;
    let settings = &args.source.settings.recipe;
    let (prepare, skip_bad) = (settings.prepare, settings.skip_bad.unwrap_or(false));
    let split_by = settings.split_by.unwrap_or_default();
    let pictures = Pictures { prepare, skip_bad, split_by, seed: args.seed, ..Pictures::default() };
    let wanted = args.name.as_deref().unwrap_or(recipe::data(settings));
    let source = args.source.cache.locate(wanted, pictures, console)?;
    let loaded = source.load(if args.test { Part::Test } else { Part::Train })?;
    super::tell_unfit(&loaded.unfit, console);
    let set = loaded.set;
    let most = set.labels.iter().max().map_or(0, |&label| usize::from(label));
    let classes = source.class_names().unwrap_or_else(|| numbered_classes(most + 1));

    let shown = pick(args, &set, &classes)?;
    if let Some(out) = &args.out {
        let mut png = std::io::Cursor::new(Vec::new());
        sheet(&shown, &set)
            .write_to(&mut png, image::ImageFormat::Png)
            .context("cannot encode so many images as a PNG")?;
        files::replace(out, png.get_ref()).with_context(|| format!("cannot write {}", Shown::from(out)))?;
    }
    if console.json {
        let images: Vec<_> = shown
            .iter()
            .map(|s| json!({"index": s.place, "class": classes[s.class], "epoch": s.epoch, "pixels": s.bytes}))
            .collect();
        let size = [set.images.height, set.images.width];
        console.result_json(&json!({"command": "data show", "name": source.name, "size": size, "images": images}));
        return Ok(());
    }
    // In the terminal, one image per class is enough.
    let every = args.index.is_some() || args.class.is_some();
    let in_terminal: Vec<&Sample> = shown
        .iter()
        .enumerate()
        .filter(|(at, s)| every || *at == 0 || shown[at - 1].class != s.class)
        .map(|(_, s)| s)
        .collect();
    for row in in_terminal.chunks(SIDE_BY_SIDE) {
        let title = |s: &&Sample| (format!("{}: {}", s.place, Shown::from(&classes[s.class])), s.bytes.clone());
        console.result(side_by_side(&row.iter().map(title).collect::<Vec<_>>(), set.images.width));
    }
    if let Some(out) = &args.out {
        console.note(format!("wrote {} images to {}", shown.len(), Shown::from(out)));
    }
    Ok(())
}

fn pick(args: &ShowArgs, set: &DataSet, classes: &[String]) -> anyhow::Result<Vec<Sample>> {
    let pixels = set.images.pixels();
    let of = |place: usize, epoch: usize| {
        let image = &set.images.bytes[place * pixels..][..pixels];
        let (height, width) = (set.images.height as i32, set.images.width as i32);
        let bytes = match args.augment.is_some() {
            true => image_of(image, height, width, place as u32, &args.augment.bounds(args.seed, epoch)),
            false => image.to_vec(),
        };
        Sample { place, epoch, class: usize::from(set.labels[place]), bytes }
    };
    let first = |class: usize| {
        (0..set.labels.len())
            .filter(move |&at| usize::from(set.labels[at]) == class)
            .take(ROW)
            .map(|place| of(place, 1))
    };
    if let Some(place) = args.index {
        let count = set.labels.len();
        anyhow::ensure!(place < count, "there is no image {place}; the part has {count} images, counted from 0");
        let epochs = if args.augment.is_some() { ROW } else { 1 };
        return Ok((1..=epochs).map(|epoch| of(place, epoch)).collect());
    }
    if let Some(name) = &args.class {
        let class = classes.iter().position(|class| class == name);
        let class =
            class.with_context(|| format!("there is no class {name:?}; the classes are {}", text::listed(classes)))?;
        return Ok(first(class).collect());
    }
    Ok((0..classes.len()).flat_map(first).collect())
}

/// Draws the sheet, with one row per class.
fn sheet(shown: &[Sample], set: &DataSet) -> image::GrayImage {
    let (height, width) = (set.images.height, set.images.width);
    let mut rows: Vec<Vec<&Sample>> = Vec::new();
    for s in shown {
        match rows.last_mut().filter(|row| row[0].class == s.class && row.len() < ROW) {
            Some(row) => row.push(s),
            None => rows.push(vec![s]),
        }
    }
    let (w, h) = (GAP + ROW * (width + GAP), GAP + rows.len() * (height + GAP));
    let mut sheet = image::GrayImage::from_pixel(w as u32, h as u32, image::Luma([90]));
    for (i, row) in rows.iter().enumerate() {
        for (j, s) in row.iter().enumerate() {
            for (p, &byte) in s.bytes.iter().enumerate() {
                let (y, x) = (GAP + i * (height + GAP) + p / width, GAP + j * (width + GAP) + p % width);
                sheet.put_pixel(x as u32, y as u32, image::Luma([byte]));
            }
        }
    }
    sheet
}
