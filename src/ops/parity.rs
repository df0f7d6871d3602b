//! Brings a mirror the parity that it shall have.

use crate::error::Result;
use crate::id::Id;
use crate::mirror::parity::{self, Brought};
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::look::Look;
use crate::repo::mirrors::Mirror;
use crate::repo::presence::Presence;
use std::collections::BTreeSet;

/// Writes what is lacking, and removes what belongs to nothing; nothing where nobody says how much there shall be.
///
/// # Errors
/// Those of the mirror, and `Interrupted`.
pub fn bring(mirror: &Mirror, monitor: &dyn Monitor) -> Result<Brought> {
    let Some(percent) = mirror.parity else {
        return Ok(Brought::default());
    };
    let store = mirror.repo.store();
    parity::bring(&**store, percent, &mut || needed(mirror, monitor), monitor)
}

/// What the mirror should have and does not: its parity may be all that is left of it.
fn needed(mirror: &Mirror, monitor: &dyn Monitor) -> Result<BTreeSet<Name>> {
    let look = Look::at(&mirror.repo, monitor)?;
    let packs = look.index.missing().iter();
    let packs = packs.map(|pack| Name::hashed(Folder::Packs, &pack.to_hex()));
    let entries = look.chains.missing();
    let entries = entries.map(|entry| Name::hashed(Folder::Entries, &entry.to_hex()));
    let needed = packs.chain(entries);
    Ok(needed
        .filter(|name| !is_named_by_mark(&look.presence, name))
        .collect())
}

/// Whether a mark names this pack or entry: it goes for good, and never comes back.
pub fn is_named_by_mark(presence: &Presence, name: &Name) -> bool {
    let id = Id::from_hex(name.leaf());
    id.is_some_and(|id| match name.folder() {
        Folder::Packs => presence.is_tombed(&id),
        Folder::Entries => presence.is_purged(&id),
        _ => false,
    })
}
