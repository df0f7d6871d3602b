//! Whether a mirror shows less than it showed before, or two histories of one device.
//!
//! Judged by what this device remembers of the mirror and by what entries elsewhere say was visible there. An entry that
//! a remove names is not missed, and where objects of the chain cannot be read that is damage, and told as such. So is an
//! entry that was visible and still lies there: what has gone is the commit slot that listed it.

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
    /// An entry was visible there and lies there still, and no commit slot lists it any more.
    Unlisted {
        /// Whose.
        device: [u8; 16],
        /// Its number.
        seq: u64,
        /// The entry.
        entry: Id,
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
            Self::Unlisted { .. } => "damaged",
            Self::Forked { .. } => "forked",
        }
    }

    /// Whether nothing more is written there until somebody has decided. Damage is mended by what is written.
    pub fn stops(&self) -> bool {
        !matches!(self, Self::Unlisted { .. })
    }

    /// What to tell of it.
    pub fn error(&self, mirror: &str) -> Error {
        let short = |device: &[u8; 16]| to_hex(&device[..4]);
        let what = match self {
            Self::RolledBack { device, seq } => format!(
                "{mirror} shows an older state: entry {seq} of device {} was visible there and is gone",
                short(device)
            ),
            Self::Unlisted { device, seq, .. } => format!(
                "{mirror} has lost commit slots: entry {seq} of device {} was visible and lies there, and none lists it",
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
        let kind = match self.stops() {
            true => Kind::Rollback,
            false => Kind::Damaged,
        };
        Error::new(kind, what).hint(match self {
            Self::Unlisted { .. } => "heirloom heal lists it again",
            Self::RolledBack { .. } => "do not prune; was an old copy put back? heirloom heal brings back what this device and other mirrors have; what is to stay gone: heirloom mirror sync --accept-rollback",
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
    let shown: BTreeSet<([u8; 16], u64)> = here
        .visible()
        .map(|(_, entry)| (entry.device, entry.seq))
        .collect();
    let named: BTreeSet<_> = removed.values().collect();
    let mut seen = BTreeSet::<([u8; 16], u64)>::new();
    for (device, Seen { seq, entry }) in memory.into_iter().flat_map(|memory| &memory.heads) {
        if !here.is_visible(entry) && !removed.contains_key(entry) {
            seen.insert((*device, *seq));
        }
    }
    for (_, entry) in all.visible().chain(here.hidden()) {
        let acked = entry.acked.iter().filter(|(at, _)| at == mirror);
        let numbers = acked.map(|(_, seq)| (entry.device, *seq));
        seen.extend(numbers.filter(|number| !shown.contains(number) && !named.contains(number)));
    }
    let hidden: BTreeMap<([u8; 16], u64), Id> = here
        .hidden()
        .map(|(id, entry)| ((entry.device, entry.seq), *id))
        .collect();
    let mut gone = BTreeMap::<[u8; 16], u64>::new();
    for (device, seq) in seen {
        match hidden.get(&(device, seq)) {
            Some(entry) => findings.push(Finding::Unlisted {
                device,
                seq,
                entry: *entry,
            }),
            // The newest of each device tells enough.
            None if !memory.is_some_and(|memory| memory.accepted.contains(&(device, seq))) => {
                gone.insert(device, seq);
            }
            None => {}
        }
    }
    let rolled_back = |(device, seq)| Finding::RolledBack { device, seq };
    findings.extend(gone.into_iter().map(rolled_back));
    findings
}

/// Every entry that a visible remove names, with its number.
fn removed(chains: &Chains) -> BTreeMap<Id, ([u8; 16], u64)> {
    let mut removed = BTreeMap::new();
    for (_, entry) in chains.visible() {
        if let What::Remove { entries, .. } = &entry.what {
            let numbers = entries
                .iter()
                .map(|target| (target.entry, (target.device, target.seq)));
            removed.extend(numbers);
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
