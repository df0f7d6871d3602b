//! Which blocks go into which files: pure.
//!
//! A draft takes files and the places of their chunks until it is full; then it is sorted by pack and block and cut
//! into requests of neighbouring blocks. Nothing in it grows with the repository, and a file of any length may go on
//! in the next draft.
//!
//! A file whose data lies in one block is small: whoever has expanded that block writes it in one go. Any other is
//! `Large`, known to every block that has a piece of it.

use crate::id::Id;
use crate::limits::{KIB, MIB};
use crate::ops::restore::batch::{Batch, File, Pack, Piece, Rows, Small, Stored};
use crate::ops::restore::large::Large;
use crate::repo::index::row::Place;
use crate::target::Existing;
use crate::target::metadata::Metadata;
use std::collections::HashMap;
use std::sync::Arc;

/// What a full draft weighs.
const DRAFT_BYTES: usize = 10 * MIB;
/// Files in a full draft.
const DRAFT_FILES: usize = 32 * KIB;

/// A file while its pieces are being added.
pub(crate) struct Open {
    row: u32,
    first_piece: usize,
    block: Option<u64>,
    large: Option<Arc<Large>>,
}

/// Files and pieces as they come.
#[derive(Default)]
pub(crate) struct Draft {
    rows: Rows,
    numbers: HashMap<Id, u32>,
    blocks: HashMap<u64, Stored>,
    /// Bytes of what hangs on the rows.
    hung: usize,
}

impl Draft {
    /// Whether it should be written before it grows; `share` is the part of the full size that is wanted.
    pub(crate) fn is_full(&self, share: usize) -> bool {
        let weight = self.rows.text.len()
            + self.hung
            + self.rows.files.len() * size_of::<File>()
            + self.rows.pieces.len() * size_of::<Piece>()
            + self.blocks.len() * 2 * size_of::<(u64, Stored)>();
        weight >= DRAFT_BYTES / share || self.rows.files.len() >= DRAFT_FILES / share
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.files.is_empty()
    }

    /// Begins a file.
    pub(crate) fn begin(
        &mut self,
        path: &[u8],
        size: u64,
        metadata: Metadata,
        existing: Existing,
    ) -> Open {
        let start = narrow(self.rows.text.len());
        self.rows.text.extend_from_slice(path);
        let path = start..narrow(self.rows.text.len());
        self.hung += metadata
            .xattrs
            .iter()
            .map(|(name, value)| name.len() + value.len() + 48)
            .sum::<usize>();
        self.rows.files.push(File::Small(Small {
            path,
            size,
            metadata,
            existing,
        }));
        Open {
            row: narrow(self.rows.files.len() - 1),
            first_piece: self.rows.pieces.len(),
            block: None,
            large: None,
        }
    }

    /// Adds `take` bytes of the chunk at `place`, from `from` on, at `offset` of the file.
    pub(crate) fn add(
        &mut self,
        open: &mut Open,
        id: Id,
        place: &Place,
        (from, take): (u32, u32),
        offset: u64,
    ) {
        let block = self.block(place);
        if *open.block.get_or_insert(block) != block {
            self.enlarge(open);
        }
        if let Some(large) = &open.large {
            large.expect(1);
        }
        let (file, at, len) = (open.row, place.offset, place.len);
        self.rows.pieces.push(Piece {
            block,
            id,
            file,
            at,
            len,
            from,
            take,
            offset,
        });
    }

    /// The file is not to be written in one go.
    pub(crate) fn enlarge(&mut self, open: &mut Open) -> Arc<Large> {
        if let Some(large) = &open.large {
            return Arc::clone(large);
        }
        let row = &mut self.rows.files[open.row as usize];
        let large = match row {
            File::Large(large) => Arc::clone(large),
            File::Small(small) => {
                let path =
                    self.rows.text[small.path.start as usize..small.path.end as usize].to_vec();
                self.hung += path.len() + size_of::<Large>();
                let metadata = std::mem::take(&mut small.metadata);
                let large = Arc::new(Large::new(path, small.size, metadata, small.existing));
                large.expect(self.rows.pieces.len() - open.first_piece);
                *row = File::Large(Arc::clone(&large));
                large
            }
        };
        open.large = Some(Arc::clone(&large));
        large
    }

    /// Goes on with a large file that was begun in another draft.
    pub(crate) fn go_on(&mut self, large: &Arc<Large>) -> Open {
        self.hung += size_of::<Large>();
        self.rows.files.push(File::Large(Arc::clone(large)));
        Open {
            row: narrow(self.rows.files.len() - 1),
            first_piece: self.rows.pieces.len(),
            block: None,
            large: Some(Arc::clone(large)),
        }
    }

    /// The file has all its pieces. A large one is handed back: it may be complete already.
    pub(crate) fn close(&mut self, open: Open) -> Option<Arc<Large>> {
        if open.large.is_none() && open.first_piece == self.rows.pieces.len() {
            self.rows.bare.push(open.row);
        }
        open.large
    }

    fn block(&mut self, place: &Place) -> u64 {
        let number = match self.rows.packs.last() {
            Some(last) if last.id == place.pack => narrow(self.rows.packs.len() - 1),
            _ => *self.numbers.entry(place.pack).or_insert_with(|| {
                self.rows.packs.push(Pack {
                    id: place.pack,
                    kind: place.pack_kind,
                    len: place.pack_len,
                });
                narrow(self.rows.packs.len() - 1)
            }),
        };
        let block = u64::from(number) << 32 | u64::from(place.block_offset);
        if self
            .rows
            .pieces
            .last()
            .is_none_or(|last| last.block != block)
        {
            let Place {
                stored_len,
                raw_len,
                codec,
                ..
            } = *place;
            self.blocks.insert(
                block,
                Stored {
                    stored_len,
                    raw_len,
                    codec,
                },
            );
        }
        block
    }

    /// In the order in which it is to be written.
    pub(crate) fn finish(self) -> Batch {
        Batch::new(self.rows, &self.blocks)
    }
}

fn narrow(len: usize) -> u32 {
    u32::try_from(len).expect("a draft is full long before")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::directory::Codec;
    use crate::format::{BlobKind, ObjectKind};
    use crate::ops::restore::batch::Work;

    fn place(pack: u8, block_offset: u32, offset: u32) -> Place {
        Place {
            pack: Id::new([pack; 32]),
            pack_kind: ObjectKind::DataPack,
            pack_len: 1 << 25,
            block_offset,
            stored_len: 1 << 20,
            raw_len: 1 << 21,
            codec: Codec::Zstd,
            kind: BlobKind::Chunk,
            offset,
            len: 1000,
        }
    }

    fn file(draft: &mut Draft, path: &str, places: &[Place]) -> Option<Arc<Large>> {
        let mut open = draft.begin(path.as_bytes(), 1000, Metadata::default(), Existing::Refuse);
        let mut offset = 0;
        for place in places {
            draft.add(&mut open, Id::new([7; 32]), place, (0, 1000), offset);
            offset += 1000;
        }
        draft.close(open)
    }

    #[test]
    fn blocks_are_fetched_in_order_and_neighbours_together() {
        let mib = 1 << 20;
        let mut draft = Draft::default();
        for (name, pack, block) in [
            ("a", 9, 3 * mib),
            ("b", 1, 0),
            ("c", 9, 0),
            ("d", 9, mib),
            ("e", 9, 9 * mib),
        ] {
            assert!(file(&mut draft, name, &[place(pack, block, 0)]).is_none());
        }
        let batch = draft.finish();
        // The pack met first comes first; a gap of a whole block is not read.
        let at = |block| {
            (
                batch.place(block).pack.as_bytes()[0],
                batch.place(block).block_offset / mib,
            )
        };
        assert_eq!(
            (0..5).map(at).collect::<Vec<_>>(),
            [(9, 0), (9, 1), (9, 3), (9, 9), (1, 0)]
        );
        let expected = [
            Work::Blocks(0..2),
            Work::Blocks(2..3),
            Work::Blocks(3..4),
            Work::Blocks(4..5),
        ];
        assert_eq!(batch.work(), expected);
    }

    #[test]
    fn a_request_is_bounded() {
        let mut draft = Draft::default();
        for n in 0..10 {
            file(&mut draft, "x", &[place(1, n << 20, 0)]);
        }
        let work = draft.finish().work().to_vec();
        assert_eq!(
            work,
            [Work::Blocks(0..4), Work::Blocks(4..8), Work::Blocks(8..10)]
        );
    }

    #[test]
    fn a_file_in_one_block_is_small_and_a_shared_chunk_goes_to_all() {
        let mut draft = Draft::default();
        file(&mut draft, "one", &[place(1, 0, 0), place(1, 0, 1000)]);
        file(&mut draft, "two", &[place(1, 0, 0)]);
        let large = file(&mut draft, "three", &[place(1, 0, 0), place(1, 5, 0)]).unwrap();
        file(&mut draft, "empty", &[]);
        let batch = draft.finish();
        let rows: Vec<u32> = batch.pieces(0).iter().map(|piece| piece.file).collect();
        assert_eq!(rows, [0, 0, 1, 2], "pieces of one file are together");
        assert!(matches!(batch.file(0), File::Small(small) if batch.path(small) == b"one"));
        assert!(matches!(batch.file(2), File::Large(_)));
        assert_eq!(batch.bare(0..1), [3]);
        assert!(
            !large.arrived(1) && !large.arrived(1),
            "two pieces, and its plan is still open"
        );
        assert!(large.arrived(1));
    }

    #[test]
    fn a_draft_is_full_by_files_and_by_pieces() {
        let mut draft = Draft::default();
        let mut open = draft.begin(b"huge", 1 << 40, Metadata::default(), Existing::Refuse);
        let mut pieces = 0u64;
        while !draft.is_full(1) {
            draft.add(
                &mut open,
                Id::new([1; 32]),
                &place(1, 0, 0),
                (0, 1000),
                pieces * 1000,
            );
            pieces += 1;
        }
        assert!((100_000..300_000).contains(&pieces), "{pieces}");
        let large = draft.enlarge(&mut open);
        let mut next = Draft::default();
        let mut open = next.go_on(&large);
        next.add(
            &mut open,
            Id::new([1; 32]),
            &place(1, 0, 0),
            (0, 1000),
            pieces * 1000,
        );
        assert!(!large.arrived(usize::try_from(pieces).unwrap()) && !large.arrived(1));
        assert!(large.arrived(1));
    }
}
