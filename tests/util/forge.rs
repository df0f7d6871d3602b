//! What somebody who holds the keys, or a broken program, could put on a mirror: authentic boxes with any content.

use crate::world::{World, key, noise};
use heirloom::crypto::hash::object_id;
use heirloom::format::block::blob_id;
use heirloom::format::boxes::Sealer;
use heirloom::format::chain::{Entry, What};
use heirloom::format::commit::CommitSlot;
use heirloom::format::directory::{BlockRow, Codec, Directory};
use heirloom::format::snapshot::Snapshot;
use heirloom::format::tree::node::Node;
use heirloom::format::tree::{Leaf, TreeBlob};
use heirloom::format::{BlobKind, ObjectKind};
use heirloom::host::Timestamp;
use heirloom::id::{Id, to_hex};
use heirloom::monitor::Collected;
use heirloom::name::Name;
use heirloom::ops::restore::{Options, Report};
use heirloom::ops::verify;
use heirloom::store::{Payload, Store};
use std::cell::Cell;
use std::fs;

/// Makes boxes for one world.
pub(crate) struct Forge<'a> {
    world: &'a World,
    sealer: Sealer,
    made: Cell<u64>,
    last: Cell<Option<(u64, Id)>>,
}

impl<'a> Forge<'a> {
    /// Nothing made yet.
    pub(crate) fn new(world: &'a World) -> Self {
        let sealer = world.sealer();
        let (made, last) = (Cell::new(0), Cell::new(None));
        Self {
            world,
            sealer,
            made,
            last,
        }
    }

    /// Bytes that nobody has had before.
    fn fresh(&self) -> Vec<u8> {
        self.made.set(self.made.get() + 1);
        noise(1_000_000 + self.made.get(), 32)
    }

    /// A box.
    pub(crate) fn seal(&self, kind: ObjectKind, area: &[u8], record: &[u8]) -> Vec<u8> {
        let random = self.fresh().try_into().unwrap();
        self.sealer.seal(kind, area, record, &random).unwrap()
    }

    /// A box under its name.
    pub(crate) fn put(&self, kind: ObjectKind, area: &[u8], record: &[u8]) -> Name {
        self.place(kind, self.seal(kind, area, record))
    }

    /// These bytes where objects of `kind` lie, under a name that fits them.
    pub(crate) fn place(&self, kind: ObjectKind, bytes: Vec<u8>) -> Name {
        let session = to_hex(&self.fresh()[..16]);
        let name = match kind {
            ObjectKind::Mirror => Name::marker(),
            ObjectKind::Commit => Name::new(kind.folder(), &session).unwrap(),
            ObjectKind::Intent => Name::new(kind.folder(), &format!("{session}.0")).unwrap(),
            _ => Name::hashed(kind.folder(), &object_id(&bytes).to_hex()),
        };
        self.world.store.put(&name, &Payload::new(bytes)).unwrap();
        name
    }

    /// A pack with this directory, whatever it says.
    pub(crate) fn pack(&self, kind: ObjectKind, area: &[u8], directory: &Directory) -> Id {
        let name = self.put(kind, area, &directory.encode());
        Id::from_hex(name.leaf()).unwrap()
    }

    /// A data pack of one block that claims to be the chunk `id`.
    pub(crate) fn block(&self, stored: &[u8], raw_len: u32, codec: Codec, id: Id) -> Id {
        let row = BlockRow {
            stored_len: u32::try_from(stored.len()).unwrap(),
            raw_len,
            blobs: 1,
            codec,
            kind: BlobKind::Chunk,
        };
        let directory = Directory {
            blocks: vec![row],
            ids: vec![id],
            lens: vec![raw_len],
        };
        self.pack(ObjectKind::DataPack, stored, &directory)
    }

    /// A pack of one block with these blobs; their ids.
    pub(crate) fn blobs(&self, kind: BlobKind, blobs: &[Vec<u8>]) -> Vec<Id> {
        let area = blobs.concat();
        let keys = self.world.repo().keys();
        let ids: Vec<Id> = blobs.iter().map(|blob| blob_id(keys, kind, blob)).collect();
        let len = u32::try_from(area.len()).unwrap();
        let row = BlockRow {
            stored_len: len,
            raw_len: len,
            blobs: u32::try_from(blobs.len()).unwrap(),
            codec: Codec::Stored,
            kind,
        };
        let lens = blobs.iter().map(|blob| u32::try_from(blob.len()).unwrap());
        let directory = Directory {
            blocks: vec![row],
            ids: ids.clone(),
            lens: lens.collect(),
        };
        let pack = match kind {
            BlobKind::Chunk => ObjectKind::DataPack,
            _ => ObjectKind::TreePack,
        };
        self.pack(pack, &area, &directory);
        ids
    }

    /// The tree with these bytes, in a pack of its own.
    pub(crate) fn tree(&self, bytes: Vec<u8>) -> Id {
        self.blobs(BlobKind::Tree, &[bytes])[0]
    }

    /// A visible snapshot of this tree, by a device of its own.
    pub(crate) fn snapshot(&self, tree: Id) -> Id {
        let seq = self.last.get().map_or(0, |(seq, _)| seq + 1);
        let entry = self.entry(seq, self.last.get().map(|(_, id)| id), tree);
        let name = self.put(ObjectKind::Entry, &[], &entry.encode());
        let id = Id::from_hex(name.leaf()).unwrap();
        self.last.set(Some((seq, id)));
        self.put(
            ObjectKind::Commit,
            &[],
            &CommitSlot::Commit(vec![id]).encode(),
        );
        id
    }

    /// An entry that is a snapshot.
    pub(crate) fn entry(&self, seq: u64, prev: Option<Id>, tree: Id) -> Entry {
        Entry {
            repo: *self.world.repo().id().as_bytes(),
            device: [0xee; 16],
            seq,
            prev,
            heads: Vec::new(),
            acked: Vec::new(),
            // Older than every honest snapshot.
            time: Timestamp {
                seconds: 1 + i64::try_from(seq).unwrap(),
                nanos: 0,
            },
            zone: 0,
            host: "forge".to_owned(),
            user: "mallory".to_owned(),
            program: "forge".to_owned(),
            what: What::Snapshot(Box::new(Snapshot {
                source: "forged".to_owned(),
                tree,
                ..Snapshot::default()
            })),
            unknown: 0,
        }
    }

    /// Restores the whole of a forged snapshot.
    pub(crate) fn restore(&self, tree: Id) -> heirloom::error::Result<Report> {
        let world = self.world;
        let _ = fs::remove_dir_all(world.target(""));
        let options = Options {
            path: Vec::new(),
            ..world.options()
        };
        world.restore_heard(tree, &options, &Collected::default())
    }
}

/// A leaf of these nodes, in this order.
pub(crate) fn leaf(nodes: Vec<Node>) -> Vec<u8> {
    TreeBlob::Leaf(Leaf {
        nodes,
        ..Leaf::default()
    })
    .encode()
}

/// A file of these chunks.
pub(crate) fn file(name: &[u8], chunks: &[(Id, u32)]) -> Node {
    let items = chunks.iter().flat_map(|(id, len)| {
        let parts = [id.as_bytes().as_slice(), &len.to_le_bytes()];
        parts.concat()
    });
    Node {
        name: name.to_vec(),
        mode: 0o644,
        content: items.collect(),
        size: chunks.iter().map(|(_, len)| u64::from(*len)).sum(),
        ..Node::default()
    }
}

/// A folder with this tree.
pub(crate) fn folder(name: &[u8], tree: Id) -> Node {
    Node {
        name: name.to_vec(),
        kind: heirloom::format::tree::node::NodeKind::Folder,
        mode: 0o755,
        tree: Some(tree),
        ..Node::default()
    }
}

/// A world with one honest backup.
pub(crate) fn honest() -> World {
    let world = World::new();
    world.write("folder/noise", &noise(7, 200_000));
    world.write("folder/text", &b"words, and more words; ".repeat(2000));
    world.write("small", b"a few bytes");
    world.backup();
    world
}

/// Whatever lies on the mirror besides, the honest snapshot is listed and comes back whole, and verify gets to its end.
pub(crate) fn assert_unharmed(world: &mut World) -> verify::Report {
    world.reopen(key()).unwrap();
    for folder in ["cache", "target"] {
        let _ = fs::remove_dir_all(world.outside(folder));
    }
    let root = world.snapshots().last().unwrap().1;
    let report = world.restore_heard(root, &world.options(), &Collected::default());
    let report = report.unwrap();
    assert_eq!((report.losses, report.not_applied), (vec![], vec![]));
    world.assert_restored();
    for level in [verify::Level::Structure, verify::Level::Stored] {
        world.verify(level).unwrap();
    }
    world.verify(verify::Level::Content).unwrap()
}
