//! Trees: what a folder holds, in one blob or in a leaf for each stretch of names.
//!
//! ```text
//! leaf     [1, users, groups, nodes]   users, groups: [number, name bin] ascending by number
//! inner    [2, children]               children: [first name bin, tree id bin, nodes u64] ascending by name
//! ```
//!
//! Another first number is a newer version's. Names are raw bytes, ascend strictly and cannot leave their folder: every
//! blob is held to that when it is read, so nobody above this file has to think of `..`.

pub mod content;
pub mod node;
pub mod split;
#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::format::bin::{Bin, BinRef};
use crate::format::codec::{self, require};
use crate::format::tree::node::{Node, is_name};
use crate::id::Id;
use crate::limits::{BLOB_BYTES_MAX, LEAF_NODES_MAX};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const WHAT: &str = "read tree";
const LEAF: u64 = 1;
const INNER: u64 = 2;

/// A tree as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeBlob {
    /// Nodes.
    Leaf(Leaf),
    /// Trees of one folder whose names follow each other.
    Inner(Vec<Child>),
}

/// A stretch of a folder's nodes, or all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// Names of the owners that occur, ascending by number.
    pub users: Vec<(u32, Vec<u8>)>,
    /// Names of the groups that occur, ascending by number.
    pub groups: Vec<(u32, Vec<u8>)>,
    /// The nodes, ascending by name.
    pub nodes: Vec<Node>,
}

/// One tree below an inner tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Child {
    /// The name of its first node.
    pub first: Vec<u8>,
    /// The tree.
    pub tree: Id,
    /// Nodes below it.
    pub nodes: u64,
}

impl TreeBlob {
    /// The blob's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut items = Vec::new();
        match self {
            Self::Leaf(leaf) => {
                for node in &leaf.nodes {
                    codec::encode_into(node, &mut items);
                }
                encode_leaf(&leaf.users, &leaf.groups, leaf.nodes.len(), &items)
            }
            Self::Inner(children) => {
                for child in children {
                    codec::encode_into(child, &mut items);
                }
                encode_inner(children.len(), &items)
            }
        }
    }

    /// Reads a tree and holds it to every limit of the format.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        require(bytes.len() <= BLOB_BYTES_MAX, WHAT, "too long")?;
        match codec::first_number(bytes) {
            Some(LEAF) => Leaf::decode(bytes).map(Self::Leaf),
            Some(INNER) => decode_inner(bytes).map(Self::Inner),
            None | Some(0) => Err(codec::damaged(WHAT, "not a tree")),
            Some(number) => Err(codec::too_new(WHAT, format!("tree number {number}"))),
        }
    }
}

impl Leaf {
    fn decode(bytes: &[u8]) -> Result<Self> {
        type Table = Vec<(u32, Bin<Vec<u8>>)>;
        let (_, users, groups, nodes) =
            codec::decode::<(u64, Table, Table, Vec<Node>)>(bytes, WHAT)?;
        let plain = |table: Table| -> Vec<(u32, Vec<u8>)> {
            table
                .into_iter()
                .map(|(number, Bin(name))| (number, name))
                .collect()
        };
        let leaf = Self {
            users: plain(users),
            groups: plain(groups),
            nodes,
        };
        require(leaf.nodes.len() <= LEAF_NODES_MAX, WHAT, "too many nodes")?;
        let numbers = [&leaf.users, &leaf.groups]
            .iter()
            .all(|table| ascends(table, |(number, _)| number));
        require(numbers, WHAT, "owners out of order")?;
        require(
            ascends(&leaf.nodes, |node| &node.name),
            WHAT,
            "names out of order",
        )?;
        leaf.nodes.iter().try_for_each(Node::check)?;
        Ok(leaf)
    }

    /// How many keys of a newer version were ignored in all nodes.
    pub fn unknown(&self) -> u64 {
        let counts = self.nodes.iter().map(|node| u64::from(node.unknown));
        counts.fold(0, u64::saturating_add)
    }
}

fn decode_inner(bytes: &[u8]) -> Result<Vec<Child>> {
    let (_, children) = codec::decode::<(u64, Vec<Child>)>(bytes, WHAT)?;
    let count = (1..=LEAF_NODES_MAX).contains(&children.len());
    require(count, WHAT, "no children or too many")?;
    let fine = ascends(&children, |child| &child.first)
        && children
            .iter()
            .all(|child| is_name(&child.first) && child.nodes > 0);
    require(fine, WHAT, "children out of order")?;
    let nodes = children
        .iter()
        .try_fold(0_u64, |sum, child| sum.checked_add(child.nodes));
    require(nodes.is_some(), WHAT, "more nodes than can be counted")?;
    Ok(children)
}

fn ascends<T, K: Ord + ?Sized>(items: &[T], key: impl Fn(&T) -> &K) -> bool {
    items.is_sorted_by(|one, two| key(one) < key(two))
}

/// A leaf of `count` nodes that are encoded already.
pub fn encode_leaf(
    users: &[(u32, Vec<u8>)],
    groups: &[(u32, Vec<u8>)],
    count: usize,
    nodes: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(nodes.len().saturating_add(64));
    codec::array_header(4, &mut bytes);
    codec::encode_into(&LEAF, &mut bytes);
    for table in [users, groups] {
        codec::array_header(table.len(), &mut bytes);
        for (number, name) in table {
            codec::encode_into(&(number, BinRef(name)), &mut bytes);
        }
    }
    codec::array_header(count, &mut bytes);
    bytes.extend_from_slice(nodes);
    bytes
}

/// An inner tree of `count` children that are encoded already.
pub fn encode_inner(count: usize, children: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(children.len().saturating_add(8));
    codec::array_header(2, &mut bytes);
    codec::encode_into(&INNER, &mut bytes);
    codec::array_header(count, &mut bytes);
    bytes.extend_from_slice(children);
    bytes
}

impl Serialize for Child {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let tree = BinRef(self.tree.as_bytes());
        (BinRef(&self.first), tree, self.nodes).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Child {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let (Bin(first), Bin(tree), nodes) = Deserialize::deserialize(from)?;
        Ok(Self { first, tree, nodes })
    }
}
