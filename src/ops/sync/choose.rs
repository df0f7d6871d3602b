//! What a sync brings: the entries that a mirror lacks, and the packs that they cannot do without.

use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::chain::{Entry, What};
use crate::format::snapshot::Snapshot;
use crate::id::Id;
use crate::ops::reach::Reach;
use crate::ops::sync::Sync;
use crate::repo::loader;
use std::collections::BTreeSet;

/// Entries that the mirror shall show, and the packs that this takes.
#[derive(Default)]
pub(super) struct Choice<'a> {
    pub(super) entries: Vec<(&'a Id, &'a Entry)>,
    pub(super) packs: BTreeSet<Id>,
    /// Blobs that only packs have that go.
    pub(super) anew: Vec<(BlobKind, Id)>,
    /// Snapshots that nobody has whole, and why.
    pub(super) left: Vec<(Id, Error)>,
}

/// What one entry cannot do without.
#[derive(Default)]
struct Needed {
    packs: BTreeSet<Id>,
    anew: Vec<(BlobKind, Id)>,
}

impl<'a> Sync<'a> {
    /// What is wanted and can be had without the packs found to be bad.
    pub(super) fn choose(&self) -> Result<Choice<'a>> {
        let from = self.from;
        let here: BTreeSet<&Id> = self.chains.visible().map(|(id, _)| id).collect();
        let wanted = from.chains.visible().filter(|(id, _)| !here.contains(id));
        let mut wanted: Vec<(&Id, &Entry)> = wanted.collect();
        wanted.sort_by_key(|(_, entry)| (entry.device, entry.seq));
        let mut packs = from.lacking(self.session.presence());
        packs.extend(self.index.missing());
        packs.retain(|pack| !self.bad.contains_key(pack));
        let mut choice = Choice {
            packs,
            ..Choice::default()
        };
        let mut reach = Reach::new(&from.loader);
        for (id, entry) in wanted {
            // One that a mark names may be live all the same: it was taken back before the mark had come everywhere.
            if matches!(entry.what, What::Snapshot(_)) && !from.chains.is_live(id) {
                continue;
            }
            if self.is_new(id) {
                self.require_unmarked(entry)?;
            }
            match self.needed_by(&mut reach, entry) {
                Ok(needed) => {
                    choice.packs.extend(needed.packs);
                    choice.anew.extend(needed.anew);
                }
                Err(error) if error.is_about_the_object() && !self.is_new(id) => {
                    choice.left.push((*id, error));
                    // What was met on the way is not brought by this one.
                    reach = Reach::new(&from.loader);
                    continue;
                }
                Err(error) => return Err(error),
            }
            choice.entries.push((id, entry));
        }
        Ok(choice)
    }

    fn is_new(&self, id: &Id) -> bool {
        self.new.is_some_and(|new| new.id() == *id)
    }

    /// What a mark names goes, and nothing takes it back any more.
    fn require_unmarked(&self, entry: &Entry) -> Result<()> {
        let What::Undelete(ids) = &entry.what else {
            return Ok(());
        };
        let (here, there) = (self.session.presence(), &self.from.presence);
        let marked = |id: &&Id| here.is_purged(id) || there.is_purged(id);
        let Some(id) = ids.iter().find(marked) else {
            return Ok(());
        };
        let what = format!("a prune is deleting snapshot {} already", id.short());
        Err(Error::new(Kind::Refused, what).hint("heirloom undelete lists what can come back"))
    }

    /// The packs that an entry cannot do without: those of a snapshot, and of each that an undelete brings back.
    fn needed_by(&self, reach: &mut Reach<'_>, entry: &Entry) -> Result<Needed> {
        let mut needed = Needed::default();
        match &entry.what {
            What::Snapshot(snapshot) => self.needed(reach, snapshot, &mut needed)?,
            What::Undelete(ids) => {
                for id in ids.iter().filter(|id| self.from.chains.is_live(id)) {
                    if let Some(What::Snapshot(snapshot)) =
                        self.from.chains.entry(id).map(|entry| &entry.what)
                    {
                        self.needed(reach, snapshot, &mut needed)?;
                    }
                }
            }
            _ => {}
        }
        Ok(needed)
    }

    /// What the mirror lacks of a snapshot.
    fn needed(
        &self,
        reach: &mut Reach<'_>,
        snapshot: &Snapshot,
        needed: &mut Needed,
    ) -> Result<()> {
        let known = self.vouching(snapshot);
        reach.snapshot(snapshot.tree, known, &mut |kind, id| {
            if self.by.monitor.interrupted() {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            if self.index.holds(&id.prefix(), kind)? {
                return Ok(());
            }
            match self.pack_of(kind, id)? {
                Some(pack) => drop(needed.packs.insert(pack)),
                None => needed.anew.push((kind, *id)),
            }
            Ok(())
        })
    }

    /// A pack that has the blob; none if only packs that go have it.
    fn pack_of(&self, kind: BlobKind, id: &Id) -> Result<Option<Id>> {
        let all = self.from.index.places(id, kind)?;
        let tombed = |pack: &Id| {
            self.from.presence.is_tombed(pack) || self.session.presence().is_tombed(pack)
        };
        let mut places = all.iter().filter(|place| !tombed(&place.pack));
        let mut bad = None;
        let found = places.find(|place| {
            let why = self.bad.get(&place.pack);
            bad = bad.or(why);
            why.is_none()
        });
        match (found, bad) {
            (Some(place), _) => Ok(Some(place.pack)),
            (None, Some(why)) => Err(Error::new(Kind::Damaged, why.clone())),
            (None, None) if !all.is_empty() && !self.packed_anew => Ok(None),
            (None, None) => Err(loader::missing(kind, id)),
        }
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
}
