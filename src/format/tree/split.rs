//! Cutting a long folder into blobs, so that one new file in ten million rewrites one leaf and its ancestors.
//!
//! A folder of at most 1,024 nodes and 256 KiB is one leaf. In a larger one a leaf ends after a node when it has at
//! least 256 nodes and SipHash-2-4(split key, 00 ‖ name) < 2^64 / 512, or has 2,048 nodes, or 1 MiB. Inner trees follow
//! the same rules over the first names of their children, with 01, 02 ... for 00. Bytes are those of the encoded nodes
//! or children alone, without the tables of names and the headers around them.
//!
//! The cut depends on names alone and nothing is decided by what comes later, but for the first 1,024 nodes: those are
//! kept back, already cut, until it is known whether they are all. Memory is one leaf and one inner tree per depth.

use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::codec;
use crate::format::tree::content::Sink;
use crate::format::tree::node::Node;
use crate::format::tree::{Child, encode_inner, encode_leaf};
use crate::id::Id;
use crate::limits::{
    LEAF_BYTES_MAX, LEAF_BYTES_SINGLE, LEAF_NODES_MAX, LEAF_NODES_MIN, LEAF_NODES_SINGLE,
    NAME_BYTES_MAX, NODE_BYTES_MAX, TREE_DEPTH_MAX,
};
use crate::siphash::sip24;
use std::collections::BTreeSet;

/// One in 512 names may end a leaf.
const CUT_BELOW: u64 = 1 << 55;

/// The name of a user's or group's number, if it has one.
pub type Names<'a> = &'a dyn Fn(u32) -> Option<Vec<u8>>;

/// Writes the tree of one folder, node by node.
pub struct TreeWriter<'a> {
    split_key: [u8; 16],
    users: Names<'a>,
    groups: Names<'a>,
    /// The leaves, then the inner trees above them.
    levels: Vec<Level>,
    last: Vec<u8>,
    encoded: Vec<u8>,
}

/// The leaves, or the inner trees of one depth, of which nothing is written yet.
#[derive(Default)]
struct Level {
    /// Finished but for the writing; empty once `split`.
    waiting: Vec<Part>,
    /// What is being filled.
    open: Part,
    /// Items and bytes so far; they decide once whether the level is split.
    count: usize,
    bytes: usize,
    split: bool,
    last_child: Option<Id>,
}

/// What becomes one leaf or inner tree.
#[derive(Default)]
struct Part {
    first: Vec<u8>,
    items: Vec<u8>,
    count: usize,
    nodes: u64,
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
}

/// A node or a child.
struct Item<'a> {
    bytes: &'a [u8],
    first: &'a [u8],
    nodes: u64,
    owner: Option<(u32, u32)>,
}

impl<'a> TreeWriter<'a> {
    /// A writer for one folder; `users` and `groups` know the names for the leaves' tables.
    pub fn new(split_key: [u8; 16], users: Names<'a>, groups: Names<'a>) -> Self {
        Self {
            split_key,
            users,
            groups,
            levels: Vec::new(),
            last: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// Takes the next node; names must ascend.
    ///
    /// A node that breaks a rule of the format is refused with [`Kind::Other`], and so is one above
    /// [`NODE_BYTES_MAX`]: its attributes belong into chunks, or its holes are too many.
    pub fn push(&mut self, node: &Node, sink: Sink<'_>) -> Result<()> {
        const WHAT: &str = "store node of a folder";
        node.check()
            .map_err(|error| error.with_kind(Kind::Other).during(WHAT))?;
        if node.name <= self.last {
            return Err(Error::new(Kind::Other, WHAT).because("its name does not ascend"));
        }
        self.last.clone_from(&node.name);
        let mut bytes = std::mem::take(&mut self.encoded);
        bytes.clear();
        codec::encode_into(node, &mut bytes);
        let item = Item {
            bytes: &bytes,
            first: &node.name,
            nodes: 1,
            owner: Some((node.uid, node.gid)),
        };
        let done = if bytes.len() <= NODE_BYTES_MAX {
            self.add(0, &item, sink)
        } else {
            Err(Error::new(Kind::Other, WHAT).because("it takes more than 1 MiB"))
        };
        self.encoded = bytes;
        done
    }

    /// Writes what is left; the id of the folder's tree. The writer is ready for another folder.
    pub fn finish(&mut self, sink: Sink<'_>) -> Result<Id> {
        self.last.clear();
        let root = self.finish_levels(sink);
        self.levels.clear();
        root
    }

    fn finish_levels(&mut self, sink: Sink<'_>) -> Result<Id> {
        let mut depth: usize = 0;
        loop {
            let level = self.levels.get_mut(depth).map(std::mem::take);
            let level = level.unwrap_or_default();
            if !level.split {
                // A level of which nothing was written is one blob, and the root. If it would have one child, the
                // child is the root.
                return match level.last_child {
                    Some(child) if level.count == 1 => Ok(child),
                    _ => self.write(depth, &Part::join(level.waiting, level.open), sink),
                };
            }
            let above = depth.saturating_add(1);
            if level.open.count > 0 {
                let id = self.write(depth, &level.open, sink)?;
                self.add_child(above, &level.open, id, sink)?;
            }
            depth = above;
        }
    }

    fn add(&mut self, depth: usize, item: &Item<'_>, sink: Sink<'_>) -> Result<()> {
        while self.levels.len() <= depth {
            self.levels.push(Level::default());
        }
        let may_cut = may_cut(&self.split_key, depth, item.first);
        let Some(level) = self.levels.get_mut(depth) else {
            return Ok(());
        };
        level.take(item);
        if level.open.is_full(may_cut) {
            level.waiting.push(std::mem::take(&mut level.open));
        }
        level.split =
            level.split || level.count > LEAF_NODES_SINGLE || level.bytes > LEAF_BYTES_SINGLE;
        if !level.split {
            return Ok(());
        }
        for part in std::mem::take(&mut level.waiting) {
            let id = self.write(depth, &part, sink)?;
            self.add_child(depth.saturating_add(1), &part, id, sink)?;
        }
        Ok(())
    }

    fn add_child(&mut self, depth: usize, part: &Part, id: Id, sink: Sink<'_>) -> Result<()> {
        if depth > TREE_DEPTH_MAX {
            return Err(Error::new(Kind::Other, "store folder of too many items"));
        }
        let child = Child {
            first: part.first.clone(),
            tree: id,
            nodes: part.nodes,
        };
        let item = Item {
            bytes: &codec::encode(&child),
            first: &part.first,
            nodes: part.nodes,
            owner: None,
        };
        self.add(depth, &item, sink)?;
        if let Some(level) = self.levels.get_mut(depth) {
            level.last_child = Some(id);
        }
        Ok(())
    }

    fn write(&self, depth: usize, part: &Part, sink: Sink<'_>) -> Result<Id> {
        let blob = if depth == 0 {
            let table = |numbers: &BTreeSet<u32>, names: Names<'_>| -> Vec<(u32, Vec<u8>)> {
                numbers
                    .iter()
                    .filter_map(|number| Some((*number, names(*number)?)))
                    .filter(|(_, name)| (1..=NAME_BYTES_MAX).contains(&name.len()))
                    .collect()
            };
            let users = table(&part.users, self.users);
            let groups = table(&part.groups, self.groups);
            encode_leaf(&users, &groups, part.count, &part.items)
        } else {
            encode_inner(part.count, &part.items)
        };
        sink(BlobKind::Tree, &blob)
    }
}

/// Whether a part may end after `name`.
fn may_cut(split_key: &[u8; 16], depth: usize, name: &[u8]) -> bool {
    let mut input = [0; NAME_BYTES_MAX + 1];
    let Some(input) = input.get_mut(..=name.len()) else {
        return false;
    };
    if let Some((head, rest)) = input.split_first_mut() {
        *head = u8::try_from(depth).unwrap_or(u8::MAX);
        rest.copy_from_slice(name);
    }
    sip24(split_key, input) < CUT_BELOW
}

impl Level {
    fn take(&mut self, item: &Item<'_>) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(item.bytes.len());
        let part = &mut self.open;
        if part.count == 0 {
            part.first = item.first.to_vec();
        }
        part.items.extend_from_slice(item.bytes);
        part.count = part.count.saturating_add(1);
        part.nodes = part.nodes.saturating_add(item.nodes);
        if let Some((user, group)) = item.owner {
            part.users.insert(user);
            part.groups.insert(group);
        }
    }
}

impl Part {
    fn is_full(&self, may_cut: bool) -> bool {
        self.count >= LEAF_NODES_MAX
            || self.items.len() >= LEAF_BYTES_MAX
            || (may_cut && self.count >= LEAF_NODES_MIN)
    }

    fn join(parts: Vec<Self>, last: Self) -> Self {
        let mut whole = Self::default();
        for mut part in parts.into_iter().chain([last]) {
            if whole.count == 0 {
                whole.first = part.first;
            }
            whole.items.append(&mut part.items);
            whole.count = whole.count.saturating_add(part.count);
            whole.nodes = whole.nodes.saturating_add(part.nodes);
            whole.users.append(&mut part.users);
            whole.groups.append(&mut part.groups);
        }
        whole
    }
}
