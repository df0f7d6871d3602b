//! Temporary files of a folder store: written and synced under `tmp/`, then moved to their place or removed.
//!
//! Names are `<device tag>-<process>-<number>`, made exclusively, so that two processes never write one file.
//! Large objects go past the page cache through an aligned piece.

use crate::limits::{MIB, PAGE};
use crate::store::Placed;
use crate::store::folder::root::Root;
use rustix::fs::{self, Advice, AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The folder of temporary files.
pub(super) const TEMP: &str = "tmp";
/// From here on an object is written past the page cache.
pub(super) const LARGE: usize = MIB;
const PIECE: usize = 4 * MIB;
/// Two packs are in flight on one mirror at most.
const PIECES_KEPT: usize = 2;

/// Makes temporary files, and keeps the aligned pieces between them.
pub(super) struct Temps {
    device_tag: String,
    count: AtomicU64,
    pieces: Mutex<Vec<Piece>>,
}

impl Temps {
    pub(super) fn new(device_tag: &str) -> Self {
        Self {
            device_tag: device_tag.to_owned(),
            count: AtomicU64::new(0),
            pieces: Mutex::default(),
        }
    }

    /// How the names of this device's files begin.
    pub(super) fn prefix(&self) -> String {
        format!("{}-", self.device_tag)
    }

    /// Writes and syncs a temporary file.
    pub(super) fn write<'a>(&self, root: &'a Root, bytes: &[u8]) -> io::Result<Temp<'a>> {
        let mut temp = self.make(root)?;
        // Tells a sweep that this one is in use. Not every file system has locks, and then a sweep goes by names.
        let _ = fs::flock(&temp.file, FlockOperation::NonBlockingLockExclusive);
        if bytes.len() >= LARGE {
            self.write_large(&mut temp.file, bytes)?;
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

    fn write_large(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let whole = bytes.len() - bytes.len() % PAGE;
        let done = if set_direct(file, true) {
            let done = self.write_direct(file, &bytes[..whole])?;
            set_direct(file, false);
            done
        } else {
            0
        };
        if done < bytes.len() {
            file.write_all_at(&bytes[done..], done as u64)?;
        }
        file.sync_all()?;
        if done < bytes.len() {
            let _ = fs::fadvise(&*file, 0, None, Advice::DontNeed);
        }
        Ok(())
    }

    /// How much was written: less than all where the device wants another alignment than a page.
    fn write_direct(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let kept = || self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = kept().pop();
        let mut piece = taken.unwrap_or_else(Piece::new);
        let mut done = 0;
        let mut answer = Ok(());
        for part in bytes.chunks(PIECE) {
            let aligned = piece.filled(part);
            answer = file.write_all_at(aligned, done as u64);
            if answer.is_err() {
                break;
            }
            done += part.len();
        }
        let mut kept = kept();
        if kept.len() < PIECES_KEPT {
            kept.push(piece);
        }
        match answer {
            Err(error) if error.raw_os_error() != Some(Errno::INVAL.raw_os_error()) => Err(error),
            _ => Ok(done),
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

/// A buffer whose bytes begin at a page: O_DIRECT asks for that, and `Vec` does not promise it.
struct Piece {
    bytes: Vec<u8>,
    start: usize,
}

impl Piece {
    fn new() -> Self {
        let bytes = vec![0; PIECE + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        Self { bytes, start }
    }

    fn filled(&mut self, with: &[u8]) -> &[u8] {
        let room = &mut self.bytes[self.start..self.start + with.len()];
        room.copy_from_slice(with);
        room
    }
}

/// Set after opening: where it is refused, an open with the flag would leave the new file behind.
fn set_direct(file: &File, on: bool) -> bool {
    fs::fcntl_getfl(file).is_ok_and(|flags| {
        let mut flags = flags;
        flags.set(OFlags::DIRECT, on);
        fs::fcntl_setfl(file, flags).is_ok()
    })
}
