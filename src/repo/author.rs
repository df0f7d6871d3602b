//! Who writes: this device as one repository knows it, and what it remembers of its mirrors.
//!
//! A number of the chain is remembered durably before its entry is put anywhere, so that none is used twice: not after a
//! crash, not while the mirror that has the last entry is away, and not when a damaged slot hides it.

use crate::crypto::hash;
use crate::device::Device;
use crate::device::memory::{Memory, MirrorMemory, Observed, Seen};
use crate::error::{During, Result};
use crate::format::chain::{Entry, Head, What};
use crate::host::Timestamp;
use crate::id::Id;
use crate::repo::chain::Chains;
use crate::repo::heads::{self, Finding};
use crate::repo::mirrors::Mirror;
use crate::repo::{Repo, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For so long, in seconds, a remove that no look shows is remembered: a mirror that is away for years may be the only one to
/// show it.
const UNSEEN: i64 = 10 * 366 * 86_400;
/// So many seconds may the clocks of two devices differ. A remove that is dated later was not made then.
const CLOCKS_DIFFER: i64 = 86_400;

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

    /// What `device` remembers of `repo`. Its lock is held for as long as this lives.
    ///
    /// # Errors
    /// `Damaged` when the memory fails its check.
    pub fn of_device(device: &Arc<Device>, repo: &Repo, started_ns: u64) -> Result<Self> {
        let writer = Writer {
            device: *device.id(),
            started_ns,
        };
        let keys = Arc::clone(repo.keys());
        let check = move |bytes: &[u8]| *hash::keyed(keys.cache(), bytes).as_bytes();
        let memory = device.memory(&check)?;
        let device = Arc::clone(device);
        let keep = Box::new(move |memory: &Memory| device.remember(memory, &check));
        Ok(Self::new(writer, memory, keep))
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

    /// This device's next entry. Its number is higher than any that was ever given away.
    ///
    /// # Errors
    /// `Rollback` when the chain has forked.
    pub fn entry(&self, repo: &Repo, chains: &Chains, stamp: Stamp, what: What) -> Result<Entry> {
        let device = self.writer.device;
        let head = chains.head(&device)?;
        let last = self.last(chains, head);
        Ok(Entry {
            repo: *repo.id().as_bytes(),
            device,
            seq: last.map_or(0, |(_, seq)| seq + 1),
            prev: last.map(|(id, _)| id),
            heads: chains.other_heads(&device),
            acked: self.acked(),
            time: stamp.time,
            zone: stamp.zone,
            host: stamp.host,
            user: stamp.user,
            program: concat!("heirloom ", env!("CARGO_PKG_VERSION")).to_owned(),
            what,
            unknown: 0,
        })
    }

    /// The entry to follow: the newest visible one, or the one made last if it lies there and nothing shows it, or if
    /// nothing else is left. The number of one that never came to lie anywhere is passed over.
    fn last(&self, chains: &Chains, head: Option<(Id, u64)>) -> Option<(Id, u64)> {
        let own = self.memory().own;
        match (own, head) {
            (Some(own), Some((id, seq))) if own.seq > seq => {
                let id = if chains.entry(&own.entry).is_some() {
                    own.entry
                } else {
                    id
                };
                Some((id, own.seq))
            }
            (Some(own), None) => Some((own.entry, own.seq)),
            _ => head,
        }
    }

    /// Of each mirror, the newest entry of this device known to be visible there.
    fn acked(&self) -> Vec<([u8; 16], u64)> {
        let memory = self.memory();
        let own = |(id, mirror): (&[u8; 16], &MirrorMemory)| {
            let seen = mirror.heads.get(&self.writer.device)?;
            Some((*id, seen.seq))
        };
        memory.mirrors.iter().filter_map(own).collect()
    }

    /// What is wrong with the history that a mirror shows; `all` is what all mirrors show together.
    pub fn judge(&self, mirror: &[u8; 16], here: &Chains, all: &Chains) -> Vec<Finding> {
        heads::judge(mirror, self.memory().mirrors.get(mirror), here, all)
    }

    /// Remembers that what these findings miss on a mirror may be gone from there.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn accept(&self, mirror: &[u8; 16], findings: &[Finding]) -> Result<()> {
        let gone = findings.iter().filter_map(|finding| match finding {
            Finding::RolledBack { device, seq } => Some((*device, *seq)),
            Finding::Unlisted { .. } | Finding::Forked { .. } => None,
        });
        let gone: Vec<_> = gone.collect();
        if gone.is_empty() {
            return Ok(());
        }
        let mut memory = self.memory();
        memory.mirror(mirror).accepted.extend(gone);
        (self.keep)(&memory).during(|| "remember what may be gone".to_owned())
    }

    /// Remembers what a mirror shows, durably, in the place of what it showed before; `now` in seconds since 1970 if it has
    /// all that was saved.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn saw(
        &self,
        mirror: &Mirror,
        here: &Chains,
        marks: &BTreeSet<Id>,
        now: Option<i64>,
    ) -> Result<()> {
        let Some(record) = mirror.repo.mirror() else {
            return Ok(());
        };
        let mut memory = self.memory();
        memory.pins.entry(mirror.name.clone()).or_insert(record.id);
        let seen = memory.mirror(&record.id);
        let heads = here.heads().into_values();
        let seen_as = |head: Head| {
            let (seq, entry) = (head.seq, head.entry);
            (head.device, Seen { seq, entry })
        };
        seen.heads = heads.map(seen_as).collect();
        seen.marks.extend(marks);
        seen.current = now.or(seen.current);
        if let Some(now) = now {
            self.note_removals(&mut memory, here, now);
        }
        (self.keep)(&memory).during(|| "remember what the mirror shows".to_owned())
    }

    /// The id that the mirror of this name had when it was added.
    pub fn pinned(&self, name: &str) -> Option<[u8; 16]> {
        self.memory().pins.get(name).copied()
    }

    /// Remembers the id of the mirror of this name; `None` forgets it.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn pin(&self, name: &str, id: Option<[u8; 16]>) -> Result<()> {
        let mut memory = self.memory();
        if memory.pins.get(name).copied() == id {
            return Ok(());
        }
        match id {
            Some(id) => memory.pins.insert(name.to_owned(), id),
            None => memory.pins.remove(name),
        };
        (self.keep)(&memory).during(|| "remember the mirror".to_owned())
    }

    /// How long ago, by this device's clock, the mirror of this name last had everything this device had; nothing if it
    /// never was seen.
    pub fn age(&self, name: &str, now: i64) -> Option<Duration> {
        let memory = self.memory();
        let mirror = memory.mirrors.get(memory.pins.get(name)?)?;
        let seconds = now.checked_sub(mirror.current?)?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }

    /// Remembers which sessions have not ended on a mirror, each with the number of its newest intent, and since when each has
    /// had that number by this device's clock.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn observe(
        &self,
        mirror: &[u8; 16],
        open: &BTreeMap<[u8; 16], u32>,
        now: i64,
    ) -> Result<BTreeMap<[u8; 16], i64>> {
        let mut memory = self.memory();
        let seen = memory.mirror(mirror);
        let observed = open.iter().map(|(session, number)| {
            let before = seen.observed.get(session);
            let same = before.filter(|before| before.number == *number && before.since <= now);
            let since = same.map_or(now, |before| before.since);
            let number = *number;
            (*session, Observed { number, since })
        });
        let observed: BTreeMap<_, _> = observed.collect();
        let since = observed
            .iter()
            .map(|(session, seen)| (*session, seen.since))
            .collect();
        if seen.observed != observed {
            seen.observed = observed;
            (self.keep)(&memory).during(|| "remember who is at work there".to_owned())?;
        }
        Ok(since)
    }

    /// Of each removed snapshot that may be purged, since when it is known to be removed, in seconds since 1970 by this
    /// device's clock. What a remove says of when it was made is not believed, be it in this device's name: else who has the
    /// keys, and dates a remove back, would leave no time to take it back.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn removed_since(&self, chains: &Chains, now: i64) -> Result<BTreeMap<Id, i64>> {
        let mut memory = self.memory();
        let before = memory.removals.clone();
        let since = self.note_removals(&mut memory, chains, now);
        if memory.removals != before {
            (self.keep)(&memory).during(|| "remember what was removed".to_owned())?;
        }
        Ok(since)
    }

    fn note_removals(&self, memory: &mut Memory, chains: &Chains, now: i64) -> BTreeMap<Id, i64> {
        let removed = chains.purgeable();
        // Of what has gone for good nothing is remembered.
        let lies_there = |(id, _): &(&Id, &Id)| chains.entry(id).is_some();
        let here = removed.iter().filter(lies_there).map(|(_, by)| by);
        let here: BTreeSet<&Id> = here.collect();
        memory.removals.retain(|by, seen| {
            *seen <= now && (here.contains(by) || now.saturating_sub(*seen) < UNSEEN)
        });
        let mut since = BTreeMap::new();
        for (id, by) in &removed {
            let Some(remove) = chains.entry(by) else {
                continue;
            };
            let said = remove.time.seconds;
            let seen = match here.contains(by) {
                true => *memory.removals.entry(*by).or_insert(now),
                false => said,
            };
            let is_likely = said <= seen.saturating_add(CLOCKS_DIFFER);
            since.insert(*id, if is_likely { said.max(seen) } else { seen });
        }
        since
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
