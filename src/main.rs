//! Parses the command line, runs it, and turns an error into an exit code.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match mnist_gpu::cli::run(mnist_gpu::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mnist-gpu: {error:#}");
            ExitCode::FAILURE
        }
    }
}
