//! Recipes: reading and writing them, and the configuration that they describe.

use super::{ClassWeights, Config, Recipe, Setting, Value, Visit};
use crate::model::NETWORKS;
use crate::text::{Argument, nearest};
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

/// The key of the settings of single networks.
const FOR: &str = "for";

/// A recipe file: settings, and others that hold for a network only, in tables such as `[for.deep]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecipeFile {
    recipe: Recipe,
    networks: BTreeMap<String, Recipe>,
}

impl RecipeFile {
    /// The settings for the network of this name; settings for it override those for all networks. `None` is the network
    /// of the recipe.
    pub fn of(mut self, network: Option<&str>) -> Recipe {
        let own = self.recipe.network.clone().unwrap_or_default().to_string();
        let special = self.networks.remove(network.unwrap_or(&own)).unwrap_or_default();
        special.over(self.recipe)
    }
}

impl Recipe {
    /// The whole configuration: absent settings have their defaults, which depend on the optimizer.
    pub fn config(self) -> Config {
        let mut config = self.optimizer.map_or_else(Config::default, Config::of);
        self.apply(&mut config);
        // Recorded like an absent one.
        config.class_weights = config.class_weights.filter(|weights| *weights != ClassWeights::None);
        config
    }

    /// Returns true if no optimizer is chosen, and nothing that only makes sense with one.
    pub fn leaves_optimizer(&self) -> bool {
        struct Chosen;
        impl Visit for Chosen {
            type Error = ();

            fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), ()> {
                if setting.options.of_optimizer && value.is_some() { Err(()) } else { Ok(()) }
            }
        }
        self.optimizer.is_none() && self.schedule.is_none() && self.clone().visit(&mut Chosen).is_ok()
    }

    /// These settings over those of a file. If these choose another optimizer than the file, the file's settings of its
    /// optimizer are dropped.
    ///
    /// # Errors
    /// If one of these settings has no effect without another, which is absent.
    pub fn over_file(self, mut file: Recipe) -> Result<Recipe, String> {
        if self.optimizer.is_some() && file.optimizer.is_some() && self.optimizer != file.optimizer {
            let Ok(()) = file.visit(&mut DropOptimizer);
        }
        let mut merged = self.clone().over(file);
        self.clone().visit(&mut Needed(&merged.present()))?;
        Ok(merged)
    }

    /// Keys of the settings that are present.
    pub(super) fn present(&mut self) -> Vec<&'static str> {
        let mut present = Present(Vec::new());
        let Ok(()) = self.visit(&mut present);
        present.0
    }

    /// Keys of all settings.
    fn keys() -> Vec<&'static str> {
        struct Keys(Vec<&'static str>);
        impl Visit for Keys {
            type Error = Infallible;
            fn setting<T: Value>(&mut self, setting: &Setting<T>, _: &mut Option<T>) -> Result<(), Infallible> {
                self.0.push(setting.key);
                Ok(())
            }
        }
        let mut keys = Keys(Vec::new());
        let Ok(()) = Recipe::default().visit(&mut keys);
        keys.0
    }
}

/// Drops the settings of the optimizer.
struct DropOptimizer;

impl Visit for DropOptimizer {
    type Error = Infallible;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), Infallible> {
        if setting.options.of_optimizer {
            *value = None;
        }
        Ok(())
    }
}

/// Lists the keys of settings that are present.
struct Present(Vec<&'static str>);

impl Visit for Present {
    type Error = Infallible;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), Infallible> {
        self.0.extend(value.as_ref().map(|_| setting.key));
        Ok(())
    }
}

/// Rejects settings without those that they need, given the keys that are present.
struct Needed<'a>(&'a [&'static str]);

impl Visit for Needed<'_> {
    type Error = String;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), String> {
        match setting.options.needs.filter(|needed| value.is_some() && !self.0.contains(needed)) {
            Some(needed) => Err(format!("{} has no effect without {}", Argument(setting.key), Argument(needed))),
            None => Ok(()),
        }
    }
}

impl Serialize for Recipe {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct Write<M>(M);
        impl<M: SerializeMap> Visit for Write<M> {
            type Error = M::Error;
            fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), M::Error> {
                match value {
                    Some(value) => self.0.serialize_entry(setting.key, &Written(value)),
                    None => Ok(()),
                }
            }
        }
        struct Written<'a, T>(&'a T);
        impl<T: Value> Serialize for Written<'_, T> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.0.write(to)
            }
        }
        let mut write = Write(to.serialize_map(None)?);
        self.clone().visit(&mut write)?;
        write.0.end()
    }
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Recipe, D::Error> {
        from.deserialize_map(Reader { with_networks: false, checks: true }).map(|file| file.recipe)
    }
}

/// Does not check whether values are in range; see [`Config::check_values`].
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Config, D::Error> {
        from.deserialize_map(Reader { with_networks: false, checks: false }).map(|file| file.recipe.config())
    }
}

impl<'de> Deserialize<'de> for RecipeFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<RecipeFile, D::Error> {
        from.deserialize_map(Reader { with_networks: true, checks: true })
    }
}

/// Reads keys and values. Each error is returned where its key or value is read, so that it has the right line.
struct Reader {
    with_networks: bool,
    checks: bool,
}

impl<'de> Visitor<'de> for Reader {
    type Value = RecipeFile;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("settings of a training")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RecipeFile, A::Error> {
        let mut known = Recipe::keys();
        if self.with_networks {
            known.push(FOR);
        }
        let mut file = RecipeFile::default();
        while let Some(key) = map.next_key_seed(OneOf { known: &known, what: "key" })? {
            match key {
                FOR => file.networks = map.next_value_seed(Networks)?,
                key => file.recipe.visit(&mut Read { key, map: &mut map, checks: self.checks, of: PhantomData })?,
            }
        }
        Ok(file)
    }
}

/// Reads the value of one setting.
struct Read<'a, 'de, A> {
    key: &'static str,
    map: &'a mut A,
    checks: bool,
    of: PhantomData<&'de ()>,
}

impl<'de, A: MapAccess<'de>> Visit for Read<'_, 'de, A> {
    type Error = A::Error;

    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), A::Error> {
        if setting.key == self.key {
            *value = Some(self.map.next_value_seed(ValueOf { setting, checks: self.checks })?);
        }
        Ok(())
    }
}

/// Reads a value, and checks it if `checks` is set.
struct ValueOf<'a, T: Value> {
    setting: &'a Setting<T>,
    checks: bool,
}

impl<'de, T: Value> DeserializeSeed<'de> for ValueOf<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        let (value, ValueOf { setting, checks }) = (T::read(from)?, self);
        if !checks {
            return Ok(value);
        }
        value.check(&setting.options.check).map_err(|reason| D::Error::custom(format!("{}: {reason}", setting.key)))
    }
}

/// Reads one of several names.
struct OneOf<'a> {
    known: &'a [&'static str],
    what: &'static str,
}

impl<'de> DeserializeSeed<'de> for OneOf<'_> {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<&'static str, D::Error> {
        let (name, OneOf { known, what }) = (String::deserialize(from)?, self);
        let found = known.iter().find(|known| **known == name).copied();
        found.ok_or_else(|| D::Error::custom(format!("unknown {what} {name:?}{}", nearest(&name, known))))
    }
}

/// Reads the settings of single networks.
struct Networks;

impl<'de> DeserializeSeed<'de> for Networks {
    type Value = BTreeMap<String, Recipe>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Networks {
    type Value = BTreeMap<String, Recipe>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("tables of settings, one per network")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut networks = BTreeMap::new();
        while let Some(name) = map.next_key_seed(OneOf { known: &NETWORKS, what: "network" })? {
            networks.insert(name.to_string(), map.next_value_seed(OfNetwork)?);
        }
        Ok(networks)
    }
}

/// Reads the settings of one network.
struct OfNetwork;

impl<'de> DeserializeSeed<'de> for OfNetwork {
    type Value = Recipe;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Recipe, D::Error> {
        match Recipe::deserialize(from)? {
            Recipe { network: Some(_), .. } => {
                Err(D::Error::custom("settings of one network cannot set another network"))
            }
            recipe => Ok(recipe),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key that a run records can be read again, and means the same.
    #[test]
    fn a_configuration_is_a_recipe() {
        let config = Config {
            limit: Some(7),
            steps: Some(3),
            clip: Some(0.5),
            init: Some("a".into()),
            model: Some("b".into()),
            dropout: Some(0.25),
            seed: u64::MAX,
            shuffle: false,
            freeze: vec!["conv1".into(), "fc1".into()],
            ..Config::default()
        };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{text}");
        let recipe: Recipe = toml::from_str(&text).unwrap();
        assert_eq!(toml::to_string(&recipe).unwrap(), text);
        assert_eq!(toml::from_str::<RecipeFile>(&text).unwrap().of(None), recipe);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config, "{text}");
    }

    #[test]
    fn a_network_may_have_settings_of_its_own() {
        let found = |text: &str, network: Option<&str>| {
            let recipe = toml::from_str::<RecipeFile>(text).unwrap().of(network);
            (recipe.epochs, recipe.batch)
        };
        let text = "epochs = 3\nbatch = 7\n[for.deep]\nbatch = 9\n[for.lenet5]\nepochs = 1";
        assert_eq!(found(text, None), (Some(3), Some(7)));
        assert_eq!(found(text, Some("tutorial")), (Some(3), Some(7)));
        assert_eq!(found(text, Some("deep")), (Some(3), Some(9)));
        assert_eq!(found(text, Some("lenet5")), (Some(1), Some(7)));
        let own = format!("network = \"deep\"\n{text}");
        assert_eq!(found(&own, None), (Some(3), Some(9)));
        assert_eq!(found(&own, Some("lenet5")), (Some(1), Some(7)));
        let listed = format!("network = [\"relu\"]\n{text}");
        assert_eq!(found(&listed, None), (Some(3), Some(7)));
    }

    #[test]
    fn every_error_has_its_line() {
        for (text, line, word) in [
            ("epochs = 3\nlr = -1", 2, "lr: it takes a number above 0"),
            ("epochs = 0", 1, "epochs: it takes a whole number from 1"),
            ("\n\nsteps = -1", 3, "whole number"),
            ("lr = 0.1\nwieght-decay = 1", 2, "unknown key \"wieght-decay\"; did you mean \"weight-decay\"?"),
            ("\n[for.deep]\nlr = 0.1\nbacth = 3", 4, "did you mean \"batch\"?"),
            ("\n[for.deep]\nbatch = 0", 3, "batch: it takes a whole number"),
            ("\n[for.deeep]\nbatch = 3", 2, "unknown network \"deeep\"; did you mean \"deep\"?"),
            ("\n[for.deep]\nnetwork = \"lenet5\"", 2, "another network"),
            ("\n[for.deep.for.deep]\nbatch = 3", 2, "unknown key \"for\""),
        ] {
            let error = toml::from_str::<RecipeFile>(text).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line}")) && error.contains(word), "{text}\n{error}");
        }
    }
}
