//! What the operating system's answers mean for a folder store, with what to do about them.

use crate::error::{Error, Kind};
use rustix::io::Errno;
use std::io;
use std::path::Path;

pub(super) const UNPLUGGED: &str =
    "is the disk still plugged in and mounted? `heirloom mirror test` tells";

pub(super) fn unreadable(root: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotADirectory {
        return nothing_at(root, "it is not a folder");
    }
    failed(opening(root), error, root)
}

pub(super) fn opening(root: &Path) -> String {
    format!("open {}", root.display())
}

pub(super) fn nothing_at(root: &Path, why: &'static str) -> Error {
    Error::new(
        Kind::NoRepository,
        format!("no repository at {}: {why}", root.display()),
    )
    .hint("is the disk mounted? `heirloom init` makes a new repository there")
}

/// What the operating system's answer means for a folder, with what to do about it.
pub(super) fn failed(what: String, error: io::Error, root: &Path) -> Error {
    let root = root.display();
    let code = Errno::from_io_error(&error);
    let error = Error::io(what, error);
    match code {
        Some(Errno::ROFS) => error.hint(format!(
            "that file system is read-only: `mount -o remount,rw {root}`, and if it fell back to that by itself, check the disk first"
        )),
        Some(Errno::ACCESS | Errno::PERM) => error.with_kind(Kind::Denied).hint(format!(
            "this user may not do that: `ls -ld {root}` shows who may"
        )),
        Some(Errno::NOSPC | Errno::DQUOT) => {
            error.hint("make room there and run the same command again: what is complete is not sent twice")
        }
        Some(
            Errno::NODEV | Errno::NXIO | Errno::STALE | Errno::NOTCONN | Errno::HOSTDOWN | Errno::TIMEDOUT,
        ) => error.with_kind(Kind::Unreachable).hint(UNPLUGGED),
        _ => error,
    }
}

/// What a sector answers that the disk gives up, and a disk that is gone.
pub(super) fn is_io(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::IO)
}

/// What keeps one object from being opened or read and says nothing of the others: a bad sector under it, a link in its
/// place, a file where its folder should be.
pub(super) fn is_of_object(error: &io::Error) -> bool {
    let code = Errno::from_io_error(error);
    // EUCLEAN is what file systems answer whose own structures are damaged there.
    matches!(
        code,
        Some(Errno::IO | Errno::UCLEAN | Errno::BADMSG | Errno::LOOP | Errno::NOTDIR)
    )
}
