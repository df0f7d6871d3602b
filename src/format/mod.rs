//! What lies on a mirror: object kinds, versions, what a reader must accept and must refuse.
//!
//! The bytes are specified in `src/rescue/FORMAT.txt`. Decoders here are total: any input gets an answer.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod bin;
pub mod block;
pub mod boxes;
pub mod chain;
pub mod codec;
pub mod commit;
pub mod directory;
pub mod facts;
pub mod header;
pub mod index;
pub mod key_slot;
pub mod keyed;
pub mod ledger;
pub mod mark;
pub mod mirror;
pub mod pack;
pub mod parity;
pub mod snapshot;
pub mod tree;

use crate::limits;
use crate::name::Folder;

/// The format version this program writes, and the newest it reads.
pub const VERSION: u16 = 1;

/// The kinds of box, by the number in their header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// Chunks.
    DataPack = 1,
    /// Trees and content lists.
    TreePack = 2,
    /// Which blob lies where.
    IndexRun = 3,
    /// One step of a device's chain.
    Entry = 4,
    /// A session announces itself.
    Intent = 5,
    /// COMMIT or ABORT.
    Commit = 6,
    /// What is to be deleted.
    Mark = 7,
    /// What was read back when.
    Ledger = 8,
    /// Which mirror this is.
    Mirror = 9,
    /// The root key, sealed under one secret.
    KeySlot = 10,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::DataPack,
        Self::TreePack,
        Self::IndexRun,
        Self::Entry,
        Self::Intent,
        Self::Commit,
        Self::Mark,
        Self::Ledger,
        Self::Mirror,
        Self::KeySlot,
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// The folder its objects lie in; key slots also lie in `keys2`.
    pub fn folder(self) -> Folder {
        match self {
            Self::DataPack | Self::TreePack => Folder::Packs,
            Self::IndexRun => Folder::Index,
            Self::Entry => Folder::Entries,
            Self::Intent => Folder::Intents,
            Self::Commit => Folder::Commits,
            Self::Mark => Folder::Marks,
            Self::Ledger => Folder::Ledger,
            Self::Mirror => Folder::Top,
            Self::KeySlot => Folder::Keys,
        }
    }

    /// The largest file of this kind a reader accepts, in bytes.
    pub fn bytes_max(self) -> u64 {
        match self {
            Self::DataPack | Self::TreePack | Self::IndexRun => limits::PACK_BYTES_MAX,
            Self::Entry | Self::Intent | Self::Commit => limits::RECORD_BYTES_MAX,
            Self::Mark | Self::Ledger => limits::MARK_BYTES_MAX,
            Self::Mirror => limits::MIRROR_BYTES_MAX,
            Self::KeySlot => limits::PAGE as u64,
        }
    }

    /// Whether the header is repeated at the end.
    pub fn has_tail(self) -> bool {
        matches!(self, Self::DataPack | Self::TreePack)
    }
}

/// The kinds of blob, each with an id key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BlobKind {
    /// A piece of a file.
    Chunk = 1,
    /// A folder's listing, or part of it.
    Tree = 2,
    /// Part of a long file's content.
    List = 3,
}

impl BlobKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Chunk, Self::Tree, Self::List];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}
