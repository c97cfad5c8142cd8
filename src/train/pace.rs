//! How many batches go into one submission.

use std::time::Duration;

/// Aimed at for a submission. Windows and macOS end work that keeps a GPU for seconds, and a display stutters long before.
const AIM: Duration = Duration::from_millis(80);
/// So that the encoding of a submission stays short on a fast device too.
const MOST: usize = 512;

/// Adapts the length of submissions to the speed of the device. Nothing that is computed depends on it.
pub struct Pace {
    batches: usize,
}

impl Pace {
    /// Starts with one batch, for a device of which nothing is known.
    pub fn new() -> Pace {
        Pace { batches: 1 }
    }

    /// Batches for the next submission, at most `left`.
    pub fn next(&self, left: usize) -> usize {
        self.batches.min(left)
    }

    /// Learns that a submission of `batches` took so long. Grows at most twofold at once, since one measurement is little.
    pub fn measured(&mut self, batches: usize, took: Duration) {
        let each = took.as_secs_f64() / batches.max(1) as f64;
        let wanted = (AIM.as_secs_f64() / each.max(1e-7)) as usize;
        self.batches = wanted.clamp(1, (self.batches * 2).min(MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_grow_to_the_aim_and_shrink_at_once() {
        let mut pace = Pace::new();
        for _ in 0..20 {
            let batches = pace.next(1000);
            pace.measured(batches, Duration::from_millis(4) * batches as u32);
        }
        assert_eq!(pace.next(1000), 20);
        assert_eq!(pace.next(7), 7);
        pace.measured(20, Duration::from_secs(1));
        assert_eq!(pace.next(1000), 1);
    }
}
