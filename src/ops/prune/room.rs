//! A little room on a mirror that is full to the last byte, so that a mark can be written: without one nothing may go.

use crate::error::{Kind, Result};
use crate::format::mark::Mark;
use crate::name::{Folder, Name};
use crate::repo::mirrors::Mirror;

/// How many objects go at the most; each has at least two pages.
const OBJECTS: usize = 8;

/// Deletes what can be made again from what stays: parity of the packs that go, then the ledger, then index runs, of which
/// the packs tell the same.
///
/// # Errors
/// Those of the store.
pub(super) fn make(mirror: &Mirror, mark: &Mark) -> Result<()> {
    let store = mirror.repo.store();
    let mut spare: Vec<Name> = Vec::new();
    for folder in [Folder::Parity, Folder::Ledger, Folder::Index] {
        let mut found = Vec::new();
        store.list(folder, &mut |listed| {
            found.push(listed.name);
            Ok(())
        })?;
        if folder == Folder::Parity {
            let goes = |name: &Name| mark.packs.iter().any(|pack| pack.to_hex() == name.leaf());
            found.retain(goes);
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
