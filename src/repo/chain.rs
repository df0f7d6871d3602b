//! The chains of all devices as one mirror shows them: which entries exist, which are visible, which are removed.
//!
//! An entry is visible if a commit slot saying COMMIT lists it (format 10.2); a snapshot is removed if a visible
//! remove names it and no visible undelete that has seen that remove takes it back (10.3). Damaged entries and slots
//! are reported and passed by.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::chain::{Entry, Head, What};
use crate::format::commit::CommitSlot;
use crate::format::snapshot::Snapshot;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use std::collections::{BTreeMap, BTreeSet};

/// What one look at `commits/` and `entries/` found; a later look adds to it.
#[derive(Default)]
pub struct Chains {
    entries: BTreeMap<Id, Entry>,
    committed: BTreeSet<Id>,
    slots_seen: BTreeSet<String>,
    entries_seen: BTreeSet<Id>,
    removed: BTreeSet<Id>,
    damaged: usize,
    too_new: usize,
    newer_slots: usize,
    unknown: usize,
}

impl Chains {
    /// Looks at the mirror.
    ///
    /// # Errors
    /// Those of the store; damage is a problem, not an error.
    pub fn read(repo: &Repo, monitor: &dyn Monitor) -> Result<Self> {
        let mut chains = Self::default();
        chains.look_again(repo, monitor)?;
        Ok(chains)
    }

    /// Looks again and reads what is new. What has gone since is forgotten.
    ///
    /// # Errors
    /// Those of the store.
    pub fn look_again(&mut self, repo: &Repo, monitor: &dyn Monitor) -> Result<()> {
        let mut slots = BTreeSet::new();
        repo.store().list(Folder::Commits, &mut |listed| {
            slots.insert(listed.name.leaf().to_owned());
            Ok(())
        })?;
        let mut present = BTreeSet::new();
        repo.store().list(Folder::Entries, &mut |listed| {
            present.extend(Id::from_hex(listed.name.leaf()));
            Ok(())
        })?;
        let leaves = present.iter().map(Id::to_hex).collect();
        repo.copies().keep_only(Folder::Commits, &slots);
        repo.copies().keep_only(Folder::Entries, &leaves);
        let slots_before = std::mem::replace(&mut self.slots_seen, slots.clone());
        for leaf in slots.difference(&slots_before) {
            self.read_slot(repo, leaf, monitor)?;
        }
        let entries_before = std::mem::replace(&mut self.entries_seen, present.clone());
        for id in present.difference(&entries_before) {
            self.read_entry(repo, id, monitor)?;
        }
        self.entries.retain(|id, _| present.contains(id));
        self.removed = self.find_removed();
        Ok(())
    }

    fn read_slot(&mut self, repo: &Repo, leaf: &str, monitor: &dyn Monitor) -> Result<()> {
        let name = Name::new(Folder::Commits, leaf).expect("a listed leaf fits its folder");
        let opened = repo.read_listed(ObjectKind::Commit, &name);
        match opened.and_then(|opened| CommitSlot::decode(&opened.record)) {
            Ok(CommitSlot::Commit(entries)) => self.committed.extend(entries),
            Ok(CommitSlot::Abort { .. }) => {}
            Err(error) => {
                self.newer_slots += usize::from(error.kind() == Kind::TooNew);
                return self.passed_by(error, monitor);
            }
        }
        Ok(())
    }

    fn read_entry(&mut self, repo: &Repo, id: &Id, monitor: &dyn Monitor) -> Result<()> {
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        let opened = repo.read_listed(ObjectKind::Entry, &name);
        match opened.and_then(|opened| Entry::decode(&opened.record)) {
            Ok(entry) => {
                self.unknown += usize::from(matches!(entry.what, What::Unknown(_)));
                self.entries.insert(*id, entry);
            }
            Err(error) => return self.passed_by(error, monitor),
        }
        Ok(())
    }

    fn passed_by(&mut self, error: Error, monitor: &dyn Monitor) -> Result<()> {
        match error.kind() {
            Kind::Damaged => self.damaged += 1,
            Kind::TooNew => self.too_new += 1,
            // Gone between listing and reading: another device may delete what is purged.
            Kind::NotFound => return Ok(()),
            _ => return Err(error),
        }
        monitor.problem(&error);
        Ok(())
    }

    fn find_removed(&self) -> BTreeSet<Id> {
        let mut removed = BTreeSet::new();
        for (remove_id, entry) in self.visible() {
            let What::Remove { entries, .. } = &entry.what else {
                continue;
            };
            for target in entries {
                if !self.is_taken_back(&target.entry, remove_id, entry) {
                    removed.insert(target.entry);
                }
            }
        }
        removed
    }

    fn is_taken_back(&self, target: &Id, remove_id: &Id, remove: &Entry) -> bool {
        self.visible().any(|(id, entry)| {
            matches!(&entry.what, What::Undelete(ids) if ids.contains(target))
                && self.has_seen(id, entry, remove_id, remove)
        })
    }

    /// Whether `entry` comes after `other` through prev and heads. Entries of one device are ordered by seq alone.
    fn has_seen(&self, id: &Id, entry: &Entry, other_id: &Id, other: &Entry) -> bool {
        if entry.device == other.device {
            return entry.seq > other.seq && id != other_id;
        }
        let mut own = Some(entry);
        while let Some(step) = own {
            if step
                .heads
                .iter()
                .any(|head| head.device == other.device && head.seq >= other.seq)
            {
                return true;
            }
            own = step.prev.and_then(|prev| self.entries.get(&prev));
        }
        false
    }

    /// Every visible entry.
    pub fn visible(&self) -> impl Iterator<Item = (&Id, &Entry)> {
        self.entries
            .iter()
            .filter(|(id, _)| self.committed.contains(id))
    }

    /// Entries a slot lists and `entries/` lacks or cannot give.
    pub fn missing(&self) -> impl Iterator<Item = &Id> {
        self.committed
            .iter()
            .filter(|id| !self.entries.contains_key(id))
    }

    /// Whether this entry is visible and not removed.
    pub fn is_live(&self, id: &Id) -> bool {
        self.committed.contains(id) && self.entries.contains_key(id) && !self.removed.contains(id)
    }

    /// Every live snapshot, oldest first.
    pub fn snapshots(&self) -> Vec<(Id, &Entry, &Snapshot)> {
        let mut all: Vec<_> = self
            .visible()
            .filter(|(id, _)| !self.removed.contains(id))
            .filter_map(|(id, entry)| match &entry.what {
                What::Snapshot(snapshot) => Some((*id, entry, &**snapshot)),
                _ => None,
            })
            .collect();
        all.sort_by_key(|(id, entry, _)| (entry.time, entry.device, entry.seq, *id));
        all
    }

    /// The newest entry of `device`.
    ///
    /// # Errors
    /// `Rollback` when one number has two entries: the chain has forked.
    pub fn head(&self, device: &[u8; 16]) -> Result<Option<(Id, u64)>> {
        let mut newest: Option<(Id, u64)> = None;
        for (id, entry) in self.visible().filter(|(_, entry)| entry.device == *device) {
            match newest {
                Some((other, seq)) if seq == entry.seq => {
                    return Err(Error::new(
                        Kind::Rollback,
                        format!("this device's chain has forked: entries {other} and {id} both have number {seq}"),
                    )
                    .hint("was this device's state copied from another one? Move its state folder away; it will take a new identity"));
                }
                Some((_, seq)) if seq > entry.seq => {}
                _ => newest = Some((*id, entry.seq)),
            }
        }
        Ok(newest)
    }

    /// The newest entry of every device but `device`.
    pub fn other_heads(&self, device: &[u8; 16]) -> Vec<Head> {
        let mut heads = BTreeMap::<[u8; 16], Head>::new();
        for (id, entry) in self.visible().filter(|(_, entry)| entry.device != *device) {
            let head = Head {
                device: entry.device,
                seq: entry.seq,
                entry: *id,
            };
            let newest = heads.entry(entry.device).or_insert(head);
            if newest.seq < entry.seq {
                *newest = head;
            }
        }
        heads.into_values().collect()
    }

    /// Refuses to go on where a commit slot is of a newer version: what it decides is unknown, so nothing is written
    /// beside it.
    ///
    /// # Errors
    /// `TooNew`.
    pub fn require_known(&self) -> Result<()> {
        if self.newer_slots == 0 {
            return Ok(());
        }
        let what = format!(
            "{} commit slots are newer than this program",
            self.newer_slots
        );
        Err(Error::new(Kind::TooNew, what)
            .hint("upgrade heirloom; reading and restoring still work, nothing is damaged"))
    }

    /// Entries and slots that could not be read.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Entries whose meaning this version does not know; the chain is whole all the same.
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    /// Entries and slots of a newer version, and entries whose meaning this version does not know.
    pub fn newer(&self) -> usize {
        self.too_new + self.unknown
    }
}
