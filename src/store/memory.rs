//! A store in memory, for tests and for rehearsals that must leave nothing behind.
//!
//! Handles are cheap to clone and share one map, so a test can keep one while the program holds another, look at what
//! lies there, damage it, or put an earlier state back.

use crate::error::{Error, Kind, Result};
use crate::name::{Folder, Name};
use crate::store::{Abilities, Listed, Location, Payload, Placed, Store};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Objects = BTreeMap<Name, Vec<u8>>;

/// A map of names to bytes.
#[derive(Clone)]
pub struct MemoryStore {
    location: Location,
    objects: Arc<Mutex<Objects>>,
}

impl MemoryStore {
    /// An empty place that is able to do everything; `address` is what its messages call it.
    pub fn new(address: &str) -> Self {
        Self::with_abilities(
            address,
            Abilities {
                put_if_absent: true,
                delete: true,
                ranges: true,
            },
        )
    }

    /// An empty place that is able to do only this.
    pub fn with_abilities(address: &str, abilities: Abilities) -> Self {
        Self {
            location: Location {
                address: address.to_owned(),
                abilities,
            },
            objects: Arc::default(),
        }
    }

    /// A copy of all that lies here.
    pub fn contents(&self) -> Objects {
        self.objects().clone()
    }

    /// Puts these objects in the place of all that lay here.
    pub fn replace(&self, contents: Objects) {
        *self.objects() = contents;
    }

    /// Changes the bytes of one object behind everybody's back; `false` if it is not there.
    pub fn change(&self, name: &Name, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.objects().get_mut(name).map(change).is_some()
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, name: &Name, take: impl FnOnce(&[u8]) -> Option<T>) -> Result<T> {
        let objects = self.objects();
        let bytes = objects
            .get(name)
            .ok_or_else(|| Error::new(Kind::NotFound, self.location.reading(name)))?;
        take(bytes).ok_or_else(|| {
            Error::new(Kind::Damaged, self.location.reading(name))
                .because(format!("it has {} bytes", bytes.len()))
        })
    }
}

impl Store for MemoryStore {
    fn location(&self) -> &Location {
        &self.location
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        self.read(name, |bytes| {
            (bytes.len() as u64 <= len_max).then(|| into.extend_from_slice(bytes))
        })
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        self.read(name, |bytes| {
            let start = usize::try_from(range.start).ok()?;
            let end = usize::try_from(range.end).ok()?;
            bytes.get(start..end).map(<[u8]>::to_vec)
        })
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        self.objects().insert(name.clone(), payload.to_vec());
        Ok(())
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        if !self.location.abilities.put_if_absent {
            return Ok(Placed::Cannot);
        }
        let mut objects = self.objects();
        let stored = objects
            .entry(name.clone())
            .or_insert_with(|| payload.to_vec());
        Ok(if stored[..] == payload[..] {
            Placed::Mine
        } else {
            Placed::Taken
        })
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        // Collected first: `each` may call this store again.
        let listed: Vec<Listed> = self
            .objects()
            .iter()
            .filter(|(name, _)| name.folder() == folder)
            .map(|(name, bytes)| Listed {
                name: name.clone(),
                len: bytes.len() as u64,
            })
            .collect();
        listed.into_iter().try_for_each(each)?;
        Ok(0)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        if !self.location.abilities.delete {
            return Err(Error::new(Kind::Refused, self.location.deleting(name)));
        }
        self.objects().remove(name);
        Ok(())
    }
}
