//! Text from other sources: names of files, classes and tensors, and messages of drivers and libraries. None of it may
//! control the terminal, so all printed text goes through here.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Replaces characters that would control the terminal.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a character moves the cursor, starts an escape sequence, or changes the direction of the text around it.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from another source on one line, without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Converts anything that can be displayed.
    pub fn new(text: impl Display) -> Shown {
        Shown(text.to_string().replace(acts, &REPLACEMENT.to_string()))
    }
}

/// Names, and paths with lossy conversion.
impl<T: AsRef<Path> + ?Sized> From<&T> for Shown {
    fn from(path: &T) -> Shown {
        Shown::new(path.as_ref().display())
    }
}

impl From<PathBuf> for Shown {
    fn from(path: PathBuf) -> Shown {
        Shown::from(&path)
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Shown {
        Shown::from(&text)
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A path as an argument of a command line, in quotes if a shell would split it or read more into it.
pub fn quoted(path: impl AsRef<Path>) -> String {
    let text = Shown::from(path.as_ref()).to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/\\._-+:=@,~".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("\"{text}\"") }
}

/// Names on one line, separated by commas.
pub fn listed<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| Shown::new(name).0).collect::<Vec<_>>().join(", ")
}

/// Several lines, without control characters but line breaks.
pub fn lines(text: impl Display) -> String {
    text.to_string().replace(|c| acts(c) && c != '\n', &REPLACEMENT.to_string())
}

/// JSON in which control characters are escaped. They can only occur inside strings.
pub fn json(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match acts(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// The name of a setting in a message: a field for users of the library, such as `batch`, and a flag for users of the
/// program, such as `--batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument(pub &'static str);

/// Whether this process is the program.
static IS_PROGRAM: AtomicBool = AtomicBool::new(false);

impl Argument {
    /// Displays every setting as a flag from now on.
    pub fn show_flags() {
        IS_PROGRAM.store(true, Ordering::Relaxed);
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match IS_PROGRAM.load(Ordering::Relaxed) {
            true => write!(f, "--{}", self.0),
            false => write!(f, "`{}`", self.0.replace('-', "_")),
        }
    }
}

/// `; did you mean "lr"?` if a known name is similar, and a list of the known names otherwise.
pub fn nearest(unknown: &str, known: &[&str]) -> String {
    let score = |name: &str| strsim::jaro_winkler(unknown, name);
    let best = known.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
    match best.filter(|name| score(name) > 0.7) {
        Some(name) => format!("; did you mean {name:?}?"),
        None => format!("; known are {}", known.join(", ")),
    }
}

/// Serializes a type as its text in every format that serde supports, with `#[serde(try_from = "String", into =
/// "String")]` on the type.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(text: String) -> Result<$type, String> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_acts_on_a_terminal() {
        let name = "a\u{1b}]0;owned\u{7}\u{1b}[2J\r\nb\u{7f}\u{9b}31m\u{202e}c é 日本";
        let shown = Shown::from(name).to_string();
        assert_eq!(shown, "a�]0;owned��[2J��b��31m�c é 日本");
        assert_eq!(Shown::from(Path::new(name)).to_string(), shown);
        assert_eq!(listed(["a\n", "b"]), "a�, b");
        assert_eq!(format!("{:>4}|", Shown::from("ab")), "  ab|");
        assert_eq!(lines("one\n\u{1b}[31mtwo\r\n"), "one\n�[31mtwo�\n");
    }

    #[test]
    fn a_path_with_spaces_is_one_argument() {
        for (path, argument) in
            [("runs/a-1.5", "runs/a-1.5"), ("C:\\my set", "\"C:\\my set\""), ("a;b", "\"a;b\""), ("", "\"\"")]
        {
            assert_eq!(quoted(path), argument);
        }
    }

    #[test]
    fn json_says_the_same_without_acting() {
        let value = serde_json::json!({"a\u{7f}": "\u{1b}[2J\u{9b}\u{202e}\n"});
        let text = json(&value);
        assert!(!text.contains(acts), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
