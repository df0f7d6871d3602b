//! A file whose data comes from several blocks, in any order, from several threads.
//!
//! It is written under a temporary name that its path decides, so that what an interrupted restore left is replaced by
//! the next one, and takes its real name once every byte has been checked and written. Pieces that are still to come
//! are counted; whoever brings the last one finishes it.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::monitor::FileAction;
use crate::ops::restore::shared::{Shared, Tally};
use crate::target::metadata::Metadata;
use crate::target::write::TargetFile;
use crate::target::{Existing, FoundKind, Target};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Ends the name of a file with gaps.
const INCOMPLETE: &[u8] = b".incomplete";
/// The longest name, less room for that ending and a number.
const STEM_MAX: usize = 255 - 11 - 5;

/// The file.
pub(crate) struct Large {
    /// Where it goes, below the target.
    path: Vec<u8>,
    size: u64,
    metadata: Metadata,
    existing: Existing,
    file: Mutex<Option<Arc<TargetFile>>>,
    /// Pieces still to come, and one as long as there may be more.
    pending: AtomicUsize,
    lost: Mutex<Vec<(u64, u64)>>,
    given_up: AtomicBool,
    outcome: Arc<OnceLock<Outcome>>,
}

/// How it ended, for those that are other names of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in its place.
    Whole,
    /// It has gaps; where it is, if it was written at all.
    Incomplete(Option<Vec<u8>>, Vec<(u64, u64)>),
    /// The target did not take it.
    Failed,
}

impl Large {
    /// Nothing expected yet but the end of its plan.
    pub(crate) fn new(path: Vec<u8>, size: u64, metadata: Metadata, existing: Existing) -> Self {
        Self {
            path,
            size,
            metadata,
            existing,
            file: Mutex::new(None),
            pending: AtomicUsize::new(1),
            lost: Mutex::default(),
            given_up: AtomicBool::new(false),
            outcome: Arc::default(),
        }
    }

    /// Will say how it ended.
    pub(crate) fn outcome(&self) -> Arc<OnceLock<Outcome>> {
        Arc::clone(&self.outcome)
    }

    /// So many more pieces will come.
    pub(crate) fn expect(&self, pieces: usize) {
        self.pending.fetch_add(pieces, Ordering::Relaxed);
    }

    /// So many have been dealt with; whether those were the last, so that the caller is to finish it.
    pub(crate) fn arrived(&self, pieces: usize) -> bool {
        self.pending.fetch_sub(pieces, Ordering::AcqRel) == pieces
    }

    /// A gap.
    pub(crate) fn lose(&self, offset: u64, len: u64) {
        self.lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((offset, len));
    }

    /// Hands the open file to `put`, unless the target has refused it before.
    pub(crate) fn write(
        &self,
        shared: &Shared<'_>,
        tally: &mut Tally,
        put: impl FnOnce(&TargetFile) -> Result<()>,
    ) {
        if self.given_up.load(Ordering::Relaxed) {
            return;
        }
        // The count goes back before the piece counts as arrived, so the last one to arrive holds the only one.
        let written = self.open(shared.target).and_then(|file| put(&file));
        if let Err(error) = written {
            self.give_up(shared, tally, error);
        }
    }

    /// Closes it for now.
    pub(crate) fn park(&self, shared: &Shared<'_>, tally: &mut Tally) {
        let parked = self.held().as_ref().map_or(Ok(()), |file| file.park());
        if let Err(error) = parked {
            self.give_up(shared, tally, error);
        }
    }

    /// Gives it its name and metadata, or its other name.
    pub(crate) fn finish(&self, shared: &Shared<'_>, tally: &mut Tally) {
        if self.given_up.load(Ordering::Relaxed) || shared.is_stopped() {
            drop(self.held().take());
            let _ = self.outcome.set(Outcome::Failed);
            return;
        }
        let mut lost =
            std::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = if lost.is_empty() {
            self.finish_whole(shared, tally)
        } else {
            join(&mut lost);
            self.finish_with_gaps(shared, tally, lost)
        };
        let outcome = ended.unwrap_or_else(|error| {
            tally.refused(shared, &self.path, error);
            Outcome::Failed
        });
        let _ = self.outcome.set(outcome);
    }

    fn finish_whole(&self, shared: &Shared<'_>, tally: &mut Tally) -> Result<Outcome> {
        let file = self.take(shared.target)?;
        if let Some(found) = shared.target.stat(&self.path)? {
            if self.existing == Existing::Refuse {
                let what = format!(
                    "{}: something is there already",
                    String::from_utf8_lossy(&self.path)
                );
                return Err(Error::new(Kind::Refused, what));
            }
            if found.kind == FoundKind::Folder {
                shared
                    .target
                    .remove(&self.path, self.existing == Existing::ReplaceAll)?;
            }
        }
        let missed = file.finish_as(&self.metadata, split(&self.path).1)?;
        tally.missed(&self.path, missed);
        tally.report.files += 1;
        tally.report.bytes += self.size;
        tally.done(shared, FileAction::Restored, &self.path, self.size);
        Ok(Outcome::Whole)
    }

    fn finish_with_gaps(
        &self,
        shared: &Shared<'_>,
        tally: &mut Tally,
        lost: Vec<(u64, u64)>,
    ) -> Result<Outcome> {
        tally.lose(shared, &self.path, lost.clone());
        tally.done(shared, FileAction::Incomplete, &self.path, self.size);
        if shared.options.skip_incomplete {
            drop(self.held().take());
            return Ok(Outcome::Incomplete(None, lost));
        }
        let file = self.take(shared.target)?;
        let path = incomplete(shared.target, &self.path, self.size)?;
        let missed = file.finish_as(&self.metadata, split(&path).1)?;
        tally.missed(&path, missed);
        Ok(Outcome::Incomplete(Some(path), lost))
    }

    fn give_up(&self, shared: &Shared<'_>, tally: &mut Tally, error: Error) {
        if !self.given_up.swap(true, Ordering::Relaxed) {
            tally.refused(shared, &self.path, error);
        }
    }

    fn open(&self, target: &Target) -> Result<Arc<TargetFile>> {
        let mut held = self.held();
        if let Some(file) = &*held {
            return Ok(Arc::clone(file));
        }
        let (folder, _) = split(&self.path);
        let mark = hash::object_id(&self.path).to_hex();
        let name = [folder, b".heirloom-", &mark.as_bytes()[..16], b".part"].concat();
        let file = match target.create_file(&name, Existing::Refuse) {
            // Left by a restore that was killed.
            Err(error) if error.kind() == Kind::Refused => {
                target.remove(&name, false)?;
                target.create_file(&name, Existing::Refuse)?
            }
            created => created?,
        };
        if self.size > 0 {
            file.set_len(self.size)?;
        }
        Ok(Arc::clone(held.insert(Arc::new(file))))
    }

    /// The file, created if nothing was written into it.
    fn take(&self, target: &Target) -> Result<TargetFile> {
        drop(self.open(target)?);
        let file = self.held().take().and_then(Arc::into_inner);
        file.ok_or_else(|| {
            Error::new(
                Kind::Other,
                "a file is finished while it is written: this is a bug",
            )
        })
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<TargetFile>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder of a path with its slash, and the name in it.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(
        path.iter()
            .rposition(|byte| *byte == b'/')
            .map_or(0, |cut| cut + 1),
    )
}

/// Ascending, touching ones as one.
pub(crate) fn join(ranges: &mut Vec<(u64, u64)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, range| {
        let touch = range.0.saturating_add(range.1) >= next.0;
        if touch {
            range.1 = range.1.max(next.0.saturating_add(next.1) - range.0);
        }
        touch
    });
}

/// The path for a file with gaps. One that is there with the same size is ours of an earlier try; any other stays.
pub(crate) fn incomplete(target: &Target, path: &[u8], size: u64) -> Result<Vec<u8>> {
    let (folder, name) = split(path);
    let stem = &name[..name.len().min(STEM_MAX)];
    for number in 1..10_000_u32 {
        let number = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let path = [folder, stem, INCOMPLETE, number.as_bytes()].concat();
        let found = target.stat(&path)?;
        if found.is_none_or(|found| found.kind == FoundKind::File && found.size == size) {
            return Ok(path);
        }
    }
    let what = format!(
        "{}: too many incomplete files of that name",
        String::from_utf8_lossy(path)
    );
    Err(Error::new(Kind::Refused, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_that_touch_are_one() {
        let mut ranges = vec![(30, 5), (0, 10), (10, 5), (33, 1), (40, 2)];
        join(&mut ranges);
        assert_eq!(ranges, [(0, 15), (30, 5), (40, 2)]);
    }

    #[test]
    fn an_incomplete_file_never_takes_anothers_place() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::open(folder.path(), false, false).unwrap();
        assert_eq!(incomplete(&target, b"a", 3).unwrap(), b"a.incomplete");
        std::fs::write(folder.path().join("a.incomplete"), b"abc").unwrap();
        assert_eq!(incomplete(&target, b"a", 3).unwrap(), b"a.incomplete");
        assert_eq!(incomplete(&target, b"a", 4).unwrap(), b"a.incomplete-2");
        let long = incomplete(&target, &[b'x'; 255], 4).unwrap();
        assert!(long.len() <= 255 && long.ends_with(b".incomplete"));
    }
}
