//! Owner, attributes, mode and times, in that order, by descriptor.
//!
//! The order matters. A change of owner drops set-id bits and capabilities, so it comes first. Attributes need a mode
//! that lets us write, so they come before the mode; times come last, as all else moves them.
//!
//! What could not be applied is said in a few words and is no error: the content is there. What fails for every item
//! alike, such as the owner when we are not root, is said once.

use crate::host::Timestamp;
use crate::target::{Found, FoundKind, Target};
use rustix::fs::{AtFlags, FileType, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::PoisonError;

const ACCESS_LIST: &str = "system.posix_acl_access";
const DEFAULT_LIST: &str = "system.posix_acl_default";

/// What is to be true of an item beside its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Mode bits 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Content changed.
    pub mtime: Timestamp,
    /// Attributes: name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// How an item is reached.
pub(crate) enum Subject<'a> {
    /// A file or folder that is open.
    Open(BorrowedFd<'a>),
    /// Anything that must not be opened: held by a descriptor of its name alone, and that name in its folder.
    Node {
        held: BorrowedFd<'a>,
        folder: BorrowedFd<'a>,
        name: &'a [u8],
        link: bool,
    },
}

impl Subject<'_> {
    fn stat(&self) -> rustix::io::Result<rustix::fs::Stat> {
        match self {
            Self::Open(file) | Self::Node { held: file, .. } => rustix::fs::fstat(file),
        }
    }

    fn own(&self, uid: Option<u32>, gid: Option<u32>) -> rustix::io::Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            Self::Open(file) => rustix::fs::fchown(file, uid, gid),
            Self::Node { held, .. } => {
                rustix::fs::chownat(held, &b""[..], uid, gid, AtFlags::EMPTY_PATH)
            }
        }
    }

    fn set_mode(&self, mode: u32) -> rustix::io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Self::Open(file) => rustix::fs::fchmod(file, mode),
            Self::Node { link: true, .. } => Ok(()),
            // The kernel resolves this to the very item that is held; nothing else can take its place.
            Self::Node { held, .. } => rustix::fs::chmod(through(*held), mode),
        }
    }

    fn set_times(&self, times: &Timestamps) -> rustix::io::Result<()> {
        match self {
            Self::Open(file) => rustix::fs::futimens(file, times),
            Self::Node { folder, name, .. } => {
                rustix::fs::utimensat(folder, *name, times, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    fn set_attribute(&self, name: &[u8], value: &[u8]) -> rustix::io::Result<()> {
        let flags = XattrFlags::empty();
        match self {
            Self::Open(file) => rustix::fs::fsetxattr(file, name, value, flags),
            Self::Node { held, .. } => rustix::fs::setxattr(through(*held), name, value, flags),
        }
    }
}

fn through(held: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", held.as_raw_fd())
}

/// Whether a folder gives what is created in it an access list of its own choice.
pub(crate) fn hands_down(folder: BorrowedFd<'_>) -> bool {
    rustix::fs::fgetxattr_query(folder, DEFAULT_LIST).is_ok_and(|len| len > 0)
}

pub(crate) fn found(stat: &rustix::fs::Stat) -> Found {
    Found {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FoundKind::File,
            FileType::Directory => FoundKind::Folder,
            FileType::Symlink => FoundKind::Symlink,
            _ => FoundKind::Other,
        },
        size: stat.st_size.unsigned_abs(),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Timestamp {
            seconds: stat.st_mtime,
            nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
        device: stat.st_dev,
        inode: stat.st_ino,
        links: stat.st_nlink,
    }
}

impl Target {
    /// Applies `wanted`; no call is made that would change nothing. Returns what could not be applied.
    pub(crate) fn apply(&self, subject: &Subject<'_>, wanted: &Metadata) -> Vec<String> {
        let mut missed = Vec::new();
        let stat = match subject.stat() {
            Ok(stat) => stat,
            Err(error) => return vec![format!("metadata: {error}")],
        };
        let owned = self.apply_owner(subject, &stat, wanted, &mut missed);
        self.apply_attributes(subject, wanted, &mut missed);
        let mut mode = wanted.mode & 0o7777;
        if mode & 0o6000 != 0 && !(self.inner.privileged && owned) {
            mode &= 0o1777;
            missed.push("set-id bits: left out".to_owned());
        }
        // Attributes and a change of owner may both have moved the mode, so the stat from before is not proof then.
        let touched = !wanted.xattrs.is_empty() || self.inner.inherits;
        if (touched || stat.st_mode & 0o7777 != mode || stat.st_mode & 0o6000 != 0)
            && let Err(error) = subject.set_mode(mode)
        {
            missed.push(format!("mode {mode:04o}: {error}"));
        }
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: wanted.mtime.seconds,
                tv_nsec: wanted.mtime.nanos.min(999_999_999).into(),
            },
        };
        if let Err(error) = subject.set_times(&times) {
            missed.push(format!("time: {error}"));
        }
        missed
    }

    /// Whether the item now belongs to whom it should.
    fn apply_owner(
        &self,
        subject: &Subject<'_>,
        stat: &rustix::fs::Stat,
        wanted: &Metadata,
        missed: &mut Vec<String>,
    ) -> bool {
        let uid = (stat.st_uid != wanted.uid).then_some(wanted.uid);
        let gid = (stat.st_gid != wanted.gid).then_some(wanted.gid);
        if uid.is_none() && gid.is_none() {
            return true;
        }
        let error = match subject.own(uid, gid) {
            Ok(()) => return true,
            Err(error) => error,
        };
        // A group that we are in may be given without the owner.
        if uid.is_some() && gid.is_some() {
            let _ = subject.own(None, gid);
        }
        if error != Errno::PERM || rustix::process::geteuid().is_root() {
            missed.push(format!("owner {}:{}: {error}", wanted.uid, wanted.gid));
        } else if self.first_time("owner") {
            missed.push("owners: only root can set them".to_owned());
        }
        false
    }

    fn apply_attributes(&self, subject: &Subject<'_>, wanted: &Metadata, missed: &mut Vec<String>) {
        if self.inner.inherits
            && let Subject::Open(file) = subject
        {
            for list in [ACCESS_LIST, DEFAULT_LIST] {
                if !wanted
                    .xattrs
                    .iter()
                    .any(|(name, _)| name == list.as_bytes())
                {
                    let _ = rustix::fs::fremovexattr(file, list);
                }
            }
        }
        for (name, value) in &wanted.xattrs {
            let shown = String::from_utf8_lossy(name);
            if name.contains(&0) {
                missed.push(format!("attribute {shown:?}: not a name"));
                continue;
            }
            let grants = name.starts_with(b"security.") || name.starts_with(b"trusted.");
            if grants && !self.inner.privileged {
                if self.first_time("grants") {
                    missed.push("security attributes: left out".to_owned());
                }
                continue;
            }
            if let Err(error) = subject.set_attribute(name, value) {
                missed.push(format!("attribute {shown}: {error}"));
            }
        }
    }

    /// Whether this was not said before.
    fn first_time(&self, what: &'static str) -> bool {
        let told = self.inner.told.lock();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        let first = !told.contains(&what);
        if first {
            told.push(what);
        }
        first
    }
}
