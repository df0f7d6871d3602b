//! The rules of `tree`, one test each.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

use crate::error::{Kind, Result};
use crate::format::BlobKind;
use crate::format::tree::content::{self, ContentWriter, List};
use crate::format::tree::node::{Node, NodeKind, XattrValue};
use crate::format::tree::split::TreeWriter;
use crate::format::tree::{Leaf, TreeBlob};
use crate::id::Id;
use crate::limits::{BLOB_BYTES_MAX, LEAF_NODES_MAX};
use crate::siphash::sip24;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Blobs by id; the id is a stand-in for the keyed hash, which is a floor below.
#[derive(Default)]
struct Blobs {
    by_id: BTreeMap<Id, (BlobKind, Vec<u8>)>,
    largest: usize,
}

impl Blobs {
    fn put(&mut self, kind: BlobKind, bytes: &[u8]) -> Result<Id> {
        let mut id = [0; 32];
        for (n, word) in id.chunks_mut(8).enumerate() {
            word.copy_from_slice(&sip24(&[n as u8; 16], bytes).to_le_bytes());
        }
        let id = Id::new(id);
        self.by_id.insert(id, (kind, bytes.to_vec()));
        self.largest = self.largest.max(bytes.len());
        Ok(id)
    }

    fn nodes(&self, tree: Id) -> Vec<Node> {
        match TreeBlob::decode(&self.by_id[&tree].1).unwrap() {
            TreeBlob::Leaf(leaf) => leaf.nodes,
            TreeBlob::Inner(children) => {
                assert!(children.len() > 1, "an inner tree of one child");
                let below = children.iter().flat_map(|child| {
                    let nodes = self.nodes(child.tree);
                    assert_eq!(nodes.len() as u64, child.nodes);
                    assert_eq!(nodes[0].name, child.first);
                    nodes
                });
                below.collect()
            }
        }
    }

    fn chunks(&self, items: &[u8], depth: u8) -> Vec<(Id, u32)> {
        if depth == 0 {
            let items = content::read_items(items).unwrap();
            return items.iter().map(|item| (item.id, item.len)).collect();
        }
        let lists = content::read_list_items(items).unwrap();
        let below = lists.iter().flat_map(|item| {
            let list = List::decode(&self.by_id[&item.id].1, depth - 1, item.covers).unwrap();
            self.chunks(&list.items, list.depth)
        });
        below.collect()
    }
}

fn file(name: &[u8]) -> Node {
    Node {
        name: name.to_vec(),
        mode: 0o644,
        uid: 1000,
        mtime: 1_700_000_000,
        ..Node::default()
    }
}

fn no_name(_: u32) -> Option<Vec<u8>> {
    None
}

fn write(nodes: &[Node], blobs: &mut Blobs) -> Id {
    let mut writer = TreeWriter::new([7; 16], &no_name, &no_name);
    for node in nodes {
        writer
            .push(node, &mut |kind, bytes| blobs.put(kind, bytes))
            .unwrap();
    }
    writer
        .finish(&mut |kind, bytes| blobs.put(kind, bytes))
        .unwrap()
}

fn folder(count: usize) -> Vec<Node> {
    (0..count)
        .map(|n| file(format!("{n:08}").as_bytes()))
        .collect()
}

#[test]
fn a_small_folder_is_one_leaf_and_a_large_one_is_not() {
    for (count, one) in [
        (0, true),
        (1, true),
        (1024, true),
        (1025, false),
        (5000, false),
    ] {
        let mut blobs = Blobs::default();
        let nodes = folder(count);
        let root = write(&nodes, &mut blobs);
        assert_eq!(blobs.by_id.len() == 1, one, "{count}");
        assert_eq!(blobs.nodes(root), nodes, "{count}");
    }
}

#[test]
fn long_nodes_split_a_folder_by_bytes() {
    let mut nodes = folder(600);
    for node in &mut nodes {
        node.xattrs = vec![(b"user.long".to_vec(), XattrValue::Inline(vec![5; 4000]))];
    }
    let mut blobs = Blobs::default();
    let root = write(&nodes, &mut blobs);
    assert!(blobs.by_id.len() >= 3);
    assert!(blobs.largest < BLOB_BYTES_MAX / 2);
    assert_eq!(blobs.nodes(root), nodes);
    // More than 256 KiB, but nothing that ends a leaf: the leaf is the root, without an inner tree of one child.
    let mut blobs = Blobs::default();
    let root = write(&nodes[..100], &mut blobs);
    assert_eq!(blobs.by_id.len(), 1);
    assert_eq!(blobs.nodes(root), nodes[..100]);
}

#[test]
fn a_new_file_in_ten_thousand_changes_one_leaf_and_its_ancestors() {
    let nodes = folder(10_000);
    let mut before = Blobs::default();
    write(&nodes, &mut before);
    let mut leaves_changed = Vec::new();
    for at in (50..10_000).step_by(997) {
        let mut more = nodes.clone();
        more.insert(at + 1, file(format!("{at:08}x").as_bytes()));
        let mut after = Blobs::default();
        write(&more, &mut after);
        let new = after
            .by_id
            .iter()
            .filter(|(id, _)| !before.by_id.contains_key(id));
        let blobs = new.map(|(_, (_, bytes))| TreeBlob::decode(bytes).unwrap());
        leaves_changed.push(
            blobs
                .filter(|blob| matches!(blob, TreeBlob::Leaf(_)))
                .count(),
        );
    }
    assert!(
        leaves_changed.iter().all(|count| *count <= 3),
        "{leaves_changed:?}"
    );
    let one = leaves_changed.iter().filter(|count| **count == 1).count();
    assert!(one * 2 > leaves_changed.len(), "{leaves_changed:?}");
}

#[test]
fn a_huge_folder_is_written_in_bounded_memory() {
    let mut seen = BTreeSet::new();
    let mut largest = 0;
    let mut leaves = 0;
    let mut blobs = Blobs::default();
    let mut writer = TreeWriter::new([9; 16], &no_name, &no_name);
    for n in 0..200_000 {
        let node = file(format!("{n:08}").as_bytes());
        let mut out = 0;
        let sink = &mut |kind, bytes: &[u8]| {
            out += 1;
            largest = largest.max(bytes.len());
            blobs.put(kind, bytes)
        };
        writer.push(&node, sink).unwrap();
        leaves += out;
        seen.insert(leaves);
    }
    // Leaves leave as they fill, not at the end.
    assert!(
        seen.len() > 150 && largest < 256 << 10,
        "{} {largest}",
        seen.len()
    );
    let root = writer
        .finish(&mut |kind, bytes| blobs.put(kind, bytes))
        .unwrap();
    assert_eq!(blobs.nodes(root).len(), 200_000);
}

#[test]
fn owners_are_named_once_per_leaf_in_ascending_order() {
    let name = |number: u32| (number != 3).then(|| format!("n{number}").into_bytes());
    let mut blobs = Blobs::default();
    let mut writer = TreeWriter::new([7; 16], &name, &name);
    for (n, uid) in [9, 3, 1, 9].into_iter().enumerate() {
        let mut node = file(&[b'a' + n as u8]);
        (node.uid, node.gid) = (uid, 100 - uid);
        writer
            .push(&node, &mut |kind, bytes| blobs.put(kind, bytes))
            .unwrap();
    }
    let root = writer
        .finish(&mut |kind, bytes| blobs.put(kind, bytes))
        .unwrap();
    let TreeBlob::Leaf(leaf) = TreeBlob::decode(&blobs.by_id[&root].1).unwrap() else {
        panic!("a small folder is a leaf");
    };
    assert_eq!(leaf.users, [(1, b"n1".to_vec()), (9, b"n9".to_vec())]);
    let groups: Vec<u32> = leaf.groups.iter().map(|(number, _)| *number).collect();
    assert_eq!(groups, [91, 97, 99]);
}

#[test]
fn a_writer_refuses_what_a_reader_would() {
    let sink = &mut |_: BlobKind, _: &[u8]| Ok(Id::default());
    let mut writer = TreeWriter::new([7; 16], &no_name, &no_name);
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'a'; 256]] {
        assert!(writer.push(&file(name), sink).is_err());
    }
    writer.push(&file(b"b"), sink).unwrap();
    for name in [&b"b"[..], b"a"] {
        assert_eq!(
            writer.push(&file(name), sink).unwrap_err().kind(),
            Kind::Other
        );
    }
    let mut large = file(b"c");
    large.holes = (0..200_000).map(|n| (n * 1_000_000, 1)).collect();
    large.size = 200_000 * 1_000_000;
    large.content = Vec::new();
    assert!(writer.push(&large, sink).is_err());
}

fn refused(change: impl FnOnce(&mut Node)) {
    let mut node = Node {
        name: b"name".to_vec(),
        size: 150,
        content: [[1; 32].as_slice(), &100_u32.to_le_bytes()].concat(),
        holes: vec![(0, 20), (40, 30)],
        ..Node::default()
    };
    let leaf = |node: &Node| {
        TreeBlob::Leaf(Leaf {
            nodes: vec![node.clone()],
            ..Leaf::default()
        })
    };
    assert_eq!(
        TreeBlob::decode(&leaf(&node).encode()).unwrap(),
        leaf(&node)
    );
    change(&mut node);
    let answer = TreeBlob::decode(&leaf(&node).encode());
    assert_eq!(answer.unwrap_err().kind(), Kind::Damaged, "{node:?}");
}

#[test]
fn every_limit_of_a_node_is_enforced() {
    let id = Some(Id::default());
    refused(|n| n.name = b"..".to_vec());
    refused(|n| n.name = b"a/b".to_vec());
    refused(|n| n.name = vec![b'n'; 256]);
    refused(|n| n.mode = 0o10_000);
    refused(|n| n.mtime_ns = 1_000_000_000);
    refused(|n| n.size = 151);
    refused(|n| n.class = 4);
    refused(|n| n.depth = 1);
    refused(|n| n.depth = 5);
    refused(|n| n.content.truncate(35));
    refused(|n| n.content[32..].copy_from_slice(&u32::MAX.to_le_bytes()));
    refused(|n| n.content[32..].copy_from_slice(&[0; 4]));
    refused(|n| n.holes = vec![(0, 20), (20, 30)]);
    refused(|n| n.holes = vec![(40, 30), (0, 20)]);
    refused(|n| n.holes = vec![(0, 50), (40, 0)]);
    refused(|n| n.holes = vec![(130, 50)]);
    refused(|n| n.holes = vec![(0, u64::MAX), (1, u64::MAX)]);
    refused(|n| n.tree = id);
    refused(|n| n.kind = NodeKind::Folder);
    refused(|n| n.link = b"target".to_vec());
    refused(|n| n.kind = NodeKind::Symlink);
    refused(|n| n.rdev = Some((1, 2)));
    refused(|n| n.kind = NodeKind::CharDevice);
    refused(|n| n.kind = NodeKind::Fifo);
    refused(|n| n.xattrs = vec![(Vec::new(), XattrValue::Inline(Vec::new()))]);
    refused(|n| n.xattrs = vec![(b"x".to_vec(), XattrValue::Inline(vec![0; 4097]))]);
    refused(|n| n.xattrs = vec![(b"x".to_vec(), XattrValue::Chunks(Vec::new()))]);
    refused(|n| n.xattrs = vec![(b"x".to_vec(), XattrValue::Inline(Vec::new())); 2]);
    refused(|n| {
        let empty = XattrValue::Inline(Vec::new());
        n.xattrs = (0..1025)
            .map(|k| (format!("{k:04}").into(), empty.clone()))
            .collect();
    });
    refused(|n| {
        *n = Node {
            name: b"folder".to_vec(),
            kind: NodeKind::Folder,
            tree: id,
            hard_link: Some((1, 2)),
            ..Node::default()
        };
    });
    refused(|n| {
        *n = Node {
            name: b"link".to_vec(),
            kind: NodeKind::Symlink,
            link: vec![b'l'; 65_536],
            ..Node::default()
        };
    });
}

#[test]
fn names_ascend_strictly_and_a_leaf_is_bounded() {
    for nodes in [
        vec![file(b"b"), file(b"a")],
        vec![file(b"a"), file(b"a")],
        folder(LEAF_NODES_MAX + 1),
    ] {
        let leaf = TreeBlob::Leaf(Leaf {
            nodes,
            ..Leaf::default()
        });
        assert_eq!(
            TreeBlob::decode(&leaf.encode()).unwrap_err().kind(),
            Kind::Damaged
        );
    }
    let owners = Leaf {
        users: vec![(2, b"b".to_vec()), (1, b"a".to_vec())],
        ..Leaf::default()
    };
    assert!(TreeBlob::decode(&TreeBlob::Leaf(owners).encode()).is_err());
    assert!(TreeBlob::decode(&TreeBlob::Inner(Vec::new()).encode()).is_err());
}

#[test]
fn unknown_keys_are_ignored_and_counted() {
    // [1, [], [], [{"n": "a", "t": 1, "new": [nil], "q": 7}]]
    let bytes = b"\x94\x01\x90\x90\x91\x84\xa1n\xc4\x01a\xa1t\x01\xa3new\x91\xc0\xa1q\x07";
    let TreeBlob::Leaf(leaf) = TreeBlob::decode(bytes).unwrap() else {
        panic!("it begins with 1");
    };
    assert_eq!((leaf.unknown(), &leaf.nodes[0].name[..]), (2, &b"a"[..]));
}

fn chunk(n: u64) -> (Id, u32) {
    let mut id = [0; 32];
    for (k, word) in id.chunks_mut(8).enumerate() {
        word.copy_from_slice(&sip24(&[k as u8; 16], &n.to_le_bytes()).to_le_bytes());
    }
    (Id::new(id), 1 + n as u32 % 1000)
}

fn write_content(chunks: &[(Id, u32)], blobs: &mut Blobs) -> (Vec<u8>, u8) {
    let mut writer = ContentWriter::new();
    for (id, len) in chunks {
        writer
            .push(*id, *len, &mut |kind, bytes| blobs.put(kind, bytes))
            .unwrap();
    }
    writer
        .finish(&mut |kind, bytes| blobs.put(kind, bytes))
        .unwrap()
}

#[test]
fn content_of_any_length_comes_back() {
    for (count, deep) in [
        (0, 0),
        (1, 0),
        (64, 0),
        (65, 1),
        (5000, 1),
        (70_000, 1),
        (150_000, 2),
    ] {
        let chunks: Vec<(Id, u32)> = (0..count).map(chunk).collect();
        let mut blobs = Blobs::default();
        let (items, depth) = write_content(&chunks, &mut blobs);
        assert_eq!(depth, deep, "{count}");
        assert_eq!(blobs.chunks(&items, depth), chunks);
        let sum: u64 = chunks.iter().map(|(_, len)| u64::from(*len)).sum();
        assert_eq!(content::check_inline(&items, depth).unwrap(), sum);
    }
}

#[test]
fn a_change_in_a_long_file_rewrites_one_list() {
    let mut chunks: Vec<(Id, u32)> = (0..20_000).map(chunk).collect();
    let mut before = Blobs::default();
    write_content(&chunks, &mut before);
    chunks.insert(9_000, chunk(1_000_000));
    let mut after = Blobs::default();
    write_content(&chunks, &mut after);
    let new = after
        .by_id
        .keys()
        .filter(|id| !before.by_id.contains_key(id));
    assert!(new.count() <= 2);
}

#[test]
fn a_list_that_lies_about_depth_length_or_sum_is_refused() {
    let (id, len) = chunk(5);
    let items = [id.as_bytes().as_slice(), &len.to_le_bytes()].concat();
    let list = List { depth: 0, items };
    let sum = u64::from(len);
    assert_eq!(List::decode(&list.encode(), 0, sum).unwrap(), list);
    assert!(List::decode(&list.encode(), 0, sum + 1).is_err());
    assert!(List::decode(&list.encode(), 1, sum).is_err());
    assert!(List::decode(&[&list.encode()[..], &[0]].concat(), 0, sum).is_err());
    for items in [
        Vec::new(),
        list.items[1..].to_vec(),
        list.items.repeat(4097),
    ] {
        let covers = sum * (items.len() as u64 / 36);
        assert!(List::decode(&List { depth: 0, items }.encode(), 0, covers).is_err());
    }
    let mut bytes = list.encode();
    bytes[1] = 4;
    assert_eq!(
        List::decode(&bytes, 0, sum).unwrap_err().kind(),
        Kind::TooNew
    );
}

fn any_node() -> impl Strategy<Value = Node> {
    let base = (
        vec(prop_oneof![1u8..47, 48u8..=255], 3..40),
        0u32..0o10_000,
        any::<(u32, u32, i64)>(),
        0u32..1_000_000_000,
        vec(any::<(u32, u64, u32)>(), 0..3),
        vec(any::<u8>(), 0..9),
        any::<u8>(),
        btree_map(vec(1u8..=255, 1..9), vec(any::<u8>(), 0..20), 0..4),
    );
    let node = base.prop_map(
        |(name, mode, (uid, gid, mtime), mtime_ns, seen, version, flags, x)| Node {
            name,
            mode,
            uid,
            gid,
            mtime,
            mtime_ns,
            seen,
            version,
            flags,
            xattrs: x
                .into_iter()
                .map(|(name, value)| (name, XattrValue::Inline(value)))
                .collect(),
            ..Node::default()
        },
    );
    let part = (
        1u8..=6,
        any::<[u8; 32]>(),
        vec(1u8..=255, 1..30),
        any::<(u32, u32)>(),
    );
    let content = (
        vec(1u32..1000, 0..9),
        0u8..4,
        proptest::option::of(any::<(u64, u64)>()),
    );
    (node, part, content).prop_map(|(mut node, (kind, id, link, rdev), (lens, class, pair))| {
        node.kind = NodeKind::from_number(kind).unwrap();
        match node.kind {
            NodeKind::File => {
                node.class = class;
                for len in lens {
                    node.content.extend_from_slice(&id);
                    node.content.extend_from_slice(&len.to_le_bytes());
                    node.holes.push((node.size, 7));
                    node.size += 7 + u64::from(len);
                }
            }
            NodeKind::Folder => node.tree = Some(Id::new(id)),
            NodeKind::Symlink => node.link = link,
            NodeKind::CharDevice | NodeKind::BlockDevice => node.rdev = Some(rdev),
            NodeKind::Fifo => {}
        }
        node.hard_link = pair.filter(|_| node.kind != NodeKind::Folder);
        node
    })
}

proptest! {
    #[test]
    fn any_leaf_comes_back(nodes in vec(any_node(), 0..20)) {
        let nodes: BTreeMap<Vec<u8>, Node> =
            nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
        let leaf = TreeBlob::Leaf(Leaf {
            users: vec![(0, b"root".to_vec())],
            groups: vec![],
            nodes: nodes.into_values().collect(),
        });
        prop_assert_eq!(TreeBlob::decode(&leaf.encode()).unwrap(), leaf);
    }

    #[test]
    fn changed_trees_never_panic(node in any_node(), changes in vec(any::<(usize, u8)>(), 1..4)) {
        let leaf = TreeBlob::Leaf(Leaf { nodes: vec![node], ..Leaf::default() });
        let mut bytes = leaf.encode();
        let len = bytes.len();
        for (at, to) in changes {
            bytes[at % len] = to;
            let _ = TreeBlob::decode(&bytes);
            let _ = TreeBlob::decode(&bytes[..at % len]);
        }
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..200)) {
        let _ = TreeBlob::decode(&bytes);
        let _ = List::decode(&bytes, 0, 100);
        let _ = content::check_items(&bytes, bytes.first().copied().unwrap_or(0));
    }
}
