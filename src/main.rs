//! The program itself is in the library, where it can be tested.

use std::process::ExitCode;

fn main() -> ExitCode {
    let began = std::time::Instant::now();
    // Where this is unset, as on servers and in containers, EGL complains to standard error. Nobody can create files
    // there.
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", "/dev/null") };
    }
    mnist_gpu::cli::main(began)
}
