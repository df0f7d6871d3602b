//! A mirror that has no room beside packs that go for what is needed of them: what nobody needs goes first, and the rest a
//! few packs at a time, each of which makes room for the next.
//!
//! Packs that were marked elsewhere come to a full mirror all at once, when it comes back or was behind.

use crate::error::{Kind, Result};
use crate::format::mark::Mark;
use crate::id::Id;
use crate::ops::by::By;
use crate::ops::carry::{self, Which};
use crate::ops::prune::collect::{Collected, Needed, delete_packs};
use crate::repo::look::Look;
use crate::repo::mirrors::Mirror;
use crate::repo::presence::Presence;
use std::collections::{BTreeMap, BTreeSet};

/// Carries and deletes by turns. `listed` is what was there before anything was carried: nothing else goes.
///
/// # Errors
/// Those of the stores and of the cache folder. That there is too little room is in `collected`.
pub(super) fn run(
    whole: &Look,
    mirror: &Mirror,
    (listed, marks): (&Presence, &BTreeMap<Id, Mark>),
    needed: &Needed,
    by: By<'_>,
    collected: &mut Collected,
) -> Result<()> {
    let repo = &mirror.repo;
    let named: BTreeSet<Id> = marks.values().flat_map(|mark| mark.packs.clone()).collect();
    let mut left = listed.clone();
    let mut count = usize::MAX;
    // Held although all was carried that can be.
    let mut stuck = BTreeSet::new();
    loop {
        let mut presence = Presence::to_collect(repo, &BTreeSet::new())?;
        let mut held = carry::held(repo, &presence, &needed.reached, by)?;
        held.retain(|pack, _| named.contains(pack));
        collected.carried.kept = held.keys().copied().collect();
        left.forget_gone(&presence);
        delete_packs(mirror, &left, marks, by, collected)?;
        stuck.retain(|pack| held.contains_key(pack));
        held.retain(|pack, _| !stuck.contains(pack));
        if held.is_empty() {
            return Ok(());
        }
        let (packs, least) = fewest(&held, count);
        let is_last = packs.len() == 1;
        let mut carry = |which| {
            let which = (&needed.reached, which);
            carry::run(whole, repo, &mut presence, which, by)
        };
        let carried = match carry(Which::GoingIn(&packs)) {
            Err(error) if error.kind() == Kind::Full && is_last => carry(Which::Anew(&packs)),
            carried => carried,
        };
        match carried {
            Ok(carried) => {
                count = packs.len().saturating_mul(2);
                stuck.extend(packs);
                collected.carried.add(carried);
            }
            Err(error) if error.kind() == Kind::Full && !is_last => count = packs.len() / 2,
            Err(error) if error.kind() == Kind::Full => {
                collected.lacks = Some(least);
                // The others can be read, and go when there is room.
                collected.carried.kept = stuck;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// So many packs, those of which least is needed; and how much of the first.
fn fewest(held: &BTreeMap<Id, u64>, count: usize) -> (BTreeSet<Id>, u64) {
    let mut all: Vec<(u64, Id)> = held.iter().map(|(pack, bytes)| (*bytes, *pack)).collect();
    all.sort_unstable();
    let least = all.first().map_or(0, |(bytes, _)| *bytes);
    (
        all.into_iter().take(count).map(|(_, pack)| pack).collect(),
        least,
    )
}
