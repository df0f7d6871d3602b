//! Brings one mirror what others have, by the publish steps (FORMAT.txt 12, format 11.4).
//!
//! What is brought is byte for byte what lies elsewhere: packs, index runs, entries, key slots. Only what a living
//! snapshot needs travels, each object is checked against its name on the way, and whatever is interrupted is found
//! again. A damaged object is never passed on: a good copy is taken elsewhere, and where there is none the snapshot that
//! needs it stays behind and is named.

use crate::error::{Error, Kind, Result};
use crate::format::chain::{Entry, What};
use crate::format::snapshot::Snapshot;
use crate::format::{BlobKind, ObjectKind};
use crate::host::Host;
use crate::id::Id;
use crate::mirror::copy::copy;
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::ops::reach::Reach;
use crate::repo::chain::Chains;
use crate::repo::create;
use crate::repo::index::Index;
use crate::repo::keyring;
use crate::repo::loader;
use crate::repo::look::Look;
use crate::repo::publish::{Outcome, SealedEntry, Session};
use crate::repo::{Repo, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often a collector's ABORT is answered by beginning again.
const ATTEMPTS: usize = 5;

/// What was brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Snapshots that are visible there now and were not.
    pub snapshots: u64,
    /// Entries, these snapshots among them.
    pub entries: u64,
    /// Packs copied.
    pub packs: u64,
    /// Index runs copied.
    pub runs: u64,
    /// Bytes of all objects copied.
    pub bytes: u64,
    /// Snapshots that stay behind, since no mirror has all they need.
    pub left: Vec<Id>,
}

impl Report {
    /// Whether nothing was to be done.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Who brings it, and who hears of it.
#[derive(Clone, Copy)]
pub struct By<'a> {
    /// The clock and the randomness.
    pub host: &'a Arc<dyn Host>,
    /// This device.
    pub writer: Writer,
    /// Hears of it.
    pub monitor: &'a dyn Monitor,
}

/// Brings `to` what `from` shows: a look at all other mirrors, or at one.
///
/// # Errors
/// `Refused` and `TooNew` where nothing may be written, `Full`, `Unreachable`, `Interrupted`; what could not be brought
/// for want of a good copy is in the report.
pub fn run(from: &Look, to: &Arc<Repo>, by: By<'_>) -> Result<Report> {
    bring_keys(from, to)?;
    bring_marks(from, to)?;
    for _ in 0..ATTEMPTS {
        let mut chains = Chains::read_to_write(to, by.monitor)?;
        let mut session = Session::begin(to, by.host, by.writer, "sync")?;
        let brought = within(from, &mut session, &mut chains, by);
        session.end(by.monitor);
        if let Some(report) = brought? {
            return Ok(report);
        }
    }
    Err(
        Error::new(Kind::Busy, "a prune ended this sync several times")
            .hint("run it again when the prune has ended"),
    )
}

/// The same within a session that has begun; `chains` is what the mirror showed before, and afterwards what it shows.
/// `None` if a collector ended it.
///
/// # Errors
/// As [`run`].
pub fn within(
    from: &Look,
    session: &mut Session,
    chains: &mut Chains,
    by: By<'_>,
) -> Result<Option<Report>> {
    let before: BTreeSet<Id> = chains.snapshots().iter().map(|(id, ..)| *id).collect();
    let to = Arc::clone(session.repo());
    let index = Index::open(&to, session.presence(), by.monitor, &mut |_| Ok(Vec::new()))?;
    chains.look_again(&to, by.monitor)?;
    let mut sync = Sync {
        from,
        session,
        index,
        chains,
        before,
        by,
        report: Report::default(),
        buffer: Vec::new(),
    };
    let entries = sync.entries()?;
    sync.runs()?;
    if entries.is_empty() {
        return Ok(Some(sync.report));
    }
    let report = sync.report;
    if session.commit(&entries)? == Outcome::Aborted {
        return Ok(None);
    }
    for id in entries.iter().map(SealedEntry::id) {
        if let Some(entry) = from.chains.entry(&id) {
            chains.committed(id, entry.clone());
        }
    }
    Ok(Some(report))
}

/// Key slots and rescue files that others have and nobody has removed; slots removed anywhere go here too.
///
/// # Errors
/// Those of the stores.
pub fn bring_keys(from: &Look, to: &Arc<Repo>) -> Result<()> {
    let removed: BTreeSet<Id> = from
        .chains
        .visible()
        .filter_map(|(_, entry)| match entry.what {
            What::SlotRemoved(slot) => Some(slot),
            _ => None,
        })
        .collect();
    let here: BTreeSet<Id> = to.ring().named().map(|(id, _)| *id).collect();
    for (id, slot) in from.repo.ring().named() {
        if !here.contains(id) && !removed.contains(id) {
            keyring::put_slot(&**to.store(), slot)?;
        }
    }
    for id in here.intersection(&removed) {
        keyring::delete_slot(&**to.store(), id)?;
    }
    create::put_missing_rescue_files(&**to.store())
}

/// Marks that others have.
///
/// # Errors
/// Those of the stores.
pub fn bring_marks(from: &Look, to: &Arc<Repo>) -> Result<()> {
    let mut here = BTreeSet::new();
    to.store().list(Folder::Marks, &mut |listed| {
        here.extend(Id::from_hex(listed.name.leaf()));
        Ok(())
    })?;
    for mark in from.presence.marks().difference(&here) {
        let name = Name::hashed(Folder::Marks, &mark.to_hex());
        copy(&**from.repo.store(), &**to.store(), &name, &mut Vec::new())?;
    }
    Ok(())
}

struct Sync<'a> {
    from: &'a Look,
    session: &'a mut Session,
    /// Of the mirror that is written to.
    index: Index,
    chains: &'a Chains,
    /// Snapshots that lived there before the session looked.
    before: BTreeSet<Id>,
    by: By<'a>,
    report: Report,
    buffer: Vec<u8>,
}

impl Sync<'_> {
    /// Every entry that is wanted, with all that it needs, oldest first.
    fn entries(&mut self) -> Result<Vec<SealedEntry>> {
        let from = self.from;
        let here: BTreeSet<&Id> = self.chains.visible().map(|(id, _)| id).collect();
        let mut wanted: Vec<(&Id, &Entry)> = from
            .chains
            .visible()
            .filter(|(id, _)| !here.contains(id))
            .collect();
        wanted.sort_by_key(|(_, entry)| (entry.device, entry.seq));
        self.by.monitor.phase("copying packs", None);
        self.missing()?;
        let mut reach = Reach::new(&from.loader);
        let mut entries = Vec::new();
        for (id, entry) in wanted {
            if let What::Snapshot(snapshot) = &entry.what {
                if !from.chains.is_live(id) {
                    continue;
                }
                let brought = self
                    .needed(&mut reach, snapshot)
                    .and_then(|needed| needed.into_iter().try_for_each(|pack| self.pack(pack)));
                match brought {
                    Ok(()) => {}
                    Err(error) if error.is_about_the_object() => {
                        self.leave(*id, error);
                        // Trees it met may lack what they lead to.
                        reach = Reach::new(&from.loader);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                self.report.snapshots += 1;
            }
            let name = Name::hashed(Folder::Entries, &id.to_hex());
            let bytes = from
                .repo
                .store()
                .get(&name, ObjectKind::Entry.bytes_max())?;
            entries.push(SealedEntry::of(bytes));
        }
        self.report.entries = entries.len() as u64;
        Ok(entries)
    }

    fn leave(&mut self, id: Id, error: Error) {
        let what = format!(
            "snapshot {} stays behind on {}",
            id.short(),
            self.session.repo().store().location()
        );
        self.by.monitor.problem(
            &error
                .hint("heirloom verify names what is lost")
                .during(what),
        );
        self.report.left.push(id);
    }

    /// The packs that hold what the mirror lacks of a snapshot.
    fn needed(&self, reach: &mut Reach<'_>, snapshot: &Snapshot) -> Result<BTreeSet<Id>> {
        let mut packs = BTreeSet::new();
        let known = self.vouching(snapshot);
        reach.snapshot(snapshot.tree, known, &mut |kind, id| {
            if self.by.monitor.interrupted() {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            if self.index.holds(&id.prefix(), kind)? {
                return Ok(());
            }
            packs.insert(self.pack_of(kind, id)?);
            Ok(())
        })?;
        Ok(packs)
    }

    fn pack_of(&self, kind: BlobKind, id: &Id) -> Result<Id> {
        let places = self.from.index.places(id, kind)?;
        let tombed = |pack: &Id| {
            self.from.presence.is_tombed(pack) || self.session.presence().is_tombed(pack)
        };
        let place = places.iter().find(|place| !tombed(&place.pack));
        place
            .map(|place| place.pack)
            .ok_or_else(|| loader::missing(kind, id))
    }

    /// The root of a snapshot that the mirror is known to hold whole: its parent, or the newest of its source.
    fn vouching(&self, snapshot: &Snapshot) -> Option<Id> {
        let presence = self.session.presence();
        if presence.has_mark_in_progress() || !self.index.missing().is_empty() {
            return None;
        }
        let snapshots = self.chains.snapshots();
        let sound = snapshots.iter().rev().filter(|(id, _, other)| {
            self.before.contains(id)
                && other.source == snapshot.source
                && presence
                    .losses()
                    .iter()
                    .all(|loss| other.losses.contains(loss))
        });
        let mut sound = sound.peekable();
        let newest = sound.peek().map(|(.., other)| other.tree);
        let parent = sound.find(|(id, ..)| Some(*id) == snapshot.parent);
        parent.map(|(.., parent)| parent.tree).or(newest)
    }

    /// Packs that the mirror should have and lacks, where another one has them.
    fn missing(&mut self) -> Result<()> {
        for pack in self.index.missing().to_vec() {
            match self.pack(pack) {
                Err(error) if error.is_about_the_object() => self.by.monitor.problem(&error),
                other => other?,
            }
        }
        Ok(())
    }

    /// One pack, unless the mirror has it.
    fn pack(&mut self, pack: Id) -> Result<()> {
        if self.by.monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted")
                .hint("run the same command again: every finished pack is kept and used"));
        }
        let Some(len) = self.from.presence.packs().get(&pack).copied() else {
            return Ok(());
        };
        if self.session.presence().packs().get(&pack) == Some(&len) {
            return Ok(());
        }
        self.session.renew()?;
        self.object(&Name::hashed(Folder::Packs, &pack.to_hex()))?;
        self.session.has_put(pack, len);
        self.report.packs += 1;
        Ok(())
    }

    fn object(&mut self, name: &Name) -> Result<()> {
        let (from, to) = (self.from.repo.store(), self.session.repo().store());
        let len = copy(&**from, &**to, name, &mut self.buffer)?;
        self.by.monitor.count(Counter::Bytes, len);
        self.report.bytes += len;
        Ok(())
    }

    /// Index runs of which the mirror has every pack and not the run.
    fn runs(&mut self) -> Result<()> {
        let named: BTreeMap<Id, Vec<(Id, u64)>> = self.from.index.runs().into_iter().collect();
        for (run, packs) in named {
            let listed = self.from.index.is_listed(&run);
            let here = self.session.presence().packs();
            let whole = packs.iter().all(|(pack, len)| here.get(pack) == Some(len));
            if listed && whole && !self.index.is_listed(&run) {
                self.object(&Name::hashed(Folder::Index, &run.to_hex()))?;
                self.report.runs += 1;
            }
        }
        Ok(())
    }
}
