//! Resource usage of this process, as reported by the operating system.

/// CPU seconds of all threads so far, and peak resident memory in bytes; `None` if it is not available.
pub fn usage() -> Option<(f64, u64)> {
    #[cfg(unix)]
    {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: getrusage writes the whole struct, for which all-zero bytes are valid.
        let usage = unsafe {
            if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
                return None;
            }
            usage.assume_init()
        };
        let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
        // Bytes on macOS, kilobytes elsewhere.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        Some((seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as u64 * unit))
    }
    #[cfg(not(unix))]
    None
}
