//! What went wrong on a connection, and what that means for a caller.
//!
//! The protocol knows few words: most that a disk can say arrives as `Failure`. A broken connection is no word at all.

use crate::error::{Error, Kind};
use crate::store::child::last_lines;
use crate::store::retry::Trouble;
use russh_sftp::client::error::Error as Sftp;
use russh_sftp::protocol::StatusCode;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

/// What came of a call.
pub(super) type Outcome<T> = Result<T, Fault>;

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no.
    Said(StatusCode, String),
    /// There is no connection any more, or no answer; another one may be had.
    Lost(String),
    /// There is no connection, and trying again would not change that.
    Refused {
        /// What ssh said.
        why: String,
        /// Whether `ssh HOST`, typed once, helps.
        ask_ssh: bool,
    },
    /// What came is not what should have come.
    Wrong(String),
}

/// What ssh says where a person has to do something first.
const FINAL: &[&str] = &[
    "Host key verification failed",
    "REMOTE HOST IDENTIFICATION HAS CHANGED",
    "Permission denied",
    "Too many authentication failures",
    "No supported authentication methods",
    "Bad configuration option",
    "Can't open user config file",
    "Unable to negotiate",
    "subsystem request failed",
];

impl From<Sftp> for Fault {
    fn from(error: Sftp) -> Self {
        match error {
            Sftp::Status(status) => Self::Said(status.status_code, status.error_message),
            other => Self::Lost(other.to_string()),
        }
    }
}

impl Fault {
    pub(super) fn is(&self, code: StatusCode) -> bool {
        matches!(self, Self::Said(said, _) if *said == code)
    }

    /// Whether the connection has to be made anew.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Refused { .. })
            || self.is(StatusCode::NoConnection)
            || self.is(StatusCode::ConnectionLost)
    }

    pub(super) fn silent(limit: Duration) -> Self {
        Self::Lost(format!("no answer for {} seconds", limit.as_secs()))
    }

    pub(super) fn gone() -> Self {
        Self::Lost("the connection broke off".to_owned())
    }

    pub(super) fn not_started(command: &[OsString], error: &io::Error) -> Self {
        let program = command
            .first()
            .map_or_else(|| "ssh".into(), |program| program.to_string_lossy());
        Self::Refused {
            why: format!("start {program}: {error}"),
            ask_ssh: false,
        }
    }

    /// A child that ended before it was connected.
    pub(super) fn refused(status: Option<String>, said: &str) -> Self {
        let why = Self::words(status, said);
        if FINAL.iter().any(|known| said.contains(known)) {
            return Self::Refused { why, ask_ssh: true };
        }
        Self::Lost(why)
    }

    /// `ssh: Connection refused (exit status: 255)`.
    pub(super) fn words(status: Option<String>, said: &str) -> String {
        let said = last_lines(said);
        match (status, said.is_empty()) {
            (Some(status), true) => format!("ssh ended ({status})"),
            (Some(status), false) => format!("{said} ({status})"),
            (None, true) => "the connection broke off".to_owned(),
            (None, false) => said,
        }
    }

    /// As an error of the store; `host` is for hints.
    pub(super) fn told(self, what: String, host: &str) -> Error {
        match self {
            Self::Said(StatusCode::NoSuchFile, _) => Error::new(Kind::NotFound, what),
            Self::Said(StatusCode::PermissionDenied, _) => Error::new(Kind::Denied, what)
                .because(Trouble::FINAL.told("the server denied permission"))
                .hint(format!(
                    "this user may not do that there: `sftp {host}` shows who may"
                )),
            Self::Said(StatusCode::OpUnsupported, said) => Error::new(Kind::Other, what)
                .because(Trouble::FINAL.told(format!("the server cannot do that: {said}"))),
            Self::Said(code, said) => {
                let word = code.to_string();
                let why = if said.is_empty() || said == word {
                    format!("the server said {word}")
                } else {
                    format!("the server said {word}: {said}")
                };
                Error::new(Kind::Unreachable, what).because(Trouble::AGAIN.told(why))
            }
            Self::Lost(why) => {
                Error::new(Kind::Unreachable, what).because(Trouble::AGAIN.told(why))
            }
            Self::Refused { why, ask_ssh } => {
                let hint = if ask_ssh {
                    format!(
                        "type `ssh {host}` once and answer what it asks; heirloom accepts no key on your behalf"
                    )
                } else {
                    "is OpenSSH's client installed? `ssh -V` tells".to_owned()
                };
                Error::new(Kind::Unreachable, what)
                    .because(Trouble::FINAL.told(why))
                    .hint(hint)
            }
            Self::Wrong(why) => Error::new(Kind::Damaged, what).because(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_person_is_not_tried_again() {
        let cases = [
            ("Host key verification failed.\r\n", false),
            ("ci@host: Permission denied (publickey).\r\n", false),
            (
                "ssh: connect to host h port 22: Connection refused\r\n",
                true,
            ),
            (
                "ssh: Could not resolve hostname h: Temporary failure\r\n",
                true,
            ),
            ("", true),
        ];
        for (said, again) in cases {
            let fault = Fault::refused(Some("exit status: 255".into()), said);
            assert!(fault.is_lost());
            let error = fault.told("read it".into(), "h");
            assert_eq!(error.kind(), Kind::Unreachable);
            assert_eq!(Trouble::of(&error).unwrap().again, again, "{said}");
            assert_eq!(error.hint_text().is_some(), !again);
            assert!(error.chain().contains("exit status: 255"));
        }
    }

    #[test]
    fn kinds_follow_the_servers_word() {
        let told = |code| Fault::Said(code, String::new()).told("read it".into(), "h");
        assert_eq!(told(StatusCode::NoSuchFile).kind(), Kind::NotFound);
        assert_eq!(told(StatusCode::PermissionDenied).kind(), Kind::Denied);
        let error = told(StatusCode::Failure);
        assert_eq!(error.kind(), Kind::Unreachable);
        assert_eq!(error.chain(), "read it: the server said Failure");
    }
}
