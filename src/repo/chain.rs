//! The chains of all devices as one mirror shows them: which entries exist, which are visible, which are removed.
//!
//! An entry is visible if a commit slot saying COMMIT lists it; a snapshot is removed if a visible remove names it that
//! has seen every visible undelete of it (FORMAT.txt 9.3), and pinned if a visible pin names it that no visible unpin of
//! it has seen. Damaged entries and slots are reported and passed by.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::chain::{Entry, Head, What};
use crate::format::commit::CommitSlot;
use crate::format::snapshot::Snapshot;
use crate::host::Timestamp;
use crate::id::Id;
use crate::limits::ENTRY_HEADS_MAX;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::{kept, standing};
use std::collections::{BTreeMap, BTreeSet};

/// What one look at `commits/` and `entries/` found; a later look adds to it.
#[derive(Clone, Default)]
pub struct Chains {
    entries: BTreeMap<Id, Entry>,
    committed: BTreeSet<Id>,
    /// Whether there was a look before.
    looked: bool,
    slots_seen: BTreeSet<String>,
    entries_seen: BTreeSet<Id>,
    /// Each removed entry, and the newest remove in force.
    removed: BTreeMap<Id, Id>,
    /// Each pinned entry, and the newest pin in force.
    pinned: BTreeMap<Id, Id>,
    damaged: usize,
    too_new: usize,
    newer_slots: usize,
    unreadable_slots: Vec<String>,
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

    /// As [`Chains::read`], for whoever will write: what a commit slot of a newer version decides is unknown, so nothing
    /// is written beside it.
    ///
    /// # Errors
    /// `TooNew`, and those of the store.
    pub fn read_to_write(repo: &Repo, monitor: &dyn Monitor) -> Result<Self> {
        let chains = Self::read(repo, monitor)?;
        if chains.newer_slots == 0 {
            return Ok(chains);
        }
        let count = chains.newer_slots;
        let what = format!("{count} commit slots are newer than this program");
        Err(Error::new(Kind::TooNew, what)
            .hint("upgrade heirloom; reading and restoring still work, nothing is damaged"))
    }

    /// Looks again and reads what is new. What has gone since is forgotten.
    ///
    /// # Errors
    /// Those of the store.
    pub fn look_again(&mut self, repo: &Repo, monitor: &dyn Monitor) -> Result<()> {
        let mut slots = BTreeSet::new();
        // Where somebody looks again, twice: what one listing leaves out may be a removal.
        for _ in 0..1 + usize::from(self.looked) {
            repo.store().list(Folder::Commits, &mut |listed| {
                slots.insert(listed.name.leaf().to_owned());
                Ok(())
            })?;
        }
        let looked = std::mem::replace(&mut self.looked, true);
        // What is visible is decided by slots: where there is no other one, nothing has changed.
        if looked && slots == self.slots_seen {
            return Ok(());
        }
        let mut present = BTreeSet::new();
        repo.store().list(Folder::Entries, &mut |listed| {
            present.extend(Id::from_hex(listed.name.leaf()));
            Ok(())
        })?;
        let slots_before = std::mem::replace(&mut self.slots_seen, slots.clone());
        let fresh: Vec<_> = slots.difference(&slots_before).collect();
        let names = fresh
            .iter()
            .filter_map(|leaf| Name::new(Folder::Commits, leaf));
        repo.bring_copies(ObjectKind::Commit, &names.collect::<Vec<_>>());
        for leaf in fresh {
            self.read_slot(repo, leaf, monitor)?;
        }
        let entries_before = std::mem::replace(&mut self.entries_seen, present.clone());
        let fresh = present.difference(&entries_before);
        let names = fresh.map(|id| Name::hashed(Folder::Entries, &id.to_hex()));
        repo.bring_copies(ObjectKind::Entry, &names.collect::<Vec<_>>());
        for id in present.difference(&entries_before) {
            self.read_entry(repo, id, monitor)?;
        }
        self.entries.retain(|id, _| present.contains(id));
        self.settle();
        kept::tidy(repo, self, &slots, &present);
        Ok(())
    }

    /// What removes and pins come to.
    fn settle(&mut self) {
        self.removed = standing::removed(self);
        self.pinned = standing::pinned(self);
    }

    fn read_slot(&mut self, repo: &Repo, leaf: &str, monitor: &dyn Monitor) -> Result<()> {
        let name = Name::new(Folder::Commits, leaf).expect("a listed leaf fits its folder");
        let opened = repo.read_listed(ObjectKind::Commit, &name);
        match opened.and_then(|opened| CommitSlot::decode(&opened.record)) {
            Ok(CommitSlot::Commit(entries)) => self.committed.extend(entries),
            Ok(CommitSlot::Abort { .. }) => {}
            Err(error) => {
                self.newer_slots += usize::from(error.kind() == Kind::TooNew);
                if error.kind() == Kind::Damaged {
                    self.unreadable_slots.push(leaf.to_owned());
                }
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

    /// The leaves of commit slots that are damaged.
    pub fn unreadable_slots(&self) -> &[String] {
        &self.unreadable_slots
    }

    /// Whether there is any commit slot, whatever it says.
    pub fn has_slots(&self) -> bool {
        !self.slots_seen.is_empty()
    }

    /// Entries that this session has just made visible.
    pub fn committed(&mut self, entries: impl IntoIterator<Item = (Id, Entry)>) {
        for (id, entry) in entries {
            self.entries.insert(id, entry);
            self.committed.insert(id);
        }
        self.settle();
    }

    /// Adds what another mirror shows.
    pub fn join(&mut self, other: &Self) {
        let entries = other.entries.iter();
        self.entries
            .extend(entries.map(|(id, entry)| (*id, entry.clone())));
        self.committed.extend(&other.committed);
        self.settle();
    }

    /// Whether `other` shows something for good that this one does not: a live snapshot, or a step of a chain.
    pub fn lags(&self, other: &Self) -> bool {
        let lasts = |(id, entry): &(&Id, &Entry)| {
            !matches!(entry.what, What::Snapshot(_)) || other.is_live(id)
        };
        let mut all = other.visible().filter(lasts);
        all.any(|(id, _)| !self.is_visible(id))
    }

    /// Entries that lie there and that no readable commit slot lists.
    pub fn hidden(&self) -> impl Iterator<Item = (&Id, &Entry)> {
        let entries = self.entries.iter();
        entries.filter(|(id, _)| !self.committed.contains(id))
    }

    /// Every visible entry.
    pub fn visible(&self) -> impl Iterator<Item = (&Id, &Entry)> {
        self.entries
            .iter()
            .filter(|(id, _)| self.committed.contains(id))
    }

    /// Entries a slot lists and `entries/` lacks or cannot give. One that was removed may have been purged.
    pub fn missing(&self) -> impl Iterator<Item = &Id> {
        self.committed
            .iter()
            .filter(|id| !self.entries.contains_key(id) && !self.removed.contains_key(id))
    }

    /// Whether a slot lists this entry, there or not.
    pub fn is_committed(&self, id: &Id) -> bool {
        self.committed.contains(id)
    }

    /// Whether a remove in force names this entry, there or not.
    pub fn is_removed(&self, id: &Id) -> bool {
        self.removed.contains_key(id)
    }

    /// What was removed, is not pinned and may be purged: each with the newest remove in force.
    pub fn purgeable(&self) -> BTreeMap<Id, Id> {
        let removed = self.removed.iter().filter(|(id, _)| self.pin(id).is_none());
        removed.map(|(id, by)| (*id, *by)).collect()
    }

    /// An entry that lies there, visible or not.
    pub fn entry(&self, id: &Id) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// Whether this entry lies there and a slot lists it, removed or not.
    pub fn is_visible(&self, id: &Id) -> bool {
        self.committed.contains(id) && self.entries.contains_key(id)
    }

    /// Whether this entry is visible and not removed.
    pub fn is_live(&self, id: &Id) -> bool {
        self.is_visible(id) && !self.removed.contains_key(id)
    }

    /// Every live snapshot, oldest first.
    pub fn snapshots(&self) -> Vec<(Id, &Entry, &Snapshot)> {
        self.snapshots_that(|id| !self.removed.contains_key(id))
    }

    /// Every removed snapshot whose entry still lies there, oldest first.
    pub fn removed_snapshots(&self) -> Vec<(Id, &Entry, &Snapshot)> {
        self.snapshots_that(|id| self.removed.contains_key(id))
    }

    /// The newest remove in force that names this entry.
    pub fn removal(&self, id: &Id) -> Option<&Entry> {
        self.entries.get(self.removed.get(id)?)
    }

    /// The newest pin in force that names this entry.
    pub fn pin(&self, id: &Id) -> Option<&Entry> {
        self.entries.get(self.pinned.get(id)?)
    }

    fn snapshots_that(&self, wanted: impl Fn(&Id) -> bool) -> Vec<(Id, &Entry, &Snapshot)> {
        let mut all: Vec<_> = self
            .visible()
            .filter(|(id, _)| wanted(id))
            .filter_map(|(id, entry)| match &entry.what {
                What::Snapshot(snapshot) => Some((*id, entry, &**snapshot)),
                _ => None,
            })
            .collect();
        // No step of a chain is later than those after it, whatever a clock said.
        all.sort_by_key(|(_, entry, _)| (entry.device, std::cmp::Reverse(entry.seq)));
        let mut after: Option<&(Id, &Entry, &Snapshot)> = None;
        let mut earliest = Timestamp::default();
        let mut dated = Vec::with_capacity(all.len());
        for one in &all {
            let (id, entry, _) = one;
            earliest = match after {
                Some((_, next, _)) if next.device == entry.device => earliest.min(entry.time),
                _ => entry.time,
            };
            dated.push(((earliest, entry.seq, *id), *one));
            after = Some(one);
        }
        dated.sort_unstable_by_key(|(date, _)| *date);
        dated.into_iter().map(|(_, one)| one).collect()
    }

    /// Whether this snapshot was marked as suspect and nobody has accepted it since.
    pub fn is_suspect(&self, id: &Id, snapshot: &Snapshot) -> bool {
        let accepts = |what: &What| matches!(what, What::Accept { entry, .. } if entry == id);
        snapshot.suspect.is_some() && !self.visible().any(|(_, entry)| accepts(&entry.what))
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

    /// The newest entry of every device.
    pub fn heads(&self) -> BTreeMap<[u8; 16], Head> {
        let mut heads = BTreeMap::<[u8; 16], Head>::new();
        for (id, entry) in self.visible() {
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
        heads
    }

    /// The newest entry of every device but `device`: of those that were heard of last, if an entry cannot name them all.
    pub fn other_heads(&self, device: &[u8; 16]) -> Vec<Head> {
        let mut heads = self.heads();
        heads.remove(device);
        let mut heads: Vec<_> = heads.into_values().collect();
        if heads.len() > ENTRY_HEADS_MAX {
            let time = |head: &Head| self.entries.get(&head.entry).map(|entry| entry.time);
            heads.sort_by_key(|head| std::cmp::Reverse(time(head)));
            heads.truncate(ENTRY_HEADS_MAX);
            heads.sort_by_key(|head| head.device);
        }
        heads
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::chain::Removed;
    use crate::host::Timestamp;

    /// Devices.
    const A: u8 = 1;
    const B: u8 = 2;
    const C: u8 = 3;

    fn id(device: u8, seq: u64) -> Id {
        let mut bytes = [device; 32];
        bytes[0] = u8::try_from(seq).unwrap();
        Id::new(bytes)
    }

    fn remove(device: u8, seq: u64) -> What {
        What::Remove {
            entries: vec![Removed {
                device: [device; 16],
                seq,
                entry: id(device, seq),
                prev: None,
            }],
            reason: String::new(),
        }
    }

    impl Chains {
        fn add(&mut self, device: u8, seq: u64, heads: &[(u8, u64)], what: What) {
            let entry = Entry {
                repo: [0; 16],
                device: [device; 16],
                seq,
                prev: seq.checked_sub(1).map(|before| id(device, before)),
                heads: heads
                    .iter()
                    .map(|(device, seq)| Head {
                        device: [*device; 16],
                        seq: *seq,
                        entry: id(*device, *seq),
                    })
                    .collect(),
                acked: Vec::new(),
                time: Timestamp::default(),
                zone: 0,
                host: String::new(),
                user: String::new(),
                program: String::new(),
                what,
                unknown: 0,
            };
            self.entries.insert(id(device, seq), entry);
            self.committed.insert(id(device, seq));
        }

        fn snapshot(&mut self, device: u8, seq: u64, heads: &[(u8, u64)]) {
            self.add(device, seq, heads, What::Snapshot(Box::default()));
        }

        fn has(&self, device: u8, seq: u64) -> bool {
            !standing::removed(self).contains_key(&id(device, seq))
        }

        fn is_pinned(&self, device: u8, seq: u64) -> bool {
            standing::pinned(self).contains_key(&id(device, seq))
        }
    }

    /// A snapshot of A and its removal by A.
    fn removed() -> Chains {
        let mut chains = Chains::default();
        chains.snapshot(A, 0, &[]);
        assert!(chains.has(A, 0));
        chains.add(A, 1, &[], remove(A, 0));
        assert!(!chains.has(A, 0));
        chains
    }

    fn undelete() -> What {
        What::Undelete(vec![id(A, 0)])
    }

    #[test]
    fn an_undelete_that_has_seen_the_remove_takes_it_back() {
        let mut chains = removed();
        chains.add(B, 0, &[(A, 1)], undelete());
        assert!(chains.has(A, 0));
        let mut chains = removed();
        chains.add(A, 2, &[], undelete());
        assert!(chains.has(A, 0));
    }

    #[test]
    fn unaware_of_each_other_the_undelete_wins() {
        let mut chains = removed();
        chains.add(B, 0, &[], undelete());
        assert!(chains.has(A, 0));
        // A second remove that does not know of it changes nothing.
        chains.add(C, 0, &[(A, 1)], remove(A, 0));
        assert!(chains.has(A, 0));
    }

    #[test]
    fn a_remove_that_has_seen_every_undelete_removes_again() {
        let mut chains = removed();
        chains.add(B, 0, &[(A, 1)], undelete());
        chains.add(C, 0, &[], undelete());
        chains.add(A, 2, &[(B, 0)], remove(A, 0));
        assert!(chains.has(A, 0), "it has not seen the second one");
        chains.add(A, 3, &[(B, 0), (C, 0)], remove(A, 0));
        assert!(!chains.has(A, 0));
    }

    #[test]
    fn what_others_have_seen_counts_and_so_does_the_own_chain() {
        let mut chains = removed();
        chains.add(B, 0, &[(A, 1)], undelete());
        chains.snapshot(C, 0, &[(B, 0)]);
        chains.snapshot(C, 1, &[]);
        // Through C's later entry, whose chain saw B.
        chains.add(A, 2, &[(C, 1)], remove(A, 0));
        assert!(!chains.has(A, 0));
        let mut chains = removed();
        chains.add(B, 0, &[(A, 1)], undelete());
        chains.snapshot(A, 2, &[(B, 0)]);
        chains.add(A, 3, &[], remove(A, 0));
        assert!(!chains.has(A, 0));
    }

    #[test]
    fn only_visible_entries_count() {
        let mut chains = removed();
        chains.add(B, 0, &[(A, 1)], undelete());
        chains.committed.remove(&id(B, 0));
        assert!(!chains.has(A, 0));
        chains.committed.remove(&id(A, 1));
        assert!(chains.has(A, 0));
    }

    fn pin() -> What {
        What::Pin {
            ids: vec![id(A, 0)],
            reason: String::new(),
        }
    }

    #[test]
    fn an_unpin_that_has_seen_the_pin_takes_it_away() {
        let mut chains = Chains::default();
        chains.snapshot(A, 0, &[]);
        assert!(!chains.is_pinned(A, 0));
        chains.add(A, 1, &[], pin());
        assert!(chains.is_pinned(A, 0));
        // One that is unaware of it does not, and neither does one made before it.
        chains.add(B, 0, &[(A, 0)], What::Unpin(vec![id(A, 0)]));
        assert!(chains.is_pinned(A, 0));
        chains.add(C, 0, &[(A, 1)], What::Unpin(vec![id(A, 0)]));
        assert!(!chains.is_pinned(A, 0));
        chains.add(B, 1, &[(A, 1), (C, 0)], pin());
        assert!(chains.is_pinned(A, 0));
        chains.committed.remove(&id(B, 1));
        assert!(!chains.is_pinned(A, 0));
    }

    #[test]
    fn the_newest_remove_in_force_counts() {
        let mut chains = removed();
        chains.add(B, 0, &[(A, 0)], remove(A, 0));
        let entry = chains.entries.get_mut(&id(B, 0)).unwrap();
        entry.time.seconds = 5;
        chains.settle();
        assert_eq!(chains.removal(&id(A, 0)).unwrap().device, [B; 16]);
        assert_eq!(chains.removed_snapshots().len(), 1);
        assert!(chains.snapshots().is_empty());
    }

    #[test]
    fn an_accepted_snapshot_is_not_suspect() {
        let mut chains = Chains::default();
        chains.snapshot(A, 0, &[]);
        let suspect = Snapshot {
            suspect: Some("half of it is gone".to_owned()),
            ..Snapshot::default()
        };
        assert!(chains.is_suspect(&id(A, 0), &suspect));
        let accept = What::Accept {
            source: String::new(),
            entry: id(A, 0),
        };
        chains.add(A, 1, &[], accept);
        assert!(!chains.is_suspect(&id(A, 0), &suspect));
    }
}
