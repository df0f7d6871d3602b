//! A node: one item of a folder.
//!
//! A map with one-letter keys in a fixed order, absent when empty or default, in the shortest MessagePack form, so that
//! equal nodes have equal bytes. The table of keys is the struct below, read from top to bottom.
//!
//! `check` holds every node to the limits before anything else may see it: names that cannot leave their folder, parts
//! that belong to the kind, and lengths that add up to the file's size.

use crate::error::Result;
use crate::format::bin::{self, Bin, BinRef, next_bin};
use crate::format::codec::{self, is_default, require};
use crate::format::keyed::{Counted, Keyed};
use crate::format::tree::content;
use crate::id::Id;
use crate::limits::{
    LIST_DEPTH_MAX, NAME_BYTES_MAX, SYMLINK_BYTES_MAX, XATTR_INLINE_MAX, XATTRS_MAX,
};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const WHAT: &str = "read node of a tree";

/// The highest number of a chunk class.
const CLASS_MAX: u8 = 3;
const NANOS_MAX: u32 = 999_999_999;

/// The node was stored as it was read, and it changed meanwhile.
pub const CHANGED_WHILE_READ: u8 = 1;
/// Part of the node could not be read.
pub const PARTLY_UNREADABLE: u8 = 2;

/// What a node is. Sockets are never stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NodeKind {
    /// A regular file.
    #[default]
    File = 1,
    /// A folder.
    Folder = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A character device.
    CharDevice = 4,
    /// A block device.
    BlockDevice = 5,
    /// A named pipe.
    Fifo = 6,
}

impl NodeKind {
    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        use NodeKind::{BlockDevice, CharDevice, Fifo, File, Folder, Symlink};
        [File, Folder, Symlink, CharDevice, BlockDevice, Fifo]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }

    fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }
}

impl Serialize for NodeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// An extended attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XattrValue {
    /// In the node: up to 4,096 bytes.
    Inline(Vec<u8>),
    /// In chunks.
    Chunks(Vec<Id>),
}

/// One item of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The name as the system gave it, never text.
    #[serde(rename = "n", serialize_with = "bin::bin")]
    pub name: Vec<u8>,
    /// What it is.
    #[serde(rename = "t")]
    pub kind: NodeKind,
    /// Mode bits 07777.
    #[serde(rename = "m", skip_serializing_if = "is_default")]
    pub mode: u32,
    /// Owner; the name is in the leaf's table.
    #[serde(rename = "u", skip_serializing_if = "is_default")]
    pub uid: u32,
    /// Group; the name is in the leaf's table.
    #[serde(rename = "g", skip_serializing_if = "is_default")]
    pub gid: u32,
    /// When the content changed, in seconds since 1970.
    #[serde(rename = "s", skip_serializing_if = "is_default")]
    pub mtime: i64,
    /// The nanoseconds of that.
    #[serde(rename = "f", skip_serializing_if = "is_default")]
    pub mtime_ns: u32,
    /// Bytes of a file.
    #[serde(rename = "z", skip_serializing_if = "is_default")]
    pub size: u64,
    /// Chunk class of a file, 0 to 3.
    #[serde(rename = "k", skip_serializing_if = "is_default")]
    pub class: u8,
    /// Content items of a file, as `content` reads them.
    #[serde(
        rename = "c",
        serialize_with = "bin::bin",
        skip_serializing_if = "is_default"
    )]
    pub content: Vec<u8>,
    /// Lists between those items and the chunks.
    #[serde(rename = "d", skip_serializing_if = "is_default")]
    pub depth: u8,
    /// Offset and length of each hole, ascending, not touching.
    #[serde(rename = "h", skip_serializing_if = "is_default")]
    pub holes: Vec<(u64, u64)>,
    /// The tree of a folder.
    #[serde(
        rename = "e",
        serialize_with = "bin::bin",
        skip_serializing_if = "is_default"
    )]
    pub tree: Option<Id>,
    /// Where a symbolic link points.
    #[serde(
        rename = "l",
        serialize_with = "bin::bin",
        skip_serializing_if = "is_default"
    )]
    pub link: Vec<u8>,
    /// What a device node stands for: major, minor.
    #[serde(rename = "r", skip_serializing_if = "is_default")]
    pub rdev: Option<(u32, u32)>,
    /// Device and inode of a file with several names: equal pairs in one snapshot are one file.
    #[serde(rename = "i", skip_serializing_if = "is_default")]
    pub hard_link: Option<(u64, u64)>,
    /// Extended attributes, ascending by name.
    #[serde(
        rename = "x",
        serialize_with = "write_xattrs",
        skip_serializing_if = "is_default"
    )]
    pub xattrs: Vec<(Vec<u8>, XattrValue)>,
    /// What was recognised in it: kind, items, warning bits.
    #[serde(rename = "v", skip_serializing_if = "is_default")]
    pub seen: Vec<(u32, u64, u32)>,
    /// The etag or version of an item that came from a server.
    #[serde(
        rename = "w",
        serialize_with = "bin::bin",
        skip_serializing_if = "is_default"
    )]
    pub version: Vec<u8>,
    /// [`CHANGED_WHILE_READ`], [`PARTLY_UNREADABLE`].
    #[serde(rename = "p", skip_serializing_if = "is_default")]
    pub flags: u8,
    /// How many keys of a newer version were ignored when this was read. Never written.
    #[serde(skip)]
    pub unknown: u32,
}

impl Node {
    /// Whether this node keeps every rule and limit of the format.
    pub fn check(&self) -> Result<()> {
        require(is_name(&self.name), WHAT, "a name that no folder can hold")?;
        require(self.mode <= 0o7777, WHAT, "mode bits above 07777")?;
        require(self.mtime_ns <= NANOS_MAX, WHAT, "a second of nanoseconds")?;
        require(
            self.tree.is_some() == (self.kind == NodeKind::Folder),
            WHAT,
            "a subtree where none belongs, or none",
        )?;
        let is_link = self.kind == NodeKind::Symlink;
        let link = self.link.is_empty() != is_link && self.link.len() <= SYMLINK_BYTES_MAX;
        require(link, WHAT, "a wrong target of a symbolic link")?;
        require(
            self.rdev.is_some() == self.kind.is_device(),
            WHAT,
            "a device number where none belongs, or none",
        )?;
        require(
            self.hard_link.is_none() || self.kind != NodeKind::Folder,
            WHAT,
            "a folder with several names",
        )?;
        self.check_content()?;
        self.check_xattrs()
    }

    fn check_content(&self) -> Result<()> {
        let empty = self.size == 0
            && self.class == 0
            && self.content.is_empty()
            && self.depth == 0
            && self.holes.is_empty();
        if self.kind != NodeKind::File {
            return require(empty, WHAT, "content in what is not a file");
        }
        require(self.class <= CLASS_MAX, WHAT, "an unknown chunk class")?;
        require(
            usize::from(self.depth) <= LIST_DEPTH_MAX,
            WHAT,
            "lists nested too deep",
        )?;
        let (holes, end) = holes_and_end(&self.holes)
            .ok_or_else(|| codec::damaged(WHAT, "holes that touch, overlap or are empty"))?;
        let covered = content::check_inline(&self.content, self.depth)?;
        let fills = covered.checked_add(holes) == Some(self.size) && end <= self.size;
        require(fills, WHAT, "content that does not add up to the size")
    }

    fn check_xattrs(&self) -> Result<()> {
        require(self.xattrs.len() <= XATTRS_MAX, WHAT, "too many attributes")?;
        let ascending = self.xattrs.is_sorted_by(|(one, _), (two, _)| one < two);
        require(ascending, WHAT, "attributes out of order")?;
        for (name, value) in &self.xattrs {
            let name_fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(&0);
            let value_fits = match value {
                XattrValue::Inline(bytes) => bytes.len() <= XATTR_INLINE_MAX,
                XattrValue::Chunks(ids) => !ids.is_empty(),
            };
            require(name_fits && value_fits, WHAT, "a wrong attribute")?;
        }
        Ok(())
    }
}

/// Whether a folder can hold an item of this name, and joining it to a path stays inside that folder.
pub fn is_name(name: &[u8]) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name != b"."
        && name != b".."
        && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
}

/// All bytes in holes, and where the last one ends.
fn holes_and_end(holes: &[(u64, u64)]) -> Option<(u64, u64)> {
    let mut sum: u64 = 0;
    let mut end = None;
    for (offset, len) in holes {
        let apart = end.is_none_or(|end| *offset > end);
        if *len == 0 || !apart {
            return None;
        }
        sum = sum.checked_add(*len)?;
        end = Some(offset.checked_add(*len)?);
    }
    Some((sum, end.unwrap_or(0)))
}

impl Keyed for Node {
    const NEEDED: &'static [&'static str] = &["n", "t"];

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error> {
        match key {
            "n" => self.name = next_bin(map)?,
            "t" => {
                self.kind = NodeKind::from_number(map.next_value()?)
                    .ok_or_else(|| A::Error::custom("an unknown kind of node"))?;
            }
            "m" => self.mode = map.next_value()?,
            "u" => self.uid = map.next_value()?,
            "g" => self.gid = map.next_value()?,
            "s" => self.mtime = map.next_value()?,
            "f" => self.mtime_ns = map.next_value()?,
            "z" => self.size = map.next_value()?,
            "k" => self.class = map.next_value()?,
            "c" => self.content = next_bin(map)?,
            "d" => self.depth = map.next_value()?,
            "h" => self.holes = map.next_value()?,
            "e" => self.tree = next_bin(map)?,
            "l" => self.link = next_bin(map)?,
            "r" => self.rdev = Some(map.next_value()?),
            "i" => self.hard_link = Some(map.next_value()?),
            "x" => {
                let pairs: Vec<(Bin<Vec<u8>>, XattrValue)> = map.next_value()?;
                self.xattrs = pairs
                    .into_iter()
                    .map(|(Bin(name), value)| (name, value))
                    .collect();
            }
            "v" => self.seen = map.next_value()?,
            "w" => self.version = next_bin(map)?,
            "p" => self.flags = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let Counted { value, unknown } = Deserialize::deserialize(from)?;
        Ok(Self { unknown, ..value })
    }
}

fn write_xattrs<S: Serializer>(
    xattrs: &[(Vec<u8>, XattrValue)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(xattrs.iter().map(|(name, value)| (BinRef(name), value)))
}

impl Serialize for XattrValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Inline(bytes) => serializer.serialize_bytes(bytes),
            Self::Chunks(ids) => serializer.collect_seq(ids.iter().map(|id| BinRef(id.as_bytes()))),
        }
    }
}

impl<'de> Deserialize<'de> for XattrValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(XattrVisitor)
    }
}

struct XattrVisitor;

impl<'de> Visitor<'de> for XattrVisitor {
    type Value = XattrValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string or an array of ids")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> std::result::Result<XattrValue, E> {
        Ok(XattrValue::Inline(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> std::result::Result<XattrValue, A::Error> {
        let mut chunks = Vec::new();
        while let Some(Bin(id)) = ids.next_element()? {
            chunks.push(id);
        }
        Ok(XattrValue::Chunks(chunks))
    }
}
