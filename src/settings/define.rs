//! What an entry of the list of settings is, and the macro that defines [`Config`](super::Config) and
//! [`Recipe`](super::Recipe) from the list.

use super::Value;

/// A setting: everything about it but its value.
pub struct Setting<T: Value> {
    /// Key in a recipe, and the flag without its dashes.
    pub key: &'static str,
    /// Lines of the help text: a summary, an empty line, and details.
    pub help: &'static [&'static str],
    /// `None` for optional settings.
    pub default: Option<T>,
    pub options: Options<T>,
}

/// The part of a setting that its entry writes as `flag(..)`.
pub struct Options<T: Value> {
    pub check: T::Check,
    /// Placeholder of the value in the help text.
    pub placeholder: &'static str,
    /// What the help text says after the default.
    pub note: &'static str,
    /// For a switch that is on by default: help text of the flag that turns it off.
    pub off: &'static str,
    pub has_flag: bool,
    /// Whether commands that only read data have the flag, too, or also those that only read pictures.
    pub of_data: bool,
    pub of_pictures: bool,
    /// Whether the default depends on the optimizer.
    pub of_optimizer: bool,
    /// Whether a resumed run may change it.
    pub on_resume: bool,
    /// Whether `finetune` takes it from its model.
    pub fixed_by_model: bool,
    /// Whether `train` does not have it.
    pub only_finetune: bool,
    /// Whether the summary of a run names it if it is not the default.
    pub in_summary: bool,
    /// Key of the setting without which this one has no effect.
    pub needs: Option<&'static str>,
}

/// Options of a setting with a flag.
pub fn flag<T: Value>(check: T::Check, placeholder: &'static str) -> Options<T> {
    Options {
        check,
        placeholder,
        note: "",
        off: "",
        has_flag: true,
        of_data: false,
        of_pictures: false,
        of_optimizer: false,
        on_resume: false,
        fixed_by_model: false,
        only_finetune: false,
        in_summary: false,
        needs: None,
    }
}

impl<T: Value> Options<T> {
    pub fn note(self, note: &'static str) -> Options<T> {
        Options { note, ..self }
    }

    pub fn off(self, off: &'static str) -> Options<T> {
        Options { off, ..self }
    }

    pub fn without_flag(self) -> Options<T> {
        Options { has_flag: false, ..self }
    }

    pub fn of_data(self) -> Options<T> {
        Options { of_data: true, ..self }
    }

    pub fn of_pictures(self) -> Options<T> {
        Options { of_data: true, of_pictures: true, ..self }
    }

    pub fn of_optimizer(self) -> Options<T> {
        Options { of_optimizer: true, ..self }
    }

    pub fn on_resume(self) -> Options<T> {
        Options { on_resume: true, ..self }
    }

    pub fn fixed_by_model(self) -> Options<T> {
        Options { fixed_by_model: true, ..self }
    }

    pub fn only_finetune(self) -> Options<T> {
        Options { only_finetune: true, ..self }
    }

    pub fn in_summary(self) -> Options<T> {
        Options { in_summary: true, ..self }
    }

    pub fn needs(self, key: &'static str) -> Options<T> {
        Options { needs: Some(key), ..self }
    }
}

/// Visits every setting of a recipe, in the order of the list.
pub trait Visit {
    type Error;

    /// Visits a setting and its value, which may be absent.
    ///
    /// # Errors
    /// An error ends the visit.
    fn setting<T: Value>(&mut self, setting: &Setting<T>, value: &mut Option<T>) -> Result<(), Self::Error>;
}

/// A field of a configuration as an optional value, whether it is optional or not.
pub trait Field<T> {
    fn given(self) -> Option<T>;
}

impl<T> Field<T> for T {
    fn given(self) -> Option<T> {
        Some(self)
    }
}

impl<T> Field<T> for Option<T> {
    fn given(self) -> Option<T> {
        self
    }
}

/// A field's name with hyphens in place of underscores.
pub const fn key<const N: usize>(field: &str) -> [u8; N] {
    let (mut key, mut at) = ([0; N], 0);
    while at < N {
        let byte = field.as_bytes()[at];
        key[at] = if byte == b'_' { b'-' } else { byte };
        at += 1;
    }
    key
}

/// Type of a field of the configuration.
macro_rules! field {
    ($type:ty) => { Option<$type> };
    ($type:ty, $default:expr) => { $type };
}

/// Its default; as an optional value after `given`.
macro_rules! default {
    (given) => {
        None
    };
    (given $default:expr) => {
        Some($default)
    };
    () => {
        None
    };
    ($default:expr) => {
        $default
    };
}

macro_rules! settings {
    ($($(#[doc = $help:literal])+ $field:ident: $type:ty $(= $default:expr)? => $options:expr;)+) => {
        /// All settings of a run: everything that determines what it computes.
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(into = "Recipe")]
        #[non_exhaustive]
        pub struct Config {
            $($(#[doc = $help])+ pub $field: $crate::settings::define::field!($type $(, $default)?)),+
        }

        impl Default for Config {
            /// The tutorial's settings for MNIST, and PyTorch's defaults for settings that the tutorial does not use.
            fn default() -> Config {
                Config { $($field: $crate::settings::define::default!($($default)?)),+ }
            }
        }

        /// Some of the settings of a run.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct Recipe {
            $($(#[doc = $help])+ pub $field: Option<$type>),+
        }

        impl Recipe {
            /// These settings, and those of another recipe that are absent here.
            pub fn over(self, other: Recipe) -> Recipe {
                Recipe { $($field: self.$field.or(other.$field)),+ }
            }

            /// Sets these settings in a configuration.
            pub fn apply(self, config: &mut Config) {
                $(if let Some(value) = self.$field {
                    config.$field = value.into();
                })+
            }

            /// Visits every setting.
            ///
            /// # Errors
            /// The first error of the visitor.
            pub fn visit<V: Visit>(&mut self, visitor: &mut V) -> Result<(), V::Error> {
                $({
                    const KEY: [u8; stringify!($field).len()] = $crate::settings::define::key(stringify!($field));
                    let setting: Setting<$type> = Setting {
                        key: const {
                            match std::str::from_utf8(&KEY) {
                                Ok(key) => key,
                                Err(_) => panic!(),
                            }
                        },
                        help: &[$($help),+],
                        default: $crate::settings::define::default!(given $($default)?),
                        options: $options,
                    };
                    visitor.setting(&setting, &mut self.$field)?;
                })+
                Ok(())
            }
        }

        impl From<Config> for Recipe {
            fn from(config: Config) -> Recipe {
                Recipe { $($field: $crate::settings::define::Field::<$type>::given(config.$field)),+ }
            }
        }
    };
}
pub(super) use {default, field, settings};
