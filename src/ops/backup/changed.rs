//! What may be skipped, and why that is safe.
//!
//! An item is unchanged if device, inode, size, mtime and ctime are what the last run saw and ctime is more than two
//! seconds older than the start of that run: a write in the same instant as the last look would leave no trace. ctime
//! covers modes, owners, attributes and access lists, so nothing else is asked.
//!
//! Whether the content of an unchanged item may be leaned on without asking is the session's business: with a parent
//! that vouches it may, otherwise every blob is asked for.

use crate::device::state::{Folder, Record, Siblings, StateReader};
use crate::error::{Error, Result};
use crate::host::Timestamp;
use crate::monitor::{FileAction, Monitor};
use crate::ops::backup::pipeline::{BATCH_BYTES, BATCH_FILES, Part, Readers, is_large};
use crate::source::{Item, ItemKind, Source, Stat, Step};
use crossbeam_channel::{Receiver, Sender};

/// How much older than the last run's start a ctime must be, in seconds.
const RACY_SECONDS: i64 = 2;
/// Events that travel together at the most.
const MESSAGE_EVENTS: usize = 1024;

/// Hash of a name as the state keeps it.
pub type NameHash<'a> = &'a (dyn Fn(&[u8]) -> [u8; 16] + Sync);

/// What the walk found, in its order.
pub enum Event {
    /// A folder begins; the state's record of it and whether its own stat is as it was.
    Enter(Item, Option<Folder>, bool),
    /// The folder entered last is complete.
    Leave,
    /// An item that is as it was.
    Same(Item),
    /// An item whose facts come with the message's parts, and whether the last run knew one of its name.
    Read(Item, bool),
    /// An item that could not be looked at.
    Skipped(Vec<u8>, Error),
}

/// Some events and, if any of them is `Read`, where their parts come from.
pub struct Message {
    /// In the order of the walk.
    pub events: Vec<Event>,
    /// The parts of its batch.
    pub parts: Option<Receiver<Part>>,
}

/// Whether an item is as the last run saw it.
pub fn is_same(record: &Record, stat: &Stat, last_start: Timestamp) -> bool {
    let size = if stat.kind == ItemKind::Folder {
        0
    } else {
        stat.size
    };
    record.is_folder == (stat.kind == ItemKind::Folder)
        && record.device == stat.device
        && record.inode == stat.inode
        && record.size == size
        && record.mtime == stat.mtime
        && record.ctime == stat.ctime
        && record.ctime.seconds.saturating_add(RACY_SECONDS) < last_start.seconds
}

/// What the last run's records say of an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    No,
    Same,
    /// Also where there was a last run of which no records are left.
    Changed,
}

/// Walks a source, compares with the last run, and sends what must be read to the readers.
pub struct Walker<'a> {
    /// What is walked.
    pub source: &'a mut dyn Source,
    /// The last run's records; `None` reads everything.
    pub state: Option<&'a StateReader>,
    /// Whether there was a last run.
    pub again: bool,
    /// Hash of a name as the state keeps it.
    pub hash: NameHash<'a>,
    /// Where files are read.
    pub readers: &'a Readers,
    /// Where the events go.
    pub messages: Sender<Message>,
    /// Asked whether to stop.
    pub monitor: &'a dyn Monitor,
}

impl Walker<'_> {
    /// Walks to the end. Ends early without an error when nobody listens any more: the listener knows why.
    ///
    /// # Errors
    /// Those of the source as a whole, and of the state file.
    pub fn run(mut self) -> Result<()> {
        let mut open: Vec<Option<Siblings>> = Vec::new();
        let mut events = Vec::new();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(step) = self.source.next()? {
            match step {
                Step::Enter(item) => {
                    let (folder, same) = self.folder(open.last_mut(), &item);
                    let siblings = match (&folder, self.state) {
                        (Some(folder), Some(state)) => Some(state.siblings(folder)?),
                        _ => None,
                    };
                    open.push(siblings);
                    events.push(Event::Enter(item, folder, same));
                }
                Step::Leave => {
                    open.pop();
                    events.push(Event::Leave);
                }
                Step::Unreadable(path, error) => events.push(Event::Skipped(path, error)),
                // A socket has no content, and no meaning without the process behind it.
                Step::Item(item) if item.stat.kind == ItemKind::Socket => {
                    self.monitor.file(FileAction::Skipped, &item.path, 0);
                }
                Step::Item(item) => {
                    let known = match self.look_up(open.last_mut(), &item) {
                        Known::Same => {
                            events.push(Event::Same(item));
                            continue;
                        }
                        known => known == Known::Changed,
                    };
                    if is_large(&item.stat) {
                        bytes = 0;
                        if !self.flush(&mut events, &mut batch) || !self.send_large(item, known) {
                            return Ok(());
                        }
                        continue;
                    }
                    let size = if item.stat.kind == ItemKind::File {
                        usize::try_from(item.stat.size).unwrap_or(BATCH_BYTES)
                    } else {
                        0
                    };
                    bytes += size;
                    if bytes > BATCH_BYTES {
                        if !self.flush(&mut events, &mut batch) {
                            return Ok(());
                        }
                        bytes = size;
                    }
                    batch.push(item.clone());
                    events.push(Event::Read(item, known));
                }
            }
            if batch.len() >= BATCH_FILES || events.len() >= MESSAGE_EVENTS {
                if !self.flush(&mut events, &mut batch) || self.monitor.interrupted() {
                    return Ok(());
                }
                bytes = 0;
            }
        }
        self.flush(&mut events, &mut batch);
        Ok(())
    }

    fn flush(&mut self, events: &mut Vec<Event>, batch: &mut Vec<Item>) -> bool {
        let parts = (!batch.is_empty()).then(|| self.readers.submit(std::mem::take(batch), false));
        events.is_empty()
            || self
                .messages
                .send(Message {
                    events: std::mem::take(events),
                    parts,
                })
                .is_ok()
    }

    fn send_large(&self, item: Item, known: bool) -> bool {
        let parts = Some(self.readers.submit(vec![item.clone()], true));
        let events = vec![Event::Read(item, known)];
        self.messages.send(Message { events, parts }).is_ok()
    }

    fn folder(
        &self,
        siblings: Option<&mut Option<Siblings>>,
        item: &Item,
    ) -> (Option<Folder>, bool) {
        let Some(state) = self.state else {
            return (None, false);
        };
        match siblings {
            // The root of the walk has no siblings.
            None => (Some(state.root()), true),
            Some(siblings) => {
                let found = siblings
                    .as_mut()
                    .and_then(|siblings| siblings.find(&(self.hash)(&item.name)));
                let Some((record, folder)) = found else {
                    return (None, false);
                };
                (folder, is_same(&record, &item.stat, state.started()))
            }
        }
    }

    fn look_up(&self, siblings: Option<&mut Option<Siblings>>, item: &Item) -> Known {
        let Some(state) = self.state else {
            return if self.again {
                Known::Changed
            } else {
                Known::No
            };
        };
        let Some(Some(siblings)) = siblings else {
            return Known::No;
        };
        match siblings.find(&(self.hash)(&item.name)) {
            Some((record, _)) if is_same(&record, &item.stat, state.started()) => Known::Same,
            Some(_) => Known::Changed,
            None => Known::No,
        }
    }
}
