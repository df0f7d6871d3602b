//! An index run: which blob lies where, sorted, for the packs of one session or of many.
//!
//! ```text
//! record   [1, packs, covers bin, rows]
//! packs    [id bin, kind, file_len, block rows bin as in the directory]
//! covers   ids of the runs it replaces      rows   how many rows the area holds
//! area     28-byte rows, ascending by prefix, then block, then offset:
//!          prefix[16] · block u32, counted through all packs · offset u24 · length u24 · type u8 · zero u8
//! ```
//!
//! A convenience: directories are the truth, and a row counts only if its pack was listed in this session and no mark
//! names it. A stale run can therefore not lie a chunk into existence.

use crate::error::Result;
use crate::format::bin::{Bin, BinRef};
use crate::format::codec::{self, require};
use crate::format::directory::{BlockRow, Directory, decode_rows, encode_rows, holds};
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::limits::{BLOB_BYTES_MAX, INDEX_ROWS_MAX, PACK_BYTES_MAX, PAGE};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const LAYOUT: u64 = 1;
const WHAT: &str = "read index run";

/// Two headers and the smallest body.
const PACK_BYTES_MIN: u64 = 3 * PAGE as u64;

/// Where one blob lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The first half of the blob's id.
    pub prefix: [u8; 16],
    /// The block, counted through all packs of the run.
    pub block: u32,
    /// Where it begins in the expanded block.
    pub offset: u32,
    /// Its length.
    pub len: u32,
    /// What it is.
    pub kind: BlobKind,
}

impl Row {
    /// Bytes of one row.
    pub const BYTES: usize = 28;

    /// The row's bytes.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let [o0, o1, o2, _] = self.offset.to_le_bytes();
        let [l0, l1, l2, _] = self.len.to_le_bytes();
        let rest = [o0, o1, o2, l0, l1, l2, self.kind as u8, 0];
        let fields = self.prefix.into_iter().chain(self.block.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(fields.chain(rest)) {
            *to = from;
        }
        bytes
    }

    /// The row of these bytes; `None` if no blob can be like that.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (prefix, rest) = bytes.split_first_chunk()?;
        let (block, rest) = rest.split_first_chunk()?;
        let [o0, o1, o2, l0, l1, l2, kind, 0] = rest else {
            return None;
        };
        let len = u32::from_le_bytes([*l0, *l1, *l2, 0]);
        let fits = (1..=BLOB_BYTES_MAX).contains(&(len as usize));
        let row = Self {
            prefix: *prefix,
            block: u32::from_le_bytes(*block),
            offset: u32::from_le_bytes([*o0, *o1, *o2, 0]),
            len,
            kind: BlobKind::from_number(*kind)?,
        };
        fits.then_some(row)
    }

    fn place(&self) -> ([u8; 16], u32, u32) {
        (self.prefix, self.block, self.offset)
    }

    fn lies_in(&self, block: &BlockRow) -> bool {
        let end = self.offset.checked_add(self.len);
        block.kind == self.kind && end.is_some_and(|end| end <= block.raw_len)
    }
}

/// One pack of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPack {
    /// Its name.
    pub id: Id,
    /// Data or tree.
    pub kind: ObjectKind,
    /// Bytes of the whole object.
    pub file_len: u64,
    /// Its blocks.
    pub blocks: Vec<BlockRow>,
}

impl RunPack {
    fn check(&self) -> Result<()> {
        let page = PAGE as u64;
        let fits = (PACK_BYTES_MIN..=PACK_BYTES_MAX).contains(&self.file_len)
            && self.file_len.is_multiple_of(page);
        require(fits, WHAT, "a pack of an impossible length")?;
        let home = self.blocks.iter().all(|block| holds(self.kind, block.kind));
        require(home, WHAT, "a block in the wrong kind of pack")?;
        let stored = self.blocks.iter().fold(0_u64, |sum, block| {
            sum.saturating_add(u64::from(block.stored_len))
        });
        require(stored <= self.file_len, WHAT, "blocks beyond their pack")
    }
}

impl Serialize for RunPack {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let rows = encode_rows(&self.blocks);
        let id = BinRef(self.id.as_bytes());
        (id, self.kind as u8, self.file_len, BinRef(&rows)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RunPack {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        use serde::de::Error as _;
        let (Bin(id), kind, file_len, BinRef(rows)) = Deserialize::deserialize(from)?;
        let kind = ObjectKind::from_number(kind)
            .ok_or_else(|| D::Error::custom("an unknown kind of pack"))?;
        let blocks = decode_rows(kind, rows).map_err(D::Error::custom)?;
        Ok(Self {
            id,
            kind,
            file_len,
            blocks,
        })
    }
}

/// A sorted table of blobs and the packs they lie in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The packs; blocks are counted through all of them.
    pub packs: Vec<RunPack>,
    /// Runs this one replaces.
    pub covers: Vec<Id>,
    /// The blobs, ascending by prefix, then block, then offset.
    pub rows: Vec<Row>,
}

impl Run {
    /// Area and record of box 3.
    pub fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let area = self.rows.iter().flat_map(Row::to_bytes).collect();
        let covers = Bin(self.covers.clone());
        let record = codec::encode(&(LAYOUT, &self.packs, covers, self.rows.len() as u64));
        (area, record)
    }

    /// Reads area and record of box 3.
    pub fn decode(area: &[u8], record: &[u8]) -> Result<Self> {
        if codec::first_number(record).is_some_and(|layout| layout > LAYOUT) {
            return Err(codec::too_new(WHAT, "a layout of a newer version"));
        }
        let (layout, packs, Bin(covers), count) =
            codec::decode::<(u64, Vec<RunPack>, Bin<Vec<Id>>, u64)>(record, WHAT)?;
        require(layout == LAYOUT, WHAT, "layout 0")?;
        packs.iter().try_for_each(RunPack::check)?;
        let (rows, rest) = area.as_chunks();
        let whole = rest.is_empty() && rows.len() as u64 == count && rows.len() <= INDEX_ROWS_MAX;
        require(whole, WHAT, "another number of rows")?;
        let rows: Option<Vec<Row>> = rows.iter().map(Row::from_bytes).collect();
        let rows = rows.ok_or_else(|| codec::damaged(WHAT, "a wrong row"))?;
        let ascends = rows.is_sorted_by(|one, two| one.place() < two.place());
        require(ascends, WHAT, "rows out of order")?;
        let run = Self {
            packs,
            covers,
            rows,
        };
        run.check_sums()?;
        Ok(run)
    }

    /// Every blob of a pack that it names stands in it: what it left out would be nowhere, since nobody reads the directory
    /// of a pack that a run knows.
    fn check_sums(&self) -> Result<()> {
        let blocks = self.packs.iter().flat_map(|pack| &pack.blocks);
        let mut left: Vec<_> = blocks
            .map(|block| (block, block.blobs, block.raw_len))
            .collect();
        for row in &self.rows {
            let block = left.get_mut(row.block as usize);
            let block = block.filter(|(block, ..)| row.lies_in(block));
            let (_, blobs, bytes) =
                block.ok_or_else(|| codec::damaged(WHAT, "a row outside its block"))?;
            let less = blobs.checked_sub(1).zip(bytes.checked_sub(row.len));
            (*blobs, *bytes) = less.ok_or_else(|| codec::damaged(WHAT, "too many rows"))?;
        }
        let full = left
            .iter()
            .all(|(_, blobs, bytes)| (*blobs, *bytes) == (0, 0));
        require(full, WHAT, "blobs without a row")
    }
}

/// Gathers packs for one run.
#[derive(Default)]
pub struct RunBuilder {
    run: Run,
    blocks: u32,
}

impl RunBuilder {
    /// One without packs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds every blob of a pack. The directory's sums must hold, as they do when it was decoded or packed.
    pub fn add_pack(&mut self, id: Id, kind: ObjectKind, file_len: u64, directory: &Directory) {
        let mut blobs = directory.ids.iter().zip(&directory.lens);
        for block in &directory.blocks {
            let mut offset: u32 = 0;
            for (id, len) in blobs.by_ref().take(block.blobs as usize) {
                self.run.rows.push(Row {
                    prefix: id.prefix(),
                    block: self.blocks,
                    offset,
                    len: *len,
                    kind: block.kind,
                });
                offset = offset.saturating_add(*len);
            }
            self.blocks = self.blocks.saturating_add(1);
        }
        self.run.packs.push(RunPack {
            id,
            kind,
            file_len,
            blocks: directory.blocks.clone(),
        });
    }

    /// Adds what a run says of the packs that are to be kept.
    pub fn add_run(&mut self, run: &Run, keep: &dyn Fn(&RunPack) -> bool) {
        let mut moved = Vec::new();
        for pack in &run.packs {
            let kept = keep(pack);
            for _ in &pack.blocks {
                moved.push(kept.then_some(self.blocks));
                self.blocks = self.blocks.saturating_add(u32::from(kept));
            }
            if kept {
                self.run.packs.push(pack.clone());
            }
        }
        let rows = run.rows.iter().filter_map(|row| {
            let block = (*moved.get(row.block as usize)?)?;
            Some(Row { block, ..*row })
        });
        self.run.rows.extend(rows);
    }

    /// The run replaces another.
    pub fn cover(&mut self, run: Id) {
        self.run.covers.push(run);
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.run.rows.len()
    }

    /// The sorted run.
    pub fn finish(mut self) -> Run {
        self.run.rows.sort_unstable_by_key(Row::place);
        self.run
    }
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
    use crate::format::directory::Codec;
    use proptest::prelude::*;

    fn sample() -> Run {
        let block = |raw_len, blobs, kind| BlockRow {
            stored_len: 10,
            raw_len,
            blobs,
            codec: Codec::Zstd,
            kind,
        };
        let data = Directory {
            blocks: vec![block(30, 2, BlobKind::Chunk), block(40, 1, BlobKind::Chunk)],
            ids: [9, 1, 5].map(|byte| Id::new([byte; 32])).to_vec(),
            lens: vec![10, 20, 40],
        };
        let tree = Directory {
            blocks: vec![block(50, 1, BlobKind::Tree)],
            ids: vec![Id::new([5; 32])],
            lens: vec![50],
        };
        let mut builder = RunBuilder::new();
        builder.add_pack(Id::new([0xaa; 32]), ObjectKind::DataPack, 12_288, &data);
        builder.add_pack(Id::new([0xbb; 32]), ObjectKind::TreePack, 12_288, &tree);
        builder.cover(Id::new([0xcc; 32]));
        assert_eq!(builder.rows(), 4);
        builder.finish()
    }

    #[test]
    fn rows_are_sorted_and_come_back() {
        let run = sample();
        let places: Vec<_> = run.rows.iter().map(|row| (row.block, row.offset)).collect();
        assert_eq!(places, [(0, 10), (1, 0), (2, 0), (0, 0)]);
        let (area, record) = run.encode();
        assert_eq!(Run::decode(&area, &record).unwrap(), run);
    }

    #[test]
    fn runs_are_joined_without_what_is_not_kept() {
        let (one, mut other) = (sample(), sample());
        other.packs[0].id = Id::new([0xdd; 32]);
        other.packs[1].id = Id::new([0xee; 32]);
        let mut builder = RunBuilder::new();
        builder.add_run(&one, &|pack| pack.id == one.packs[1].id);
        builder.add_run(&other, &|_| true);
        builder.add_run(&one, &|_| false);
        let joined = builder.finish();
        let ids: Vec<_> = joined.packs.iter().map(|pack| pack.id).collect();
        assert_eq!(ids, [0xbb, 0xdd, 0xee].map(|byte| Id::new([byte; 32])));
        let mut rows: Vec<_> = joined
            .rows
            .iter()
            .map(|row| (row.prefix[0], row.block))
            .collect();
        rows.sort_unstable();
        assert_eq!(rows, [(1, 1), (5, 0), (5, 2), (5, 3), (9, 1)]);
        let (area, record) = joined.encode();
        assert_eq!(Run::decode(&area, &record).unwrap(), joined);
    }

    #[test]
    fn unsorted_rows_and_places_outside_are_refused() {
        let changes: [fn(&mut Run); 17] = [
            |run| run.rows.swap(0, 1),
            |run| run.rows[1] = run.rows[0],
            |run| run.rows[0].block = 3,
            |run| run.rows[0].block = u32::MAX,
            |run| run.rows[0].offset = 11,
            |run| run.rows[0].len = 21,
            |run| run.rows[0].len = 0,
            |run| run.rows[0].kind = BlobKind::List,
            |run| run.packs[0].kind = ObjectKind::TreePack,
            |run| run.packs[0].kind = ObjectKind::Entry,
            |run| run.packs[0].file_len = 12_289,
            |run| run.packs[0].file_len = 1 << 40,
            |run| run.packs[0].blocks[0].stored_len = 31,
            |run| run.packs[0].blocks.clear(),
            |run| run.rows.truncate(3),
            |run| run.packs[0].blocks[0].blobs += 1,
            |run| run.packs[0].blocks[0].raw_len += 1,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut run = sample();
            change(&mut run);
            let (area, record) = run.encode();
            let answer = Run::decode(&area, &record);
            assert_eq!(answer.unwrap_err().kind(), Kind::Damaged, "change {number}");
        }
        let (area, mut record) = sample().encode();
        assert!(Run::decode(&area[28..], &record).is_err());
        assert!(Run::decode(&area[1..], &record).is_err());
        record[1] = 2;
        assert_eq!(
            Run::decode(&area, &record).unwrap_err().kind(),
            Kind::TooNew
        );
    }

    proptest! {
        #[test]
        fn changed_bytes_never_panic(at in 0usize..1000, to in any::<u8>()) {
            let (mut area, mut record) = sample().encode();
            let (in_area, in_record) = (at % area.len(), at % record.len());
            area[in_area] = to;
            let _ = Run::decode(&area, &record);
            record[in_record] = to;
            let _ = Run::decode(&area, &record);
            let _ = Run::decode(&area, &record[..in_record]);
        }
    }
}
