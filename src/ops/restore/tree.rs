//! The wanted part of a snapshot, item by item in path order, with a stack of its own.

use crate::error::{Error, Kind, Result};
use crate::format::tree::node::Node;
use crate::id::Id;
use crate::limits::FOLDER_DEPTH_MAX;
use crate::ops::restore::select::{Select, Wanted};
use crate::repo::loader::Loader;
use crate::repo::view::{self, Found, Nodes};

/// Where a restore begins.
pub(crate) struct Start {
    what: What,
    /// What is stripped from paths of the snapshot: it begins and ends with `/`.
    pub(crate) prefix: Vec<u8>,
}

enum What {
    Folder(Id),
    Item(Box<Node>),
}

impl Start {
    /// The folder or item at `path`.
    pub(crate) fn find(loader: &Loader, root: Id, path: &[u8]) -> Result<Self> {
        let mut prefix = vec![b'/'];
        for part in path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
        {
            prefix.extend_from_slice(part);
            prefix.push(b'/');
        }
        let what = match view::find(loader, root, path)? {
            Found::Root(tree) => What::Folder(tree),
            Found::Node(node, _) => match node.tree {
                Some(tree) => What::Folder(tree),
                None => {
                    prefix.truncate(prefix.len() - 1 - node.name.len());
                    What::Item(node)
                }
            },
        };
        Ok(Self { what, prefix })
    }

    /// The tree of the folder it begins with.
    pub(crate) fn tree(&self) -> Option<Id> {
        match self.what {
            What::Folder(tree) => Some(tree),
            What::Item(_) => None,
        }
    }
}

/// One step of the walk; [`Tree::path`] says where.
pub(crate) enum Step {
    /// A folder begins; whether it is wanted itself.
    Enter(Box<Node>, bool),
    /// Something that is not a folder.
    Item(Box<Node>),
    /// The folder entered last is complete.
    Leave,
    /// The listing of the folder we are in has a gap.
    Gap(Error),
}

struct Folder<'a> {
    nodes: Nodes<'a>,
    path_len: usize,
    inside: bool,
}

/// The walk.
pub(crate) struct Tree<'a> {
    loader: &'a Loader,
    select: Select,
    open: Vec<Folder<'a>>,
    single: Option<Box<Node>>,
    path: Vec<u8>,
    prefix: usize,
    entered: Option<Folder<'a>>,
}

impl<'a> Tree<'a> {
    /// Begins at `start`.
    pub(crate) fn new(loader: &'a Loader, start: &Start, mut select: Select) -> Self {
        let path = start.prefix[..start.prefix.len() - 1].to_vec();
        let cuts = start
            .prefix
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, byte)| **byte == b'/');
        let inside = cuts.fold(false, |inside, (cut, _)| {
            inside || select.includes(&start.prefix[..cut])
        });
        let mut tree = Self {
            loader,
            select,
            open: Vec::new(),
            single: None,
            prefix: start.prefix.len(),
            path,
            entered: None,
        };
        match &start.what {
            What::Folder(id) => {
                let inside = inside || tree.select.includes(b"/");
                tree.open.push(Folder {
                    nodes: Nodes::of(loader, *id),
                    path_len: tree.path.len(),
                    inside,
                });
            }
            What::Item(node) => {
                tree.join(tree.path.len(), &node.name);
                // Named by the user: only the include patterns may still say no.
                if inside || tree.select.includes(&tree.path) {
                    tree.single = Some(node.clone());
                }
            }
        }
        tree
    }

    /// The path in the snapshot of the last step.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The same below the target.
    pub(crate) fn below(&self) -> &[u8] {
        self.path.get(self.prefix..).unwrap_or_default()
    }

    /// Whether all of the folder we are in is wanted, but for what is excluded.
    pub(crate) fn inside(&self) -> bool {
        let folder = self.entered.as_ref().or(self.open.last());
        folder.is_some_and(|folder| folder.inside)
    }

    /// Whether an item of the folder we are in would be wanted.
    pub(crate) fn wants(&mut self, path: &[u8]) -> bool {
        let inside = self.inside();
        self.select.judge(path, inside) == Wanted::Yes
    }

    /// Passes by what is in the folder entered last; there will be no `Leave`.
    pub(crate) fn skip(&mut self) {
        self.entered = None;
    }

    /// The next step, `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Step> {
        if let Some(node) = self.single.take() {
            return Some(Step::Item(node));
        }
        self.open.extend(self.entered.take());
        loop {
            let folder = self.open.last_mut()?;
            let (len, inside) = (folder.path_len, folder.inside);
            let next = folder.nodes.next_node();
            self.path.truncate(len);
            match next {
                Err(error) => return Some(Step::Gap(error)),
                Ok(None) => {
                    self.open.pop();
                    return (!self.open.is_empty()).then_some(Step::Leave);
                }
                Ok(Some(node)) => {
                    self.join(len, &node.name);
                    let wanted = self.select.judge(&self.path, inside);
                    match node.tree {
                        _ if wanted == Wanted::No => {}
                        Some(_) if self.open.len() >= FOLDER_DEPTH_MAX => {
                            return Some(Step::Gap(Error::new(
                                Kind::Damaged,
                                "folders nest too deep",
                            )));
                        }
                        Some(tree) => {
                            let wanted = wanted == Wanted::Yes;
                            let nodes = Nodes::of(self.loader, tree);
                            self.entered = Some(Folder {
                                nodes,
                                path_len: self.path.len(),
                                inside: wanted,
                            });
                            return Some(Step::Enter(Box::new(node), wanted));
                        }
                        None if wanted == Wanted::Yes => return Some(Step::Item(Box::new(node))),
                        None => {}
                    }
                }
            }
        }
    }

    fn join(&mut self, len: usize, name: &[u8]) {
        self.path.truncate(len);
        self.path.push(b'/');
        self.path.extend_from_slice(name);
    }
}
