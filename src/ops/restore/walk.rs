//! The snapshot from top to bottom: folders are made as they are met, what is in them goes to the planner.
//!
//! A folder of which only a part may be wanted is made when the first item below it is.

use crate::error::Result;
use crate::format::tree::node::Node;
use crate::ops::restore::clean;
use crate::ops::restore::planner::Planner;
use crate::ops::restore::policy;
use crate::ops::restore::run::Task;
use crate::ops::restore::select::Select;
use crate::ops::restore::shared::Shared;
use crate::ops::restore::tree::{Start, Step, Tree};
use crossbeam_channel::Sender;

/// A folder that was entered.
struct Folder {
    /// What is to be true of it in the end; the target itself stays as it is.
    node: Option<Box<Node>>,
    /// Its path below the target.
    path_len: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not made yet.
    Wanting,
    /// Made by us, so that nothing can be in it.
    Fresh,
    /// It was there.
    Found,
    /// It cannot be made.
    Refused,
}

/// The walk.
pub(crate) struct Walk<'a> {
    shared: &'a Shared<'a>,
    planner: Planner<'a>,
    open: Vec<Folder>,
}

impl<'a> Walk<'a> {
    /// Nothing walked yet; `tasks` leads to the workers.
    pub(crate) fn new(shared: &'a Shared<'a>, tasks: Sender<Task>) -> Self {
        Self {
            shared,
            planner: Planner::new(shared, tasks),
            open: Vec::new(),
        }
    }

    /// Walks, and returns once all is written.
    pub(crate) fn run(mut self, start: &Start, select: Select) -> Result<()> {
        let shared = self.shared;
        let mut tree = Tree::new(shared.loader, start, select);
        let state = if shared.target.list(b"")?.is_empty() {
            State::Fresh
        } else {
            State::Found
        };
        self.open.push(Folder {
            node: None,
            path_len: 0,
            state,
        });
        if let Some(id) = start.tree() {
            self.clean(&mut tree, id)?;
        }
        while let Some(step) = tree.next() {
            shared.check()?;
            match step {
                Step::Enter(node, wanted) => self.enter(&mut tree, node, wanted)?,
                Step::Item(node) => {
                    let state = self.make(tree.below());
                    if state != State::Refused {
                        self.planner
                            .item(node, tree.below(), state == State::Fresh)?;
                    }
                }
                Step::Leave => self.leave(tree.below()),
                Step::Gap(error) => {
                    self.planner.tally.lose(shared, tree.below(), Vec::new());
                    shared.problem(error);
                }
            }
        }
        self.planner.finish()
    }

    fn enter(&mut self, tree: &mut Tree<'a>, node: Box<Node>, wanted: bool) -> Result<()> {
        let id = node.tree;
        self.open.push(Folder {
            node: Some(node),
            path_len: tree.below().len(),
            state: State::Wanting,
        });
        if !wanted {
            return Ok(());
        }
        if self.make(tree.below()) == State::Refused {
            self.open.pop();
            tree.skip();
        } else if let Some(id) = id {
            self.clean(tree, id)?;
        }
        Ok(())
    }

    /// Makes every folder above and at `path` that was entered and is not there yet; the state of the last one.
    fn make(&mut self, path: &[u8]) -> State {
        let mut above = State::Found;
        let first = self
            .open
            .iter()
            .rposition(|folder| folder.state != State::Wanting)
            .unwrap_or(0);
        let options = self.shared.options;
        for folder in &mut self.open[first..] {
            if folder.state == State::Wanting {
                folder.state = if above == State::Refused {
                    State::Refused
                } else {
                    let path = &path[..folder.path_len];
                    match self
                        .shared
                        .target
                        .make_folder(path, policy::existing(options.overwrite, options.delete))
                    {
                        Ok(true) => State::Fresh,
                        Ok(false) => State::Found,
                        Err(error) => {
                            self.planner.tally.refused(self.shared, path, error);
                            State::Refused
                        }
                    }
                };
                self.planner.tally.report.folders += u64::from(folder.state != State::Refused);
            }
            above = folder.state;
        }
        above
    }

    fn leave(&mut self, path: &[u8]) {
        let Some(folder) = self.open.pop() else {
            return;
        };
        if let (Some(node), State::Fresh | State::Found) = (&folder.node, folder.state) {
            self.planner.leave(node, path);
        }
    }

    /// Removes what the snapshot does not have in the folder we are in, before anything is written there.
    fn clean(&mut self, tree: &mut Tree<'_>, id: crate::id::Id) -> Result<()> {
        let found = self
            .open
            .last()
            .is_some_and(|folder| folder.state == State::Found);
        if !self.shared.options.delete || !found {
            return Ok(());
        }
        for path in clean::surplus(self.shared.loader, id, self.shared.target, tree)? {
            match self.shared.target.remove(&path, true) {
                Ok(()) => self.planner.tally.report.deleted += 1,
                Err(error) => self.planner.tally.refused(self.shared, &path, error),
            }
        }
        Ok(())
    }
}
