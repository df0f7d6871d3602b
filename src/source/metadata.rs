//! What the system knows of one item: stat, link target, attributes, holes, and the names of users and groups.
//!
//! Asked for separately because an unchanged item pays for its stat alone: attributes cost more than the rest of the
//! walk, and are read from the descriptor when a file is opened anyway.
//!
//! What must hold:
//! - Opening never follows a link, never waits for a writer, and answers only with a regular file.
//! - A path longer than the system takes in one call is reached through a descriptor of its folder.

use crate::error::{Error, Kind, Result};
use crate::host::Timestamp;
use crate::source::{ItemKind, Stat};
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Extended attributes: name and value, ascending by name.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// A hole shorter than this is read as zeros.
pub const HOLE_BYTES_MIN: u64 = 1 << 20;

/// The longest path given to the system in one piece; it takes 4,095 bytes.
const PATH_BYTES_MAX: usize = 4000;

/// A regular file, open for reading, and what was true when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// Positioned at its start.
    pub file: File,
    /// By descriptor, so it is of this very file.
    pub stat: Stat,
    /// By descriptor too.
    pub attributes: Attributes,
}

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub offset: u64,
    /// How long it is; never 0.
    pub len: u64,
    /// Whether the file system holds nothing there.
    pub hole: bool,
}

/// The stat of `name` in `folder`; a symbolic link is not followed.
pub fn stat_at(folder: BorrowedFd<'_>, name: &[u8]) -> std::io::Result<Stat> {
    Ok(stat_from(&rustix::fs::statat(
        folder,
        name,
        AtFlags::SYMLINK_NOFOLLOW,
    )?))
}

/// The stat of `name` in `folder`, or of what it links to.
pub fn stat_at_following(folder: BorrowedFd<'_>, name: &[u8]) -> std::io::Result<Stat> {
    Ok(stat_from(&rustix::fs::statat(
        folder,
        name,
        AtFlags::empty(),
    )?))
}

/// The stat of an open descriptor.
pub fn stat_of(open: impl AsFd) -> std::io::Result<Stat> {
    Ok(stat_from(&rustix::fs::fstat(open)?))
}

/// The target of a symbolic link, as it was written.
pub fn read_link(path: &[u8]) -> Result<Vec<u8>> {
    by_path(path, |path| rustix::fs::readlinkat(CWD, path, Vec::new()))
        .map(std::ffi::CString::into_bytes)
        .map_err(|error| failed("read link", path, error))
}

/// The attributes of what `path` names; a link's own. A file system without attributes has none.
pub fn attributes_of_path(path: &[u8]) -> Result<Attributes> {
    by_path(path, |path| {
        collect(
            |list| rustix::fs::llistxattr(path, list),
            |name, value| rustix::fs::lgetxattr(path, name, value),
        )
    })
    .map_err(|error| failed("read attributes of", path, error))
}

/// Opens a regular file for reading, without following a link and without touching its access time where permitted.
pub fn open_file(path: &[u8]) -> Result<Opened> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |flags| by_path(path, |path| rustix::fs::open(path, flags, Mode::empty()));
    let other = || {
        Error::new(
            Kind::Other,
            format!("{}: no longer a regular file", shown(path)),
        )
    };
    // Only the owner of a file may leave its access time alone.
    let opened = match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        answer => answer,
    };
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::LOOP | Errno::NXIO) => return Err(other()),
        Err(error) => return Err(failed("open", path, error)),
    };
    let stat = stat_of(&file).map_err(|error| Error::io(format!("stat {}", shown(path)), error))?;
    if stat.kind != ItemKind::File {
        return Err(other());
    }
    let attributes = collect(
        |list| rustix::fs::flistxattr(&file, list),
        |name, value| rustix::fs::fgetxattr(&file, name, value),
    )
    .map_err(|error| failed("read attributes of", path, error))?;
    Ok(Opened {
        file,
        stat,
        attributes,
    })
}

/// Data and holes of a file of `stat.size` bytes, in order, without gaps; holes shorter than [`HOLE_BYTES_MIN`] count
/// as data. Costs nothing where the blocks account for the size. Moves the file's position.
pub fn extents(file: &File, stat: &Stat) -> Result<Vec<Extent>> {
    let size = stat.size;
    let whole = |len| Extent {
        offset: 0,
        len,
        hole: false,
    };
    if size == 0 {
        return Ok(Vec::new());
    }
    if size < HOLE_BYTES_MIN || stat.blocks.saturating_mul(512) >= size {
        return Ok(vec![whole(size)]);
    }
    let seek = |to| rustix::fs::seek(file, to);
    let mut found = Vec::new();
    let mut done = 0;
    let mut at = 0;
    while at < size {
        let hole = match seek(SeekFrom::Hole(at)) {
            Ok(offset) => offset.clamp(at, size),
            // The file has become shorter, or nobody here knows of holes.
            Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => break,
            Err(error) => return Err(Error::io("look for holes", error.into())),
        };
        if hole == size {
            break;
        }
        let data = match seek(SeekFrom::Data(hole)) {
            Ok(offset) => offset.clamp(hole, size),
            Err(Errno::NXIO) => size,
            Err(error) => return Err(Error::io("look for data", error.into())),
        };
        if data - hole >= HOLE_BYTES_MIN {
            push(&mut found, done, hole, false);
            push(&mut found, hole, data, true);
            done = data;
        }
        // A file that changes under us must not hold us here.
        at = data.max(at + 1);
    }
    push(&mut found, done, size, false);
    Ok(found)
}

fn push(found: &mut Vec<Extent>, from: u64, to: u64, hole: bool) {
    if from < to {
        found.push(Extent {
            offset: from,
            len: to - from,
            hole,
        });
    }
}

/// The names of users and groups by number, from `/etc/passwd` and `/etc/group`. Other directories are not asked: a
/// backup must not wait for a network.
#[derive(Clone, Debug, Default)]
pub struct Names {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
}

impl Names {
    /// Reads both files once; one that cannot be read names nobody.
    pub fn load() -> Self {
        Self {
            users: names_in(&std::fs::read("/etc/passwd").unwrap_or_default()),
            groups: names_in(&std::fs::read("/etc/group").unwrap_or_default()),
        }
    }

    /// The user's name.
    pub fn user(&self, number: u32) -> Option<&[u8]> {
        self.users.get(&number).map(Vec::as_slice)
    }

    /// The group's name.
    pub fn group(&self, number: u32) -> Option<&[u8]> {
        self.groups.get(&number).map(Vec::as_slice)
    }
}

/// Reads `name:password:number:…` lines. Of two lines with one number the first counts, as everywhere.
fn names_in(text: &[u8]) -> HashMap<u32, Vec<u8>> {
    let mut names = HashMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let (Some(name), Some(_), Some(number)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|text| text.parse().ok());
        if let (Some(number), false) = (number, name.is_empty() || name.starts_with(b"#")) {
            names.entry(number).or_insert_with(|| name.to_vec());
        }
    }
    names
}

/// A path for a message: what is not text is shown as replacement characters, and control characters escaped.
pub(crate) fn shown(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for char in String::from_utf8_lossy(path).chars() {
        if char.is_control() {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
    text
}

fn failed(what: &str, path: &[u8], error: Errno) -> Error {
    Error::io(format!("{what} {}", shown(path)), error.into())
}

/// Runs `act` with a path that the system takes in one piece and that names the same item.
fn by_path<T>(
    path: &[u8],
    act: impl FnOnce(&[u8]) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    if path.len() < PATH_BYTES_MAX {
        return act(path);
    }
    let cut = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let folder = open_folder(&path[..cut])?;
    let mut short = fd_path(folder.as_fd());
    short.extend_from_slice(&path[cut..]);
    act(&short)
}

/// A path of an open folder, through `/proc`; it means that very folder, wherever it has been moved to.
pub(crate) fn fd_path(folder: BorrowedFd<'_>) -> Vec<u8> {
    format!("/proc/self/fd/{}", folder.as_raw_fd()).into_bytes()
}

/// Opens a folder by an absolute path of any length, only to go through.
pub(crate) fn open_folder(path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::open(&b"/"[..], flags, Mode::empty())?;
    let mut rest = path;
    loop {
        while let [b'/', tail @ ..] = rest {
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(folder);
        }
        let end = if rest.len() < PATH_BYTES_MAX {
            rest.len()
        } else {
            let head = &rest[..PATH_BYTES_MAX];
            let cut = head.iter().rposition(|byte| *byte == b'/');
            cut.ok_or(Errno::NAMETOOLONG)?
        };
        folder = rustix::fs::openat(&folder, &rest[..end], flags, Mode::empty())?;
        rest = &rest[end..];
    }
}

fn collect(
    list: impl Fn(rustix::buffer::SpareCapacity<'_, u8>) -> rustix::io::Result<usize>,
    get: impl Fn(&[u8], rustix::buffer::SpareCapacity<'_, u8>) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Attributes> {
    let names = match grow(256, &list) {
        Ok(names) => names,
        // Not every file system, and not every kind of item, has attributes.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0) {
        if name.is_empty() {
            continue;
        }
        match grow(256, &|value: rustix::buffer::SpareCapacity<'_, u8>| {
            get(name, value)
        }) {
            Ok(value) => found.push((name.to_vec(), value)),
            // Removed since it was listed.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Calls with more and more room until the answer fits.
fn grow(
    first: usize,
    call: &dyn Fn(rustix::buffer::SpareCapacity<'_, u8>) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    let mut room = first;
    loop {
        let mut bytes = Vec::with_capacity(room);
        match call(spare_capacity(&mut bytes)) {
            Err(Errno::RANGE) if room < 1 << 20 => room *= 8,
            Err(error) => return Err(error),
            Ok(_) => return Ok(bytes),
        }
    }
}

fn stat_from(stat: &rustix::fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => ItemKind::File,
        FileType::Directory => ItemKind::Folder,
        FileType::Symlink => ItemKind::Symlink,
        FileType::CharacterDevice => ItemKind::CharDevice,
        FileType::BlockDevice => ItemKind::BlockDevice,
        FileType::Fifo => ItemKind::Fifo,
        FileType::Socket | FileType::Unknown => ItemKind::Socket,
    };
    let file = kind == ItemKind::File;
    let device = matches!(kind, ItemKind::CharDevice | ItemKind::BlockDevice);
    let moment = |seconds, nanos: u64| Timestamp {
        seconds,
        nanos: u32::try_from(nanos).unwrap_or(0).min(999_999_999),
    };
    Stat {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: if file { stat.st_size.unsigned_abs() } else { 0 },
        mtime: moment(stat.st_mtime, stat.st_mtime_nsec),
        ctime: moment(stat.st_ctime, stat.st_ctime_nsec),
        device: stat.st_dev,
        inode: stat.st_ino,
        links: stat.st_nlink,
        rdev: if device {
            (
                rustix::fs::major(stat.st_rdev),
                rustix::fs::minor(stat.st_rdev),
            )
        } else {
            (0, 0)
        },
        blocks: stat.st_blocks.unsigned_abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::FileExt;

    fn bytes(path: &std::path::Path) -> Vec<u8> {
        path.as_os_str().as_bytes().to_vec()
    }

    #[test]
    fn a_terabyte_of_nothing_is_one_hole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        file.write_all_at(b"x", 5 << 20).unwrap();
        let opened = open_file(&bytes(&path)).unwrap();
        let found = extents(&opened.file, &opened.stat).unwrap();
        let mut at = 0;
        for extent in &found {
            assert_eq!(extent.offset, at);
            assert!(extent.len > 0 && (!extent.hole || extent.len >= HOLE_BYTES_MIN));
            at += extent.len;
        }
        assert_eq!(at, 1 << 40);
        assert!(found.len() <= 3, "{found:?}");
    }

    #[test]
    fn a_full_file_is_one_extent_and_an_empty_one_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        std::fs::write(&path, vec![1; 3 << 20]).unwrap();
        let opened = open_file(&bytes(&path)).unwrap();
        let whole = Extent {
            offset: 0,
            len: 3 << 20,
            hole: false,
        };
        assert_eq!(extents(&opened.file, &opened.stat).unwrap(), [whole]);
        std::fs::write(&path, b"").unwrap();
        let opened = open_file(&bytes(&path)).unwrap();
        assert_eq!(extents(&opened.file, &opened.stat).unwrap(), []);
    }

    #[test]
    fn only_regular_files_are_opened_and_none_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        for wrong in [&pipe, &link, &folder.path().to_path_buf()] {
            let error = open_file(&bytes(wrong)).unwrap_err();
            assert!(error.what().contains("no longer a regular file"), "{error}");
        }
        let gone = open_file(&bytes(&folder.path().join("gone"))).unwrap_err();
        assert_eq!(gone.kind(), Kind::NotFound);
        assert_eq!(read_link(&bytes(&link)).unwrap(), b"/etc/passwd");
        assert!(attributes_of_path(&bytes(&link)).is_ok());
    }

    #[test]
    fn attributes_come_sorted_however_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"x").unwrap();
        let set = |name: &str, value: &[u8]| {
            rustix::fs::setxattr(&path, name, value, rustix::fs::XattrFlags::empty())
        };
        if set("user.b", &[7; 2000]).is_err() {
            return; // Nothing to test on a file system without attributes.
        }
        set("user.a", b"").unwrap();
        let expected = [
            (b"user.a".to_vec(), Vec::new()),
            (b"user.b".to_vec(), vec![7; 2000]),
        ];
        let user = |all: Attributes| -> Attributes {
            let ours = |(name, _): &(Vec<u8>, _)| name.starts_with(b"user.");
            all.into_iter().filter(ours).collect()
        };
        assert_eq!(user(open_file(&bytes(&path)).unwrap().attributes), expected);
        assert_eq!(user(attributes_of_path(&bytes(&path)).unwrap()), expected);
    }

    #[test]
    fn names_are_read_as_bytes() {
        let names = names_in(b"root:x:0:0::\nj\xff:x:1000:\nagain:x:0:\n#x:x:7:\nshort:x\n:x:9:\n");
        assert_eq!(names.len(), 2);
        assert_eq!(names[&0], b"root");
        assert_eq!(names[&1000], b"j\xff");
        assert_eq!(Names::load().user(u32::MAX - 7), None);
    }
}
