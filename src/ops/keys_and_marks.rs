//! What goes to a mirror before anything that leans on it: key slots and marks.

use crate::error::{Kind, Result};
use crate::format::chain::What;
use crate::id::Id;
use crate::mirror::copy::{Wrong, copy};
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::chain::Chains;
use crate::repo::keyring;
use crate::repo::look::Look;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Key slots that others have and nobody has removed; slots removed anywhere go here too. `here` is what
/// the mirror shows: it may know of a removal that the others have not heard of. Returns how many removed slots stay, since
/// nothing is deleted there: the mirror opens with these secrets as before.
///
/// # Errors
/// Those of the stores.
pub fn bring_keys(from: &Look, to: &Arc<Repo>, here: &Chains) -> Result<u64> {
    let entries = from.chains.visible().chain(here.visible());
    let removed: BTreeSet<Id> = entries
        .filter_map(|(_, entry)| match entry.what {
            What::SlotRemoved(slot) => Some(slot),
            _ => None,
        })
        .collect();
    let here: BTreeSet<Id> = to.ring().named().map(|(id, _)| *id).collect();
    let mut stay = here.difference(&removed).count();
    for (id, slot) in from.repo.ring().named() {
        if !here.contains(id) && !removed.contains(id) {
            keyring::put_slot(&**to.store(), slot)?;
            stay += 1;
        }
    }
    // Whatever the chains say, a mirror that nothing opens is none.
    let mut kept = 0;
    if stay > 0 {
        for id in here.intersection(&removed) {
            kept += u64::from(!take_slot(to, id)?);
        }
    }
    Ok(kept)
}

/// Takes a key slot away; whether it is gone. Where nothing is deleted it stays.
///
/// # Errors
/// Those of the store.
pub fn take_slot(repo: &Repo, slot: &Id) -> Result<bool> {
    if !repo.can_delete() {
        return Ok(false);
    }
    match keyring::delete_slot(&**repo.store(), slot) {
        Err(error) if error.kind() == Kind::Refused => Ok(false),
        other => other.map(|()| true),
    }
}

/// The marks on a mirror.
///
/// # Errors
/// Those of the store.
pub fn marks_of(repo: &Repo) -> Result<BTreeSet<Id>> {
    let mut here = BTreeSet::new();
    repo.store().list(Folder::Marks, &mut |listed| {
        here.extend(Id::from_hex(listed.name.leaf()));
        Ok(())
    })?;
    Ok(here)
}

/// Marks that others have and that are not among those `here`.
///
/// # Errors
/// Those of the stores.
pub fn bring_marks(from: &Look, to: &Arc<Repo>, here: &BTreeSet<Id>) -> Result<()> {
    for mark in from.presence.marks().difference(here) {
        let name = Name::hashed(Folder::Marks, &mark.to_hex());
        let store = &**from.repo.store();
        copy(&[store], &**to.store(), &name, Wrong::Left, &mut Vec::new())?;
    }
    Ok(())
}
