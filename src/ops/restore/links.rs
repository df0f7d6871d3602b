//! Files with several names: the first name met is the file, the others are linked to it once it is complete.

use crate::error::{Error, Kind};
use crate::format::tree::node::{Node, NodeKind};
use crate::monitor::FileAction;
use crate::ops::restore::large::{self, Outcome};
use crate::ops::restore::policy::{self, Verdict};
use crate::ops::restore::shared::{Shared, Tally};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The first names, by device and inode in the source.
#[derive(Default)]
pub(crate) struct Links {
    first: HashMap<(u64, u64), First>,
}

struct First {
    path: Box<[u8]>,
    outcome: Arc<OnceLock<Outcome>>,
}

/// A later name.
pub(crate) struct Link {
    pub(crate) path: Vec<u8>,
    pub(crate) node: Box<Node>,
    /// The folder is new, so nothing can be there.
    pub(crate) fresh: bool,
}

impl Links {
    /// Whether another name of this node was met before.
    pub(crate) fn knows(&self, node: &Node) -> bool {
        node.hard_link
            .is_some_and(|pair| self.first.contains_key(&pair))
    }

    /// Remembers a first name.
    pub(crate) fn remember(&mut self, node: &Node, path: &[u8], outcome: Arc<OnceLock<Outcome>>) {
        if let Some(pair) = node.hard_link {
            self.first.insert(
                pair,
                First {
                    path: path.into(),
                    outcome,
                },
            );
        }
    }

    /// Makes a later name; `false` when the item must be written there of its own.
    pub(crate) fn make(&self, shared: &Shared<'_>, tally: &mut Tally, link: &Link) -> bool {
        let first = link.node.hard_link.and_then(|pair| self.first.get(&pair));
        let Some(first) = first else { return false };
        match first.outcome.get() {
            Some(Outcome::Whole) => make_whole(shared, tally, &first.path, link),
            Some(Outcome::Incomplete(path, lost)) => {
                tally.lose(shared, &link.path, lost.clone());
                tally.done(shared, FileAction::Incomplete, &link.path, link.node.size);
                if let Some(path) = path {
                    make_incomplete(shared, path, link);
                }
                true
            }
            Some(Outcome::Failed) | None => false,
        }
    }
}

fn make_whole(shared: &Shared<'_>, tally: &mut Tally, first: &[u8], link: &Link) -> bool {
    let options = shared.options;
    if !link.fresh {
        let judged = policy::judge(options.overwrite, shared.target, &link.path, &link.node);
        let here = shared.target.stat(first).ok().flatten();
        match judged {
            Ok((_, Some(found)))
                if here.is_some_and(|here| {
                    (here.device, here.inode) == (found.device, found.inode)
                }) =>
            {
                tally.report.identical += 1;
                tally.done(shared, FileAction::Unchanged, &link.path, 0);
                return true;
            }
            Ok((Verdict::Keep, _)) => {
                tally.report.kept += 1;
                tally.pass(shared, &link.path);
                tally.done(shared, FileAction::Skipped, &link.path, 0);
                return true;
            }
            // The same bytes under an inode of its own: the name is to be the same file again.
            Ok(_) => {}
            Err(error) => {
                tally.refused(shared, &link.path, error);
                return true;
            }
        }
    }
    let existing = policy::existing(options.overwrite, options.delete);
    if shared
        .target
        .hard_link(first, &link.path, existing)
        .is_err()
    {
        // Whatever the reason, a copy serves; if the folder is the reason, the copy will say so.
        return false;
    }
    if link.node.kind == NodeKind::File {
        tally.report.files += 1;
    } else {
        tally.report.others += 1;
    }
    tally.done(shared, FileAction::Restored, &link.path, 0);
    true
}

fn make_incomplete(shared: &Shared<'_>, first: &[u8], link: &Link) {
    let made = large::incomplete(shared.target, &link.path, link.node.size).and_then(|path| {
        shared
            .target
            .hard_link(first, &path, crate::target::Existing::Replace)
    });
    if let Err(error) = made {
        shared.problem(Error::new(Kind::Other, "link an incomplete file").because(error));
    }
}
