//! Blobs on their way into packs: what is known already is dropped here.

use crate::compress::probe::Group;
use crate::crypto::derive::Keys;
use crate::error::Result;
use crate::format::BlobKind;
use crate::format::block::blob_id;
use crate::id::Id;
use crate::ops::backup::pipeline::Piece;
use crate::repo::blocks::Shelf;
use crate::repo::index::Index;
use crate::repo::packer::{Packer, Stored};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// New ids kept before those that the index has learnt meanwhile are dropped.
const FRESH_MAX: usize = 1 << 18;

/// Ids are keyed hashes already: their first bytes serve as they are.
#[derive(Default)]
pub struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }
}

/// Where new blobs go.
pub enum Packing {
    /// Into packs.
    Packs(Box<Packer>),
    /// Nowhere: a rehearsal counts their bytes. Their ids all stay in memory, and no buffers of packs do.
    Nowhere(u64),
}

impl Packing {
    fn push(&mut self, shelf: Shelf, id: Id, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Packs(packer) => packer.push(shelf, id, bytes),
            Self::Nowhere(counted) => {
                *counted += bytes.len() as u64;
                Ok(())
            }
        }
    }

    /// Ends it when everything is durable.
    ///
    /// # Errors
    /// Those of the packer.
    pub fn finish(self) -> Result<Stored> {
        match self {
            Self::Packs(packer) => packer.finish(),
            Self::Nowhere(raw) => Ok(Stored {
                raw,
                ..Stored::default()
            }),
        }
    }
}

/// Blobs on their way: known ones are dropped here, new ones are packed.
pub struct Sink {
    /// What exists.
    pub index: Arc<Index>,
    /// What this run has added.
    fresh: HashSet<[u8; 16], BuildHasherDefault<Taken>>,
    /// How many of those there may be before they are looked through.
    fresh_max: usize,
    /// Where new blobs go.
    pub packing: Packing,
    /// For ids.
    pub keys: Arc<Keys>,
}

impl Sink {
    /// Nothing added yet.
    pub fn new(index: Arc<Index>, packing: Packing, keys: Arc<Keys>) -> Self {
        let (fresh, fresh_max) = (HashSet::default(), FRESH_MAX);
        Self {
            index,
            fresh,
            fresh_max,
            packing,
            keys,
        }
    }

    fn is_new(&mut self, kind: BlobKind, id: &Id) -> Result<bool> {
        let prefix = id.prefix();
        if self.fresh.contains(&prefix) || self.index.holds(&prefix, kind)? {
            return Ok(false);
        }
        if self.fresh.len() >= self.fresh_max {
            let index = &self.index;
            let known = |prefix: &[u8; 16]| {
                [BlobKind::Chunk, BlobKind::Tree, BlobKind::List]
                    .into_iter()
                    .any(|kind| index.holds(prefix, kind).unwrap_or(false))
            };
            self.fresh.retain(|prefix| !known(prefix));
            // Those whose packs are still on their way stay: looking again at each new one would take a day.
            self.fresh_max = FRESH_MAX.max(self.fresh.len() + FRESH_MAX / 4);
        }
        self.fresh.insert(prefix);
        Ok(true)
    }

    /// Stores a chunk unless it is known.
    ///
    /// # Errors
    /// Those of the packer and of the index.
    pub fn chunk(&mut self, piece: &Piece, buffer: &[u8]) -> Result<()> {
        if self.is_new(BlobKind::Chunk, &piece.id)? {
            self.packing.push(
                Shelf::Chunks(piece.group),
                piece.id,
                &buffer[piece.range.clone()],
            )?;
        }
        Ok(())
    }

    /// Stores a tree or list unless it is known; returns its id.
    ///
    /// # Errors
    /// Those of the packer and of the index.
    pub fn blob(&mut self, kind: BlobKind, bytes: &[u8]) -> Result<Id> {
        let id = blob_id(&self.keys, kind, bytes);
        if self.is_new(kind, &id)? {
            let shelf = match kind {
                BlobKind::Tree => Shelf::Trees,
                BlobKind::List => Shelf::Lists,
                BlobKind::Chunk => Shelf::Chunks(Group::Binary),
            };
            self.packing.push(shelf, id, bytes)?;
        }
        Ok(id)
    }
}
