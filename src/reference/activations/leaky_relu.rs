//! `y = x` where `x > 0`, else `x / 100` (A. Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic
//! Models, 2013, with PyTorch's slope).

use super::{Rounded, Twin};

const SLOPE: f64 = 0.01_f32 as f64;

pub const TWIN: Twin = Twin {
    act: |z| if z > 0.0 { Rounded::exact(z) } else { Rounded::exact(SLOPE) * Rounded::exact(z) },
    steepest: 1.0,
    derivative: |y| if y > 0.0 { 1.0 } else { SLOPE },
    roundings: 1.0,
    faults: &[("0.01 * z", "0.1 * z"), ("z > 0.0);", "z > 1.0);"), ("select(0.01, 1.0,", "select(0.0, 1.0,")],
};

#[cfg(test)]
mod tests {
    use super::TWIN;

    #[test]
    fn below_zero_a_hundredth_is_left() {
        assert_eq!((TWIN.act)(3.0).value, 3.0);
        assert!(((TWIN.act)(-3.0).value + 0.03).abs() < 1e-8);
        assert_eq!([1e-30, 0.0, -1e-30].map(TWIN.derivative), [1.0, 0.01_f32.into(), 0.01_f32.into()]);
    }
}
