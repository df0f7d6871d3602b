//! From a path to an open folder beneath the target's root, without following any link on the way.
//!
//! One `openat2` resolves a whole path where the system has it, else one `openat` for each name; both refuse links. The
//! last few folders stay open, so an item in the folder of the one before costs no look-up.

use crate::error::Result;
use crate::limits::{FOLDER_DEPTH_MAX, NAME_BYTES_MAX};
use crate::target::Target;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Folders kept open.
const OPEN_FOLDERS_MAX: usize = 16;
/// The longest path resolved in one call; the system takes 4,095 bytes.
const PIECE_BYTES_MAX: usize = 3800;

const PASS: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Target {
    /// The open folder that holds `path`, and its last name. Every path that comes in passes here or [`Self::folder`].
    pub(crate) fn parent_of<'a>(&self, path: &'a [u8]) -> Result<(Arc<OwnedFd>, &'a [u8])> {
        self.check(path)?;
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(cut) => (&path[..cut], &path[cut + 1..]),
            None => (&path[..0], path),
        };
        if name.is_empty() {
            return Err(self.refused(path, "the target itself"));
        }
        Ok((self.folder(parent)?, name))
    }

    /// The folder at `path`, opened to go through.
    pub(crate) fn folder(&self, path: &[u8]) -> Result<Arc<OwnedFd>> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.inner.root));
        }
        self.check(path)?;
        let (mut from, known) = self.nearest(path);
        if known < path.len() {
            let rest = if known == 0 { path } else { &path[known + 1..] };
            from = self
                .descend(from, rest)
                .map_err(|error| self.failed("open folder", path, error))?;
            let mut open = self.kept();
            open.truncate(OPEN_FOLDERS_MAX - 1);
            open.push_front((path.to_vec(), Arc::clone(&from)));
        }
        Ok(from)
    }

    /// The open folder nearest above `path` or at it, and how much of the path that is.
    fn nearest(&self, path: &[u8]) -> (Arc<OwnedFd>, usize) {
        let mut open = self.kept();
        let mut best: Option<usize> = None;
        for (place, (known, _)) in open.iter().enumerate() {
            let longer = best.is_none_or(|best| open[best].0.len() < known.len());
            if longer && is_at_or_below(path, known) {
                best = Some(place);
            }
        }
        let Some(found) = best.and_then(|place| open.remove(place)) else {
            return (Arc::clone(&self.inner.root), 0);
        };
        let answer = (Arc::clone(&found.1), found.0.len());
        open.push_front(found);
        answer
    }

    fn descend(&self, mut from: Arc<OwnedFd>, path: &[u8]) -> rustix::io::Result<Arc<OwnedFd>> {
        let mut rest = path;
        while !rest.is_empty() {
            let end = if rest.len() <= PIECE_BYTES_MAX {
                rest.len()
            } else {
                let cut = rest[..PIECE_BYTES_MAX]
                    .iter()
                    .rposition(|byte| *byte == b'/');
                cut.ok_or(Errno::NAMETOOLONG)?
            };
            from = Arc::new(self.descend_piece(&from, &rest[..end])?);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        Ok(from)
    }

    fn descend_piece(&self, from: &OwnedFd, piece: &[u8]) -> rustix::io::Result<OwnedFd> {
        if self.inner.whole.load(Ordering::Relaxed) {
            let resolve =
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(from, piece, PASS, Mode::empty(), resolve) {
                // Old kernels do not know the call, old sandboxes forbid it, and a rename may have interfered.
                Err(Errno::NOSYS | Errno::PERM) => self.inner.whole.store(false, Ordering::Relaxed),
                Err(Errno::AGAIN) => {}
                answer => return answer,
            }
        }
        let mut names = piece.split(|byte| *byte == b'/');
        let first = names.next().unwrap_or_default();
        let mut folder = rustix::fs::openat(from, first, PASS, Mode::empty())?;
        for name in names {
            folder = rustix::fs::openat(&folder, name, PASS, Mode::empty())?;
        }
        Ok(folder)
    }

    /// Closes the folders at and below `path`.
    pub(crate) fn forget(&self, path: &[u8]) {
        self.kept()
            .retain(|(known, _)| !is_at_or_below(known, path));
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(Vec<u8>, Arc<OwnedFd>)>> {
        let open = self.inner.open.lock();
        open.unwrap_or_else(PoisonError::into_inner)
    }

    /// A path is names joined by single slashes; the empty one is the target.
    fn check(&self, path: &[u8]) -> Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        let mut depth = 0;
        for name in path.split(|byte| *byte == b'/') {
            depth += 1;
            if matches!(name, b"" | b"." | b"..") || name.contains(&0) {
                return Err(self.refused(path, "a name that leads elsewhere"));
            }
            if name.len() > NAME_BYTES_MAX {
                return Err(self.refused(path, "a name that is too long"));
            }
        }
        if depth > FOLDER_DEPTH_MAX {
            return Err(self.refused(path, "nested too deep"));
        }
        Ok(())
    }
}

fn is_at_or_below(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::target::Existing;

    #[test]
    fn links_are_not_followed_without_openat2_either() {
        for whole in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let outside = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
            std::os::unix::fs::symlink(outside.path(), folder.path().join("a/link")).unwrap();
            std::fs::create_dir(outside.path().join("b")).unwrap();
            let target = Target::open(folder.path(), false, false).unwrap();
            target.inner.whole.store(whole, Ordering::Relaxed);
            assert!(target.folder(b"a/b/c").is_ok());
            for wrong in [&b"a/link"[..], b"a/link/b"] {
                assert_eq!(target.folder(wrong).unwrap_err().kind(), Kind::Refused);
            }
            let missing = target.folder(b"a/none").unwrap_err();
            assert_eq!(missing.kind(), Kind::NotFound);
        }
    }

    #[test]
    fn few_folders_stay_open_and_the_nearest_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::open(folder.path(), false, false).unwrap();
        for n in 0..3 * OPEN_FOLDERS_MAX {
            let path = format!("{n}");
            assert!(
                target
                    .make_folder(path.as_bytes(), Existing::Refuse)
                    .unwrap()
            );
            target.folder(path.as_bytes()).unwrap();
        }
        assert_eq!(target.kept().len(), OPEN_FOLDERS_MAX);
        let last = format!("{}/x", 3 * OPEN_FOLDERS_MAX - 1);
        assert_eq!(target.nearest(last.as_bytes()).1, last.len() - 2);
        assert_eq!(target.nearest(b"4").1, 0, "47 is not 4");
        target.forget(&last.as_bytes()[..last.len() - 2]);
        assert_eq!(target.kept().len(), OPEN_FOLDERS_MAX - 1);
    }
}
