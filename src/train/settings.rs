//! Valid ranges of the numbers of a training: one list for flags, recipe files and the record that a run resumes from.

use toml::{Table, Value};

/// Range of a number. Kernels compute in float32, so the number is checked as float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    AboveZero,
    FromZero,
    /// From 0 to 1.
    Share,
    /// From 0 to below 1.
    Fraction,
    /// From 0 to below 1, in whole percent.
    Percent,
}

impl Range {
    /// Parses a number and checks it.
    ///
    /// # Errors
    /// If the number is out of range; the text names the range.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        self.check(text.parse().unwrap_or(f64::NAN))
    }

    /// Checks a number, and returns it with a negative zero made positive.
    ///
    /// # Errors
    /// If the number is out of range; the text names the range.
    pub fn check(self, value: f64) -> Result<f64, String> {
        let seen = value as f32;
        let (accepted, what) = match self {
            Range::AboveZero => (value > 0.0, "above 0"),
            Range::FromZero => (value >= 0.0, "from 0"),
            Range::Share => ((0.0..=1.0).contains(&seen), "from 0 to 1"),
            Range::Fraction => ((0.0..1.0).contains(&seen), "from 0 to below 1"),
            Range::Percent => {
                let whole = (value * 100.0 - libm::round(value * 100.0)).abs() < 1e-9;
                ((0.0..1.0).contains(&seen) && whole, "from 0 to below 1, with two decimals at most")
            }
        };
        let is_kept = seen.is_finite() && (seen != 0.0 || value == 0.0);
        match accepted && is_kept {
            true => Ok(value + 0.0),
            false if accepted && value.is_finite() => {
                Err(format!("it takes a number {what}, and as float32 {value:e} is {seen}"))
            }
            false => Err(format!("it takes a number {what}")),
        }
    }
}

/// Settings that are numbers, by name.
const NUMBERS: [(&str, Range); 13] = [
    ("lr", Range::AboveZero),
    ("momentum", Range::Fraction),
    ("weight-decay", Range::FromZero),
    ("beta1", Range::Fraction),
    ("beta2", Range::Fraction),
    ("eps", Range::AboveZero),
    ("clip", Range::AboveZero),
    ("warmup", Range::FromZero),
    ("dropout", Range::Percent),
    ("label-smoothing", Range::Fraction),
    ("temperature", Range::AboveZero),
    ("alpha", Range::Share),
    ("unfreeze-rate", Range::AboveZero),
];

/// Settings that are counts: name, minimum and maximum.
const COUNTS: [(&str, i64, i64); 9] = [
    ("epochs", 1, MOST),
    ("batch", 1, 65_535),
    ("steps", 1, MOST),
    ("validation", 0, MOST),
    ("limit", 1, MOST),
    ("patience", 1, MOST),
    ("unfreeze-after", 0, MOST),
    ("log-every", 1, MOST),
    ("classes", 2, 256),
];

/// Maximum of a count. The product of two fits in 64 bits.
const MOST: i64 = 1_000_000_000;

/// Parses the count of the setting with this name.
///
/// # Errors
/// If the count is out of range; the text names the range.
///
/// # Panics
/// If no setting has this name.
pub fn count(name: &str, text: &str) -> Result<usize, String> {
    let bounds = COUNTS.iter().find(|(of, ..)| *of == name).expect("every count is in the list");
    counted(*bounds, text.parse().ok()).map(|count| count as usize)
}

fn counted((_, least, most): (&str, i64, i64), count: Option<i64>) -> Result<i64, String> {
    let accepted = count.filter(|count| (least..=most).contains(count));
    accepted.ok_or_else(|| format!("it takes a whole number from {least} to {most}"))
}

/// Checks settings that come from a file.
///
/// # Errors
/// The first setting that a flag would reject.
pub fn check(settings: &Table) -> Result<(), String> {
    let told = |name: &str, reason: String| format!("{name}: {reason}");
    for (name, range) in NUMBERS {
        if let Some(Value::Float(value)) = settings.get(name) {
            range.check(*value).map_err(|reason| told(name, reason))?;
        }
    }
    for bounds in COUNTS {
        if let Some(Value::Integer(count)) = settings.get(bounds.0) {
            counted(bounds, Some(*count)).map_err(|reason| told(bounds.0, reason))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Config;

    #[test]
    fn a_number_is_checked_as_what_it_will_be_used_as() {
        assert_eq!(Range::AboveZero.parse("0.5"), Ok(0.5));
        for (range, text) in [
            (Range::AboveZero, "1e300"),
            (Range::AboveZero, "1e-320"),
            (Range::AboveZero, "nan"),
            (Range::FromZero, "1e-60"),
            (Range::FromZero, "inf"),
            (Range::FromZero, "-1"),
            // 1 as float32.
            (Range::Fraction, "0.9999999999"),
            (Range::Share, "1.1"),
            (Range::Percent, "0.125"),
            (Range::FromZero, "x"),
        ] {
            assert!(range.parse(text).is_err(), "{range:?} {text}");
        }
        assert!(Range::AboveZero.parse("1e-320").unwrap_err().ends_with("as float32 1e-320 is 0"));
        assert!(Range::FromZero.parse("1e300").unwrap_err().ends_with("as float32 1e300 is inf"));
        assert!(Range::FromZero.parse("-0").unwrap().is_sign_positive());
        assert_eq!(Range::Share.parse("1"), Ok(1.0));
    }

    #[test]
    fn counts_stay_where_their_products_fit() {
        assert_eq!(count("epochs", "1000000000"), Ok(1_000_000_000));
        for (name, text) in
            [("epochs", "0"), ("epochs", "1000000001"), ("batch", "65536"), ("classes", "1"), ("limit", "0")]
        {
            assert!(count(name, text).unwrap_err().contains("whole number from"), "{name} {text}");
        }
    }

    /// A name that no configuration has would check nothing.
    #[test]
    fn the_names_are_those_of_a_configuration() {
        let config = Config {
            clip: Some(1.0),
            dropout: Some(0.5),
            steps: Some(1),
            limit: Some(1),
            patience: Some(1),
            unfreeze_after: Some(1),
            classes: Some(2),
            ..Config::default()
        };
        let table = Table::try_from(&config).unwrap();
        assert!(NUMBERS.iter().all(|(name, _)| table[*name].is_float()));
        assert!(COUNTS.iter().all(|(name, ..)| table[*name].is_integer()));
        assert_eq!(check(&table), Ok(()));
        let numbers = table.values().filter(|value| value.is_float()).count();
        assert_eq!(numbers, NUMBERS.len(), "every number is in the list");
        // All but the seed, which has no limits.
        let counts = table.values().filter(|value| value.is_integer()).count();
        assert_eq!(counts, COUNTS.len() + 1, "every count is in the list");
    }
}
