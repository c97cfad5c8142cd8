//! `y = (1 - exp(-2 |x|)) / (1 + exp(-2 |x|))`, with the sign of x.

use super::{Rounded, Twin, UNIT};

pub const TWIN: Twin = Twin {
    act: |z| {
        let (y, size) = (z.tanh(), z.abs());
        let mut error = f64::from(f32::MIN_POSITIVE);
        // A shader switches formulas at 0.1, and its x may have a small error.
        if size < 0.11 {
            // The first omitted term of the series, and three roundings: the value subtracted from 1 is small.
            error += 17.0 / 315.0 * size.powi(7) + 3.0 * UNIT * size;
        }
        if size > 0.09 {
            // WGSL's exponential is accurate to 3 + 2 |x| ULP and its division to 2.5 ULP (WGSL, section 15.7.4.1); an
            // ULP is at most two units. The difference and the sum round once each.
            let power = (-2.0 * size).exp();
            let exponential = 2.0 * (3.0 + 4.0 * size) * UNIT * power;
            error += exponential * 2.0 / (1.0 + power).powi(2) + 7.0 * UNIT * y.abs();
        }
        Rounded { value: y, error }
    },
    steepest: 1.0,
    derivative: |y| (1.0 - y) * (1.0 + y),
    // A difference, a sum and two products.
    roundings: 4.0,
    faults: &[
        ("sign(z) * ", ""),
        ("2.0 / 15.0", "0.0"),
        ("abs(z) < 0.1", "abs(z) < 0.0"),
        ("abs(z) < 0.1", "abs(z) < 0.3"),
        ("return (1.0 - y) * (1.0 + y);", "return (1.0 - y) * (1.0 - y);"),
    ],
};

#[cfg(test)]
mod tests {
    use super::TWIN;

    /// The shader's formula in float32 is within the bound, which is tight enough to be meaningful.
    #[test]
    fn float32_stays_within_the_bound() {
        for i in -40_000..40_000 {
            let z = i as f32 * 2e-4;
            let square = z * z;
            let near = z * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0)));
            let power = (-2.0 * z.abs()).exp();
            let y = if z.abs() < 0.1 { near } else { z.signum() * (1.0 - power) / (1.0 + power) };
            let bound = (TWIN.act)(z.into());
            assert!((f64::from(y) - bound.value).abs() <= bound.error, "{z}: {y}, {bound:?}");
            assert!(bound.error <= 4e-6 * bound.value.abs().max(1e-6), "{z}: {bound:?}");
        }
    }
}
