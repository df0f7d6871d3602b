//! One object from one mirror to another: checked against its name before it is written and after.

use crate::error::{During, Error, Kind, Result};
use crate::mirror::scrub::bytes_max;
use crate::mirror::set::check_name;
use crate::name::Name;
use crate::store::{Payload, Store};

/// What helps where damaged bytes stay under the name.
const HEAL: &str = "heirloom heal --all reads all that lies there and puts it right";

/// What becomes of an object that the mirror does not give back as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It goes: nothing there leans on that name yet.
    Removed,
    /// It stays for `heal`: the name was there before, or something may lean on it.
    Left,
}

/// Copies one object and returns its length; `buffer` is used for it and comes back. What stands under that name at `to`
/// is replaced. It is taken from the first of `from` that has the right bytes, and written a second time where `to` gives
/// back others.
///
/// # Errors
/// `Damaged` when none of `from` has the right bytes, or `to` does not give them back; those of the stores.
pub fn copy(
    from: &[&dyn Store],
    to: &dyn Store,
    name: &Name,
    wrong: Wrong,
    buffer: &mut Vec<u8>,
) -> Result<u64> {
    let len = send(from, to, name, buffer)?;
    let first = read_back(to, name, buffer);
    if !matches!(&first, Err(error) if error.is_about_the_object()) {
        return first.map(|()| len);
    }
    send(from, to, name, buffer)?;
    match read_back(to, name, buffer) {
        // Left there at its full length, it would be taken for the object by every later run.
        Err(error)
            if error.is_about_the_object()
                && wrong == Wrong::Removed
                && to.location().abilities.delete =>
        {
            match to.delete(name) {
                Err(refused) if refused.kind() == Kind::Refused => Err(error.hint(HEAL)),
                other => other.and(Err(error)),
            }
        }
        Err(error) if error.is_about_the_object() => Err(error.hint(HEAL)),
        other => other.map(|()| len),
    }
}

fn send(from: &[&dyn Store], to: &dyn Store, name: &Name, buffer: &mut Vec<u8>) -> Result<u64> {
    let mut bytes = std::mem::take(buffer);
    read(from, name, &mut bytes)?;
    let len = bytes.len() as u64;
    let payload = Payload::new(bytes);
    to.put(name, &payload)?;
    *buffer = payload.into_buffer().unwrap_or_default();
    Ok(len)
}

/// The right bytes from the first that has them; the first one, which should have had them, is asked once more in the end.
fn read(from: &[&dyn Store], name: &Name, buffer: &mut Vec<u8>) -> Result<()> {
    let mut failed = None;
    for store in from.iter().chain(from.first()) {
        let read = store.get_into(name, bytes_max(name.folder()), buffer);
        match read.and_then(|()| check_name(*store, name, buffer)) {
            Ok(()) => return Ok(()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.unwrap_or_else(|| Error::new(Kind::Other, "copy from nowhere: this is a bug")))
}

/// Reads what was written, where that costs nothing; elsewhere the server has compared a checksum.
fn read_back(store: &dyn Store, name: &Name, buffer: &mut Vec<u8>) -> Result<()> {
    if !store.location().is_near() {
        return Ok(());
    }
    store
        .get_into(name, bytes_max(name.folder()), buffer)
        .and_then(|()| check_name(store, name, buffer))
        .during(|| "read back what was just written".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash;
    use crate::name::Folder;
    use crate::store::faulty::Faulty;
    use crate::store::memory::MemoryStore;
    use std::sync::atomic::{AtomicU32, Ordering};

    const BYTES: &[u8] = b"some bytes";

    fn name() -> Name {
        Name::hashed(Folder::Packs, &hash::object_id(BYTES).to_hex())
    }

    /// Holds the object if it is said to, and lies in the first so many reads.
    fn lying(reads: u32, holds: bool) -> Faulty<MemoryStore> {
        let store = Faulty::new(MemoryStore::new("memory"));
        if holds {
            store.put(&name(), &Payload::new(BYTES.to_vec())).unwrap();
        }
        let asked = AtomicU32::new(0);
        store.lie_about(1, move |_| asked.fetch_add(1, Ordering::Relaxed) < reads);
        store
    }

    fn copied(from: &[&dyn Store], to: &dyn Store, wrong: Wrong) -> Result<u64> {
        copy(from, to, &name(), wrong, &mut Vec::new())
    }

    #[test]
    fn what_is_not_given_back_is_written_once_more() {
        let (from, to) = (lying(0, true), lying(1, false));
        assert_eq!(copied(&[&from], &to, Wrong::Removed).unwrap(), 10);
        assert_eq!(to.get(&name(), 100).unwrap(), BYTES);
    }

    #[test]
    fn what_is_never_given_back_goes_if_nothing_leans_on_it() {
        for (wrong, stays) in [(Wrong::Removed, false), (Wrong::Left, true)] {
            let (from, to) = (lying(0, true), lying(2, false));
            let error = copied(&[&from], &to, wrong).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
            assert_eq!(error.hint_text().is_some(), stays);
            assert_eq!(to.get(&name(), 100).is_ok(), stays);
        }
    }

    #[test]
    fn another_mirror_gives_what_the_first_one_does_not() {
        let to = lying(0, false);
        let (bad, none, good) = (lying(9, true), lying(0, false), lying(0, true));
        copied(&[&bad, &none, &good], &to, Wrong::Left).unwrap();
        // And alone it has a second chance.
        copied(&[&lying(1, true)], &to, Wrong::Left).unwrap();
        let error = copied(&[&bad, &none], &to, Wrong::Left).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
    }
}
