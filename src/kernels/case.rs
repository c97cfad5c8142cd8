//! Test cases of a kernel.

use super::Kernel;

/// Distribution of a kernel's input values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Signed, in [-1, 1).
    Random,
    /// Integers from -2 to 2: every sum is exact in any order, so the result must be too. Ties are frequent.
    Integers,
    /// Logits that are all below -200, all equal, or far apart.
    Extreme,
    /// Large, in [-100, 100).
    Large,
}

impl Fill {
    /// For kernels that map integers to integers.
    pub(crate) const EXACT: &'static [Fill] = &[Fill::Random, Fill::Integers];
    /// For kernels that divide, or compute roots or exponentials.
    pub(crate) const SMOOTH: &'static [Fill] = &[Fill::Random];
}

/// A kernel with its sizes, its cursor if it reads one, and the fills of its inputs; each fill is one test case.
#[derive(Clone, Debug)]
pub struct Setting<K> {
    pub kernel: K,
    /// Step, first row and total number of rows.
    pub cursor: [u32; 3],
    pub fills: &'static [Fill],
}

impl<K> Setting<K> {
    pub(crate) fn new(kernel: K, fills: &'static [Fill]) -> Setting<K> {
        Setting { kernel, cursor: [0; 3], fills }
    }

    pub(crate) fn at(self, cursor: [u32; 3]) -> Setting<K> {
        Setting { cursor, ..self }
    }
}

impl Setting<Kernel> {
    pub(super) fn from_one<K: Into<Kernel>>(one: Setting<K>) -> Setting<Kernel> {
        Setting { kernel: one.kernel.into(), cursor: one.cursor, fills: one.fills }
    }
}
