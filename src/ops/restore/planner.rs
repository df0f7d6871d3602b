//! Items into drafts, drafts to the workers, one batch at work while the next is planned.
//!
//! What must wait for a batch waits here: later names of a file until the first is complete, and the metadata of a
//! folder until nothing more is written in it.

use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::tree::content::ContentItem;
use crate::format::tree::node::{Node, NodeKind, XattrValue};
use crate::limits::XATTR_BYTES_MAX;
use crate::monitor::{Counter, FileAction};
use crate::ops::restore::Overwrite;
use crate::ops::restore::batch::Batch;
use crate::ops::restore::content::{self, Offsets, Part};
use crate::ops::restore::large::Outcome;
use crate::ops::restore::links::{Link, Links};
use crate::ops::restore::plan::{Draft, Open};
use crate::ops::restore::policy::{self, Verdict};
use crate::ops::restore::run::Task;
use crate::ops::restore::shared::{Shared, Tally};
use crate::target::metadata::{Metadata, Subject};
use crate::target::{Existing, Found, write};
use crossbeam_channel::Sender;
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};

/// The first draft is this part of a full one, so that the workers need not wait for long.
const FIRST_SHARE: usize = 16;
/// Folders and later names that may wait for one batch, in bytes.
const WAITING_BYTES: usize = 4 << 20;

/// Takes items and sees to it that they are written.
pub(crate) struct Planner<'a> {
    shared: &'a Shared<'a>,
    tasks: Sender<Task>,
    draft: Draft,
    share: usize,
    after: After,
    running: Option<(Arc<Batch>, After)>,
    links: Links,
    /// What the planner itself has done.
    pub(crate) tally: Tally,
}

/// What is to be done once a batch is complete.
#[derive(Default)]
struct After {
    links: Vec<Link>,
    folders: Vec<(Vec<u8>, Metadata)>,
    bytes: usize,
}

impl<'a> Planner<'a> {
    /// Nothing planned; `tasks` leads to the workers.
    pub(crate) fn new(shared: &'a Shared<'a>, tasks: Sender<Task>) -> Self {
        Self {
            shared,
            tasks,
            draft: Draft::default(),
            share: FIRST_SHARE,
            after: After::default(),
            running: None,
            links: Links::default(),
            tally: Tally::default(),
        }
    }

    /// An item that is not a folder; `fresh` says that its folder is new, so that nothing can be there.
    pub(crate) fn item(&mut self, node: Box<Node>, path: &[u8], fresh: bool) -> Result<()> {
        if self.links.knows(&node) {
            self.after.bytes += path.len() + node.content.len() + size_of::<(Link, Node)>();
            self.after.links.push(Link {
                path: path.to_vec(),
                node,
                fresh,
            });
        } else {
            self.judged(&node, path, fresh)?;
        }
        if self.draft.is_full(self.share) || self.after.bytes >= WAITING_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn judged(&mut self, node: &Node, path: &[u8], fresh: bool) -> Result<()> {
        let options = self.shared.options;
        let judged = if fresh {
            Ok((Verdict::Write, None))
        } else {
            policy::judge(options.overwrite, self.shared.target, path, node)
        };
        match judged {
            Ok((Verdict::Write, _)) => {
                let usual = policy::existing(options.overwrite, options.delete);
                self.write(node, path, if fresh { Existing::Refuse } else { usual })?;
            }
            Ok((Verdict::Identical, found)) => {
                self.redress(node, path, found);
                self.links.remember(node, path, ended(Outcome::Whole));
                self.tally.report.identical += 1;
                self.tally
                    .done(self.shared, FileAction::Unchanged, path, node.size);
                self.shared.monitor.count(Counter::Items, 1);
            }
            Ok((Verdict::Keep, _)) => {
                self.tally.report.kept += 1;
                self.tally.pass(self.shared, path);
                self.tally
                    .done(self.shared, FileAction::Skipped, path, node.size);
                self.shared.monitor.count(Counter::Items, 1);
            }
            Err(error) => self.tally.refused(self.shared, path, error),
        }
        Ok(())
    }

    /// Mode, owner and attributes of a file whose content is as it should be.
    fn redress(&mut self, node: &Node, path: &[u8], found: Option<Found>) {
        let same = found.is_some_and(|found| {
            (found.mode, found.uid, found.gid) == (node.mode, node.uid, node.gid)
        });
        if node.kind != NodeKind::File || (same && node.xattrs.is_empty()) {
            return;
        }
        let metadata = self.metadata(node, path);
        match self.shared.target.read(path) {
            Ok(file) => {
                let missed = self
                    .shared
                    .target
                    .apply(&Subject::Open(file.as_fd()), &metadata);
                self.tally.missed(path, missed);
            }
            Err(error) => self.tally.refused(self.shared, path, error),
        }
    }

    fn write(&mut self, node: &Node, path: &[u8], existing: Existing) -> Result<()> {
        let metadata = self.metadata(node, path);
        if node.kind == NodeKind::File {
            return self.file(node, path, metadata, existing);
        }
        let target = self.shared.target;
        let (major, minor) = node.rdev.unwrap_or_default();
        let special = |kind| target.node(path, kind, &metadata, existing);
        let made = match node.kind {
            NodeKind::Symlink => target.symlink(path, &node.link, &metadata, existing),
            NodeKind::CharDevice => special(write::Node::CharDevice(major, minor)),
            NodeKind::BlockDevice => special(write::Node::BlockDevice(major, minor)),
            NodeKind::Fifo | NodeKind::File | NodeKind::Folder => special(write::Node::Fifo),
        };
        match made {
            Ok(missed) => {
                self.tally.missed(path, missed);
                self.links.remember(node, path, ended(Outcome::Whole));
                self.tally.report.others += 1;
                self.tally.done(self.shared, FileAction::Restored, path, 0);
                self.shared.monitor.count(Counter::Items, 1);
            }
            Err(error) => self.tally.refused(self.shared, path, error),
        }
        Ok(())
    }

    fn file(
        &mut self,
        node: &Node,
        path: &[u8],
        metadata: Metadata,
        existing: Existing,
    ) -> Result<()> {
        let mut open = self.draft.begin(path, node.size, metadata, existing);
        // Where time or mere presence decides, a file that was cut short must not be taken for the user's own.
        let aside = matches!(
            self.shared.options.overwrite,
            Overwrite::Never | Overwrite::IfNewer
        );
        if node.hard_link.is_some() || aside {
            let large = self.draft.enlarge(&mut open);
            self.links.remember(node, path, large.outcome());
        }
        let mut offsets = Offsets::of(node);
        content::for_each_part(self.shared.loader, node, &mut |part| match part {
            Part::Chunk(item) => self.chunk(&mut open, &mut offsets, item),
            Part::Lost(len, error) => {
                self.shared.problem(error);
                self.lose(&mut open, &mut offsets, len);
                self.shared.check()
            }
        })?;
        if let Some(large) = self.draft.close(open)
            && large.arrived(1)
        {
            large.finish(self.shared, &mut self.tally);
        }
        Ok(())
    }

    fn chunk(
        &mut self,
        open: &mut Open,
        offsets: &mut Offsets<'_>,
        item: ContentItem,
    ) -> Result<()> {
        if self.draft.is_full(self.share) {
            let large = self.draft.enlarge(open);
            self.flush()?;
            *open = self.draft.go_on(&large);
        }
        let places = self.shared.loader.places(&item.id, BlobKind::Chunk)?;
        let Some(place) = places.iter().find(|place| place.len == item.len) else {
            let what = format!("chunk {} is in no pack of this mirror", item.id);
            self.shared.problem(Error::new(Kind::Damaged, what));
            self.lose(open, offsets, u64::from(item.len));
            return Ok(());
        };
        let mut from = 0;
        while from < item.len {
            let (offset, room) = offsets.next(u64::from(item.len - from));
            let take = u32::try_from(room).unwrap_or(item.len - from);
            self.draft.add(open, item.id, place, (from, take), offset);
            from += take;
        }
        Ok(())
    }

    fn lose(&mut self, open: &mut Open, offsets: &mut Offsets<'_>, mut len: u64) {
        let large = self.draft.enlarge(open);
        while len > 0 {
            let (offset, room) = offsets.next(len);
            large.lose(offset, room);
            len -= room;
        }
    }

    /// A folder is complete but for what is still planned: its metadata is set after that.
    pub(crate) fn leave(&mut self, node: &Node, path: &[u8]) {
        let metadata = self.metadata(node, path);
        let attributes: usize = metadata
            .xattrs
            .iter()
            .map(|(name, value)| name.len() + value.len() + 48)
            .sum();
        self.after.bytes += path.len() + attributes + size_of::<(Vec<u8>, Metadata)>();
        self.after.folders.push((path.to_vec(), metadata));
    }

    fn metadata(&mut self, node: &Node, path: &[u8]) -> Metadata {
        let mut xattrs = Vec::with_capacity(node.xattrs.len());
        for (name, value) in &node.xattrs {
            match self.value(value) {
                Ok(value) => xattrs.push((name.clone(), value)),
                Err(error) => {
                    let missed = format!(
                        "attribute {}: {}",
                        String::from_utf8_lossy(name),
                        error.chain()
                    );
                    self.tally.missed(path, vec![missed]);
                    self.shared.problem(error);
                }
            }
        }
        Metadata {
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: policy::mtime(node),
            xattrs,
        }
    }

    fn value(&self, value: &XattrValue) -> Result<Vec<u8>> {
        let ids = match value {
            XattrValue::Inline(bytes) => return Ok(bytes.clone()),
            XattrValue::Chunks(ids) => ids,
        };
        let mut bytes = Vec::new();
        for id in ids {
            bytes.extend(self.shared.loader.load(BlobKind::Chunk, id)?);
            if bytes.len() > XATTR_BYTES_MAX {
                return Err(Error::new(Kind::Damaged, "longer than any system allows"));
            }
        }
        Ok(bytes)
    }

    /// Hands the draft to the workers, after what the batch before left to do.
    fn flush(&mut self) -> Result<()> {
        self.share = (self.share / 2).max(1);
        let draft = std::mem::take(&mut self.draft);
        let after = std::mem::take(&mut self.after);
        self.complete()?;
        let batch = self.submit(draft);
        self.running = Some((batch, after));
        Ok(())
    }

    fn submit(&self, draft: Draft) -> Arc<Batch> {
        let batch = Arc::new(draft.finish());
        for work in batch.work() {
            let task = Task {
                batch: Arc::clone(&batch),
                work: work.clone(),
            };
            if self.tasks.send(task).is_err() {
                let what = "every thread of this restore has ended: this is a bug";
                self.shared.fail(Error::new(Kind::Other, what));
            }
        }
        batch
    }

    /// Waits for the batch at work, makes later names, then sets the metadata of folders.
    fn complete(&mut self) -> Result<()> {
        let Some((batch, after)) = self.running.take() else {
            return self.shared.check();
        };
        batch.wait();
        drop(batch);
        self.shared.check()?;
        for link in &after.links {
            if !self.links.make(self.shared, &mut self.tally, link) {
                let node = Node {
                    hard_link: None,
                    ..(*link.node).clone()
                };
                self.judged(&node, &link.path, link.fresh)?;
                if self.draft.is_full(1) {
                    self.write_copies();
                }
            }
            self.shared.monitor.count(Counter::Items, 1);
        }
        self.write_copies();
        if let Some((copies, _)) = self.running.take() {
            copies.wait();
        }
        for (path, metadata) in &after.folders {
            match self.shared.target.finish_folder(path, metadata) {
                Ok(missed) => self.tally.missed(path, missed),
                Err(error) => self.tally.refused(self.shared, path, error),
            }
        }
        self.shared.hand_over(&mut self.tally);
        self.shared.check()
    }

    fn write_copies(&mut self) {
        if !self.draft.is_empty() {
            let draft = std::mem::take(&mut self.draft);
            self.submit(draft).wait();
        }
    }

    /// Writes all that is left and waits for it.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.complete()
    }
}

fn ended(outcome: Outcome) -> Arc<OnceLock<Outcome>> {
    Arc::new(OnceLock::from(outcome))
}
