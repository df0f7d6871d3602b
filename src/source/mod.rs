//! A source: something that is backed up, item by item, in its own order.

pub mod exclude;
pub mod files;
pub mod metadata;
pub(crate) mod names;
pub mod patterns;

use crate::error::{Error, Result};
use crate::host::Timestamp;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket: passed by.
    Socket,
}

/// What one stat says of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: ItemKind,
    /// Mode bits 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes; of files alone.
    pub size: u64,
    /// Content changed.
    pub mtime: Timestamp,
    /// Anything changed.
    pub ctime: Timestamp,
    /// The device it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Names it has.
    pub links: u64,
    /// What a device node stands for: major, minor.
    pub rdev: (u32, u32),
    /// Bytes it takes on disk: fewer than `size` hints at holes.
    pub blocks: u64,
}

/// One step of a walk. Folders come before what is in them and are closed after it; siblings ascend by name bytes.
#[derive(Debug)]
pub enum Step {
    /// A folder begins. The caller may answer with nothing else than going on.
    Enter(Item),
    /// Anything that is not a folder.
    Item(Item),
    /// The folder entered last is complete.
    Leave,
    /// This item alone could not be looked at: its path and why.
    Unreadable(Vec<u8>, Error),
}

/// One thing found in a source.
#[derive(Clone, Debug)]
pub struct Item {
    /// Absolute path as raw bytes, `/` for the root.
    pub path: Vec<u8>,
    /// The last part of the path; empty for the root.
    pub name: Vec<u8>,
    /// What stat says.
    pub stat: Stat,
}

/// Something that is backed up, item by item, in its own order. `Err`: the source failed as a whole.
pub trait Source: Send {
    /// The next step, `None` at the end.
    fn next(&mut self) -> Result<Option<Step>>;
}
