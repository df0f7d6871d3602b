//! Reading back: what now lies in the target against the ids of the snapshot, file by file on several threads.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::block::blob_id;
use crate::format::tree::node::{Node, NodeKind};
use crate::monitor::{Counter, Monitor};
use crate::ops::restore::content::{self, Offsets, Part};
use crate::ops::restore::large;
use crate::ops::restore::select::Select;
use crate::ops::restore::shared::Passed;
use crate::ops::restore::tree::{Start, Step, Tree};
use crate::ops::restore::{Loss, Options};
use crate::repo::loader::Loader;
use crate::target::Target;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

/// Files that travel together, and their bytes at the most but for a single long one.
const FILES: usize = 256;
const BYTES: u64 = 8 << 20;

/// A restore to be read back.
pub(crate) struct Readback<'a> {
    pub(crate) loader: &'a Loader,
    pub(crate) target: &'a Target,
    pub(crate) options: &'a Options,
    pub(crate) monitor: &'a dyn Monitor,
    /// What was not written, or not whole.
    pub(crate) passed: Passed,
}

struct Item {
    path: Vec<u8>,
    below: Vec<u8>,
    node: Box<Node>,
}

impl Readback<'_> {
    /// Reads every file of the selection that was written or taken for identical; what differs.
    pub(crate) fn run(&self, start: &Start, select: Select) -> Result<Vec<Loss>> {
        self.monitor.phase("reading back", None);
        let losses = Mutex::new(Vec::new());
        let workers = self.options.workers.max(1);
        let walked = std::thread::scope(|scope| {
            let (items, todo) = bounded(workers);
            for _ in 0..workers {
                let (todo, losses) = (todo.clone(), &losses);
                scope.spawn(move || self.compare(&todo, losses));
            }
            drop(todo);
            self.walk(start, select, &items)
        });
        walked?;
        // What was handed out before that has not been compared.
        if self.monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        Ok(losses.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn walk(&self, start: &Start, select: Select, items: &Sender<Vec<Item>>) -> Result<()> {
        let mut tree = Tree::new(self.loader, start, select);
        let (mut held, mut bytes) = (Vec::new(), 0);
        while let Some(step) = tree.next() {
            if self.monitor.interrupted() {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            // A gap in a listing was told when it was met first.
            let Step::Item(node) = step else { continue };
            if node.kind != NodeKind::File
                || self
                    .passed
                    .contains(&hash::object_id(tree.below()).prefix())
            {
                continue;
            }
            bytes += node.size;
            held.push(Item {
                path: tree.path().to_vec(),
                below: tree.below().to_vec(),
                node,
            });
            if held.len() >= FILES || bytes >= BYTES {
                bytes = 0;
                // Nobody listens only if every thread has panicked, which the scope will say.
                drop(items.send(std::mem::take(&mut held)));
            }
        }
        drop(items.send(held));
        Ok(())
    }

    fn compare(&self, todo: &Receiver<Vec<Item>>, losses: &Mutex<Vec<Loss>>) {
        let mut buffer = Vec::new();
        while let Ok(items) = todo.recv() {
            for item in items {
                if self.monitor.interrupted() {
                    continue;
                }
                match self.differences(&item, &mut buffer) {
                    Ok(ranges) if ranges.is_empty() => {}
                    Ok(ranges) => self.differs(item, ranges, losses, None),
                    Err(error) => {
                        let all = vec![(0, item.node.size)];
                        self.differs(item, all, losses, Some(error));
                    }
                }
            }
        }
    }

    fn differs(
        &self,
        item: Item,
        ranges: Vec<(u64, u64)>,
        losses: &Mutex<Vec<Loss>>,
        error: Option<Error>,
    ) {
        let what = format!(
            "{}: read back, it is not what was saved",
            String::from_utf8_lossy(&item.below)
        );
        let mut problem = Error::new(Kind::Damaged, what);
        if let Some(error) = error {
            problem = problem.because(error);
        }
        self.monitor.problem(&problem);
        let mut losses = losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.push(Loss {
            path: item.path,
            ranges,
        });
    }

    /// The ranges of data that do not hash to their ids. Holes were never written, so they are not read.
    fn differences(&self, item: &Item, buffer: &mut Vec<u8>) -> Result<Vec<(u64, u64)>> {
        let file = self.target.read(&item.below)?;
        let size = self.target.stat(&item.below)?.map(|found| found.size);
        let mut wrong = Vec::new();
        if size != Some(item.node.size) {
            wrong.push((0, item.node.size));
            return Ok(wrong);
        }
        let keys = self.loader.repo().keys();
        let mut offsets = Offsets::of(&item.node);
        content::for_each_part(self.loader, &item.node, &mut |part| {
            let (mut left, id) = match part {
                Part::Chunk(chunk) => (u64::from(chunk.len), Some(chunk.id)),
                Part::Lost(len, _) => (len, None),
            };
            let mut stretches = Vec::with_capacity(1);
            buffer.clear();
            while left > 0 {
                let (offset, room) = offsets.next(left);
                left -= room;
                stretches.push((offset, room));
                if id.is_some() {
                    let from = buffer.len();
                    buffer.resize(from + usize::try_from(room).unwrap_or(0), 0);
                    if file.read_exact_at(&mut buffer[from..], offset).is_err() {
                        buffer.clear();
                        buffer.resize(from, 0);
                    }
                }
            }
            let good = id.is_some_and(|id| blob_id(keys, BlobKind::Chunk, buffer) == id);
            if !good {
                wrong.extend(stretches);
            }
            Ok(())
        })?;
        large::join(&mut wrong);
        self.monitor.count(Counter::Bytes, item.node.size);
        Ok(wrong)
    }
}
