//! One restore, start to end.
//!
//! The snapshot's tree is walked in path order; folders are made as they are met, files are planned in batches of
//! bounded size. While one batch is written the next one is planned. Within a batch everything goes by pack and block:
//! each block is fetched and expanded once, and each of its chunks is written to all its places.
//!
//! What must hold:
//! - The id of every chunk is recomputed before a byte of it is written.
//! - Nothing lies under its real name unless every byte of it was checked; a file with gaps is `NAME.incomplete`.
//! - Names of the snapshot reach the disk through `target` alone.
//! - What is lost costs its own range: the rest is restored.

mod batch;
mod clean;
mod content;
mod large;
mod links;
mod plan;
mod planner;
mod policy;
mod preview;
mod readback;
mod run;
mod salvage;
mod select;
mod shared;
mod tree;
mod walk;

use crate::error::{Error, Kind, Result};
use crate::host::Timestamp;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::ops::restore::run::Worker;
use crate::ops::restore::select::Select;
use crate::ops::restore::shared::Shared;
use crate::ops::restore::tree::Start;
use crate::ops::restore::walk::Walk;
use crate::repo::loader::Loader;
use crate::target::metadata::Metadata;
use crate::target::{Existing, Target};
use crossbeam_channel::unbounded;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the losses of a restore are listed, at the top of its target.
const LOSSES: &str = "heirloom-losses";

/// What to do with what stands in the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Write everything anew.
    Always,
    /// Leave a file of the same size and time as it is.
    #[default]
    IfChanged,
    /// Replace only what is older than in the snapshot.
    IfNewer,
    /// Touch nothing that is there.
    Never,
}

/// What is restored, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder to write into; made if it is missing.
    pub target: PathBuf,
    /// Only what is below this path of the snapshot, or this one item; the part above is stripped.
    pub path: Vec<u8>,
    /// Patterns over paths of the snapshot; without any, all is included.
    pub include: Vec<String>,
    /// Patterns over paths of the snapshot.
    pub exclude: Vec<String>,
    /// What to do with what is there.
    pub overwrite: Overwrite,
    /// Remove from restored folders what the snapshot does not have there.
    pub delete: bool,
    /// Read everything back afterwards.
    pub verify: bool,
    /// Device nodes, set-id bits, attributes that grant something, and targets that belong to someone else.
    pub privileged: bool,
    /// Leave out files with gaps instead of writing `NAME.incomplete`.
    pub skip_incomplete: bool,
    /// Write nothing; only say what would be done.
    pub dry_run: bool,
    /// Threads that expand and write.
    pub workers: usize,
}

/// What could not be restored of one file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Its path in the snapshot.
    pub path: Vec<u8>,
    /// Offset and length of each gap, ascending; none when the listing of a folder is lost.
    pub ranges: Vec<(u64, u64)>,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files written whole.
    pub files: u64,
    /// Folders made or found.
    pub folders: u64,
    /// Links, pipes and devices written.
    pub others: u64,
    /// Bytes of the files written, holes included.
    pub bytes: u64,
    /// Items that were there as they should be.
    pub identical: u64,
    /// Items that the overwrite rule left alone.
    pub kept: u64,
    /// Items removed from the target; a folder counts once.
    pub deleted: u64,
    /// What could not be restored, by path.
    pub losses: Vec<Loss>,
    /// What was written but is not wholly as it was, and what the target refused.
    pub not_applied: Vec<String>,
    /// Paths below the target that would be removed; of a dry run alone.
    pub to_delete: Vec<Vec<u8>>,
}

/// Restores what `options` select of the snapshot whose root tree is `root`.
///
/// # Errors
/// `NotFound` for a path that is not in the snapshot, `Usage` for a bad pattern, `Refused` for someone else's target,
/// `Full`, `Unreachable`, `Interrupted`. What was lost or refused item by item is in the report.
pub fn run(
    loader: &Arc<Loader>,
    root: Id,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let select = || Select::new(&options.include, &options.exclude);
    let start = Start::find(loader, root, &options.path)?;
    if options.dry_run {
        return preview::run(loader, &start, select()?, options, monitor);
    }
    let first = select()?;
    let target = Target::open(&options.target, true, options.privileged)?;
    refuse_foreign(&target, options)?;
    monitor.phase("restoring", None);
    let shared = Shared::new(loader, &target, options, monitor, start.prefix.clone());
    std::thread::scope(|scope| {
        let (tasks, todo) = unbounded();
        for _ in 0..options.workers.max(1) {
            let (todo, shared) = (todo.clone(), &shared);
            scope.spawn(move || Worker::new(shared).run(&todo));
        }
        drop(todo);
        let walked = Walk::new(&shared, tasks).run(&start, first);
        if walked.is_err() {
            shared.stop();
        }
        walked
    })?;
    let (mut report, passed) = shared.finish()?;
    if options.verify {
        let again = readback::Readback {
            loader,
            target: &target,
            options,
            monitor,
            passed,
        };
        report.losses.extend(again.run(&start, select()?)?);
    }
    report.losses.sort_by(|one, two| one.path.cmp(&two.path));
    if !report.losses.is_empty() {
        write_losses(&target, &report.losses)?;
    }
    target.sync()?;
    Ok(report)
}

/// Someone else's folder may change under our hands, and what is in it may have been put there for us.
fn refuse_foreign(target: &Target, options: &Options) -> Result<()> {
    if options.privileged || !target.is_foreign()? {
        return Ok(());
    }
    let what = format!(
        "{} holds something and belongs to another user",
        target.path().display()
    );
    Err(Error::new(Kind::Refused, what).hint(
        "restore into an empty folder of your own, or use --privileged if you trust that user",
    ))
}

/// Lists the losses at the top of the target, beside lists of earlier restores.
fn write_losses(target: &Target, losses: &[Loss]) -> Result<()> {
    let mut text = String::from(
        "These files could not be restored whole. Offset and length of each gap are bytes; what was saved of a file\n\
         lies beside its place as NAME.incomplete, with zeros in the gaps.\n\n",
    );
    for loss in losses {
        text.push_str(&loss.path.escape_ascii().to_string());
        if loss.ranges.is_empty() {
            text.push_str("  the listing of this folder, or a part of it");
        }
        for (offset, len) in &loss.ranges {
            text.push_str(&format!("  {offset}+{len}"));
        }
        text.push('\n');
    }
    let mut number = 1;
    let (name, file) = loop {
        let name = if number == 1 {
            format!("{LOSSES}.txt")
        } else {
            format!("{LOSSES}-{number}.txt")
        };
        match target.create_file(name.as_bytes(), Existing::Refuse) {
            Ok(file) => break (name, file),
            Err(error)
                if error.kind() == Kind::Refused && target.stat(name.as_bytes())?.is_some() =>
            {
                number += 1
            }
            Err(error) => return Err(error),
        }
    };
    file.write_at(0, text.as_bytes())?;
    // It stays as it was created: ours, and of now.
    let found = target.stat(name.as_bytes())?;
    let metadata = found.map_or_else(Metadata::default, |found| Metadata {
        mode: found.mode,
        uid: found.uid,
        gid: found.gid,
        mtime: Timestamp { ..found.mtime },
        xattrs: Vec::new(),
    });
    file.finish(&metadata).map(drop)
}
