//! Reading packs: the directory alone, by one request for the end of the file; or the whole pack, as far as it is
//! sound.
//!
//! Damage stays where it is: one good header is enough, a segment that does not open costs the blocks that touch it,
//! and where the directory is lost every range that an index run names can still be read.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::boxes::layout::{Trailer, slice, slice_mut};
use crate::format::boxes::{BoxReader, Opener};
use crate::format::directory::Directory;
use crate::format::header::segments;
use crate::format::pack::{decode_directory, open_directory};
use crate::limits::{PACK_BYTES_MAX, PAGE, SEGMENT, SEGMENT_PLAIN};
use std::ops::Range;

/// Segments that are fetched with the tail header.
const TAIL_SEGMENTS: u64 = 4;

/// What one request for the end of a pack brought.
#[derive(Debug)]
pub enum DirectoryRead {
    /// The directory.
    Found {
        /// Data pack or tree pack.
        kind: ObjectKind,
        /// What lies in it.
        directory: Directory,
    },
    /// More is needed: these bytes of the file, which reach to its end.
    Need(Range<u64>),
}

/// The bytes of a pack of `file_len` bytes that hold its tail header, its trailer and mostly all of its directory.
pub fn tail_range(file_len: u64) -> Result<Range<u64>> {
    let frame = (PAGE as u64).saturating_mul(2);
    let body_len = file_len.saturating_sub(frame);
    let pages = file_len.is_multiple_of(PAGE as u64);
    if body_len == 0 || !pages || file_len > PACK_BYTES_MAX {
        let what = format!("no pack has {file_len} bytes");
        return Err(Error::new(Kind::Damaged, what));
    }
    let first = segments(body_len).saturating_sub(TAIL_SEGMENTS);
    let start = first
        .saturating_mul(SEGMENT as u64)
        .saturating_add(PAGE as u64);
    Ok(start..file_len)
}

/// Reads the directory from `tail`, which are the last bytes of a file of `file_len` bytes, from a segment's beginning
/// on or all. Where the tail header is damaged the whole file is asked for, and its front header is used.
pub fn read_directory(opener: &Opener, file_len: u64, tail: &[u8]) -> Result<DirectoryRead> {
    let start = file_len.saturating_sub(tail.len() as u64);
    let reader = match pack_header(opener, tail.last_chunk::<PAGE>(), file_len) {
        Err(error) if error.kind() == Kind::Damaged && start > 0 => {
            return Ok(DirectoryRead::Need(0..file_len));
        }
        Err(error) if error.kind() == Kind::Damaged => {
            pack_header(opener, tail.first_chunk::<PAGE>(), file_len).map_err(|_| error)?
        }
        other => other?,
    };
    let mut need = None;
    let found = open_directory(&reader, &mut |range| {
        if range.start < start {
            need = Some(range.start..file_len);
            return None;
        }
        let inside = range.start.saturating_sub(start)..range.end.saturating_sub(start);
        Some(slice(tail, &inside).to_vec())
    })?;
    match (found, need) {
        (Some(directory), _) => Ok(DirectoryRead::Found {
            kind: reader.kind(),
            directory,
        }),
        (None, Some(range)) => Ok(DirectoryRead::Need(range)),
        (None, None) => Err(damaged("the pack's directory is out of reach")),
    }
}

fn pack_header(opener: &Opener, header: Option<&[u8; PAGE]>, file_len: u64) -> Result<BoxReader> {
    let header = header.ok_or_else(|| damaged("the pack is shorter than its header"))?;
    let reader = opener.reader_as_said(header)?;
    if !reader.kind().has_tail() {
        return Err(damaged("a box of another kind lies where a pack should be"));
    }
    if reader.file_len() != file_len {
        let what = format!(
            "the pack has {file_len} bytes instead of {}",
            reader.file_len()
        );
        return Err(Error::new(Kind::Damaged, what));
    }
    Ok(reader)
}

/// What is wrong with a pack that was opened all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackDamage {
    /// The header at the front.
    pub front: bool,
    /// The header at the end.
    pub tail: bool,
    /// The file has not the length that its header gives.
    pub length: bool,
    /// The segments that do not open, ascending.
    pub segments: Vec<u64>,
}

impl PackDamage {
    /// Whether nothing is wrong.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A whole pack in memory, decrypted as far as it is sound.
#[derive(Debug)]
pub struct PackReader {
    kind: ObjectKind,
    plain: Vec<u8>,
    damage: PackDamage,
    directory: Result<Directory>,
}

impl PackReader {
    /// Opens `bytes`, in place. An error where no header is good: the pack is lost, too new, or another repository's.
    pub fn open(opener: &Opener, bytes: Vec<u8>) -> Result<Self> {
        let mut plain = bytes;
        let (reader, mut damage) = open_headers(opener, &plain)?;
        let mut kept = 0_usize;
        for index in 0..reader.segments() {
            let range = reader.segment_range(index);
            let whole = range.end <= plain.len() as u64;
            let segment = if whole {
                slice_mut(&mut plain, &range)
            } else {
                &mut []
            };
            if reader.open_segment(index, segment).is_none() {
                damage.segments.push(index);
            }
            if let (true, Ok(start)) = (whole, usize::try_from(range.start)) {
                let end = start.saturating_add(SEGMENT_PLAIN).min(plain.len());
                plain.copy_within(start..end, kept);
                kept = kept.saturating_add(SEGMENT_PLAIN);
            }
        }
        plain.truncate(usize::try_from(reader.capacity()).unwrap_or(0).min(kept));
        let mut opened = Self {
            kind: reader.kind(),
            plain,
            damage,
            directory: Err(damaged("the pack's trailer is damaged")),
        };
        opened.directory = opened.read_directory(&reader);
        Ok(opened)
    }

    /// Data pack or tree pack.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// What is wrong with it, apart from its directory.
    pub fn damage(&self) -> &PackDamage {
        &self.damage
    }

    /// What lies in it, or why that cannot be told.
    pub fn directory(&self) -> std::result::Result<&Directory, &Error> {
        self.directory.as_ref()
    }

    /// The stored bytes of block `block` of the directory; `Damaged` if a segment that it touches is.
    pub fn block(&self, block: usize) -> Result<&[u8]> {
        let row = self.directory.as_ref().ok().and_then(|directory| {
            let row = directory.blocks.get(block)?;
            Some((directory.block_offset(block), row.stored_len))
        });
        let (offset, len) =
            row.ok_or_else(|| damaged("the pack's directory does not tell of this block"))?;
        self.stored(offset, len)
    }

    /// The same for a block that an index run places at `offset` of the pack's plaintext.
    pub fn stored(&self, offset: u64, len: u32) -> Result<&[u8]> {
        let end = offset.saturating_add(u64::from(len));
        let touched = self.damage.segments.iter().find(|segment| {
            let start = segment.saturating_mul(SEGMENT_PLAIN as u64);
            start < end && offset < start.saturating_add(SEGMENT_PLAIN as u64)
        });
        if let Some(segment) = touched {
            let what = format!("segment {segment} of the pack is damaged");
            return Err(Error::new(Kind::Damaged, what));
        }
        let inside = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        let bytes = inside.and_then(|(offset, end)| self.plain.get(offset..end));
        bytes.ok_or_else(|| damaged("the block lies beyond the end of the pack"))
    }

    /// Gives the buffer back; it holds plaintext.
    pub fn into_buffer(self) -> Vec<u8> {
        self.plain
    }

    fn read_directory(&self, reader: &BoxReader) -> Result<Directory> {
        let capacity = reader.capacity();
        let all = |from: u64| {
            let len = u32::try_from(capacity.saturating_sub(from)).unwrap_or(u32::MAX);
            self.stored(from, len)
        };
        let trailer = reader.trailer(all(capacity.saturating_sub(Trailer::BYTES))?)?;
        decode_directory(self.kind, all(u64::from(trailer.area_len))?, trailer)
    }
}

/// The better of both headers, and what is wrong with them.
fn open_headers(opener: &Opener, bytes: &[u8]) -> Result<(BoxReader, PackDamage)> {
    let len = bytes.len() as u64;
    let mut damage = PackDamage::default();
    let (front, tail) = (bytes.first_chunk::<PAGE>(), bytes.last_chunk::<PAGE>());
    let tail_opened = pack_header(opener, tail, len);
    damage.tail = tail_opened.is_err() || front != tail;
    let error = match pack_header(opener, front, len) {
        Ok(reader) => return Ok((reader, damage)),
        Err(error) => error,
    };
    damage.front = true;
    if let Ok(reader) = tail_opened {
        damage.tail = false;
        return Ok((reader, damage));
    }
    // A header that is sound in itself and gives another length: the file was cut, or something was added to it.
    if let Some(Ok(reader)) = front.map(|header| opener.reader_as_said(header))
        && reader.kind().has_tail()
    {
        damage.front = false;
        damage.length = true;
        return Ok((reader, damage));
    }
    // "Too new" and "another repository" say more than "damaged".
    match tail_opened {
        Err(tail) if error.kind() == Kind::Damaged => Err(tail),
        _ => Err(error),
    }
}

fn damaged(what: &'static str) -> Error {
    Error::new(Kind::Damaged, what)
}
