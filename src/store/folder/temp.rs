//! Temporary files of a folder store: written and synced under `tmp/`, then moved to their place or removed.
//!
//! Names are `<device tag>-<process>-<number>`, made exclusively, so that two processes never write one file.

use crate::name::{Folder, Name};
use crate::store::Placed;
use crate::store::folder::direct::{Direct, LARGE};
use crate::store::folder::root::Root;
use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder of temporary files.
pub(super) const TEMP: &str = "tmp";

/// Whether a file of this name may be half-written, by this device or another.
pub(super) fn is_half_written(name: &Name) -> bool {
    let mut parts = name.leaf().rsplitn(3, '-');
    let mut number = || {
        parts
            .next()
            .is_some_and(|part| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit()))
    };
    name.folder() == Folder::Tmp
        && number()
        && number()
        && parts.next().is_some_and(|tag| !tag.contains('-'))
}

/// Makes temporary files.
pub(super) struct Temps {
    device_tag: String,
    count: AtomicU64,
}

impl Temps {
    pub(super) fn new(device_tag: &str) -> Self {
        Self {
            device_tag: device_tag.to_owned(),
            count: AtomicU64::new(0),
        }
    }

    /// How the names of this device's files begin.
    pub(super) fn prefix(&self) -> String {
        format!("{}-", self.device_tag)
    }

    /// Writes and syncs a temporary file.
    pub(super) fn write<'a>(
        &self,
        root: &'a Root,
        direct: &Direct,
        bytes: &[u8],
    ) -> io::Result<Temp<'a>> {
        let mut temp = self.make(root)?;
        // Tells a sweep that this one is in use. Not every file system has locks, and then a sweep goes by names.
        let _ = fs::flock(&temp.file, FlockOperation::NonBlockingLockExclusive);
        if bytes.len() >= LARGE {
            direct.write(&temp.file, bytes)?;
        } else {
            temp.file.write_all(bytes)?;
            temp.file.sync_all()?;
        }
        Ok(temp)
    }

    fn make<'a>(&self, root: &'a Root) -> io::Result<Temp<'a>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut made = false;
        loop {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let path = format!("{TEMP}/{}-{}-{number}", self.device_tag, std::process::id());
            let mode = Mode::from_raw_mode(0o666);
            match fs::openat(root, &path, flags, mode) {
                Ok(file) => {
                    return Ok(Temp {
                        root,
                        path,
                        file: File::from(file),
                        is_ours: true,
                    });
                }
                Err(Errno::EXIST | Errno::INTR) => {}
                // A copy of a mirror may lack folders that were empty.
                Err(Errno::NOENT) if !made && root.is_there() => {
                    made = true;
                    root.make_parents(&path)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A temporary file, removed when dropped unless it was moved to its place.
pub(super) struct Temp<'a> {
    root: &'a Root,
    path: String,
    file: File,
    is_ours: bool,
}

impl Temp<'_> {
    /// Moves it to `path`, durably; what is there is replaced.
    pub(super) fn place(mut self, path: &str) -> rustix::io::Result<()> {
        self.moving(path, || {
            fs::renameat(self.root, &self.path, self.root, path)
        })?;
        self.is_ours = false;
        self.root.sync_parent(path)
    }

    /// Moves it to `path`, durably, if nothing is there.
    pub(super) fn place_new(mut self, path: &str) -> rustix::io::Result<Placed> {
        let rename = || {
            let noreplace = RenameFlags::NOREPLACE;
            fs::renameat_with(self.root, &self.path, self.root, path, noreplace)
        };
        let link = || fs::linkat(self.root, &self.path, self.root, path, AtFlags::empty());
        match self.moving(path, rename) {
            Ok(()) => self.is_ours = false,
            Err(Errno::EXIST) => return Ok(Placed::Taken),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match self.moving(path, link) {
                Ok(()) => {}
                Err(Errno::EXIST) => return Ok(Placed::Taken),
                Err(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    return Ok(Placed::Cannot);
                }
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
        self.root.sync_parent(path)?;
        Ok(Placed::Mine)
    }

    /// Does `act`, and once more if the folder of `path` had to be made.
    fn moving(
        &self,
        path: &str,
        act: impl Fn() -> rustix::io::Result<()>,
    ) -> rustix::io::Result<()> {
        match act() {
            Err(Errno::NOENT) => {
                self.root.make_parents(path)?;
                act()
            }
            answer => answer,
        }
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.is_ours {
            // The error that brought us here is the one to tell; a leftover is swept at the next start.
            let _ = self.root.unlink(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_written_files_are_known_by_their_names() {
        let is_half_written = |leaf| is_half_written(&Name::new(Folder::Tmp, leaf).unwrap());
        for leaf in ["0a1b-17-0", "7-7-7", "abc-1-99"] {
            assert!(is_half_written(leaf), "{leaf}");
        }
        for leaf in [
            "probe-20000-0a1b",
            "0a1b-17",
            "0a1b",
            "x-0a1b-17-0",
            "0a1b--0",
            "0a1b-17-",
        ] {
            assert!(!is_half_written(leaf), "{leaf}");
        }
    }
}
