//! The truth about a pack is its own directory, at its end.

use crate::error::{During, Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::directory::Directory;
use crate::format::pack::reader::{DirectoryRead, read_directory, tail_range};
use crate::id::Id;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::store::Store;

/// Reads the directory at the end of a pack: one request, two when it is long. The kind is in its header.
///
/// # Errors
/// `Damaged`, `TooNew`, and those of the store.
pub fn pack_directory(repo: &Repo, id: &Id, len: u64) -> Result<(ObjectKind, Directory)> {
    let store = repo.store();
    let first = directory_from(repo, &**store, id, len);
    if !matches!(&first, Err(error) if error.is_about_the_object()) {
        return first;
    }
    let mut copies = store.copies().into_iter();
    copies
        .find_map(|copy| directory_from(repo, &*copy, id, len).ok())
        .map_or(first, Ok)
}

fn directory_from(
    repo: &Repo,
    store: &dyn Store,
    id: &Id,
    len: u64,
) -> Result<(ObjectKind, Directory)> {
    let name = Name::hashed(Folder::Packs, &id.to_hex());
    let at = || format!("read the directory of {name} on {}", store.location());
    let mut range = tail_range(len).during(at)?;
    loop {
        let bytes = store.get_range(&name, range.clone()).during(at)?;
        match read_directory(repo.opener(), len, &bytes).during(at)? {
            DirectoryRead::Found { kind, directory } => return Ok((kind, directory)),
            DirectoryRead::Need(more) if more.start < range.start => range = more,
            DirectoryRead::Need(_) => {
                return Err(Error::new(Kind::Damaged, "its length does not add up").during(at()));
            }
        }
    }
}
