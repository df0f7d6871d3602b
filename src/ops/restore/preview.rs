//! What a restore would do, without doing it.

use crate::error::{Error, Kind, Result};
use crate::format::tree::node::{Node, NodeKind};
use crate::monitor::Monitor;
use crate::ops::restore::clean;
use crate::ops::restore::policy::{self, Verdict};
use crate::ops::restore::select::Select;
use crate::ops::restore::tree::{Start, Step, Tree};
use crate::ops::restore::{Loss, Options, Report};
use crate::repo::loader::Loader;
use crate::target::{FoundKind, Target};

/// Walks as a restore does and counts. Content is not read, so losses are those of folders alone.
pub(crate) fn run(
    loader: &Loader,
    start: &Start,
    select: Select,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let target = match Target::open(&options.target, false, options.privileged) {
        Ok(target) => Some(target),
        Err(error) if error.kind() == Kind::NotFound => None,
        Err(error) => return Err(error),
    };
    monitor.phase("looking what a restore would do", None);
    let mut tree = Tree::new(loader, start, select);
    let mut preview = Preview {
        loader,
        options,
        report: Report::default(),
        open: vec![target.is_some()],
        target,
    };
    if let Some(id) = start.tree() {
        preview.clean(&mut tree, id)?;
    }
    while let Some(step) = tree.next() {
        if monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        match step {
            Step::Enter(node, wanted) => preview.enter(&mut tree, &node, wanted)?,
            Step::Item(node) => preview.item(&node, tree.below())?,
            Step::Leave => drop(preview.open.pop()),
            Step::Gap(error) if error.kind() == Kind::Unreachable => return Err(error),
            Step::Gap(error) => {
                monitor.problem(&error);
                preview.report.losses.push(Loss {
                    path: tree.path().to_vec(),
                    ranges: Vec::new(),
                });
            }
        }
    }
    Ok(preview.report)
}

struct Preview<'a> {
    loader: &'a Loader,
    target: Option<Target>,
    options: &'a Options,
    report: Report,
    /// Whether each folder entered is there already.
    open: Vec<bool>,
}

impl Preview<'_> {
    fn enter(&mut self, tree: &mut Tree<'_>, node: &Node, wanted: bool) -> Result<()> {
        let found = self.found(tree.below())?;
        self.open.push(found == Some(FoundKind::Folder));
        self.report.folders += u64::from(wanted);
        match node.tree {
            Some(id) if wanted => self.clean(tree, id),
            _ => Ok(()),
        }
    }

    fn item(&mut self, node: &Node, path: &[u8]) -> Result<()> {
        let target = self
            .target
            .as_ref()
            .filter(|_| self.open.last().is_some_and(|there| *there));
        let (verdict, found) = match target {
            Some(target) => policy::judge(self.options.overwrite, target, path, node)?,
            None => (Verdict::Write, None),
        };
        match verdict {
            Verdict::Keep => self.report.kept += 1,
            Verdict::Identical => self.report.identical += 1,
            Verdict::Write => {
                let folder = found.is_some_and(|found| found.kind == FoundKind::Folder);
                if folder && self.options.delete {
                    self.report.to_delete.push(path.to_vec());
                }
                if node.kind == NodeKind::File {
                    self.report.files += 1;
                    self.report.bytes += node.size;
                } else {
                    self.report.others += 1;
                }
            }
        }
        Ok(())
    }

    fn clean(&mut self, tree: &mut Tree<'_>, id: crate::id::Id) -> Result<()> {
        let Some(target) = self.target.as_ref().filter(|_| self.options.delete) else {
            return Ok(());
        };
        if self.open.last().is_some_and(|there| *there) {
            self.report
                .to_delete
                .extend(clean::surplus(self.loader, id, target, tree)?);
        }
        Ok(())
    }

    fn found(&self, path: &[u8]) -> Result<Option<FoundKind>> {
        match &self.target {
            Some(target) if self.open.last().is_some_and(|there| *there) => {
                Ok(target.stat(path)?.map(|found| found.kind))
            }
            _ => Ok(None),
        }
    }
}
