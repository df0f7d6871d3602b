//! A pack: many blobs in one box.
//!
//!     stored   header · segment 0 … segment n-1 · header
//!     opened   block 0 … block m-1 · directory · zeros · trailer
//!
//! Distant stores charge by the request, so blobs travel together. A pack is laid out at its final places from the
//! first block on, 16 bytes free after each segment's share, so that sealing copies nothing.
//!
//! What must hold:
//! - The directory repeats what the index knows: losing the index costs time, never data.
//! - Bytes that nobody wrote are zero, also in a buffer that held another pack.
//! - No pack of ours exceeds 32 MiB: the memory budget holds two of that size.

pub mod reader;

#[cfg(test)]
mod tests;

use crate::error::{Error, Kind, Result};
use crate::format::boxes::layout::{Trailer, check_zeros, file_offset, slice, slice_mut};
use crate::format::boxes::{BoxReader, Opener, Sealer};
use crate::format::directory::{self, BlockRow, Codec, Directory, holds};
use crate::format::header::{body_len_of, capacity, file_len};
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::limits::{
    BLOCK_BYTES_MAX, MIB, PACK_BLOBS_WRITTEN, PACK_BYTES_CLOSE, PACK_BYTES_SHARED_CLOSE,
    PACK_BYTES_SHARED_WRITTEN, PACK_BYTES_WIDELY_SHARED_CLOSE, PACK_BYTES_WIDELY_SHARED_WRITTEN,
    PACK_BYTES_WRITTEN, PAGE, SEGMENT, SEGMENT_PLAIN, TAG, TRAILER, TREE_PACK_BYTES_CLOSE,
};

/// A full pack may close at once where padding takes less than one part in this many.
const PADDING_SHARE: u64 = 400;

/// A block as it will be stored.
#[derive(Clone, Copy, Debug)]
pub struct PackedBlock<'a> {
    /// The zstd frame, or the raw bytes.
    pub stored: &'a [u8],
    /// Bytes once expanded.
    pub raw_len: u32,
    /// How it is stored.
    pub codec: Codec,
    /// The type of its blobs.
    pub kind: BlobKind,
    /// Id and length of each blob, in order.
    pub blobs: &'a [(Id, u32)],
}

/// How large data packs are made, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataPackSize {
    /// From here on one closes where it pads little.
    pub close: u64,
    /// None is larger.
    pub most: u64,
}

impl DataPackSize {
    /// For one mirror.
    pub const ALONE: Self = Self {
        close: PACK_BYTES_CLOSE,
        most: PACK_BYTES_WRITTEN,
    };
    /// With so many packs more in memory, on their way to other mirrors.
    pub fn beside(others: usize) -> Self {
        match others {
            0 => Self::ALONE,
            1 => Self {
                close: PACK_BYTES_SHARED_CLOSE,
                most: PACK_BYTES_SHARED_WRITTEN,
            },
            _ => Self {
                close: PACK_BYTES_WIDELY_SHARED_CLOSE,
                most: PACK_BYTES_WIDELY_SHARED_WRITTEN,
            },
        }
    }
}

/// A pack that is being filled.
#[derive(Debug)]
pub struct PackBuilder {
    kind: ObjectKind,
    size: DataPackSize,
    bytes: Vec<u8>,
    area_len: u64,
    directory: Directory,
    best: Option<Cut>,
}

/// A block end at which a pack could close.
#[derive(Clone, Copy, Debug)]
struct Cut {
    blocks: usize,
    blobs: usize,
    area_len: u64,
    padding: u64,
}

impl PackBuilder {
    /// An empty pack. `buffer` is any buffer; one that held a pack before saves the memory's first touch.
    ///
    /// # Panics
    /// If `kind` is no pack: an error in the program.
    pub fn new(kind: ObjectKind, size: DataPackSize, buffer: Vec<u8>) -> Self {
        assert!(kind.has_tail(), "{kind:?} is no pack");
        let mut bytes = buffer;
        bytes.clear();
        let most = match kind {
            ObjectKind::TreePack => {
                TREE_PACK_BYTES_CLOSE.saturating_add((BLOCK_BYTES_MAX + MIB) as u64)
            }
            _ => size.most,
        };
        bytes.reserve_exact(usize::try_from(most).unwrap_or(0));
        bytes.resize(PAGE, 0);
        Self {
            kind,
            size,
            bytes,
            area_len: 0,
            directory: Directory::default(),
            best: None,
        }
    }

    /// Appends a block.
    ///
    /// # Panics
    /// If the block breaks a limit, its blobs do not fill it, or it does not fit: errors in the program.
    pub fn push(&mut self, block: &PackedBlock<'_>) {
        let number = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let row = BlockRow {
            stored_len: number(block.stored.len()),
            raw_len: block.raw_len,
            blobs: number(block.blobs.len()),
            codec: block.codec,
            kind: block.kind,
        };
        let raw: u64 = block.blobs.iter().map(|(_, len)| u64::from(*len)).sum();
        assert!(
            row.is_sound() && holds(self.kind, row.kind) && raw == u64::from(row.raw_len),
            "a block that no reader would accept: {row:?}"
        );
        assert!(
            self.fits(block.stored.len(), block.blobs.len()),
            "the pack is full"
        );
        self.append(block.stored);
        self.area_len = self.area_len.saturating_add(block.stored.len() as u64);
        self.directory.blocks.push(row);
        self.directory
            .ids
            .extend(block.blobs.iter().map(|(id, _)| *id));
        self.directory
            .lens
            .extend(block.blobs.iter().map(|(_, len)| *len));
        let padding = self.padding();
        let better = self.best.is_none_or(|best| padding < best.padding);
        if self.would_be_len() >= self.size.close && better {
            self.best = Some(self.cut_here());
        }
    }

    /// The type of pack.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.directory.blocks.is_empty()
    }

    /// The length of the file if the pack were closed now.
    pub fn would_be_len(&self) -> u64 {
        file_len(self.kind, body_len_of(self.kind, self.content_len(0, 0, 0)))
    }

    /// Whether one more block of so many stored bytes and blobs still goes in.
    pub fn fits(&self, more_stored: usize, more_blobs: usize) -> bool {
        let content = self.content_len(more_stored, 1, more_blobs);
        let len = file_len(self.kind, body_len_of(self.kind, content));
        let blobs = self.directory.ids.len().saturating_add(more_blobs);
        len <= self.size.most && blobs <= PACK_BLOBS_WRITTEN
    }

    /// Whether to close here and now: a data pack past its size where padding is under 0.25 %, a tree pack past 6 MiB.
    /// A data pack that no longer [`fits`](Self::fits) its next block is [`split`](Self::split) instead.
    pub fn is_full(&self) -> bool {
        let len = self.would_be_len();
        match self.kind {
            ObjectKind::TreePack => len >= TREE_PACK_BYTES_CLOSE,
            _ => len >= self.size.close && self.padding().saturating_mul(PADDING_SHARE) <= len,
        }
    }

    /// Cuts at the block end past its size that pads least; what is behind it begins the second pack, in `buffer`. The
    /// second is empty where the end is the best place or the pack has not come that far.
    pub fn split(mut self, buffer: Vec<u8>) -> (Self, Self) {
        let mut next = Self::new(self.kind, self.size, buffer);
        let cut = self.best.unwrap_or_else(|| self.cut_here());
        let mut at = cut.area_len;
        while at < self.area_len {
            let inside = at.checked_rem(SEGMENT_PLAIN as u64).unwrap_or(0);
            let left = self.area_len.saturating_sub(at);
            let len = (SEGMENT_PLAIN as u64).saturating_sub(inside).min(left);
            let start = file_offset(at);
            next.append(slice(&self.bytes, &(start..start.saturating_add(len))));
            at = at.saturating_add(len);
        }
        next.area_len = self.area_len.saturating_sub(cut.area_len);
        next.directory = Directory {
            blocks: self.directory.blocks.split_off(cut.blocks),
            ids: self.directory.ids.split_off(cut.blobs),
            lens: self.directory.lens.split_off(cut.blobs),
        };
        self.area_len = cut.area_len;
        self.bytes
            .truncate(usize::try_from(file_offset(cut.area_len)).unwrap_or(PAGE));
        (self, next)
    }

    /// Seals the pack and names it. `random` are 32 fresh random bytes.
    pub fn finish(mut self, sealer: &Sealer, random: &[u8; 32]) -> Pack {
        let record = self.directory.encode();
        let body_len = body_len_of(self.kind, self.area_len.saturating_add(record.len() as u64));
        self.append(&record);
        let len = usize::try_from(file_len(self.kind, body_len)).expect("at most 32 MiB");
        self.bytes.resize(len, 0);
        let trailer_at = file_offset(capacity(body_len).saturating_sub(TRAILER as u64));
        let trailer_end = trailer_at.saturating_add(TRAILER as u64);
        let trailer = Trailer::new(self.area_len, record.len() as u64).encode();
        slice_mut(&mut self.bytes, &(trailer_at..trailer_end)).copy_from_slice(&trailer);
        let salt = sealer.salt(random, &record, &[]);
        let id = sealer.seal_layout(self.kind, body_len, salt, &mut self.bytes);
        Pack {
            id,
            kind: self.kind,
            bytes: self.bytes,
            directory: self.directory,
        }
    }

    /// Lays plaintext out behind what is there, around the tags' places.
    fn append(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let inside = self.bytes.len().saturating_sub(PAGE) & (SEGMENT - 1);
            let room = SEGMENT_PLAIN.saturating_sub(inside);
            let (now, later) = data.split_at(room.min(data.len()));
            self.bytes.extend_from_slice(now);
            if now.len() == room {
                self.bytes.extend_from_slice(&[0; TAG]);
            }
            data = later;
        }
    }

    fn content_len(&self, more_stored: usize, more_blocks: usize, more_blobs: usize) -> u64 {
        let blocks = self.directory.blocks.len().saturating_add(more_blocks);
        let blobs = self.directory.ids.len().saturating_add(more_blobs);
        let record = directory::encoded_len(blocks, blobs);
        self.area_len
            .saturating_add(more_stored as u64)
            .saturating_add(record)
    }

    /// Bytes that closing now would waste.
    fn padding(&self) -> u64 {
        let content = self.content_len(0, 0, 0);
        let used = content.saturating_add(TRAILER as u64);
        capacity(body_len_of(self.kind, content)).saturating_sub(used)
    }

    fn cut_here(&self) -> Cut {
        Cut {
            blocks: self.directory.blocks.len(),
            blobs: self.directory.ids.len(),
            area_len: self.area_len,
            padding: self.padding(),
        }
    }
}

/// A sealed pack, ready to be stored.
#[derive(Debug)]
pub struct Pack {
    /// Its name: the hash of its bytes.
    pub id: Id,
    /// Data pack or tree pack.
    pub kind: ObjectKind,
    /// The file; give the buffer to the next [`PackBuilder::new`].
    pub bytes: Vec<u8>,
    /// What lies in it.
    pub directory: Directory,
}

/// Opens one segment in `every` of a pack that was just sealed, and always its headers and its directory. Which ones
/// depends on its name, so that over many packs every place is tried. With 0 the directory alone.
pub fn recheck(pack: &Pack, opener: &Opener, every: u64) -> Result<()> {
    let failed = |why: &str| {
        let what = format!(
            "pack {} does not open right after it was sealed: {why}",
            pack.id
        );
        Error::new(Kind::Other, what)
    };
    let reader = opener.reader(pack.kind, &pack.bytes, pack.bytes.len() as u64)?;
    if pack.bytes.first_chunk::<PAGE>() != pack.bytes.last_chunk::<PAGE>() {
        return Err(failed("its headers differ"));
    }
    let first = u64::from(pack.id.as_bytes()[0]);
    let mut segment = Vec::new();
    for index in 0..reader.segments() {
        if index.saturating_add(first).checked_rem(every) != Some(0) {
            continue;
        }
        segment.clear();
        segment.extend_from_slice(slice(&pack.bytes, &reader.segment_range(index)));
        reader
            .open_segment(index, &mut segment)
            .ok_or_else(|| failed("a segment is wrong"))?;
    }
    let read = |range: &std::ops::Range<u64>| slice(&pack.bytes, range).to_vec();
    let read_back = open_directory(&reader, &mut |range| Some(read(range)))?;
    if read_back.as_ref() == Some(&pack.directory) {
        return Ok(());
    }
    Err(failed("its directory is another"))
}

/// Reads the directory of an opened pack; `read` gives the stored bytes of whole segments, or `None` where it has not
/// got them, and then this answers `None` too.
fn open_directory(
    reader: &BoxReader,
    read: &mut dyn FnMut(&std::ops::Range<u64>) -> Option<Vec<u8>>,
) -> Result<Option<Directory>> {
    let Some(trailer) = open_trailer(reader, read)? else {
        return Ok(None);
    };
    let range = directory_range(reader, trailer);
    let Some(mut plain) = read(&range) else {
        return Ok(None);
    };
    reader.open_range(range.start, &mut plain)?;
    let area_len = u64::from(trailer.area_len);
    let skip = area_len.saturating_sub(reader.plain_offset(range.start));
    let rest = usize::try_from(skip)
        .ok()
        .and_then(|skip| plain.get(skip..))
        .unwrap_or_default();
    decode_directory(reader.kind(), rest, trailer).map(Some)
}

fn open_trailer(
    reader: &BoxReader,
    read: &mut dyn FnMut(&std::ops::Range<u64>) -> Option<Vec<u8>>,
) -> Result<Option<Trailer>> {
    let last = reader.segment_range(reader.segments().saturating_sub(1));
    let Some(mut plain) = read(&last) else {
        return Ok(None);
    };
    reader.open_range(last.start, &mut plain)?;
    reader.trailer(&plain).map(Some)
}

/// The segments from the one in which the directory begins to the end.
fn directory_range(reader: &BoxReader, trailer: Trailer) -> std::ops::Range<u64> {
    let area_len = u64::from(trailer.area_len);
    reader.range_of(area_len, reader.capacity().saturating_sub(area_len))
}

/// `rest` is all plaintext from the directory on.
fn decode_directory(kind: ObjectKind, rest: &[u8], trailer: Trailer) -> Result<Directory> {
    let record_len = usize::try_from(trailer.record_len).unwrap_or(usize::MAX);
    check_zeros(rest, record_len)?;
    let record = rest.get(..record_len).unwrap_or_default();
    Directory::decode(kind, record, u64::from(trailer.area_len))
}
