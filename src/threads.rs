//! Runs the same work on all cores.

use std::num::NonZero;

/// Runs `work` on one thread per core, at most `most`, including the caller's, or on fewer if the system cannot start
/// more. Each thread takes items until none are left.
pub fn on_all_cores<T: Send>(most: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(most.max(1));
    std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, &work).ok();
        let others: Vec<_> = (1..count).map_while(start).collect();
        let mut done = vec![work()];
        done.extend(
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
        );
        done
    })
}
