//! What is needed of packs that go is written anew, and then they go: all at once, or, where a mirror is too full for that,
//! in rounds, each of which makes room for the next (format 11.3, G1).
//!
//! A round is a prune of its own with fewer packs: nothing is marked before what is needed of it lies elsewhere.

use crate::error::{Kind, Result};
use crate::id::Id;
use crate::ops::by::By;
use crate::ops::carry::{self, Which};
use crate::ops::prune::collect::{self, Collected, Needed};
use crate::ops::prune::plan::share;
use crate::ops::prune::{Options, Report, keep_on, marks, put_everywhere, well};
use crate::repo::author::Author;
use crate::repo::index::Index;
use crate::repo::index::directories::pack_directory;
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::repo::presence::Presence;
use std::collections::BTreeSet;

/// Moves what is needed of these packs, and deletes them.
///
/// # Errors
/// `Interrupted`, and those of the cache folder. What became of each mirror is in the report.
pub(super) fn run(
    (mirrors, on): (&Mirrors, &[&Mirror]),
    moving: &BTreeSet<Id>,
    (needed, report): (&mut Needed, &mut Report),
    (author, by): (&Author, By<'_>),
    options: &Options,
) -> Result<()> {
    // With the bytes of each that move; they are asked for where not all can move at once.
    let mut left: Vec<(u64, Id)> = moving.iter().map(|pack| (0, *pack)).collect();
    let mut most = u64::MAX;
    while !left.is_empty() && !well(on, report).is_empty() {
        let count = round(&left, most);
        let packs: BTreeSet<Id> = left.iter().take(count).map(|(_, pack)| *pack).collect();
        let mut full = Vec::new();
        for mirror in well(on, report) {
            // Without what has just gone; and what was packed for one mirror the next ones fetch.
            let look = Look::at(&mirrors.whole, by.monitor)?;
            match carry_to(&look, mirror, &packs, needed, by) {
                Err(error) if error.kind() == Kind::Full => full.push((mirror, error)),
                carried => keep_on(report, mirror, carried)?,
            }
        }
        // Each is seen to for itself: what one has no room for may cost another nothing.
        if let Some((mirror, error)) = full.into_iter().next() {
            let look = Look::at(&mirrors.whole, by.monitor)?;
            let tried = left.first().map(|(_, pack)| *pack);
            left = sizes(&look, mirror, &left, needed, by)?;
            let (bytes, packs): (Vec<u64>, Vec<Id>) = left.iter().take(count).copied().unzip();
            let all = bytes.iter().sum::<u64>();
            if all == 0 {
                // These packs take nothing: it is something else that this mirror lacks and cannot take.
                keep_on(report, mirror, Err(error))?;
                most = u64::MAX;
            } else if count == 1 && packs.first().copied() == tried {
                // That is the one that needs least.
                let collected = Collected {
                    lacks: bytes.first().copied(),
                    ..Collected::default()
                };
                keep_on(report, mirror, Ok(collected))?;
                most = u64::MAX;
            } else {
                most = all / 2;
            }
            continue;
        }
        let look = Look::at(&mirrors.whole, by.monitor)?;
        for mark in marks(&packs, &BTreeSet::new(), by) {
            put_everywhere(&mirrors.whole, on, &mark, report, by)?;
        }
        for mirror in well(on, report) {
            let collected = collect::run(&look, mirror, needed, (author, by), options);
            keep_on(report, mirror, collected)?;
        }
        left.drain(..count);
        most = most.saturating_mul(2);
    }
    Ok(())
}

/// How many packs from the front make a round of at most so many bytes; one at the least.
fn round(left: &[(u64, Id)], most: u64) -> usize {
    let mut sum = 0u64;
    let fits = |(bytes, _): &&(u64, Id)| {
        sum = sum.saturating_add(*bytes);
        sum <= most
    };
    left.iter().take_while(fits).count().max(1)
}

fn carry_to(
    look: &Look,
    mirror: &Mirror,
    packs: &BTreeSet<Id>,
    needed: &Needed,
    by: By<'_>,
) -> Result<Collected> {
    let mut presence = Presence::to_collect(&mirror.repo, packs)?;
    let which = (&needed.reached, Which::Going);
    let carried = carry::run(look, &mirror.repo, &mut presence, which, by)?;
    Ok(Collected {
        carried,
        ..Collected::default()
    })
}

/// These packs, those first of which least has to be written anew on this mirror: about, in bytes of the file.
fn sizes(
    look: &Look,
    mirror: &Mirror,
    packs: &[(u64, Id)],
    needed: &Needed,
    by: By<'_>,
) -> Result<Vec<(u64, Id)>> {
    let all = packs.iter().map(|(_, pack)| *pack).collect();
    let presence = Presence::to_collect(&mirror.repo, &all)?;
    let index = Index::open(&mirror.repo, &presence, by.monitor, &mut |_| Ok(Vec::new()))?;
    let mut sizes = Vec::new();
    for pack in all {
        let Some(len) = look.presence.packs().get(&pack) else {
            sizes.push((0, pack));
            continue;
        };
        let directory = match pack_directory(&look.repo, &pack, *len) {
            Ok((_, directory)) => directory,
            // What can be read of it nobody knows: the last.
            Err(error) if error.is_about_the_object() => {
                sizes.push((*len, pack));
                continue;
            }
            Err(error) => return Err(error),
        };
        let (mut moves, mut raw) = (0, 0);
        for (at, block) in directory.places() {
            let ids = directory.ids.get(at.blobs.clone()).unwrap_or_default();
            let lens = directory.lens.get(at.blobs).unwrap_or_default();
            for (id, len) in ids.iter().zip(lens) {
                let prefix = id.prefix();
                raw += u64::from(*len);
                if needed.reached.contains(block.kind, &prefix)?
                    && !index.holds(&prefix, block.kind)?
                {
                    moves += u64::from(*len);
                }
            }
        }
        sizes.push((share(*len, moves, raw), pack));
    }
    sizes.sort_unstable();
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_what_fits_and_one_in_any_case() {
        let left = |sizes: &[u64]| -> Vec<(u64, Id)> {
            sizes.iter().map(|size| (*size, Id::default())).collect()
        };
        assert_eq!(round(&left(&[0, 0, 0]), u64::MAX), 3);
        assert_eq!(round(&left(&[0, 0, 1]), 0), 2);
        assert_eq!(round(&left(&[2, 3, 4]), 5), 2);
        assert_eq!(round(&left(&[2, 3, 4]), 1), 1);
        assert_eq!(round(&left(&[u64::MAX, u64::MAX]), u64::MAX - 1), 1);
    }
}
