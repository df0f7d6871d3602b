//! Entries that no mirror and no device has any more: given up, so that what is left is a whole repository again.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::commit::CommitSlot;
use crate::id::Id;
use crate::mirror::heal::discard;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::heal::hidden::{self, give_up};
use crate::repo::Repo;
use crate::repo::author::Author;
use crate::repo::chain::Chains;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::repo::presence::Presence;
use crate::repo::publish::{Outcome, SealedEntry, Session};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Gives up, on one mirror, every entry that a commit slot lists and that is gone: what its slot lists besides is listed
/// anew, and the slot goes. That this device saw more there is taken note of. How many entries that were.
///
/// # Errors
/// Those of the mirror and of the state folder.
pub fn give_up_lost(
    (mirrors, mirror): (&Mirrors, &Mirror),
    author: &Author,
    by: By<'_>,
) -> Result<usize> {
    let repo = &mirror.repo;
    let chains = Chains::read_to_write(repo, by.monitor)?;
    let lost: BTreeSet<Id> = chains.missing().copied().collect();
    let (slots, besides) = slots_of(repo, &chains, &lost)?;
    if !besides.is_empty() {
        list_anew(repo, &besides, by)?;
    }
    for slot in &slots {
        if !discard(&**repo.store(), slot)? {
            give_up(repo, slot, by)?;
        }
    }
    let here = Chains::read(repo, by.monitor)?;
    let findings = hidden::judge((mirrors, mirror), &here, author, by)?;
    if let Some(record) = repo.mirror() {
        author.accept(&record.id, &findings)?;
    }
    let marks = Presence::read(repo, by.monitor)?.marks().clone();
    author.saw(mirror, &here, &marks, None)?;
    Ok(lost.len())
}

/// The slots that list one of these, and what else they list.
fn slots_of(repo: &Repo, chains: &Chains, lost: &BTreeSet<Id>) -> Result<(Vec<Name>, Vec<Id>)> {
    let (mut slots, mut besides) = (Vec::new(), Vec::new());
    let mut names = Vec::new();
    repo.store().list(Folder::Commits, &mut |listed| {
        names.push(listed.name);
        Ok(())
    })?;
    for name in names {
        let slot = repo.read_listed(ObjectKind::Commit, &name);
        let Ok(CommitSlot::Commit(ids)) =
            slot.and_then(|opened| CommitSlot::decode(&opened.record))
        else {
            continue;
        };
        if ids.iter().any(|id| lost.contains(id)) {
            besides.extend(ids.into_iter().filter(|id| chains.is_visible(id)));
            slots.push(name);
        }
    }
    Ok((slots, besides))
}

fn list_anew(repo: &Arc<Repo>, entries: &[Id], by: By<'_>) -> Result<()> {
    let sealed: Result<Vec<_>> = entries
        .iter()
        .map(|id| {
            let name = Name::hashed(Folder::Entries, &id.to_hex());
            let bytes = repo.store().get(&name, ObjectKind::Entry.bytes_max())?;
            Ok(SealedEntry::of(bytes))
        })
        .collect();
    let sealed = sealed?;
    let mut session = Session::begin(repo, by.host, by.writer, "heal")?;
    let done = session.commit(&sealed);
    session.end(by.monitor);
    match done? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Aborted => Err(Error::new(Kind::Busy, "a prune ended this heal")
            .hint("run it again when the prune has ended")),
    }
}
