//! The directory of a pack: which blocks lie in it and which blobs in those.
//!
//!     MessagePack [1, rows bin, ids bin, lens bin]
//!     rows   16 bytes a block: stored_len u32 · raw_len u32 · blobs u32 · codec u8 · type u8 · zero u16
//!     ids    32 bytes a blob, in block order, then in the order inside the block
//!     lens   u24 a blob
//!
//! Offsets are sums, so nothing can overlap and nothing can be left out; any other sum is damage. The encoding is the
//! shortest one, and no other is accepted.

use crate::error::{Error, Kind, Result};
use crate::format::bin::BinRef;
use crate::format::header::field;
use crate::format::{BlobKind, ObjectKind, codec};
use crate::id::Id;
use crate::limits::{BLOB_BYTES_MAX, BLOCK_BLOBS_MAX, BLOCK_BYTES_MAX, PACK_BLOBS_MAX};
use serde::Deserialize;
use serde_bytes::Bytes;
use std::ops::Range;

/// Bytes of one block's row.
pub const ROW_BYTES: usize = 16;

const VERSION: u8 = 1;

/// How a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Stored = 0,
    /// One zstd frame.
    Zstd = 1,
}

/// What a directory says of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Bytes in the pack.
    pub stored_len: u32,
    /// Bytes once expanded.
    pub raw_len: u32,
    /// Blobs in it.
    pub blobs: u32,
    /// How it is stored.
    pub codec: Codec,
    /// The type of its blobs.
    pub kind: BlobKind,
}

impl Codec {
    /// The codec with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Stored, Self::Zstd]
            .into_iter()
            .find(|codec| *codec as u8 == number)
    }
}

impl BlockRow {
    fn encode(&self) -> [u8; ROW_BYTES] {
        let mut row = [0; ROW_BYTES];
        let fields = [self.stored_len, self.raw_len, self.blobs].map(u32::to_le_bytes);
        let types = [self.codec as u8, self.kind as u8];
        let bytes = fields.as_flattened().iter().chain(&types);
        row.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        row
    }

    /// `None` for a row that no writer makes and no reader may trust.
    fn decode(row: &[u8; ROW_BYTES]) -> Option<Self> {
        let number = |at| u32::from_le_bytes(field(row, at));
        let [codec, kind, zero @ ..] = field::<4>(row, 12);
        let row = Self {
            stored_len: number(0),
            raw_len: number(4),
            blobs: number(8),
            codec: Codec::from_number(codec)?,
            kind: BlobKind::from_number(kind)?,
        };
        (row.is_sound() && zero == [0; 2]).then_some(row)
    }

    /// Within the limits, and compressed only where that made it smaller.
    pub fn is_sound(&self) -> bool {
        let stored = match self.codec {
            Codec::Stored => self.stored_len == self.raw_len,
            Codec::Zstd => self.stored_len < self.raw_len,
        };
        let raw = usize::try_from(self.raw_len).is_ok_and(|len| len <= BLOCK_BYTES_MAX);
        let blobs = usize::try_from(self.blobs).is_ok_and(|count| count <= BLOCK_BLOBS_MAX);
        stored && raw && blobs && self.stored_len > 0 && (1..=self.raw_len).contains(&self.blobs)
    }
}

/// Whether packs of this kind hold blobs of that kind.
pub fn holds(pack: ObjectKind, blob: BlobKind) -> bool {
    match pack {
        ObjectKind::DataPack => blob == BlobKind::Chunk,
        ObjectKind::TreePack => blob != BlobKind::Chunk,
        _ => false,
    }
}

/// The rows of blocks, as directories and index runs hold them.
pub fn encode_rows(blocks: &[BlockRow]) -> Vec<u8> {
    blocks.iter().flat_map(BlockRow::encode).collect()
}

/// Reads the rows of a pack of `kind`.
pub fn decode_rows(kind: ObjectKind, bytes: &[u8]) -> Result<Vec<BlockRow>> {
    let (rows, rest) = bytes.as_chunks::<ROW_BYTES>();
    if !rest.is_empty() || rows.len() > PACK_BLOBS_MAX {
        return Err(damaged("its table of blocks has an impossible length"));
    }
    let mut blocks = Vec::with_capacity(rows.len());
    for row in rows {
        let row = BlockRow::decode(row).filter(|row| holds(kind, row.kind));
        blocks.push(row.ok_or_else(|| damaged("one of its blocks is impossible"))?);
    }
    Ok(blocks)
}

/// Where one block lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// Its first byte in the pack's plaintext.
    pub offset: u64,
    /// Its blobs in `ids` and `lens`.
    pub blobs: Range<usize>,
}

/// What lies in one pack, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// The blocks.
    pub blocks: Vec<BlockRow>,
    /// The ids of all blobs, block by block.
    pub ids: Vec<Id>,
    /// The length of each blob.
    pub lens: Vec<u32>,
}

impl Directory {
    /// The record of a pack. Everything in it must be sound, as what a builder made is.
    pub fn encode(&self) -> Vec<u8> {
        let rows = encode_rows(&self.blocks);
        let ids: Vec<u8> = self.ids.iter().flat_map(Id::as_bytes).copied().collect();
        let lens: Vec<u8> = self
            .lens
            .iter()
            .flat_map(|len| field::<3>(&len.to_le_bytes(), 0))
            .collect();
        codec::encode(&(
            VERSION,
            Bytes::new(&rows),
            Bytes::new(&ids),
            Bytes::new(&lens),
        ))
    }

    /// Reads the record of a pack of `kind` whose blocks take `area_len` bytes.
    pub fn decode(kind: ObjectKind, bytes: &[u8], area_len: u64) -> Result<Self> {
        if let Some(version) = codec::first_number(bytes)
            && version > u64::from(VERSION)
        {
            let what =
                format!("the pack's directory has version {version}, unknown to this program");
            return Err(Error::new(Kind::TooNew, what));
        }
        let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
        let (version, BinRef(rows), BinRef(ids), BinRef(lens)) =
            <(u8, BinRef, BinRef, BinRef)>::deserialize(&mut reader)
                .map_err(|error| damaged("it is no directory").because(error))?;
        let ((ids, no_id), (lens, no_len)) = (ids.as_chunks::<32>(), lens.as_chunks::<3>());
        let whole = no_id.is_empty() && no_len.is_empty() && ids.len() == lens.len();
        let blocks = decode_rows(kind, rows)?;
        if !whole || ids.len() > PACK_BLOBS_MAX || version != VERSION {
            return Err(damaged("its tables do not belong together"));
        }
        // Of all encodings of these three lengths only the shortest has this length, and nothing can follow it.
        let tables = table_lens(blocks.len(), ids.len());
        if bytes.len() as u64 != encoded_len(blocks.len(), ids.len()) {
            return Err(damaged("it is not in its shortest form"));
        }
        // What is marked as text and is none comes out as bytes, too.
        let mut start = HEAD;
        for len in tables {
            if !matches!(
                usize::try_from(start)
                    .ok()
                    .and_then(|start| bytes.get(start)),
                Some(0xc4..=0xc6)
            ) {
                return Err(damaged("its tables are no byte strings"));
            }
            start = start.saturating_add(len);
        }
        let directory = Self {
            blocks,
            ids: ids.iter().map(|id| Id::new(*id)).collect(),
            lens: lens
                .iter()
                .map(|len| u32::from_le_bytes([len[0], len[1], len[2], 0]))
                .collect(),
        };
        directory.check_sums(area_len)?;
        Ok(directory)
    }

    /// Every block's row and where it lies.
    pub fn places(&self) -> impl Iterator<Item = (BlockPlace, &BlockRow)> {
        let mut offset = 0_u64;
        let mut blob = 0_usize;
        self.blocks.iter().map(move |row| {
            let end = blob.saturating_add(row.blobs as usize).min(self.ids.len());
            let place = BlockPlace {
                offset,
                blobs: blob..end,
            };
            offset = offset.saturating_add(u64::from(row.stored_len));
            blob = end;
            (place, row)
        })
    }

    /// The first byte of block `block` in the pack's plaintext; with the number of blocks, where the last one ends.
    pub fn block_offset(&self, block: usize) -> u64 {
        let before = self.blocks.iter().take(block);
        before.map(|row| u64::from(row.stored_len)).sum()
    }

    /// Bytes of all blocks.
    pub fn area_len(&self) -> u64 {
        self.block_offset(self.blocks.len())
    }

    fn check_sums(&self, area_len: u64) -> Result<()> {
        let blobs: u64 = self.blocks.iter().map(|row| u64::from(row.blobs)).sum();
        if self.area_len() != area_len || blobs != self.ids.len() as u64 {
            return Err(damaged("its sums are wrong"));
        }
        for (place, row) in self.places() {
            let lens = self.lens.get(place.blobs).unwrap_or_default();
            let raw: u64 = lens.iter().map(|len| u64::from(*len)).sum();
            let sound = lens
                .iter()
                .all(|len| (1..=BLOB_BYTES_MAX as u64).contains(&u64::from(*len)));
            if !sound || raw != u64::from(row.raw_len) {
                return Err(damaged("the blobs of a block do not fill it"));
            }
        }
        Ok(())
    }
}

/// Bytes of the array's header and of the version.
const HEAD: u64 = 2;

/// The length of an encoded directory.
pub fn encoded_len(blocks: usize, blobs: usize) -> u64 {
    let tables = table_lens(blocks, blobs);
    tables.into_iter().fold(HEAD, u64::saturating_add)
}

/// Bytes of each of the three tables with what says its length.
fn table_lens(blocks: usize, blobs: usize) -> [u64; 3] {
    let bin = |count: usize, each: usize| {
        let len = count.saturating_mul(each) as u64;
        let head = match len {
            0..256 => 2,
            256..65_536 => 3,
            _ => 5,
        };
        len.saturating_add(head)
    };
    [bin(blocks, ROW_BYTES), bin(blobs, 32), bin(blobs, 3)]
}

fn damaged(why: &'static str) -> Error {
    Error::new(Kind::Damaged, "read the pack's directory").because(why)
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a panic in a test is a failed test"
)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    pub(super) fn sample(blocks: &[&[u32]]) -> Directory {
        let mut directory = Directory::default();
        for lens in blocks {
            let raw_len = lens.iter().sum();
            let zstd = directory.blocks.len() % 2 == 1;
            directory.blocks.push(BlockRow {
                stored_len: if zstd { raw_len / 2 + 1 } else { raw_len },
                raw_len,
                blobs: lens.len() as u32,
                codec: if zstd { Codec::Zstd } else { Codec::Stored },
                kind: BlobKind::Chunk,
            });
            for len in *lens {
                directory.ids.push(Id::new([directory.ids.len() as u8; 32]));
                directory.lens.push(*len);
            }
        }
        directory
    }

    fn decode(bytes: &[u8], area_len: u64) -> Result<Directory> {
        Directory::decode(ObjectKind::DataPack, bytes, area_len)
    }

    #[test]
    fn directories_go_both_ways() {
        let many: Vec<u32> = (1..3000).collect();
        for directory in [
            sample(&[]),
            sample(&[&[1]]),
            sample(&[&[10, 20], &[30, 400, 5]]),
            sample(&[&[BLOB_BYTES_MAX as u32], &many[..2000], &many[..9]]),
        ] {
            let bytes = directory.encode();
            let blobs = directory.ids.len();
            assert_eq!(
                bytes.len() as u64,
                encoded_len(directory.blocks.len(), blobs)
            );
            assert_eq!(decode(&bytes, directory.area_len()).unwrap(), directory);
            for (at, (place, _)) in directory.places().enumerate() {
                assert_eq!(place.offset, directory.block_offset(at));
            }
        }
    }

    #[test]
    fn a_table_marked_as_text_is_damage() {
        let directory = sample(&[&[300_000]]);
        let mut bytes = directory.encode();
        assert_eq!(bytes[2], 0xc4);
        // The row's length is no UTF-8, and the reader of MessagePack gives such a text out as bytes.
        bytes[2] = 0xd9;
        assert!(std::str::from_utf8(&bytes[4..20]).is_err());
        let error = decode(&bytes, directory.area_len()).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
    }

    /// A9, B4: sums, orders and limits violated, one at a time.
    #[test]
    fn a9_any_other_sum_is_damage() {
        let good = sample(&[&[10, 20], &[30, 400, 5]]);
        let area = good.area_len();
        let refused = |change: &dyn Fn(&mut Directory)| {
            let mut directory = good.clone();
            change(&mut directory);
            let error = decode(&directory.encode(), area).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
        };
        refused(&|directory| directory.blocks[0].stored_len -= 1);
        refused(&|directory| directory.blocks[0].raw_len += 1);
        refused(&|directory| directory.blocks[0].blobs += 1);
        refused(&|directory| directory.blocks[0].blobs = u32::MAX);
        refused(&|directory| directory.blocks[1].stored_len = u32::MAX);
        refused(&|directory| directory.blocks[1].stored_len = 0);
        refused(&|directory| directory.blocks[1].blobs = 0);
        refused(&|directory| directory.blocks[1].codec = Codec::Stored);
        refused(&|directory| directory.blocks[1].kind = BlobKind::Tree);
        refused(&|directory| directory.lens[0] = 0);
        refused(&|directory| directory.lens.swap(1, 2));
        refused(&|directory| directory.lens[4] += 1);
        refused(&|directory| directory.ids.truncate(directory.ids.len() - 1));
        refused(&|directory| directory.lens.truncate(directory.lens.len() - 1));
        refused(&|directory| directory.blocks.truncate(directory.blocks.len() - 1));
        let bytes = good.encode();
        assert!(decode(&bytes, area + 1).is_err());
        assert!(Directory::decode(ObjectKind::TreePack, &bytes, area).is_err());
        assert!(decode(&[&bytes[..], &[0]].concat(), area).is_err());
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end], area).is_err());
        }
        let mut newer = bytes.clone();
        newer[1] = 2;
        assert_eq!(decode(&newer, area).unwrap_err().kind(), Kind::TooNew);
        let longer = [0x92, 0xcd, 1, 0, 0xc0];
        assert_eq!(decode(&longer, area).unwrap_err().kind(), Kind::TooNew);
        newer[1] = 0;
        assert_eq!(decode(&newer, area).unwrap_err().kind(), Kind::Damaged);
    }

    /// B2: counts that promise what is not there cost nothing.
    #[test]
    fn b2_promises_cost_nothing() {
        for bytes in [
            &[0x94, 1, 0xc6, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdd, 0xff, 0xff, 0xff, 0xff],
            &[0x94, 1, 0xdd, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x91; 100_000],
        ] {
            assert!(decode(bytes, 0).is_err());
        }
        // Text is not bytes, though its head is as long.
        assert!(decode(&[0x94, 1, 0xd9, 0, 0xc4, 0, 0xc4, 0], 0).is_err());
        // The same directory with a longer form of a length.
        let mut long = vec![0x94, 1, 0xc5, 0, 0];
        long.extend([0xc4, 0, 0xc4, 0]);
        assert!(decode(&long, 0).is_err());
        assert!(decode(&[0x94, 1, 0xc4, 0, 0xc4, 0, 0xc4, 0], 0).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in any::<Vec<u8>>(), area in any::<u64>()) {
            drop(decode(&bytes, area));
            drop(decode_rows(ObjectKind::TreePack, &bytes));
        }

        #[test]
        fn any_change_is_noticed_or_consistent(at in 0..400_usize, with in any::<u8>()) {
            let good = sample(&[&[10, 20], &[30, 400, 5]]);
            let mut bytes = good.encode();
            let at = at % bytes.len();
            bytes[at] = with;
            if let Ok(directory) = decode(&bytes, good.area_len()) {
                assert_eq!(directory.encode(), bytes);
            }
        }
    }
}
