//! Which index runs are said again by another, so that nothing is lost when they go (format 7).

use crate::id::Id;
use crate::repo::index::Index;
use crate::repo::presence::Presence;
use std::collections::{HashMap, HashSet};

/// A pack as a run names it: its id and its length.
type Named = (Id, u64);

/// The runs that lie on a mirror, by the packs they name.
pub struct Covers {
    by_pack: HashMap<Named, HashSet<Id>>,
    /// How many packs each names.
    sizes: HashMap<Id, usize>,
}

impl Covers {
    /// Of those on the mirror that `index` was opened for.
    pub fn of(index: &Index) -> Self {
        let mut covers = Self {
            by_pack: HashMap::new(),
            sizes: HashMap::new(),
        };
        for (run, packs) in index.runs() {
            if index.is_listed(&run) {
                covers.add(run, &packs);
            }
        }
        covers
    }

    /// One more.
    pub fn add(&mut self, run: Id, packs: &[Named]) {
        self.sizes.insert(run, packs.len());
        for pack in packs {
            self.by_pack.entry(*pack).or_default().insert(run);
        }
    }

    /// Whether another run names all of these packs. Of two that name the same one is covered, not both.
    pub fn has(&self, run: &Id, packs: &[Named]) -> bool {
        let Some((first, rest)) = packs.split_first() else {
            return true;
        };
        let Some(with_first) = self.by_pack.get(first) else {
            return false;
        };
        with_first.iter().any(|other| {
            let more = self.sizes.get(other).copied().unwrap_or_default();
            let says_more = more > packs.len() || (more == packs.len() && other < run);
            let names = |pack| {
                self.by_pack
                    .get(pack)
                    .is_some_and(|runs| runs.contains(other))
            };
            other != run && says_more && rest.iter().all(names)
        })
    }
}

/// Runs that lie with `from`, of which a mirror has every pack, and neither the run nor another that says the same.
pub fn lacking(from: &Index, here: &Index, presence: &Presence) -> Vec<Id> {
    let covers = Covers::of(here);
    let has = |(pack, len): &Named| presence.packs().get(pack) == Some(len);
    let mut lacking: Vec<Id> = from
        .runs()
        .into_iter()
        .filter(|(run, packs)| {
            from.is_listed(run)
                && !here.is_listed(run)
                && packs.iter().all(has)
                && !covers.has(run, packs)
        })
        .map(|(run, _)| run)
        .collect();
    lacking.sort_unstable();
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> Id {
        Id::new([byte; 32])
    }

    #[test]
    fn who_is_said_again_by_another_is_covered_and_of_twins_one_stays() {
        let mut covers = Covers {
            by_pack: HashMap::new(),
            sizes: HashMap::new(),
        };
        let packs: Vec<Named> = (10..14).map(|byte| (id(byte), 1)).collect();
        let runs: [(u8, &[Named]); 5] = [
            (1, &packs[..3]),
            (2, &packs[..2]),
            (3, &packs[1..3]),
            (4, &packs[2..]),
            (5, &packs[2..]),
        ];
        for (run, packs) in runs {
            covers.add(id(run), packs);
        }
        let covered = runs.map(|(run, packs)| covers.has(&id(run), packs));
        assert_eq!(covered, [false, true, true, false, true]);
        assert!(!covers.has(&id(9), &[(id(10), 2)]), "another length");
    }
}
