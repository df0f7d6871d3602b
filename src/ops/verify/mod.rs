//! Prove by reading that all is whole, and name what is not as files and snapshots.
//!
//! Packs are read first, each object once: hashed against its name, every box opened, every block expanded, every id
//! recomputed. Then each snapshot is walked down to its chunks. A damaged object never ends the work.

pub mod missing;
pub mod packs;
pub mod remember;
pub mod small;
pub mod trees;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::mirror::{parity, scrub};
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::ops::verify::packs::Packs;
use crate::ops::verify::trees::{Bad, Loss, Walk};
use crate::repo::look::Look;
use crate::repo::{Repo, ledger};
use crate::store::Listed;
use std::collections::{BTreeSet, HashMap};

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

/// What lies on a mirror, and which of it to read.
pub struct Scope<'a> {
    /// All that is listed.
    pub listed: &'a [Listed],
    /// How many files there are not ours.
    pub strangers: u64,
    /// Of the objects that the ledger knows these alone, in this order; else all.
    pub only: Option<Only<'a>>,
}

/// A part of the objects that the ledger knows.
pub struct Only<'a> {
    /// What is to be read, the longest unread first.
    pub names: Vec<&'a Name>,
    /// Whether the time for it is over; asked before each object.
    pub over: &'a (dyn Fn() -> bool + Sync),
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
    /// What the ledger calls the objects that were found good.
    pub good: Vec<[u8; 8]>,
    /// Objects that the time was too short for.
    pub unread: u64,
    /// Objects that were bad at one reading and good at the next.
    pub unsteady: Vec<Name>,
    /// Packs lie there and no entry at all.
    pub nameless: bool,
    /// Entries that were visible and are gone, though nobody removed them.
    pub gone: u64,
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
    let (listed, strangers) = scrub::list_all(&**look.repo.store())?;
    let scope = Scope {
        listed: &listed,
        strangers,
        only: None,
    };
    let (mut report, bad) = objects(look, &scope, options, monitor)?;
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
pub fn objects(
    look: &Look,
    scope: &Scope<'_>,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<(Report, Bad)> {
    let (repo, presence) = (&look.repo, &look.presence);
    let mut report = Report::default();
    let mut bad = Bad::default();
    small::run(repo, scope, options.level, &mut report, monitor)?;
    missing::known(look, &mut report, monitor)?;
    if scope.has_lost_all_slots() {
        let hidden: Vec<Id> = look.chains.hidden().map(|(id, _)| *id).collect();
        missing::unlisted(&hidden, &mut report, monitor);
    }
    let packs = scope.packs(look);
    let total = packs.iter().map(|(_, len)| len).sum();
    monitor.phase(
        "reading packs",
        (options.level != Level::Structure).then_some((Counter::Bytes, total)),
    );
    let sums = match packs.is_empty() {
        true => HashMap::new(),
        false => look.index.sums()?,
    };
    Packs {
        repo,
        packs,
        over: scope.only.as_ref().map(|only| only.over),
        sums,
        options,
        monitor,
    }
    .run(&mut report, &mut bad)?;
    missing::went(repo, &mut report, &mut bad, monitor)?;
    // What a mark names is not read here and nothing leans on it: each blob that only such a pack has is tried.
    let packs = presence.packs().keys();
    bad.packs
        .extend(packs.filter(|pack| presence.is_tombed(pack)));
    report.newer += look.chains.unknown() as u64;
    Ok((report, bad))
}

impl Scope<'_> {
    /// Whether entries lie there, no slot lists any, and nobody is at work who might.
    fn has_lost_all_slots(&self) -> bool {
        let has = |folder| {
            self.listed
                .iter()
                .any(|listed| listed.name.folder() == folder)
        };
        has(Folder::Entries) && !has(Folder::Commits) && !has(Folder::Intents)
    }

    /// The packs to read with their lengths, none that a mark names; all in the order of their names, which is that of most
    /// disks.
    fn packs(&self, look: &Look) -> Vec<(Id, u64)> {
        let presence = &look.presence;
        let live = |pack: &Id| !presence.is_tombed(pack);
        let Some(only) = &self.only else {
            let all = presence.packs().iter().filter(|(id, _)| live(id));
            let mut all: Vec<_> = all.map(|(id, len)| (*id, *len)).collect();
            all.sort_unstable();
            return all;
        };
        let packs = only
            .names
            .iter()
            .filter(|name| name.folder() == Folder::Packs);
        let packs = packs.filter_map(|name| Id::from_hex(name.leaf()));
        let listed = packs.filter_map(|id| Some((id, *presence.packs().get(&id)?)));
        listed.filter(|(id, _)| live(id)).collect()
    }

    /// Those of the small objects that are read: all, or those chosen and what the ledger does not know; parity with them.
    fn small(&self, level: Level) -> impl Iterator<Item = &Listed> {
        let only = self.only.as_ref().map(|only| &only.names[..]);
        let chosen = only.map(|names| names.iter().copied().collect::<BTreeSet<_>>());
        let wanted = move |name: &Name| match &chosen {
            None => true,
            Some(chosen) => match ledger::short(name) {
                Some(_) => chosen.contains(name),
                // As due as what it belongs to.
                None if name.folder() == Folder::Parity => {
                    let objects = parity::objects_of(name);
                    chosen.contains(name) || objects.iter().any(|name| chosen.contains(name))
                }
                None => name.folder() != Folder::Ledger,
            },
        };
        let listed = self.listed.iter();
        // Parity is not small: where stored bytes are not read, it is not.
        let small = listed.filter(move |listed| match listed.name.folder() {
            Folder::Packs => false,
            Folder::Parity => level != Level::Structure,
            _ => true,
        });
        small.filter(move |listed| wanted(&listed.name))
    }

    fn is_over(&self) -> bool {
        self.only.as_ref().is_some_and(|only| (only.over)())
    }
}

/// Tells that an object was bad at one reading and good at the next: it is not the disk that is to blame.
pub(crate) fn unsteady(repo: &Repo, name: Name, report: &mut Report, monitor: &dyn Monitor) {
    monitor.problem(&scrub::unsteady(
        &repo.store().location().to_string(),
        &name,
    ));
    report.unsteady.push(name);
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
    match look.repo.store().silent() {
        // They may be whole there.
        Some(silent) if !report.losses.is_empty() => Err(silent.during("say what is lost")),
        _ => Ok(()),
    }
}
