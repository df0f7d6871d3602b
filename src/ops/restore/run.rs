//! Writing: a few threads take requests of a batch, fetch neighbouring blocks at once, expand each one, recompute the
//! id of every chunk that is wanted, and write it to all its places.
//!
//! A thread holds one request and one block. No lock is held while it reads or writes, and nothing is sent per file.

use crate::compress::Expander;
use crate::error::Result;
use crate::format::BlobKind;
use crate::format::block::blob_id;
use crate::limits::{BLOCK_BYTES_MAX, KIB};
use crate::monitor::{Counter, FileAction};
use crate::ops::restore::batch::{Batch, File, Piece, Small, Work};
use crate::ops::restore::large::{self, Large};
use crate::ops::restore::salvage::Salvage;
use crate::ops::restore::shared::{Shared, Tally};
use crate::repo::index::row::Place;
use crate::repo::loader::expand_block;
use crate::target::Existing;
use crate::target::write::TargetFile;
use crossbeam_channel::Receiver;
use std::ops::Range;
use std::sync::Arc;

/// Zeros of this length and more become a hole.
const HOLE_BYTES: usize = 64 * KIB;
/// Large files left open within one request.
const OPEN_FILES: usize = 32;
/// Where a chunk lies that no place could give.
const LOST: u32 = u32::MAX;

/// One piece of a batch's work. Dropped, it counts as done, whatever became of it.
pub(crate) struct Task {
    pub(crate) batch: Arc<Batch>,
    pub(crate) work: Work,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.batch.one_done();
    }
}

/// One thread.
pub(crate) struct Worker<'a> {
    shared: &'a Shared<'a>,
    expander: Expander,
    plain: Vec<u8>,
    raw: Vec<u8>,
    /// For each piece of a block, where in `raw` its chunk was found.
    at: Vec<u32>,
    order: Vec<u32>,
    open: Vec<Arc<Large>>,
    salvage: Salvage,
    tally: Tally,
}

impl<'a> Worker<'a> {
    /// Nothing read yet.
    pub(crate) fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            expander: Expander::new(),
            plain: Vec::new(),
            raw: Vec::new(),
            at: Vec::new(),
            order: Vec::new(),
            open: Vec::new(),
            salvage: Salvage::new(),
            tally: Tally::default(),
        }
    }

    /// Works until there is no more to come.
    pub(crate) fn run(mut self, todo: &Receiver<Task>) {
        while let Ok(task) = todo.recv() {
            if self.shared.is_stopped() {
                continue;
            }
            match &task.work {
                Work::Blocks(blocks) => self.blocks(&task.batch, blocks.clone()),
                Work::Bare(files) => self.bare(&task.batch, files.clone()),
            }
            self.park();
            self.shared.hand_over(&mut self.tally);
        }
    }

    fn blocks(&mut self, batch: &Batch, blocks: Range<usize>) {
        let first = batch.place(blocks.start);
        let last = batch.place(blocks.end - 1);
        let start = u64::from(first.block_offset);
        let len = u64::from(last.block_offset) + u64::from(last.stored_len) - start;
        let mut plain = std::mem::take(&mut self.plain);
        let read = self
            .shared
            .loader
            .read_plain(&first, start, len, &mut plain);
        for block in blocks {
            if self.shared.is_stopped() {
                break;
            }
            let place = batch.place(block);
            let expanded = read.as_ref().is_ok_and(|from| {
                let from = from + (place.block_offset - first.block_offset) as usize;
                let stored = plain.get(from..from + place.stored_len as usize);
                stored.is_some_and(|stored| {
                    expand_block(&place, stored, &mut self.expander, &mut self.raw).is_ok()
                })
            });
            self.block(batch, block, &place, expanded);
        }
        self.plain = plain;
    }

    fn block(&mut self, batch: &Batch, block: usize, place: &Place, expanded: bool) {
        // What failed in company may be good alone; what fails alone is said.
        if !expanded
            && let Err(error) =
                self.shared
                    .loader
                    .read_block(place, &mut self.expander, &mut self.raw)
        {
            self.raw.clear();
            match self.shared.loader.has_moved(&place.pack) {
                Ok(true) => {}
                Ok(false) => self.salvage.tell(self.shared, place, error),
                Err(error) => self.salvage.tell(self.shared, place, error),
            }
        }
        let pieces = batch.pieces(block);
        self.find(pieces, place);
        if self.shared.is_stopped() {
            return;
        }
        let mut from = 0;
        let mut bytes = 0;
        for of_file in pieces.chunk_by(|one, two| one.file == two.file) {
            let to = from + of_file.len();
            match batch.file(of_file[0].file) {
                File::Small(small) => self.small(batch.path(small), small, of_file, from..to),
                File::Large(large) => self.large(large, of_file, from..to),
            }
            bytes += of_file
                .iter()
                .map(|piece| u64::from(piece.take))
                .sum::<u64>();
            from = to;
        }
        self.shared.monitor.count(Counter::Bytes, bytes);
    }

    /// Checks each chunk once, however many places want it; what is bad here is looked for elsewhere.
    fn find(&mut self, pieces: &[Piece], place: &Place) {
        self.at.clear();
        self.at.resize(pieces.len(), LOST);
        self.order.clear();
        self.order
            .extend(0..u32::try_from(pieces.len()).unwrap_or(LOST));
        self.order.sort_unstable_by_key(|piece| {
            let piece = &pieces[*piece as usize];
            (piece.at, piece.len, piece.id)
        });
        let mut known: Option<(usize, u32)> = None;
        for piece in 0..self.order.len() {
            let number = self.order[piece] as usize;
            let piece = &pieces[number];
            let same = known.filter(|(last, _)| {
                let last = &pieces[*last];
                (last.at, last.len, last.id) == (piece.at, piece.len, piece.id)
            });
            let at = match same {
                Some((_, at)) => at,
                None if self.is_good(piece) => piece.at,
                None => self.find_elsewhere(piece, place),
            };
            self.at[number] = at;
            known = Some((number, at));
        }
    }

    fn is_good(&self, piece: &Piece) -> bool {
        let chunk = self
            .raw
            .get(piece.at as usize..piece.at as usize + piece.len as usize);
        let keys = self.shared.loader.repo().keys();
        chunk.is_some_and(|chunk| blob_id(keys, BlobKind::Chunk, chunk) == piece.id)
    }

    /// Appends the chunk to the block's bytes and says where, if any other place has it.
    fn find_elsewhere(&mut self, piece: &Piece, place: &Place) -> u32 {
        if self.raw.len() > 4 * BLOCK_BYTES_MAX || self.shared.is_stopped() {
            return LOST;
        }
        let found = self.salvage.chunk(self.shared, &piece.id, place);
        let Some(chunk) = found.filter(|chunk| chunk.len() == piece.len as usize) else {
            return LOST;
        };
        // Never where a piece believes its chunk to be.
        let at = self.raw.len().max(place.raw_len as usize);
        self.raw.resize(at, 0);
        self.raw.extend_from_slice(chunk);
        u32::try_from(at).unwrap_or(LOST)
    }

    fn small(&mut self, path: &[u8], small: &Small, pieces: &[Piece], at: Range<usize>) {
        let shared = self.shared;
        let at = &self.at[at];
        if at.contains(&LOST) {
            let lost = pieces.iter().zip(at).filter(|(_, at)| **at == LOST);
            let mut lost: Vec<_> = lost
                .map(|(piece, _)| (piece.offset, u64::from(piece.take)))
                .collect();
            large::join(&mut lost);
            self.tally.lose(shared, path, lost);
            self.tally
                .done(shared, FileAction::Incomplete, path, small.size);
            if !shared.options.skip_incomplete {
                let written = large::incomplete(shared.target, path, small.size).and_then(|path| {
                    write_small(
                        shared,
                        &path,
                        small,
                        Existing::Replace,
                        (pieces, at, &self.raw),
                    )
                });
                match written {
                    Ok(missed) => self.tally.missed(path, missed),
                    Err(error) => self.tally.refused(shared, path, error),
                }
            }
            return;
        }
        match write_small(shared, path, small, small.existing, (pieces, at, &self.raw)) {
            Ok(missed) => {
                self.tally.missed(path, missed);
                self.tally.report.files += 1;
                self.tally.report.bytes += small.size;
                self.tally
                    .done(shared, FileAction::Restored, path, small.size);
            }
            Err(error) => self.tally.refused(shared, path, error),
        }
        shared.monitor.count(Counter::Items, 1);
    }

    fn large(&mut self, large: &Arc<Large>, pieces: &[Piece], at: Range<usize>) {
        let at = &self.at[at];
        for (piece, _) in pieces.iter().zip(at).filter(|(_, at)| **at == LOST) {
            large.lose(piece.offset, u64::from(piece.take));
        }
        let raw = &self.raw;
        large.write(self.shared, &mut self.tally, |file| {
            put(file, pieces, at, raw).map(drop)
        });
        if self
            .open
            .last()
            .is_none_or(|last| !Arc::ptr_eq(last, large))
        {
            self.open.push(Arc::clone(large));
        }
        if large.arrived(pieces.len()) {
            large.finish(self.shared, &mut self.tally);
            self.shared.monitor.count(Counter::Items, 1);
        }
        if self.open.len() >= OPEN_FILES {
            self.park();
        }
    }

    /// Closes the large files of this request until their next pieces.
    fn park(&mut self) {
        for large in self.open.drain(..) {
            large.park(self.shared, &mut self.tally);
        }
    }

    fn bare(&mut self, batch: &Batch, files: Range<usize>) {
        for row in batch.bare(files) {
            if let File::Small(small) = batch.file(*row) {
                self.small(batch.path(small), small, &[], 0..0);
            }
            if self.shared.is_stopped() {
                break;
            }
        }
    }
}

/// Creates, writes, dresses and closes a file. Returns what could not be applied.
fn write_small(
    shared: &Shared<'_>,
    path: &[u8],
    small: &Small,
    existing: Existing,
    (pieces, at, raw): (&[Piece], &[u32], &[u8]),
) -> Result<Vec<String>> {
    let file = shared.target.create_file(path, existing)?;
    if put(&file, pieces, at, raw)? < small.size {
        file.set_len(small.size)?;
    }
    file.finish(&small.metadata)
}

/// Writes pieces, those that follow each other in block and file in one call. Returns where the last one written ends.
fn put(file: &TargetFile, pieces: &[Piece], at: &[u32], raw: &[u8]) -> Result<u64> {
    let mut end = 0;
    let mut run: Option<(u64, Range<usize>)> = None;
    let mut flush = |run: &mut Option<(u64, Range<usize>)>| -> Result<()> {
        let Some((offset, bytes)) = run.take() else {
            return Ok(());
        };
        end = offset + bytes.len() as u64;
        file.write_at(offset, &raw[bytes])
    };
    for (piece, at) in pieces.iter().zip(at).filter(|(_, at)| **at != LOST) {
        let start = *at as usize + piece.from as usize;
        let bytes = start..start + piece.take as usize;
        if bytes.len() >= HOLE_BYTES && is_zero(&raw[bytes.clone()]) {
            continue;
        }
        match &mut run {
            Some((offset, known))
                if known.end == bytes.start && *offset + known.len() as u64 == piece.offset =>
            {
                known.end = bytes.end;
            }
            _ => {
                flush(&mut run)?;
                run = Some((piece.offset, bytes));
            }
        }
    }
    flush(&mut run)?;
    Ok(end)
}

/// Whether there is nothing but zeros; most that is not shows it at once.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(256)
        .all(|piece| piece.iter().fold(0, |all, byte| all | byte) == 0)
}
