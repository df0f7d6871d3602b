//! Packs, each read once for everything: its name, its box, its blocks, its blobs, and whether the index says of it
//! what its directory says.

use crate::compress::Expander;
use crate::crypto::hash;
use crate::error::{During, Error, Kind, Result};
use crate::format::block::check_blobs;
use crate::format::directory::{BlockRow, Codec, Directory};
use crate::format::header::BoxHeader;
use crate::format::pack::reader::PackReader;
use crate::id::Id;
use crate::limits::{MIB, PACK_BYTES_MAX, PAGE};
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::ops::credits::Credits;
use crate::ops::verify::trees::Bad;
use crate::ops::verify::{Damage, Level, Options, Report, unsteady};
use crate::repo::Repo;
use crate::repo::index::directories::pack_directory;
use crate::repo::index::row::directory_sum;
use crate::repo::ledger;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of packs held at once: two of ours, one of the largest there may be.
const HELD: usize = 64 * MIB;

/// What reading packs needs.
pub struct Packs<'a> {
    /// The repository.
    pub repo: &'a Arc<Repo>,
    /// Which packs to read, in this order, with their lengths.
    pub packs: Vec<(Id, u64)>,
    /// Whether the time for it is over.
    pub over: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// What the index says of them, see [`Index::sums`](crate::repo::index::Index::sums).
    pub sums: HashMap<Id, Vec<u64>>,
    /// How deeply.
    pub options: &'a Options,
    /// Who is told.
    pub monitor: &'a dyn Monitor,
}

#[derive(Default)]
struct Found {
    bytes: u64,
    blobs: u64,
    blob_bytes: u64,
    /// The index says otherwise than its directory.
    disagrees: bool,
    /// What is wrong with the pack as a whole.
    wrong: Option<Error>,
    bad: Vec<[u8; 16]>,
    /// It was listed and is not there any more.
    gone: bool,
    /// Its bytes are those of its name, so that what is wrong is inside.
    named: bool,
    /// It was bad at the first reading and is good at the second.
    unsteady: bool,
}

impl Found {
    fn is_bad(&self) -> bool {
        let wrong = self.wrong.as_ref();
        wrong.is_some_and(|error| error.kind() == Kind::Damaged) || !self.bad.is_empty()
    }
}

struct Tools {
    expander: Expander,
    raw: Vec<u8>,
    pack: Vec<u8>,
}

impl Packs<'_> {
    /// Reads them.
    ///
    /// # Errors
    /// `Interrupted`, and those of the store. Damage goes to `report` and `bad`.
    pub fn run(&self, report: &mut Report, bad: &mut Bad) -> Result<()> {
        let next = AtomicUsize::new(0);
        let credits = Credits::new(HELD);
        let results = Mutex::new((report, bad));
        let work = || {
            let mut tools = Tools {
                expander: Expander::new(),
                raw: Vec::new(),
                pack: Vec::new(),
            };
            while let Some((id, len)) = self.packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.monitor.interrupted() {
                    return Err(Error::new(Kind::Interrupted, "interrupted"));
                }
                if self.over.is_some_and(|over| over()) {
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.0.unread += 1;
                    continue;
                }
                let taken = credits.take(usize::try_from(*len).unwrap_or(HELD));
                let found = self.pack(id, *len, &mut tools);
                credits.give(taken);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                let (report, bad) = &mut *results;
                self.note(id, found?, report, bad);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.options.workers.max(1))
                .map(|_| scope.spawn(work))
                .collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Err(Error::new(
                        Kind::Other,
                        "a thread that reads packs panicked: this is a bug",
                    ))
                })
            })
        })
    }

    fn note(&self, id: &Id, found: Found, report: &mut Report, bad: &mut Bad) {
        if found.gone {
            bad.gone.insert(*id);
            return;
        }
        if found.unsteady {
            let name = Name::hashed(Folder::Packs, &id.to_hex());
            unsteady(self.repo, name, report, self.monitor);
        }
        report.objects += 1;
        report.packs += 1;
        report.bytes += found.bytes;
        report.blobs += found.blobs;
        report.blob_bytes += found.blob_bytes;
        bad.blobs.extend(found.bad.iter().map(|blob| (*id, *blob)));
        let name = Name::hashed(Folder::Packs, &id.to_hex());
        if found.disagrees {
            // What the index says of it is asked of the pack itself, blob by blob.
            bad.packs.insert(*id);
            let what = format!("what the index says of {name} is not what its directory says");
            let error = Error::new(Kind::Damaged, what)
                .hint("the index can be made again: it is rebuilt from packs");
            self.monitor.problem(&error);
            report.damaged.push(Damage {
                name: name.clone(),
                what: error.chain(),
            });
        }
        let Some(error) = found.wrong else {
            report
                .good
                .extend(ledger::short(&name).filter(|_| !found.disagrees));
            return;
        };
        if error.kind() == Kind::TooNew {
            report.newer += 1;
            return;
        }
        bad.packs.insert(*id);
        if found.named {
            bad.spoilt.insert(*id);
        }
        let error = error.during(name.to_string());
        self.monitor.problem(&error);
        report.damaged.push(Damage {
            name,
            what: error.chain(),
        });
    }

    /// Reads a pack, and once more if it seems bad: it may be the reading that is.
    fn pack(&self, id: &Id, len: u64, tools: &mut Tools) -> Result<Found> {
        let first = self.read(id, len, tools)?;
        if !first.is_bad() {
            return Ok(first);
        }
        let again = self.read(id, len, tools)?;
        Ok(Found {
            unsteady: !again.is_bad() && !again.gone,
            ..again
        })
    }

    fn read(&self, id: &Id, len: u64, tools: &mut Tools) -> Result<Found> {
        let mut found = Found::default();
        let checked = match self.options.level {
            Level::Structure => pack_directory(self.repo, id, len).map(|(_, directory)| {
                found.blobs = directory.ids.len() as u64;
                self.compare(id, &directory, &mut found);
            }),
            Level::Stored => self.stored(id, len, tools, &mut found),
            Level::Content => self.content(id, len, tools, &mut found),
        };
        match checked {
            Ok(()) => {}
            Err(error) if error.kind() == Kind::NotFound => found.gone = true,
            Err(error) if error.costs_one_object() => {
                found.wrong = Some(error);
            }
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    fn stored(&self, id: &Id, len: u64, tools: &mut Tools, found: &mut Found) -> Result<()> {
        let name = Name::hashed(Folder::Packs, &id.to_hex());
        let store = self.repo.store();
        let read = store.get_into(&name, PACK_BYTES_MAX, &mut tools.pack);
        read.during(|| "it cannot be read")?;
        found.bytes = tools.pack.len() as u64;
        self.monitor.count(Counter::Bytes, found.bytes);
        if found.bytes != len {
            return Err(Error::new(
                Kind::Damaged,
                "its length changed while it was being read",
            ));
        }
        if hash::object_id(&tools.pack) != *id {
            // A version of the future keeps its number in the same place: newer is not damaged.
            if let Err(error) = BoxHeader::decode(tools.pack.get(..PAGE).unwrap_or_default())
                && error.kind() == Kind::TooNew
            {
                return Err(error);
            }
            return Err(Error::new(Kind::Damaged, "its bytes do not match its name"));
        }
        found.named = true;
        Ok(())
    }

    fn content(&self, id: &Id, len: u64, tools: &mut Tools, found: &mut Found) -> Result<()> {
        let named = self.stored(id, len, tools, found);
        let is_judged = |error: &Error| error.kind() == Kind::Damaged && found.bytes > 0;
        if named.as_ref().is_err_and(|error| !is_judged(error)) {
            return named;
        }
        let bytes = std::mem::take(&mut tools.pack);
        let reader = PackReader::open(self.repo.opener(), bytes)?;
        let directory = reader
            .directory()
            .map_err(|error| Error::new(error.kind(), error.chain()))?;
        let mut wrong = named.err();
        for (number, (place, row)) in directory.places().enumerate() {
            let ids = directory.ids.get(place.blobs.clone()).unwrap_or_default();
            let lens = directory.lens.get(place.blobs.clone()).unwrap_or_default();
            found.blobs += ids.len() as u64;
            found.blob_bytes += u64::from(row.raw_len);
            let lost = match reader.block(number) {
                Ok(stored) => self.block(stored, row, ids, lens, tools),
                Err(_) => None,
            };
            match lost {
                Some(lost) if lost.is_empty() => {}
                lost => {
                    let all = || (0..ids.len()).collect();
                    let lost = lost.unwrap_or_else(all);
                    found
                        .bad
                        .extend(lost.iter().filter_map(|at| ids.get(*at)).map(Id::prefix));
                    wrong.get_or_insert_with(|| {
                        Error::new(Kind::Damaged, "a block in it is damaged")
                    });
                }
            }
        }
        self.compare(id, directory, found);
        tools.pack = reader.into_buffer();
        wrong.map_or(Ok(()), Err)
    }

    /// The blobs of a block that are not what their ids say; `None` if the block does not expand.
    fn block(
        &self,
        stored: &[u8],
        row: &BlockRow,
        ids: &[Id],
        lens: &[u32],
        tools: &mut Tools,
    ) -> Option<Vec<usize>> {
        let raw = match row.codec {
            Codec::Stored => stored,
            Codec::Zstd => {
                tools
                    .expander
                    .expand(stored, row.raw_len as usize, &mut tools.raw)?;
                &tools.raw
            }
        };
        Some(check_blobs(self.repo.keys(), row.kind, raw, ids, lens))
    }

    /// Notes whether every table that knows this pack says of it what its directory says.
    fn compare(&self, id: &Id, directory: &Directory, found: &mut Found) {
        let sum = directory_sum(directory);
        let said = self.sums.get(id);
        found.disagrees = !said.is_some_and(|said| said.iter().all(|other| *other == sum));
    }
}
