//! The classes of a model that is trained further: the same as before, in another order, or others.

use super::TrainError;
use crate::data::{Classes, DataSet, Source};
use crate::model::{Model, numbered_classes};
use crate::settings::Config;
use crate::text::{self, Argument};

/// Fits a model to the classes of a data set, whose labels get the model's order if the classes are the same. Other classes get
/// a new last layer, in which those that the model knows by name keep their rows. Returns what the user should know.
///
/// # Errors
/// If the last layer would have to change, but is frozen.
pub fn fit_classes(
    model: &mut Model,
    config: &Config,
    source: Option<&Source>,
    classes: Classes,
    sets: [&mut DataSet; 2],
) -> Result<Option<String>, TrainError> {
    let Classes { count, mut names, .. } = classes;
    let is_same = |own: &Vec<String>| {
        own.len() == model.class_names.len() && own.iter().all(|name| model.class_names.contains(name))
    };
    // Replayed images have brought the names into the model's order.
    if let Some(source) = source.filter(|_| config.replay.is_none() && names.as_ref().is_some_and(is_same)) {
        for set in sets {
            source.relabel(set, &model.class_names)?;
        }
        names = Some(model.class_names.clone());
    }
    let old = model.network.classes();
    let is_numbered = names.is_none() && count == old;
    let wanted = names.clone().unwrap_or_else(|| numbered_classes(count));
    if is_numbered || wanted == model.class_names {
        model.class_names = names.unwrap_or_else(|| model.class_names.clone());
        return Ok(None);
    }
    let head = model.network.learning_layers().pop().unwrap_or_default();
    if config.freeze.contains(&head) {
        return Err(TrainError::FrozenHead {
            layer: head,
            known: text::listed(&model.class_names),
            wanted: text::listed(&wanted),
        });
    }
    let remedy = match names.is_none() && count < old {
        true => format!("; if this set just lacks the others, {} {old} keeps them", Argument("classes")),
        false => String::new(),
    };
    // More numbered classes than the model's are others: letters, for example.
    let may_be_known = names.is_some() || count < old;
    let (known, new): (Vec<String>, Vec<String>) =
        wanted.iter().cloned().partition(|name| may_be_known && model.class_names.contains(name));
    let kept = match (known.is_empty(), new.is_empty()) {
        (true, _) => format!("starts anew for the classes {}", text::listed(&new)),
        (_, true) => format!("keeps the classes {}", text::listed(&known)),
        _ => format!("keeps the classes {}, and starts anew for {}", text::listed(&known), text::listed(&new)),
    };
    let classes = text::listed(&model.class_names);
    *model = model.clone().with_classes(&wanted, &known, &head, config.seed)?;
    Ok(Some(format!("the model knows the classes {classes}; its last layer {head} {kept}{remedy}")))
}
