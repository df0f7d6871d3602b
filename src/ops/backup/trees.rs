//! Folders into trees, and blobs to the packer.
//!
//! A folder of which nothing has changed keeps its tree id: no encoding, no hash, no question to the index. As long as
//! that may still be so its items are only counted; at the first one that differs, those before it are taken over from
//! the tree of the last snapshot and the folder is written anew, leaf by leaf.

use crate::device::state::{Folder, Record, StateWriter};
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::tree::content::ContentWriter;
use crate::format::tree::node::{Node, NodeKind, XattrValue};
use crate::format::tree::split::{Names, TreeWriter};
use crate::host::Timestamp;
use crate::id::Id;
use crate::limits::XATTR_INLINE_MAX;
use crate::ops::backup::changed::NameHash;
use crate::ops::backup::pipeline::Facts;
use crate::ops::backup::sink::Sink;
use crate::repo::loader::Loader;
use crate::repo::view::{self, Nodes};
use crate::source::metadata;
use crate::source::{Item, ItemKind, Stat};

struct Open<'a> {
    item: Item,
    old: Option<Folder>,
    same_stat: bool,
    /// Unchanged items so far, while the folder may still be unchanged as a whole.
    held: Vec<Vec<u8>>,
    tree: Option<TreeWriter<'a>>,
    old_nodes: Option<(Nodes<'a>, Option<Node>)>,
    records: Vec<Record>,
    folders: Vec<Folder>,
}

/// The root of what was built.
pub struct Built {
    /// Its tree.
    pub tree: Id,
    /// Its records in the new state file.
    pub state: Folder,
}

/// Builds trees from the walk, from the leaves up.
pub struct Builder<'a> {
    /// Where blobs go.
    pub sink: Sink,
    /// The new state file.
    pub state: StateWriter,
    loader: &'a Loader,
    split_key: [u8; 16],
    users: Names<'a>,
    groups: Names<'a>,
    hash: NameHash<'a>,
    vouched: bool,
    open: Vec<Open<'a>>,
    built: Option<Built>,
}

impl<'a> Builder<'a> {
    /// Begins. `vouched` says whether blobs of the last snapshot may be leaned on without asking.
    pub fn new(
        sink: Sink,
        state: StateWriter,
        loader: &'a Loader,
        hash: NameHash<'a>,
        (users, groups): (Names<'a>, Names<'a>),
        vouched: bool,
    ) -> Self {
        let split_key = sink.keys.tree_split();
        Self {
            sink,
            state,
            loader,
            split_key,
            users,
            groups,
            hash,
            vouched,
            open: Vec::new(),
            built: None,
        }
    }

    /// A folder begins.
    pub fn enter(&mut self, item: Item, old: Option<Folder>, same_stat: bool) {
        self.open.push(Open {
            item,
            old,
            same_stat,
            held: Vec::new(),
            tree: None,
            old_nodes: None,
            records: Vec::new(),
            folders: Vec::new(),
        });
    }

    /// An item that is as it was. `false` if its old node cannot be had or leaned on: then it must be read.
    ///
    /// # Errors
    /// Those of the packer.
    pub fn same(&mut self, item: &Item) -> Result<bool> {
        let Some(open) = self.open.last() else {
            return Ok(false);
        };
        if self.vouched && open.tree.is_none() {
            self.record(&item.name, &item.stat, true);
            if let Some(open) = self.open.last_mut() {
                open.held.push(item.name.clone());
            }
            return Ok(true);
        }
        let Some(node) = self.old_node(&item.name)? else {
            return Ok(false);
        };
        if !self.vouched && !self.all_present(&node)? {
            return Ok(false);
        }
        self.record(&item.name, &item.stat, true);
        self.push(node)?;
        Ok(true)
    }

    /// An item that was read; `content` are its chunks.
    ///
    /// # Errors
    /// Those of the packer.
    pub fn read(&mut self, item: &Item, facts: Facts, mut content: ContentWriter) -> Result<()> {
        let mut node = node_of(&item.name, &facts.stat);
        node.size = if facts.stat.kind == ItemKind::File {
            facts.size
        } else {
            0
        };
        node.class = facts.class as u8;
        node.holes = facts.holes;
        node.link = facts.link;
        node.flags = u8::from(facts.changed) | u8::from(facts.torn.is_some()) << 1;
        node.xattrs = self.xattrs(facts.xattrs)?;
        let sink = &mut self.sink;
        (node.content, node.depth) = content.finish(&mut |kind, bytes| sink.blob(kind, bytes))?;
        self.record(&item.name, &facts.stat, node.flags == 0);
        self.push(node)
    }

    /// The folder entered last is complete; returns whether it is as it was.
    ///
    /// # Errors
    /// Those of the packer and of the state file.
    pub fn leave(&mut self) -> Result<bool> {
        let Some(mut open) = self.open.pop() else {
            return Ok(false);
        };
        let whole = open
            .old
            .filter(|old| open.tree.is_none() && open.held.len() == old.len() && self.vouched);
        let tree = match whole {
            Some(old) => old.tree,
            None => {
                self.open.push(open);
                self.write_held()?;
                open = self.open.pop().expect("it was pushed two lines above");
                let mut tree = open.tree.take().unwrap_or_else(|| self.new_tree());
                let sink = &mut self.sink;
                tree.finish(&mut |kind, bytes| sink.blob(kind, bytes))?
            }
        };
        let place = self.state.add(tree, &open.records, &open.folders)?;
        let same = open.same_stat && open.old.is_some_and(|old| old.tree == tree);
        if self.open.is_empty() {
            self.built = Some(Built { tree, state: place });
            return Ok(same);
        }
        self.record(&open.item.name, &open.item.stat, true);
        let parent = self.open.last_mut().expect("it is not empty");
        parent.folders.push(place);
        if same && self.vouched && parent.tree.is_none() {
            parent.held.push(open.item.name);
            return Ok(true);
        }
        let old = match same {
            true => self.old_node(&open.item.name)?,
            false => None,
        };
        let node = match old {
            Some(node) => node,
            None => {
                let mut node = node_of(&open.item.name, &open.item.stat);
                node.xattrs =
                    self.xattrs(metadata::attributes_of_path(&open.item.path).unwrap_or_default())?;
                node.tree = Some(tree);
                node
            }
        };
        self.push(node)?;
        Ok(same)
    }

    /// The root, once it has been left, and the sink for finishing.
    ///
    /// # Errors
    /// An error in the program if the walk was not complete.
    pub fn finish(self) -> Result<(Built, Sink, StateWriter)> {
        let built = self.built.ok_or_else(|| {
            Error::new(
                crate::error::Kind::Other,
                "the source ended before its root was complete",
            )
        })?;
        Ok((built, self.sink, self.state))
    }

    fn record(&mut self, name: &[u8], stat: &Stat, steady: bool) {
        let record = Record {
            name: (self.hash)(name),
            device: stat.device,
            inode: stat.inode,
            size: if stat.kind == ItemKind::Folder {
                0
            } else {
                stat.size
            },
            mtime: stat.mtime,
            // What changed under our eyes is read again next time, whatever its times say then.
            ctime: if steady {
                stat.ctime
            } else {
                Timestamp {
                    seconds: i64::MAX,
                    nanos: 0,
                }
            },
            is_folder: stat.kind == ItemKind::Folder,
        };
        if let Some(open) = self.open.last_mut() {
            open.records.push(record);
        }
    }

    /// Appends a node to the folder entered last, after those that were held back.
    fn push(&mut self, node: Node) -> Result<()> {
        self.write_held()?;
        let fresh = self.new_tree();
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        let sink = &mut self.sink;
        open.tree
            .get_or_insert(fresh)
            .push(&node, &mut |kind, bytes| sink.blob(kind, bytes))
    }

    fn new_tree(&self) -> TreeWriter<'a> {
        TreeWriter::new(self.split_key, self.users, self.groups)
    }

    fn write_held(&mut self) -> Result<()> {
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        let held = std::mem::take(&mut open.held);
        if held.is_empty() {
            return Ok(());
        }
        let fresh = TreeWriter::new(self.split_key, self.users, self.groups);
        open.tree.get_or_insert(fresh);
        for name in held {
            let node = self.old_node(&name)?.ok_or_else(|| {
                let what = format!("the last snapshot cannot give back what it says of {}", String::from_utf8_lossy(&name));
                Error::new(crate::error::Kind::Damaged, what)
                    .hint("heirloom verify tells what is damaged; heirloom backup --force reads everything again")
            })?;
            let Some(open) = self.open.last_mut() else {
                return Ok(());
            };
            let Some(tree) = open.tree.as_mut() else {
                return Ok(());
            };
            let sink = &mut self.sink;
            tree.push(&node, &mut |kind, bytes| sink.blob(kind, bytes))?;
        }
        Ok(())
    }

    /// The node of this name in the last snapshot; `None` also where that cannot be read any more. Names are asked for
    /// in ascending order.
    fn old_node(&mut self, name: &[u8]) -> Result<Option<Node>> {
        let Some(open) = self.open.last_mut() else {
            return Ok(None);
        };
        let Some(tree) = open.old.map(|old| old.tree) else {
            return Ok(None);
        };
        let loader = self.loader;
        let (nodes, next) = open
            .old_nodes
            .get_or_insert_with(|| (Nodes::of(loader, tree), None));
        loop {
            match next {
                Some(node) if node.name.as_slice() == name => return Ok(next.take()),
                Some(node) if node.name.as_slice() > name => return Ok(None),
                _ => {}
            }
            match nodes.next_node() {
                Ok(Some(node)) => *next = Some(node),
                Ok(None) => return Ok(None),
                Err(error) if error.is_about_the_object() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn all_present(&self, node: &Node) -> Result<bool> {
        let index = self.loader.index();
        let mut all = true;
        for (_, value) in &node.xattrs {
            if let XattrValue::Chunks(ids) = value {
                for id in ids {
                    all &= index.holds(&id.prefix(), BlobKind::Chunk)?;
                }
            }
        }
        if node.kind != NodeKind::File {
            return Ok(all);
        }
        // A list that cannot be read counts as absent, and so does what it names.
        let listed = view::for_each_chunk(self.loader, node, &mut |item| {
            all &= index.holds(&item.id.prefix(), BlobKind::Chunk)?;
            Ok(())
        });
        Ok(all && listed.is_ok())
    }

    fn xattrs(&mut self, xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<(Vec<u8>, XattrValue)>> {
        let mut kept = Vec::with_capacity(xattrs.len());
        for (name, value) in xattrs {
            let value = if value.len() <= XATTR_INLINE_MAX {
                XattrValue::Inline(value)
            } else {
                XattrValue::Chunks(vec![self.sink.blob(BlobKind::Chunk, &value)?])
            };
            kept.push((name, value));
        }
        kept.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(kept)
    }
}

fn node_of(name: &[u8], stat: &Stat) -> Node {
    let is_device = matches!(stat.kind, ItemKind::CharDevice | ItemKind::BlockDevice);
    Node {
        name: name.to_vec(),
        kind: match stat.kind {
            ItemKind::File => NodeKind::File,
            ItemKind::Folder => NodeKind::Folder,
            ItemKind::Symlink => NodeKind::Symlink,
            ItemKind::CharDevice => NodeKind::CharDevice,
            ItemKind::BlockDevice => NodeKind::BlockDevice,
            ItemKind::Fifo | ItemKind::Socket => NodeKind::Fifo,
        },
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        mtime: stat.mtime.seconds,
        mtime_ns: stat.mtime.nanos,
        rdev: is_device.then_some(stat.rdev),
        hard_link: (stat.links > 1 && stat.kind != ItemKind::Folder)
            .then_some((stat.device, stat.inode)),
        ..Node::default()
    }
}
