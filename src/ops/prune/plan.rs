//! Which packs stay, move and go. Pure: it is printed by a rehearsal and carried out by a run.

use crate::format::ObjectKind;
use crate::id::Id;
use crate::repo::index::reached::Use;
use std::collections::{BTreeSet, HashMap};

/// A data pack below this is small, in bytes of its file.
const SMALL_DATA: u64 = 8 << 20;
/// A tree pack below this is small.
const SMALL_TREES: u64 = 2 << 20;
/// So many small packs of a kind may be.
const SMALL_MAX: usize = 16;
/// A pack of which a larger share than this is needed by nobody moves whatever the tolerance, in percent.
const DEAD_MAX: u64 = 40;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What may lie unused in packs that stay, in percent of what is used.
    pub unused: u64,
    /// Bytes of needed blobs that may be written anew; the rest waits for another run.
    pub rewrite: u64,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Packs that nobody needs.
    pub dead: BTreeSet<Id>,
    /// Packs of which a part is needed: that part moves, and they go.
    pub moving: BTreeSet<Id>,
    /// Removed snapshots whose time to be taken back has passed.
    pub entries: BTreeSet<Id>,
    /// Removed snapshots that can still be taken back, and when the first of them goes, in seconds since 1970.
    pub staying: Option<(u64, i64)>,
    /// Bytes of packs that nobody needs.
    pub dead_bytes: u64,
    /// Bytes of packs that go once a part has moved.
    pub moving_bytes: u64,
    /// Bytes of needed blobs in them, before compression.
    pub moved: u64,
    /// Bytes of those packs that are not written anew, about: as much of each file as of its blobs is needed by nobody.
    pub shed: u64,
    /// Bytes of blobs that stay although nobody needs them.
    pub unused: u64,
    /// Bytes of all needed blobs.
    pub used: u64,
}

impl Plan {
    /// Bytes that it frees on a mirror, about.
    pub fn frees(&self) -> u64 {
        self.dead_bytes + self.shed
    }

    /// Whether nothing is to be done.
    pub fn is_nothing(&self) -> bool {
        self.dead.is_empty() && self.moving.is_empty() && self.entries.is_empty()
    }
}

/// Chooses. A pack that nobody needs goes. Of the others the emptiest move first, until what lies unused is within the
/// tolerance; those that are mostly empty in any case, and small ones where there are many.
pub fn choose(uses: &HashMap<Id, Use>, limits: Limits) -> Plan {
    let mut plan = Plan::default();
    let mut partly = Vec::new();
    for (id, pack) in uses {
        plan.used += pack.needed;
        if pack.needed == 0 {
            plan.dead.insert(*id);
            plan.dead_bytes += pack.len;
        } else {
            plan.unused += pack.raw - pack.needed;
            partly.push((*id, *pack));
        }
    }
    // The emptiest first; names make it the same for everybody.
    partly.sort_by_key(|(id, pack)| (std::cmp::Reverse(dead_share(pack)), *id));
    let small = many_small(&partly);
    let tolerated = plan.used.saturating_mul(limits.unused) / 100;
    for (id, pack) in &partly {
        let dead = pack.raw - pack.needed;
        let too_much = dead > 0 && plan.unused > tolerated;
        let wanted = too_much || dead_share(pack) > DEAD_MAX * 100 || small.contains(id);
        if wanted && plan.moved + pack.needed <= limits.rewrite {
            plan.moving.insert(*id);
            plan.moving_bytes += pack.len;
            plan.moved += pack.needed;
            plan.shed += share(pack.len, dead, pack.raw);
            plan.unused -= dead;
        }
    }
    plan
}

/// In hundredths of a percent.
fn dead_share(pack: &Use) -> u64 {
    share(10_000, pack.raw - pack.needed, pack.raw)
}

/// So much of `all` as `part` is of `whole`.
pub(super) fn share(all: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(all) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn many_small(packs: &[(Id, Use)]) -> BTreeSet<Id> {
    let mut all = BTreeSet::new();
    for (kind, below) in [
        (ObjectKind::DataPack, SMALL_DATA),
        (ObjectKind::TreePack, SMALL_TREES),
    ] {
        let small = packs
            .iter()
            .filter(|(_, pack)| pack.kind == kind && pack.len < below);
        let small: Vec<Id> = small.map(|(id, _)| *id).collect();
        if small.len() > SMALL_MAX {
            all.extend(small);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const LIMITS: Limits = Limits {
        unused: 5,
        rewrite: u64::MAX,
    };

    fn uses(packs: &[(u64, u64, u64)]) -> HashMap<Id, Use> {
        let numbered = packs.iter().zip(0u8..);
        let uses = numbered.map(|((len, raw, needed), number)| {
            let pack = Use {
                kind: ObjectKind::DataPack,
                len: len * MIB,
                raw: raw * MIB,
                needed: needed * MIB,
            };
            (Id::new([number; 32]), pack)
        });
        uses.collect()
    }

    fn id(number: u8) -> Id {
        Id::new([number; 32])
    }

    #[test]
    fn what_nobody_needs_goes_and_what_is_needed_stays() {
        let plan = choose(&uses(&[(30, 60, 0), (30, 60, 60)]), LIMITS);
        assert_eq!(plan.dead, BTreeSet::from([id(0)]));
        assert!(plan.moving.is_empty());
        assert_eq!((plan.dead_bytes, plan.unused), (30 * MIB, 0));
        assert_eq!((plan.shed, plan.frees()), (0, 30 * MIB));
    }

    #[test]
    fn the_emptiest_move_until_the_rest_is_tolerated() {
        let packs = uses(&[(30, 100, 99), (30, 100, 80), (30, 100, 90), (30, 100, 100)]);
        let plan = choose(&packs, LIMITS);
        assert_eq!(plan.moving, BTreeSet::from([id(1)]), "{plan:?}");
        assert_eq!(plan.unused, 11 * MIB);
        // A fifth of a file of 30 MiB.
        assert_eq!((plan.shed, plan.frees()), (6 * MIB, 6 * MIB));
        let none = Limits {
            unused: 0,
            ..LIMITS
        };
        assert_eq!(choose(&packs, none).moving.len(), 3);
        let all = Limits {
            unused: 100,
            ..LIMITS
        };
        assert!(choose(&packs, all).moving.is_empty());
        let mostly_empty = uses(&[(30, 100, 50), (30, 4000, 4000)]);
        assert_eq!(choose(&mostly_empty, all).moving, BTreeSet::from([id(0)]));
    }

    #[test]
    fn no_more_is_written_than_allowed() {
        let packs = uses(&[(30, 100, 10), (30, 100, 20), (30, 100, 30)]);
        let limits = Limits {
            unused: 0,
            rewrite: 35 * MIB,
        };
        assert_eq!(
            choose(&packs, limits).moving,
            BTreeSet::from([id(0), id(1)])
        );
    }

    #[test]
    fn many_small_packs_become_few() {
        let sixteen = vec![(1, 2, 2); 16];
        assert!(choose(&uses(&sixteen), LIMITS).moving.is_empty());
        let more = vec![(1, 2, 2); 17];
        assert_eq!(choose(&uses(&more), LIMITS).moving.len(), 17);
    }
}
