//! A store: the objects at one location, by name. It sees bytes and knows neither keys nor formats.

pub mod access;
pub mod address;
#[cfg(feature = "remote")]
mod answer;
pub mod append_only;
#[cfg(feature = "remote")]
pub mod bucket;
pub mod calls;
#[cfg(feature = "remote")]
mod child;
pub mod faulty;
pub mod folder;
pub mod memory;
pub mod open;
pub mod place;
#[cfg(feature = "remote")]
pub mod rclone;
pub mod retry;
#[cfg(feature = "remote")]
mod runtime;
#[cfg(feature = "remote")]
pub mod sftp;
pub mod throttle;
#[cfg(feature = "remote")]
mod tls;
#[cfg(feature = "remote")]
pub mod webdav;
#[cfg(feature = "remote")]
mod wire;

use crate::error::{Error, Result};
use crate::name::{Folder, Name};
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Shared bytes of one object: every mirror and every attempt sends the same ones.
#[derive(Clone, Debug)]
pub struct Payload(Arc<Vec<u8>>);

impl Payload {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }

    /// Gives the buffer back once nobody else holds it.
    pub fn into_buffer(self) -> Option<Vec<u8>> {
        Arc::into_inner(self.0)
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// What a location is able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Of many writers of one name exactly one wins and every other is told.
    pub put_if_absent: bool,
    /// Objects can be deleted.
    pub delete: bool,
    /// Part of an object can be read.
    pub ranges: bool,
}

/// Where a store is, as people write it, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// `/media/usb/heirloom`.
    pub address: String,
    /// What it can do.
    pub abilities: Abilities,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl Location {
    /// Whether this is a folder on this machine, where reading costs nothing.
    pub fn is_near(&self) -> bool {
        !self.address.contains("://") && !self.address.starts_with("rclone:")
    }

    /// `read pack 3f9ac2e1 from /media/usb/heirloom`: what an error there was about.
    pub fn reading(&self, name: &Name) -> String {
        format!("read {name} from {self}")
    }

    /// `write pack 3f9ac2e1 to /media/usb/heirloom`.
    pub fn writing(&self, name: &Name) -> String {
        format!("write {name} to {self}")
    }

    /// `delete pack 3f9ac2e1 from /media/usb/heirloom`.
    pub fn deleting(&self, name: &Name) -> String {
        format!("delete {name} from {self}")
    }

    /// `list packs on /media/usb/heirloom`.
    pub fn listing(&self, folder: Folder) -> String {
        match folder.path() {
            "" => format!("list the top of {self}"),
            path => format!("list {path} on {self}"),
        }
    }
}

/// One object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Name,
    /// Its length in bytes.
    pub len: u64,
}

/// What became of a `put_if_absent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// These bytes stand there now, and this call placed them.
    Mine,
    /// Another writer was first; its bytes stay.
    Taken,
    /// This location is unable to decide, and nothing was written.
    Cannot,
}

/// The objects at one location, by name.
pub trait Store: Send + Sync {
    /// Where this is.
    fn location(&self) -> &Location;
    /// The whole object; more than `len_max` bytes are [`Damaged`](crate::error::Kind::Damaged), an absent one is
    /// [`NotFound`](crate::error::Kind::NotFound).
    fn get(&self, name: &Name, len_max: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.get_into(name, len_max, &mut bytes)?;
        Ok(bytes)
    }
    /// As [`Store::get`], in a buffer that has served before: a verify that allocates each pack anew keeps several in the
    /// allocator's hands.
    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()>;
    /// Exactly the bytes of `range`; an object that ends before is `Damaged`.
    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>>;
    /// Durable on return, whole or not at all. What stood under that name is replaced in one step.
    fn put(&self, name: &Name, payload: &Payload) -> Result<()>;
    /// Like `put`, but never replaces. Of many writers at once exactly one is told `Mine`; to find one's own bytes there
    /// is `Mine` too, since an earlier answer may have been lost.
    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed>;
    /// Every object of a folder whose put was acknowledged, in no order. Strangers are not passed on; their number is
    /// returned.
    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64>;
    /// Done already is done.
    fn delete(&self, name: &Name) -> Result<()>;
    /// The single stores behind this one, nearest first, where it reads from several; nothing otherwise. What turns out
    /// to be damaged when it is opened can so be asked for again, of each.
    fn copies(&self) -> Vec<Arc<dyn Store>> {
        Vec::new()
    }

    /// Who of several does not answer any more, as the error that says so. What they alone have seems absent since.
    fn silent(&self) -> Option<Error> {
        None
    }

    /// Removes what this device left half done when it was interrupted; what a running process still writes may stay.
    fn sweep(&self) -> Result<()> {
        Ok(())
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn location(&self) -> &Location {
        (**self).location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        (**self).get_into(name, len_max, into)
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        (**self).get_range(name, range)
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        (**self).put(name, payload)
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        (**self).put_if_absent(name, payload)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        (**self).list(folder, each)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        (**self).delete(name)
    }

    fn copies(&self) -> Vec<Arc<dyn Store>> {
        (**self).copies()
    }

    fn silent(&self) -> Option<Error> {
        (**self).silent()
    }

    fn sweep(&self) -> Result<()> {
        (**self).sweep()
    }
}
