//! Which blobs a snapshot reaches: its trees, the lists of its large files, its chunks.
//!
//! Trees met before are not walked again, nor is what a snapshot that is known to be whole has in the same place.

use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::tree::content::{self, List};
use crate::format::tree::node::{Node, NodeKind, XattrValue};
use crate::id::Id;
use crate::limits::FOLDER_DEPTH_MAX;
use crate::repo::loader::Loader;
use crate::repo::view::Nodes;
use std::collections::HashSet;

/// Hears each blob, before what it leads to.
pub type EachBlob<'a> = &'a mut dyn FnMut(BlobKind, &Id) -> Result<()>;

/// Walks snapshots.
pub struct Reach<'a> {
    loader: &'a Loader,
    met: HashSet<[u8; 16]>,
    /// Goes on past what cannot be read.
    goes_on: bool,
    /// Something could not be read.
    missed: bool,
}

struct Open<'a> {
    nodes: Nodes<'a>,
    known: Option<Known<'a>>,
}

/// The same folder in the snapshot that is whole.
struct Known<'a> {
    nodes: Nodes<'a>,
    next: Option<Node>,
}

impl Known<'_> {
    /// The node of this name. Names are asked for in ascending order. A folder that cannot be read knows nothing.
    fn take(&mut self, name: &[u8]) -> Option<Node> {
        loop {
            match &self.next {
                Some(node) if node.name.as_slice() == name => return self.next.take(),
                Some(node) if node.name.as_slice() > name => return None,
                _ => self.next = Some(self.nodes.next_node().ok().flatten()?),
            }
        }
    }
}

impl<'a> Reach<'a> {
    /// Nothing met yet.
    pub fn new(loader: &'a Loader) -> Self {
        Self {
            loader,
            met: HashSet::new(),
            goes_on: false,
            missed: false,
        }
    }

    /// The same, for a snapshot of which nobody knows whether it is whole: what cannot be read is passed by.
    pub fn as_far_as_it_goes(loader: &'a Loader) -> Self {
        Self {
            goes_on: true,
            ..Self::new(loader)
        }
    }

    /// Whether something was passed by.
    pub fn has_missed(&self) -> bool {
        self.missed
    }

    fn pass(&mut self, error: Error) -> Result<()> {
        match self.goes_on && error.is_about_the_object() {
            true => self.missed = true,
            false => return Err(error),
        }
        Ok(())
    }

    /// Tells every blob of the snapshot whose root is `root` and that was not met before; what the snapshot at `known`
    /// has in the same place is left out. Memory grows with the number of folders: sixteen bytes each.
    ///
    /// # Errors
    /// Those of the loader and of `each`.
    pub fn snapshot(&mut self, root: Id, known: Option<Id>, each: EachBlob<'_>) -> Result<()> {
        let mut open = Vec::new();
        open.extend(self.folder(root, known));
        while let Some(folder) = open.last_mut() {
            let next = folder.nodes.next_node();
            for tree in folder.nodes.visited() {
                each(BlobKind::Tree, &tree)?;
            }
            let node = match next {
                Ok(Some(node)) => node,
                Ok(None) => {
                    open.pop();
                    continue;
                }
                // The next call goes on with the tree after it.
                Err(error) => {
                    self.pass(error)?;
                    continue;
                }
            };
            let known = folder
                .known
                .as_mut()
                .and_then(|known| known.take(&node.name));
            if known.as_ref() == Some(&node) {
                continue;
            }
            self.content(&node, each)?;
            let Some(tree) = node.tree else { continue };
            if open.len() >= FOLDER_DEPTH_MAX {
                self.pass(Error::new(Kind::Damaged, "folders nest too deep"))?;
                continue;
            }
            open.extend(self.folder(tree, known.and_then(|known| known.tree)));
        }
        Ok(())
    }

    fn folder(&mut self, tree: Id, known: Option<Id>) -> Option<Open<'a>> {
        if known == Some(tree) || !self.met.insert(tree.prefix()) {
            return None;
        }
        Some(Open {
            nodes: Nodes::recording(self.loader, tree),
            known: known.map(|tree| Known {
                nodes: Nodes::of(self.loader, tree),
                next: None,
            }),
        })
    }

    fn content(&mut self, node: &Node, each: EachBlob<'_>) -> Result<()> {
        for (_, value) in &node.xattrs {
            if let XattrValue::Chunks(ids) = value {
                ids.iter().try_for_each(|id| each(BlobKind::Chunk, id))?;
            }
        }
        match node.kind {
            NodeKind::File => self.items(&node.content, node.depth, each),
            _ => Ok(()),
        }
    }

    fn items(&mut self, items: &[u8], depth: u8, each: EachBlob<'_>) -> Result<()> {
        if depth == 0 {
            let chunks = match content::read_items(items) {
                Ok(chunks) => chunks.into_iter(),
                Err(error) => return self.pass(error),
            };
            return chunks
                .map(|item| item.id)
                .try_for_each(|id| each(BlobKind::Chunk, &id));
        }
        let lists = match content::read_list_items(items) {
            Ok(lists) => lists,
            Err(error) => return self.pass(error),
        };
        for item in lists {
            each(BlobKind::List, &item.id)?;
            let bytes = self.loader.load(BlobKind::List, &item.id);
            match bytes.and_then(|bytes| List::decode(&bytes, depth - 1, item.covers)) {
                Ok(list) => self.items(&list.items, depth - 1, each)?,
                Err(error) => self.pass(error)?,
            }
        }
        Ok(())
    }
}
