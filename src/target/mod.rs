//! The folder that restore writes into: everything happens beneath its descriptor, nothing outside.
//!
//! A snapshot may come from a stranger, and others may be at work in the target, so no path is ever given to the
//! system whole: its folders are resolved beneath the root (`beneath.rs`), and its last name is used relative to the
//! descriptor of the folder.
//!
//! What must hold:
//! - No link in the target is followed, whoever put it there and whenever.
//! - What exists is replaced in one step or not at all, and never written into.
//! - A new item is readable by its owner alone until it is complete.

pub(crate) mod beneath;
pub mod metadata;
pub mod write;

use crate::error::{Error, Kind, Result};
use crate::target::metadata::{Metadata, Subject};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

const LOOK: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// A folder to write into. Clones are the same target; all of it may be used from many threads.
#[derive(Clone)]
pub struct Target {
    inner: Arc<Inner>,
}

struct Inner {
    root: Arc<OwnedFd>,
    path: PathBuf,
    privileged: bool,
    /// Folders open to go through, the last used in front.
    open: Mutex<VecDeque<(Vec<u8>, Arc<OwnedFd>)>>,
    /// Whether `openat2` is there.
    whole: AtomicBool,
    /// Makes temporary names differ.
    serial: AtomicU64,
    /// The root hands an access list down to what is created in it.
    inherits: bool,
    told: Mutex<Vec<&'static str>>,
}

/// What to do with what stands where something is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing is touched.
    Refuse,
    /// Anything is replaced but a folder that holds something.
    Replace,
    /// Anything is replaced, a folder with all that is in it.
    ReplaceAll,
}

/// What a found item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// Anything else.
    Other,
}

/// What stands in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: FoundKind,
    /// Bytes.
    pub size: u64,
    /// Mode bits 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Content changed.
    pub mtime: crate::host::Timestamp,
    /// The device it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Names it has.
    pub links: u64,
}

impl Target {
    /// Opens the folder at `path`, and creates it and those above, for the owner alone, when `create`. Links on the way
    /// to it are followed: that path is the user's. `privileged` allows device nodes, set-id bits and the attributes
    /// that grant something.
    pub fn open(path: &Path, create: bool, privileged: bool) -> Result<Self> {
        let what = || format!("open target {}", path.display());
        if create {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder
                .create(path)
                .map_err(|error| Error::io(format!("create target {}", path.display()), error))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Error::io(what(), error.into()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                inherits: metadata::hands_down(root.as_fd()),
                root: Arc::new(root),
                path: path.to_owned(),
                privileged,
                open: Mutex::new(VecDeque::new()),
                whole: AtomicBool::new(true),
                serial: AtomicU64::new(0),
                told: Mutex::new(Vec::new()),
            }),
        })
    }

    /// Where the user said it is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Whether the folder holds something and belongs to another user than the one we are.
    pub fn is_foreign(&self) -> Result<bool> {
        let owner = rustix::fs::fstat(&*self.inner.root)
            .map_err(|error| self.failed("stat", b"", error))?
            .st_uid;
        let ours = rustix::process::geteuid().as_raw() == owner;
        Ok(!ours && !self.list(b"")?.is_empty())
    }

    /// Makes a folder, for the owner alone until [`Target::finish_folder`]. A folder that is there is used, and true
    /// means that it was not. Anything else there is treated as `existing` says.
    pub fn make_folder(&self, path: &[u8], existing: Existing) -> Result<bool> {
        let (parent, name) = self.parent_of(path)?;
        let make = || rustix::fs::mkdirat(&*parent, name, Mode::RWXU);
        match make() {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(self.failed("create folder", path, error)),
        }
        let found = self.stat_in(&parent, name, path)?;
        if let Some(found) = found.filter(|found| found.kind == FoundKind::Folder) {
            if found.mode & 0o700 != 0o700 {
                // Left so by an earlier restore, perhaps; the final mode comes last again.
                self.open_up(&parent, name, found.mode);
            }
            return Ok(false);
        }
        self.clear(&parent, name, path, existing)?;
        make().map_err(|error| self.failed("create folder", path, error))?;
        Ok(true)
    }

    /// Sets a folder's metadata, once nothing more is written below it. Returns what could not be applied.
    pub fn finish_folder(&self, path: &[u8], metadata: &Metadata) -> Result<Vec<String>> {
        let opened;
        let folder = if path.is_empty() {
            self.inner.root.as_fd()
        } else {
            let (parent, name) = self.parent_of(path)?;
            let flags = LOOK | OFlags::DIRECTORY;
            opened = rustix::fs::openat(&*parent, name, flags, Mode::empty())
                .map_err(|error| self.failed("open folder", path, error))?;
            opened.as_fd()
        };
        Ok(self.apply(&Subject::Open(folder), metadata))
    }

    /// What stands at `path`, if anything.
    pub fn stat(&self, path: &[u8]) -> Result<Option<Found>> {
        if path.is_empty() {
            let stat = rustix::fs::fstat(&*self.inner.root);
            return stat
                .map(|stat| Some(metadata::found(&stat)))
                .map_err(|error| self.failed("stat", path, error));
        }
        match self.parent_of(path) {
            Ok((parent, name)) => self.stat_in(&parent, name, path),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a regular file for reading, to compare.
    pub fn read(&self, path: &[u8]) -> Result<File> {
        let (parent, name) = self.parent_of(path)?;
        let file = rustix::fs::openat(&*parent, name, LOOK, Mode::empty())
            .map_err(|error| self.failed("open", path, error))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| self.failed("stat", path, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.refused(path, "not a regular file"));
        }
        Ok(file.into())
    }

    /// Where a symbolic link leads.
    pub fn read_link(&self, path: &[u8]) -> Result<Vec<u8>> {
        let (parent, name) = self.parent_of(path)?;
        rustix::fs::readlinkat(&*parent, name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|error| self.failed("read link", path, error))
    }

    /// The names in a folder, ascending, and whether each is a folder.
    pub fn list(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, bool)>> {
        let failed = |error| self.failed("list", path, error);
        let folder = self.folder(path)?;
        let mut found = Vec::new();
        let flags = LOOK | OFlags::DIRECTORY;
        let readable = rustix::fs::openat(&*folder, &b"."[..], flags, Mode::empty());
        for entry in Dir::new(readable.map_err(failed)?).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let is_folder = match entry.file_type() {
                FileType::Unknown => self
                    .stat_in(&folder, name, path)?
                    .is_some_and(|found| found.kind == FoundKind::Folder),
                kind => kind == FileType::Directory,
            };
            found.push((name.to_vec(), is_folder));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes what stands at `path`; a folder that holds something only when `all`. Gone already is done.
    pub fn remove(&self, path: &[u8], all: bool) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        match rustix::fs::unlinkat(&*parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) if all => self.remove_tree(path),
            Err(Errno::ISDIR | Errno::PERM) => self.remove_empty(path),
            Err(error) => Err(self.failed("remove", path, error)),
        }
    }

    /// Makes everything written here durable.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::syncfs(&*self.inner.root).map_err(|error| self.failed("sync", b"", error))
    }

    /// Without recursion, as folders may be nested deep: each turn empties a folder or goes down one.
    fn remove_tree(&self, path: &[u8]) -> Result<()> {
        let mut at = path.to_vec();
        'turn: loop {
            for (name, is_folder) in self.list(&at)? {
                let len = at.len();
                at.push(b'/');
                at.extend_from_slice(&name);
                if is_folder {
                    continue 'turn;
                }
                self.remove(&at, false)?;
                at.truncate(len);
            }
            self.remove_empty(&at)?;
            if at.len() <= path.len() {
                return Ok(());
            }
            let cut = at.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            at.truncate(cut);
        }
    }

    fn remove_empty(&self, path: &[u8]) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        self.forget(path);
        match rustix::fs::unlinkat(&*parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                Err(self.refused(path, "a folder that is not empty"))
            }
            Err(error) => Err(self.failed("remove", path, error)),
        }
    }

    /// Makes room at a name that is taken by something that cannot be renamed over.
    fn clear(&self, parent: &OwnedFd, name: &[u8], path: &[u8], existing: Existing) -> Result<()> {
        match existing {
            Existing::Refuse => Err(self.refused(path, "something is there already")),
            Existing::Replace | Existing::ReplaceAll => {
                let folder = self.stat_in(parent, name, path)?;
                match folder.map(|found| found.kind) {
                    Some(FoundKind::Folder) => self.remove(path, existing == Existing::ReplaceAll),
                    Some(_) => rustix::fs::unlinkat(parent, name, AtFlags::empty())
                        .map_err(|error| self.failed("remove", path, error)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Best effort: what fails here will be told by the write that needed it.
    fn open_up(&self, parent: &OwnedFd, name: &[u8], mode: u32) {
        let opened = rustix::fs::openat(parent, name, LOOK | OFlags::DIRECTORY, Mode::empty());
        if let Ok(folder) = opened {
            let _ = rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode | 0o700));
        }
    }

    fn stat_in(&self, parent: &OwnedFd, name: &[u8], path: &[u8]) -> Result<Option<Found>> {
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(metadata::found(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("stat", path, error)),
        }
    }

    fn refused(&self, path: &[u8], why: &str) -> Error {
        Error::new(Kind::Refused, format!("{}: {why}", self.shown(path)))
    }

    fn failed(&self, what: &str, path: &[u8], error: Errno) -> Error {
        let failed = Error::io(format!("{what} {}", self.shown(path)), error.into());
        match error {
            Errno::LOOP | Errno::XDEV | Errno::NOTDIR => failed.with_kind(Kind::Refused),
            _ => explained(failed),
        }
    }

    fn shown(&self, path: &[u8]) -> String {
        let root = self.inner.path.display();
        let below = String::from_utf8_lossy(path);
        let text = if path.is_empty() {
            root.to_string()
        } else {
            format!("{root}/{below}")
        };
        text.chars()
            .map(|char| if char.is_control() { '\u{fffd}' } else { char })
            .collect()
    }
}

/// With what to do about a full disk.
pub(crate) fn explained(error: Error) -> Error {
    match error.kind() {
        Kind::Full => error.hint(
            "make room there and run the same command again: what is complete is not written twice",
        ),
        _ => error,
    }
}
