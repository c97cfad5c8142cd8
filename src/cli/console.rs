//! Terminal output: results go to standard output, the rest to standard error, and progress bars only to a terminal.

use crate::text;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{Error, ErrorKind, IsTerminal, Write};

/// The output of the program. Everything is printed through here, so that text from other sources cannot control the
/// terminal and failed writes are noticed.
pub struct Console {
    pub json: bool,
    quiet: bool,
    verbose: bool,
    bar: RefCell<Option<(String, ProgressBar)>>,
    /// The first write error, and the stream that it occurred on.
    failure: RefCell<Option<(&'static str, Error)>>,
}

impl Console {
    pub fn new(json: bool, quiet: bool, verbose: bool) -> Console {
        Console { json, quiet, verbose, bar: RefCell::new(None), failure: RefCell::new(None) }
    }

    /// Reports the first failed write. A closed pipe is not a failure, since its reader needs no more.
    ///
    /// # Errors
    /// If a write failed, for example because the disk is full.
    pub fn finish(&self) -> anyhow::Result<()> {
        self.wrote("standard output", std::io::stdout().flush());
        match self.failure.borrow_mut().take() {
            Some((stream, error)) => {
                Err(anyhow::anyhow!("cannot write to {stream}: {error}; the output is incomplete"))
            }
            None => Ok(()),
        }
    }

    fn wrote(&self, stream: &'static str, written: std::io::Result<()>) {
        if let Err(error) = written
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.failure.borrow_mut().get_or_insert((stream, error));
        }
    }

    /// Prints a result, to standard output.
    pub fn result(&self, text: impl Display) {
        self.wrote("standard output", writeln!(std::io::stdout(), "{}", text::lines(text)));
    }

    /// Prints a result as JSON.
    pub fn result_json(&self, value: &serde_json::Value) {
        self.wrote("standard output", writeln!(std::io::stdout(), "{}", text::json(value)));
    }

    /// Prints information, unless `--quiet` is set.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Prints details if `--verbose` is set.
    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.line(text);
        }
    }

    /// Prints a warning, unless `--quiet` is set.
    pub fn warn(&self, text: impl Display) {
        self.note(format!("note: {text}"));
    }

    /// Prints an error.
    pub fn error(&self, text: impl Display) {
        self.line(text);
    }

    fn line(&self, text: impl Display) {
        let print = || self.wrote("standard error", writeln!(std::io::stderr(), "{}", text::lines(text)));
        match &*self.bar.borrow() {
            Some((_, bar)) => bar.suspend(print),
            None => print(),
        }
    }

    /// Returns true if progress bars are shown.
    pub fn draws(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Updates the progress bar with this name, which is created on first use.
    pub fn bar(&self, name: &str, at: u64, of: Option<u64>, template: &str, message: String) {
        if !self.draws() {
            return;
        }
        let mut shown = self.bar.borrow_mut();
        if shown.as_ref().is_none_or(|(shown, _)| shown != name) {
            if let Some((_, old)) = shown.take() {
                old.finish_and_clear();
            }
            let bar = ProgressBar::with_draw_target(of, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            // indicatif's own rate has four decimals and no unit.
            let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.0}", state.per_sec());
            };
            bar.set_style(style.with_key("rate", rate));
            *shown = Some((name.into(), bar));
        }
        if let Some((_, bar)) = &*shown {
            bar.set_message(text::Shown::from(message).to_string());
            bar.set_position(at);
        }
    }

    /// Removes the progress bar.
    pub fn clear_bar(&self) {
        if let Some((_, bar)) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// Shows the progress of a download.
    pub fn fetching(&self, file: &str, got: u64, of: Option<u64>) {
        let template = "downloading {msg} [{bar:30}] {bytes} of {total_bytes} {bytes_per_sec} {eta}";
        self.bar(file, got, of, template, file.into());
        if of == Some(got) {
            self.clear_bar();
        }
    }
}
