//! Needed blobs of packs that go, packed anew.

use crate::compress::{Expander, Level};
use crate::error::Result;
use crate::format::block::blob_id;
use crate::format::directory::{BlockRow, Codec, Directory};
use crate::format::pack::DataPackSize;
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::ops::by::By;
use crate::ops::carry::Carried;
use crate::repo::Repo;
use crate::repo::blocks::{Form, FullBlock};
use crate::repo::index::Index;
use crate::repo::index::directories::pack_directory;
use crate::repo::index::reached::Reached;
use crate::repo::index::row::Place;
use crate::repo::loader::{Loader, expand_block};
use crate::repo::look::Look;
use crate::repo::packer::{Packer, Settings, Sharing};
use crate::repo::request::together;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// Blobs packed in this run and kept in mind before those that the index has learnt are dropped.
const TAKEN_MAX: usize = 1 << 18;

/// Packs anew what is needed of `packs`; the packs that were made.
pub(super) fn repack(
    whole: &Look,
    repo: &Arc<Repo>,
    index: &Arc<Index>,
    reached: &Reached,
    (packs, carried): (&BTreeSet<Id>, &mut Carried),
    by: By<'_>,
) -> Result<Vec<(Id, u64)>> {
    let sealer = Arc::new(repo.sealer(by.writer));
    let settings = Settings::within(Level::Auto, true, 1, 0);
    let sharing = Sharing {
        size: DataPackSize::ALONE,
        told: None,
    };
    let mut packer = Packer::start(repo, by.host, &sealer, index, settings, sharing);
    let mut taken = HashSet::new();
    let mut unread = Vec::new();
    // Packs of which nobody can say what they hold.
    let mut closed = BTreeMap::new();
    for pack in packs {
        let Some(len) = whole.presence.packs().get(pack) else {
            continue;
        };
        by.require_patience()?;
        let mut moving = Moving {
            loader: &whole.loader,
            index,
            reached,
            packer: &mut packer,
            taken: &mut taken,
            missed: Vec::new(),
        };
        match pack_directory(&whole.repo, pack, *len) {
            Ok((kind, directory)) => moving.pack(pack, (kind, *len), &directory)?,
            Err(error) if error.is_about_the_object() => {
                closed.insert(*pack, error);
            }
            Err(error) => return Err(error),
        }
        let missed = std::mem::take(&mut moving.missed);
        if taken.len() > TAKEN_MAX {
            forget_known(&mut taken, index)?;
        }
        unread.extend(missed.into_iter().map(|(kind, id)| (*pack, kind, id)));
    }
    let packed = (&mut packer, &mut taken);
    let kept = from_elsewhere(whole, index, unread, packed)?;
    carried.kept.extend(kept);
    let stored = packer.finish()?;
    carried.packed += stored.stored;
    if !closed.is_empty() {
        let held = |kind, prefix: &[u8; 16]| match taken.contains(prefix) {
            true => Ok(true),
            false => index.holds(prefix, kind),
        };
        reached.each(&mut |kind, prefix| {
            if !held(kind, prefix)? {
                let places = whole.index.places_of(prefix, kind)?;
                let only = places
                    .iter()
                    .filter(|place| closed.contains_key(&place.pack));
                carried.kept.extend(only.map(|place| place.pack));
            }
            Ok(())
        })?;
    }
    for (_, error) in closed
        .iter()
        .filter(|(pack, _)| carried.kept.contains(pack))
    {
        by.monitor.problem(error);
    }
    Ok(stored.packs)
}

/// What one pack did not give another may have given, or one that stays on another mirror gives it. The packs of which
/// something is left that nobody gives.
fn from_elsewhere(
    whole: &Look,
    index: &Index,
    unread: Vec<(Id, BlobKind, Id)>,
    (packer, taken): (&mut Packer, &mut HashSet<[u8; 16]>),
) -> Result<BTreeSet<Id>> {
    let mut kept = BTreeSet::new();
    for (pack, kind, id) in unread {
        if taken.contains(&id.prefix()) || index.holds(&id.prefix(), kind)? {
            continue;
        }
        match whole.loader.load(kind, &id) {
            Ok(bytes) => {
                let mut block = packer.empty(kind);
                block.push(id, &bytes);
                let form = Form::Compressed;
                packer.block(FullBlock { block, form })?;
                taken.insert(id.prefix());
            }
            Err(error) if error.is_about_the_object() => {
                kept.insert(pack);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(kept)
}

/// Drops what the index has learnt meanwhile.
fn forget_known(taken: &mut HashSet<[u8; 16]>, index: &Index) -> Result<()> {
    let mut failed = Ok(());
    taken.retain(|prefix| {
        let known = BlobKind::ALL
            .iter()
            .any(|kind| match index.holds(prefix, *kind) {
                Ok(known) => known,
                Err(error) => {
                    failed = Err(error);
                    false
                }
            });
        !known
    });
    failed
}

/// A block of which something is needed.
struct Needed {
    place: Place,
    row: BlockRow,
    /// The blobs, each with where it lies in the expanded block.
    blobs: Vec<(Id, Range<usize>)>,
}

impl Needed {
    /// Where its stored bytes lie in the pack.
    fn range(&self) -> Range<u64> {
        let start = u64::from(self.place.block_offset);
        start..start + u64::from(self.place.stored_len)
    }
}

/// A block that was read.
#[derive(Default)]
struct Opened {
    /// As it lies in its pack.
    stored: Vec<u8>,
    /// Its blobs, back to back.
    raw: Vec<u8>,
}

/// One pack from which the needed blobs move.
struct Moving<'a> {
    loader: &'a Loader,
    index: &'a Index,
    reached: &'a Reached,
    packer: &'a mut Packer,
    /// What was packed already, in this run.
    taken: &'a mut HashSet<[u8; 16]>,
    /// Needed blobs that could not be read here.
    missed: Vec<(BlobKind, Id)>,
}

impl Moving<'_> {
    fn pack(
        &mut self,
        pack: &Id,
        (kind, len): (ObjectKind, u64),
        directory: &Directory,
    ) -> Result<()> {
        let mut blocks = Vec::new();
        for (at, row) in directory.places() {
            let blobs = at.blobs.clone();
            let ids = directory.ids.get(blobs.clone()).unwrap_or_default();
            let lens = directory.lens.get(blobs).unwrap_or_default();
            let mut needed = Vec::new();
            let mut offset = 0usize;
            for (id, len) in ids.iter().zip(lens) {
                let end = offset + *len as usize;
                if self.is_needed(row.kind, id)? {
                    needed.push((*id, offset..end));
                }
                offset = end;
            }
            if !needed.is_empty() {
                blocks.push(Needed {
                    place: place_of(pack, (kind, len), at.offset, row),
                    row: *row,
                    blobs: needed,
                });
            }
        }
        let mut rest = &blocks[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(together(rest.iter().map(Needed::range)));
            self.request(now)?;
            rest = later;
        }
        Ok(())
    }

    fn is_needed(&self, kind: BlobKind, id: &Id) -> Result<bool> {
        let prefix = id.prefix();
        Ok(!self.taken.contains(&prefix)
            && self.reached.contains(kind, &prefix)?
            && !self.index.holds(&prefix, kind)?)
    }

    /// Reads neighbours at once, and takes what is needed of each.
    fn request(&mut self, blocks: &[Needed]) -> Result<()> {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Ok(());
        };
        let (start, end) = (first.range().start, last.range().end);
        let mut plain = Vec::new();
        let read = self
            .loader
            .read_plain(&first.place, start, end - start, &mut plain);
        let from = match read {
            Err(error) if !error.is_about_the_object() => return Err(error),
            other => other.ok(),
        };
        let mut expander = Expander::new();
        for block in blocks {
            let skip = usize::try_from(block.range().start - start).unwrap_or(usize::MAX);
            let len = block.place.stored_len as usize;
            let stored = from
                .and_then(|from| plain.get(from.checked_add(skip)?..)?.get(..len))
                .map(<[u8]>::to_vec);
            let together = stored.and_then(|stored| expanded(block, stored, &mut expander).ok());
            // What failed in company may be good alone.
            let opened = match together {
                Some(opened) => Ok(opened),
                None => self.alone(block, &mut expander),
            };
            match opened {
                Ok(opened) => self.take(block, opened)?,
                Err(error) if error.is_about_the_object() => {
                    let blobs = block.blobs.iter();
                    self.missed
                        .extend(blobs.map(|(id, _)| (block.row.kind, *id)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn alone(&self, block: &Needed, expander: &mut Expander) -> Result<Opened> {
        let mut stored = Vec::new();
        self.loader.read_stored(&block.place, &mut stored)?;
        expanded(block, stored, expander)
    }

    /// A new block holds blobs of one old block alone: what was apart stays apart. A block of which all is needed goes on as
    /// it was compressed.
    fn take(&mut self, block: &Needed, Opened { stored, raw }: Opened) -> Result<()> {
        let row = &block.row;
        let mut fresh = self.packer.empty(row.kind);
        for (id, range) in &block.blobs {
            // A pack may hold one blob twice.
            if self.taken.contains(&id.prefix()) {
                continue;
            }
            let bytes = raw.get(range.clone()).unwrap_or_default();
            if blob_id(self.loader.repo().keys(), row.kind, bytes) != *id {
                self.missed.push((row.kind, *id));
                continue;
            }
            fresh.push(*id, bytes);
            self.taken.insert(id.prefix());
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let form = match row.codec {
            Codec::Stored => Form::Raw,
            Codec::Zstd if fresh.blobs().len() == row.blobs as usize => Form::Frame(stored),
            Codec::Zstd => Form::Compressed,
        };
        self.packer.block(FullBlock { block: fresh, form })
    }
}

fn expanded(block: &Needed, stored: Vec<u8>, expander: &mut Expander) -> Result<Opened> {
    let mut raw = Vec::new();
    expand_block(&block.place, &stored, expander, &mut raw)?;
    Ok(Opened { stored, raw })
}

fn place_of(pack: &Id, (kind, len): (ObjectKind, u64), offset: u64, block: &BlockRow) -> Place {
    Place {
        pack: *pack,
        pack_kind: kind,
        pack_len: len,
        block_offset: u32::try_from(offset).unwrap_or(u32::MAX),
        stored_len: block.stored_len,
        raw_len: block.raw_len,
        codec: block.codec,
        kind: block.kind,
        offset: 0,
        len: block.raw_len,
    }
}
