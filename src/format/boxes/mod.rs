//! The box: the one sealed container of every encrypted object.
//!
//!     stored   header[4096] · segment 0 … segment n-1 · (packs only) the same header again
//!     opened   area · record · zeros · trailer[16] = area_len u32 · record_len u32 · 00000000 · "HLTR"
//!
//! Every segment but the last is 64 KiB on disk, 16 bytes of them the tag. The trailer is the last thing in the
//! plaintext, so no length of anything inside is ever in the clear.
//!
//! What must hold:
//! - The salt absorbs the record, a counter and the device besides randomness: a cloned machine or a dead random
//!   source still yields distinct keys, or the very same box.
//! - The commitment is compared before any segment is opened.
//! - A box that was just made is opened again before anybody gets it.

pub mod layout;

#[cfg(test)]
mod tests;

use crate::crypto::derive::Keys;
use crate::crypto::hash;
use crate::crypto::stream::SegmentKeys;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::boxes::layout::{
    Parts, Trailer, body_end, check_zeros, file_range, index_at, plain_start, segment_of, slice_mut,
};
use crate::format::header::{
    self, BoxHeader, CHUNKER, RepoId, SLOT_BYTES, body_len_of, capacity, segments,
};
use crate::id::Id;
use crate::limits::{PAGE, SEGMENT, TAG};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cuts a place in a file down to a multiple of the segment size.
const SEGMENT_MASK: u64 = !(SEGMENT as u64 - 1);

/// Makes boxes. One for each run of the program, shared by its threads.
#[derive(Debug)]
pub struct Sealer {
    keys: Arc<Keys>,
    repo: RepoId,
    recovery: [u8; SLOT_BYTES],
    device: [u8; 16],
    started_ns: u64,
    compression: [u8; 2],
    counter: AtomicU64,
}

impl Sealer {
    /// `recovery` is copied into every pack; `device` and `started_ns`, the start of this process in nanoseconds,
    /// keep salts apart where randomness fails.
    pub fn new(
        keys: Arc<Keys>,
        repo: RepoId,
        recovery: Option<[u8; SLOT_BYTES]>,
        device: [u8; 16],
        started_ns: u64,
    ) -> Self {
        Self {
            keys,
            repo,
            recovery: recovery.unwrap_or([0; SLOT_BYTES]),
            device,
            started_ns,
            compression: [0; 2],
            counter: AtomicU64::new(0),
        }
    }

    /// Absorbs codec and level into every salt: two levels can store different bytes of one length.
    #[must_use]
    pub fn with_compression(mut self, codec: u8, level: u8) -> Self {
        self.compression = [codec, level];
        self
    }

    /// The box of `record`, with an `area` before it in index runs alone; opened again and compared before it returns.
    /// `random` are 32 fresh random bytes. [`Kind::Refused`] if it would be larger than its kind may be.
    pub fn seal(
        &self,
        kind: ObjectKind,
        area: &[u8],
        record: &[u8],
        random: &[u8; 32],
    ) -> Result<Vec<u8>> {
        let content = (area.len() as u64).saturating_add(record.len() as u64);
        let body_len = body_len_of(kind, content);
        let file_len = header::file_len(kind, body_len);
        if file_len > kind.bytes_max() {
            let what = format!(
                "a box of kind {kind:?} would have {file_len} bytes, more than any reader accepts"
            );
            return Err(Error::new(Kind::Refused, what));
        }
        let len = usize::try_from(file_len).expect("no kind allows more than 64 MiB");
        let mut bytes = vec![0; len];
        let parts = Parts::new(area, record, capacity(body_len));
        let body = slice_mut(&mut bytes, &(PAGE as u64..body_end(body_len)));
        for (index, segment) in body.chunks_mut(SEGMENT).enumerate() {
            if let Some((plain, _)) = segment.split_last_chunk_mut::<TAG>() {
                parts.copy(plain_start(index as u64), plain);
            }
        }
        let salt = self.salt(random, record, if kind.has_tail() { &[] } else { area });
        self.seal_layout(kind, body_len, salt, &mut bytes);
        self.reopen(kind, &bytes, &parts)?;
        Ok(bytes)
    }

    /// The salt of the next box.
    pub(crate) fn salt(&self, random: &[u8; 32], record: &[u8], area: &[u8]) -> [u8; 32] {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let parts = [
            &random[..],
            &self.device,
            &self.started_ns.to_le_bytes(),
            &counter.to_le_bytes(),
            &self.compression,
            record,
            area,
        ];
        *hash::keyed_parts(self.keys.salt_hedge(), &parts).as_bytes()
    }

    /// Seals a file in place whose plaintext stands where it belongs, 16 bytes free after each segment's share, and
    /// writes its headers. Returns the object's name.
    pub(crate) fn seal_layout(
        &self,
        kind: ObjectKind,
        body_len: u64,
        salt: [u8; 32],
        bytes: &mut [u8],
    ) -> Id {
        let packs = kind.has_tail();
        let mut header = BoxHeader {
            kind,
            chunker: CHUNKER,
            body_len,
            repo: self.repo,
            salt,
            commitment: [0; 32],
            recovery: if packs {
                self.recovery
            } else {
                [0; SLOT_BYTES]
            },
        };
        let keys = SegmentKeys::derive(self.keys.box_key(kind as u8), &header.encode());
        header.commitment = *keys.commitment();
        let header = header.encode();
        if let Some(front) = bytes.first_chunk_mut::<PAGE>() {
            *front = header;
        }
        if let (true, Some(tail)) = (packs, bytes.last_chunk_mut::<PAGE>()) {
            *tail = header;
        }
        let mut hasher = hash::Hasher::new();
        let mut hashed = 0;
        for index in 0..segments(body_len) {
            let range = file_range(body_len, index);
            let segment = slice_mut(bytes, &range);
            keys.seal(index, range.end == body_end(body_len), segment);
            // Hashed while it is still in the cache, up to a multiple of 64 KiB, where BLAKE3 is fastest.
            let aligned = range.end & SEGMENT_MASK;
            hasher.update(slice_mut(bytes, &(hashed..aligned)));
            hashed = aligned;
        }
        hasher.update(slice_mut(bytes, &(hashed..bytes.len() as u64)));
        hasher.finish()
    }

    fn reopen(&self, kind: ObjectKind, bytes: &[u8], parts: &Parts<'_>) -> Result<()> {
        let opener = Opener::new(Arc::clone(&self.keys), self.repo);
        let reader = opener.reader(kind, bytes, bytes.len() as u64)?;
        let body = bytes.get(PAGE..).unwrap_or_default();
        let body = body.get(..usize::try_from(reader.body_len).unwrap_or(0));
        let (mut opened, mut expected) = (Vec::new(), Vec::new());
        for (index, segment) in body.unwrap_or_default().chunks(SEGMENT).enumerate() {
            opened.clear();
            opened.extend_from_slice(segment);
            expected.clear();
            expected.resize(segment.len().saturating_sub(TAG), 0);
            parts.copy(plain_start(index as u64), &mut expected);
            let sound = reader.open_segment(index as u64, &mut opened);
            if sound.is_none() || !opened.starts_with(&expected) {
                let what =
                    "a box does not open right after it was sealed: this machine makes errors";
                return Err(Error::new(Kind::Other, what));
            }
        }
        Ok(())
    }
}

/// Opens boxes of one repository.
#[derive(Clone, Debug)]
pub struct Opener {
    keys: Arc<Keys>,
    repo: RepoId,
}

/// What was in a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The table of an index run, the blocks of a pack; else empty.
    pub area: Vec<u8>,
    /// The record.
    pub record: Vec<u8>,
}

impl Opener {
    /// Opens boxes of `repo` with its keys.
    pub fn new(keys: Arc<Keys>, repo: RepoId) -> Self {
        Self { keys, repo }
    }

    /// Opens a whole box, which must be one of `kind`.
    pub fn open(&self, kind: ObjectKind, bytes: &[u8]) -> Result<Opened> {
        let reader = self.reader(kind, bytes, bytes.len() as u64)?;
        let mut plain = bytes.get(PAGE..).unwrap_or_default().to_vec();
        plain.truncate(usize::try_from(reader.body_len).unwrap_or(0));
        reader.open_range(PAGE as u64, &mut plain)?;
        let trailer = reader.trailer(&plain)?;
        let (area, rest) = plain
            .split_at_checked(trailer.area_len as usize)
            .unwrap_or_default();
        let record = rest
            .get(..trailer.record_len as usize)
            .unwrap_or_default()
            .to_vec();
        if !area.is_empty() && !kind.has_tail() && kind != ObjectKind::IndexRun {
            return Err(damaged("the box has an area, which its kind has not"));
        }
        let area_len = area.len();
        check_zeros(rest, record.len())?;
        plain.truncate(area_len);
        Ok(Opened {
            area: plain,
            record,
        })
    }

    /// The header of a box that is read piece by piece: `header` are at least its 4096 bytes, `file_len` the length of
    /// the whole file. Checks everything but the segments.
    pub fn reader(&self, kind: ObjectKind, header: &[u8], file_len: u64) -> Result<BoxReader> {
        let parsed = BoxHeader::decode(header)?;
        parsed.check_place(kind, file_len, self.repo)?;
        self.unlock(&parsed, header)
    }

    /// The same for a box of whichever kind and length its header says.
    pub(crate) fn reader_as_said(&self, header: &[u8]) -> Result<BoxReader> {
        let parsed = BoxHeader::decode(header)?;
        parsed.check_repo(self.repo)?;
        self.unlock(&parsed, header)
    }

    fn unlock(&self, parsed: &BoxHeader, header: &[u8]) -> Result<BoxReader> {
        if parsed.kind == ObjectKind::KeySlot {
            return Err(damaged("a key slot lies where a box should be"));
        }
        let header = header.first_chunk::<PAGE>().expect("it was decoded");
        let keys = SegmentKeys::derive(self.keys.box_key(parsed.kind as u8), header);
        // Before any segment: a box that opens under two keys must not tell its forger which of them we hold.
        if !keys.commits_to(&parsed.commitment) {
            return Err(damaged(
                "the box was sealed under another key, or its header was altered",
            ));
        }
        Ok(BoxReader {
            kind: parsed.kind,
            body_len: parsed.body_len,
            keys,
        })
    }
}

/// The opened header of a box whose segments are read piece by piece.
#[derive(Clone, Debug)]
pub struct BoxReader {
    kind: ObjectKind,
    body_len: u64,
    keys: SegmentKeys,
}

impl BoxReader {
    /// What kind of box it is.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Bytes of the whole file.
    pub fn file_len(&self) -> u64 {
        header::file_len(self.kind, self.body_len)
    }

    /// Bytes of plaintext, padding and trailer included.
    pub fn capacity(&self) -> u64 {
        capacity(self.body_len)
    }

    /// How many segments there are.
    pub fn segments(&self) -> u64 {
        segments(self.body_len)
    }

    /// Where segment `index` lies in the file; empty beyond the last.
    pub fn segment_range(&self, index: u64) -> Range<u64> {
        file_range(self.body_len, index)
    }

    /// The bytes of the file that are whole segments and cover `len` bytes of plaintext from `offset` on.
    pub fn range_of(&self, offset: u64, len: u64) -> Range<u64> {
        let last = offset.saturating_add(len.saturating_sub(1));
        let (first, last) = (segment_of(offset), segment_of(last));
        self.segment_range(first).start..self.segment_range(last).end
    }

    /// The place in the plaintext of a segment that begins at `range_start` in the file.
    pub fn plain_offset(&self, range_start: u64) -> u64 {
        plain_start(index_at(range_start))
    }

    /// Decrypts whole segments, read from `range_start` of the file on, and leaves their plaintext in `bytes`.
    /// Nothing is left in it when one of them is damaged.
    pub fn open_range(&self, range_start: u64, bytes: &mut Vec<u8>) -> Result<()> {
        let first = index_at(range_start);
        if self.segment_range(first).start != range_start {
            return Err(Error::new(
                Kind::Other,
                "segments are read from where one begins",
            ));
        }
        let mut index = first;
        let mut kept = 0_usize;
        let mut read = 0_usize;
        while read < bytes.len() {
            let range = self.segment_range(index);
            let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
            let end = read.saturating_add(len);
            let opened = bytes
                .get_mut(read..end)
                .filter(|segment| !segment.is_empty())
                .and_then(|segment| self.open_segment(index, segment));
            if opened.is_none() {
                bytes.clear();
                let what = format!("segment {index} of the box is damaged");
                return Err(Error::new(Kind::Damaged, what));
            }
            let plain = len.saturating_sub(TAG);
            bytes.copy_within(read..read.saturating_add(plain), kept);
            kept = kept.saturating_add(plain);
            read = end;
            index = index.saturating_add(1);
        }
        bytes.truncate(kept);
        Ok(())
    }

    /// Opens one segment in place, all of it; the plaintext is all but the last 16 bytes.
    pub fn open_segment(&self, index: u64, segment: &mut [u8]) -> Option<()> {
        let range = self.segment_range(index);
        let whole = segment.len() as u64 == range.end.saturating_sub(range.start);
        let last = range.end == body_end(self.body_len);
        whole
            .then(|| self.keys.open(index, last, segment))
            .flatten()
    }

    /// Reads the trailer at the end of `plain`, which is the plaintext of the last segment or more.
    pub fn trailer(&self, plain: &[u8]) -> Result<Trailer> {
        Trailer::decode(plain)
            .filter(|trailer| trailer.content_len() <= self.capacity())
            .ok_or_else(|| damaged("the box's trailer is wrong"))
    }
}

fn damaged(what: &'static str) -> Error {
    Error::new(Kind::Damaged, what)
}
