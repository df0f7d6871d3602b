//! Where things lie in a box: plaintext, segments and the file.
//!
//! Plaintext runs through the segments and skips 16 bytes at the end of each, where its tag will be. So a box is laid
//! out once, at its final places, and sealed where it stands.

use crate::error::{Error, Kind, Result};
use crate::format::header::field;
use crate::limits::{PAGE, SEGMENT, SEGMENT_PLAIN, TRAILER};
use std::ops::Range;

const TRAILER_MAGIC: [u8; 4] = *b"HLTR";

/// The last 16 bytes of a box's plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Bytes of the area.
    pub area_len: u32,
    /// Bytes of the record, right behind it.
    pub record_len: u32,
}

impl Trailer {
    /// Bytes of a trailer.
    pub(crate) const BYTES: u64 = TRAILER as u64;

    /// # Panics
    /// If a length has more than 32 bits, which no box allows.
    pub(crate) fn new(area_len: u64, record_len: u64) -> Self {
        let number = |len: u64| u32::try_from(len).expect("a box has at most 64 MiB");
        Self {
            area_len: number(area_len),
            record_len: number(record_len),
        }
    }

    pub(crate) fn encode(self) -> [u8; TRAILER] {
        let mut bytes = [0; TRAILER];
        let numbers = [self.area_len, self.record_len, 0].map(u32::to_le_bytes);
        let all = numbers.as_flattened().iter().chain(&TRAILER_MAGIC);
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// The trailer at the end of `plain`.
    pub(crate) fn decode(plain: &[u8]) -> Option<Self> {
        let bytes = plain.last_chunk::<TRAILER>()?;
        let trailer = Self {
            area_len: u32::from_le_bytes(field(bytes, 0)),
            record_len: u32::from_le_bytes(field(bytes, 4)),
        };
        (trailer.encode() == *bytes).then_some(trailer)
    }

    /// Area, record and the trailer itself.
    pub(crate) fn content_len(self) -> u64 {
        let content = u64::from(self.area_len).saturating_add(u64::from(self.record_len));
        content.saturating_add(TRAILER as u64)
    }
}

/// A box's plaintext before it is laid out.
pub(crate) struct Parts<'a> {
    area: &'a [u8],
    record: &'a [u8],
    trailer: [u8; TRAILER],
    capacity: u64,
}

impl<'a> Parts<'a> {
    /// A box of `area` and `record` in which `capacity` bytes find room.
    pub(crate) fn new(area: &'a [u8], record: &'a [u8], capacity: u64) -> Self {
        let trailer = Trailer::new(area.len() as u64, record.len() as u64).encode();
        Self {
            area,
            record,
            trailer,
            capacity,
        }
    }

    /// Copies what stands from `at` on into `out`, which is zero where nothing stands.
    pub(crate) fn copy(&self, at: u64, out: &mut [u8]) {
        let trailer_at = self.capacity.saturating_sub(TRAILER as u64);
        overlay(out, at, self.area, 0);
        overlay(out, at, self.record, self.area.len() as u64);
        overlay(out, at, &self.trailer, trailer_at);
    }
}

/// Copies the bytes that `out`, which begins at `out_at`, and `part`, which begins at `part_at`, have in common.
fn overlay(out: &mut [u8], out_at: u64, part: &[u8], part_at: u64) {
    let skip = |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
    let (to, from) = (
        out.get_mut(skip(out_at, part_at)..),
        part.get(skip(part_at, out_at)..),
    );
    if let (Some(to), Some(from)) = (to, from) {
        let len = to.len().min(from.len());
        let (to, _) = to.split_at_mut(len);
        to.copy_from_slice(from.split_at(len).0);
    }
}

/// Whether `plain`, which ends with the trailer, is zero from `content` on.
pub(crate) fn check_zeros(plain: &[u8], content: usize) -> Result<()> {
    let padding = plain
        .split_last_chunk::<TRAILER>()
        .and_then(|(front, _)| front.get(content..));
    if padding.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) {
        return Ok(());
    }
    Err(damaged("the padding of the box is not zero"))
}

/// Where byte `plain` of the plaintext lies in the file.
pub(crate) fn file_offset(plain: u64) -> u64 {
    let inside = plain.saturating_sub(plain_start(segment_of(plain)));
    segment_start(segment_of(plain)).saturating_add(inside)
}

/// The segment that byte `plain` of the plaintext lies in.
pub(crate) fn segment_of(plain: u64) -> u64 {
    plain.checked_div(SEGMENT_PLAIN as u64).unwrap_or(0)
}

fn segment_start(index: u64) -> u64 {
    index
        .saturating_mul(SEGMENT as u64)
        .saturating_add(PAGE as u64)
}

/// The first byte of plaintext in segment `index`.
pub(crate) fn plain_start(index: u64) -> u64 {
    index.saturating_mul(SEGMENT_PLAIN as u64)
}

/// The segment that byte `file` of the file lies in.
pub(crate) fn index_at(file: u64) -> u64 {
    file.saturating_sub(PAGE as u64) >> SEGMENT.trailing_zeros()
}

/// Where the last segment ends in the file.
pub(crate) fn body_end(body_len: u64) -> u64 {
    body_len.saturating_add(PAGE as u64)
}

/// Where segment `index` lies in the file.
pub(crate) fn file_range(body_len: u64, index: u64) -> Range<u64> {
    let end = body_end(body_len);
    segment_start(index).min(end)..segment_start(index.saturating_add(1)).min(end)
}

/// Part of a file that lies in memory whole.
pub(crate) fn slice_mut<'a>(bytes: &'a mut [u8], range: &Range<u64>) -> &'a mut [u8] {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
    bytes
        .get_mut(at(range.start)..at(range.end))
        .expect("the file is as long as its header says")
}

/// The same for reading.
pub(crate) fn slice<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
    bytes
        .get(at(range.start)..at(range.end))
        .expect("the file is as long as its header says")
}

fn damaged(what: &'static str) -> Error {
    Error::new(Kind::Damaged, what)
}
