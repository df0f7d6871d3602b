//! Where something needed is nowhere, the index may be wrong: then packs are asked themselves before they go.
//!
//! An index run repeats what directories say, and nobody reads the directory of a pack that a run knows. One that leaves
//! something out would give a pack away; who has the keys, or a fault in a program, could make one.

use crate::error::{Error, Kind, Result};
use crate::format::directory::Directory;
use crate::id::Id;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::repo::index::directories::pack_directory;
use crate::repo::index::reached::Reached;
use crate::repo::look::Look;
use std::collections::BTreeSet;

/// Those of these packs that hold something needed that lies nowhere, as far as the index says; each is told.
///
/// # Errors
/// `Interrupted`, those of the stores and of the cache folder.
pub(super) fn of(look: &Look, reached: &Reached, packs: &[Id], by: By<'_>) -> Result<BTreeSet<Id>> {
    let mut found = BTreeSet::new();
    for pack in packs {
        by.require_patience()?;
        let Some(len) = look.presence.packs().get(pack) else {
            continue;
        };
        let directory = match pack_directory(&look.repo, pack, *len) {
            Ok((_, directory)) => directory,
            // What it held the index alone can say.
            Err(error) if error.is_about_the_object() => continue,
            Err(error) => return Err(error),
        };
        if has_unsaid(look, reached, &directory)? {
            let name = Name::hashed(Folder::Packs, &pack.to_hex());
            let what = format!("{name} holds what is needed, and the index does not say so");
            let error = Error::new(Kind::Damaged, what);
            by.monitor.problem(
                &error.hint("it stays; heirloom verify says what the index is wrong about"),
            );
            found.insert(*pack);
        }
    }
    Ok(found)
}

fn has_unsaid(look: &Look, reached: &Reached, directory: &Directory) -> Result<bool> {
    for (place, block) in directory.places() {
        for id in directory.ids.get(place.blobs).unwrap_or_default() {
            let prefix = id.prefix();
            if reached.contains(block.kind, &prefix)?
                && look.index.places_of(&prefix, block.kind)?.is_empty()
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
