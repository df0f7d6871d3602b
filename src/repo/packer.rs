//! Blocks into packs, each checked before it counts.
//!
//!     push ─ full block ─▶ workers: zstd, expand, compare ─▶ packer: lay out ─▶ sender: seal, name, open a share, put
//!
//! Every queue is bounded and every large buffer goes back to where it came from, so memory is a constant. The sender
//! puts a pack before the index run that names it; a run is put whenever enough rows have gathered, and at the end.

use crate::compress::{Compressor, Expander, Level};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::block::BlockBuilder;
use crate::format::boxes::Sealer;
use crate::format::directory::Codec;
use crate::format::index::RunBuilder;
use crate::format::pack::{PackBuilder, PackedBlock, recheck};
use crate::host::Host;
use crate::id::Id;
use crate::limits::INDEX_ROWS_WRITTEN;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::blocks::{Blocks, FullBlock, Shelf};
use crate::repo::index::Index;
use crate::repo::loader::pack_kind_of;
use crate::store::Payload;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// One segment in this many is opened again from the bytes about to be sent.
const OPENED_AGAIN: u64 = 16;
/// Blocks and frames kept for use again.
const SPARE: usize = 1;
const BROKEN_MACHINE: &str =
    "nothing wrong was stored; memory or processor may be failing: test this machine";

/// How packs are made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How hard to compress.
    pub level: Level,
    /// Threads that compress.
    pub workers: usize,
    /// Whether blocks and packs are checked before they count.
    pub recheck: bool,
}

/// What has been stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes of blobs that were new.
    pub raw: u64,
    /// Bytes of the packs that hold them.
    pub stored: u64,
    /// Packs put.
    pub packs: u64,
}

struct Shared {
    repo: Arc<Repo>,
    host: Arc<dyn Host>,
    sealer: Arc<Sealer>,
    index: Arc<Index>,
    settings: Settings,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    stored: AtomicU64,
    packs: AtomicU64,
}

impl Shared {
    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    fn take_failure(&self) -> Error {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure
            .take()
            .unwrap_or_else(|| Error::new(Kind::Other, "a thread that writes packs ended early"))
    }
}

/// Buffers of a block's size, used again because fresh pages cost as much as hashing them.
struct Pool<T> {
    give: Sender<T>,
    take: Receiver<T>,
}

impl<T> Pool<T> {
    fn new() -> Self {
        let (give, take) = bounded(SPARE);
        Self { give, take }
    }

    fn get(&self) -> Option<T> {
        self.take.try_recv().ok()
    }

    fn put(&self, used: T) {
        // A full pool means that enough are about; this one is freed.
        drop(self.give.try_send(used));
    }
}

struct Spare {
    blocks: Pool<BlockBuilder>,
    frames: Pool<Vec<u8>>,
}

/// A block and, where that is smaller, its zstd frame.
struct Ready {
    block: BlockBuilder,
    frame: Option<Vec<u8>>,
}

/// Takes blobs, puts packs.
pub struct Packer {
    blocks: Blocks,
    raw: u64,
    jobs: Option<Sender<FullBlock>>,
    spare: Arc<Spare>,
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Packer {
    /// Starts the threads.
    pub fn start(
        repo: &Arc<Repo>,
        host: &Arc<dyn Host>,
        sealer: &Arc<Sealer>,
        index: &Arc<Index>,
        settings: Settings,
    ) -> Self {
        let shared = Arc::new(Shared {
            repo: Arc::clone(repo),
            host: Arc::clone(host),
            sealer: Arc::clone(sealer),
            index: Arc::clone(index),
            settings,
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
            stored: AtomicU64::new(0),
            packs: AtomicU64::new(0),
        });
        let (jobs, todo) = bounded::<FullBlock>(1);
        let (ready, compressed) = bounded::<Ready>(1);
        let (full, to_send) = bounded::<PackBuilder>(0);
        let spare = Arc::new(Spare {
            blocks: Pool::new(),
            frames: Pool::new(),
        });
        let mut threads = Vec::new();
        for _ in 0..settings.workers {
            let (shared, todo, ready, spare) = (
                Arc::clone(&shared),
                todo.clone(),
                ready.clone(),
                Arc::clone(&spare),
            );
            threads.push(std::thread::spawn(move || {
                compress_blocks(&shared, &todo, &ready, &spare)
            }));
        }
        let (give_buffer, buffers) = Buffers::new();
        let (worker, give) = (Arc::clone(&shared), Arc::clone(&spare));
        threads.push(std::thread::spawn(move || {
            lay_out(&worker, &compressed, &full, &buffers, &give)
        }));
        let worker = Arc::clone(&shared);
        threads.push(std::thread::spawn(move || {
            send_packs(&worker, &to_send, &give_buffer)
        }));
        Self {
            blocks: Blocks::default(),
            raw: 0,
            jobs: Some(jobs),
            spare,
            threads,
            shared,
        }
    }

    /// Appends a new blob to the open block of its shelf.
    ///
    /// # Errors
    /// What went wrong in any of the threads.
    pub fn push(&mut self, shelf: Shelf, id: Id, bytes: &[u8]) -> Result<()> {
        self.raw += bytes.len() as u64;
        let spare = &self.spare.blocks;
        match self.blocks.push(shelf, id, bytes, &mut || spare.get()) {
            Some(full) => self.send(full),
            None => Ok(()),
        }
    }

    fn send(&self, block: FullBlock) -> Result<()> {
        let sent = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(block).is_ok());
        if !sent || self.shared.failed.load(Ordering::Acquire) {
            return Err(self.shared.take_failure());
        }
        Ok(())
    }

    /// Packs the open blocks, puts what is left and the last index run, and waits until all is durable.
    ///
    /// # Errors
    /// What went wrong in any of the threads.
    pub fn finish(mut self) -> Result<Stored> {
        for block in self.blocks.drain() {
            self.send(block)?;
        }
        self.close();
        if self.shared.failed.load(Ordering::Acquire) {
            return Err(self.shared.take_failure());
        }
        Ok(Stored {
            raw: self.raw,
            stored: self.shared.stored.load(Ordering::Relaxed),
            packs: self.shared.packs.load(Ordering::Relaxed),
        })
    }
}

impl Packer {
    fn close(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared.fail(Error::new(
                    Kind::Other,
                    "a thread that writes packs panicked: this is a bug",
                ));
            }
        }
    }
}

impl Drop for Packer {
    /// Given up without [`Packer::finish`]: packs under way are completed, open ones are dropped.
    fn drop(&mut self) {
        self.shared.failed.store(true, Ordering::Release);
        self.close();
    }
}

fn compress_blocks(
    shared: &Shared,
    todo: &Receiver<FullBlock>,
    ready: &Sender<Ready>,
    spare: &Spare,
) {
    let mut compressor = Compressor::new(shared.settings.level);
    let mut expander = Expander::new();
    let mut scratch = Vec::new();
    while let Ok(FullBlock { block, compress }) = todo.recv() {
        let mut frame = None;
        if compress {
            let mut out = spare.frames.get().unwrap_or_default();
            if compressor.compress(block.raw(), &mut out) {
                frame = Some(out);
            } else {
                spare.frames.put(out);
            }
        }
        if let Some(frame) = frame.as_ref().filter(|_| shared.settings.recheck) {
            let expanded = expander.expand(frame, block.raw_len(), &mut scratch);
            if expanded.is_none() || scratch != block.raw() {
                let what = "a compressed block did not expand to what it was made from";
                return shared.fail(Error::new(Kind::Other, what).hint(BROKEN_MACHINE));
            }
        }
        if ready.send(Ready { block, frame }).is_err() {
            return;
        }
    }
}

/// Two buffers for data packs, so that one is filled while the other is sealed and sent; one for tree packs, which are
/// few.
struct Buffers {
    data: Receiver<Vec<u8>>,
    tree: Receiver<Vec<u8>>,
}

struct GiveBuffers {
    data: Sender<Vec<u8>>,
    tree: Sender<Vec<u8>>,
}

impl Buffers {
    fn new() -> (GiveBuffers, Self) {
        let ((give_data, data), (give_tree, tree)) = (bounded(2), bounded(1));
        for give in [&give_data, &give_data, &give_tree] {
            give.send(Vec::new()).expect("the queues hold two and one");
        }
        (
            GiveBuffers {
                data: give_data,
                tree: give_tree,
            },
            Self { data, tree },
        )
    }

    fn take(&self, kind: ObjectKind) -> Option<Vec<u8>> {
        let buffers = if kind == ObjectKind::DataPack {
            &self.data
        } else {
            &self.tree
        };
        buffers.recv().ok()
    }
}

fn lay_out(
    shared: &Shared,
    compressed: &Receiver<Ready>,
    full: &Sender<PackBuilder>,
    buffers: &Buffers,
    spare: &Spare,
) {
    let mut open: [Option<PackBuilder>; 2] = [None, None];
    while let Ok(Ready { block, frame }) = compressed.recv() {
        let kind = pack_kind_of(block.kind());
        let stored = frame.as_deref().unwrap_or(block.raw());
        let slot = &mut open[usize::from(kind == ObjectKind::TreePack)];
        if let Some(pack) =
            slot.take_if(|pack| pack.is_full() || !pack.fits(stored.len(), block.blobs().len()))
        {
            // Data packs are cut where they pad least; what is behind the cut begins the next one.
            let (pack, next) = if kind == ObjectKind::DataPack {
                let Some(buffer) = buffers.take(kind) else {
                    return;
                };
                let (pack, next) = pack.split(buffer);
                (pack, Some(next))
            } else {
                (pack, None)
            };
            *slot = next;
            if full.send(pack).is_err() {
                return;
            }
        }
        if slot.is_none() {
            *slot = buffers
                .take(kind)
                .map(|buffer| PackBuilder::new(kind, buffer));
        }
        let Some(pack) = slot else { return };
        pack.push(&PackedBlock {
            stored,
            raw_len: u32::try_from(block.raw_len()).expect("a block is at most 4 MiB"),
            codec: if frame.is_some() {
                Codec::Zstd
            } else {
                Codec::Stored
            },
            kind: block.kind(),
            blobs: block.blobs(),
        });
        frame.into_iter().for_each(|frame| spare.frames.put(frame));
        spare.blocks.put(block);
    }
    if shared.failed.load(Ordering::Acquire) {
        return;
    }
    for pack in open.into_iter().flatten().filter(|pack| !pack.is_empty()) {
        if full.send(pack).is_err() {
            return;
        }
    }
}

fn send_packs(shared: &Shared, to_send: &Receiver<PackBuilder>, buffers: &GiveBuffers) {
    let mut run = RunBuilder::new();
    while let Ok(pack) = to_send.recv() {
        let sent = send_pack(shared, pack, buffers, &mut run).and_then(|()| {
            if run.rows() >= INDEX_ROWS_WRITTEN {
                put_run(shared, std::mem::take(&mut run))
            } else {
                Ok(())
            }
        });
        if let Err(error) = sent {
            return shared.fail(error);
        }
    }
    if !shared.failed.load(Ordering::Acquire)
        && let Err(error) = put_run(shared, run)
    {
        shared.fail(error);
    }
}

fn send_pack(
    shared: &Shared,
    pack: PackBuilder,
    buffers: &GiveBuffers,
    run: &mut RunBuilder,
) -> Result<()> {
    let mut random = [0; 32];
    shared.host.random(&mut random);
    let pack = pack.finish(&shared.sealer, &random);
    if shared.settings.recheck {
        recheck(&pack, shared.repo.opener(), OPENED_AGAIN).map_err(|error| {
            error
                .with_kind(Kind::Other)
                .during("a sealed pack could not be opened again")
                .hint(BROKEN_MACHINE)
        })?;
    }
    let len = pack.bytes.len() as u64;
    let name = Name::hashed(Folder::Packs, &pack.id.to_hex());
    let payload = Payload::new(pack.bytes);
    shared.repo.store().put(&name, &payload)?;
    shared.stored.fetch_add(len, Ordering::Relaxed);
    shared.packs.fetch_add(1, Ordering::Relaxed);
    run.add_pack(pack.id, pack.kind, len, &pack.directory);
    let give = if pack.kind == ObjectKind::DataPack {
        &buffers.data
    } else {
        &buffers.tree
    };
    drop(give.send(payload.into_buffer().unwrap_or_default()));
    Ok(())
}

fn put_run(shared: &Shared, run: RunBuilder) -> Result<()> {
    let run = run.finish();
    if run.packs.is_empty() {
        return Ok(());
    }
    let (area, record) = run.encode();
    let id = shared.repo.put_hashed(
        &shared.sealer,
        ObjectKind::IndexRun,
        &area,
        &record,
        &*shared.host,
    )?;
    shared.index.add_own(&run, &[id])
}
