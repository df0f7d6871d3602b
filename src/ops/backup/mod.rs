//! One backup, told from start to end.
//!
//! Look at what the mirror shows and choose a parent; announce the session and list what may be leaned on; look again,
//! so that the parent can vouch; walk, read, cut, seal and send; then entry and commit slot. Killed anywhere, it leaves
//! packs that the next run finds and uses.

mod attempt;
pub mod changed;
pub mod pipeline;
pub mod reader;
pub mod shrink;
pub mod sink;
mod teller;
pub mod trees;
mod upload;
mod walk;

use crate::error::{Error, Kind, Result};
use crate::format::snapshot::Counts;
use crate::host::Host;
use crate::id::Id;
use crate::mirror::parity;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::ops::backup::attempt::Attempt;
use crate::ops::backup::shrink::{Collapse, Shrink};
use crate::ops::by::By;
use crate::ops::{self, sync};
use crate::repo::author::Author;
use crate::repo::chain::Chains;
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::repo::packer::Settings;
use crate::repo::presence::Presence;
use crate::source::exclude::Rules;
use crate::store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is backed up, and how.
pub struct Options {
    /// The source's name, under which its snapshots follow each other.
    pub source: String,
    /// Absolute paths.
    pub paths: Vec<PathBuf>,
    /// What is left out.
    pub rules: Rules,
    /// The same, in words, for the snapshot.
    pub excludes: Vec<String>,
    /// Stay on the file systems that the paths are on.
    pub one_file_system: bool,
    /// Words to find the snapshot by.
    pub tags: Vec<String>,
    /// Read every file again.
    pub force: bool,
    /// Make no snapshot where nothing has changed.
    pub skip_if_unchanged: bool,
    /// Read and count, and write nothing anywhere but on this device.
    pub dry_run: bool,
    /// How much of its files the source may lose.
    pub shrink: Shrink,
    /// How packs are made.
    pub settings: Settings,
    /// Where the records of the last run of this source are.
    pub state: PathBuf,
    /// How long the other mirrors may take to show what they have, once the source is read.
    pub patience: Duration,
    /// Who runs this.
    pub user: String,
    /// Minutes east of UTC, for showing the time as it was.
    pub zone: i32,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The new snapshot; `None` in a rehearsal, and if nothing had changed and none was wanted.
    pub snapshot: Option<Id>,
    /// What it holds.
    pub counts: Counts,
    /// The source has collapsed, so that the snapshot is suspect.
    pub collapse: Option<Collapse>,
    /// Items that the last snapshot had none of that name of.
    pub new: u64,
    /// Items not in the last snapshot as they are now.
    pub changed: u64,
    /// Items as they were.
    pub unchanged: u64,
    /// There was a snapshot and nothing to compare with it: all was read again and counts as changed.
    pub reread: bool,
    /// Files that changed while they were read.
    pub torn: u64,
    /// Bytes read, of files new or changed.
    pub bytes_read: u64,
    /// Bytes of new blobs.
    pub bytes_added: u64,
    /// Bytes of new packs.
    pub bytes_stored: u64,
    /// Packs and entry that this run has put.
    pub made: Vec<Name>,
    /// The leader lacked something that another mirror shows.
    pub lags: bool,
    /// What became of each mirror, the leader first.
    pub mirrors: Vec<Kept>,
}

impl Report {
    /// Says which snapshot it is about, the new one or the last, and that is suspect where the source has collapsed.
    fn is_of(&mut self, snapshot: Option<Id>) {
        if let Some(collapse) = &mut self.collapse {
            collapse.suspect = snapshot;
        }
    }
}

/// What became of one mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What people call it.
    pub name: String,
    /// Why it does not have the snapshot, or not all that others have.
    pub failed: Option<(Kind, String)>,
}

impl Kept {
    /// Of a mirror and the error that kept it from that.
    pub fn of(name: &str, failed: Option<&Error>) -> Self {
        Self {
            name: name.to_owned(),
            failed: failed.map(|error| (error.kind(), error.chain())),
        }
    }
}

/// Backs up one source to every mirror that is there. The first one leads: it answers what exists and is written while
/// the source is read; where it fails the next one leads. What became of each is in the report.
///
/// # Errors
/// When no mirror has the snapshot: `Refused`, `TooNew`, `Full` and what else the last one said; `Interrupted`, and those
/// of the source as a whole. What could not be read is in the report and was told to `monitor`.
pub fn run(
    mirrors: &Mirrors,
    host: &Arc<dyn Host>,
    author: &Author,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let mut failed = Vec::new();
    let mut here: Vec<&Mirror> = mirrors.here.iter().collect();
    while !here.is_empty() {
        let leader = here.remove(0);
        let attempt = Attempt {
            repo: &leader.repo,
            leader,
            host,
            author,
            options,
            monitor,
        };
        match attempt.lead(&here) {
            Ok(mut report) => {
                report.mirrors.splice(0..0, failed);
                let away = mirrors.away.iter();
                let away = away.map(|away| Kept::of(&away.name, Some(&away.error)));
                report.mirrors.extend(away);
                parity(mirrors, &report, monitor);
                if report.lags {
                    let by = By {
                        host,
                        writer: author.writer(),
                        monitor,
                    };
                    catch_up(mirrors, &mut report, author, by);
                }
                return Ok(report);
            }
            Err(error)
                if here.is_empty() || matches!(error.kind(), Kind::Interrupted | Kind::Usage) =>
            {
                return Err(error);
            }
            Err(error) => {
                failed.push(Kept::of(&leader.name, Some(&error)));
                monitor.problem(&error.during("another mirror leads this run"));
            }
        }
    }
    Err(Error::new(Kind::Usage, "no mirror is named"))
}

/// The leader had missed something, and the others were brought what it shows: each is brought what all show together.
fn catch_up(mirrors: &Mirrors, report: &mut Report, author: &Author, by: By<'_>) {
    let look = Look::at(&mirrors.whole, by.monitor);
    for mirror in &mirrors.here {
        let mut all = report.mirrors.iter_mut();
        let Some(kept) = all.find(|kept| kept.name == mirror.name && kept.failed.is_none()) else {
            continue;
        };
        let caught_up = match &look {
            Ok(look) => bring_all(look, mirror, author, by),
            Err(error) => {
                Err(Error::new(error.kind(), "look at all mirrors").because(error.chain()))
            }
        };
        if let Err(error) = caught_up {
            by.monitor.problem(&error);
            *kept = Kept::of(&mirror.name, Some(&error));
        }
    }
}

pub(crate) fn bring_all(look: &Look, mirror: &Mirror, author: &Author, by: By<'_>) -> Result<()> {
    require_all(&sync::run(look, &mirror.repo, by)?)?;
    match ops::parity::bring(mirror, by.monitor) {
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) => by.monitor.problem(&error.during("write parity")),
        Ok(_) => {}
    }
    let here = Chains::read(&mirror.repo, by.monitor)?;
    let marks = Presence::read(&mirror.repo, by.monitor)?.marks().clone();
    author.saw(mirror, &here, &marks, Some(by.host.now().seconds))
}

/// Which snapshots could not be brought was told.
fn require_all(report: &sync::Report) -> Result<()> {
    let what = match report.left.len() {
        0 => return Ok(()),
        1 => "a snapshot stays behind".to_owned(),
        more => format!("{more} snapshots stay behind"),
    };
    Err(Error::new(Kind::Damaged, what))
}

/// Writes the parity of what was put to those mirrors in folders that have it and shall have parity. The snapshot is safe
/// without, so whatever comes between is a problem and no error; sync brings what is lacking.
fn parity(mirrors: &Mirrors, report: &Report, monitor: &dyn Monitor) {
    let has = |name: &str, store: &dyn Store| {
        let kept = report.mirrors.iter().find(|kept| kept.name == name);
        // One that lacks something else may have it all the same.
        let shows = |id: &Id| {
            let entry = Name::hashed(Folder::Entries, &id.to_hex());
            store.get_range(&entry, 0..1).is_ok()
        };
        kept.is_some_and(|kept| kept.failed.is_none()) || report.snapshot.iter().any(shows)
    };
    let stores = mirrors.here.iter().filter_map(|mirror| {
        let store = &**mirror.repo.store();
        let percent = mirror.parity.filter(|percent| *percent > 0)?;
        let here = store.location().is_near() && has(&mirror.name, store);
        here.then_some((store, percent))
    });
    let stores: Vec<(&dyn Store, u8)> = stores.collect();
    match parity::write(&stores, &report.made, monitor) {
        Err(error) if error.kind() != Kind::Interrupted => {
            let error = error.hint("heirloom mirror sync writes the parity that is missing");
            monitor.problem(&error.during("write parity"));
        }
        _ => {}
    }
}
