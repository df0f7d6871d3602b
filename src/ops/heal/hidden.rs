//! Entries that were visible and are not, since what listed them is damaged or gone.
//!
//! Which entries are visible is decided by commit slots, a few hundred bytes each. Where one is lost, all that it listed
//! may still lie there, or have a copy on this device: what is complete is listed again, in a new session.

use crate::error::Result;
use crate::format::ObjectKind;
use crate::format::chain::{Entry, What};
use crate::format::commit::CommitSlot;
use crate::id::Id;
use crate::limits::COMMIT_ENTRIES_MAX;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::reach::Reach;
use crate::repo::author::Author;
use crate::repo::chain::Chains;
use crate::repo::heads::Finding;
use crate::repo::index::Index;
use crate::repo::loader::Loader;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::repo::presence::Presence;
use crate::repo::publish::{Outcome, SealedEntry, Session};
use crate::repo::{Repo, kept, seal};
use crate::store::Payload;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An entry that is to be listed again.
struct Hidden {
    id: Id,
    entry: Entry,
    sealed: SealedEntry,
}

/// Lists again what was visible on a mirror and no slot lists any more; which entries that were. Slots that cannot be read
/// decide nothing any more: they are given up when nothing that lies there is hidden.
///
/// # Errors
/// Those of the mirrors and of the state folder.
pub fn list_again(
    (mirrors, mirror): (&Mirrors, &Mirror),
    author: &Author,
    by: By<'_>,
) -> Result<Vec<Id>> {
    let repo = &mirror.repo;
    let mut chains = Chains::read(repo, by.monitor)?;
    if !has_lost_some((mirrors, mirror), &chains, author, by)? {
        return Ok(Vec::new());
    }
    let mut listed = Vec::new();
    loop {
        let mut session = Session::begin(repo, by.host, by.writer, "heal")?;
        let done = publish(repo, &mut session, &mut chains, by);
        session.end(by.monitor);
        let more = done?;
        let is_full = more.len() == COMMIT_ENTRIES_MAX;
        listed.extend(more);
        if !is_full {
            break;
        }
    }
    if chains.hidden().next().is_none() {
        give_up_unreadable(repo, &chains, by)?;
    }
    let here = Chains::read(repo, by.monitor)?;
    let findings = judge((mirrors, mirror), &here, author, by)?;
    if !listed.is_empty() && !findings.iter().any(Finding::stops) {
        let marks = Presence::read(repo, by.monitor)?.marks().clone();
        author.saw(mirror, &here, &marks, None)?;
    }
    Ok(listed)
}

/// What [`list_again`] would list, as far as it can be told without a session.
///
/// # Errors
/// Those of the mirrors.
pub fn would_list(
    (mirrors, mirror): (&Mirrors, &Mirror),
    author: &Author,
    by: By<'_>,
) -> Result<Vec<Id>> {
    let repo = &mirror.repo;
    let chains = Chains::read(repo, by.monitor)?;
    if !has_lost_some((mirrors, mirror), &chains, author, by)? {
        return Ok(Vec::new());
    }
    let presence = Presence::read(repo, by.monitor)?;
    let hidden = complete(repo, &presence, &chains, by)?;
    Ok(hidden.into_iter().map(|hidden| hidden.id).collect())
}

/// Whether something says that more was visible there than is shown. Entries of sessions that died lie on most mirrors, and
/// that by itself says nothing.
fn has_lost_some(
    (mirrors, mirror): (&Mirrors, &Mirror),
    chains: &Chains,
    author: &Author,
    by: By<'_>,
) -> Result<bool> {
    let nothing_listed = chains.visible().next().is_none() && chains.hidden().next().is_some();
    Ok(nothing_listed
        || !chains.unreadable_slots().is_empty()
        || !judge((mirrors, mirror), chains, author, by)?.is_empty())
}

pub(super) fn judge(
    (mirrors, mirror): (&Mirrors, &Mirror),
    here: &Chains,
    author: &Author,
    by: By<'_>,
) -> Result<Vec<Finding>> {
    let Some(record) = mirror.repo.mirror() else {
        return Ok(Vec::new());
    };
    let all = Chains::read(&mirrors.whole, by.monitor)?;
    Ok(author.judge(&record.id, here, &all))
}

fn publish(
    repo: &Arc<Repo>,
    session: &mut Session,
    chains: &mut Chains,
    by: By<'_>,
) -> Result<Vec<Id>> {
    chains.look_again(repo, by.monitor)?;
    let mut hidden = complete(repo, session.presence(), chains, by)?;
    hidden.truncate(COMMIT_ENTRIES_MAX);
    let sealed: Vec<_> = hidden.iter().map(|hidden| hidden.sealed.clone()).collect();
    if sealed.is_empty() || session.commit(&sealed)? == Outcome::Aborted {
        return Ok(Vec::new());
    }
    let listed = hidden.iter().map(|hidden| hidden.id).collect();
    chains.committed(hidden.into_iter().map(|hidden| (hidden.id, hidden.entry)));
    Ok(listed)
}

/// What lies there hidden, and what this device has copies of and nobody has removed: as far as all it leans on is there and
/// no visible entry has its number. Oldest first.
fn complete(
    repo: &Arc<Repo>,
    presence: &Presence,
    chains: &Chains,
    by: By<'_>,
) -> Result<Vec<Hidden>> {
    let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
    let loader = Loader::new(repo, &Arc::new(index));
    let mut taken: BTreeSet<([u8; 16], u64)> = chains
        .visible()
        .map(|(_, entry)| (entry.device, entry.seq))
        .collect();
    let mut found: Vec<(Id, Entry, Option<Vec<u8>>)> = chains
        .hidden()
        .map(|(id, entry)| (*id, entry.clone(), None))
        .collect();
    let copies = kept::lost(repo, chains)?.into_iter();
    found.extend(copies.map(|(id, (entry, bytes))| (id, entry, Some(bytes))));
    found.sort_by_key(|(_, entry, _)| (entry.device, entry.seq));
    let mut hidden = Vec::new();
    for (id, entry, copy) in found {
        if taken.contains(&(entry.device, entry.seq)) || !is_complete(chains, &loader, &entry)? {
            continue;
        }
        taken.insert((entry.device, entry.seq));
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        let bytes = match copy {
            Some(bytes) => bytes,
            None => repo.store().get(&name, ObjectKind::Entry.bytes_max())?,
        };
        let sealed = SealedEntry::of(bytes);
        if sealed.id() == id {
            hidden.push(Hidden { id, entry, sealed });
        }
    }
    Ok(hidden)
}

/// A slot that cannot be read stays unknown to every collector, which deletes nothing while there is one.
fn give_up_unreadable(repo: &Repo, chains: &Chains, by: By<'_>) -> Result<()> {
    let leaves = chains.unreadable_slots().iter();
    let mut names = leaves.filter_map(|leaf| Name::new(Folder::Commits, leaf));
    names.try_for_each(|name| give_up(repo, &name, by))
}

/// Makes a slot say ABORT.
pub(super) fn give_up(repo: &Repo, slot: &Name, by: By<'_>) -> Result<()> {
    let sealer = repo.sealer(by.writer);
    let abort = CommitSlot::Abort {
        mark: Id::new([0; 32]),
        by: by.writer.device,
    };
    let bytes = seal(&sealer, ObjectKind::Commit, &abort.encode(), &**by.host)?;
    repo.store().put(slot, &Payload::new(bytes))
}

/// Whether all that an entry leans on is there: the blobs of a snapshot, and of each that an undelete brings back.
fn is_complete(chains: &Chains, loader: &Loader, entry: &Entry) -> Result<bool> {
    match &entry.what {
        What::Snapshot(snapshot) => is_whole(loader, snapshot.tree),
        What::Undelete(ids) => {
            for id in ids {
                let whole = match chains.entry(id).map(|entry| &entry.what) {
                    Some(What::Snapshot(snapshot)) => is_whole(loader, snapshot.tree)?,
                    _ => false,
                };
                if !whole {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(true),
    }
}

/// Whether every blob that a tree reaches lies in a pack that may be leant on.
pub(super) fn is_whole(loader: &Loader, tree: Id) -> Result<bool> {
    let mut complete = true;
    let walked = Reach::new(loader).snapshot(tree, None, &mut |kind, id| {
        complete &= loader.index().holds(&id.prefix(), kind)?;
        Ok(())
    });
    match walked {
        Ok(()) => Ok(complete),
        Err(error) if error.is_about_the_object() => Ok(false),
        Err(error) => Err(error),
    }
}
