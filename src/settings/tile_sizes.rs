//! Tile sizes of a run.

use crate::kernels::Tiles;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Tile sizes: those of the table for the device's class, written `table`, or a table such as `discrete,conv_o=5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TileSizes {
    OfClass,
    Table(Tiles),
}

impl Display for TileSizes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            TileSizes::OfClass => f.write_str("table"),
            TileSizes::Table(tiles) => tiles.fmt(f),
        }
    }
}

impl FromStr for TileSizes {
    type Err = String;

    fn from_str(text: &str) -> Result<TileSizes, String> {
        if text == "table" { Ok(TileSizes::OfClass) } else { text.parse().map(TileSizes::Table) }
    }
}

crate::text::serde_as_text!(TileSizes);
