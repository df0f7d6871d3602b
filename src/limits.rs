//! Every upper bound in one place. A reader enforces them before it allocates or computes.
//!
//! Sizes are bytes. The compiler checks the bounds against each other at the end of this file.

/// One KiB.
pub const KIB: usize = 1024;
/// One MiB.
pub const MIB: usize = 1024 * KIB;

/// The header of a box, and the unit that all lengths of objects are multiples of.
pub const PAGE: usize = 4096;
/// A segment on disk: ciphertext and tag.
pub const SEGMENT: usize = 64 * KIB;
/// The Poly1305 tag at the end of each segment.
pub const TAG: usize = 16;
/// Plaintext of a full segment.
pub const SEGMENT_PLAIN: usize = SEGMENT - TAG;
/// Area length, record length, zero and magic: the last bytes of a box's plaintext.
pub const TRAILER: usize = 16;

/// The largest pack or index run a reader accepts.
pub const PACK_BYTES_MAX: u64 = 64 * MIB as u64;
/// The largest pack this writer makes.
pub const PACK_BYTES_WRITTEN: u64 = 32 * MIB as u64;
/// A data pack closes at the first block end past this that pads least.
pub const PACK_BYTES_CLOSE: u64 = 28 * MIB as u64;
/// The same two while packs go to several mirrors, so that a third one fits into memory: the one on its way to another
/// mirror.
pub const PACK_BYTES_SHARED_WRITTEN: u64 = 21 * MIB as u64;
/// See [`PACK_BYTES_SHARED_WRITTEN`].
pub const PACK_BYTES_SHARED_CLOSE: u64 = 18 * MIB as u64;
/// The same two with two more: one on its way to a folder, one to a mirror far away.
pub const PACK_BYTES_WIDELY_SHARED_WRITTEN: u64 = 16 * MIB as u64;
/// See [`PACK_BYTES_WIDELY_SHARED_WRITTEN`].
pub const PACK_BYTES_WIDELY_SHARED_CLOSE: u64 = 13 * MIB as u64;
/// A tree pack closes here.
pub const TREE_PACK_BYTES_CLOSE: u64 = 6 * MIB as u64;
/// The largest entry, intent or commit slot.
pub const RECORD_BYTES_MAX: u64 = MIB as u64;
/// The largest mark or ledger record.
pub const MARK_BYTES_MAX: u64 = 16 * MIB as u64;
/// The largest `mirror` object.
pub const MIRROR_BYTES_MAX: u64 = 8 * KIB as u64;
/// The most percent of an object that its parity may be.
pub const PARITY_PERCENT_MAX: u8 = 50;
/// The largest parity object: half of the shards of the largest pack, two tables and two headers.
pub const PARITY_BYTES_MAX: u64 = (PACK_BYTES_MAX / PAGE as u64).div_ceil(2) * PAGE as u64
    + 2 * (PACK_BYTES_MAX / PAGE as u64 * 3 / 2 * 8).next_multiple_of(PAGE as u64)
    + 2 * PAGE as u64;
/// The largest text file at the top of a mirror.
pub const TEXT_BYTES_MAX: u64 = MIB as u64;

/// The largest blob.
pub const BLOB_BYTES_MAX: usize = 4 * MIB;
/// The largest block, raw or stored.
pub const BLOCK_BYTES_MAX: usize = 4 * MIB;
/// A writer closes a block here.
pub const BLOCK_BYTES_FILL: usize = 2 * MIB;
/// Blobs in one block.
pub const BLOCK_BLOBS_MAX: usize = 65_536;
/// Blobs in one pack.
pub const PACK_BLOBS_MAX: usize = 1 << 20;
/// Blobs after which this writer closes a pack: a pack's rows come into its index run at once.
pub const PACK_BLOBS_WRITTEN: usize = 1 << 17;
/// Rows in one index run.
pub const INDEX_ROWS_MAX: usize = 1 << 20;
/// Rows after which this writer begins another run.
pub const INDEX_ROWS_WRITTEN: usize = 1 << 16;

/// MessagePack nesting.
pub const RECORD_DEPTH_MAX: usize = 16;

/// The longest name in a folder.
pub const NAME_BYTES_MAX: usize = 255;
/// Nested folders.
pub const FOLDER_DEPTH_MAX: usize = 4096;
/// The longest target of a symbolic link.
pub const SYMLINK_BYTES_MAX: usize = 65_535;
/// Extended attributes of one item.
pub const XATTRS_MAX: usize = 1024;
/// An attribute's value kept in its node.
pub const XATTR_INLINE_MAX: usize = 4096;
/// An attribute's value at all (Linux allows no more).
pub const XATTR_BYTES_MAX: usize = 64 * KIB;
/// Nodes in one leaf.
pub const LEAF_NODES_MAX: usize = 2048;
/// A folder up to this many nodes is one leaf.
pub const LEAF_NODES_SINGLE: usize = 1024;
/// A folder up to this many encoded bytes is one leaf.
pub const LEAF_BYTES_SINGLE: usize = 256 * KIB;
/// Nodes before a leaf may end by its name.
pub const LEAF_NODES_MIN: usize = 256;
/// Encoded bytes that end a leaf.
pub const LEAF_BYTES_MAX: usize = MIB;
/// The largest encoded node this writer makes, so that every leaf stays a blob.
pub const NODE_BYTES_MAX: usize = MIB;
/// Inner trees above the leaves of one folder.
pub const TREE_DEPTH_MAX: usize = 4;
/// Content items kept in the node.
pub const CONTENT_INLINE_MAX: usize = 64;
/// Items before a content list may end by its last id.
pub const LIST_ITEMS_MIN: usize = 512;
/// Items in one content list.
pub const LIST_ITEMS_MAX: usize = 4096;
/// Lists above the chunks of one file.
pub const LIST_DEPTH_MAX: usize = 4;

/// Heads in one entry.
pub const ENTRY_HEADS_MAX: usize = 4096;
/// Ids in one entry.
pub const ENTRY_IDS_MAX: usize = 65_536;
/// Packs in one mark.
pub const MARK_PACKS_MAX: usize = 1 << 18;
/// Entries in one commit slot.
pub const COMMIT_ENTRIES_MAX: usize = 1 << 14;
/// Objects in one ledger record.
pub const LEDGER_OBJECTS_MAX: usize = 1 << 20;

/// Argon2 memory, in KiB.
pub const ARGON2_KIB_MAX: u32 = 2 << 20;
/// Argon2 memory of a new slot, in KiB, at least.
pub const ARGON2_KIB_MIN: u32 = 64 << 10;
/// Argon2 passes.
pub const ARGON2_PASSES_MAX: u32 = 32;
/// Argon2 lanes.
pub const ARGON2_LANES_MAX: u32 = 16;
/// Argon2 memory times passes, in KiB.
pub const ARGON2_WORK_MAX: u64 = 8 << 20;
/// Passphrase slots tried without `--kdf-limit`.
pub const PASSPHRASE_SLOTS_TRIED: usize = 3;
/// Key slots on one mirror.
pub const KEY_SLOTS_MAX: usize = 32;

const _: () = {
    assert!(BLOB_BYTES_MAX <= BLOCK_BYTES_MAX && BLOCK_BYTES_FILL <= BLOCK_BYTES_MAX);
    assert!(PACK_BYTES_CLOSE < PACK_BYTES_WRITTEN && PACK_BYTES_WRITTEN <= PACK_BYTES_MAX);
    assert!(
        BLOCK_BYTES_MAX < 1 << 24,
        "offsets and lengths of blobs are 24 bits"
    );
    assert!(SEGMENT.is_multiple_of(PAGE) && PACK_BYTES_MAX.is_multiple_of(SEGMENT as u64));
    assert!(((INDEX_ROWS_MAX * 28 + PAGE * 64) as u64) < PACK_BYTES_MAX);
    assert!(((MARK_PACKS_MAX * 32) as u64) < MARK_BYTES_MAX);
    assert!(((COMMIT_ENTRIES_MAX * 32) as u64) < RECORD_BYTES_MAX);
    assert!(((LEDGER_OBJECTS_MAX * 8) as u64) < MARK_BYTES_MAX);
    assert!(LEAF_BYTES_MAX + NODE_BYTES_MAX + 2 * LEAF_NODES_MAX * 264 <= BLOB_BYTES_MAX);
    assert!(LIST_ITEMS_MAX * 40 < BLOB_BYTES_MAX);
};
