//! The truth about a pack is its own directory, at its end.

use crate::error::{During, Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::directory::Directory;
use crate::format::pack::reader::{DirectoryRead, read_directory, tail_range};
use crate::id::Id;
use crate::name::{Folder, Name};
use crate::repo::Repo;

/// Reads the directory at the end of a pack: one request, two when it is long. The kind is in its header.
///
/// # Errors
/// `Damaged`, `TooNew`, and those of the store.
pub fn pack_directory(repo: &Repo, id: &Id, len: u64) -> Result<(ObjectKind, Directory)> {
    let name = Name::hashed(Folder::Packs, &id.to_hex());
    let at = || format!("read the directory of {name}");
    let mut range = tail_range(len).during(at)?;
    loop {
        let bytes = repo.store().get_range(&name, range.clone()).during(at)?;
        match read_directory(repo.opener(), len, &bytes).during(at)? {
            DirectoryRead::Found { kind, directory } => return Ok((kind, directory)),
            DirectoryRead::Need(more) if more.start < range.start => range = more,
            DirectoryRead::Need(_) => {
                return Err(Error::new(Kind::Damaged, "its length does not add up").during(at()));
            }
        }
    }
}
