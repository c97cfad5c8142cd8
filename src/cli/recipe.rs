//! The recipe of a training: the command line over a recipe file.

use crate::data::{Pictures, Source};
use crate::files;
use crate::model::{Architecture, Model, PRETRAINED};
use crate::settings::{Recipe, RecipeFile};
use crate::text::{Shown, nearest};
use crate::train::image_size;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// The built-in recipes.
const RECIPES: [(&str, &str); 3] = [
    ("tutorial", include_str!("../../assets/recipes/tutorial.toml")),
    ("fast", include_str!("../../assets/recipes/fast.toml")),
    ("best", include_str!("../../assets/recipes/best.toml")),
];

/// Reads a recipe by its name or file.
///
/// # Errors
/// If the file cannot be read, or contains an unknown key or an invalid value; with the line and the nearest key.
pub fn find(path: &Path) -> anyhow::Result<RecipeFile> {
    let text = match RECIPES.iter().find(|(name, _)| path == Path::new(name)) {
        Some((_, text)) => text.to_string(),
        None => files::read_text(path, files::LONGEST_TEXT).with_context(|| {
            let hint = nearest(path.to_str().unwrap_or_default(), &RECIPES.map(|(name, _)| name));
            format!("cannot read recipe {}{hint}", Shown::from(path))
        })?,
    };
    toml::from_str(&text).with_context(|| format!("recipe {}", Shown::from(path)))
}

/// The settings of a command line, over those of a recipe file for the network of this name, if any, or for its own.
///
/// # Errors
/// If a setting has no effect without another, which is absent.
pub fn merged(flags: &Recipe, file: RecipeFile, network: Option<&Architecture>) -> anyhow::Result<Recipe> {
    let network = network.or(flags.network.as_ref()).map(Architecture::to_string);
    flags.clone().over_file(file.of(network.as_deref())).map_err(anyhow::Error::msg)
}

/// How the pictures of a training are read. They must be prepared as for the model, if there is one.
///
/// # Errors
/// If another preparation is requested.
pub fn pictures(recipe: &Recipe, model: Option<&Model>) -> anyhow::Result<Pictures> {
    Ok(Pictures {
        prepare: super::agreed(recipe.prepare, model)?,
        size: model.map(|model| image_size(&model.network)),
        skip_bad: recipe.skip_bad.unwrap_or(false),
        seed: recipe.seed.unwrap_or(0),
        split_by: recipe.split_by.unwrap_or_default(),
        whole: false,
    })
}

/// The data set of a recipe.
pub fn data(recipe: &Recipe) -> &Path {
    recipe.data.as_deref().unwrap_or(Path::new("auto"))
}

/// The recipe for a data set that was found, with paths that are valid in any working folder.
///
/// # Errors
/// If the current folder cannot be determined.
pub fn located(recipe: Recipe, source: &Source) -> anyhow::Result<Recipe> {
    let absolute = |path: Option<PathBuf>| path.as_deref().map(named_or_absolute).transpose();
    Ok(Recipe {
        data: Some(source.wanted.clone()),
        prepare: source.prepare().or(recipe.prepare),
        init: absolute(recipe.init)?,
        model: absolute(recipe.model)?,
        teacher: absolute(recipe.teacher)?,
        ..recipe
    })
}

/// A model's path, valid in any folder.
fn named_or_absolute(model: &Path) -> std::io::Result<PathBuf> {
    if model == Path::new(PRETRAINED) { Ok(model.into()) } else { std::path::absolute(model) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Config;

    #[test]
    fn the_recipes_in_the_program_are_recipes() {
        for (name, _) in RECIPES {
            find(Path::new(name)).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        }
        let (tutorial, default) = (find(Path::new("tutorial")).unwrap().of(None).config(), Config::default());
        assert_eq!(tutorial, Config { network: tutorial.network.clone(), ..default });
    }
}
