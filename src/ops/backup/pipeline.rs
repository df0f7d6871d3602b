//! Reading: files are opened, read, cut and hashed by a few threads, in numbered batches that are taken up in order.
//!
//! A small file is read whole into its batch's buffer. A large one is read through at most two windows that travel to
//! the sequencer and back. The dispatcher takes credits for a batch before it hands it over, in order, so the batch
//! that is awaited always has what it needs.

use crate::chunker::Chunker;
use crate::chunker::class::Class;
use crate::chunker::filter::STREAM_BYTES;
use crate::compress::probe::{Group, Probe};
use crate::crypto::derive::Keys;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::limits::MIB;
use crate::ops::backup::reader::Reader;
use crate::ops::credits::Credits;
use crate::source::{Item, ItemKind, Stat};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Files up to this size are read whole into their batch.
pub const SMALL_FILE: u64 = BATCH_BYTES as u64;
/// Bytes and files of a batch.
pub const BATCH_BYTES: usize = MIB;
/// Files of a batch.
pub const BATCH_FILES: usize = 256;
/// A window holds the longest chunk and some more.
const WINDOW_BYTES: usize = 5 * MIB;
/// Bytes that all batches of small files may hold, and all windows of large ones. Apart, because their buffers are of
/// two sizes and stay in their pools.
const BATCH_CREDITS: usize = 5 * MIB;
const WINDOW_CREDITS: usize = 2 * WINDOW_BYTES;

/// A piece of a file between two cuts.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its id.
    pub id: Id,
    /// Where it lies in the buffer it came with.
    pub range: Range<usize>,
    /// Who shares a block with it.
    pub group: Group,
}

/// Everything but the content of one item, as it was when it was read.
#[derive(Debug)]
pub struct Facts {
    /// What stat said of the opened file.
    pub stat: Stat,
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where a symbolic link points.
    pub link: Vec<u8>,
    /// How finely it was cut.
    pub class: Class,
    /// Bytes of content, holes included.
    pub size: u64,
    /// Holes that were not read.
    pub holes: Vec<(u64, u64)>,
    /// It changed while it was being read.
    pub changed: bool,
    /// Its end could not be read.
    pub torn: Option<Error>,
}

/// What a reader sends.
pub enum Part {
    /// The small files of a batch, in order, each with its pieces in `buffer`.
    Small(Buffer, Vec<Result<(Facts, Vec<Piece>)>>),
    /// Some pieces of a large file.
    Window(Window, Vec<Piece>),
    /// The large file is complete.
    End(Box<Result<Facts>>),
}

/// A batch's buffer and its credits; both go back when it is dropped.
pub struct Buffer {
    /// The bytes.
    pub bytes: Vec<u8>,
    pub(crate) credits: usize,
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.shared.batches.give(std::mem::take(&mut self.bytes));
        self.shared.batch_credits.give(self.credits);
    }
}

/// A large file's buffer; it goes back to its reader when it is dropped, wherever that happens.
pub struct Window {
    /// The bytes.
    pub bytes: Vec<u8>,
    pub(crate) back: Sender<Vec<u8>>,
}

impl Drop for Window {
    fn drop(&mut self) {
        // A reader that needs no more windows has hung up.
        drop(self.back.send(std::mem::take(&mut self.bytes)));
    }
}

/// A batch on its way to a reader.
pub(crate) struct Job {
    pub(crate) items: Vec<Item>,
    pub(crate) large: bool,
    pub(crate) credits: usize,
    pub(crate) parts: Sender<Part>,
}

/// Buffers of one size that are used again and never given back to the allocator, which would scatter them over its
/// arenas and hold on to more than the budget allows.
pub(crate) struct Pool {
    spare: Mutex<Vec<Vec<u8>>>,
    bytes: usize,
}

impl Pool {
    fn new(bytes: usize) -> Self {
        Self {
            spare: Mutex::new(Vec::new()),
            bytes,
        }
    }

    pub(crate) fn take(&self) -> Vec<u8> {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        spare.unwrap_or_else(|| vec![0; self.bytes])
    }

    pub(crate) fn give(&self, buffer: Vec<u8>) {
        if buffer.len() == self.bytes {
            self.spare
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(buffer);
        }
    }
}

/// What all readers share.
pub(crate) struct Shared {
    pub(crate) batch_credits: Credits,
    pub(crate) window_credits: Credits,
    pub(crate) batches: Pool,
    pub(crate) windows: Pool,
    pub(crate) chunker: Chunker,
    pub(crate) keys: Arc<Keys>,
}

/// The threads that read.
pub struct Readers {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
}

impl Readers {
    /// Starts `threads` of them. They end when this and all it gave out are dropped.
    pub fn start(chunker: Chunker, keys: Arc<Keys>, threads: usize) -> Self {
        let shared = Arc::new(Shared {
            batch_credits: Credits::new(BATCH_CREDITS),
            window_credits: Credits::new(WINDOW_CREDITS),
            batches: Pool::new(BATCH_BYTES),
            windows: Pool::new(WINDOW_BYTES),
            chunker,
            keys,
        });
        let (jobs, todo) = bounded::<Job>(BATCH_CREDITS / BATCH_BYTES);
        for _ in 0..threads {
            let (shared, todo) = (Arc::clone(&shared), todo.clone());
            std::thread::spawn(move || {
                let mut reader = Reader {
                    shared,
                    probe: Probe::new(),
                };
                while let Ok(job) = todo.recv() {
                    reader.run(job);
                }
            });
        }
        Self { jobs, shared }
    }

    /// Hands a batch over once there are credits for it: several small items, or a single large file.
    pub fn submit(&self, items: Vec<Item>, large: bool) -> Receiver<Part> {
        let credits = match items.first() {
            Some(item) if large => {
                let want = WINDOW_BYTES * windows_of(item.stat.size);
                self.shared.window_credits.take(want)
            }
            _ => self.shared.batch_credits.take(BATCH_BYTES),
        };
        let (parts, results) = bounded(1);
        // A send fails only when every reader has panicked; the receiver then ends at once and says so.
        drop(self.jobs.send(Job {
            items,
            large,
            credits,
            parts,
        }));
        results
    }

    /// Reads one item on this thread, as a reader would: for the rare one that turns out not to be reusable.
    pub fn read_now(&self, item: Item) -> Receiver<Part> {
        let large = is_large(&item.stat);
        let (parts, results) = bounded(4);
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            let credits = 0;
            Reader {
                shared,
                probe: Probe::new(),
            }
            .run(Job {
                items: vec![item],
                large,
                credits,
                parts,
            });
        });
        results
    }
}

/// Whether an item is a file that travels alone.
pub fn is_large(stat: &Stat) -> bool {
    stat.kind == ItemKind::File && stat.size > SMALL_FILE
}

/// Two windows, so that one is filled while the other is taken up; a file that fits into one needs no second.
pub(crate) fn windows_of(size: u64) -> usize {
    if size <= WINDOW_BYTES as u64 { 1 } else { 2 }
}

/// The chunker of this repository.
pub fn chunker(keys: &Keys) -> Chunker {
    let mut stream = [0; STREAM_BYTES];
    keys.chunker_stage1(&mut stream);
    Chunker::new(&stream, keys.chunker_stage2())
}
