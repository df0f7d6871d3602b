//! The threads of a packer, from full blocks to packs on the mirror.

use crate::compress::{Compressor, Expander};
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
use crate::repo::blocks::{Form, FullBlock};
use crate::repo::index::Index;
use crate::repo::loader::pack_kind_of;
use crate::repo::packer::{Settings, Sharing};
use crate::store::Payload;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One segment in this many is opened again from the bytes about to be sent.
const OPENED_AGAIN: u64 = 16;
/// Blocks and frames kept for use again.
const SPARE: usize = 1;
const BROKEN_MACHINE: &str =
    "nothing wrong was stored; memory or processor may be failing: test this machine";

/// What all threads of one packer share.
pub(crate) struct Shared {
    pub(crate) repo: Arc<Repo>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) index: Arc<Index>,
    pub(crate) settings: Settings,
    pub(crate) failed: AtomicBool,
    pub(crate) failure: Mutex<Option<Error>>,
    pub(crate) stored: AtomicU64,
    pub(crate) put: Mutex<Vec<(Id, u64)>>,
    pub(crate) sharing: Sharing,
}

impl Shared {
    pub(crate) fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    pub(crate) fn take_failure(&self) -> Error {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure
            .take()
            .unwrap_or_else(|| Error::new(Kind::Other, "a thread that writes packs ended early"))
    }
}

/// Buffers of a block's size, used again because fresh pages cost as much as hashing them.
pub(crate) struct Pool<T> {
    give: Sender<T>,
    take: Receiver<T>,
}

impl<T> Pool<T> {
    pub(crate) fn new() -> Self {
        let (give, take) = bounded(SPARE);
        Self { give, take }
    }

    pub(crate) fn get(&self) -> Option<T> {
        self.take.try_recv().ok()
    }

    pub(crate) fn put(&self, used: T) {
        // A full pool means that enough are about; this one is freed.
        drop(self.give.try_send(used));
    }
}

/// What serves again.
pub(crate) struct Spare {
    pub(crate) blocks: Pool<BlockBuilder>,
    pub(crate) frames: Pool<Vec<u8>>,
}

/// A block and, where that is smaller, its zstd frame.
pub(crate) struct Ready {
    block: BlockBuilder,
    frame: Option<Vec<u8>>,
}

/// A worker: compresses blocks and compares what they expand to.
pub(crate) fn compress_blocks(
    shared: &Shared,
    todo: &Receiver<FullBlock>,
    ready: &Sender<Ready>,
    spare: &Spare,
) {
    let mut compressor = Compressor::new(shared.settings.level);
    let mut expander = Expander::new();
    let mut scratch = Vec::new();
    while let Ok(FullBlock { block, form }) = todo.recv() {
        let (mut frame, mut made) = (None, false);
        match form {
            Form::Raw => {}
            Form::Frame(given) => frame = Some(given),
            Form::Compressed => {
                let mut out = spare.frames.get().unwrap_or_default();
                made = compressor.compress(block.raw(), &mut out);
                if made {
                    frame = Some(out);
                } else {
                    spare.frames.put(out);
                }
            }
        }
        // What was given was expanded by whoever gave it.
        if let Some(frame) = frame.as_ref().filter(|_| made && shared.settings.recheck) {
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
pub(crate) struct Buffers {
    data: Receiver<Vec<u8>>,
    tree: Receiver<Vec<u8>>,
}

/// Where they go back to.
pub(crate) struct GiveBuffers {
    data: Sender<Vec<u8>>,
    tree: Sender<Vec<u8>>,
}

impl Buffers {
    pub(crate) fn new() -> (GiveBuffers, Self) {
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

/// The one thread that lays blocks out in packs.
pub(crate) fn lay_out(
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
                .map(|buffer| PackBuilder::new(kind, shared.sharing.size, buffer));
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

/// The one thread that seals packs, names them, opens a share of them again and puts them, each before its index run.
pub(crate) fn send_packs(shared: &Shared, to_send: &Receiver<PackBuilder>, buffers: &GiveBuffers) {
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
    let mut put = shared.put.lock().unwrap_or_else(PoisonError::into_inner);
    put.push((pack.id, len));
    drop(put);
    if let Some(told) = &shared.sharing.told {
        told(pack.id, len);
    }
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
