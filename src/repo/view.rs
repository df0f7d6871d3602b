//! Snapshots seen as a read-only folder tree: nodes in order, paths, contents. Large folders and long files are read
//! piece by piece.

use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::tree::content::{self, ContentItem, List};
use crate::format::tree::node::{Node, NodeKind};
use crate::format::tree::{Leaf, TreeBlob};
use crate::id::Id;
use crate::limits::TREE_DEPTH_MAX;
use crate::repo::loader::Loader;
use std::sync::Arc;

/// The nodes of one folder in the order of their names, one leaf in memory at a time.
pub struct Nodes<'a> {
    loader: &'a Loader,
    /// Trees still to be read, the next one last, each with its distance from the folder's root.
    pending: Vec<(Id, usize)>,
    leaf: std::vec::IntoIter<Node>,
    names: Arc<OwnerNames>,
    visited: Option<Vec<Id>>,
}

/// Owner and group names as a leaf recorded them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerNames {
    /// Number and name of users, ascending.
    pub users: Vec<(u32, Vec<u8>)>,
    /// Number and name of groups, ascending.
    pub groups: Vec<(u32, Vec<u8>)>,
}

impl<'a> Nodes<'a> {
    /// Begins with the first node of the folder whose tree is `tree`.
    pub fn of(loader: &'a Loader, tree: Id) -> Self {
        Self {
            loader,
            pending: vec![(tree, 0)],
            leaf: Vec::new().into_iter(),
            names: Arc::default(),
            visited: None,
        }
    }

    /// The same, keeping the ids of the trees it comes through.
    pub fn recording(loader: &'a Loader, tree: Id) -> Self {
        Self {
            visited: Some(Vec::new()),
            ..Self::of(loader, tree)
        }
    }

    /// The trees come through since this was asked last, the one that could not be read among them.
    pub fn visited(&mut self) -> Vec<Id> {
        self.visited
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// The next node; `None` at the end.
    ///
    /// # Errors
    /// Those of the loader. After a damaged tree the next call goes on with the one after it.
    pub fn next_node(&mut self) -> Result<Option<Node>> {
        loop {
            if let Some(node) = self.leaf.next() {
                return Ok(Some(node));
            }
            let Some((tree, depth)) = self.pending.pop() else {
                return Ok(None);
            };
            if depth > TREE_DEPTH_MAX {
                return Err(Error::new(
                    Kind::Damaged,
                    format!("tree {tree} nests too deep"),
                ));
            }
            if let Some(visited) = &mut self.visited {
                visited.push(tree);
            }
            match TreeBlob::decode(&self.loader.load(BlobKind::Tree, &tree)?)? {
                TreeBlob::Inner(children) => {
                    self.pending
                        .extend(children.iter().rev().map(|child| (child.tree, depth + 1)));
                }
                TreeBlob::Leaf(Leaf {
                    users,
                    groups,
                    nodes,
                    ..
                }) => {
                    self.names = Arc::new(OwnerNames { users, groups });
                    self.leaf = nodes.into_iter();
                }
            }
        }
    }

    /// Owner names for the node returned last.
    pub fn owner_names(&self) -> &Arc<OwnerNames> {
        &self.names
    }
}

/// What a path leads to.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// The root of the snapshot: its tree.
    Root(Id),
    /// A node.
    Node(Box<Node>, Arc<OwnerNames>),
}

/// Follows `path` (with or without a leading `/`) from the root tree; symbolic links are not followed.
///
/// # Errors
/// `NotFound` names the first part that is missing.
pub fn find(loader: &Loader, root: Id, path: &[u8]) -> Result<Found> {
    let mut found = Found::Root(root);
    for part in path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
    {
        let tree = match &found {
            Found::Root(tree) => Some(*tree),
            Found::Node(node, _) => node.tree,
        };
        let node = match tree {
            Some(tree) => child(loader, tree, part)?,
            None => None,
        };
        let Some((node, names)) = node else {
            let what = format!("{} is not in this snapshot", String::from_utf8_lossy(path));
            return Err(
                Error::new(Kind::NotFound, what).hint("heirloom ls SNAPSHOT:PATH shows what is")
            );
        };
        found = Found::Node(Box::new(node), names);
    }
    Ok(found)
}

fn child(loader: &Loader, mut tree: Id, name: &[u8]) -> Result<Option<(Node, Arc<OwnerNames>)>> {
    for _ in 0..=TREE_DEPTH_MAX {
        match TreeBlob::decode(&loader.load(BlobKind::Tree, &tree)?)? {
            TreeBlob::Inner(children) => {
                let after = children.partition_point(|child| child.first.as_slice() <= name);
                let Some(child) = after.checked_sub(1).and_then(|at| children.get(at)) else {
                    return Ok(None);
                };
                tree = child.tree;
            }
            TreeBlob::Leaf(Leaf {
                users,
                groups,
                mut nodes,
                ..
            }) => {
                let at = nodes.binary_search_by(|node| node.name.as_slice().cmp(name));
                let names = Arc::new(OwnerNames { users, groups });
                return Ok(at.ok().map(|at| (nodes.swap_remove(at), names)));
            }
        }
    }
    Err(Error::new(
        Kind::Damaged,
        format!("tree {tree} nests too deep"),
    ))
}

/// The chunks of a file in order, lists resolved, one list in memory at each depth.
///
/// # Errors
/// Those of the loader, and of `each`.
pub fn for_each_chunk(
    loader: &Loader,
    node: &Node,
    each: &mut dyn FnMut(ContentItem) -> Result<()>,
) -> Result<()> {
    debug_assert_eq!(node.kind, NodeKind::File);
    descend(loader, &node.content, node.depth, each)
}

fn descend(
    loader: &Loader,
    items: &[u8],
    depth: u8,
    each: &mut dyn FnMut(ContentItem) -> Result<()>,
) -> Result<()> {
    if depth == 0 {
        return content::read_items(items)?.into_iter().try_for_each(each);
    }
    for item in content::read_list_items(items)? {
        let bytes = loader.load(BlobKind::List, &item.id)?;
        let list = List::decode(&bytes, depth - 1, item.covers)?;
        descend(loader, &list.items, depth - 1, each)?;
    }
    Ok(())
}
