//! A draft in the order in which it is written: by pack and block, neighbouring blocks in one request. Pure.

use crate::format::directory::Codec;
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::ops::restore::large::Large;
use crate::repo::index::row::Place;
use crate::repo::request::together;
use crate::target::Existing;
use crate::target::metadata::Metadata;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Files without data that are written in one go.
const BARE_FILES: usize = 256;

/// A chunk, or a part of it, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Number of the pack, and the block's offset in it.
    pub(crate) block: u64,
    /// The chunk.
    pub(crate) id: Id,
    /// The file, by its row.
    pub(crate) file: u32,
    /// Where the chunk begins in its block.
    pub(crate) at: u32,
    /// Its length.
    pub(crate) len: u32,
    /// The part of it that is written.
    pub(crate) from: u32,
    /// How much that is.
    pub(crate) take: u32,
    /// Where it goes in the file.
    pub(crate) offset: u64,
}

/// A file of a draft.
pub(crate) enum File {
    /// All its data lies in one block.
    Small(Small),
    /// Several blocks, or several drafts.
    Large(Arc<Large>),
}

/// A file that is written in one go.
pub(crate) struct Small {
    pub(crate) path: Range<u32>,
    pub(crate) size: u64,
    pub(crate) metadata: Metadata,
    pub(crate) existing: Existing,
}

/// A pack that a batch reads from.
pub(crate) struct Pack {
    pub(crate) id: Id,
    pub(crate) kind: ObjectKind,
    pub(crate) len: u64,
}

/// How a block is stored.
#[derive(Clone, Copy)]
pub(crate) struct Stored {
    pub(crate) stored_len: u32,
    pub(crate) raw_len: u32,
    pub(crate) codec: Codec,
}

/// What a draft has gathered.
#[derive(Default)]
pub(crate) struct Rows {
    /// Paths, one after the other.
    pub(crate) text: Vec<u8>,
    pub(crate) files: Vec<File>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) packs: Vec<Pack>,
    /// Files without data, by their rows.
    pub(crate) bare: Vec<u32>,
}

/// One block and the pieces that it gives.
struct Block {
    key: u64,
    stored: Stored,
    pieces: Range<usize>,
}

/// What a worker does in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Blocks of one pack that are fetched together.
    Blocks(Range<usize>),
    /// Files without data.
    Bare(Range<usize>),
}

fn requests(blocks: &[Block]) -> Vec<Work> {
    let mut work = Vec::new();
    let mut from = 0;
    while let Some(first) = blocks.get(from) {
        let rest = blocks[from..].iter();
        let same = rest.take_while(|block| block.key >> 32 == first.key >> 32);
        let to = from + together(same.map(Block::range));
        work.push(Work::Blocks(from..to));
        from = to;
    }
    work
}

impl Block {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half is the offset"
    )]
    fn offset(&self) -> u32 {
        self.key as u32
    }

    fn range(&self) -> Range<u64> {
        let offset = u64::from(self.offset());
        offset..offset + u64::from(self.stored.stored_len)
    }
}

/// A draft in the order of packs and blocks, shared by those who write it.
pub(crate) struct Batch {
    rows: Rows,
    blocks: Vec<Block>,
    work: Vec<Work>,
    left: Mutex<usize>,
    none_left: Condvar,
}

impl Batch {
    /// Sorts the pieces and cuts them into requests.
    pub(crate) fn new(mut rows: Rows, stored: &HashMap<u64, Stored>) -> Self {
        rows.pieces
            .sort_unstable_by_key(|piece| (piece.block, piece.file, piece.offset));
        let mut blocks = Vec::with_capacity(stored.len());
        let mut start = 0;
        for pieces in rows.pieces.chunk_by(|one, two| one.block == two.block) {
            let key = pieces[0].block;
            let end = start + pieces.len();
            blocks.extend(stored.get(&key).map(|stored| Block {
                key,
                stored: *stored,
                pieces: start..end,
            }));
            start = end;
        }
        let mut work = requests(&blocks);
        let bare = rows.bare.len();
        work.extend(
            (0..bare)
                .step_by(BARE_FILES)
                .map(|from| Work::Bare(from..(from + BARE_FILES).min(bare))),
        );
        let left = Mutex::new(work.len());
        Self {
            rows,
            blocks,
            work,
            left,
            none_left: Condvar::new(),
        }
    }

    /// What is to be done.
    pub(crate) fn work(&self) -> &[Work] {
        &self.work
    }

    /// The file of this row.
    pub(crate) fn file(&self, row: u32) -> &File {
        &self.rows.files[row as usize]
    }

    /// The path of a small file below the target.
    pub(crate) fn path(&self, small: &Small) -> &[u8] {
        &self.rows.text[small.path.start as usize..small.path.end as usize]
    }

    /// The rows of files without data.
    pub(crate) fn bare(&self, range: Range<usize>) -> &[u32] {
        &self.rows.bare[range]
    }

    /// Where a whole block lies.
    pub(crate) fn place(&self, block: usize) -> Place {
        let block = &self.blocks[block];
        let pack = &self.rows.packs[(block.key >> 32) as usize];
        Place {
            pack: pack.id,
            pack_kind: pack.kind,
            pack_len: pack.len,
            block_offset: block.offset(),
            stored_len: block.stored.stored_len,
            raw_len: block.stored.raw_len,
            codec: block.stored.codec,
            kind: BlobKind::Chunk,
            offset: 0,
            len: block.stored.raw_len,
        }
    }

    /// What a block gives, by file and offset.
    pub(crate) fn pieces(&self, block: usize) -> &[Piece] {
        &self.rows.pieces[self.blocks[block].pieces.clone()]
    }

    /// One part of the work is done, or never will be.
    pub(crate) fn one_done(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left -= 1;
        if *left == 0 {
            self.none_left.notify_all();
        }
    }

    /// Waits until all of it is.
    pub(crate) fn wait(&self) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.none_left.wait_while(left, |left| *left > 0));
    }
}
