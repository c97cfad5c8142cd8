//! `y = 1 / (1 + exp(-x))`

use super::{Rounded, Twin, UNIT};

pub const TWIN: Twin = Twin {
    act: |z| {
        let y = 1.0 / (1.0 + (-z).exp());
        // WGSL's exponential is accurate to 3 + 2 |x| ULP and its division to 2.5 ULP (WGSL, section 15.7.4.1); an ULP
        // is at most two units.
        let exponential = y * (1.0 - y) * 2.0 * (3.0 + 2.0 * z.abs()) * UNIT;
        // A result below the smallest normal number may be flushed to zero.
        Rounded { value: y, error: exponential + y * (1.0 + 5.0) * UNIT + f64::from(f32::MIN_POSITIVE) }
    },
    steepest: 0.25,
    derivative: |y| y * (1.0 - y),
    // Two for y (1 - y), and one for the product.
    roundings: 3.0,
    faults: &[
        ("exp(min(-z, 87.5))", "exp(min(z, 87.5))"),
        ("exp(min(-z, 87.5))", "exp(min(-z, 1.0))"),
        ("return y * (1.0 - y);", "return y * (1.0 + y);"),
    ],
};
