//! Blobs into blocks: one open block for each group, filled in the order of paths, never shared by two sources.

use crate::compress::probe::Group;
use crate::format::BlobKind;
use crate::format::block::BlockBuilder;
use crate::id::Id;

/// Blocks that share a shelf: the groups of chunks, then trees, then content lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Chunks of one group.
    Chunks(Group),
    /// Trees.
    Trees,
    /// Content lists.
    Lists,
}

impl Shelf {
    const COUNT: usize = 6;

    fn number(self) -> usize {
        match self {
            Self::Chunks(Group::Text) => 0,
            Self::Chunks(Group::Binary) => 1,
            Self::Chunks(Group::Page) => 2,
            Self::Chunks(Group::Raw) => 3,
            Self::Trees => 4,
            Self::Lists => 5,
        }
    }

    fn kind(self) -> BlobKind {
        match self {
            Self::Chunks(_) => BlobKind::Chunk,
            Self::Trees => BlobKind::Tree,
            Self::Lists => BlobKind::List,
        }
    }
}

/// A full block on its way into a pack.
pub struct FullBlock {
    /// The blobs, back to back.
    pub block: BlockBuilder,
    /// How it will lie in the pack.
    pub form: Form,
}

/// How a block will lie in a pack.
pub enum Form {
    /// As it is.
    Raw,
    /// As a zstd frame, where that is smaller.
    Compressed,
    /// As this zstd frame, smaller than the block, which was expanded to it and checked.
    Frame(Vec<u8>),
}

impl Form {
    fn of(compress: bool) -> Self {
        match compress {
            true => Self::Compressed,
            false => Self::Raw,
        }
    }
}

/// The open blocks.
#[derive(Default)]
pub struct Blocks {
    open: [Option<BlockBuilder>; Shelf::COUNT],
}

impl Blocks {
    /// Appends a blob; returns the block that is full now, or that had no room left for it. `used` gives
    /// blocks whose memory may serve again.
    pub fn push(
        &mut self,
        shelf: Shelf,
        id: Id,
        bytes: &[u8],
        used: &mut dyn FnMut() -> Option<BlockBuilder>,
    ) -> Option<FullBlock> {
        let slot = &mut self.open[shelf.number()];
        let mut full = None;
        if slot.as_ref().is_some_and(|block| !block.fits(bytes.len())) {
            full = slot.take();
        }
        let block = slot.get_or_insert_with(|| match used() {
            Some(mut block) => {
                block.restart(shelf.kind());
                block
            }
            None => BlockBuilder::new(shelf.kind()),
        });
        block.push(id, bytes);
        if full.is_none() && block.is_full() {
            full = slot.take();
        }
        full.map(|block| FullBlock {
            block,
            form: Form::of(shelf != Shelf::Chunks(Group::Raw)),
        })
    }

    /// Every block that holds anything.
    pub fn drain(&mut self) -> Vec<FullBlock> {
        let raw = Shelf::Chunks(Group::Raw).number();
        let open = self.open.iter_mut().enumerate();
        open.filter_map(|(number, slot)| {
            slot.take().map(|block| FullBlock {
                block,
                form: Form::of(number != raw),
            })
        })
        .collect()
    }
}
