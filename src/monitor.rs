//! Who hears what the library does, and may ask it to stop.

use crate::error::{Error, Kind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is being counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Files and other items dealt with.
    Items,
    /// Bytes of content dealt with.
    Bytes,
    /// Objects read or written.
    Objects,
}

/// What happened to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAction {
    /// Not in the snapshot before.
    New,
    /// Other than in the snapshot before.
    Changed,
    /// As in the snapshot before.
    Unchanged,
    /// Written to the target.
    Restored,
    /// Left out or left alone.
    Skipped,
    /// Written with gaps.
    Incomplete,
}

/// Hears what the library does, and may ask it to stop. Called from many threads.
pub trait Monitor: Send + Sync {
    /// A new stretch of work begins; `total` of what will be counted, where known.
    fn phase(&self, name: &'static str, total: Option<(Counter, u64)>);
    /// `n` more of `what`.
    fn count(&self, what: Counter, n: u64);
    /// Something is wrong that does not stop the work.
    fn problem(&self, problem: &Error);
    /// One file was dealt with; `path` as bytes of the source. Asked for only if [`Monitor::wants_files`].
    fn file(&self, _action: FileAction, _path: &[u8], _bytes: u64) {}
    /// Whether anyone listens to [`Monitor::file`].
    fn wants_files(&self) -> bool {
        false
    }
    /// Whether the user asked to stop; asked between objects, never within one.
    fn interrupted(&self) -> bool;
}

/// Passes on what is wrong and whether to stop, and counts nothing: for what goes on beside the work that is counted.
pub struct Aside<'a>(pub &'a dyn Monitor);

impl Monitor for Aside<'_> {
    fn phase(&self, _name: &'static str, _total: Option<(Counter, u64)>) {}

    fn count(&self, _what: Counter, _n: u64) {}

    fn problem(&self, problem: &Error) {
        self.0.problem(problem);
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}

/// Passes everything on but damage: for work that finds damage in order to mend it and tells of it itself.
pub struct Mending<'a>(pub &'a dyn Monitor);

impl Monitor for Mending<'_> {
    fn phase(&self, name: &'static str, total: Option<(Counter, u64)>) {
        self.0.phase(name, total);
    }

    fn count(&self, what: Counter, n: u64) {
        self.0.count(what, n);
    }

    fn problem(&self, problem: &Error) {
        if problem.kind() != Kind::Damaged {
            self.0.problem(problem);
        }
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}

/// Keeps what it hears and shows nobody.
#[derive(Default)]
pub struct Collected {
    problems: Mutex<Vec<String>>,
    bytes: AtomicU64,
    stop: AtomicBool,
}

impl Collected {
    /// The problems heard so far, each as its whole chain.
    pub fn problems(&self) -> Vec<String> {
        self.problems
            .lock()
            .map(|problems| problems.clone())
            .unwrap_or_default()
    }

    /// Bytes counted so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// From now on the work is asked to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Monitor for Collected {
    fn phase(&self, _name: &'static str, _total: Option<(Counter, u64)>) {}

    fn count(&self, what: Counter, n: u64) {
        if what == Counter::Bytes {
            self.bytes.fetch_add(n, Ordering::Relaxed);
        }
    }

    fn problem(&self, problem: &Error) {
        if let Ok(mut problems) = self.problems.lock() {
            problems.push(problem.chain());
        }
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
