//! What all threads of one restore share, and what each counts for itself until it hands it over.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::monitor::{FileAction, Monitor};
use crate::ops::restore::{Loss, Options, Report};
use crate::repo::loader::Loader;
use crate::target::Target;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Problems told one by one; a damaged pack may cost a million files.
const PROBLEMS_TOLD: u64 = 1000;
/// Lines kept of what could not be applied.
const LINES_KEPT: usize = 10_000;

/// Paths that are not to be read back, by the first half of their hashes.
pub(crate) type Passed = HashSet<[u8; 16]>;

/// One restore as its threads see it.
pub(crate) struct Shared<'a> {
    pub(crate) loader: &'a Loader,
    pub(crate) target: &'a Target,
    pub(crate) options: &'a Options,
    pub(crate) monitor: &'a dyn Monitor,
    /// What comes before a path below the target in the snapshot.
    prefix: Vec<u8>,
    stopped: AtomicBool,
    failure: Mutex<Option<Error>>,
    problems: AtomicU64,
    total: Mutex<Tally>,
}

/// What one thread has done.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) report: Report,
    pub(crate) passed: Passed,
    untold: u64,
}

impl<'a> Shared<'a> {
    /// Nothing done yet.
    pub(crate) fn new(
        loader: &'a Loader,
        target: &'a Target,
        options: &'a Options,
        monitor: &'a dyn Monitor,
        prefix: Vec<u8>,
    ) -> Self {
        Self {
            loader,
            target,
            options,
            monitor,
            prefix,
            stopped: AtomicBool::new(false),
            failure: Mutex::new(None),
            problems: AtomicU64::new(0),
            total: Mutex::default(),
        }
    }

    /// Ends the restore with this error, unless another was first.
    pub(crate) fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        self.stopped.store(true, Ordering::Release);
    }

    /// Ends the restore; the caller knows why.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether there is any point in going on.
    pub(crate) fn is_stopped(&self) -> bool {
        if !self.stopped.load(Ordering::Acquire) && self.monitor.interrupted() {
            let hint = "run the same command again: what is complete is not written twice";
            self.fail(Error::new(Kind::Interrupted, "interrupted").hint(hint));
        }
        self.stopped.load(Ordering::Acquire)
    }

    /// The error that ended the restore, if one did.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.is_stopped() {
            return Ok(());
        }
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        Err(failure
            .take()
            .unwrap_or_else(|| Error::new(Kind::Other, "a thread of this restore ended early")))
    }

    /// Tells a problem that costs some items; a store that does not answer ends the restore instead.
    pub(crate) fn problem(&self, error: Error) {
        if matches!(
            error.kind(),
            Kind::Unreachable | Kind::Full | Kind::Interrupted
        ) {
            self.fail(error);
        } else if self.problems.fetch_add(1, Ordering::Relaxed) < PROBLEMS_TOLD {
            self.monitor.problem(&error);
        }
    }

    /// The path in the snapshot of what lies at `path` below the target.
    pub(crate) fn source_path(&self, path: &[u8]) -> Vec<u8> {
        [&self.prefix, path].concat()
    }

    /// Takes over what a thread has counted.
    pub(crate) fn hand_over(&self, tally: &mut Tally) {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        total.add(std::mem::take(tally));
    }

    /// What was done, once every thread has handed over.
    pub(crate) fn finish(self) -> Result<(Report, Passed)> {
        self.check()?;
        let untold = self.problems.into_inner().saturating_sub(PROBLEMS_TOLD);
        if untold > 0 {
            self.monitor.problem(&Error::new(
                Kind::Damaged,
                format!("{untold} more problems of the same kind"),
            ));
        }
        let Tally {
            mut report,
            passed,
            untold,
        } = self
            .total
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if untold > 0 {
            report.not_applied.push(format!("and {untold} more"));
        }
        Ok((report, passed))
    }
}

impl Tally {
    /// A file or other item is in its place.
    pub(crate) fn done(
        &mut self,
        shared: &Shared<'_>,
        action: FileAction,
        path: &[u8],
        bytes: u64,
    ) {
        if shared.monitor.wants_files() {
            shared
                .monitor
                .file(action, &shared.source_path(path), bytes);
        }
    }

    /// What is at `path` is not to be read back.
    pub(crate) fn pass(&mut self, shared: &Shared<'_>, path: &[u8]) {
        if shared.options.verify {
            self.passed.insert(hash::object_id(path).prefix());
        }
    }

    /// These parts of a file's or folder's content are lost.
    pub(crate) fn lose(&mut self, shared: &Shared<'_>, path: &[u8], ranges: Vec<(u64, u64)>) {
        self.pass(shared, path);
        let path = shared.source_path(path);
        self.report.losses.push(Loss { path, ranges });
    }

    /// These facts could not be set.
    pub(crate) fn missed(&mut self, path: &[u8], missed: Vec<String>) {
        for text in missed {
            self.line(format!("{}: {text}", String::from_utf8_lossy(path)));
        }
    }

    /// The target does not take this item, or has no room at all.
    pub(crate) fn refused(&mut self, shared: &Shared<'_>, path: &[u8], error: Error) {
        if matches!(
            error.kind(),
            Kind::Full | Kind::Unreachable | Kind::Interrupted
        ) {
            shared.fail(error);
            return;
        }
        self.pass(shared, path);
        self.done(shared, FileAction::Skipped, path, 0);
        self.line(error.chain());
        shared.problem(error);
    }

    fn line(&mut self, line: String) {
        if self.report.not_applied.len() < LINES_KEPT {
            self.report.not_applied.push(line);
        } else {
            self.untold += 1;
        }
    }

    fn add(&mut self, other: Self) {
        let (total, report) = (&mut self.report, other.report);
        total.files += report.files;
        total.folders += report.folders;
        total.others += report.others;
        total.bytes += report.bytes;
        total.identical += report.identical;
        total.kept += report.kept;
        total.deleted += report.deleted;
        total.losses.extend(report.losses);
        self.passed.extend(other.passed);
        self.untold += other.untold;
        for line in report.not_applied {
            self.line(line);
        }
    }
}
