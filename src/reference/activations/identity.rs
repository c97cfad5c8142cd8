//! `y = x`

use super::{Rounded, Twin};

pub const TWIN: Twin = Twin {
    act: Rounded::exact,
    steepest: 1.0,
    derivative: |_| 1.0,
    roundings: 0.0,
    faults: &[("return z;", "return z + 1.0;"), ("return 1.0;", "return 0.0;")],
};
