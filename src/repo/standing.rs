//! Which snapshots are removed and which are pinned: what the entries of all devices come to, who had seen whose.
//!
//! In doubt a snapshot stays: unaware of each other, an undelete wins over a remove, and a pin over an unpin.

use crate::format::chain::{Entry, What};
use crate::id::Id;
use crate::repo::chain::Chains;
use std::collections::BTreeMap;

/// Snapshots named by a remove that has seen every undelete of them; of two that are unaware of each other, the
/// undelete wins.
pub(super) fn removed(chains: &Chains) -> BTreeMap<Id, Id> {
    let mut undeletes = BTreeMap::<Id, Vec<(&[u8; 16], u64)>>::new();
    for (_, entry) in chains.visible() {
        if let What::Undelete(ids) = &entry.what {
            for id in ids {
                let all = undeletes.entry(*id).or_default();
                all.push((&entry.device, entry.seq));
            }
        }
    }
    let mut removed = BTreeMap::new();
    for (id, entry) in chains.visible() {
        let What::Remove { entries, .. } = &entry.what else {
            continue;
        };
        let mut seen = None;
        for target in entries.iter().map(|target| target.entry) {
            let taken_back = undeletes.get(&target).is_some_and(|undeletes| {
                let seen = seen.get_or_insert_with(|| seen_by(chains, entry));
                !undeletes
                    .iter()
                    .all(|(device, seq)| seen.get(device).is_some_and(|newest| seq <= newest))
            });
            if !taken_back {
                keep_newest(chains, &mut removed, target, *id);
            }
        }
    }
    removed
}

/// Snapshots named by a pin that no unpin of them has seen: of two that are unaware of each other, the pin wins.
pub(super) fn pinned(chains: &Chains) -> BTreeMap<Id, Id> {
    let mut unpins = BTreeMap::<Id, Vec<&Entry>>::new();
    for (_, entry) in chains.visible() {
        if let What::Unpin(ids) = &entry.what {
            for id in ids {
                unpins.entry(*id).or_default().push(entry);
            }
        }
    }
    let mut pinned = BTreeMap::new();
    for (id, entry) in chains.visible() {
        let What::Pin { ids, .. } = &entry.what else {
            continue;
        };
        for target in ids {
            let unpinned = unpins.get(target).is_some_and(|unpins| {
                let has_seen = |unpin: &&Entry| {
                    let seen = seen_by(chains, unpin);
                    seen.get(&entry.device)
                        .is_some_and(|newest| entry.seq <= *newest)
                };
                unpins.iter().any(has_seen)
            });
            if !unpinned {
                keep_newest(chains, &mut pinned, *target, *id);
            }
        }
    }
    pinned
}

/// Enters what names `target`, unless something later does so already.
fn keep_newest(chains: &Chains, all: &mut BTreeMap<Id, Id>, target: Id, by: Id) {
    let time = |id: &Id| chains.entry(id).map(|entry| (entry.time, *id));
    let newest = all.entry(target).or_insert(by);
    if time(newest) < time(&by) {
        *newest = by;
    }
}

/// The newest number of each device that `entry` has seen: its own before it, those in its heads, and all that
/// these have seen. Heads count for every later entry of a chain, since an old entry may be purged.
fn seen_by<'a>(chains: &'a Chains, entry: &'a Entry) -> BTreeMap<&'a [u8; 16], u64> {
    let mut seen = BTreeMap::new();
    let own = entry.seq.checked_sub(1).map(|seq| (&entry.device, seq));
    let mut more: Vec<_> = own.into_iter().chain(heads_of(entry)).collect();
    while !more.is_empty() {
        for (device, seq) in more.drain(..) {
            let newest = seen.entry(device).or_insert(seq);
            *newest = seq.max(*newest);
        }
        let known =
            |(device, seq): &(&[u8; 16], u64)| seen.get(device).is_some_and(|newest| seq <= newest);
        let others = chains.visible().map(|(_, other)| other);
        let others = others.filter(|other| known(&(&other.device, other.seq)));
        more.extend(others.flat_map(heads_of).filter(|head| !known(head)));
    }
    seen
}

fn heads_of(entry: &Entry) -> impl Iterator<Item = (&[u8; 16], u64)> {
    entry.heads.iter().map(|head| (&head.device, head.seq))
}
