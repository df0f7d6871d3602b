//! A decorator for a mirror on which this device deletes nothing, whatever it is asked to.
//!
//! Whoever takes over a device has its credentials too. Where these cannot delete, not even a try is made: a bucket that
//! counts refusals may lock the account, and a delete that succeeds by mistake is worse. Another machine, with a key of its
//! own for the bucket, prunes.

use crate::error::{Error, Kind, Result};
use crate::name::{Folder, Name};
use crate::store::{Listed, Location, Payload, Placed, Store};
use std::ops::Range;
use std::sync::Arc;

/// Passes everything on but deletes, which are refused before they reach the place.
pub struct AppendOnly<S> {
    inner: S,
    location: Location,
}

impl<S: Store> AppendOnly<S> {
    /// Over a store that may be able to delete.
    pub fn new(inner: S) -> Self {
        let mut location = inner.location().clone();
        location.abilities.delete = false;
        Self { inner, location }
    }
}

impl<S: Store> Store for AppendOnly<S> {
    fn location(&self) -> &Location {
        &self.location
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        self.inner.get_into(name, len_max, into)
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        self.inner.get_range(name, range)
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        self.inner.put(name, payload)
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        self.inner.put_if_absent(name, payload)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        self.inner.list(folder, each)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        Err(Error::new(Kind::Refused, self.location.deleting(name))
            .because("heirloom.toml has it append_only")
            .hint("a machine that has it without append_only deletes there"))
    }

    fn copies(&self) -> Vec<Arc<dyn Store>> {
        self.inner.copies()
    }

    /// Half-written files of a folder are no objects, and go; elsewhere the store clears them while it writes, or leaves
    /// none, and what else lies there would have to be deleted.
    fn sweep(&self) -> Result<()> {
        match self.location.is_near() {
            true => self.inner.sweep(),
            false => Ok(()),
        }
    }
}
