//! Flags of settings, generated from the list in `settings`.

use crate::model::ArchitectureError;
use crate::optimizers::Optimizer;
use crate::settings::{Config, Recipe, Setting, Value, Visit};
use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, Error, FromArgMatches};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsStr;
use std::marker::PhantomData;

/// The flags of some of the settings.
#[derive(Clone, Debug)]
pub struct Flags<S> {
    pub recipe: Recipe,
    of: PhantomData<S>,
}

/// Which settings have a flag.
pub trait Select: Clone + Send + Sync + 'static {
    /// True if the command also has `--resume`, which conflicts with some of the flags.
    const CAN_RESUME: bool = false;

    fn has<T: Value>(setting: &Setting<T>) -> bool;

    /// Returns true if the help text lists the flag.
    fn shows<T: Value>(_: &Setting<T>) -> bool {
        true
    }
}

/// All settings.
#[derive(Clone, Debug)]
pub struct Training;

/// All settings, with the flags of those that the model determines hidden.
#[derive(Clone, Debug)]
pub struct FineTuning;

/// Settings of commands that only read data.
#[derive(Clone, Debug)]
pub struct Data;

/// Settings of commands that only read pictures.
#[derive(Clone, Debug)]
pub struct Pictures;

impl Select for Training {
    const CAN_RESUME: bool = true;

    fn has<T: Value>(setting: &Setting<T>) -> bool {
        setting.options.has_flag
    }

    // A hidden flag is parsed nevertheless: this command also resumes what the other one began.
    fn shows<T: Value>(setting: &Setting<T>) -> bool {
        !setting.options.only_finetune
    }
}

impl Select for FineTuning {
    const CAN_RESUME: bool = true;

    fn has<T: Value>(setting: &Setting<T>) -> bool {
        setting.options.has_flag
    }

    // A hidden flag is parsed nevertheless, for a better error than that of an unknown flag.
    fn shows<T: Value>(setting: &Setting<T>) -> bool {
        !setting.options.fixed_by_model
    }
}

impl Select for Data {
    fn has<T: Value>(setting: &Setting<T>) -> bool {
        setting.options.of_data
    }
}

impl Select for Pictures {
    fn has<T: Value>(setting: &Setting<T>) -> bool {
        setting.options.of_pictures
    }
}

impl<S: Select> Args for Flags<S> {
    fn augment_args(command: Command) -> Command {
        let mut add = Add::<S> { command, defaults: defaults(), of: PhantomData };
        let Ok(()) = Recipe::default().visit(&mut add);
        add.command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::<S>::augment_args(command)
    }
}

impl<S: Select> FromArgMatches for Flags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags<S>, Error> {
        let mut recipe = Recipe::default();
        let Ok(()) = recipe.visit(&mut Take::<S> { matches, of: PhantomData });
        Ok(Flags { recipe, of: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Flags::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Adds the flags to a command.
struct Add<S> {
    command: Command,
    defaults: Vec<(Optimizer, Texts)>,
    of: PhantomData<S>,
}

impl<S: Select> Visit for Add<S> {
    type Error = Infallible;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, _: &mut Option<T>) -> Result<(), Infallible> {
        if !S::has(setting) {
            return Ok(());
        }
        let Setting { key, options, .. } = setting;
        let arg = Arg::new(*key).hide(!S::shows(setting));
        let mut arg = if !options.off.is_empty() {
            arg.long(format!("no-{key}")).help(options.off).action(ArgAction::SetTrue)
        } else {
            let (summary, details) = help(setting.help);
            let summary = summary + &self.default(setting);
            let arg = arg.long(key).allow_negative_numbers(true).value_parser(parser::<T>(options.check.clone()));
            let arg = arg.long_help(format!("{summary}{details}")).help(summary);
            match T::IS_SWITCH {
                true => arg
                    .value_name("true|false")
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .hide_possible_values(true),
                false => arg.value_name(options.placeholder),
            }
        };
        if S::CAN_RESUME {
            arg = arg.help_heading("Settings (also keys of recipe files)");
            if !options.on_resume {
                arg = arg.conflicts_with("resume");
            }
        }
        let mut command = std::mem::take(&mut self.command);
        if let Some(needed) = options.needs {
            // The recipe may contain the other setting.
            let group = format!("with-{needed}");
            arg = arg.requires(&group);
            if command.get_groups().all(|other| *other.get_id() != *group) {
                command = command.group(ArgGroup::new(group).args([needed, "recipe"]).multiple(true));
            }
        }
        self.command = command.arg(arg);
        Ok(())
    }
}

impl<S> Add<S> {
    /// Formats the default as ` [default: 0.01; 0.001 for adam and adamw]`.
    fn default<T: Value>(&self, setting: &Setting<T>) -> String {
        let mut text = setting.default.as_ref().filter(|_| !T::IS_SWITCH).map(T::shown).unwrap_or_default();
        if setting.options.of_optimizer && !T::IS_SWITCH {
            let mut others: Vec<(&str, Vec<String>)> = Vec::new();
            for (optimizer, texts) in &self.defaults {
                let other = texts[setting.key].as_str();
                match others.iter_mut().find(|(text, _)| *text == other) {
                    _ if other == text => {}
                    Some((_, optimizers)) => optimizers.push(optimizer.to_string()),
                    None => others.push((other, vec![optimizer.to_string()])),
                }
            }
            let others =
                others.iter().map(|(other, optimizers)| format!("; {other} for {}", super::listed(optimizers)));
            text += &others.collect::<String>();
        }
        text += setting.options.note;
        if text.is_empty() { text } else { format!(" [default: {text}]") }
    }
}

/// Reads the values of the flags.
struct Take<'a, S> {
    matches: &'a ArgMatches,
    of: PhantomData<S>,
}

impl<S: Select> Visit for Take<'_, S> {
    type Error = Infallible;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), Infallible> {
        let Setting { key, options, .. } = setting;
        if !S::has(setting) {
            return Ok(());
        }
        *value = match options.off.is_empty() {
            true => self.matches.get_one::<T>(key).cloned(),
            false if self.matches.get_flag(key) => T::parse(OsStr::new("false"), &options.check).ok(),
            false => None,
        };
        Ok(())
    }
}

/// Settings as text, by key.
type Texts = BTreeMap<&'static str, String>;

/// The default settings of each optimizer, as text.
fn defaults() -> Vec<(Optimizer, Texts)> {
    struct Show(Texts);
    impl Visit for Show {
        type Error = Infallible;
        fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), Infallible> {
            self.0.extend(value.as_ref().map(|value| (setting.key, value.shown())));
            Ok(())
        }
    }
    let of = |optimizer: Optimizer| {
        let mut show = Show(Texts::new());
        let Ok(()) = Recipe::from(Config::of(optimizer)).visit(&mut show);
        (optimizer, show.0)
    };
    Optimizer::ALL.iter().copied().map(of).collect()
}

/// The parser of a flag's values.
pub fn parser<T: Value>(check: T::Check) -> ValueParser {
    let words = T::words();
    if words.is_empty() {
        return OsStringValueParser::new().try_map(move |text| T::parse(&text, &check)).into();
    }
    let words = words.into_iter().map(|(word, about)| match about.is_empty() {
        true => PossibleValue::new(word),
        false => PossibleValue::new(word).help(about),
    });
    PossibleValuesParser::new(words).try_map(move |text| T::parse(OsStr::new(&text), &check)).into()
}

/// Splits a help text into its summary and its details, which begin with an empty line if there are any.
fn help(lines: &[&str]) -> (String, String) {
    let mut paragraphs = vec![String::new()];
    for line in lines.iter().map(|line| line.trim()) {
        let last = paragraphs.len() - 1;
        match (line.is_empty(), paragraphs[last].is_empty()) {
            (true, _) => paragraphs.push(String::new()),
            (false, true) => paragraphs[last] = line.into(),
            (false, false) => paragraphs[last] += &format!(" {line}"),
        }
    }
    let summary = paragraphs.remove(0);
    (summary, paragraphs.iter().map(|paragraph| format!("\n\n{paragraph}")).collect())
}

/// Returns true for errors in the content of a file rather than in the command line.
pub fn is_of_file(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<ArchitectureError>());
    source.is_some_and(|error| !matches!(error, ArchitectureError::Unknown { .. }))
}
