//! Several mirrors read as one store: an object comes from the first that has the right bytes.
//!
//! What is named by the hash of its bytes is checked here, so that a damaged copy on one mirror is passed by; anything
//! else is judged by whoever opens it, who can ask each copy in turn ([`Store::copies`]). Nothing is written through a
//! set: every mirror commits on its own.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::name::{Folder, Name};
use crate::store::{Abilities, Listed, Location, Payload, Placed, Store};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One of several.
struct Member {
    store: Arc<dyn Store>,
    served: AtomicU64,
    /// Why it is not asked any more in this run.
    away: Mutex<Option<Error>>,
}

impl Member {
    fn is_away(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Error>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Several mirrors, nearest first.
pub struct MirrorSet {
    members: Vec<Member>,
    location: Location,
}

impl MirrorSet {
    /// Reads from these, the first ones first.
    pub fn new(stores: Vec<Arc<dyn Store>>) -> Self {
        let addresses: Vec<_> = stores
            .iter()
            .map(|store| store.location().address.as_str())
            .collect();
        let location = Location {
            address: addresses.join(", "),
            abilities: Abilities {
                put_if_absent: false,
                delete: false,
                ranges: true,
            },
        };
        let member = |store| Member {
            store,
            served: AtomicU64::new(0),
            away: Mutex::new(None),
        };
        Self {
            members: stores.into_iter().map(member).collect(),
            location,
        }
    }

    /// Bytes that each mirror has given, by address.
    pub fn served(&self) -> Vec<(String, u64)> {
        let served = |member: &Member| {
            let address = member.store.location().address.clone();
            (address, member.served.load(Ordering::Relaxed))
        };
        self.members.iter().map(served).collect()
    }

    /// Mirrors that stopped answering, and why.
    pub fn away(&self) -> Vec<(String, String)> {
        let told = |member: &Member| {
            let why = member.lock().as_ref().map(Error::chain)?;
            Some((member.store.location().address.clone(), why))
        };
        self.members.iter().filter_map(told).collect()
    }

    /// The first good answer; otherwise the worst news, of which absence is the least. Who does not answer is not asked
    /// again.
    fn first<T>(
        &self,
        ask: &mut dyn FnMut(&Member) -> Result<T>,
        len: &dyn Fn(&T) -> usize,
    ) -> Result<T> {
        let mut failed: Option<Error> = None;
        for member in self.members.iter().filter(|member| !member.is_away()) {
            match ask(member) {
                Ok(answer) => {
                    let bytes = len(&answer) as u64;
                    member.served.fetch_add(bytes, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) if error.kind() == Kind::Unreachable => {
                    *member.lock() = Some(error);
                }
                Err(error) => {
                    let worse = |failed: &Error| weight(failed) >= weight(&error);
                    if !failed.as_ref().is_some_and(worse) {
                        failed = Some(error);
                    }
                }
            }
        }
        Err(failed.unwrap_or_else(|| self.nobody()))
    }

    fn nobody(&self) -> Error {
        let all: Vec<_> = self.away().into_iter().map(|(_, why)| why).collect();
        Error::new(Kind::Unreachable, "no mirror can be reached").because(all.join("; "))
    }

    /// The length of an object that mirrors list at several: that of the copy which hashes to the name.
    fn length(&self, name: &Name, lengths: &[u64]) -> u64 {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if !name.folder().is_named_by_hash() {
            return longest;
        }
        let whole = self.get(name, longest).map(|bytes| bytes.len() as u64);
        whole.unwrap_or(longest)
    }
}

fn weight(error: &Error) -> u8 {
    match error.kind() {
        Kind::NotFound => 0,
        Kind::Damaged => 1,
        _ => 2,
    }
}

/// Refuses bytes that are not what their name says, where it says something.
///
/// # Errors
/// `Damaged`.
pub fn check_name(store: &dyn Store, name: &Name, bytes: &[u8]) -> Result<()> {
    if name.folder().is_named_by_hash() && hash::object_id(bytes).to_hex() != name.leaf() {
        let error = Error::new(Kind::Damaged, "its bytes do not match its name");
        return Err(error.during(store.location().reading(name)));
    }
    Ok(())
}

impl Store for MirrorSet {
    fn location(&self) -> &Location {
        &self.location
    }

    fn copies(&self) -> Vec<Arc<dyn Store>> {
        let stores = self.members.iter().map(|member| &member.store);
        stores.cloned().collect()
    }

    fn silent(&self) -> Option<Error> {
        let (address, why) = self.away().into_iter().next()?;
        let what = format!("{address} stopped answering");
        let error = Error::new(Kind::Unreachable, what).because(why);
        Some(error.hint("run it again when that mirror is there"))
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let mut ask = |member: &Member| {
            member.store.get_into(name, len_max, into)?;
            check_name(&*member.store, name, into)?;
            Ok(into.len())
        };
        self.first(&mut ask, &|len| *len).map(|_| ())
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let mut ask = |member: &Member| member.store.get_range(name, range.clone());
        self.first(&mut ask, &Vec::len)
    }

    fn put(&self, name: &Name, _payload: &Payload) -> Result<()> {
        Err(read_only(self, name))
    }

    fn put_if_absent(&self, name: &Name, _payload: &Payload) -> Result<Placed> {
        Err(read_only(self, name))
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let mut found = HashMap::<Name, Vec<u64>>::new();
        let mut strangers = 0;
        let mut answered = false;
        for member in self.members.iter().filter(|member| !member.is_away()) {
            let listed = member.store.list(folder, &mut |listed| {
                let lengths = found.entry(listed.name).or_default();
                if !lengths.contains(&listed.len) {
                    lengths.push(listed.len);
                }
                Ok(())
            });
            match listed {
                Ok(more) => (strangers, answered) = (strangers + more, true),
                // What it listed before is there.
                Err(error) => *member.lock() = Some(error),
            }
        }
        if !answered {
            return Err(self.nobody());
        }
        for (name, lengths) in found {
            let len = match lengths[..] {
                [len] => len,
                _ => self.length(&name, &lengths),
            };
            each(Listed { name, len })?;
        }
        Ok(strangers)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        Err(read_only(self, name))
    }
}

fn read_only(set: &MirrorSet, name: &Name) -> Error {
    let what = set.location.writing(name);
    Error::new(Kind::Other, what).because("several mirrors are read as one: this is a bug")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn named(bytes: &[u8]) -> Name {
        Name::hashed(Folder::Packs, &hash::object_id(bytes).to_hex())
    }

    fn set() -> ([MemoryStore; 2], MirrorSet) {
        let stores = [MemoryStore::new("one"), MemoryStore::new("two")];
        let members = stores
            .iter()
            .map(|store| Arc::new(store.clone()) as Arc<dyn Store>);
        let set = MirrorSet::new(members.collect());
        (stores, set)
    }

    #[test]
    fn a_damaged_copy_is_passed_by() {
        let ([one, two], set) = set();
        let name = named(b"good");
        one.put(&name, &Payload::new(b"bad!".to_vec())).unwrap();
        assert_eq!(set.get(&name, 10).unwrap_err().kind(), Kind::Damaged);
        two.put(&name, &Payload::new(b"good".to_vec())).unwrap();
        assert_eq!(set.get(&name, 10).unwrap(), b"good");
        assert_eq!(set.served(), [("one".to_owned(), 0), ("two".to_owned(), 4)]);
    }

    #[test]
    fn a_listing_is_the_union_and_tells_the_right_length() {
        let ([one, two], set) = set();
        let (here, cut) = (named(b"only here"), named(b"cut on one"));
        two.put(&here, &Payload::new(b"only here".to_vec()))
            .unwrap();
        one.put(&cut, &Payload::new(b"cut on one, and longer".to_vec()))
            .unwrap();
        two.put(&cut, &Payload::new(b"cut on one".to_vec()))
            .unwrap();
        let mut found = Vec::new();
        let each = &mut |listed: Listed| {
            found.push((listed.name, listed.len));
            Ok(())
        };
        set.list(Folder::Packs, each).unwrap();
        found.sort();
        let mut expected = vec![(here, 9), (cut, 10)];
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn nothing_is_written_through_a_set() {
        let (_, set) = set();
        set.put(&named(b"x"), &Payload::new(b"x".to_vec()))
            .unwrap_err();
        set.delete(&named(b"x")).unwrap_err();
    }
}
