//! Which copies of entries and commit slots this device keeps.
//!
//! What a mirror does not show any more was deleted on purpose or is lost. A remove says which: what is removed goes from
//! here too, and all else stays, since a mirror that has lost it gets it back from here.

use crate::error::Result;
use crate::format::ObjectKind;
use crate::format::chain::Entry;
use crate::format::commit::CommitSlot;
use crate::id::Id;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::chain::Chains;
use std::collections::{BTreeMap, BTreeSet};

/// Copies of what lies on no mirror and was removed by nobody.
struct Unseen {
    /// Leaves of commit slots.
    slots: BTreeSet<String>,
    /// What they list.
    entries: BTreeSet<Id>,
}

impl Unseen {
    fn of(repo: &Repo, chains: &Chains, slots: &BTreeSet<String>) -> Self {
        let mut unseen = Self {
            slots: BTreeSet::new(),
            entries: BTreeSet::new(),
        };
        let names = repo.copies().names(Folder::Commits);
        for name in names.iter().filter(|name| !slots.contains(name.leaf())) {
            let opened = repo.read_copy(ObjectKind::Commit, name);
            let slot = opened.and_then(|opened| CommitSlot::decode(&opened.record).ok());
            let Some(CommitSlot::Commit(listed)) = slot else {
                continue;
            };
            let missed = |id: &&Id| !chains.is_committed(id) && !chains.is_removed(id);
            let before = unseen.entries.len();
            unseen.entries.extend(listed.iter().filter(missed));
            if unseen.entries.len() > before {
                unseen.slots.insert(name.leaf().to_owned());
            }
        }
        unseen
    }
}

/// Drops the copies that nobody will ask for. `slots` are the leaves that were listed, `entries` the entries that were.
pub(super) fn tidy(repo: &Repo, chains: &Chains, slots: &BTreeSet<String>, entries: &BTreeSet<Id>) {
    let unseen = Unseen::of(repo, chains, slots);
    let slots = slots.union(&unseen.slots).cloned().collect();
    repo.keep_only(Folder::Commits, &slots);
    let missing = chains.missing().copied();
    let entries = entries.iter().copied().chain(missing).chain(unseen.entries);
    let leaves = entries.map(|id| id.to_hex()).collect();
    repo.keep_only(Folder::Entries, &leaves);
}

/// Entries that were visible, that nobody removed and that are gone with the slots that listed them: as far as this device
/// has copies, each with its bytes.
///
/// # Errors
/// Those of the store.
pub fn lost(repo: &Repo, chains: &Chains) -> Result<BTreeMap<Id, (Entry, Vec<u8>)>> {
    let mut slots = BTreeSet::new();
    repo.store().list(Folder::Commits, &mut |listed| {
        slots.insert(listed.name.leaf().to_owned());
        Ok(())
    })?;
    let unseen = Unseen::of(repo, chains, &slots).entries;
    let copy = |id: Id| {
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        let opened = repo.read_copy(ObjectKind::Entry, &name)?;
        let entry = Entry::decode(&opened.record).ok()?;
        Some((id, (entry, repo.copies().get(&name)?)))
    };
    let copies = unseen.into_iter().filter(|id| chains.entry(id).is_none());
    Ok(copies.filter_map(copy).collect())
}
