//! Whether a mirror shows less than it showed before, or two histories of one device.
//!
//! Judged by what this device remembers of the mirror and by what entries elsewhere say was visible there. An entry that
//! a remove names is not missed, and where objects of the chain cannot be read that is damage, and told as such.

use crate::device::memory::{MirrorMemory, Seen};
use crate::error::{Error, Kind};
use crate::format::chain::What;
use crate::id::{Id, to_hex};
use crate::repo::chain::Chains;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with the history that a mirror shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An entry was visible there and is gone.
    RolledBack {
        /// Whose.
        device: [u8; 16],
        /// Its number.
        seq: u64,
    },
    /// One number, two entries.
    Forked {
        /// Whose.
        device: [u8; 16],
        /// The number.
        seq: u64,
        /// Two of the entries.
        entries: [Id; 2],
    },
}

impl Finding {
    /// One word for what such a mirror is.
    pub fn state(&self) -> &'static str {
        match self {
            Self::RolledBack { .. } => "rolled-back",
            Self::Forked { .. } => "forked",
        }
    }

    /// What to tell of it.
    pub fn error(&self, mirror: &str) -> Error {
        let short = |device: &[u8; 16]| to_hex(&device[..4]);
        let what = match self {
            Self::RolledBack { device, seq } => format!(
                "{mirror} shows an older state: entry {seq} of device {} was visible there and is gone",
                short(device)
            ),
            Self::Forked {
                device,
                seq,
                entries: [one, two],
            } => format!(
                "{mirror} shows two histories of device {}: entries {} and {} both have number {seq}",
                short(device),
                one.short(),
                two.short()
            ),
        };
        Error::new(Kind::Rollback, what).hint(match self {
            Self::RolledBack { .. } => "do not prune; was an old copy put back? Once that is explained: heirloom mirror sync --accept-rollback",
            Self::Forked { .. } => "was this device's state copied from another one? Move its state folder away; it will take a new identity",
        })
    }
}

/// What is wrong with what `here` shows of the mirror `mirror`; `all` is what all mirrors show together.
pub fn judge(
    mirror: &[u8; 16],
    memory: Option<&MirrorMemory>,
    here: &Chains,
    all: &Chains,
) -> Vec<Finding> {
    let mut findings = forks(here);
    if here.damaged() > 0 {
        return findings;
    }
    let removed = removed(all);
    let newest = here.heads();
    let shown: BTreeSet<&Id> = here.visible().map(|(id, _)| id).collect();
    let mut gone = BTreeMap::<[u8; 16], u64>::new();
    for (device, Seen { seq, entry }) in memory.into_iter().flat_map(|memory| &memory.heads) {
        if !shown.contains(entry) && !removed.contains(entry) {
            gone.insert(*device, *seq);
        }
    }
    for (_, entry) in all.visible() {
        let acked = entry.acked.iter().filter(|(at, _)| at == mirror);
        for (_, seq) in acked {
            let there = newest
                .get(&entry.device)
                .is_some_and(|newest| newest.seq >= *seq);
            let named = || {
                removed
                    .iter()
                    .any(|id| all.number(id) == Some((entry.device, *seq)))
            };
            if !there && !named() {
                let most = gone.entry(entry.device).or_insert(*seq);
                *most = (*most).max(*seq);
            }
        }
    }
    let rolled_back = |(device, seq)| Finding::RolledBack { device, seq };
    findings.extend(gone.into_iter().map(rolled_back));
    findings
}

/// Every entry that a visible remove names.
fn removed(chains: &Chains) -> BTreeSet<Id> {
    let mut removed = BTreeSet::new();
    for (_, entry) in chains.visible() {
        if let What::Remove { entries, .. } = &entry.what {
            removed.extend(entries.iter().map(|target| target.entry));
        }
    }
    removed
}

fn forks(chains: &Chains) -> Vec<Finding> {
    let mut numbers = BTreeMap::<([u8; 16], u64), Id>::new();
    let mut found = Vec::new();
    for (id, entry) in chains.visible() {
        if let Some(other) = numbers.insert((entry.device, entry.seq), *id) {
            found.push(Finding::Forked {
                device: entry.device,
                seq: entry.seq,
                entries: [other, *id],
            });
        }
    }
    found
}
