//! The directory of a pack: which blobs lie in which block.
//!
//! ```text
//! [1, rows bin, ids bin, lens bin]
//! row   stored_len u32 · raw_len u32 · blobs u32 · codec u8 · type u8 · zero u16
//! ids   32 bytes a blob, in block order, then order inside the block
//! lens  u24 a blob
//! ```
//!
//! It repeats what the index knows: losing the index costs time, never data. Offsets are not stored but are sums, so
//! nothing can overlap; any other sum is damage.

use crate::error::Result;
use crate::format::bin::BinRef;
use crate::format::codec::{self, require};
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::limits::{BLOB_BYTES_MAX, BLOCK_BLOBS_MAX, BLOCK_BYTES_MAX, PACK_BLOBS_MAX};

const LAYOUT: u64 = 1;
const WHAT: &str = "read directory of a pack";

/// How a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Stored = 0,
    /// One zstd frame.
    Zstd = 1,
}

/// One block of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Bytes in the pack.
    pub stored_len: u32,
    /// Bytes when expanded.
    pub raw_len: u32,
    /// Blobs in it.
    pub blobs: u32,
    /// How it is stored.
    pub codec: Codec,
    /// What its blobs are.
    pub kind: BlobKind,
}

impl BlockRow {
    /// Bytes of one row.
    pub const BYTES: usize = 16;

    /// Appends the row's bytes.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        for number in [self.stored_len, self.raw_len, self.blobs] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&[self.codec as u8, self.kind as u8, 0, 0]);
    }

    /// The row of these bytes; `None` if no block can be like that.
    pub fn read(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let [
            s0,
            s1,
            s2,
            s3,
            r0,
            r1,
            r2,
            r3,
            b0,
            b1,
            b2,
            b3,
            codec,
            kind,
            0,
            0,
        ] = *bytes
        else {
            return None;
        };
        let row = Self {
            stored_len: u32::from_le_bytes([s0, s1, s2, s3]),
            raw_len: u32::from_le_bytes([r0, r1, r2, r3]),
            blobs: u32::from_le_bytes([b0, b1, b2, b3]),
            codec: match codec {
                0 => Codec::Stored,
                1 => Codec::Zstd,
                _ => return None,
            },
            kind: BlobKind::from_number(kind)?,
        };
        let lengths = match row.codec {
            Codec::Stored => row.stored_len == row.raw_len,
            Codec::Zstd => row.stored_len <= row.raw_len,
        };
        let fine = lengths
            && row.stored_len > 0
            && row.raw_len as usize <= BLOCK_BYTES_MAX
            && (1..=BLOCK_BLOBS_MAX).contains(&(row.blobs as usize))
            && row.blobs <= row.raw_len;
        fine.then_some(row)
    }

    /// Appends the bytes of all rows.
    pub fn write_all(rows: &[Self], bytes: &mut Vec<u8>) {
        for row in rows {
            row.write(bytes);
        }
    }

    /// Every row of `bytes`; `None` if one is wrong, the last is cut off, or their blobs are more than a pack holds.
    pub fn read_all(bytes: &[u8]) -> Option<Vec<Self>> {
        let (rows, []) = bytes.as_chunks() else {
            return None;
        };
        let rows: Vec<Self> = rows.iter().map(Self::read).collect::<Option<_>>()?;
        let blobs = total(rows.iter().map(|row| row.blobs));
        (blobs <= PACK_BLOBS_MAX as u64).then_some(rows)
    }
}

/// All blocks and blobs of one pack.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Directory {
    /// The blocks, in the order in which they lie.
    pub blocks: Vec<BlockRow>,
    /// The blobs' ids, block after block.
    pub ids: Vec<Id>,
    /// The blobs' lengths, in the same order.
    pub lens: Vec<u32>,
}

impl Directory {
    /// The record of a pack.
    pub fn encode(&self) -> Vec<u8> {
        let mut rows = Vec::with_capacity(self.blocks.len().saturating_mul(BlockRow::BYTES));
        BlockRow::write_all(&self.blocks, &mut rows);
        let ids: Vec<u8> = self.ids.iter().flat_map(|id| *id.as_bytes()).collect();
        let mut lens = Vec::with_capacity(self.lens.len().saturating_mul(3));
        for len in &self.lens {
            let [low, middle, high, _] = len.to_le_bytes();
            lens.extend_from_slice(&[low, middle, high]);
        }
        codec::encode(&(LAYOUT, BinRef(&rows), BinRef(&ids), BinRef(&lens)))
    }

    /// Reads the record of a pack whose blocks take `area_len` bytes.
    pub fn decode(bytes: &[u8], area_len: u64) -> Result<Self> {
        if codec::first_number(bytes).is_some_and(|layout| layout > LAYOUT) {
            return Err(codec::too_new(WHAT, "a layout of a newer version"));
        }
        let (layout, BinRef(rows), BinRef(ids), BinRef(lens)) =
            codec::decode::<(u64, BinRef, BinRef, BinRef)>(bytes, WHAT)?;
        require(layout == LAYOUT, WHAT, "layout 0")?;
        let blocks =
            BlockRow::read_all(rows).ok_or_else(|| codec::damaged(WHAT, "a wrong block row"))?;
        let (ids, ids_rest) = ids.as_chunks();
        let (lens, lens_rest) = lens.as_chunks();
        let whole = ids_rest.is_empty() && lens_rest.is_empty() && ids.len() == lens.len();
        require(whole, WHAT, "ids and lengths do not match")?;
        let directory = Self {
            blocks,
            ids: ids.iter().copied().map(Id::new).collect(),
            lens: lens
                .iter()
                .map(|[low, middle, high]| u32::from_le_bytes([*low, *middle, *high, 0]))
                .collect(),
        };
        directory.check_sums(area_len)?;
        Ok(directory)
    }

    fn check_sums(&self, area_len: u64) -> Result<()> {
        let stored = total(self.blocks.iter().map(|block| block.stored_len));
        require(stored == area_len, WHAT, "stored lengths do not add up")?;
        let blobs = total(self.blocks.iter().map(|block| block.blobs));
        require(
            blobs == self.ids.len() as u64,
            WHAT,
            "blob counts do not add up",
        )?;
        let mut lens = self.lens.iter();
        for block in &self.blocks {
            let mut raw: u64 = 0;
            for len in lens.by_ref().take(block.blobs as usize) {
                let fine = (1..=BLOB_BYTES_MAX).contains(&(*len as usize));
                require(fine, WHAT, "a blob of an impossible length")?;
                raw = raw.saturating_add(u64::from(*len));
            }
            require(
                raw == u64::from(block.raw_len),
                WHAT,
                "the lengths of a block's blobs do not add up",
            )?;
        }
        Ok(())
    }

    /// Where block `i` begins in the area; the area's length for the first `i` there is none of.
    pub fn block_offset(&self, i: usize) -> u64 {
        total(self.blocks.iter().take(i).map(|block| block.stored_len))
    }

    /// Whether a pack of `kind` may hold these blocks: chunks alone in a data pack, none in a tree pack.
    pub fn fits(&self, kind: ObjectKind) -> bool {
        self.blocks.iter().all(|block| is_at_home(block.kind, kind))
    }
}

/// Whether a pack of kind `pack` may hold blobs of kind `blob`.
pub fn is_at_home(blob: BlobKind, pack: ObjectKind) -> bool {
    match pack {
        ObjectKind::DataPack => blob == BlobKind::Chunk,
        ObjectKind::TreePack => blob != BlobKind::Chunk,
        _ => false,
    }
}

fn total(numbers: impl Iterator<Item = u32>) -> u64 {
    numbers.fold(0, |sum, number| sum.saturating_add(u64::from(number)))
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test may panic"
    )]
    use super::*;
    use crate::error::Kind;
    use proptest::prelude::*;

    fn sample() -> Directory {
        let row = |stored_len, raw_len, blobs, codec| BlockRow {
            stored_len,
            raw_len,
            blobs,
            codec,
            kind: BlobKind::Chunk,
        };
        Directory {
            blocks: vec![row(10, 70_000, 2, Codec::Zstd), row(5, 5, 1, Codec::Stored)],
            ids: [1, 2, 3].map(|byte| Id::new([byte; 32])).to_vec(),
            lens: vec![1, 69_999, 5],
        }
    }

    #[test]
    fn a_directory_comes_back_and_offsets_are_sums() {
        let directory = sample();
        let read = Directory::decode(&directory.encode(), 15).unwrap();
        assert_eq!(read, directory);
        assert_eq!([0, 1, 2].map(|i| read.block_offset(i)), [0, 10, 15]);
        assert!(read.fits(ObjectKind::DataPack) && !read.fits(ObjectKind::TreePack));
    }

    #[test]
    fn any_other_sum_is_damage() {
        let changes: [fn(&mut Directory); 11] = [
            |d| d.blocks[0].stored_len = 11,
            |d| d.blocks[0].raw_len = 70_001,
            |d| d.blocks[0].blobs = 1,
            |d| d.blocks[0].blobs = 0,
            |d| d.blocks[1].raw_len = 6,
            |d| d.blocks[0].codec = Codec::Stored,
            |d| d.lens[0] = 0,
            |d| d.lens[1] = 70_000,
            |d| d.blocks[0].raw_len = u32::MAX,
            |d| d.ids.truncate(2),
            |d| d.lens.push(1),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut directory = sample();
            change(&mut directory);
            let answer = Directory::decode(&directory.encode(), 15);
            assert_eq!(answer.unwrap_err().kind(), Kind::Damaged, "change {number}");
        }
        assert!(Directory::decode(&sample().encode(), 14).is_err());
    }

    #[test]
    fn a_newer_layout_is_too_new() {
        let mut bytes = sample().encode();
        bytes[1] = 2;
        assert_eq!(
            Directory::decode(&bytes, 15).unwrap_err().kind(),
            Kind::TooNew
        );
    }

    proptest! {
        #[test]
        fn changed_bytes_never_panic(at in 0usize..200, to in any::<u8>(), cut in 0usize..200) {
            let mut bytes = sample().encode();
            let (at, cut) = (at % bytes.len(), cut % bytes.len());
            bytes[at] = to;
            let _ = Directory::decode(&bytes, 15);
            let _ = Directory::decode(&bytes[..cut], 15);
        }
    }
}
