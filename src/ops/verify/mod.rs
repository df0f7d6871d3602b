//! Prove by reading that all is whole, and name what is not as files and snapshots.
//!
//! Packs are read first, each object once: hashed against its name, every box opened, every block expanded, every id
//! recomputed. Then each snapshot is walked down to its chunks. A damaged object never ends the work.

pub mod packs;
pub mod small;
pub mod trees;

use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::ops::verify::packs::Packs;
use crate::ops::verify::trees::{Bad, Loss, Walk};
use crate::repo::look::Look;

/// How deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every needed object is listed at the right size, small ones are whole, index and directories agree.
    Structure,
    /// And every stored byte was read and hashes to its name.
    Stored,
    /// And each box opens, each block expands, each id is recomputed.
    Content,
}

/// What to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How deeply.
    pub level: Level,
    /// Threads that read.
    pub workers: usize,
}

/// An object that is not what it should be.
#[derive(Debug)]
pub struct Damage {
    /// The object.
    pub name: Name,
    /// What is wrong with it, the whole chain.
    pub what: String,
}

/// What was read and found.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects looked at.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Packs among them.
    pub packs: u64,
    /// Blobs whose ids were recomputed.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Live snapshots walked.
    pub snapshots: u64,
    /// Objects that are damaged.
    pub damaged: Vec<Damage>,
    /// Files that cannot be restored whole.
    pub losses: Vec<Loss>,
    /// Objects of a newer version: not damaged, not judged.
    pub newer: u64,
    /// Files on the mirror that are not ours.
    pub strangers: u64,
}

impl Report {
    /// Whether anything is wrong.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.losses.is_empty()
    }
}

/// Verifies one mirror.
///
/// # Errors
/// `Interrupted`, `TooNew` where nothing could be judged, and those of the store. Damage is in the report.
pub fn run(look: &Look, options: &Options, monitor: &dyn Monitor) -> Result<Report> {
    let (mut report, bad) = objects(look, options, monitor)?;
    snapshots(look, &bad, &mut report, monitor)?;
    Ok(report)
}

/// What several mirrors found bad, as far as none of them has it good.
pub fn bad_everywhere(mirrors: &[(&Look, &Bad)]) -> Bad {
    let everywhere = |pack: &Id, is_bad: &dyn Fn(&Bad) -> bool| {
        let mut listing = mirrors
            .iter()
            .filter(|(look, _)| look.presence.packs().contains_key(pack));
        listing.all(|(_, bad)| bad.packs.contains(pack) || is_bad(bad))
    };
    let mut all = Bad::default();
    for (_, bad) in mirrors {
        let packs = bad.packs.iter().filter(|pack| everywhere(pack, &|_| false));
        all.packs.extend(packs);
        let blobs = bad.blobs.iter();
        let blobs = blobs.filter(|blob| everywhere(&blob.0, &|bad| bad.blobs.contains(*blob)));
        all.blobs.extend(blobs);
    }
    all
}

/// Reads the objects of one mirror, and walks no snapshot.
///
/// # Errors
/// As [`run`].
pub fn objects(look: &Look, options: &Options, monitor: &dyn Monitor) -> Result<(Report, Bad)> {
    let (repo, presence, index, chains) = (&look.repo, &look.presence, &look.index, &look.chains);
    let mut report = Report::default();
    let mut bad = Bad::default();
    small::run(repo, &mut report, monitor)?;
    // One that is listed at another length is read below, and found damaged there.
    let gone = |pack: &&Id| !presence.packs().contains_key(pack);
    for pack in index.missing().iter().filter(gone) {
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        damaged(
            &mut report,
            name,
            Error::new(Kind::Damaged, "the index knows it and it is gone"),
            monitor,
        );
    }
    for id in chains.missing() {
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        if !report.damaged.iter().any(|damage| damage.name == name) {
            damaged(
                &mut report,
                name,
                Error::new(Kind::Damaged, "a commit slot lists it and it is gone"),
                monitor,
            );
        }
    }
    let total = presence.packs().values().sum();
    monitor.phase(
        "reading packs",
        (options.level != Level::Structure).then_some((Counter::Bytes, total)),
    );
    let sums = index.sums()?;
    Packs {
        repo,
        presence,
        sums,
        options,
        monitor,
    }
    .run(&mut report, &mut bad)?;
    // What a mark names is not read here and nothing leans on it: each blob that only such a pack has is tried.
    let packs = presence.packs().keys();
    bad.packs
        .extend(packs.filter(|pack| presence.is_tombed(pack)));
    report.newer += chains.unknown() as u64;
    Ok((report, bad))
}

pub(crate) fn damaged(report: &mut Report, name: Name, error: Error, monitor: &dyn Monitor) {
    let error = error.during(name.to_string());
    monitor.problem(&error);
    report.damaged.push(Damage {
        name,
        what: error.chain(),
    });
}

/// Walks every snapshot; files that cannot be restored whole go to `report`.
///
/// # Errors
/// As [`run`].
pub fn snapshots(look: &Look, bad: &Bad, report: &mut Report, monitor: &dyn Monitor) -> Result<()> {
    let (loader, chains) = (&look.loader, &look.chains);
    let mut walk = Walk::new(loader, bad, monitor);
    let snapshots = chains.snapshots();
    monitor.phase(
        "walking snapshots",
        Some((Counter::Objects, snapshots.len() as u64)),
    );
    for (id, _, snapshot) in &snapshots {
        walk.snapshot(&snapshot.source, *id, snapshot.tree)?;
        report.snapshots += 1;
        monitor.count(Counter::Objects, 1);
    }
    report.newer += walk.newer;
    report.losses = walk.losses();
    Ok(())
}
