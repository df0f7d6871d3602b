//! A little room on a mirror that is full to the last byte, so that a mark can be written, or what decides a dead session:
//! without them nothing may go.

use crate::error::{Kind, Result};
use crate::id::Id;
use crate::monitor::Collected;
use crate::name::{Folder, Name};
use crate::repo::index::Index;
use crate::repo::mirrors::Mirror;
use crate::repo::presence::Presence;
use std::collections::BTreeSet;

/// How many objects go at the most; each has at least two pages.
const OBJECTS: usize = 8;

/// Does what writes a small object; where the mirror is full, once more after some room was made.
///
/// # Errors
/// Those of `write` and of the store.
pub(super) fn with<T>(
    mirror: &Mirror,
    goes: &BTreeSet<Id>,
    write: &dyn Fn() -> Result<T>,
) -> Result<T> {
    match write() {
        Err(error) if error.kind() == Kind::Full => {
            make(mirror, goes)?;
            write()
        }
        other => other,
    }
}

/// Deletes what can be made again from what stays: parity of the packs that go, then the ledger, then index runs, of which
/// the packs tell the same.
fn make(mirror: &Mirror, goes: &BTreeSet<Id>) -> Result<()> {
    let store = mirror.repo.store();
    let mut spare: Vec<Name> = Vec::new();
    for folder in [Folder::Parity, Folder::Ledger, Folder::Index] {
        let mut found = Vec::new();
        store.list(folder, &mut |listed| {
            found.push(listed.name);
            Ok(())
        })?;
        let named = |name: &Name, ids: &BTreeSet<Id>| {
            Id::from_hex(name.leaf()).is_some_and(|id| ids.contains(&id))
        };
        match folder {
            Folder::Parity => found.retain(|name| named(name, goes)),
            Folder::Index => {
                let spare = whole_runs(mirror)?;
                found.retain(|name| named(name, &spare));
            }
            _ => {}
        }
        spare.append(&mut found);
    }
    for name in spare.iter().take(OBJECTS) {
        match store.delete(name) {
            Err(error) if error.kind() == Kind::Refused => {}
            other => other?,
        }
    }
    Ok(())
}

/// Index runs of which every pack lies there. One that names others is all that tells what is lost.
fn whole_runs(mirror: &Mirror) -> Result<BTreeSet<Id>> {
    let unheard = Collected::default();
    let presence = Presence::read(&mirror.repo, &unheard)?;
    let index = Index::open(&mirror.repo, &presence, &unheard, &mut |_| Ok(Vec::new()))?;
    let lies = |(pack, len): &(Id, u64)| {
        presence.packs().get(pack) == Some(len) || presence.is_tombed(pack)
    };
    let runs = index.runs().into_iter();
    let whole = runs.filter(|(_, packs)| packs.iter().all(lies));
    Ok(whole.map(|(run, _)| run).collect())
}
