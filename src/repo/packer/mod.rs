//! Blocks into packs, each checked before it counts.
//!
//! ```text
//! push ─ full block ─▶ workers: zstd, expand, compare ─▶ packer: lay out ─▶ sender: seal, name, open a share, put
//! ```
//!
//! Every queue is bounded and every large buffer goes back to where it came from, so memory is a constant. The sender
//! puts a pack before the index run that names it; a run is put whenever enough rows have gathered, and at the end.

mod threads;

use crate::compress::Level;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::block::BlockBuilder;
use crate::format::boxes::Sealer;
use crate::format::pack::{DataPackSize, PackBuilder};
use crate::host::Host;
use crate::id::Id;
use crate::repo::Repo;
use crate::repo::blocks::{Blocks, FullBlock, Shelf};
use crate::repo::index::Index;
use crate::repo::packer::threads::{
    Buffers, Pool, Ready, Shared, Spare, compress_blocks, lay_out, send_packs,
};
use crossbeam_channel::{Sender, bounded};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

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

impl Settings {
    /// What suits this many cores and a budget of memory in bytes.
    pub fn within(level: Level, recheck: bool, cores: usize, memory: u64) -> Self {
        // What a backup takes with one worker, and each further one, in MiB; see benches/README.md.
        let room = (memory >> 20).saturating_sub(136) / 10;
        let workers = usize::try_from(room).unwrap_or(1).min(cores).max(1);
        Self {
            level,
            workers,
            recheck,
        }
    }
}

/// Hears of every pack that has been put, and its length.
pub type Told = Box<dyn Fn(Id, u64) + Send + Sync>;

/// What other mirrors make of the packs.
pub struct Sharing {
    /// How large they get.
    pub size: DataPackSize,
    /// Who hears of them.
    pub told: Option<Told>,
}

impl Sharing {
    /// There is no other mirror.
    pub fn none() -> Self {
        Self {
            size: DataPackSize::ALONE,
            told: None,
        }
    }
}

/// What has been stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes of blobs that were new.
    pub raw: u64,
    /// Bytes of the packs that hold them.
    pub stored: u64,
    /// Packs put, and their lengths.
    pub packs: Vec<(Id, u64)>,
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
        sharing: Sharing,
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
            put: Mutex::default(),
            sharing,
        });
        let (jobs, todo) = bounded::<FullBlock>(1);
        let (ready, compressed) = bounded::<Ready>(0);
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

    /// An empty block for blobs of `kind`, for [`Packer::block`].
    pub fn empty(&self, kind: BlobKind) -> BlockBuilder {
        match self.spare.blocks.get() {
            Some(mut block) => {
                block.restart(kind);
                block
            }
            None => BlockBuilder::new(kind),
        }
    }

    /// Packs a block, beside those that are being filled.
    ///
    /// # Errors
    /// What went wrong in any of the threads.
    pub fn block(&mut self, block: FullBlock) -> Result<()> {
        self.raw += block.block.raw_len() as u64;
        self.send(block)
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
            packs: std::mem::take(
                &mut *self
                    .shared
                    .put
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            ),
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
