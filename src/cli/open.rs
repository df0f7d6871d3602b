//! From a location and a secret to an open repository, for every verb the same way.
//!
//! The place is looked at before anything is asked: nobody types a passphrase for an empty folder.

use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::crypto::hash;
use crate::device::{Device, DeviceLock};
use crate::error::{Error, Kind, Result};
use crate::id::to_hex;
use crate::name::{Folder, Name};
use crate::ops::verify;
use crate::repo::Repo;
use crate::repo::author::{Author, Stamp};
use crate::repo::keyring::Unlock;
use crate::repo::look::Look;
use crate::store::Store;
use crate::store::folder::FolderStore;
use crate::ui::counted;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often a person may mistype the passphrase.
const TRIES: usize = 3;
/// Between two looks at a lock.
const PATIENCE: Duration = Duration::from_millis(250);

/// The objects of the repository.
///
/// # Errors
/// `NoRepository` says what is there instead.
pub fn store(context: &Context) -> Result<Arc<FolderStore>> {
    let (location, chosen) = context.location()?;
    let store = match FolderStore::open(&location, &tag(context)) {
        Err(error) if error.kind() == Kind::NoRepository => return Err(absent(error, chosen)),
        other => other?,
    };
    if holds_repository(&store)? {
        return Ok(Arc::new(store));
    }
    let what = format!("{} {}", location.display(), found_at(&location));
    Err(absent(Error::new(Kind::NoRepository, what), chosen))
}

fn absent(error: Error, chosen: bool) -> Error {
    error.hint(if chosen {
        "check the location; is the disk plugged in? `heirloom init` makes a new repository"
    } else {
        "`heirloom backup --init PATH` makes a repository here and saves PATH; -r names another location"
    })
}

fn holds_repository(store: &FolderStore) -> Result<bool> {
    let marker = store.get(
        &Name::marker(),
        crate::format::ObjectKind::Mirror.bytes_max(),
    );
    if !matches!(&marker, Err(error) if error.kind() == Kind::NotFound) {
        return Ok(true);
    }
    // Without its marker it can still be read: by any key slot, or with the words by any pack.
    let mut found = false;
    for folder in [Folder::Keys, Folder::Keys2, Folder::Packs] {
        store.list(folder, &mut |_| {
            found = true;
            Ok(())
        })?;
    }
    Ok(found)
}

/// What a folder without a repository holds instead.
fn found_at(location: &Path) -> String {
    let names: Vec<String> = std::fs::read_dir(location).map_or_else(
        |_| Vec::new(),
        |entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        },
    );
    let has = |all: &[&str]| {
        all.iter()
            .all(|name| names.iter().any(|found| found == name))
    };
    if has(&["config", "data", "index", "keys", "snapshots"]) {
        "is a restic repository".to_owned()
    } else if has(&["config", "data", "README"]) || has(&["config", "data", "locks"]) {
        "is a borg repository".to_owned()
    } else {
        format!(
            "holds {} that heirloom did not write",
            counted(names.len() as u64, "file or folder", "files or folders")
        )
    }
}

/// Begins the names of this device's temporary files on the mirror, before the repository is known.
pub fn tag(context: &Context) -> String {
    let mut material = machine();
    // Reading works without a state folder.
    let state = context.state_dir().unwrap_or_default();
    material.extend_from_slice(state.as_os_str().as_encoded_bytes());
    to_hex(&hash::object_id(&material).as_bytes()[..4])
}

/// Tells machines apart without saying which one this is.
fn machine() -> Vec<u8> {
    let id = std::fs::read("/etc/machine-id");
    let id = id.unwrap_or_else(|_| rustix::system::uname().nodename().to_bytes().to_vec());
    hash::object_id(&[b"heirloom machine ".as_slice(), id.trim_ascii()].concat())
        .as_bytes()
        .to_vec()
}

/// Opens the repository with the secret that the context names, or asks for one.
///
/// # Errors
/// `NoRepository`, `NoKey`, `Damaged`, `TooNew`, `Usage`.
pub fn repository(context: &Context) -> Result<(Arc<Repo>, Source, Arc<FolderStore>)> {
    let store = store(context)?;
    let cache = context.cache_dir()?;
    let mut tries = 0;
    loop {
        let (source, secret) = secret::to_open(context)?;
        let unlock = unlock_with(context, secret);
        let objects: Arc<dyn Store> = Arc::<FolderStore>::clone(&store);
        tries += 1;
        match Repo::open(objects, &unlock, &cache, &**context.ui()) {
            Ok(repo) => {
                context.ui().begin(Some(&to_hex(repo.id().as_bytes())));
                return Ok((Arc::new(repo), source, store));
            }
            Err(error)
                if error.kind() == Kind::NoKey
                    && matches!(source, Source::Prompt)
                    && tries < TRIES =>
            {
                context.ui().note(&error.chain());
            }
            Err(error) => return Err(error),
        }
    }
}

/// A secret and how far to go with it on this machine.
pub fn unlock_with(context: &Context, secret: crate::format::key_slot::SlotSecret) -> Unlock {
    let mut unlock = Unlock::new(secret);
    if let Some(most) = context.globals().kdf_limit {
        unlock.slots_tried = most;
    }
    let memory = rustix::system::sysinfo();
    let bytes = u128::from(memory.totalram) * u128::from(memory.mem_unit);
    unlock.memory_kib_max = u32::try_from(bytes / 2 / 1024).unwrap_or(u32::MAX);
    unlock
}

/// Opens the repository and looks at it.
///
/// # Errors
/// As [`repository`].
pub fn look(context: &Context) -> Result<Look> {
    let (repo, ..) = repository(context)?;
    Look::at(&repo, &**context.ui())
}

/// Verifies what was looked at.
///
/// # Errors
/// Those of the op.
pub fn verify(context: &Context, look: &Look, level: verify::Level) -> Result<verify::Report> {
    let options = verify::Options {
        level,
        workers: context.readers(),
    };
    let monitor = &**context.ui();
    verify::run(
        &look.repo,
        &look.presence,
        &look.index,
        &look.chains,
        &options,
        monitor,
    )
}

/// This device in that repository, locked for one session.
pub struct Held {
    /// The device.
    pub device: Arc<Device>,
    /// The same while it writes.
    pub author: Author,
    _lock: DeviceLock,
}

/// Now, here, and by this user.
pub fn stamp(context: &Context) -> Stamp {
    let time = context.host().now();
    Stamp {
        time,
        zone: context.zone_minutes(time.seconds),
        host: context.host().name(),
        user: context.user(),
    }
}

/// Takes the device's lock, waiting as long as the user wishes, and clears what interrupted runs left behind.
///
/// # Errors
/// `Busy`, `Interrupted`, and those of the state folder.
pub fn hold(context: &Context, repo: &Repo, store: &FolderStore) -> Result<Held> {
    let host = &**context.host();
    let (state, cache) = (context.state_dir()?, context.cache_dir()?);
    let device = Device::open(&state, &cache, repo.id().as_bytes(), &machine(), host)?;
    let device = Arc::new(device);
    let until = host.elapsed() + context.wait();
    let lock = loop {
        match device.lock() {
            Err(error) if error.kind() == Kind::Busy && host.elapsed() < until => {
                if context.ui().stopped() {
                    return Err(Error::new(Kind::Interrupted, "interrupted"));
                }
                host.sleep(PATIENCE);
            }
            other => break other?,
        }
    };
    device.sweep_leftovers()?;
    if let Err(error) = store.sweep_own_leftovers() {
        context.ui().problem(&error);
    }
    let now = host.now();
    let started_ns = now
        .seconds
        .unsigned_abs()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::from(now.nanos));
    let author = Author::of_device(&device, repo, started_ns)?;
    Ok(Held {
        device,
        author,
        _lock: lock,
    })
}
