//! A folder on a disk.
//!
//! An object is written to `tmp/`, synced, renamed to its place, and its folder synced: a reader meets all of it or
//! nothing, also after the power fails. A slot that must not be replaced is renamed with NOREPLACE, or linked where a
//! file system does not know that; never created in place and filled, since a reader would see half of it.
//!
//! Large objects go past the page cache, see `direct.rs`.
//!
//! What must hold:
//! - All but listings goes through a descriptor of the root taken at `open`: a disk that is unmounted meanwhile never
//!   turns into an empty folder that objects are written to, and "not found" is believed only while the path still
//!   leads to that root.
//! - A write that fails leaves no object and no temporary file.
//! - Only regular files are objects: a pipe or a link that somebody put there cannot make us wait or wander off.

mod direct;
mod fault;
mod root;
mod temp;

use crate::error::{Error, Kind, Result};
use crate::name::{Folder, Name};
use crate::store::folder::direct::{Direct, LARGE};
use crate::store::folder::fault::{
    UNPLUGGED, failed, is_io, is_of_object, nothing_at, opening, unreadable,
};
use crate::store::folder::root::{Root, make_folder, make_one};
use crate::store::folder::temp::{TEMP, Temps, is_half_written};
use crate::store::{Abilities, Listed, Location, Payload, Placed, Store};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// The objects in one folder.
pub struct FolderStore {
    location: Location,
    root: Root,
    temps: Temps,
    direct: Direct,
}

impl FolderStore {
    /// The repository at `root`; a missing or empty folder is [`Kind::NoRepository`].
    ///
    /// `device_tag` begins the names of this device's temporary files.
    ///
    /// # Panics
    /// If the tag holds anything but ASCII letters and digits: an error in the program.
    pub fn open(root: &Path, device_tag: &str) -> Result<Self> {
        assert!(
            !device_tag.is_empty() && device_tag.bytes().all(|c| c.is_ascii_alphanumeric()),
            "a device tag is letters and digits"
        );
        let names = names_in(root).map_err(|error| unreadable(root, error))?;
        if names.iter().all(|name| name == "lost+found") {
            let why = if root.exists() {
                "the folder is empty"
            } else {
                "the folder does not exist"
            };
            return Err(nothing_at(root, why));
        }
        let opened = Root::open(root).map_err(|error| failed(opening(root), error, root))?;
        Ok(Self {
            location: Location {
                address: root.display().to_string(),
                abilities: Abilities {
                    put_if_absent: !opened.is_fuse(),
                    delete: true,
                    ranges: true,
                },
            },
            root: opened,
            temps: Temps::new(device_tag),
            direct: Direct::default(),
        })
    }

    /// Makes the folder with all that belongs in it, durably, and opens it. What is there already stays.
    pub fn create(root: &Path, device_tag: &str) -> Result<Self> {
        let what = || format!("make the repository folder {}", root.display());
        let names = Folder::ALL.iter().map(|folder| folder.path());
        make_folder(root)
            .and_then(|()| {
                for name in names.filter(|name| !name.is_empty()).chain([TEMP]) {
                    make_one(&root.join(name))?;
                }
                File::open(root)?.sync_all()
            })
            .map_err(|error| failed(what(), error, root))?;
        Self::open(root, device_tag)
    }

    /// Whether a repository could be made at `root`: nothing is there, or an empty folder, perhaps a fresh disk, or what
    /// an `init` left that was interrupted before it put the marker.
    pub fn is_vacant(root: &Path) -> Result<bool> {
        for name in names_in(root).map_err(|error| unreadable(root, error))? {
            let folder = Folder::ALL.into_iter().find(|folder| name == folder.path());
            let begun = match folder {
                // Key slots open nothing while there is nothing to open.
                Some(Folder::Keys | Folder::Keys2) => true,
                Some(_) => names_in(&root.join(&name))
                    .map_err(|error| failed(opening(root), error, root))?
                    .is_empty(),
                None if name == TEMP || name == "lost+found" => true,
                None => name != Name::marker().leaf() && Name::new(Folder::Top, &name).is_some(),
            };
            if !begun {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes what this device left in `tmp/` when it was interrupted; the number of files.
    ///
    /// Files that a running process is still writing stay.
    pub fn sweep_own_leftovers(&self) -> Result<u64> {
        let fault = |error| {
            failed(
                format!("clear {TEMP} on {}", self.location),
                error,
                self.root.path(),
            )
        };
        let prefix = self.temps.prefix();
        let mut removed = 0;
        for entry in walk(&self.root.path().join(TEMP), 1) {
            let entry = match entry.map_err(io::Error::from) {
                Ok(entry) => entry,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(fault(error)),
            };
            let leaf = entry.file_name().to_str().unwrap_or_default();
            if !leaf.starts_with(&prefix) || !entry.file_type().is_file() {
                continue;
            }
            let held = File::open(entry.path()).is_ok_and(|file| {
                let locked = fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
                locked == Err(Errno::WOULDBLOCK)
            });
            if !held {
                let path = format!("{TEMP}/{leaf}");
                self.root
                    .unlink(&path)
                    .map_err(|error| fault(error.into()))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn failed(&self, what: String, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        let gone = error.kind() == io::ErrorKind::NotFound && !self.root.is_there()
            || self.is_dead(&error);
        let error = failed(what, error, self.root.path());
        if gone {
            return error.with_kind(Kind::Unreachable).hint(UNPLUGGED);
        }
        error
    }

    /// What it means that an object could not be opened or read: that it alone is at fault, or the disk.
    fn unread(&self, name: &Name, error: io::Error) -> Error {
        let what = self.location.reading(name);
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Error::new(Kind::Damaged, what).because("it became shorter while it was read");
        }
        match self.is_alone(&error) {
            true => Error::new(Kind::Damaged, what).because(error),
            false => self.failed(what, error),
        }
    }

    /// Whether an error says nothing of other objects.
    fn is_alone(&self, error: &io::Error) -> bool {
        is_of_object(error) && self.root.is_there() && !self.is_dead(error)
    }

    fn is_dead(&self, error: &io::Error) -> bool {
        is_io(error) && !self.root.gives_bytes(&Name::marker().path())
    }

    fn open_object(&self, name: &Name) -> Result<(File, u64)> {
        let fault = |error: io::Error| self.unread(name, error);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = || fs::openat(&self.root, name.path(), flags, Mode::empty());
        let opened = retry_on_intr(open).map_err(io::Error::from);
        let file = File::from(opened.map_err(fault)?);
        let found = file.metadata().map_err(fault)?;
        if found.is_file() {
            return Ok((file, found.len()));
        }
        Err(Error::new(Kind::Damaged, self.location.reading(name)).because("it is not a file"))
    }

    /// All of `range`, in memory that is not zeroed first and never larger than asked for.
    fn read(&self, file: &mut File, range: Range<u64>, bytes: &mut Vec<u8>) -> io::Result<()> {
        let len = range.end - range.start;
        let room = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.clear();
        let reserved = bytes.try_reserve_exact(room);
        reserved.map_err(|_| io::ErrorKind::OutOfMemory)?;
        if room < LARGE || !self.direct.read(file, range.clone(), bytes)? {
            file.seek(SeekFrom::Start(range.start))?;
            file.take(len).read_to_end(bytes)?;
        }
        if bytes.len() == room {
            return Ok(());
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

impl Store for FolderStore {
    fn location(&self) -> &Location {
        &self.location
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let (mut file, len) = self.open_object(name)?;
        let reading = || self.location.reading(name);
        if len > len_max {
            let why = format!("it has {len} bytes where {len_max} are allowed");
            return Err(Error::new(Kind::Damaged, reading()).because(why));
        }
        self.read(&mut file, 0..len, into)
            .map_err(|error| self.unread(name, error))
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let (mut file, len) = self.open_object(name)?;
        let reading = || self.location.reading(name);
        if range.start > range.end || range.end > len {
            let why = format!("it has {len} bytes, asked for {range:?}");
            return Err(Error::new(Kind::Damaged, reading()).because(why));
        }
        let mut bytes = Vec::new();
        self.read(&mut file, range, &mut bytes)
            .map_err(|error| self.unread(name, error))?;
        Ok(bytes)
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let path = name.path();
        let put = || {
            Ok(self
                .temps
                .write(&self.root, &self.direct, payload)?
                .place(&path)?)
        };
        put().map_err(|error: io::Error| self.failed(self.location.writing(name), error))
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        if !self.location.abilities.put_if_absent {
            return Ok(Placed::Cannot);
        }
        let fault = |error: io::Error| self.failed(self.location.writing(name), error);
        let path = name.path();
        loop {
            let temp = self
                .temps
                .write(&self.root, &self.direct, payload)
                .map_err(fault)?;
            let placed = temp.place_new(&path).map_err(|error| fault(error.into()))?;
            if placed != Placed::Taken {
                return Ok(placed);
            }
            // A call whose answer was lost may have been our own; then its rename may not be durable yet.
            match self.get(name, payload.len() as u64) {
                Ok(found) if found[..] == payload[..] => {
                    let synced = self.root.sync_parent(&path);
                    synced.map_err(|error| fault(error.into()))?;
                    return Ok(Placed::Mine);
                }
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) if error.kind() != Kind::Damaged => return Err(error),
                _ => return Ok(Placed::Taken),
            }
        }
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let fault = |error: io::Error| self.failed(self.location.listing(folder), error);
        if !self.root.is_there() {
            return Err(fault(io::ErrorKind::NotFound.into()));
        }
        let mut strangers = 0;
        let depth = if folder.is_split() { 2 } else { 1 };
        let mut entries = walk(&self.root.path().join(folder.path()), depth).into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry.map_err(io::Error::from) {
                Ok(entry) => entry,
                // Deleted while we looked, or a folder that a copying program left out because it was empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.root.is_there() => {
                    continue;
                }
                Err(error) => return Err(fault(error)),
            };
            if entry.file_type().is_dir() {
                if !is_our_folder(folder, &entry) {
                    strangers += 1;
                    entries.skip_current_dir();
                }
                continue;
            }
            let Some(name) = object_name(folder, &entry) else {
                strangers += 1;
                continue;
            };
            match entry.metadata().map_err(io::Error::from) {
                Ok(_) if is_half_written(&name) => {}
                Ok(found) => each(Listed {
                    name,
                    len: found.len(),
                })?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // It lies there, and who reads it finds out.
                Err(error) if self.is_alone(&error) => each(Listed { name, len: 0 })?,
                Err(error) => return Err(fault(error)),
            }
        }
        Ok(strangers)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        self.root
            .unlink(&name.path())
            .map_err(|error| self.failed(self.location.deleting(name), error))
    }

    fn sweep(&self) -> Result<()> {
        self.sweep_own_leftovers().map(|_| ())
    }
}

fn walk(folder: &Path, depth: usize) -> walkdir::WalkDir {
    walkdir::WalkDir::new(folder).min_depth(1).max_depth(depth)
}

fn is_our_folder(folder: Folder, entry: &walkdir::DirEntry) -> bool {
    let Some(leaf) = entry.file_name().to_str() else {
        return false;
    };
    if folder == Folder::Top {
        return leaf == TEMP || Folder::ALL.iter().any(|known| known.path() == leaf);
    }
    let is_digit = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    folder.is_split() && entry.depth() == 1 && leaf.len() == 2 && leaf.bytes().all(is_digit)
}

fn object_name(folder: Folder, entry: &walkdir::DirEntry) -> Option<Name> {
    if !entry.file_type().is_file() {
        return None;
    }
    let name = Name::new(folder, entry.file_name().to_str()?)?;
    let lies_right =
        entry.path().ends_with(name.path()) && (entry.depth() == 2) == folder.is_split();
    lies_right.then_some(name)
}

/// What lies in a folder; nothing where there is none.
fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
