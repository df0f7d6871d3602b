//! Asking on the terminal, line by line, with the echo off for secrets.
//!
//! The line is edited here and the terminal keeps quiet: a Ctrl-C then ends the question and not, half-way, the
//! process with an echo that stays off.

use crate::crypto::secret::SecretText;
use crate::error::{Error, Kind, Result};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io::{self, IsTerminal, Read, Write};
use zeroize::Zeroizing;

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_H: u8 = 8;
const CTRL_U: u8 = 21;
const DELETE: u8 = 127;
/// The longest line; never grown, so that no copy of a secret stays behind.
const LINE_BYTES_MAX: usize = 4096;

/// Whether there is a person to ask.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks one question; a `hidden` answer does not show.
///
/// # Errors
/// `Interrupted` for Ctrl-C, `Usage` when the input ends.
pub fn ask(question: &str, hidden: bool) -> Result<SecretText> {
    let failed = |error| Error::io("ask on the terminal", error);
    let quiet = Quiet::begin().map_err(failed)?;
    show(question);
    let line = read_line(hidden).map_err(failed);
    show("\r\n");
    drop(quiet);
    match line? {
        Line::Typed(bytes) => {
            let text = std::str::from_utf8(&bytes);
            let text = text.map_err(|_| Error::new(Kind::Usage, "what was typed is not UTF-8"))?;
            Ok(SecretText::new(text.to_owned()))
        }
        Line::Interrupted => Err(Error::new(Kind::Interrupted, "interrupted")),
        Line::Ended => Err(Error::new(Kind::Usage, "the input ended before an answer")),
    }
}

enum Line {
    Typed(Zeroizing<Vec<u8>>),
    Interrupted,
    Ended,
}

fn read_line(hidden: bool) -> io::Result<Line> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    let mut stdin = io::stdin().lock();
    loop {
        let mut byte = [0];
        if stdin.read(&mut byte)? == 0 {
            return Ok(Line::Ended);
        }
        match byte[0] {
            b'\r' | b'\n' => return Ok(Line::Typed(line)),
            CTRL_C => return Ok(Line::Interrupted),
            CTRL_D if line.is_empty() => return Ok(Line::Ended),
            DELETE | CTRL_H => erase(&mut line, hidden),
            CTRL_U => {
                while !line.is_empty() {
                    erase(&mut line, hidden);
                }
            }
            byte if byte < b' ' => {}
            byte if line.len() < LINE_BYTES_MAX => {
                line.push(byte);
                if !hidden {
                    let _ = io::stderr().write_all(&[byte]);
                }
            }
            _ => {}
        }
    }
}

/// Takes the last character back, all its bytes.
fn erase(line: &mut Vec<u8>, hidden: bool) {
    let is_inner = |byte: u8| byte & 0xc0 == 0x80;
    if line.is_empty() {
        return;
    }
    while line.pop().is_some_and(is_inner) {}
    if !hidden {
        show("\x08 \x08");
    }
}

fn show(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

/// The terminal without echo, line editing and signals; as it was when dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}
