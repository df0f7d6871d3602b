//! Reads objects back and compares them with their names. Nobody needs a key for that: packs, index runs, entries,
//! marks, key slots and ledger records are named by the hash of their bytes, and every other box carries a checksum
//! over its header; parity carries several.

use crate::crypto::hash;
use crate::error::{During, Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::header::BoxHeader;
use crate::limits::{PAGE, PARITY_BYTES_MAX, TEXT_BYTES_MAX};
use crate::mirror::parity;
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::store::{Listed, Store};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was found.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// Objects read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that are not what their name says, and why.
    pub damaged: Vec<(Name, Error)>,
    /// Objects that were bad at one reading and good at the next.
    pub unsteady: Vec<Name>,
    /// Objects of a newer version; nothing is wrong with them.
    pub newer: u64,
    /// Files that are not ours.
    pub strangers: u64,
}

/// The most bytes an object of this folder may have.
pub fn bytes_max(folder: Folder) -> u64 {
    let kinds = ObjectKind::ALL
        .into_iter()
        .filter(|kind| kind.folder() == folder);
    match folder {
        Folder::Top => TEXT_BYTES_MAX,
        Folder::Keys2 => PAGE as u64,
        Folder::Parity => PARITY_BYTES_MAX,
        _ => kinds
            .map(ObjectKind::bytes_max)
            .max()
            .unwrap_or(TEXT_BYTES_MAX),
    }
}

/// Every object of the mirror, packs last, each folder in the order of its names.
///
/// # Errors
/// Those of the store.
pub fn list_all(store: &dyn Store) -> Result<(Vec<Listed>, u64)> {
    let mut all = Vec::new();
    let mut strangers = 0;
    for folder in Folder::ALL {
        strangers += store.list(folder, &mut |listed| {
            all.push(listed);
            Ok(())
        })?;
    }
    all.sort_unstable_by(|a, b| {
        let last = |listed: &Listed| listed.name.folder() == Folder::Packs;
        (last(a), &a.name).cmp(&(last(b), &b.name))
    });
    Ok((all, strangers))
}

/// Reads every object on `workers` threads.
///
/// # Errors
/// Those of the store, and `Interrupted`. Damage is in the answer.
pub fn run(store: &dyn Store, workers: usize, monitor: &dyn Monitor) -> Result<Scrubbed> {
    let (all, strangers) = list_all(store)?;
    monitor.phase(
        "reading every object",
        Some((Counter::Bytes, all.iter().map(|listed| listed.len).sum())),
    );
    let found = Mutex::new(Scrubbed {
        strangers,
        ..Scrubbed::default()
    });
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(listed) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            if monitor.interrupted() {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            let mut result = check(store, &listed.name);
            let mut is_unsteady = false;
            // One bad reading is not believed.
            if matches!(&result, Err(error) if error.kind() == Kind::Damaged) {
                result = check(store, &listed.name);
                is_unsteady = result.is_ok();
            }
            let mut found = found
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            found.objects += 1;
            found.bytes += listed.len;
            monitor.count(Counter::Bytes, listed.len);
            if is_unsteady {
                found.unsteady.push(listed.name.clone());
            }
            match result {
                Ok(()) => {}
                // What others write and delete comes and goes.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) if error.kind() == Kind::TooNew => found.newer += 1,
                Err(error) if error.costs_one_object() => {
                    monitor.problem(&error);
                    found.damaged.push((listed.name.clone(), error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(Error::new(
                    Kind::Other,
                    "a reading thread panicked: this is a bug",
                ))
            })
        })
    })?;
    Ok(found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Reads one object and compares it with its name, as far as that can be done without a key.
///
/// # Errors
/// `Damaged`, `TooNew`, and those of the store.
pub fn check(store: &dyn Store, name: &Name) -> Result<()> {
    let at = || format!("{name} on {}", store.location());
    if name.folder() == Folder::Parity {
        return parity::check(store, name).during(at);
    }
    let bytes = store.get(name, bytes_max(name.folder())).during(at)?;
    if name.folder().is_named_by_hash() {
        if hash::object_id(&bytes).to_hex() == name.leaf() {
            return Ok(());
        }
        return Err(Error::new(Kind::Damaged, "its bytes do not match its name").during(at()));
    }
    match name.folder() {
        Folder::Top if name.leaf() != "mirror" => Ok(()),
        _ => BoxHeader::decode(bytes.get(..PAGE).unwrap_or(&bytes))
            .map(drop)
            .during(at),
    }
}

/// That an object was bad at one reading and good at the next: it is not the disk that is to blame.
pub fn unsteady(at: &str, name: &Name) -> Error {
    let what = format!("two readings of {name} on {at} differ: memory, cable or controller");
    let hint = "test this machine's memory, or try another machine";
    Error::new(Kind::Other, what).hint(hint)
}
