//! Where words go: results to standard output, the rest to standard error, bars only to a terminal.

use crate::text;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{Error, ErrorKind, IsTerminal, Write};

/// The user's side of the program. Whatever is printed goes through here, so that no name from elsewhere acts on a terminal
/// and no text that could not be written is taken for written.
pub struct Console {
    pub json: bool,
    quiet: bool,
    verbose: bool,
    bar: RefCell<Option<(String, ProgressBar)>>,
    /// The first error of a stream, and which of them it was.
    failure: RefCell<Option<(&'static str, Error)>>,
}

impl Console {
    pub fn new(json: bool, quiet: bool, verbose: bool) -> Console {
        Console { json, quiet, verbose, bar: RefCell::new(None), failure: RefCell::new(None) }
    }

    /// Reports the first failed write. A closed pipe is not a failure: the reader has had enough.
    ///
    /// # Errors
    /// A write failed, for example because the disk is full.
    pub fn finish(&self) -> anyhow::Result<()> {
        self.wrote("standard output", std::io::stdout().flush());
        match self.failure.borrow_mut().take() {
            Some((stream, error)) => {
                Err(anyhow::anyhow!("{stream} cannot be written: {error}; the output is incomplete"))
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

    /// The result: to standard output.
    pub fn result(&self, text: impl Display) {
        self.wrote("standard output", writeln!(std::io::stdout(), "{}", text::lines(text)));
    }

    /// The result as JSON.
    pub fn result_json(&self, value: &serde_json::Value) {
        self.wrote("standard output", writeln!(std::io::stdout(), "{}", text::json(value)));
    }

    /// Something worth knowing.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Something that is worth knowing only to those who ask.
    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.line(text);
        }
    }

    /// Something that should not be missed.
    pub fn warn(&self, text: impl Display) {
        self.note(format!("note: {text}"));
    }

    /// Something that is wrong.
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

    /// Whether a bar would be seen.
    pub fn draws(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Moves the bar of this name, making it at its first use.
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

    /// Takes the bar away.
    pub fn clear_bar(&self) {
        if let Some((_, bar)) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// Shows a file that is being fetched.
    pub fn fetching(&self, file: &str, got: u64, of: Option<u64>) {
        let template = "fetching {msg} [{bar:30}] {bytes} of {total_bytes} {bytes_per_sec} {eta}";
        self.bar(file, got, of, template, file.into());
        if of == Some(got) {
            self.clear_bar();
        }
    }
}
