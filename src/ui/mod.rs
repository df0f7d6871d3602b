//! What people see: results on stdout, everything else on stderr.
//!
//! All writing to stdout happens here. A reader that closes the pipe is not an error: nothing more is written, and
//! whoever makes long listings asks [`Ui::reader_left`]. Names come from strangers, so control characters are escaped.

pub mod json;
pub mod progress;
pub mod prompt;
pub mod table;

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::ui::json::Event;
use crate::ui::progress::{Meter, Mode};
use crate::units::count_to_text;
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How to speak.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// One JSON object a line in place of text.
    pub json: bool,
    /// Errors and the summary only.
    pub quiet: bool,
    /// Each file.
    pub verbose: bool,
    /// Escape codes for colour on stderr.
    pub color: bool,
    /// How progress is shown.
    pub progress: Mode,
}

/// The one place that speaks to people and scripts. Shared by threads.
pub struct Ui {
    style: Style,
    out: Mutex<BufWriter<Stdout>>,
    out_is_terminal: bool,
    reader_left: AtomicBool,
    fault: Mutex<Option<io::Error>>,
    begin: Mutex<Option<Begin>>,
    meter: Meter,
    stop: Arc<AtomicBool>,
    problems: AtomicU64,
    damaged: AtomicBool,
}

/// What the first event says; kept until it is known or something must be said before.
struct Begin {
    command: String,
    device: String,
}

impl Ui {
    /// Speaks in this style until the process ends; `stop` is set when the user asks to stop.
    pub fn new(style: Style, command: &str, host: Arc<dyn Host>, stop: Arc<AtomicBool>) -> Self {
        let device = host.name();
        Self {
            style,
            out: Mutex::new(BufWriter::new(io::stdout())),
            out_is_terminal: io::stdout().is_terminal(),
            reader_left: AtomicBool::new(false),
            fault: Mutex::new(None),
            begin: Mutex::new(Some(Begin {
                command: command.to_owned(),
                device,
            })),
            meter: Meter::new(style.progress, style.json && !style.quiet, host),
            stop,
            problems: AtomicU64::new(0),
            damaged: AtomicBool::new(false),
        }
    }

    /// How this one speaks.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether the user asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether nobody reads stdout any more, or it cannot be written.
    pub fn reader_left(&self) -> bool {
        self.reader_left.load(Ordering::Relaxed)
    }

    /// Problems told so far.
    pub fn problems(&self) -> u64 {
        self.problems.load(Ordering::Relaxed)
    }

    /// What was told is about to be healed; what is told from now on counts.
    pub fn forget_damage(&self) {
        self.damaged.store(false, Ordering::Relaxed);
    }

    /// Whether one of them was damage.
    pub fn saw_damage(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// One line of the result. Says nothing where events are wanted.
    pub fn line(&self, text: &str) {
        if !self.style.json {
            self.meter
                .aside(|| self.write(&[text.as_bytes(), b"\n"].concat()));
        }
    }

    /// One line that `--quiet` drops.
    pub fn detail(&self, text: &str) {
        if !self.style.quiet {
            self.line(text);
        }
    }

    /// Content, as it is.
    pub fn content(&self, bytes: &[u8]) {
        self.write(bytes);
    }

    /// One event; nothing where text is wanted.
    pub fn event(&self, event: &Event<'_>) {
        if self.style.json {
            self.begin(None);
            self.write(&json::line(event));
            self.flush();
        }
    }

    /// The first event, once the repository is known; later calls do nothing.
    pub fn begin(&self, repository: Option<&str>) {
        let begin = lock(&self.begin).take();
        if let Some(Begin { command, device }) = begin.filter(|_| self.style.json) {
            self.write(&json::line(&Event::Begin {
                schema: json::SCHEMA,
                version: env!("CARGO_PKG_VERSION"),
                command: &command,
                repository,
                device: &device,
            }));
            self.flush();
        }
    }

    /// Something worth knowing, on stderr.
    pub fn note(&self, text: &str) {
        if !self.style.quiet {
            self.say(&escape_text(text));
        }
    }

    /// Something wrong that did not stop the work, on stderr; counted.
    pub fn problem(&self, problem: &Error) {
        self.problems.fetch_add(1, Ordering::Relaxed);
        if problem.kind() == Kind::Damaged {
            self.damaged.store(true, Ordering::Relaxed);
        }
        let chain = problem.chain();
        self.say(&format!(
            "{} {}",
            self.paint("!", YELLOW),
            escape_text(&chain)
        ));
        for line in problem.hint_text().unwrap_or_default().lines() {
            self.say(&format!("  {}", escape_text(line)));
        }
        self.event(&Event::Problem {
            kind: json::kind_name(problem.kind()),
            what: &chain,
            hint: problem.hint_text(),
        });
    }

    /// What ended the work, on stderr, with what to do next.
    pub fn error(&self, error: &Error) {
        self.meter.end();
        let name = self.paint("heirloom:", RED);
        self.say(&format!("{name} {}", escape_text(&error.chain())));
        if let Some(hint) = error.hint_text() {
            self.say(&format!("\nhint: {}", escape_text(hint)));
        }
    }

    /// Progress is over; what follows is the summary.
    pub fn end_progress(&self) {
        self.meter.end();
    }

    /// Everything is written, or it is said why not.
    ///
    /// # Errors
    /// When stdout could not be written for another reason than a reader that left.
    pub fn finish(&self) -> Result<()> {
        self.meter.end();
        self.flush();
        match lock(&self.fault).take() {
            Some(fault) => Err(Error::io("write to standard output", fault)),
            None => Ok(()),
        }
    }

    fn say(&self, text: &str) {
        self.flush();
        self.meter.aside(|| {
            // Nobody is left to be told that stderr is gone.
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    fn paint(&self, text: &str, color: &str) -> String {
        if self.style.color {
            format!("\x1b[{color}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn write(&self, bytes: &[u8]) {
        if self.reader_left() {
            return;
        }
        let written = lock(&self.out).write_all(bytes);
        self.note_fault(written);
        if self.out_is_terminal {
            self.flush();
        }
    }

    fn flush(&self) {
        if !self.reader_left() {
            let flushed = lock(&self.out).flush();
            self.note_fault(flushed);
        }
    }

    fn note_fault(&self, written: io::Result<()>) {
        if let Err(fault) = written {
            self.reader_left.store(true, Ordering::Relaxed);
            if fault.kind() != io::ErrorKind::BrokenPipe {
                *lock(&self.fault) = Some(fault);
            }
        }
    }
}

const RED: &str = "1;31";
const YELLOW: &str = "33";

/// A panic elsewhere leaves nothing here half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name for people: control characters, and bytes that are no text, escaped.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&escape_text(chunk.valid()));
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a string takes all text");
        }
    }
    text
}

/// The same for text.
pub fn escape_text(text: &str) -> String {
    if !text.chars().any(is_unsafe) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if is_unsafe(char) {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// What a terminal would act upon, and what turns the direction of the text around.
fn is_unsafe(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1 file`, `2,304 files`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        count_to_text(count),
        if count == 1 { one } else { many }
    )
}

/// Writes to stderr where no [`Ui`] exists yet, or none can be trusted.
pub fn last_words(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes help to stdout; a reader that left is no error.
pub fn help(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p13_names_cannot_steer_a_terminal() {
        assert_eq!(
            escape("Käse \u{1f9c0}.txt".as_bytes()),
            "Käse \u{1f9c0}.txt"
        );
        assert_eq!(escape(b"a\nb\x1b[31m\xff"), "a\\nb\\u{1b}[31m\\xff");
        assert_eq!(escape("\u{202e}gpj.exe".as_bytes()), "\\u{202e}gpj.exe");
    }
}
