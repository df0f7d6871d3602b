//! The parity of one mirror: what brings its packs and entries back without another mirror and without a key.
//!
//! It is made of whole objects only, and what it gives back counts only if it hashes to the name. So whoever writes,
//! replaces or removes it can do no harm to what it belongs to.

use crate::error::{Error, Kind, Result};
use crate::format::parity::{self, Repair, Shape};
use crate::id::Id;
use crate::limits::{MIB, PAGE};
use crate::mirror::scrub::bytes_max;
use crate::mirror::set::check_name;
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::store::{Listed, Payload, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Percent where nobody says, on mirrors that have any.
pub const PERCENT: u8 = 5;
/// Threads that write parity, each with one object and its parity in memory.
const WRITERS: usize = 2;
/// What is read at once of an object that cannot be read in one piece.
const PIECE: u64 = MIB as u64;

/// What has parity.
const FOLDERS: [Folder; 2] = [Folder::Packs, Folder::Entries];

/// The parity of an object; nothing for one that has none. Whoever deletes the object deletes its parity.
pub fn name_of(object: &Name) -> Option<Name> {
    let has = FOLDERS.contains(&object.folder());
    has.then(|| Name::hashed(Folder::Parity, object.leaf()))
}

/// What the parity of this name may belong to: only one of the two can be there.
pub fn objects_of(parity: &Name) -> [Name; 2] {
    FOLDERS.map(|folder| Name::hashed(folder, parity.leaf()))
}

/// What was done for the parity of one mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// Parity objects written.
    pub written: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Parity objects removed.
    pub removed: u64,
}

impl Brought {
    /// Whether nothing was to be done.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a mirror has of objects and of parity.
pub struct Seen {
    objects: BTreeMap<Name, u64>,
    parity: BTreeMap<Name, u64>,
}

impl Seen {
    /// Lists the mirror.
    ///
    /// # Errors
    /// Those of the store.
    pub fn read(store: &dyn Store) -> Result<Self> {
        let mut listed = Vec::new();
        // Parity first: an object is put before its parity, so that none that has just come seems to belong to nothing.
        for folder in [Folder::Parity].into_iter().chain(FOLDERS) {
            store.list(folder, &mut |one| {
                listed.push(one);
                Ok(())
            })?;
        }
        Ok(Self::of(&listed))
    }

    /// The same of what was listed.
    pub fn of(listed: &[Listed]) -> Self {
        let all = listed.iter().map(|one| (one.name.clone(), one.len));
        let (parity, others): (Vec<_>, Vec<_>) =
            all.partition(|(name, _)| name.folder() == Folder::Parity);
        let objects = others.into_iter();
        let objects = objects.filter(|(name, _)| FOLDERS.contains(&name.folder()));
        Self {
            objects: objects.collect(),
            parity: parity.into_iter().collect(),
        }
    }

    /// Objects without parity of so many percent. One that no pack or entry is like has none and lacks none.
    pub fn lacking(&self, percent: u8) -> Vec<Name> {
        let lacks = |(name, len): (&Name, &u64)| {
            let wanted = Shape::of(*len, percent)?.file_len();
            let found = name_of(name).and_then(|name| self.parity.get(&name).copied());
            (found != Some(wanted)).then(|| name.clone())
        };
        self.objects.iter().filter_map(lacks).collect()
    }

    /// Parity of objects that are not there.
    fn stray(&self) -> impl Iterator<Item = &Name> {
        let gone = |name: &&Name| {
            !objects_of(name)
                .iter()
                .any(|it| self.objects.contains_key(it))
        };
        self.parity.keys().filter(gone)
    }
}

/// Brings a mirror the parity of so many percent that it lacks, and removes what belongs to nothing: not to what is there,
/// and not to what should be and is `needed`. With 0 percent all of it goes.
///
/// # Errors
/// Those of the store, of `needed`, and `Interrupted`.
pub fn bring(
    store: &dyn Store,
    percent: u8,
    needed: &mut dyn FnMut() -> Result<BTreeSet<Name>>,
    monitor: &dyn Monitor,
) -> Result<Brought> {
    let seen = Seen::read(store)?;
    let mut brought = Brought::default();
    if percent > 0 {
        let lacking = seen.lacking(percent);
        brought = write(&[(store, percent)], &lacking, monitor)?;
    }
    let mut gone: Vec<&Name> = match percent {
        0 => seen.parity.keys().collect(),
        _ => seen.stray().collect(),
    };
    if gone.is_empty() || !store.location().abilities.delete {
        return Ok(brought);
    }
    if percent > 0 {
        let needed = needed()?;
        gone.retain(|name| !objects_of(name).iter().any(|it| needed.contains(it)));
    }
    for name in gone {
        match store.delete(name) {
            // Under a lock it stays, and is tried again by the next sync.
            Err(error) if error.kind() == Kind::Refused => {}
            other => {
                other?;
                brought.removed += 1;
            }
        }
    }
    Ok(brought)
}

/// Writes the parity of these objects to each of these stores at its percent. It is made once for all of them, from the
/// first that has the object whole; of one that nobody has whole none is made, and what stands there stays.
///
/// # Errors
/// Those of the stores, and `Interrupted`.
pub fn write(
    stores: &[(&dyn Store, u8)],
    objects: &[Name],
    monitor: &dyn Monitor,
) -> Result<Brought> {
    if objects.is_empty() || stores.is_empty() {
        return Ok(Brought::default());
    }
    let total = objects.len() as u64;
    monitor.phase("writing parity", Some((Counter::Objects, total)));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Brought::default()));
    let work = || {
        let mut buffer = Vec::new();
        while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
            if monitor.interrupted() {
                return Err(Error::new(Kind::Interrupted, "interrupted")
                    .hint("heirloom mirror sync writes the parity that is missing"));
            }
            let wrote = write_one(stores, object, &mut buffer, monitor)?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.written += wrote.written;
            done.bytes += wrote.bytes;
            monitor.count(Counter::Objects, 1);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS.min(objects.len()))
            .map(|_| scope.spawn(work))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| {
                let what = "a thread that writes parity panicked: this is a bug";
                Err(Error::new(Kind::Other, what))
            })
        })
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn write_one(
    stores: &[(&dyn Store, u8)],
    object: &Name,
    buffer: &mut Vec<u8>,
    monitor: &dyn Monitor,
) -> Result<Brought> {
    let mut brought = Brought::default();
    let Some((name, id)) = name_of(object).zip(Id::from_hex(object.leaf())) else {
        return Ok(brought);
    };
    let mut read = Ok(());
    for (store, _) in stores {
        read = store
            .get_into(object, bytes_max(object.folder()), buffer)
            .and_then(|()| check_name(*store, object, buffer));
        if !matches!(&read, Err(error) if error.is_about_the_object()) {
            break;
        }
    }
    match read {
        Ok(()) => {}
        // What is gone by now needs none; what is damaged is for heal.
        Err(error) if error.kind() == Kind::NotFound => return Ok(brought),
        Err(error) if error.is_about_the_object() => {
            monitor.problem(&error.hint("heirloom heal").during("write its parity"));
            return Ok(brought);
        }
        Err(error) => return Err(error),
    }
    let mut made = BTreeMap::<u8, Payload>::new();
    for (store, percent) in stores {
        let payload = match made.get(percent) {
            Some(payload) => payload.clone(),
            None => Payload::new(parity::encode(buffer, &id, *percent)?),
        };
        store.put(&name, &payload)?;
        brought.written += 1;
        brought.bytes += payload.len() as u64;
        made.insert(*percent, payload);
    }
    Ok(brought)
}

/// The object, put together from the parity at `keeper` and what is left of the object: `found`, then what each of the
/// `others` has of it.
///
/// # Errors
/// `Damaged` and `NotFound` where that is not enough; those of reading the parity.
pub fn rebuild(
    keeper: &dyn Store,
    object: &Name,
    found: Option<&[u8]>,
    others: &[&dyn Store],
) -> Result<Vec<u8>> {
    let none = || Error::new(Kind::NotFound, format!("{object} has no parity"));
    let (name, id) = name_of(object)
        .zip(Id::from_hex(object.leaf()))
        .ok_or_else(none)?;
    let parity = keeper.get(&name, bytes_max(Folder::Parity))?;
    let mut repair = Repair::new(&parity, &id)?;
    if let Some(found) = found {
        repair.take(found);
    }
    for other in others {
        pieces(*other, object, 0..repair.len(), &mut |piece| {
            repair.take(piece)
        });
    }
    repair.finish()
}

/// What can be read of an object that cannot be read whole: around a bad sector everything else is there. Nothing of one
/// that is not there.
fn pieces(store: &dyn Store, object: &Name, whole: Range<u64>, take: &mut dyn FnMut(&[u8])) {
    let mut open = vec![whole];
    while let Some(range) = open.pop() {
        let len = range.end - range.start;
        if len > PIECE {
            let middle = range.start + (len / 2).next_multiple_of(PAGE as u64);
            open.extend([middle..range.end, range.start..middle]);
            continue;
        }
        match store.get_range(object, range.clone()) {
            Ok(piece) => take(&piece),
            Err(error) if error.kind() != Kind::Damaged => return,
            Err(_) if len > PAGE as u64 => {
                let middle = range.start + (len / 2).next_multiple_of(PAGE as u64);
                open.extend([middle..range.end, range.start..middle]);
            }
            Err(_) => {}
        }
    }
}

/// Whether the parity of this name is whole, without a look at its object.
///
/// # Errors
/// `Damaged`, `TooNew`, and those of the store.
pub fn check(store: &dyn Store, name: &Name) -> Result<()> {
    let bytes = store.get(name, bytes_max(Folder::Parity))?;
    let id =
        Id::from_hex(name.leaf()).ok_or_else(|| Error::new(Kind::Damaged, "its name is no id"))?;
    parity::check(&bytes, &id).map(drop)
}
