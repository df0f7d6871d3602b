//! The root of a folder store: a descriptor taken once, and what is done beneath it with folders and names.

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// `statfs` calls every user-space file system this. Whether its rename keeps promises is up to a stranger's program.
const FUSE: i64 = 0x6573_5546;

/// An open folder and the path it was found at.
pub(super) struct Root {
    path: PathBuf,
    folder: File,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            path: path.to_owned(),
            folder: File::from(folder),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_fuse(&self) -> bool {
        fs::fstatfs(&self.folder).is_ok_and(|found| found.f_type == FUSE)
    }

    /// Whether the path still leads to the folder that was opened.
    pub(super) fn is_there(&self) -> bool {
        let now = std::fs::metadata(&self.path);
        let (Ok(now), Ok(then)) = (now, self.folder.metadata()) else {
            return false;
        };
        (now.dev(), now.ino()) == (then.dev(), then.ino())
    }

    /// Whether the disk still gives bytes: the first of this file, and not out of memory. Of a disk that was unplugged all
    /// that was read lately stays there for a long time, and the rest fails as bad sectors do.
    pub(super) fn gives_bytes(&self, path: &str) -> bool {
        let read = || {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let mut file = File::from(fs::openat(&self.folder, path, flags, Mode::empty())?);
            // Where that is not to be had, memory may answer.
            let _ = fs::fadvise(&file, 0, None, fs::Advice::DontNeed);
            file.read_exact(&mut [0])
        };
        !read().is_err_and(|error: io::Error| Errno::from_io_error(&error) == Some(Errno::IO))
    }

    /// Makes the folders above `path` that are missing. `path` lies below the root.
    pub(super) fn make_parents(&self, path: &str) -> rustix::io::Result<()> {
        for (at, _) in path.match_indices('/') {
            let mode = Mode::from_raw_mode(0o777);
            match fs::mkdirat(&self.folder, &path[..at], mode) {
                Ok(()) => self.sync_parent(&path[..at])?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes a rename into the folder of `path` durable.
    pub(super) fn sync_parent(&self, path: &str) -> rustix::io::Result<()> {
        let parent = path.rsplit_once('/').map_or(".", |(parent, _)| parent);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::openat(&self.folder, parent, flags, Mode::empty())?;
        match retry_on_intr(|| fs::fsync(&folder)) {
            // Some network file systems have no sync of folders.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Missing is done.
    pub(super) fn unlink(&self, path: &str) -> rustix::io::Result<()> {
        match retry_on_intr(|| fs::unlinkat(&self.folder, path, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Makes a folder and those above it, each durable in its parent.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    make_folder(parent)?;
    make_one(path)?;
    File::open(parent)?.sync_all()
}

/// Makes one folder; that it is there already is fine.
pub(super) fn make_one(path: &Path) -> io::Result<()> {
    match DirBuilder::new().create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        answer => answer,
    }
}
