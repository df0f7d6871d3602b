//! Snapshots found again in the packs, where the entries that named them are lost on every mirror and this device has no
//! copy.
//!
//! A folder's tree names the trees below it, and nothing names the tree of a snapshot but its entry. So what no tree and no
//! entry names is the root of a snapshot, or of what an interrupted run had come to; each that is whole is told, the
//! largest first.

use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::chain::What;
use crate::format::snapshot::{Counts, Snapshot};
use crate::format::tree::TreeBlob;
use crate::format::tree::node::NodeKind;
use crate::id::Id;
use crate::monitor::{Counter, Monitor};
use crate::ops::heal::hidden;
use crate::repo::index::directories::pack_directory;
use crate::repo::look::Look;
use crate::repo::view::Nodes;
use std::collections::HashSet;

/// So many are listed in one go, the largest.
const FOUND_MAX: usize = 4096;

/// The root of a snapshot that no entry names.
#[derive(Debug)]
pub struct Root {
    /// Its tree.
    pub tree: Id,
    /// What lies below it.
    pub counts: Counts,
    /// When the newest file or folder below it was changed, in seconds and nanoseconds since 1970.
    pub newest: (i64, u32),
    /// The folder down to which there is but one name each: most likely what was backed up.
    pub path: Vec<u8>,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Found {
    /// Roots that are whole, the largest first.
    pub whole: Vec<Root>,
    /// How many more of these there are than are listed in one go.
    pub more: u64,
    /// How many more there are that lack something.
    pub broken: u64,
}

/// The source that such snapshots are of: nobody knows any more which it was.
pub const SOURCE: &str = "found again";

impl Root {
    /// A snapshot of it; `newest` says in words when something in it was last changed.
    pub fn snapshot(&self, newest: String) -> What {
        What::Snapshot(Box::new(Snapshot {
            source: SOURCE.to_owned(),
            tree: self.tree,
            paths: vec![self.path.clone()],
            tags: vec![newest],
            counts: self.counts,
            ..Snapshot::default()
        }))
    }
}

/// Reads every tree there is. Memory grows with their number: 48 bytes each.
///
/// # Errors
/// Those of the store, and `Interrupted`. What is damaged is told and passed by.
pub fn run(look: &Look, monitor: &dyn Monitor) -> Result<Found> {
    let mut trees: Vec<Id> = Vec::new();
    let mut named: HashSet<[u8; 16]> = HashSet::new();
    let packs = look.presence.packs();
    monitor.phase(
        "searching packs",
        Some((Counter::Objects, packs.len() as u64)),
    );
    for (pack, len) in packs
        .iter()
        .filter(|(pack, _)| !look.presence.is_tombed(pack))
    {
        for tree in trees_of(look, (pack, *len), monitor)? {
            match named_by(look, &tree) {
                Ok(below) => named.extend(below.iter().map(Id::prefix)),
                Err(error) if error.is_about_the_object() => monitor.problem(&error),
                Err(error) => return Err(error),
            }
            trees.push(tree);
        }
        monitor.count(Counter::Objects, 1);
    }
    let entries = look.chains.visible().chain(look.chains.hidden());
    named.extend(entries.filter_map(|(_, entry)| match &entry.what {
        What::Snapshot(snapshot) => Some(snapshot.tree.prefix()),
        _ => None,
    }));
    let mut found = Found::default();
    trees.sort_unstable();
    trees.dedup();
    for tree in trees
        .into_iter()
        .filter(|tree| !named.contains(&tree.prefix()))
    {
        match hidden::is_whole(&look.loader, tree)? {
            true => found.whole.push(measure(look, tree)?),
            false => found.broken += 1,
        }
    }
    let size = |root: &Root| (root.counts.files, root.newest);
    found
        .whole
        .sort_by_key(|root| std::cmp::Reverse(size(root)));
    found.more = found.whole.len().saturating_sub(FOUND_MAX) as u64;
    found.whole.truncate(FOUND_MAX);
    Ok(found)
}

fn trees_of(look: &Look, (pack, len): (&Id, u64), monitor: &dyn Monitor) -> Result<Vec<Id>> {
    if monitor.interrupted() {
        return Err(Error::new(Kind::Interrupted, "interrupted"));
    }
    let directory = match pack_directory(&look.repo, pack, len) {
        Ok((_, directory)) => directory,
        Err(error) if error.is_about_the_object() => {
            monitor.problem(&error);
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let blocks = directory.places();
    let blocks = blocks.filter(|(_, row)| row.kind == BlobKind::Tree);
    let ids = blocks.flat_map(|(place, _)| directory.ids[place.blobs].to_vec());
    Ok(ids.collect())
}

/// The trees right below one.
fn named_by(look: &Look, tree: &Id) -> Result<Vec<Id>> {
    let blob = look.loader.load(BlobKind::Tree, tree)?;
    Ok(match TreeBlob::decode(&blob)? {
        TreeBlob::Inner(children) => children.iter().map(|child| child.tree).collect(),
        TreeBlob::Leaf(leaf) => leaf.nodes.iter().filter_map(|node| node.tree).collect(),
    })
}

/// Counts what lies below a root.
fn measure(look: &Look, tree: Id) -> Result<Root> {
    let mut root = Root {
        tree,
        counts: Counts::default(),
        newest: (0, 0),
        path: Vec::new(),
    };
    let (mut open, mut is_line) = (vec![tree], true);
    while let Some(tree) = open.pop() {
        let mut nodes = Nodes::of(&look.loader, tree);
        let mut below = Vec::new();
        while let Some(node) = nodes.next_node()? {
            if node.kind == NodeKind::File {
                root.counts.files += 1;
                root.counts.bytes += node.size;
            }
            root.newest = root.newest.max((node.mtime, node.mtime_ns));
            below.push((node.name, node.tree));
        }
        root.counts.folders += below.iter().filter(|(_, tree)| tree.is_some()).count() as u64;
        is_line &= matches!(below[..], [(_, Some(_))]);
        if let (true, [(name, _)]) = (is_line, &below[..]) {
            root.path.push(b'/');
            root.path.extend_from_slice(name);
        }
        open.extend(below.into_iter().filter_map(|(_, tree)| tree));
    }
    Ok(root)
}
