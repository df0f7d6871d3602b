//! A block: blobs of one type, back to back, the unit of compression.
//!
//! A writer fills it to 2 MiB in path order and closes it early rather than exceed 4 MiB, so neighbours in a folder are
//! compressed together and come back together.

use crate::crypto::derive::Keys;
use crate::crypto::hash;
use crate::format::BlobKind;
use crate::id::Id;
use crate::limits::{BLOB_BYTES_MAX, BLOCK_BLOBS_MAX, BLOCK_BYTES_FILL, BLOCK_BYTES_MAX};

/// The id of a blob: its keyed hash, under a key of its type, so that a file's content is never taken for a tree.
pub fn blob_id(keys: &Keys, kind: BlobKind, bytes: &[u8]) -> Id {
    let key = match kind {
        BlobKind::Chunk => keys.chunk_ids(),
        BlobKind::Tree => keys.tree_ids(),
        BlobKind::List => keys.list_ids(),
    };
    hash::keyed(key, bytes)
}

/// The positions of blobs whose bytes are not what their id says. `raw` is an expanded block, `ids` and `lens` are
/// what the directory says of it.
pub fn check_blobs(
    keys: &Keys,
    kind: BlobKind,
    raw: &[u8],
    ids: &[Id],
    lens: &[u32],
) -> Vec<usize> {
    let mut rest = raw;
    let mut bad = Vec::new();
    for (at, (id, len)) in ids.iter().zip(lens).enumerate() {
        let (blob, after) = rest.split_at_checked(*len as usize).unwrap_or_default();
        rest = after;
        if blob.is_empty() || blob_id(keys, kind, blob) != *id {
            bad.push(at);
        }
    }
    bad
}

/// What a block mostly needs: it closes past 2 MiB, and most chunks are at most 512 KiB. Growing by doubling would
/// leave holes in the allocator's arenas.
const CAPACITY: usize = BLOCK_BYTES_FILL + BLOCK_BYTES_FILL / 4;

/// An open block.
#[derive(Debug)]
pub struct BlockBuilder {
    kind: BlobKind,
    raw: Vec<u8>,
    blobs: Vec<(Id, u32)>,
}

impl BlockBuilder {
    /// An empty block for blobs of `kind`.
    pub fn new(kind: BlobKind) -> Self {
        Self {
            kind,
            raw: Vec::with_capacity(CAPACITY),
            blobs: Vec::new(),
        }
    }

    /// Whether a blob of `len` bytes still goes in.
    pub fn fits(&self, len: usize) -> bool {
        let raw = self.raw.len().saturating_add(len);
        raw <= BLOCK_BYTES_MAX && self.blobs.len() < BLOCK_BLOBS_MAX
    }

    /// Appends a blob.
    ///
    /// # Panics
    /// If the blob is empty, larger than a blob may be, or does not fit: errors in the program.
    pub fn push(&mut self, id: Id, bytes: &[u8]) {
        let sound = !bytes.is_empty() && bytes.len() <= BLOB_BYTES_MAX && self.fits(bytes.len());
        assert!(
            sound,
            "a blob of {} bytes does not go into this block",
            bytes.len()
        );
        let len = u32::try_from(bytes.len()).expect("blobs have at most 4 MiB");
        self.raw.extend_from_slice(bytes);
        self.blobs.push((id, len));
    }

    /// The type of its blobs.
    pub fn kind(&self) -> BlobKind {
        self.kind
    }

    /// All blobs back to back.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Id and length of each blob.
    pub fn blobs(&self) -> &[(Id, u32)] {
        &self.blobs
    }

    /// Bytes so far.
    pub fn raw_len(&self) -> usize {
        self.raw.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty()
    }

    /// Whether it should be closed.
    pub fn is_full(&self) -> bool {
        self.raw.len() >= BLOCK_BYTES_FILL || self.blobs.len() >= BLOCK_BLOBS_MAX
    }

    /// Makes it empty, for blobs of `kind`, and keeps its memory.
    pub fn restart(&mut self, kind: BlobKind) {
        self.kind = kind;
        self.raw.clear();
        self.blobs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::derive::RootKey;

    #[test]
    fn blobs_are_told_apart_by_type_and_checked_one_by_one() {
        let keys = Keys::new(&RootKey::from_bytes([1; 32]), &[2; 16]);
        let kinds = [BlobKind::Chunk, BlobKind::Tree, BlobKind::List];
        let ids = kinds.map(|kind| blob_id(&keys, kind, b"same"));
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        let mut block = BlockBuilder::new(BlobKind::Chunk);
        for blob in [&b"one"[..], b"two", b"three"] {
            block.push(blob_id(&keys, BlobKind::Chunk, blob), blob);
        }
        let (ids, lens): (Vec<Id>, Vec<u32>) = block.blobs().iter().copied().unzip();
        let check = |kind, raw: &[u8], lens: &[u32]| check_blobs(&keys, kind, raw, &ids, lens);
        assert_eq!(check(BlobKind::Chunk, block.raw(), &lens), [0_usize; 0]);
        assert_eq!(check(BlobKind::Chunk, b"oneTwothree", &lens), [1]);
        assert_eq!(check(BlobKind::Chunk, b"onetwothre", &lens), [2]);
        assert_eq!(check(BlobKind::Chunk, b"", &lens), [0, 1, 2]);
        assert_eq!(
            check(BlobKind::Chunk, block.raw(), &[u32::MAX; 3]),
            [0, 1, 2]
        );
        assert_eq!(check(BlobKind::Tree, block.raw(), &lens), [0, 1, 2]);
    }

    #[test]
    fn a_block_closes_at_two_and_never_exceeds_four_mib() {
        let mut block = BlockBuilder::new(BlobKind::Chunk);
        block.push(Id::default(), &vec![1; BLOCK_BYTES_FILL - 1]);
        assert!(!block.is_full() && block.fits(BLOCK_BYTES_FILL + 1));
        assert!(!block.fits(BLOCK_BYTES_FILL + 2) && !block.fits(usize::MAX));
        block.push(Id::default(), &[1]);
        assert!(block.is_full());
        block.restart(BlobKind::Chunk);
        assert!(block.is_empty() && block.raw_len() == 0);
    }
}
