//! `y = max(x, 0)`; the derivative is 0 at 0, as in PyTorch.

use super::{Rounded, Twin};

pub const TWIN: Twin = Twin {
    act: |z| Rounded::exact(z.max(0.0)),
    steepest: 1.0,
    derivative: |y| f64::from(y > 0.0),
    roundings: 0.0,
    faults: &[
        ("return max(z, 0.0);", "return z;"),
        ("return select(0.0, 1.0, y > 0.0);", "return select(0.0, 1.0, y >= 0.0);"),
    ],
};
