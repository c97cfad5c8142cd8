//! Learning rate factors of layers.

use super::Range;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Learning rate factors of layers, written `conv1=0.1,fc2=2` or `none`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rates(pub Vec<(String, f64)>);

impl Rates {
    pub fn of(&self, layer: &str) -> f64 {
        self.0.iter().find(|(of, _)| of == layer).map_or(1.0, |(_, rate)| *rate)
    }
}

impl Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(layer, rate)| format!("{layer}={rate}")).collect();
        f.write_str(&if parts.is_empty() { "none".into() } else { parts.join(",") })
    }
}

impl FromStr for Rates {
    type Err = String;
    fn from_str(text: &str) -> Result<Rates, String> {
        let part = |part: &str| {
            let (layer, rate) = part.split_once('=')?;
            let rate = Range::AboveZero.parse(rate).ok()?;
            Some((layer.trim().to_string(), rate))
        };
        let parts = text.split(',').filter(|_| text != "none").map(part).collect::<Option<Vec<_>>>();
        let parts = parts
            .ok_or("it takes layers with factors above 0 that float32 can hold, such as conv1=0.1,fc2=2, or none")?;
        match parts.iter().enumerate().find(|(at, (layer, _))| parts[..*at].iter().any(|(other, _)| other == layer)) {
            Some((_, (layer, _))) => Err(format!("{layer} has two factors")),
            None => Ok(Rates(parts)),
        }
    }
}

crate::text::serde_as_text!(Rates);
