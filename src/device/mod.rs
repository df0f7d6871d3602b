//! What this device keeps between runs.
//!
//! Below the state folder, one folder per repository: `device` (who we are), `memory` (what was seen where), one
//! `state-<source>` per source, and `lock`. Below the cache folder, also one per repository: what can be made again.
//! All may be lost at the cost of time, except `device` and `memory`: without them this is a new device, and what a
//! mirror took back goes unnoticed.
//!
//! What must hold:
//! - A device id never continues a chain that it has no state for. A clone of a machine takes a new id, since two
//!   devices of one id would fork their chain.
//! - The lock is the kernel's and ends with the process, however that ends. It protects the chain's numbering, never
//!   the repository's data.
//! - No file name and no content of a backup stands here in the clear; the folders are the owner's alone.

pub mod memory;
pub mod objects;
pub mod state;
pub mod table;

use crate::device::memory::Memory;
use crate::error::{During, Error, Kind, Result};
use crate::host::Host;
use crate::id::{from_hex, to_hex};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A keyed hash, handed in by whoever holds the cache key: local files are checked with it.
pub type Check<'a> = &'a dyn Fn(&[u8]) -> [u8; 32];

const FIRST_LINE: &str = "heirloom device 1";
/// How the temporary files here end.
const UNFINISHED: &str = ".new";
/// Who we are is a few lines, and what we remember some megabytes after many years.
const STATE_BYTES_MAX: u64 = 64 << 20;

/// One client installation, as one repository knows it.
pub struct Device {
    id: [u8; 16],
    is_new: bool,
    state: PathBuf,
    cache: PathBuf,
}

impl Device {
    /// This device in the repository `repo`; made where there is none yet.
    ///
    /// `machine` tells machines apart: a hash, since the machine's own id is nobody's business. When it differs from
    /// the recorded one, or the record cannot be read, the device gets a new id and keeps its memory.
    pub fn open(
        state_dir: &Path,
        cache_dir: &Path,
        repo: &[u8; 16],
        machine: &[u8],
        host: &dyn Host,
    ) -> Result<Self> {
        let (state, cache) = (state_dir.join(to_hex(repo)), cache_dir.join(to_hex(repo)));
        for folder in [&state, &cache] {
            make_private(folder).map_err(|error| {
                Error::io(format!("make the folder {}", folder.display()), error)
            })?;
        }
        let path = state.join("device");
        let recorded = read_small(&path)?.and_then(|bytes| identity_from(&bytes, machine));
        let (id, is_new) = match recorded {
            Some(id) => (id, false),
            None => (record_new(&path, machine, host)?, true),
        };
        Ok(Self {
            id,
            is_new,
            state,
            cache,
        })
    }

    /// Its id: 16 random bytes.
    pub fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// What begins the names of its temporary files on a mirror.
    pub fn tag(&self) -> String {
        to_hex(&self.id[..4])
    }

    /// Whether this `open` gave it its id.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Takes the lock that lets one session of this device run per repository; [`Kind::Busy`] while another holds it.
    pub fn lock(&self) -> Result<DeviceLock> {
        let path = self.state.join("lock");
        let what = || format!("lock {}", path.display());
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::io(what(), error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => DeviceLock::begin(file).map_err(|error| Error::io(what(), error)),
            Err(Errno::WOULDBLOCK) => Err(Error::new(Kind::Busy, what())
                .because("another heirloom of this device is at work on this repository")
                .hint("run it again later, or let it wait: `--wait`")),
            Err(error) => Err(Error::io(what(), error.into())),
        }
    }

    /// The folder of what must not be lost.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The folder of what can be made again.
    pub fn cache_dir(&self) -> &Path {
        &self.cache
    }

    /// Where the state of one source is kept; the name tells nothing of the source.
    pub fn state_path(&self, source: &str, check: Check<'_>) -> PathBuf {
        let name = check(&[b"state of ", source.as_bytes()].concat());
        self.state.join(format!("state-{}", to_hex(&name[..16])))
    }

    /// What this device remembers; nothing, if it never saw a mirror. Bytes that fail the check are
    /// [`Kind::Damaged`]: to forget is for the owner to decide.
    pub fn memory(&self, check: Check<'_>) -> Result<Memory> {
        let path = self.state.join("memory");
        let Some(bytes) = read_small(&path)? else {
            return Ok(Memory::default());
        };
        Memory::decode(&bytes, check)
            .during(|| format!("read {}", path.display()))
            .map_err(|error| {
                error.hint(format!(
                    "to go on without what this device remembers of its mirrors: `rm {}`",
                    path.display()
                ))
            })
    }

    /// Remembers this, durably, in the place of what was remembered. Call it with the lock held.
    pub fn remember(&self, memory: &Memory, check: Check<'_>) -> Result<()> {
        replace_durably(&self.state.join("memory"), &memory.encode(check))
    }

    /// Removes what interrupted runs left unfinished here; call it with the lock held.
    pub fn sweep_leftovers(&self) -> Result<()> {
        for folder in [&self.state, &self.cache] {
            let what = || format!("clear {}", folder.display());
            for entry in fs::read_dir(folder).map_err(|error| Error::io(what(), error))? {
                let path = entry.map_err(|error| Error::io(what(), error))?.path();
                if path.to_str().is_some_and(|path| path.ends_with(UNFINISHED)) {
                    remove(&path).map_err(|error| Error::io(what(), error))?;
                }
            }
        }
        Ok(())
    }
}

/// Held for as long as one session runs; the kernel lets go when the process ends. The file is empty unless the last
/// session did not come to its end everywhere.
#[derive(Debug)]
pub struct DeviceLock {
    file: File,
    was_cut_short: bool,
}

impl DeviceLock {
    fn begin(mut file: File) -> std::io::Result<Self> {
        let was_cut_short = file.metadata()?.len() > 0;
        if !was_cut_short {
            file.write_all(b"a session runs or was cut short\n")?;
        }
        Ok(Self {
            file,
            was_cut_short,
        })
    }

    /// Whether the last session may have left temporary objects on mirrors: it was killed, or a mirror failed it.
    pub fn was_cut_short(&self) -> bool {
        self.was_cut_short
    }

    /// This session wrote nothing: things stand as the one before left them.
    pub fn wrote_nothing(&self) {
        if !self.was_cut_short {
            self.ended_well();
        }
    }

    /// This session came to its end on every mirror, so the next one need not look for what it left.
    pub fn ended_well(&self) {
        // An error costs the next session a look.
        let _ = self.file.set_len(0);
    }
}

impl Drop for DeviceLock {
    /// Closing is not enough: a child that is being started holds a copy of every descriptor until it runs.
    fn drop(&mut self) {
        // An error leaves what closing does.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn identity_from(bytes: &[u8], machine: &[u8]) -> Option<[u8; 16]> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let mut value = |key: &str| lines.next()?.strip_prefix(key).and_then(from_hex);
    let _version = value(FIRST_LINE).filter(Vec::is_empty)?;
    let id = value("id ")?;
    (value("machine ")? == machine).then_some(())?;
    id.try_into().ok()
}

fn record_new(path: &Path, machine: &[u8], host: &dyn Host) -> Result<[u8; 16]> {
    let mut id = [0; 16];
    host.random(&mut id);
    let text = format!(
        "{FIRST_LINE}\nid {}\nmachine {}\n",
        to_hex(&id),
        to_hex(machine)
    );
    replace_durably(path, text.as_bytes())?;
    Ok(id)
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // It may be older than we are, or an umask of its own took our rights away.
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// `None` if it is not there.
fn read_small(path: &Path) -> Result<Option<Vec<u8>>> {
    let what = || format!("read {}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(what(), error)),
    };
    let mut bytes = Vec::new();
    let read = file.take(STATE_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|error| Error::io(what(), error))?;
    Ok(Some(bytes))
}

/// A new file beside `path`, for the owner alone, and its name.
fn begin_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    for number in 0.. {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{number}{UNFINISHED}", std::process::id()));
        let made = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&name);
        match made {
            Ok(file) => return Ok((file, name.into())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn replace_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let (mut file, unfinished) = begin_beside(path)?;
        let placed = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&unfinished, path));
        if placed.is_err() {
            // The error is the one to tell.
            let _ = remove(&unfinished);
        }
        placed?;
        let parent = path.parent().unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()
    };
    write().map_err(|error| Error::io(format!("write {}", path.display()), error))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FixedHost;
    use tempfile::TempDir;

    fn open(place: &TempDir, machine: &[u8], seed: u64) -> Device {
        let (state, cache) = (place.path().join("s"), place.path().join("c"));
        Device::open(&state, &cache, &[7; 16], machine, &FixedHost::new(seed)).unwrap()
    }

    #[test]
    fn a_device_keeps_its_id_and_a_clone_takes_a_new_one() {
        let place = tempfile::tempdir().unwrap();
        let first = open(&place, b"here", 1);
        assert!(first.is_new());
        let again = open(&place, b"here", 2);
        assert_eq!((again.id(), again.is_new()), (first.id(), false));
        let clone = open(&place, b"there", 3);
        assert!(clone.is_new() && clone.id() != first.id());
        assert_eq!(open(&place, b"there", 4).id(), clone.id());
    }

    #[test]
    fn an_unreadable_identity_is_a_new_device() {
        let place = tempfile::tempdir().unwrap();
        let first = open(&place, b"here", 1);
        let path = first.state_dir().join("device");
        let good = fs::read(&path).unwrap();
        for end in 0..good.len() - 1 {
            assert_eq!(identity_from(&good[..end], b"here"), None, "{end}");
        }
        fs::write(&path, b"\xff\0").unwrap();
        assert_ne!(open(&place, b"here", 2).id(), first.id());
    }

    #[test]
    fn a_second_session_is_busy_until_the_first_ends() {
        let place = tempfile::tempdir().unwrap();
        let (first, second) = (open(&place, b"here", 1), open(&place, b"here", 1));
        let held = first.lock().unwrap();
        assert!(!held.was_cut_short());
        let error = second.lock().unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        drop(held);
        let held = second.lock().unwrap();
        assert!(held.was_cut_short());
        held.ended_well();
        drop(held);
        assert!(!first.lock().unwrap().was_cut_short());
    }

    #[test]
    fn folders_are_the_owners_alone() {
        let place = tempfile::tempdir().unwrap();
        let device = open(&place, b"here", 1);
        for folder in [device.state_dir(), device.cache_dir()] {
            assert_eq!(
                fs::metadata(folder).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
        let file = fs::metadata(device.state_dir().join("device")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn every_source_has_a_file_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let device = open(&place, b"here", 1);
        let check = |bytes: &[u8]| {
            let mut sum = [0; 32];
            for (at, byte) in bytes.iter().enumerate() {
                sum[at % 16] ^= byte.rotate_left(u32::try_from(at / 16).unwrap());
            }
            sum
        };
        let leaf = |source: &str| {
            let path = device.state_path(source, &check);
            assert_eq!(path.parent(), Some(device.state_dir()));
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_ne!(leaf("home-2"), leaf("home-3"));
        assert_eq!(leaf("../a b%"), leaf("../a b%"));
        assert_eq!(leaf(&"long".repeat(999)).len(), 38);
    }

    #[test]
    fn unfinished_files_are_swept() {
        let place = tempfile::tempdir().unwrap();
        let device = open(&place, b"here", 1);
        let (_file, unfinished) = begin_beside(&device.cache_dir().join("index")).unwrap();
        device.sweep_leftovers().unwrap();
        assert!(!unfinished.exists());
        assert!(device.state_dir().join("device").exists());
    }
}
