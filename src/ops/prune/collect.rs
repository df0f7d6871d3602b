//! Carries out the marks of one mirror (format 11.3, G3 to G7): waits for whoever may lean on what they name, sees to it
//! that all that is needed lies elsewhere, and deletes. Anybody may do it, at any time, any number of times.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::chain::{Entry, What};
use crate::format::commit::CommitSlot;
use crate::format::mark::Mark;
use crate::id::Id;
use crate::mirror::parity;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::carry::{self, Carried, Which};
use crate::ops::prune::waiting::{self, Waits};
use crate::ops::prune::{Options, narrow, room, walk};
use crate::repo::Repo;
use crate::repo::author::Author;
use crate::repo::chain::Chains;
use crate::repo::index::reached::Reached;
use crate::repo::look::Look;
use crate::repo::mirrors::Mirror;
use crate::repo::presence::{self, Presence};
use crate::repo::seal;
use crate::store::Payload;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An entry that no slot lists keeps what it leans on for so long, in seconds: a listing may have left its slot out.
const UNLISTED: i64 = 30 * 86_400;

/// What was done on one mirror.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Packs deleted.
    pub packs: u64,
    /// Their bytes.
    pub freed: u64,
    /// Snapshots purged.
    pub entries: u64,
    /// What was brought or made before that.
    pub carried: Carried,
    /// Who is waited for; nothing was deleted.
    pub waits: Vec<Waits>,
    /// Objects that the place does not let go.
    pub refused: u64,
    /// Bytes, about, that one more pack needs before it can go, and that are not free there: nothing more can move.
    pub lacks: Option<u64>,
}

impl Collected {
    /// Adds what was done there later; who is waited for then is who is waited for.
    pub(super) fn add(&mut self, later: Self) {
        self.packs += later.packs;
        self.freed += later.freed;
        self.entries += later.entries;
        self.refused += later.refused;
        self.carried.add(later.carried);
        self.waits = later.waits;
        self.lacks = later.lacks.or(self.lacks);
    }
}

/// A snapshot and its tree.
pub(super) type Rooted = (Id, Id);

/// What is needed, as far as it is known.
pub struct Needed {
    /// Blobs.
    pub reached: Reached,
    /// The trees of these snapshots were walked.
    pub walked: BTreeSet<Id>,
}

/// Carries out every mark that is in progress on a mirror.
///
/// # Errors
/// `Damaged` where a commit slot cannot be read, `TooNew` where something newer is at work, `Full`, `Interrupted`, those
/// of the stores.
pub fn run(
    whole: &Look,
    mirror: &Mirror,
    needed: &mut Needed,
    (author, by): (&Author, By<'_>),
    options: &Options,
) -> Result<Collected> {
    let repo = &mirror.repo;
    let mut collected = Collected::default();
    let listed = Presence::to_collect(repo, &BTreeSet::new())?;
    let entries = leaves(mirror, Folder::Entries)?;
    let removed = whole.chains.purgeable();
    // One that was taken back before the mark reached everybody stays for ever, and nobody is to wait for that.
    let to_go = |id: &Id| removed.contains_key(id) && entries.contains(&id.to_hex());
    let marks = presence::marks_in_progress(repo, &listed, &to_go)?;
    if marks.is_empty() {
        return Ok(collected);
    }
    collected.waits = waiting::run(mirror, &marks, (author, by), options)?;
    if !collected.waits.is_empty() {
        return Ok(collected);
    }
    // Read after everybody who could lean on what is named has ended.
    let mut chains = Chains::read_to_write(repo, by.monitor)?;
    chains.look_again(repo, by.monitor)?;
    if let Some(slot) = chains.unreadable_slots().first() {
        let what = format!("commit slot {slot} of {} cannot be read", mirror.name);
        return Err(Error::new(Kind::Damaged, what).hint("heirloom heal, then prune again"));
    }
    require_listed(mirror, &chains, &whole.chains)?;
    let now = by.host.now().seconds;
    let since = author.removed_since(&chains, now)?;
    // Taken back meanwhile, on another mirror: it stays on this one too.
    let goes = |mark: &Mark| mark.entries.iter().any(to_go);
    let again = match marks.values().any(goes) {
        true => Chains::read(&whole.repo, by.monitor)?,
        false => Chains::default(),
    };
    let elsewhere = [&whole.chains, &again];
    let purged = purged(&since, elsewhere, &listed, now, options);
    let fresh = walk_what_is_new(whole, &chains, &purged, needed, by)?;
    let whole = fresh.as_ref().unwrap_or(whole);
    let mut carried = carry_all(whole, repo, &listed, needed, by);
    if carried.as_ref().is_ok_and(|(carried, _)| carried.lost > 0) && fresh.is_none() {
        // What is needed grew while another mirror was collected: of what came there this look does not know.
        let look = Look::at(&whole.repo, by.monitor)?;
        carried = carry_all(&look, repo, &listed, needed, by);
    }
    let carried = match carried {
        Err(error) if error.kind() == Kind::Full => None,
        carried => Some(carried?),
    };
    // Before any slot goes: an intent without one is a session that has not ended.
    let (refused, undecided) = waiting::clear(mirror, by)?;
    collected.refused += refused;
    // Entries first: one whose packs have gone would stand in the way of whoever walks it.
    delete_entries(mirror, (&chains, &undecided), &purged, &mut collected)?;
    let Some((carried, presence)) = carried else {
        narrow::run(whole, mirror, (&listed, &marks), needed, by, &mut collected)?;
        return Ok(collected);
    };
    collected.carried = carried;
    delete_packs(mirror, &presence, &marks, by, &mut collected)?;
    Ok(collected)
}

/// Carries until no further pack has to come: of what came a mark may have come to name some meanwhile, so marks are read
/// again after it. With the listing of packs that the last look stood on: only what was in it goes.
fn carry_all(
    whole: &Look,
    repo: &Arc<Repo>,
    listed: &Presence,
    needed: &Needed,
    by: By<'_>,
) -> Result<(Carried, Presence)> {
    let mut presence = listed.clone();
    let mut all = Carried::default();
    loop {
        let which = (&needed.reached, Which::Going);
        let carried = carry::run(whole, repo, &mut presence, which, by)?;
        let is_last = carried.came.is_subset(&all.came);
        all.add(carried);
        if is_last {
            return Ok((all, presence));
        }
        presence = Presence::to_collect(repo, &BTreeSet::new())?;
    }
}

/// Entries that a slot lists and that no listing showed may be there all the same: a removal taken back, or a snapshot.
/// What is gone for good keeps nobody.
fn require_listed(mirror: &Mirror, chains: &Chains, whole: &Chains) -> Result<()> {
    for id in chains.missing().filter(|id| !whole.is_visible(id)) {
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        match mirror.repo.read(ObjectKind::Entry, &name) {
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(listed_short(&mirror.name)),
        }
    }
    Ok(())
}

/// An entry was not listed, and is there.
pub(super) fn listed_short(at: &str) -> Error {
    let what = format!("{at} lists its entries short");
    Error::new(Kind::Unreachable, what).hint("nothing is deleted by such a list; prune again later")
}

/// Entries that a mark names and that nobody has taken back, as far as this mirror and the others show.
fn purged(
    removed: &BTreeMap<Id, i64>,
    elsewhere: [&Chains; 2],
    presence: &Presence,
    now: i64,
    options: &Options,
) -> BTreeSet<Id> {
    let elsewhere = elsewhere.map(|chains| (chains, chains.purgeable()));
    let gone = |id: &&Id| {
        let mut looks = elsewhere.iter();
        let kept =
            looks.any(|(chains, removed)| chains.entry(id).is_some() && !removed.contains_key(*id));
        let since = removed.get(id).filter(|_| !kept);
        since.is_some_and(|since| since.saturating_add(options.grace) <= now)
    };
    presence.purged().filter(gone).copied().collect()
}

/// Walks the snapshots that have come since the plan was made; with a newer look at all mirrors, if there are any.
fn walk_what_is_new(
    whole: &Look,
    chains: &Chains,
    purged: &BTreeSet<Id>,
    needed: &mut Needed,
    by: By<'_>,
) -> Result<Option<Look>> {
    let (visible, hidden) = kept(chains, purged, by.host.now().seconds);
    let fresh = |(id, _): &Rooted| !needed.walked.contains(id);
    let visible: Vec<_> = visible.into_iter().filter(fresh).collect();
    let hidden: Vec<_> = hidden.into_iter().filter(fresh).collect();
    if visible.is_empty() && hidden.is_empty() {
        return Ok(None);
    }
    let look = Look::at(&whole.repo, by.monitor)?;
    walk(&look, (&visible, &hidden), needed, by)?;
    Ok(Some(look))
}

/// Snapshots, each with its tree: those that are visible and not purged, and those that no slot lists and that are young.
pub(super) fn kept(chains: &Chains, purged: &BTreeSet<Id>, now: i64) -> (Vec<Rooted>, Vec<Rooted>) {
    let tree = |(id, entry): (&Id, &Entry)| match &entry.what {
        What::Snapshot(snapshot) if !purged.contains(id) => Some((*id, snapshot.tree)),
        _ => None,
    };
    let young = |(_, entry): &(&Id, &Entry)| now.saturating_sub(entry.time.seconds) < UNLISTED;
    let hidden = chains.hidden().filter(young).filter_map(tree);
    (
        chains.visible().filter_map(tree).collect(),
        hidden.collect(),
    )
}

/// Deletes the packs that marks name and the listing has, but for those that were to be kept; what has gone is noted.
pub(super) fn delete_packs(
    mirror: &Mirror,
    presence: &Presence,
    marks: &BTreeMap<Id, Mark>,
    by: By<'_>,
    collected: &mut Collected,
) -> Result<()> {
    let store = mirror.repo.store();
    let named: BTreeSet<&Id> = marks.values().flat_map(|mark| &mark.packs).collect();
    let parity = leaves(mirror, Folder::Parity)?;
    for pack in named {
        let Some(len) = presence.packs().get(pack) else {
            continue;
        };
        if collected.carried.kept.contains(pack) {
            continue;
        }
        by.require_patience()?;
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        delete_parity(mirror, &name, &parity, collected)?;
        match store.delete(&name) {
            Ok(()) => {
                collected.packs += 1;
                collected.freed += len;
            }
            Err(error) if error.kind() == Kind::Refused => collected.refused += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn delete_parity(
    mirror: &Mirror,
    object: &Name,
    parity: &BTreeSet<String>,
    collected: &mut Collected,
) -> Result<()> {
    let own = parity::name_of(object).filter(|name| parity.contains(name.leaf()));
    own.map_or(Ok(()), |name| let_go(mirror, &name, collected))
}

/// Deletes what may be refused: under a lock it stays, and is tried again by the next run.
fn let_go(mirror: &Mirror, name: &Name, collected: &mut Collected) -> Result<()> {
    match mirror.repo.store().delete(name) {
        Err(error) if error.kind() == Kind::Refused => {
            collected.refused += 1;
            Ok(())
        }
        other => other,
    }
}

fn leaves(mirror: &Mirror, folder: Folder) -> Result<BTreeSet<String>> {
    let mut leaves = BTreeSet::new();
    mirror.repo.store().list(folder, &mut |listed| {
        leaves.insert(listed.name.leaf().to_owned());
        Ok(())
    })?;
    Ok(leaves)
}

/// Deletes purged entries, and then the commit slots that list nothing else: but for those that would leave an intent alone.
fn delete_entries(
    mirror: &Mirror,
    (chains, undecided): (&Chains, &BTreeSet<String>),
    purged: &BTreeSet<Id>,
    collected: &mut Collected,
) -> Result<()> {
    let repo = &mirror.repo;
    let parity = leaves(mirror, Folder::Parity)?;
    let mut gone: BTreeSet<Id> = BTreeSet::new();
    for id in purged {
        if chains.entry(id).is_some() {
            let name = Name::hashed(Folder::Entries, &id.to_hex());
            delete_parity(mirror, &name, &parity, collected)?;
            let before = collected.refused;
            let_go(mirror, &name, collected)?;
            if collected.refused > before {
                continue;
            }
            collected.entries += 1;
        }
        // Those that an earlier run has deleted, too.
        gone.insert(*id);
    }
    // A slot that lists one may go, be it one that an earlier run did not come to.
    if !gone.iter().any(|id| chains.is_committed(id)) {
        return Ok(());
    }
    for leaf in leaves(mirror, Folder::Commits)? {
        if undecided.contains(&leaf) {
            continue;
        }
        let Some(name) = Name::new(Folder::Commits, &leaf) else {
            continue;
        };
        let slot = repo.read_listed(ObjectKind::Commit, &name);
        match slot.and_then(|opened| CommitSlot::decode(&opened.record)) {
            Ok(CommitSlot::Commit(ids)) if ids.iter().all(|id| gone.contains(id)) => {
                let_go(mirror, &name, collected)?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A mark with its name: the same bytes for every mirror.
pub(super) struct Sealed {
    packs: BTreeSet<Id>,
    name: Name,
    payload: Payload,
}

impl Sealed {
    /// Seals it.
    pub(super) fn of(mark: &Mark, repo: &Repo, by: By<'_>) -> Result<Self> {
        let sealer = repo.sealer(by.writer);
        let bytes = seal(&sealer, ObjectKind::Mark, &mark.encode(), &**by.host)?;
        let id = hash::object_id(&bytes);
        Ok(Self {
            packs: mark.packs.iter().copied().collect(),
            name: Name::hashed(Folder::Marks, &id.to_hex()),
            payload: Payload::new(bytes),
        })
    }

    /// Puts it on a mirror; from then on what it names is never leant on again there.
    pub(super) fn put(&self, mirror: &Mirror) -> Result<()> {
        let put = || mirror.repo.store().put(&self.name, &self.payload);
        room::with(mirror, &self.packs, &put)
    }
}
