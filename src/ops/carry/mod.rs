//! Sees to it that one mirror has every needed blob in a pack that no mark names (format 11.3, G1 and G6): a pack that
//! another mirror has comes as it is, and what only packs that go have is packed anew.

mod repack;

use crate::error::Result;
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
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// Bytes of packs fetched from other mirrors.
    pub fetched: u64,
    /// Packs that came under their own names, by this or by others: marks may name them by now.
    pub came: BTreeSet<Id>,
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
        self.came.extend(later.came);
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

/// Which of the needed blobs are carried.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All that the mirror lacks.
    Lacking,
    /// Those that only packs that go have there, or packs that the mirror has lost: what a mark names it misses no more, and
    /// nobody would know. A mirror that is behind lacks more, and need not have it for packs to go.
    Going,
    /// Those of them that these packs have.
    GoingIn(&'a BTreeSet<Id>),
    /// The same, packed anew though another mirror has them in a pack that stays: that one may be larger than what is needed.
    Anew(&'a BTreeSet<Id>),
}

impl Which<'_> {
    /// The packs that it is about, if not all.
    fn packs(&self) -> Option<&BTreeSet<Id>> {
        match self {
            Self::Lacking | Self::Going => None,
            Self::GoingIn(packs) | Self::Anew(packs) => Some(packs),
        }
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
    (reached, which): (&Reached, Which<'_>),
    by: By<'_>,
) -> Result<Carried> {
    let mut carried = Carried::default();
    let mut bad = BTreeSet::new();
    let wanted = loop {
        let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
        let wanted = wanted(whole, &index, (presence, &bad), (reached, which), by)?;
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
    if wanted.lost > 0
        && let Some(silent) = whole.repo.store().silent()
    {
        return Err(silent);
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
    if !wanted.is_nothing() || which.packs().is_some() {
        let held = held(repo, presence, reached, by)?;
        carried.kept.extend(held.into_keys());
    }
    Ok(carried)
}

/// Packs of a mirror that go and of which something is needed that no pack there has that stays: each with how much, about,
/// in bytes of blobs. What could not be carried, for whatever reason, may lie in one of them: such a pack stays. The other
/// mirrors may have stopped answering in the midst of it, so that nobody but this one knows of it, and no index run need tell
/// of it.
///
/// # Errors
/// Those of the store and of the cache folder.
pub fn held(
    repo: &Arc<Repo>,
    presence: &Presence,
    reached: &Reached,
    by: By<'_>,
) -> Result<BTreeMap<Id, u64>> {
    let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
    let mut held = BTreeMap::<Id, u64>::new();
    let mut is_nowhere = false;
    reached.each(&mut |kind, prefix| {
        if !index.holds(prefix, kind)? {
            let places = index.places_of(prefix, kind)?;
            is_nowhere |= places.is_empty();
            // One pack may be known from several tables.
            let packs: BTreeMap<Id, u32> = places.iter().map(|it| (it.pack, it.len)).collect();
            for (pack, len) in packs {
                *held.entry(pack).or_default() += u64::from(len);
            }
        }
        Ok(())
    })?;
    if is_nowhere {
        let dark = dark(presence, &index);
        held.extend(dark.map(|pack| (*pack, 0)));
    }
    Ok(held)
}

/// Packs that go and of which nothing tells what they hold.
fn dark<'a>(presence: &'a Presence, index: &Index) -> impl Iterator<Item = &'a Id> {
    let known = index.known(presence);
    let packs = presence.packs().keys();
    packs.filter(move |pack| presence.is_tombed(pack) && !known.contains(pack))
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
        by.require_patience()?;
        let Some(len) = whole.presence.packs().get(pack) else {
            continue;
        };
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        // It may have come since the others were listed; something may lean on it by now. One that was listed is not wanted
        // unless it has another length.
        let is_new = !presence.packs().contains_key(pack);
        if is_new
            && repo
                .store()
                .get_range(&name, len.saturating_sub(1)..*len)
                .is_ok()
        {
            presence.add(*pack, *len);
            carried.came.insert(*pack);
            continue;
        }
        let from = &**whole.repo.store();
        match copy(&[from], &**repo.store(), &name, Wrong::Removed, &mut buffer) {
            Ok(_) => {
                presence.add(*pack, *len);
                carried.fetched += len;
                carried.came.insert(*pack);
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

/// Where each blob that is to be carried can be had; packs known as bad are no more than a place to look for parts.
fn wanted(
    whole: &Look,
    index: &Index,
    (presence, bad): (&Presence, &BTreeSet<Id>),
    (reached, which): (&Reached, Which<'_>),
    by: By<'_>,
) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    let is_dark = dark(presence, index).next().is_some();
    let named = index.named();
    reached.each(&mut |kind, prefix| {
        if index.holds(prefix, kind)? {
            return Ok(());
        }
        by.require_patience()?;
        let places = whole.index.places_of(prefix, kind)?;
        let goes = match which {
            Which::Lacking => true,
            // It may be in what nothing tells of, and what is nowhere is told.
            Which::Going if is_dark || places.is_empty() => true,
            Which::Going => {
                !index.places_of(prefix, kind)?.is_empty() || index.was_in(&named, prefix, kind)?
            }
            Which::GoingIn(packs) | Which::Anew(packs) => {
                let here = index.places_of(prefix, kind)?;
                here.iter().any(|place| packs.contains(&place.pack))
            }
        };
        if !goes {
            return Ok(());
        }
        let stays = |place: &&Place| {
            !bad.contains(&place.pack)
                && !presence.is_tombed(&place.pack)
                && !whole.presence.is_tombed(&place.pack)
                && whole.presence.packs().get(&place.pack) == Some(&place.pack_len)
        };
        let fetched = match which {
            Which::Anew(_) => None,
            _ => places.iter().find(stays),
        };
        if let Some(place) = fetched {
            wanted.fetch.insert(place.pack);
        } else if places.is_empty() {
            wanted.lost += 1;
        } else {
            // Any of them may be damaged, and what one gives the others need not.
            let from = places.iter().map(|place| place.pack);
            match which.packs() {
                None => wanted.unpack.extend(from),
                Some(packs) => wanted
                    .unpack
                    .extend(from.filter(|pack| packs.contains(pack))),
            }
        }
        Ok(())
    })?;
    Ok(wanted)
}
