//! What a location can really do, tried out below `tmp/` before a mirror is trusted with it.
//!
//! A trial can refute and never prove: one server passed 25 races of eight writers without a fault and failed 15 of 25
//! after its next start. So what a store does not claim is not tried, and what it claims holds until a trial speaks
//! against it.

mod races;

use crate::error::{Kind, Result};
use crate::format::facts::{Fact, Facts};
use crate::host::Host;
use crate::limits::MIB;
use crate::name::{Folder, Name};
use crate::store::{Listed, Payload, Store};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Small objects of a whole trial and of a quick one.
const SMALL: (usize, usize) = (32, 4);
const SMALL_BYTES: usize = 4096;
/// One more than packs ever are large.
const LARGE_BYTES: usize = 40 * MIB;
/// Read back in pieces: the object itself is in memory already.
const PIECE_BYTES: usize = 8 * MIB;
const DAY: i64 = 24 * 3600;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Nothing speaks against it that one writer of many wins a new name and the others are told.
    pub put_if_absent: bool,
    /// What speaks against it: none where the store itself says that it cannot.
    pub against: Option<String>,
    /// Races of eight writers that were run.
    pub rounds: u32,
    /// What was put can be read at once, as it was put.
    pub read_after_write: bool,
    /// What was put is listed at once, with its length.
    pub list_after_write: bool,
    /// What was deleted is not listed any more.
    pub list_after_delete: bool,
    /// Parts of objects come back exactly, and past the end nothing does.
    pub ranges: bool,
    /// Objects can be deleted.
    pub delete: bool,
    /// That was tried: not where the store says itself that nothing is deleted there.
    pub delete_tried: bool,
    /// Objects of the trial that could not be deleted, or were not to be.
    pub left: u64,
    /// How long a small read takes, in the middle of all that were made.
    pub latency: Duration,
    /// Bytes a second of one large object; `None` after a quick trial, or where time stood still.
    pub upload: Option<u64>,
    /// The same on its way back.
    pub download: Option<u64>,
    /// Why an object of 40 MiB is not taken or does not come back; `None` also after a quick trial.
    pub large: Option<String>,
    /// Files among the temporary ones that are not ours.
    pub strangers: u64,
}

impl Probe {
    /// What the marker records: whether put-if-absent has one winner there, and the rest.
    pub fn facts(&self) -> (bool, Facts) {
        let mut facts = Facts::new();
        // What one device does not try says nothing of others.
        if self.delete_tried {
            facts.insert("delete".to_owned(), Fact::Bool(self.delete));
        }
        facts.insert("range".to_owned(), Fact::Bool(self.ranges));
        (self.put_if_absent, facts)
    }
}

/// Tries the store out and cleans up. A quick trial makes a few small objects and the two writes to one name, and no
/// races; it measures no rates. Where the store deletes nothing no delete is tried: then a whole trial is as small as a quick
/// one but for its races, and what it made stays until a machine that deletes there tries the place out.
///
/// # Errors
/// Those of a store that is unreachable or takes nothing at all. What it answers wrongly is no error but found.
pub fn probe(store: &dyn Store, host: &dyn Host, quick: bool) -> Result<Probe> {
    let trial = Trial {
        store,
        host,
        day: host.now().seconds.div_euclid(DAY),
        made: Mutex::default(),
    };
    trial.clear_old()?;
    let mut found = Probe::default();
    let tried = trial.run(&mut found, quick);
    let cleaned = trial.clean(&mut found);
    tried?;
    cleaned?;
    Ok(found)
}

struct Trial<'a> {
    store: &'a dyn Store,
    host: &'a dyn Host,
    day: i64,
    made: Mutex<Vec<Name>>,
}

impl Trial<'_> {
    fn run(&self, found: &mut Probe, quick: bool) -> Result<()> {
        let few = quick || !self.deletes();
        self.small(found, if few { SMALL.1 } else { SMALL.0 })?;
        self.slots(found, quick)?;
        if !few {
            self.large(found)?;
        }
        Ok(())
    }

    fn deletes(&self) -> bool {
        self.store.location().abilities.delete
    }

    /// A new name below `tmp/`, and the day in it: what a trial leaves that was killed goes with one of the next days.
    fn name(&self) -> Name {
        let mut random = [0; 8];
        self.host.random(&mut random);
        let random = u64::from_le_bytes(random);
        let leaf = format!("probe-{}-x{random:016x}", self.day.max(0));
        let name = Name::new(Folder::Tmp, &leaf).expect("digits, letters and dashes");
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push(name.clone());
        name
    }

    fn noise(&self, len: usize) -> Payload {
        let mut bytes = vec![0; len];
        self.host.random(&mut bytes);
        Payload::new(bytes)
    }

    fn clear_old(&self) -> Result<()> {
        if !self.deletes() {
            return Ok(());
        }
        let mut old = Vec::new();
        self.store
            .list(Folder::Tmp, &mut |listed| {
                let mut parts = listed.name.leaf().split('-');
                let day =
                    (parts.next() == Some("probe")).then(|| parts.next()?.parse::<i64>().ok());
                if day.flatten().is_some_and(|day| day < self.day - 1) {
                    old.push(listed.name);
                }
                Ok(())
            })
            .map(drop)
            // Nothing is there yet where a repository is about to be made.
            .or_else(|error| {
                if error.kind() == Kind::NoRepository {
                    Ok(())
                } else {
                    Err(error)
                }
            })?;
        for name in old {
            // Whether deleting works is found out later.
            let _ = self.store.delete(&name);
        }
        Ok(())
    }

    fn small(&self, found: &mut Probe, count: usize) -> Result<()> {
        let mut objects = Vec::new();
        for _ in 0..count {
            let (name, payload) = (self.name(), self.noise(SMALL_BYTES));
            self.store.put(&name, &payload)?;
            objects.push((name, payload));
        }
        let mut times = Vec::new();
        found.read_after_write = true;
        found.ranges = self.store.location().abilities.ranges;
        for (name, payload) in &objects {
            let begun = self.host.elapsed();
            let read = answered(self.store.get(name, SMALL_BYTES as u64))?;
            times.push(self.host.elapsed().saturating_sub(begun));
            found.read_after_write &= read.is_some_and(|bytes| bytes[..] == payload[..]);
        }
        times.sort_unstable();
        found.latency = times[times.len() / 2];
        // Ranges are a matter of the server, not of the object: a few tell as much as all.
        for (name, payload) in objects.iter().take(SMALL.1) {
            found.ranges = found.ranges && self.ranges(name, payload)?;
        }
        let (listed, strangers) = self.list()?;
        found.strangers = strangers;
        let is_listed =
            |(name, payload): &(Name, Payload)| listed.get(name) == Some(&(payload.len() as u64));
        found.list_after_write = objects.iter().all(is_listed);
        found.delete_tried = self.deletes();
        if !found.delete_tried {
            return Ok(());
        }
        found.delete = true;
        for (name, _) in &objects {
            found.delete &= answered(self.store.delete(name))?.is_some();
        }
        let (listed, _) = self.list()?;
        found.list_after_delete =
            found.delete && objects.iter().all(|(name, _)| !listed.contains_key(name));
        Ok(())
    }

    fn ranges(&self, name: &Name, payload: &Payload) -> Result<bool> {
        let len = payload.len();
        for range in [0..1, 0..len, len / 2..len / 2 + 100, len - 1..len] {
            let asked = range.start as u64..range.end as u64;
            let got = answered(self.store.get_range(name, asked))?;
            if got.is_none_or(|bytes| bytes[..] != payload[range]) {
                return Ok(false);
            }
        }
        for past in [len - 1..len + 1, len..len + 1, 2 * len..2 * len + 1] {
            let asked = past.start as u64..past.end as u64;
            if answered(self.store.get_range(name, asked))?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn list(&self) -> Result<(BTreeMap<Name, u64>, u64)> {
        let mut listed = BTreeMap::new();
        let strangers = self.store.list(Folder::Tmp, &mut |Listed { name, len }| {
            listed.insert(name, len);
            Ok(())
        })?;
        Ok((listed, strangers))
    }

    fn large(&self, found: &mut Probe) -> Result<()> {
        let (name, payload) = (self.name(), self.noise(LARGE_BYTES));
        let begun = self.host.elapsed();
        if let Err(error) = self.store.put(&name, &payload) {
            if error.kind() == Kind::Unreachable {
                return Err(error);
            }
            found.large = Some(error.chain());
            return Ok(());
        }
        found.upload = rate(self.host.elapsed().saturating_sub(begun));
        let begun = self.host.elapsed();
        let whole = if found.ranges {
            self.pieces_are(&name, &payload)?
        } else {
            let bytes = answered(self.store.get(&name, LARGE_BYTES as u64))?;
            bytes.is_some_and(|bytes| bytes[..] == payload[..])
        };
        found.download = rate(self.host.elapsed().saturating_sub(begun));
        if !whole {
            found.large = Some("it does not come back as it was put".to_owned());
        }
        Ok(())
    }

    fn pieces_are(&self, name: &Name, payload: &Payload) -> Result<bool> {
        for (number, piece) in payload.chunks(PIECE_BYTES).enumerate() {
            let start = (number * PIECE_BYTES) as u64;
            let range = start..start + piece.len() as u64;
            let got = answered(self.store.get_range(name, range))?;
            if got.is_none_or(|bytes| bytes[..] != *piece) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn clean(&self, found: &mut Probe) -> Result<()> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.deletes() {
            found.left = made.len() as u64;
            return Ok(());
        }
        for name in made.iter() {
            match self.store.delete(name) {
                Err(error) if error.kind() == Kind::Unreachable => return Err(error),
                Err(_) => {
                    found.left += 1;
                    found.delete = false;
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// `None` where the store answered, and not with what was asked for. No answer at all stays an error.
fn answered<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == Kind::Unreachable => Err(error),
        Err(_) => Ok(None),
    }
}

fn rate(time: Duration) -> Option<u64> {
    let micros = time.as_micros();
    if micros == 0 {
        return None;
    }
    u64::try_from(LARGE_BYTES as u128 * 1_000_000 / micros).ok()
}

#[cfg(test)]
mod tests;
