//! What a mirror has and what its marks say: the ground that a session stands on.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::mark::Mark;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The packs of one listing and the tombs known with it: what a session may lean on.
#[derive(Clone, Default)]
pub struct Presence {
    packs: HashMap<Id, u64>,
    marks: Marks,
    /// Whether what a mark names still counts: it may be read as long as it is there, and never leant on.
    reading: bool,
}

/// What marks say.
#[derive(Clone, Default)]
struct Marks {
    /// Those that lie on the mirror.
    ids: BTreeSet<Id>,
    /// Those among them that name what is lost.
    losses: BTreeSet<Id>,
    tombs: HashSet<Id>,
    /// Entries that go with them.
    entries: HashSet<Id>,
}

impl Marks {
    fn join(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.losses.extend(other.losses);
        self.tombs.extend(other.tombs);
        self.entries.extend(other.entries);
    }

    fn add(&mut self, id: Id, mark: Mark) {
        self.tombs.extend(mark.packs);
        self.entries.extend(mark.entries);
        if mark.loss {
            self.losses.insert(id);
        }
    }
}

impl Presence {
    /// For reading: lists `packs/` and then reads the marks it can, so that of what a prune deletes meanwhile the mark is
    /// known. What may be leant on is a session's business.
    ///
    /// # Errors
    /// Those of the store. A mark that cannot be read is a problem, not an error.
    pub fn read(repo: &Repo, monitor: &dyn Monitor) -> Result<Self> {
        let packs = list_packs(repo)?;
        let marks = read_marks(repo, &mut |error| {
            monitor.problem(&error);
            Ok(())
        })?;
        Ok(Self {
            packs,
            marks,
            reading: true,
        })
    }

    /// These are there too, with their lengths, although they were not listed.
    pub fn extend(&mut self, packs: Vec<(Id, u64)>) {
        self.packs.extend(packs);
    }

    /// For a session whose intent is visible: marks, then packs. `known` are the marks that its intent names.
    ///
    /// # Errors
    /// `Refused` where a mark cannot be read; those of the store.
    pub(crate) fn to_lean_on(repo: &Repo, known: BTreeMap<Id, Mark>) -> Result<Self> {
        // Twice, since of what a listing leaves out nobody would wait for this session.
        let mut marks = read_marks(repo, &mut unread)?;
        marks.join(read_marks(repo, &mut unread)?);
        for (id, mark) in known {
            marks.add(id, mark);
        }
        Ok(Self {
            packs: list_packs(repo)?,
            marks,
            reading: false,
        })
    }

    /// For a collector, who leans on nothing that any mark names, and for the copies it makes before there is a mark: then
    /// `soon` is what will be named.
    ///
    /// # Errors
    /// `Refused` where a mark cannot be read; those of the store.
    pub fn to_collect(repo: &Repo, soon: &BTreeSet<Id>) -> Result<Self> {
        let mut presence = Self::to_lean_on(repo, remembered_marks(repo))?;
        presence.marks.tombs.extend(soon);
        Ok(presence)
    }

    /// Takes over what another mirror's marks name.
    pub(crate) fn bury(&mut self, other: &Self) {
        self.marks.tombs.extend(&other.marks.tombs);
    }

    /// A pack that is there now.
    pub(crate) fn add(&mut self, pack: Id, len: u64) {
        self.packs.insert(pack, len);
    }

    /// Leaves out packs that a later listing has no more.
    pub(crate) fn forget_gone(&mut self, later: &Self) {
        self.packs.retain(|pack, _| later.packs.contains_key(pack));
    }

    /// Whether blobs in this pack count: it is listed and, unless this is for reading, no mark names it.
    pub fn holds(&self, pack: &Id) -> bool {
        self.packs.contains_key(pack) && (self.reading || !self.marks.tombs.contains(pack))
    }

    /// Every mark.
    pub fn marks(&self) -> &BTreeSet<Id> {
        &self.marks.ids
    }

    /// Whether the pack is named by a mark.
    pub fn is_tombed(&self, pack: &Id) -> bool {
        self.marks.tombs.contains(pack)
    }

    /// Whether the entry is named by a mark: it goes, and never comes back.
    pub fn is_purged(&self, entry: &Id) -> bool {
        self.marks.entries.contains(entry)
    }

    /// Every entry that a mark names.
    pub fn purged(&self) -> impl Iterator<Item = &Id> {
        self.marks.entries.iter()
    }

    /// Every pack listed, with its length.
    pub fn packs(&self) -> &HashMap<Id, u64> {
        &self.packs
    }

    /// The marks that say what is lost. A snapshot lists those it knew; one that does not know them all cannot vouch.
    pub fn losses(&self) -> &BTreeSet<Id> {
        &self.marks.losses
    }

    /// Whether a mark is in progress: something listed is named by one.
    pub fn has_mark_in_progress(&self) -> bool {
        self.marks
            .tombs
            .iter()
            .any(|pack| self.packs.contains_key(pack))
    }
}

/// The marks on a mirror of which something still lies there: each with what it names. `to_go` says whether an entry lies
/// there and goes.
///
/// # Errors
/// `Refused` where a mark cannot be read; those of the store.
pub fn marks_in_progress(
    repo: &Repo,
    presence: &Presence,
    to_go: &dyn Fn(&Id) -> bool,
) -> Result<BTreeMap<Id, Mark>> {
    let mut found = BTreeMap::new();
    for id in presence.marks() {
        let name = Name::hashed(Folder::Marks, &id.to_hex());
        let opened = repo.read_listed(ObjectKind::Mark, &name).or_else(|error| {
            unread(error)?;
            repo.read(ObjectKind::Mark, &name)
        })?;
        let mark = Mark::decode(&opened.record)?;
        let lies_there = |pack: &Id| presence.packs.contains_key(pack);
        if mark.packs.iter().any(lies_there) || mark.entries.iter().any(to_go) {
            found.insert(*id, mark);
        }
    }
    Ok(found)
}

fn list_packs(repo: &Repo) -> Result<HashMap<Id, u64>> {
    let mut packs = HashMap::new();
    repo.store().list(Folder::Packs, &mut |listed| {
        if let Some(id) = Id::from_hex(listed.name.leaf()) {
            packs.insert(id, listed.len);
        }
        Ok(())
    })?;
    Ok(packs)
}

fn read_marks(repo: &Repo, damaged: &mut dyn FnMut(Error) -> Result<()>) -> Result<Marks> {
    let mut marks = Marks::default();
    repo.store().list(Folder::Marks, &mut |listed| {
        marks.ids.extend(Id::from_hex(listed.name.leaf()));
        Ok(())
    })?;
    let leaves = marks.ids.iter().map(Id::to_hex).collect();
    repo.keep_only(Folder::Marks, &leaves);
    for id in marks.ids.clone() {
        let name = Name::hashed(Folder::Marks, &id.to_hex());
        let read = repo.read_listed(ObjectKind::Mark, &name);
        let mark = match read.and_then(|opened| Mark::decode(&opened.record)) {
            Ok(mark) => mark,
            Err(error) if matches!(error.kind(), Kind::Damaged | Kind::TooNew) => {
                damaged(error)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        marks.add(id, mark);
    }
    Ok(marks)
}

/// The marks of which this device has a copy. One that cannot be read is read from the mirror, or not known.
pub(crate) fn remembered_marks(repo: &Repo) -> BTreeMap<Id, Mark> {
    let names = repo.copies().names(Folder::Marks).into_iter();
    let known = names.filter_map(|name| {
        let opened = repo.read_copy(ObjectKind::Mark, &name)?;
        let mark = Mark::decode(&opened.record).ok()?;
        Some((Id::from_hex(name.leaf())?, mark))
    });
    known.collect()
}

/// What a mark names that cannot be read is unknown, so nothing may be leant on.
fn unread(error: Error) -> Result<()> {
    let error = match error.hint_text() {
        Some(_) => error,
        None => error.hint("nothing is written where a mark cannot be read: copy marks/ from another mirror; reading and restoring still work"),
    };
    Err(error.during("read what is marked for deletion"))
}
