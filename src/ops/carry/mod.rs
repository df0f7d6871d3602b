//! Sees to it that one mirror has every needed blob in a pack that no mark names (format 11.3, G1 and G6): a pack that
//! another mirror has comes as it is, and what only packs that go have is packed anew.

mod repack;

use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::mirror::copy::{Wrong, copy};
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::repo::Repo;
use crate::repo::index::Index;
use crate::repo::index::covers::lacking;
use crate::repo::index::reached::Reached;
use crate::repo::index::row::Place;
use crate::repo::look::Look;
use crate::repo::presence::Presence;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// Bytes of packs fetched from other mirrors.
    pub fetched: u64,
    /// Bytes of packs made anew.
    pub packed: u64,
    /// Packs that go and hold a needed blob that cannot be read: they stay.
    pub kept: BTreeSet<Id>,
    /// Needed blobs that nobody has.
    pub lost: u64,
}

impl Carried {
    /// Adds what was done later. What nobody has was counted each time.
    pub fn add(&mut self, later: Self) {
        self.fetched += later.fetched;
        self.packed += later.packed;
        self.kept.extend(later.kept);
        self.lost = self.lost.max(later.lost);
    }
}

/// Where the needed blobs are that the mirror lacks.
#[derive(Default)]
struct Wanted {
    fetch: BTreeSet<Id>,
    unpack: BTreeSet<Id>,
    lost: u64,
}

impl Wanted {
    fn is_nothing(&self) -> bool {
        self.fetch.is_empty() && self.unpack.is_empty() && self.lost == 0
    }
}

/// Carries to `repo` what it lacks. `presence` is the mirror's, with all marks that count; `whole` is all mirrors.
///
/// # Errors
/// `Full`, `Interrupted`, and those of the stores and the cache folder.
pub fn run(
    whole: &Look,
    repo: &Arc<Repo>,
    presence: &mut Presence,
    reached: &Reached,
    by: By<'_>,
) -> Result<Carried> {
    let mut carried = Carried::default();
    let mut bad = BTreeSet::new();
    let wanted = loop {
        let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
        let wanted = wanted(whole, &index, (presence, &bad), reached, by)?;
        let known = bad.len();
        fetch(
            whole,
            repo,
            (&wanted.fetch, &mut bad),
            presence,
            (&mut carried, by),
        )?;
        // What a pack that came damaged was to bring may lie in others, or parts of it be whole.
        if bad.len() == known {
            break wanted;
        }
    };
    if carried.fetched > 0 {
        bring_runs(whole, repo, presence, by)?;
    }
    carried.lost = wanted.lost;
    if !wanted.unpack.is_empty() {
        let index = Arc::new(Index::open(repo, presence, by.monitor, &mut |_| {
            Ok(Vec::new())
        })?);
        let stored = repack::repack(
            whole,
            repo,
            &index,
            reached,
            (&wanted.unpack, &mut carried),
            by,
        )?;
        for (pack, len) in stored {
            presence.add(pack, len);
        }
    }
    if !wanted.is_nothing() {
        keep_what_may_hold(repo, presence, reached, &mut carried, by)?;
    }
    Ok(carried)
}

/// What could not be had, for whatever reason, may lie in a pack of this mirror that goes: such a pack stays. The others may
/// have stopped answering in the midst of it, so that nobody but this mirror knows of it, and no index run need tell of it.
fn keep_what_may_hold(
    repo: &Arc<Repo>,
    presence: &Presence,
    reached: &Reached,
    carried: &mut Carried,
    by: By<'_>,
) -> Result<()> {
    let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
    let mut is_nowhere = false;
    reached.each(&mut |kind, prefix| {
        if !index.holds(prefix, kind)? {
            let places = index.places_of(prefix, kind)?;
            is_nowhere |= places.is_empty();
            carried.kept.extend(places.iter().map(|place| place.pack));
        }
        Ok(())
    })?;
    if is_nowhere {
        let known = index.sums()?;
        let packs = presence.packs().keys();
        let dark = packs.filter(|pack| presence.is_tombed(pack) && !known.contains_key(*pack));
        carried.kept.extend(dark);
    }
    Ok(())
}

/// Fetches these packs. Those that nobody gives whole are told, and noted as bad.
fn fetch(
    whole: &Look,
    repo: &Repo,
    (packs, bad): (&BTreeSet<Id>, &mut BTreeSet<Id>),
    presence: &mut Presence,
    (carried, by): (&mut Carried, By<'_>),
) -> Result<()> {
    let mut buffer = Vec::new();
    for pack in packs {
        require_patience(by)?;
        let Some(len) = whole.presence.packs().get(pack) else {
            continue;
        };
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        let from = &**whole.repo.store();
        match copy(&[from], &**repo.store(), &name, Wrong::Removed, &mut buffer) {
            Ok(_) => {
                presence.add(*pack, *len);
                carried.fetched += len;
            }
            Err(error) if error.is_about_the_object() => {
                by.monitor.problem(&error);
                bad.insert(*pack);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The index runs of what was fetched. What does not come the directories tell.
fn bring_runs(whole: &Look, repo: &Arc<Repo>, presence: &Presence, by: By<'_>) -> Result<()> {
    let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
    for run in lacking(&whole.index, &index, presence) {
        let name = Name::hashed(Folder::Index, &run.to_hex());
        let from = &**whole.repo.store();
        let copied = copy(
            &[from],
            &**repo.store(),
            &name,
            Wrong::Left,
            &mut Vec::new(),
        );
        match copied {
            Err(error) if error.is_about_the_object() => by.monitor.problem(&error),
            other => other.map(drop)?,
        }
    }
    Ok(())
}

/// Where each needed blob that the mirror does not have in a pack that stays can be had; packs known as bad are no more
/// than a place to look for parts.
fn wanted(
    whole: &Look,
    index: &Index,
    (presence, bad): (&Presence, &BTreeSet<Id>),
    reached: &Reached,
    by: By<'_>,
) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    reached.each(&mut |kind, prefix| {
        if index.holds(prefix, kind)? {
            return Ok(());
        }
        require_patience(by)?;
        let places = whole.index.places_of(prefix, kind)?;
        let stays = |place: &&Place| {
            !bad.contains(&place.pack)
                && !presence.is_tombed(&place.pack)
                && !whole.presence.is_tombed(&place.pack)
                && whole.presence.packs().get(&place.pack) == Some(&place.pack_len)
        };
        if let Some(place) = places.iter().find(stays) {
            wanted.fetch.insert(place.pack);
        } else if places.is_empty() {
            wanted.lost += 1;
        } else {
            // Any of them may be damaged, and what one gives the others need not.
            wanted.unpack.extend(places.iter().map(|place| place.pack));
        }
        Ok(())
    })?;
    Ok(wanted)
}

fn require_patience(by: By<'_>) -> Result<()> {
    match by.monitor.interrupted() {
        true => Err(Error::new(Kind::Interrupted, "interrupted")
            .hint("run the same command again: it goes on where it was")),
        false => Ok(()),
    }
}
