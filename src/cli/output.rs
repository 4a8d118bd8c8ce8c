//! What commands say: results to standard output, errors with a hint to standard error, progress only on a terminal.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// An error of a command, with what to do about it.
pub struct Failure {
    error: anyhow::Error,
    hint: Option<Cow<'static, str>>,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), hint: None }
    }
}

impl Failure {
    /// An error that is only a sentence.
    pub fn new(message: impl Display) -> Self {
        Self { error: anyhow::Error::msg(message.to_string()), hint: None }
    }

    /// What [`report`] prints.
    pub fn text(&self) -> String {
        let hint = self.hint.as_ref().map_or(String::new(), |hint| format!("\n  hint: {hint}"));
        format!("error: {:#}{hint}", self.error)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Adds hints to results.
pub trait Hint<T> {
    /// What to do when it fails.
    ///
    /// # Errors
    /// Those of the result, with the hint.
    fn hint(self, hint: impl Into<Cow<'static, str>>) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Hint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<Cow<'static, str>>) -> Result<T, Failure> {
        self.map_err(|e| e.into().hint(hint))
    }
}

/// Prints an error and its hint.
pub fn report(failure: &Failure) {
    note(failure.text());
}

/// Whether the reader of our output went away: `florin events | head -1` is no error.
pub fn is_broken_pipe(failure: &Failure) -> bool {
    failure.error.chain().filter_map(|e| e.downcast_ref::<io::Error>()).any(|e| e.kind() == ErrorKind::BrokenPipe)
}

/// Writes a line to standard output, and sees to it that it leaves.
///
/// # Errors
/// When it cannot be written; [`is_broken_pipe`] tells the harmless case.
pub fn say(line: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", visible(&line.to_string(), &['\n', '\t']))?;
    out.flush()
}

/// With control characters written out as JSON does, but those: what others wrote moves nothing on a terminal.
fn visible(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !kept.contains(&c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Writes a line to standard error, if anybody reads it.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}"); // nobody is left to tell
}

/// Rows under a head, in columns as wide as they must be.
///
/// # Errors
/// As [`say`].
pub fn columns<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut width = head.map(|text| text.chars().count());
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| visible(cell, &[]))).collect();
    for row in &rows {
        for (width, text) in width.iter_mut().zip(row) {
            *width = (*width).max(text.chars().count());
        }
    }
    let line = |cells: &[&str]| {
        let padded: Vec<_> = cells.iter().zip(width).map(|(text, width)| format!("{text:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    say(line(&head))?;
    rows.iter().try_for_each(|row| say(line(&row.each_ref().map(String::as_str))))
}

/// A bar for long work; shows nothing where nobody is looking.
pub fn progress(what: &'static str, total: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} [{bar:40}] {human_pos}/{human_len} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg} {human_pos} {per_sec}"),
    };
    bar.enable_steady_tick(Duration::from_millis(120));
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when a name, a reason or a body reaches the terminal as it was written.
    #[test]
    fn what_others_wrote_moves_nothing_on_a_terminal() {
        assert_eq!(visible("a\u{1b}[2J\u{9b}\r\n\tb", &['\n', '\t']), "a\\u001b[2J\\u009b\\u000d\n\tb");
        assert_eq!(visible("two\nrows", &[]), "two\\u000arows");
        let json = serde_json::json!({ "name": "\u{9b}2J" });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&visible(&json.to_string(), &[])).unwrap(), json);
    }
}
