//! The shrink guard: a source that collapsed, by an accident, a thief or an empty mount point, does not take the place of
//! what it was.
//!
//! Such a snapshot is stored and marked as suspect, so that neither `latest` nor retention counts it, and the last good one
//! is pinned until a good one follows it or somebody accepts the suspect one.

use crate::error::{Error, Kind, Result};
use crate::format::chain::{Entry, What};
use crate::format::snapshot::{Counts, Snapshot};
use crate::id::Id;
use crate::repo::chain::Chains;
use crate::repo::snapshots::is_ahead;
use crate::units::count_to_text;

/// A source with fewer files than this has nothing that could collapse.
const FEWEST: u64 = 10;
/// Why the guard pinned a snapshot. A pin with other words is somebody's own and stays.
const REASON: &str = "the last good snapshot before its source shrank";

/// How much of its files a source may lose from one snapshot to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrink {
    /// Any number.
    Off,
    /// This part, in percent of what there was; all of them is always too much.
    Most(u8),
}

/// What has become of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collapse {
    /// What it had and has: `files 9,341 -> 0`.
    pub why: String,
    /// The last good snapshot.
    pub good: Id,
    /// The name of the device that made it, where that is not this one.
    pub by: Option<String>,
    /// The one that is suspect; none in a rehearsal.
    pub suspect: Option<Id>,
}

/// A source by its name, as one device sees it.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) device: [u8; 16],
    /// In seconds since 1970.
    pub(crate) now: i64,
}

/// The newest good snapshot, which the next one is measured by: of this device, or else of any, since a device that was
/// reset goes on under a new id. Of others none counts first that comes from a clock that was ahead.
fn yardstick<'a>(chains: &'a Chains, source: Source<'_>) -> Option<(Id, &'a Entry, &'a Snapshot)> {
    let mut all = chains.snapshots();
    all.sort_by_key(|(_, entry, _)| !is_ahead(entry, source.now));
    let all = all.into_iter().rev();
    let mut good: Vec<_> = all
        .filter(|(id, _, snapshot)| {
            snapshot.source == source.name && !chains.is_suspect(id, snapshot)
        })
        .collect();
    // Its own chain tells which is its newest, whatever its clock said.
    let own = good.iter().enumerate();
    let own = own.filter(|(_, (_, entry, _))| entry.device == source.device);
    let own = own.max_by_key(|(_, (_, entry, _))| entry.seq);
    let at = own.map_or(0, |(at, _)| at);
    (at < good.len()).then(|| good.swap_remove(at))
}

/// Whether a source with these counts has collapsed since its last good snapshot.
pub(crate) fn collapse(
    chains: &Chains,
    source: Source<'_>,
    now: &Counts,
    shrink: Shrink,
) -> Option<Collapse> {
    let (good, entry, before) = yardstick(chains, source)?;
    let why = lost(before.counts.files, now.files, shrink)?;
    let by = (entry.device != source.device).then(|| entry.host.clone());
    Some(Collapse {
        why,
        good,
        by,
        suspect: None,
    })
}

fn lost(before: u64, now: u64, shrink: Shrink) -> Option<String> {
    let Shrink::Most(percent) = shrink else {
        return None;
    };
    let lost = before.saturating_sub(now);
    let too_much = u128::from(lost) * 100 > u128::from(before) * u128::from(percent);
    (before >= FEWEST && (now == 0 || too_much)).then(|| {
        let (before, now) = (count_to_text(before), count_to_text(now));
        format!("files {before} -> {now}")
    })
}

/// What is written beside the snapshot: the last good one is pinned as long as what follows it is suspect.
pub(crate) fn beside(
    chains: &Chains,
    source: Source<'_>,
    collapse: Option<&Collapse>,
) -> Option<What> {
    match collapse {
        Some(Collapse { good, .. }) => chains.pin(good).is_none().then(|| What::Pin {
            ids: vec![*good],
            reason: REASON.to_owned(),
        }),
        None => {
            let (good, ..) = yardstick(chains, source)?;
            is_guarded(chains, &good, &source.device).then(|| What::Unpin(vec![good]))
        }
    }
}

/// Whether the guard pinned this snapshot for that device. What it pinned for another one stays.
fn is_guarded(chains: &Chains, id: &Id, device: &[u8; 16]) -> bool {
    let is_guards = |what: &What| matches!(what, What::Pin { reason, .. } if reason == REASON);
    let pin = chains.pin(id);
    pin.is_some_and(|entry| entry.device == *device && is_guards(&entry.what))
}

/// What says that a suspect snapshot of this source is as it should be, so that it is what the next one is measured by, and
/// with it those since the last good one of its device; nothing where that has been said.
///
/// # Errors
/// `Usage` when it is of another source, or was never suspect.
pub fn accept(chains: &Chains, source: &str, id: Id) -> Result<Vec<What>> {
    let all = chains.snapshots();
    let of_source = |snapshot: &Snapshot| snapshot.source == source;
    let Some((_, entry, snapshot)) = all.iter().find(|(other, ..)| *other == id) else {
        return Err(Error::new(
            Kind::NotFound,
            format!("no snapshot {}", id.short()),
        ));
    };
    if !of_source(snapshot) {
        let what = format!(
            "{} is a snapshot of {}, and this is a backup of {source}",
            id.short(),
            snapshot.source
        );
        return Err(Error::new(Kind::Usage, what).hint("accept it with a backup of its own source"));
    }
    if snapshot.suspect.is_none() {
        let what = format!("{} is not suspect", id.short());
        return Err(Error::new(Kind::Usage, what).hint("heirloom snapshots shows which are"));
    }
    if !chains.is_suspect(&id, snapshot) {
        return Ok(Vec::new());
    }
    let before = all.iter().rev().filter(|(_, other, snapshot)| {
        of_source(snapshot) && other.device == entry.device && other.seq <= entry.seq
    });
    let suspect = before.take_while(|(id, _, snapshot)| chains.is_suspect(id, snapshot));
    let accepted = suspect.map(|(id, ..)| What::Accept {
        source: source.to_owned(),
        entry: *id,
    });
    let mut said: Vec<What> = accepted.collect();
    // Those before it count for nothing until it does.
    said.reverse();
    let pinned = all
        .iter()
        .filter(|(id, _, snapshot)| of_source(snapshot) && is_guarded(chains, id, &entry.device));
    let pinned: Vec<Id> = pinned.map(|(id, ..)| *id).collect();
    said.extend((!pinned.is_empty()).then_some(What::Unpin(pinned)));
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_collapsed_when_all_is_gone_or_more_than_it_may_lose() {
        let half = Shrink::Most(50);
        for (before, now, shrink, collapsed) in [
            (10, 5, half, false),
            (10, 4, half, true),
            (10, 0, half, true),
            (9, 0, half, false),
            (0, 0, half, false),
            (10, 1000, half, false),
            (10, 0, Shrink::Most(100), true),
            (10, 1, Shrink::Most(100), false),
            (100, 99, Shrink::Most(0), true),
            (100, 100, Shrink::Most(0), false),
            (u64::MAX, 1, half, true),
            (1000, 0, Shrink::Off, false),
        ] {
            let why = lost(before, now, shrink);
            assert_eq!(why.is_some(), collapsed, "{before} -> {now}, {shrink:?}");
        }
        assert_eq!(lost(9341, 0, half).unwrap(), "files 9,341 -> 0");
    }
}
