//! What is written: files piece by piece, links and nodes.
//!
//! A new file stands under its name from the start, for its owner alone, until it is finished. Where something stands
//! already the file is written beside it, under a temporary name, and takes its place in one step; nobody ever sees
//! half of the one and half of the other, and whoever has the old one open keeps it.
//!
//! What must hold:
//! - A file is created exclusively: its content never goes into something that was there.
//! - A file that is not finished is removed.

use crate::error::{Error, Result};
use crate::target::metadata::{Metadata, Subject};
use crate::target::{Existing, FoundKind, Target, explained};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const CREATE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A file being written; pieces come in any order from any thread. Dropped unfinished, it is removed.
pub struct TargetFile {
    target: Target,
    /// The path it is to have.
    path: Vec<u8>,
    /// The path it has, when something stood at the other.
    beside: Option<Vec<u8>>,
    open: Mutex<Hold>,
    finished: bool,
}

enum Hold {
    Open(Arc<File>),
    /// Closed for now; which file it is.
    Parked(u64, u64),
}

/// A device node's kind and numbers, or a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A named pipe.
    Fifo,
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

impl Target {
    /// Begins a file.
    pub fn create_file(&self, path: &[u8], existing: Existing) -> Result<TargetFile> {
        let (parent, name) = self.parent_of(path)?;
        let create =
            |name: &[u8]| rustix::fs::openat(&*parent, name, CREATE, Mode::RUSR | Mode::WUSR);
        let (file, beside) = match create(name) {
            Err(Errno::EXIST) if self.give_way(&parent, name, path, existing)? => {
                let (file, temporary) = self.beside(path, create)?;
                (file, Some(temporary))
            }
            Err(Errno::EXIST) => (
                create(name).map_err(|error| self.failed("create", path, error))?,
                None,
            ),
            Ok(file) => (file, None),
            Err(error) => return Err(self.failed("create", path, error)),
        };
        Ok(TargetFile {
            target: self.clone(),
            path: path.to_vec(),
            beside,
            open: Mutex::new(Hold::Open(Arc::new(File::from(file)))),
            finished: false,
        })
    }

    /// Makes a symbolic link. Returns what could not be applied.
    pub fn symlink(
        &self,
        path: &[u8],
        leads_to: &[u8],
        metadata: &Metadata,
        existing: Existing,
    ) -> Result<Vec<String>> {
        let make = |parent: &OwnedFd, name: &[u8]| rustix::fs::symlinkat(leads_to, parent, name);
        self.place(path, existing, make, Some((metadata, FileType::Symlink)))
    }

    /// Gives the item at `first`, whatever it is, another name. A link is not followed.
    pub fn hard_link(&self, first: &[u8], path: &[u8], existing: Existing) -> Result<()> {
        let (from, first_name) = self.parent_of(first)?;
        let make = |parent: &OwnedFd, name: &[u8]| {
            rustix::fs::linkat(&*from, first_name, parent, name, AtFlags::empty())
        };
        self.place(path, existing, make, None).map(drop)
    }

    /// Makes a pipe or, in a privileged target, a device. Returns what could not be applied.
    pub fn node(
        &self,
        path: &[u8],
        node: Node,
        metadata: &Metadata,
        existing: Existing,
    ) -> Result<Vec<String>> {
        let (kind, device) = match node {
            Node::Fifo => (FileType::Fifo, 0),
            Node::CharDevice(major, minor) => {
                (FileType::CharacterDevice, rustix::fs::makedev(major, minor))
            }
            Node::BlockDevice(major, minor) => {
                (FileType::BlockDevice, rustix::fs::makedev(major, minor))
            }
        };
        if node != Node::Fifo && !self.inner.privileged {
            return Err(self.refused(path, "a device node"));
        }
        let make = |parent: &OwnedFd, name: &[u8]| {
            rustix::fs::mknodat(parent, name, kind, Mode::RUSR | Mode::WUSR, device)
        };
        self.place(path, existing, make, Some((metadata, kind)))
    }

    /// Makes something that is complete at once, beside and renamed over where something stands.
    fn place(
        &self,
        path: &[u8],
        existing: Existing,
        make: impl Fn(&OwnedFd, &[u8]) -> rustix::io::Result<()>,
        dress: Option<(&Metadata, FileType)>,
    ) -> Result<Vec<String>> {
        let (parent, name) = self.parent_of(path)?;
        let finish = |name: &[u8]| match dress {
            Some((metadata, kind)) => self.dress(&parent, name, metadata, kind),
            None => Vec::new(),
        };
        match make(&parent, name) {
            Ok(()) => return Ok(finish(name)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(self.failed("create", path, error)),
        }
        if !self.give_way(&parent, name, path, existing)? {
            make(&parent, name).map_err(|error| self.failed("create", path, error))?;
            return Ok(finish(name));
        }
        let ((), beside) = self.beside(path, |name| make(&parent, name))?;
        let temporary = last(&beside);
        let missed = finish(temporary);
        let renamed = rustix::fs::renameat(&*parent, temporary, &*parent, name);
        // Renaming one of two names of an item to the other does nothing at all.
        let _ = rustix::fs::unlinkat(&*parent, temporary, AtFlags::empty());
        renamed.map_err(|error| self.failed("replace", path, error))?;
        Ok(missed)
    }

    /// Whether what stands there is to be renamed over; a folder is removed instead.
    fn give_way(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        path: &[u8],
        existing: Existing,
    ) -> Result<bool> {
        let found = self.stat_in(parent, name, path)?;
        let plain = found.is_some_and(|found| found.kind != FoundKind::Folder);
        if existing != Existing::Refuse && plain {
            return Ok(true);
        }
        self.clear(parent, name, path, existing)?;
        Ok(false)
    }

    /// Runs `make` with a name in the same folder that nobody has. Returns the path of it.
    fn beside<T>(
        &self,
        path: &[u8],
        make: impl Fn(&[u8]) -> rustix::io::Result<T>,
    ) -> Result<(T, Vec<u8>)> {
        loop {
            let serial = self.inner.serial.fetch_add(1, Ordering::Relaxed);
            let name = format!(".heirloom-{:x}-{serial:x}.part", std::process::id());
            match make(name.as_bytes()) {
                Ok(made) => {
                    let folder = &path[..path.len() - last(path).len()];
                    return Ok((made, [folder, name.as_bytes()].concat()));
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(self.failed("create beside", path, error)),
            }
        }
    }

    fn dress(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        metadata: &Metadata,
        kind: FileType,
    ) -> Vec<String> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = rustix::fs::openat(parent, name, flags, Mode::empty());
        let held = held.and_then(|held| Ok((rustix::fs::fstat(&held)?, held)));
        match held {
            Ok((stat, held)) if FileType::from_raw_mode(stat.st_mode) == kind => {
                let link = kind == FileType::Symlink;
                let mut wanted = metadata.clone();
                if link {
                    wanted.mode = stat.st_mode & 0o7777;
                }
                let subject = Subject::Node {
                    held: held.as_fd(),
                    folder: parent.as_fd(),
                    name,
                    link,
                };
                self.apply(&subject, &wanted)
            }
            Ok(_) => vec!["metadata: something else took its place".to_owned()],
            Err(error) => vec![format!("metadata: {error}")],
        }
    }
}

impl TargetFile {
    /// Writes a piece. What is never written reads as zeros.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file()?
            .write_all_at(bytes, offset)
            .map_err(|error| self.io("write", error))
    }

    /// The file's final length; what was not written is a hole.
    pub fn set_len(&self, len: u64) -> Result<()> {
        self.file()?
            .set_len(len)
            .map_err(|error| self.io("set length of", error))
    }

    /// Closes the file until the next piece, so that many can be under way.
    pub fn park(&self) -> Result<()> {
        let mut hold = self.hold();
        if let Hold::Open(file) = &*hold {
            let stat = rustix::fs::fstat(file).map_err(|error| self.io("stat", error.into()))?;
            *hold = Hold::Parked(stat.st_dev, stat.st_ino);
        }
        Ok(())
    }

    /// Applies `metadata` and puts the file where it belongs. Returns what could not be applied.
    pub fn finish(self, metadata: &Metadata) -> Result<Vec<String>> {
        let path = self.path.clone();
        self.finish_at(metadata, &path)
    }

    /// The same under another name in its folder, for a file that has gaps. What has that name is replaced.
    pub fn finish_as(self, metadata: &Metadata, name: &[u8]) -> Result<Vec<String>> {
        let folder = &self.path[..self.path.len() - last(&self.path).len()];
        let path = [folder, name].concat();
        self.finish_at(metadata, &path)
    }

    fn finish_at(mut self, metadata: &Metadata, path: &[u8]) -> Result<Vec<String>> {
        let file = self.file()?;
        let missed = self.target.apply(&Subject::Open(file.as_fd()), metadata);
        let has = self.beside.as_ref().unwrap_or(&self.path);
        if has != path {
            let (parent, name) = self.target.parent_of(path)?;
            rustix::fs::renameat(&*parent, last(has), &*parent, name)
                .map_err(|error| self.target.failed("replace", path, error))?;
        }
        self.finished = true;
        Ok(missed)
    }

    fn file(&self) -> Result<Arc<File>> {
        let mut hold = self.hold();
        let (device, inode) = match &*hold {
            Hold::Open(file) => return Ok(Arc::clone(file)),
            Hold::Parked(device, inode) => (*device, *inode),
        };
        let has = self.beside.as_ref().unwrap_or(&self.path);
        let (parent, name) = self.target.parent_of(has)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&*parent, name, flags, Mode::empty())
            .map_err(|error| self.target.failed("open", has, error))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| self.io("stat", error.into()))?;
        if (stat.st_dev, stat.st_ino) != (device, inode) {
            return Err(self.target.refused(has, "another file took its place"));
        }
        let file = Arc::new(File::from(file));
        *hold = Hold::Open(Arc::clone(&file));
        Ok(file)
    }

    fn hold(&self) -> MutexGuard<'_, Hold> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn io(&self, what: &str, error: std::io::Error) -> Error {
        explained(Error::io(
            format!("{what} {}", self.target.shown(&self.path)),
            error,
        ))
    }
}

impl Drop for TargetFile {
    fn drop(&mut self) {
        if !self.finished {
            let has = self.beside.as_ref().unwrap_or(&self.path);
            if let Ok((parent, name)) = self.target.parent_of(has) {
                let _ = rustix::fs::unlinkat(&*parent, name, AtFlags::empty());
            }
        }
    }
}

fn last(path: &[u8]) -> &[u8] {
    let cut = path.iter().rposition(|byte| *byte == b'/');
    &path[cut.map_or(0, |cut| cut + 1)..]
}
