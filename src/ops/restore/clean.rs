//! What lies in a folder of the target and is not in the snapshot.
//!
//! Only a folder that is wanted as a whole is cleaned, and only if its whole listing could be read: a name that cannot
//! be seen in the snapshot is no proof that it is not there.

use crate::error::{Kind, Result};
use crate::id::Id;
use crate::ops::restore::tree::Tree;
use crate::repo::loader::Loader;
use crate::repo::view::Nodes;
use crate::target::Target;

/// Paths below the target, ascending, of what may be removed from the folder that `tree` is in, whose tree is `id`.
pub(crate) fn surplus(
    loader: &Loader,
    id: Id,
    target: &Target,
    tree: &mut Tree<'_>,
) -> Result<Vec<Vec<u8>>> {
    if !tree.inside() {
        return Ok(Vec::new());
    }
    let there = match target.list(tree.below()) {
        Ok(there) => there,
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Refused) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut surplus = Vec::new();
    let mut there = there.into_iter().map(|(name, _)| name).peekable();
    let mut nodes = Nodes::of(loader, id);
    loop {
        let node = match nodes.next_node() {
            Ok(Some(node)) => node,
            Ok(None) => break,
            // The walk meets the same gap and tells it.
            Err(_) => return Ok(Vec::new()),
        };
        while let Some(name) = there.next_if(|name| *name < node.name) {
            surplus.push(name);
        }
        there.next_if(|name| *name == node.name);
    }
    surplus.extend(there);
    let (folder, below) = (tree.path().to_vec(), tree.below().to_vec());
    let join = |folder: &[u8], name: &[u8], slash: bool| {
        let mut path = folder.to_vec();
        if slash {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    };
    surplus.retain(|name| tree.wants(&join(&folder, name, true)));
    Ok(surplus
        .into_iter()
        .map(|name| join(&below, &name, !below.is_empty()))
        .collect())
}
