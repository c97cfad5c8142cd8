//! Text from other sources: names of files, classes and tensors, and messages of drivers and libraries. None of it may
//! control the terminal, so all printed text goes through here.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

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
    fn json_says_the_same_without_acting() {
        let value = serde_json::json!({"a\u{7f}": "\u{1b}[2J\u{9b}\u{202e}\n"});
        let text = json(&value);
        assert!(!text.contains(acts), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
