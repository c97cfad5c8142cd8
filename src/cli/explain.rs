//! `explain`: which pixels speak for an answer.

use super::draw::side_by_side;
use super::flags::{self, Flags};
use super::prediction::{Picture, Place};
use super::{Console, DeviceArgs, predict, train::model_or_pretrained};
use crate::data::{Image, Reading};
use crate::explain::{Device, Map, Method, Settings, colour, explain, largest};
use crate::files;
use crate::model::Model;
use crate::text::{self, Shown};
use crate::train::image_size;
use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Show which pixels speak for an answer, and which against it
///
/// For each picture, the terminal shows the image that the network receives, what speaks for the class, and what
/// against it. On the sheet, orange speaks for the class and blue against it.
#[derive(Args)]
pub struct ExplainArgs {
    /// Optionally a model file, a run folder or `pretrained`; then pictures as for `predict`
    #[arg(required = true, value_name = "[MODEL] IMAGE")]
    what: Vec<PathBuf>,
    /// How: the gradient of the logit, its mean over noisy copies, its integral from a blank image, the weighted channels of
    /// the last convolution, or the effect of covering parts of the image
    #[arg(long, default_value = "integrated-gradients", value_name = "METHOD", value_parser = method())]
    method: Method,
    /// The class to explain, by name [default: the most probable one]
    #[arg(long)]
    class: Option<String>,
    /// Write a sheet, a PNG with each image and the map of it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: Flags<flags::Pictures>,
    #[command(flatten)]
    device: DeviceArgs,
}

fn method() -> impl TypedValueParser<Value = Method> {
    let names = PossibleValuesParser::new(Method::ALL.map(Method::name));
    names.map(|name| Method::of(&name).unwrap_or(Method::Saliency))
}

/// An image, and what speaks for a class of it.
struct Explained<'a> {
    place: Place<'a>,
    image: Image,
    map: Map,
}

/// Runs `explain`.
///
/// # Errors
/// If there is no model or no picture, a picture cannot be read, or the class does not exist.
pub fn run(args: &ExplainArgs, console: &Console) -> anyhow::Result<()> {
    super::check_png(args.out.as_deref())?;
    let (model_path, files) = predict::split(&args.what)?;
    let (name, model) = model_or_pretrained(model_path, console)?;
    super::agreed(args.settings.recipe.prepare, Some(&model))?;
    anyhow::ensure!(!files.is_empty(), "no pictures to explain; give pictures, or folders that contain some");
    let class = args.class.as_deref().map(|class| class_of(class, &model)).transpose()?;
    let size = image_size(&model.network);
    let reading = Reading { prepare: model.prepare, size, skip_bad: false };
    let device = args.device.open(console)?;
    console.note(format!("model {name}"));
    let mut network = Device::new(&device, &model)?;
    let values = model.normalisation.byte_values();
    let (mut all, mut bad) = (Vec::new(), Vec::new());
    for file in files.chunks(1) {
        for (place, picture) in predict::read(file, false, reading)? {
            let image = match picture {
                Ok(Picture::One(image)) => image,
                Ok(Picture::Each(_)) => continue,
                Err(error) => {
                    bad.push(error);
                    continue;
                }
            };
            let pixels: Vec<f32> = image.bytes.iter().map(|&byte| values[usize::from(byte)]).collect();
            let map = explain(args.method, &Settings::default(), &mut network, &pixels, size, values[0], class)
                .with_context(|| place.to_string())?;
            all.push(Explained { place, image, map });
        }
    }
    if !bad.is_empty() {
        return Err(crate::data::DataError::BadPictures(bad).into());
    }
    if let Some(out) = &args.out {
        let mut png = std::io::Cursor::new(Vec::new());
        sheet(&all, size)
            .write_to(&mut png, image::ImageFormat::Png)
            .context("cannot encode so many pictures as a PNG")?;
        files::replace(out, png.get_ref()).with_context(|| format!("cannot write {}", Shown::from(out)))?;
        console.note(format!("wrote {} pictures to {}", all.len(), Shown::from(out)));
    }
    if console.json {
        let maps: Vec<Value> = all.iter().map(|one| one.json(&model, size)).collect();
        console.result_json(&json!({
            "command": "explain", "model": name, "adapter": device.info, "method": args.method.name(), "maps": maps,
        }));
        return Ok(());
    }
    all.iter().for_each(|one| console.result(one.text(&model, size[1])));
    Ok(())
}

fn class_of(name: &str, model: &Model) -> anyhow::Result<usize> {
    let class = model.class_names.iter().position(|known| known == name);
    class.with_context(|| {
        format!(
            "there is no class {:?}; the classes are {}",
            Shown::from(name).to_string(),
            text::listed(&model.class_names)
        )
    })
}

impl Explained<'_> {
    fn json(&self, model: &Model, [_, width]: [usize; 2]) -> Value {
        let rows: Vec<&[f32]> = self.map.values.chunks(width).collect();
        let mut said = json!({
            "file": self.place.file.display().to_string(),
            "class": model.class_names[self.map.class],
            "logit": self.map.logit,
            "map": rows,
        });
        if let Some(index) = self.place.index {
            said["index"] = index.into();
        }
        said
    }

    fn text(&self, model: &Model, width: usize) -> String {
        let scale = largest(&self.map.values);
        let part = |sign: f32| {
            let byte = |value: &f32| ((sign * value / scale).clamp(0.0, 1.0) * 255.0).round() as u8;
            self.map.values.iter().map(byte).collect::<Vec<u8>>()
        };
        let class = Shown::from(&model.class_names[self.map.class]);
        let panels = [
            ("image".into(), self.image.bytes.clone()),
            (format!("for {class}"), part(1.0)),
            ("against".into(), part(-1.0)),
        ];
        format!("{}: {class}, logit {:.2}\n{}", self.place, self.map.logit, side_by_side(&panels, width))
    }
}

/// Pixels of the sheet for each pixel of an image, pixels between images, and pictures in a row.
const ZOOM: usize = 4;
const GAP: usize = 6;
const IN_ROW: usize = 5;
/// For each picture the image, with dark ink, and beside it the map over a faint copy.
fn sheet(all: &[Explained], [height, width]: [usize; 2]) -> image::RgbImage {
    let (row, column) = (height * ZOOM + GAP, width * ZOOM + GAP);
    let (rows, columns) = (all.len().div_ceil(IN_ROW), 2 * all.len().min(IN_ROW));
    let scales: Vec<f32> = all.iter().map(|one| largest(&one.map.values)).collect();
    let (sheet_width, sheet_height) = (GAP + columns * column, GAP + rows * row);
    image::RgbImage::from_fn(sheet_width as u32, sheet_height as u32, |x, y| {
        let [x, y] = [x, y].map(|at| (at as usize).checked_sub(GAP));
        let white = image::Rgb([255; 3]);
        let (Some(x), Some(y)) = (x, y) else { return white };
        let (panel, left, top) = (x / column, x % column / ZOOM, y % row / ZOOM);
        let at = y / row * IN_ROW + panel / 2;
        let Some(one) = all.get(at).filter(|_| left < width && top < height) else { return white };
        let (ink, value) = (one.image.bytes[top * width + left], one.map.values[top * width + left]);
        image::Rgb(if panel % 2 == 0 { [255 - ink; 3] } else { colour(ink, value / scales[at]) })
    })
}
