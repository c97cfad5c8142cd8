//! How many batches go into one submission.

use std::time::Duration;

/// Target duration of a submission. Windows and macOS abort work that occupies a GPU for seconds, and a display
/// stutters well before that.
const AIM: Duration = Duration::from_millis(80);
/// Maximum number of batches, so that encoding a submission stays short on a fast device.
const MOST: usize = 512;

/// Adapts the length of submissions to the speed of the device. It does not affect the results.
pub struct Pace {
    batches: usize,
}

impl Pace {
    /// Starts with one batch, because the speed of the device is unknown.
    pub fn new() -> Pace {
        Pace { batches: 1 }
    }

    /// Number of batches in the next submission, at most `left`.
    pub fn next(&self, left: usize) -> usize {
        self.batches.min(left)
    }

    /// Records how long a submission of `batches` took. The length at most doubles per measurement, since one alone
    /// says little.
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
