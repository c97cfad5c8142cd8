//! Parses the command line, runs it, and turns an error into an exit code.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let began = std::time::Instant::now();
    // Where this is unset, as on servers and in containers, EGL complains to standard error. Nothing is put there.
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
    match mnist_gpu::cli::run(mnist_gpu::cli::Cli::parse(), began) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mnist-gpu: {error:#}");
            ExitCode::FAILURE
        }
    }
}
