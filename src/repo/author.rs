//! Who writes: this device as one repository knows it, and what it remembers of its mirrors.
//!
//! A number of the chain is remembered durably before its entry is put anywhere, so that none is used twice: not after a
//! crash, not while the mirror that has the last entry is away, and not when a damaged slot hides it.

use crate::device::memory::{Memory, Seen};
use crate::error::{During, Result};
use crate::format::chain::{Entry, What};
use crate::host::Timestamp;
use crate::id::Id;
use crate::repo::chain::Chains;
use crate::repo::{Repo, Writer};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// When, where and by whom an entry is made.
#[derive(Clone, Debug, Default)]
pub struct Stamp {
    /// The moment.
    pub time: Timestamp,
    /// Minutes east of UTC.
    pub zone: i32,
    /// The machine's name.
    pub host: String,
    /// The user's name.
    pub user: String,
}

/// Makes a memory durable.
pub type Keep = Box<dyn Fn(&Memory) -> Result<()> + Send + Sync>;

/// This device while it writes.
pub struct Author {
    writer: Writer,
    memory: Mutex<Memory>,
    keep: Keep,
}

impl Author {
    /// Begins with what is remembered; `keep` makes what is added durable.
    pub fn new(writer: Writer, memory: Memory, keep: Keep) -> Self {
        let memory = Mutex::new(memory);
        Self {
            writer,
            memory,
            keep,
        }
    }

    /// One that remembers for as long as it lives.
    pub fn forgetful(writer: Writer) -> Self {
        Self::new(writer, Memory::default(), Box::new(|_| Ok(())))
    }

    /// What goes into every salt.
    pub fn writer(&self) -> Writer {
        self.writer
    }

    /// This device's id.
    pub fn device(&self) -> [u8; 16] {
        self.writer.device
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This device's next entry. Its predecessor is the newest visible one; its number is higher than any that was ever
    /// given away.
    ///
    /// # Errors
    /// `Rollback` when the chain has forked.
    pub fn entry(&self, repo: &Repo, chains: &Chains, stamp: Stamp, what: What) -> Result<Entry> {
        let device = self.writer.device;
        let head = chains.head(&device)?;
        let own = self.memory().own.map(|own| own.seq);
        let newest = own.max(head.map(|(_, seq)| seq));
        Ok(Entry {
            repo: *repo.id().as_bytes(),
            device,
            seq: newest.map_or(0, |seq| seq + 1),
            prev: head.map(|(id, _)| id),
            heads: chains.other_heads(&device),
            acked: Vec::new(),
            time: stamp.time,
            zone: stamp.zone,
            host: stamp.host,
            user: stamp.user,
            program: concat!("heirloom ", env!("CARGO_PKG_VERSION")).to_owned(),
            what,
            unknown: 0,
        })
    }

    /// Gives the number away, durably. Call it before the entry is put anywhere.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn made(&self, seq: u64, entry: Id) -> Result<()> {
        let mut memory = self.memory();
        memory.own = Some(Seen { seq, entry });
        (self.keep)(&memory).during(|| "remember the number of the next entry".to_owned())
    }
}
