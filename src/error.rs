//! The one error type. `kind` decides what code does and which exit code the user gets, `what` names the act and the
//! thing, `hint` names a command. No other module's types appear here, so nothing imports upwards through an error.

use std::borrow::Cow;
use std::fmt;

/// What went wrong, as far as code may decide by it. Exit codes are given in `cli/exit.rs` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A failure that has no kind of its own.
    Other,
    /// Bad flags or bad configuration.
    Usage,
    /// Stored bytes are not what they should be.
    Damaged,
    /// Nothing of ours at that location.
    NoRepository,
    /// Someone else is at work and waiting is necessary.
    Busy,
    /// No key slot opens with this secret.
    NoKey,
    /// The storage or the network gave no answer.
    Unreachable,
    /// No space or no quota is left.
    Full,
    /// Written by a newer version of heirloom.
    TooNew,
    /// A safety guard said no.
    Refused,
    /// The place does not let this user at it.
    Denied,
    /// A mirror went back in time, or a chain has forked.
    Rollback,
    /// The user asked to stop.
    Interrupted,
    /// The object or file asked for does not exist.
    NotFound,
}

/// What was being done to which thing, why it failed, and what to do next.
///
/// `Display` prints `what` alone; only `cli/exit.rs` joins the chain of sources.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of nearly everything here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`; `what` names the act and the thing as a fragment: `read pack 3f9ac2e1 from nas`.
    pub fn new(kind: Kind, what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            what: what.into(),
            hint: None,
            source: None,
        }
    }

    /// An error of the operating system; its kind is taken from the code where one fits.
    pub fn io(what: impl Into<Cow<'static, str>>, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Kind::Full,
            std::io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Other,
        };
        Self::new(kind, what).because(source)
    }

    /// Adds one sentence that names a command.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error under another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Wraps this error in what was being done; kind and hint stay those of the inner one.
    #[must_use]
    pub fn during(mut self, what: impl Into<Cow<'static, str>>) -> Self {
        let (kind, hint) = (self.kind, self.hint.take());
        Self {
            kind,
            what: what.into(),
            hint,
            source: Some(Box::new(self)),
        }
    }

    /// The kind, by which code decides.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether this object alone is at fault, missing, damaged or newer, and not whoever should have given it.
    pub fn is_about_the_object(&self) -> bool {
        matches!(self.kind, Kind::Damaged | Kind::NotFound | Kind::TooNew)
    }

    /// Whether this object could not be read while others may be: it is at fault, or its place refuses it.
    pub fn costs_one_object(&self) -> bool {
        self.is_about_the_object() || matches!(self.kind, Kind::Denied | Kind::Refused)
    }

    /// The act and the thing.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do next.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The whole chain once, joined by colons.
    pub fn chain(&self) -> String {
        let mut text = self.what.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let said = cause.to_string();
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

/// Says what was being done when a result turned out to be an error.
pub trait During<T> {
    /// See [`Error::during`]; the text is made only when it is needed.
    fn during<W: Into<Cow<'static, str>>>(self, what: impl FnOnce() -> W) -> Result<T>;
}

impl<T> During<T> for Result<T> {
    fn during<W: Into<Cow<'static, str>>>(self, what: impl FnOnce() -> W) -> Result<T> {
        self.map_err(|error| error.during(what()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_keeps_kind_and_hint() {
        let error = Error::new(Kind::Full, "write pack 3f9ac2e1")
            .hint("heirloom prune")
            .during("save snapshot");
        assert_eq!(error.kind(), Kind::Full);
        assert_eq!(error.hint_text(), Some("heirloom prune"));
        assert_eq!(error.chain(), "save snapshot: write pack 3f9ac2e1");
    }
}
