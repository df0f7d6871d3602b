//! The content of a file: chunk after chunk, in the node or in lists.
//!
//! ```text
//! depth 0      36-byte items: chunk id · length u32
//! depth 1-4    40-byte items: list id · bytes covered u64
//! list         [3, depth, bin]; blob of type 3; the items of its bin have that depth
//! ```
//!
//! Up to 64 items stay in the node, whose `d` is their depth. More are cut into lists, and the lists' items are one
//! deeper. A list ends after an item whose id begins with a u16 below 64, at 512 items at least and 4,096 at most, so a
//! change in a terabyte rewrites a few lists. What a list covers is checked when it is read.

use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::bin::BinRef;
use crate::format::codec::{self, require};
use crate::id::Id;
use crate::limits::{
    BLOB_BYTES_MAX, CONTENT_INLINE_MAX, LIST_DEPTH_MAX, LIST_ITEMS_MAX, LIST_ITEMS_MIN,
};

const LAYOUT: u64 = 3;
const WHAT: &str = "read content list";
const CHUNK_ITEM: usize = 36;
const LIST_ITEM: usize = 40;
/// A list may end after an item whose id's first two bytes are below this, once in 1,024.
const CUT_BELOW: u16 = 64;

/// Stores a blob and says its id.
pub type Sink<'a> = &'a mut dyn FnMut(BlobKind, &[u8]) -> Result<Id>;

/// One chunk of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentItem {
    /// The chunk.
    pub id: Id,
    /// Its bytes.
    pub len: u32,
}

/// One list of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListItem {
    /// The list.
    pub id: Id,
    /// Bytes of the file below it.
    pub covers: u64,
}

/// A content list as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// 0: its items are chunks; else lists, one less deep.
    pub depth: u8,
    /// The items' bytes.
    pub items: Vec<u8>,
}

impl List {
    /// The blob of this list.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&(LAYOUT, self.depth, BinRef(&self.items)))
    }

    /// Reads the list that an item of depth `depth + 1` names and says to cover `covers` bytes.
    ///
    /// Both come from the reader's own descent: a list that lies about either is damage.
    pub fn decode(bytes: &[u8], depth: u8, covers: u64) -> Result<Self> {
        require(bytes.len() <= BLOB_BYTES_MAX, WHAT, "too long")?;
        if codec::first_number(bytes).is_some_and(|layout| layout > LAYOUT) {
            return Err(codec::too_new(WHAT, "a layout of a newer version"));
        }
        let (layout, found, BinRef(items)) = codec::decode::<(u64, u8, BinRef)>(bytes, WHAT)?;
        require(layout == LAYOUT, WHAT, "not a list")?;
        let at_depth = found == depth && usize::from(depth) < LIST_DEPTH_MAX;
        require(at_depth, WHAT, "a list of another depth")?;
        let count = items.chunks_exact(item_bytes(depth)).len();
        require(
            (1..=LIST_ITEMS_MAX).contains(&count),
            WHAT,
            "too few or too many items",
        )?;
        let sum = check_items(items, depth)?;
        require(sum == covers, WHAT, "items that do not add up")?;
        Ok(Self {
            depth,
            items: items.to_vec(),
        })
    }
}

/// The chunks of a content bin of depth 0.
pub fn read_items(items: &[u8]) -> Result<Vec<ContentItem>> {
    let (items, rest) = items.as_chunks();
    require(rest.is_empty(), WHAT, "an item is cut off")?;
    items.iter().map(read_item).collect()
}

/// The lists of a content bin of any depth above 0.
pub fn read_list_items(items: &[u8]) -> Result<Vec<ListItem>> {
    let (items, rest) = items.as_chunks();
    require(rest.is_empty(), WHAT, "an item is cut off")?;
    items.iter().map(read_list_item).collect()
}

fn read_item(item: &[u8; CHUNK_ITEM]) -> Result<ContentItem> {
    let read = || {
        let (id, len) = item.split_first_chunk()?;
        let len = u32::from_le_bytes(len.try_into().ok()?);
        let fits = (1..=BLOB_BYTES_MAX).contains(&(len as usize));
        let id = Id::new(*id);
        fits.then_some(ContentItem { id, len })
    };
    read().ok_or_else(|| codec::damaged(WHAT, "a chunk of an impossible length"))
}

fn read_list_item(item: &[u8; LIST_ITEM]) -> Result<ListItem> {
    let read = || {
        let (id, covers) = item.split_first_chunk()?;
        let covers = u64::from_le_bytes(covers.try_into().ok()?);
        let id = Id::new(*id);
        (covers > 0).then_some(ListItem { id, covers })
    };
    read().ok_or_else(|| codec::damaged(WHAT, "a list that covers nothing"))
}

/// Checks the content bin of a node and says how many bytes it covers.
pub fn check_inline(items: &[u8], depth: u8) -> Result<u64> {
    let count = items.chunks_exact(item_bytes(depth)).len();
    let fits = count <= CONTENT_INLINE_MAX && (depth == 0 || count > 0);
    require(fits, WHAT, "too few or too many items in a node")?;
    check_items(items, depth)
}

/// Checks items of `depth` and says how many bytes they cover.
pub fn check_items(items: &[u8], depth: u8) -> Result<u64> {
    let add = |sum: u64, covers: u64| {
        sum.checked_add(covers)
            .ok_or_else(|| codec::damaged(WHAT, "lengths that overflow"))
    };
    let (sum, rest) = if depth == 0 {
        let (items, rest) = items.as_chunks();
        let sum = items
            .iter()
            .try_fold(0, |sum, item| add(sum, u64::from(read_item(item)?.len)))?;
        (sum, rest)
    } else {
        let (items, rest) = items.as_chunks();
        let sum = items
            .iter()
            .try_fold(0, |sum, item| add(sum, read_list_item(item)?.covers))?;
        (sum, rest)
    };
    require(rest.is_empty(), WHAT, "an item is cut off")?;
    Ok(sum)
}

fn item_bytes(depth: u8) -> usize {
    if depth == 0 { CHUNK_ITEM } else { LIST_ITEM }
}

/// Gathers the chunks of one file, in order. It holds at most one unfinished list of each depth.
#[derive(Default)]
pub struct ContentWriter {
    /// Unfinished items by depth.
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    items: Vec<u8>,
    count: usize,
    covers: u64,
}

impl ContentWriter {
    /// One for a new file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk.
    pub fn push(&mut self, id: Id, len: u32, sink: Sink<'_>) -> Result<()> {
        self.push_item(0, id, u64::from(len), &len.to_le_bytes(), sink)
    }

    fn push_item(
        &mut self,
        depth: usize,
        id: Id,
        covers: u64,
        number: &[u8],
        sink: Sink<'_>,
    ) -> Result<()> {
        if self.levels.len() <= depth {
            if depth > LIST_DEPTH_MAX {
                return Err(Error::new(Kind::Other, "store file of too many chunks"));
            }
            self.levels.push(Level::default());
        }
        let Some(level) = self.levels.get_mut(depth) else {
            return Ok(());
        };
        level.items.extend_from_slice(id.as_bytes());
        level.items.extend_from_slice(number);
        level.count = level.count.saturating_add(1);
        level.covers = level.covers.saturating_add(covers);
        let [first, second, ..] = *id.as_bytes();
        let cut = u16::from_le_bytes([first, second]) < CUT_BELOW;
        // Items of the last depth can only stay in the node.
        let may_end = depth < LIST_DEPTH_MAX;
        let ends = level.count >= LIST_ITEMS_MAX || (cut && level.count >= LIST_ITEMS_MIN);
        if may_end && ends {
            return self.end_list(depth, sink);
        }
        Ok(())
    }

    fn end_list(&mut self, depth: usize, sink: Sink<'_>) -> Result<()> {
        let Some(level) = self.levels.get_mut(depth) else {
            return Ok(());
        };
        let list = List {
            depth: u8::try_from(depth).unwrap_or(u8::MAX),
            items: std::mem::take(&mut level.items),
        };
        let covers = std::mem::take(level).covers;
        let id = sink(BlobKind::List, &list.encode())?;
        let above = depth.saturating_add(1);
        self.push_item(above, id, covers, &covers.to_le_bytes(), sink)
    }

    /// What the node holds: the content bin and its depth. The writer is ready for another file.
    pub fn finish(&mut self, sink: Sink<'_>) -> Result<(Vec<u8>, u8)> {
        let mut depth: usize = 0;
        while let Some(level) = self.levels.get(depth) {
            let above = depth.saturating_add(1);
            let is_top = above == self.levels.len();
            if is_top && level.count <= CONTENT_INLINE_MAX {
                break;
            }
            if depth >= LIST_DEPTH_MAX {
                return Err(Error::new(Kind::Other, "store file of too many chunks"));
            }
            if level.count > 0 {
                self.end_list(depth, sink)?;
            }
            depth = above;
        }
        let items = self.levels.pop().unwrap_or_default().items;
        self.levels.clear();
        Ok((items, u8::try_from(depth).unwrap_or(u8::MAX)))
    }
}
