//! Ranges of numbers.

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

/// Range of a whole number: minimum and maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64, pub u64);

impl Count {
    /// Maximum of most counts. The product of two fits in 64 bits.
    pub const MAX: u64 = 1_000_000_000;

    /// Parses a number and checks it.
    ///
    /// # Errors
    /// If the number is out of range; the text names the range.
    pub fn parse(self, text: &str) -> Result<u64, String> {
        self.check(text.parse().ok())
    }

    /// Checks a number, which is absent if it is not a whole number.
    ///
    /// # Errors
    /// If the number is out of range; the text names the range.
    pub fn check(self, count: Option<u64>) -> Result<u64, String> {
        let Count(least, most) = self;
        count.filter(|count| (least..=most).contains(count)).ok_or_else(|| match most {
            u64::MAX => format!("it takes a whole number from {least} to below 2^64"),
            _ => format!("it takes a whole number from {least} to {most}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn counts_have_a_minimum_and_a_maximum() {
        assert_eq!(Count(1, Count::MAX).parse("1000000000"), Ok(1_000_000_000));
        assert_eq!(Count(0, u64::MAX).parse("18446744073709551615"), Ok(u64::MAX));
        for (count, text) in [(Count(1, 9), "0"), (Count(1, 9), "10"), (Count(2, 256), "-3"), (Count(0, u64::MAX), "x")]
        {
            assert!(count.parse(text).unwrap_err().contains("whole number from"), "{count:?} {text}");
        }
    }
}
