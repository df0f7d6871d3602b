//! From every snapshot down to every chunk: is each one in a pack that is whole? What is not is named as files.
//!
//! Trees met before and found whole are not walked again. A tree with a loss below it is, so that every snapshot that
//! shares the loss is told.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::tree::node::{Node, NodeKind, XattrValue};
use crate::id::Id;
use crate::limits::FOLDER_DEPTH_MAX;
use crate::monitor::{Aside, Monitor};
use crate::name::{self, Name};
use crate::repo::index::row::Place;
use crate::repo::loader::Loader;
use crate::repo::presence::Presence;
use crate::repo::view::{self, Nodes};
use std::collections::{BTreeMap, HashSet};

/// So many snapshots are named with each loss.
const SNAPSHOTS_NAMED: usize = 16;

/// A file or folder of which something cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The source's name.
    pub source: String,
    /// Its path in the snapshot.
    pub path: Vec<u8>,
    /// The snapshots that hold it so, oldest first, but for those in `more`.
    pub snapshots: Vec<Id>,
    /// How many snapshots more hold it so: of a thousand that share a loss not each is named with each file.
    pub more: u64,
    /// Bytes that are lost; 0 where the extent is unknown, as with a folder's listing.
    pub bytes: u64,
}

/// One version of a file: source, path, and what its content is.
type Version = (String, Vec<u8>, [u8; 16]);
/// A loss, and the snapshot that was counted last.
type Counted = (Loss, Option<Id>);

/// What the reading of packs found bad.
#[derive(Default)]
pub struct Bad {
    /// Packs that did not match their name or what the index says, or could not be read whole; some of their blobs may
    /// be good.
    pub packs: HashSet<Id>,
    /// Blobs found bad in a pack: pack and first half of the id.
    pub blobs: HashSet<(Id, [u8; 16])>,
    /// Those of `packs` that are themselves not what they should be, whatever an index says of them.
    pub spoilt: HashSet<Id>,
    /// Packs that a prune let go while they were read; what is needed of them lies elsewhere.
    pub gone: HashSet<Id>,
}

/// Walks snapshots.
pub struct Walk<'a> {
    loader: &'a Loader,
    bad: &'a Bad,
    monitor: &'a dyn Monitor,
    whole: HashSet<[u8; 16]>,
    losses: BTreeMap<Version, Counted>,
    /// Of the last snapshot whose entry was found gone, whether a mark says so.
    purged: Option<(Id, bool)>,
    /// Trees walked.
    pub trees: u64,
    /// Things of a newer version that were passed by.
    pub newer: u64,
}

impl<'a> Walk<'a> {
    /// Nothing walked yet.
    pub fn new(loader: &'a Loader, bad: &'a Bad, monitor: &'a dyn Monitor) -> Self {
        Self {
            loader,
            bad,
            monitor,
            whole: HashSet::new(),
            losses: BTreeMap::new(),
            purged: None,
            trees: 0,
            newer: 0,
        }
    }

    /// Walks one snapshot; memory grows with the depth of its folders, which is bounded, not with their number.
    ///
    /// # Errors
    /// `Interrupted`, and those of the store.
    pub fn snapshot(&mut self, source: &str, snapshot: Id, root: Id) -> Result<()> {
        if self.whole.contains(&root.prefix()) {
            return Ok(());
        }
        let mut path = Vec::new();
        let mut open = vec![Folder::of(self.loader, root, 0)];
        loop {
            let depth = open.len();
            let Some(folder) = open.last_mut() else {
                return Ok(());
            };
            if self.monitor.interrupted() {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            let next = folder.nodes.next_node();
            path.truncate(folder.path_len);
            match next {
                Ok(Some(node)) => {
                    path.push(b'/');
                    path.extend_from_slice(&node.name);
                    let lost = self.node(&node)?;
                    if lost > 0 && self.is_purged(snapshot)? {
                        return Ok(());
                    }
                    if lost > 0 {
                        folder.whole = false;
                        self.lost(source, snapshot, &path, lost, &node.content);
                    }
                    let Some(tree) = node.tree else { continue };
                    if depth >= FOLDER_DEPTH_MAX {
                        folder.whole = false;
                        self.too_deep(source, snapshot, &path, &tree);
                    } else if !self.whole.contains(&tree.prefix()) {
                        open.push(Folder::of(self.loader, tree, path.len()));
                    }
                }
                Ok(None) => {
                    let Some(done) = open.pop() else {
                        return Ok(());
                    };
                    self.trees += 1;
                    if done.whole {
                        self.whole.insert(done.tree.prefix());
                    } else if let Some(parent) = open.last_mut() {
                        parent.whole = false;
                    }
                }
                Err(error) if error.kind() == Kind::TooNew => {
                    self.newer += 1;
                    self.monitor.problem(&error);
                }
                Err(error) if error.costs_one_object() => {
                    if self.is_purged(snapshot)? {
                        return Ok(());
                    }
                    folder.whole = false;
                    let tree = folder.tree;
                    self.monitor.problem(&error);
                    self.lost(source, snapshot, &path, 0, tree.as_bytes());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Losses by source and path.
    pub fn losses(self) -> Vec<Loss> {
        self.losses.into_values().map(|(loss, _)| loss).collect()
    }

    /// Whether a prune has taken the snapshot since it was looked at: its entry goes first, and a mark names it.
    fn is_purged(&mut self, snapshot: Id) -> Result<bool> {
        if let Some((asked, purged)) = self.purged
            && asked == snapshot
        {
            return Ok(purged);
        }
        let name = Name::hashed(name::Folder::Entries, &snapshot.to_hex());
        let repo = self.loader.repo();
        match repo.store().get_range(&name, 0..1) {
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) if !error.costs_one_object() => return Err(error),
            _ => return Ok(false),
        }
        let now = Presence::read(repo, &Aside(self.monitor))?;
        let purged = now.is_purged(&snapshot);
        self.purged = Some((snapshot, purged));
        Ok(purged)
    }

    fn too_deep(&mut self, source: &str, snapshot: Id, path: &[u8], tree: &Id) {
        let error = Error::new(Kind::Damaged, "folders nest too deep");
        self.monitor.problem(&error);
        self.lost(source, snapshot, path, 0, tree.as_bytes());
    }

    fn lost(&mut self, source: &str, snapshot: Id, path: &[u8], bytes: u64, content: &[u8]) {
        let path = if path.is_empty() { b"/" } else { path }.to_vec();
        // Two versions of a file are two losses; one version in many snapshots is one.
        let version = hash::object_id(content).prefix();
        let (loss, last) = self
            .losses
            .entry((source.to_owned(), path.clone(), version))
            .or_insert_with(|| {
                let loss = Loss {
                    source: source.to_owned(),
                    path,
                    snapshots: Vec::new(),
                    more: 0,
                    bytes,
                };
                (loss, None)
            });
        // A damaged listing may be met twice in one snapshot.
        if last.replace(snapshot) == Some(snapshot) {
            return;
        }
        match loss.snapshots.len() < SNAPSHOTS_NAMED {
            true => loss.snapshots.push(snapshot),
            false => loss.more += 1,
        }
    }

    /// Bytes of one node's content that cannot be had.
    fn node(&mut self, node: &Node) -> Result<u64> {
        let mut lost = 0;
        for (_, value) in &node.xattrs {
            if let XattrValue::Chunks(ids) = value {
                for id in ids {
                    lost += u64::from(!self.is_good(id, None)?);
                }
            }
        }
        if node.kind != NodeKind::File {
            return Ok(lost);
        }
        let mut reached = 0;
        let walked = view::for_each_chunk(self.loader, node, &mut |item| {
            reached += u64::from(item.len);
            if !self.is_good(&item.id, Some(item.len))? {
                lost += u64::from(item.len);
            }
            Ok(())
        });
        match walked {
            Ok(()) => Ok(lost),
            Err(error) if error.kind() == Kind::TooNew => {
                self.monitor.problem(&error);
                self.newer += 1;
                Ok(lost)
            }
            Err(error) if error.costs_one_object() => {
                self.monitor.problem(&error);
                let holes: u64 = node.holes.iter().map(|(_, len)| len).sum();
                Ok((lost + node.size.saturating_sub(reached + holes)).max(1))
            }
            Err(error) => Err(error),
        }
    }

    fn is_good(&self, id: &Id, len: Option<u32>) -> Result<bool> {
        let places = self.loader.places(id, BlobKind::Chunk)?;
        let fits = |place: &&Place| len.is_none_or(|len| place.len == len);
        let sound = |place: &Place| {
            !self.bad.packs.contains(&place.pack)
                && !self.bad.gone.contains(&place.pack)
                && !self.bad.blobs.contains(&(place.pack, id.prefix()))
        };
        if places.iter().filter(fits).any(sound) {
            return Ok(true);
        }
        // A damaged pack may still hold this one whole, and what a prune let go lies elsewhere.
        let doubtful = |place: &Place| {
            self.bad.packs.contains(&place.pack) || self.bad.gone.contains(&place.pack)
        };
        if places.is_empty() || places.iter().filter(fits).any(doubtful) {
            return match self.loader.load(BlobKind::Chunk, id) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == Kind::TooNew => Err(error),
                Err(error) if error.costs_one_object() => Ok(false),
                Err(error) => Err(error),
            };
        }
        Ok(false)
    }
}

struct Folder<'a> {
    tree: Id,
    nodes: Nodes<'a>,
    path_len: usize,
    whole: bool,
}

impl<'a> Folder<'a> {
    fn of(loader: &'a Loader, tree: Id, path_len: usize) -> Self {
        Self {
            tree,
            nodes: Nodes::of(loader, tree),
            path_len,
            whole: true,
        }
    }
}
