//! `eval`: how accurate a model is, overall and for each class.

use super::{Console, DeviceArgs, LISTED, SourceArgs, recipe, train::model_path};
use crate::data::{DataSet, Part, Pictures};
use crate::model::Model;
use crate::text::Shown;
use crate::train::{Confusion, as_trained, evaluate_model, image_size, wilson};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Evaluate a model: accuracy, loss, confusion matrix and wrong predictions
#[derive(Args)]
pub struct EvalArgs {
    /// A model file, a run folder, or `pretrained` [default: the newest run under ./runs]
    model: Option<PathBuf>,
    /// Images to evaluate on; by default the test part, or all of a set without one that the model was not trained on
    #[arg(long, value_enum)]
    split: Option<Split>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Split {
    Test,
    Train,
}

/// Runs `eval`.
///
/// # Errors
/// Any error.
pub fn run(args: &EvalArgs, console: &Console) -> anyhow::Result<()> {
    let path = model_path(args.model.as_deref())?;
    let model = super::train::loaded(&path, console)?;
    let wanted = recipe::data(&args.source.settings.recipe);
    let whole = args.split.is_none() && !was_trained_on(&model, wanted);
    let settings = &args.source.settings.recipe;
    // If a test part is split off, it must be the one of the training.
    let trained = as_trained(Pictures::default(), &model);
    let pictures = Pictures {
        whole,
        prepare: super::agreed(settings.prepare, Some(&model))?,
        skip_bad: settings.skip_bad.unwrap_or(false),
        split_by: settings.split_by.unwrap_or(trained.split_by),
        size: Some(image_size(&model.network)),
        ..trained
    };
    let source = args.source.cache.locate(wanted, pictures, console)?;
    let loaded = source.load(if args.split == Some(Split::Train) { Part::Train } else { Part::Test })?;
    super::tell_unfit(&loaded.unfit, console);
    let mut set = loaded.set;
    source.relabel(&mut set, &model.class_names)?;
    set.check(&source.name, model.network.classes())?;
    let device = args.device.open(console)?;
    console.note(format!("model {}", Shown::from(&path)));
    let used = match (args.split, whole && source.is_undivided()) {
        (Some(Split::Train), _) => "train",
        (_, true) => "all",
        _ => "test",
    };
    let part = if used == "all" { "all images".into() } else { format!("images of the {used} part") };
    console.note(format!("data {} ({}): {} {part}", source.name, source.place(), set.labels.len()));
    let seen = evaluate_model(&device, &model, &mut set)?;
    let confusion = Confusion::new(model.network.classes(), &set.labels, &seen.predicted);
    let correct = confusion.correct();
    let total = set.labels.len();

    if !console.json {
        console.result(text(&model, &set, &loaded.files, &seen, &confusion));
        return Ok(());
    }
    let classes: Vec<_> = (0..model.network.classes())
        .map(|class| {
            let scores = confusion.scores(class);
            json!({
                "class": model.class_names[class],
                "precision": scores.precision,
                "recall": scores.recall,
                "f1": scores.f1,
                "support": scores.support,
            })
        })
        .collect();
    let wrong: Vec<_> = seen
        .wrong(&set.labels)
        .into_iter()
        .map(|at| {
            let mut wrong = json!({
                "index": at,
                "label": set.labels[at],
                "predicted": seen.predicted[at],
                "probability": seen.probability[at],
            });
            if let Some(file) = loaded.files.get(at) {
                wrong["file"] = file.display().to_string().into();
            }
            wrong
        })
        .collect();
    let (low, high) = wilson(correct, total);
    let mut data = json!({"name": source.name, "split": used, "images": total});
    super::add_skipped(&mut data, &loaded.unfit.skipped);
    super::add_passed_over(&mut data, &source);
    console.result_json(&json!({
        "command": "eval",
        "model": path.display().to_string(),
        "adapter": device.info,
        "data": data,
        "correct": correct,
        "total": total,
        "accuracy": correct as f64 / total as f64,
        "interval": [low, high],
        "loss": seen.mean_loss(),
        "confusion": confusion.counts,
        "per_class": classes,
        "wrong": wrong,
    }));
    Ok(())
}

/// Returns true if a model, the model that it was fine-tuned from, or its teacher was trained on a data set, of which only
/// the test part is then new to it. A set of the same name at another place counts as the same: it may have moved.
fn was_trained_on(model: &Model, wanted: &Path) -> bool {
    let config = &model.training["config"];
    let name =
        |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into()).file_name().map(|name| name.to_owned());
    let is_same = config["data"].as_str().is_some_and(|data| name(Path::new(data)) == name(wanted));
    let earlier = ["model", "teacher", "init"].into_iter().filter_map(|key| config[key].as_str());
    // A run may name itself only by mistake, yet must not be followed for ever.
    is_same
        || earlier.map(Path::new).any(|path| {
            Model::load(path)
                .is_ok_and(|earlier| earlier.training != model.training && was_trained_on(&earlier, wanted))
        })
}

fn text(
    model: &Model,
    set: &DataSet,
    files: &[PathBuf],
    seen: &crate::train::Summary,
    confusion: &Confusion,
) -> String {
    let (correct, total) = (confusion.correct(), set.labels.len());
    let (low, high) = wilson(correct, total);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let mut line = |text: String| writeln!(out, "{text}").unwrap_or_default();
    line(format!(
        "accuracy {:.2} % ({correct} of {total}; 95 % interval {:.2} to {:.2} %), loss {:.4}",
        100.0 * correct as f64 / total as f64,
        100.0 * low,
        100.0 * high,
        seen.mean_loss()
    ));

    let names: Vec<Shown> = model.class_names.iter().map(Shown::from).collect();
    let width = names.iter().map(|n| n.to_string().chars().count()).max().unwrap_or(1).max(5);
    line(format!("\n{:>width$}  precision  recall      f1  support", "class"));
    for (class, name) in names.iter().enumerate() {
        let s = confusion.scores(class);
        line(format!("{name:>width$}  {:>9.4}  {:>6.4}  {:>6.4}  {:>7}", s.precision, s.recall, s.f1, s.support));
    }
    if names.len() <= 26 {
        line("\nconfusion matrix (rows: labels, columns: predictions)".into());
        let cells = |values: &mut dyn Iterator<Item = String>| values.map(|v| format!("{v:>6}")).collect::<String>();
        line(format!("{:>width$}{}", "", cells(&mut names.iter().map(|n| n.to_string().chars().take(5).collect()))));
        for (name, row) in names.iter().zip(&confusion.counts) {
            let mut shown = row.iter().map(|&n| if n == 0 { ".".into() } else { n.to_string() });
            line(format!("{name:>width$}{}", cells(&mut shown)));
        }
    }
    let wrong = seen.wrong(&set.labels);
    if !wrong.is_empty() {
        line(format!("\nmost confident wrong predictions ({} of {}):", LISTED.min(wrong.len()), wrong.len()));
        for &at in wrong.iter().take(LISTED) {
            let image = files.get(at).map_or(format!("image {at:>5}"), |file| Shown::from(file).to_string());
            line(format!(
                "{image}: {} predicted as {}, probability {:.4}",
                names[usize::from(set.labels[at])],
                names[seen.predicted[at] as usize],
                seen.probability[at]
            ));
        }
    }
    out.trim_end().into()
}
