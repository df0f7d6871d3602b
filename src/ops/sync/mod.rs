//! Brings one mirror what others have, by the publish steps (FORMAT.txt 12, format 11.4).
//!
//! What is brought is byte for byte what lies elsewhere: packs, index runs, entries, key slots. Only what a living
//! snapshot needs travels, each object is checked against its name on the way, and whatever is interrupted is found
//! again. A damaged object is never passed on: a good copy is taken elsewhere, and where there is none the snapshot that
//! needs it stays behind and is named.

mod choose;

use crate::error::{Error, Kind, Result};
use crate::format::chain::What;
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::limits::COMMIT_ENTRIES_MAX;
use crate::mirror::copy::{Wrong, copy};
use crate::mirror::scrub::bytes_max;
use crate::mirror::set::check_name;
use crate::monitor::Counter;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::carry::{self, Which};
use crate::ops::keys_and_marks::{bring_keys, bring_marks, marks_of};
use crate::repo::Repo;
use crate::repo::chain::Chains;
use crate::repo::create;
use crate::repo::index::Index;
use crate::repo::index::covers::lacking;
use crate::repo::index::reached::Reached;
use crate::repo::look::Look;
use crate::repo::publish::{self, Outcome, SealedEntry, Session};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// Removed key slots that open this mirror all the same, since nothing is deleted there.
    pub slots_kept: u64,
    /// More entries are lacking than one commit slot lists; another session brings those.
    pub more: bool,
}

impl Report {
    /// Whether nothing was to be done.
    pub fn is_nothing(&self) -> bool {
        let nothing = Self {
            slots_kept: self.slots_kept,
            ..Self::default()
        };
        *self == nothing
    }

    fn add(&mut self, later: Self) {
        self.snapshots += later.snapshots;
        self.entries += later.entries;
        self.packs += later.packs;
        self.runs += later.runs;
        self.bytes += later.bytes;
        self.slots_kept = later.slots_kept;
        // Each session leaves them behind anew.
        self.left = later.left;
        self.more = later.more;
    }
}

/// Brings `to` what `from` shows: a look at all other mirrors, or at one.
///
/// # Errors
/// `Refused` and `TooNew` where nothing may be written, `Full`, `Unreachable`, `Interrupted`; what could not be brought
/// for want of a good copy is in the report.
pub fn run(from: &Look, to: &Arc<Repo>, by: By<'_>) -> Result<Report> {
    run_with(from, to, None, by)
}

/// A new entry that no mirror has yet, and what the session that publishes it is called.
#[derive(Clone, Copy)]
pub struct New<'a> {
    /// Its sealed bytes.
    pub entry: &'a SealedEntry,
    /// As the intent says it.
    pub purpose: &'static str,
}

/// The same with an entry that `from` shows already and no mirror has yet. What the entry leans on is asked for after the
/// session's intent, like everything that a sync brings.
///
/// # Errors
/// As [`run`]; `Damaged` and `Refused` where the new entry leans on what cannot be had.
pub fn run_with(from: &Look, to: &Arc<Repo>, new: Option<New<'_>>, by: By<'_>) -> Result<Report> {
    let mut all = Report::default();
    loop {
        let part = session_with(from, to, new, by)?;
        let more = part.more;
        all.add(part);
        if !more {
            return Ok(all);
        }
    }
}

fn session_with(from: &Look, to: &Arc<Repo>, new: Option<New<'_>>, by: By<'_>) -> Result<Report> {
    publish::persist("sync", || {
        let mut chains = Chains::read_to_write(to, by.monitor)?;
        let slots_kept = bring_keys(from, to, &chains)?;
        bring_marks(from, to, &marks_of(to)?)?;
        create::put_missing_rescue_files(&**to.store())?;
        let purpose = new.map_or("sync", |new| new.purpose);
        let mut session = Session::begin(to, by.host, by.writer, purpose)?;
        let new = new.map(|new| new.entry);
        let brought = within_with(from, &mut session, &mut chains, new, by);
        session.end(by.monitor);
        let told = |report| Report {
            slots_kept,
            ..report
        };
        Ok(brought?.map(told))
    })
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
    within_with(from, session, chains, None, by)
}

fn within_with(
    from: &Look,
    session: &mut Session,
    chains: &mut Chains,
    new: Option<&SealedEntry>,
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
        new,
        by,
        report: Report::default(),
        packed_anew: false,
        bad: BTreeMap::new(),
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
    let ids = entries.iter().map(SealedEntry::id);
    chains.committed(ids.filter_map(|id| Some((id, from.chains.entry(&id)?.clone()))));
    Ok(Some(report))
}

struct Sync<'a> {
    from: &'a Look,
    session: &'a mut Session,
    /// Of the mirror that is written to.
    index: Index,
    chains: &'a Chains,
    /// Snapshots that lived there before the session looked.
    before: BTreeSet<Id>,
    /// What is published here for the first time.
    new: Option<&'a SealedEntry>,
    by: By<'a>,
    report: Report,
    /// What only packs had that go was packed anew, as far as it can be read.
    packed_anew: bool,
    /// Packs of which there is no good copy, and why.
    bad: BTreeMap<Id, String>,
    buffer: Vec<u8>,
}

impl<'a> Sync<'a> {
    /// Every entry that is wanted, with all that it needs, oldest first.
    fn entries(&mut self) -> Result<Vec<SealedEntry>> {
        // That there is no good copy of a pack is found out by copying it; then the choice is made anew without it.
        let mut choice = loop {
            let choice = self.choose()?;
            if !choice.anew.is_empty() {
                self.pack_anew(&choice.anew)?;
                continue;
            }
            if self.packs(&choice.packs)? {
                break choice;
            }
        };
        for (id, error) in choice.left {
            self.leave(id, error);
        }
        let lacking = choice.entries.len();
        choice.entries.truncate(COMMIT_ENTRIES_MAX);
        let mut entries = Vec::new();
        for (id, entry) in choice.entries {
            let snapshot = matches!(entry.what, What::Snapshot(_));
            match self.entry(id) {
                Ok(sealed) => entries.push(sealed),
                Err(error) if !error.is_about_the_object() => return Err(error),
                Err(error) if snapshot => {
                    self.leave(*id, error);
                    continue;
                }
                Err(error) => {
                    self.by.monitor.problem(&error);
                    continue;
                }
            }
            self.report.snapshots += u64::from(snapshot);
        }
        self.report.entries = entries.len() as u64;
        self.report.more = lacking > COMMIT_ENTRIES_MAX && !entries.is_empty();
        Ok(entries)
    }

    /// Packs anew what only packs have that a mark names, once: what cannot be had so is missing.
    fn pack_anew(&mut self, blobs: &[(BlobKind, Id)]) -> Result<()> {
        self.packed_anew = true;
        let mut reached = Reached::new(&self.from.index);
        for (kind, id) in blobs {
            reached.add(*kind, id)?;
        }
        let to = Arc::clone(self.session.repo());
        let mut presence = self.session.presence().clone();
        presence.bury(&self.from.presence);
        let which = (&reached, Which::Lacking);
        carry::run(self.from, &to, &mut presence, which, self.by)?;
        for (pack, len) in presence.packs() {
            if !self.session.presence().packs().contains_key(pack) {
                self.session.has_put(*pack, *len);
                self.report.packs += 1;
                self.report.bytes += len;
            }
        }
        let presence = self.session.presence();
        self.index = Index::open(&to, presence, self.by.monitor, &mut |_| Ok(Vec::new()))?;
        Ok(())
    }

    /// The bytes of an entry: from the mirrors, or from this device where they lie damaged there.
    fn entry(&self, id: &Id) -> Result<SealedEntry> {
        if let Some(new) = self.new.filter(|new| new.id() == *id) {
            return Ok(new.clone());
        }
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        let store = self.from.repo.store();
        let read = store.get(&name, ObjectKind::Entry.bytes_max());
        let sealed = read.map(SealedEntry::of);
        if matches!(&sealed, Ok(sealed) if sealed.id() == *id) {
            return sealed;
        }
        let kept = self.from.repo.copies().get(&name).map(SealedEntry::of);
        match (kept, sealed) {
            (Some(kept), _) if kept.id() == *id => Ok(kept),
            (_, Err(error)) => Err(error),
            _ => {
                let error = Error::new(Kind::Damaged, "its bytes do not match its name");
                Err(error.during(store.location().reading(&name)))
            }
        }
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

    /// Copies these packs; `false` if there is no good copy of one.
    fn packs(&mut self, packs: &BTreeSet<Id>) -> Result<bool> {
        let from = self.from;
        let here = self.session.presence().packs().clone();
        let wanted: Vec<_> = packs
            .iter()
            .filter_map(|pack| Some((*pack, *from.presence.packs().get(pack)?)))
            .filter(|(pack, len)| here.get(pack) != Some(len))
            .collect();
        if wanted.is_empty() {
            return Ok(true);
        }
        let mut all = true;
        let total = wanted.iter().map(|(_, len)| len).sum();
        let phase = Some((Counter::Bytes, total));
        self.by.monitor.phase("copying packs", phase);
        for (pack, len) in wanted {
            if self.by.monitor.interrupted() {
                return Err(Error::new(Kind::Interrupted, "interrupted")
                    .hint("run the same command again: every finished pack is kept and used"));
            }
            self.session.renew()?;
            let name = Name::hashed(Folder::Packs, &pack.to_hex());
            let leant_on = here.contains_key(&pack) || self.index.missing().contains(&pack);
            let wrong = if leant_on {
                Wrong::Left
            } else {
                Wrong::Removed
            };
            match self.object(&name, wrong) {
                Ok(()) => {
                    self.session.has_put(pack, len);
                    self.report.packs += 1;
                }
                Err(error) if self.is_bad(&name, &error) => {
                    self.bad.insert(pack, error.chain());
                    all = false;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Whether it is the source that does not have the object, and not the mirror that did not give it back.
    fn is_bad(&mut self, name: &Name, error: &Error) -> bool {
        let from = self.from.repo.store();
        let read = from.get_into(name, bytes_max(name.folder()), &mut self.buffer);
        let read = read.and_then(|()| check_name(&**from, name, &self.buffer));
        error.is_about_the_object() && read.is_err_and(|again| again.is_about_the_object())
    }

    fn object(&mut self, name: &Name, wrong: Wrong) -> Result<()> {
        let (from, to) = (self.from.repo.store(), self.session.repo().store());
        let len = copy(&[&**from], &**to, name, wrong, &mut self.buffer)?;
        self.by.monitor.count(Counter::Bytes, len);
        self.report.bytes += len;
        Ok(())
    }

    /// Index runs of which the mirror has every pack, and neither the run nor another that says the same.
    fn runs(&mut self) -> Result<()> {
        for run in lacking(&self.from.index, &self.index, self.session.presence()) {
            let name = Name::hashed(Folder::Index, &run.to_hex());
            match self.object(&name, Wrong::Left) {
                Ok(()) => self.report.runs += 1,
                // The packs tell what it held.
                Err(error) if self.is_bad(&name, &error) => self.by.monitor.problem(&error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
