//! A decorator that writes down every call: tests count requests with it and look at their order.

use crate::error::Result;
use crate::name::{Folder, Name};
use crate::store::{Listed, Location, Payload, Placed, Store};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The calls of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// A whole object was asked for.
    Get,
    /// Part of an object was asked for.
    GetRange,
    /// An object was put.
    Put,
    /// An object was put where none was to be.
    PutIfAbsent,
    /// A folder was listed.
    List,
    /// An object was deleted.
    Delete,
}

impl Call {
    /// Whether it may change what lies there.
    pub fn is_mutating(self) -> bool {
        matches!(self, Self::Put | Self::PutIfAbsent | Self::Delete)
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Which.
    pub call: Call,
    /// In which folder.
    pub folder: Folder,
    /// For which object; a listing has none.
    pub name: Option<Name>,
    /// Bytes sent, or bytes that came back: for a listing, the number of objects.
    pub amount: u64,
}

/// Passes everything on and keeps a log, failed calls included.
pub struct Counted<S> {
    inner: S,
    log: Mutex<Vec<Called>>,
}

impl<S: Store> Counted<S> {
    /// Begins with an empty log.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            log: Mutex::default(),
        }
    }

    /// What is decorated.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// All calls so far, in the order in which they ended.
    pub fn calls(&self) -> Vec<Called> {
        self.log().clone()
    }

    /// All calls so far; the log begins anew.
    pub fn take(&self) -> Vec<Called> {
        std::mem::take(&mut *self.log())
    }

    /// How often this was called.
    pub fn count(&self, call: Call) -> usize {
        self.log().iter().filter(|done| done.call == call).count()
    }

    fn log(&self) -> MutexGuard<'_, Vec<Called>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, call: Call, name: &Name, amount: usize) {
        self.log().push(Called {
            call,
            folder: name.folder(),
            name: Some(name.clone()),
            amount: amount as u64,
        });
    }
}

impl<S: Store> Store for Counted<S> {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let answer = self.inner.get_into(name, len_max, into);
        self.note(Call::Get, name, answer.as_ref().map_or(0, |()| into.len()));
        answer
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let answer = self.inner.get_range(name, range);
        self.note(Call::GetRange, name, answer.as_ref().map_or(0, Vec::len));
        answer
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let answer = self.inner.put(name, payload);
        self.note(Call::Put, name, payload.len());
        answer
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        let answer = self.inner.put_if_absent(name, payload);
        self.note(Call::PutIfAbsent, name, payload.len());
        answer
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let mut amount = 0;
        let answer = self.inner.list(folder, &mut |listed| {
            amount += 1;
            each(listed)
        });
        self.log().push(Called {
            call: Call::List,
            folder,
            name: None,
            amount,
        });
        answer
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let answer = self.inner.delete(name);
        self.note(Call::Delete, name, 0);
        answer
    }
    fn sweep(&self) -> Result<()> {
        self.inner.sweep()
    }
}
