//! Sees to it that one mirror has every needed blob in a pack that no mark names (format 11.3, G1 and G6): a pack that
//! another mirror has comes as it is, and what only packs that go have is packed anew.

use crate::compress::{Expander, Level};
use crate::error::{Error, Kind, Result};
use crate::format::block::{BlockBuilder, blob_id};
use crate::format::directory::{BlockRow, Codec, Directory};
use crate::format::pack::DataPackSize;
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::mirror::copy::{Wrong, copy};
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::repo::Repo;
use crate::repo::blocks::FullBlock;
use crate::repo::index::Index;
use crate::repo::index::covers::lacking;
use crate::repo::index::directories::pack_directory;
use crate::repo::index::reached::Reached;
use crate::repo::index::row::Place;
use crate::repo::loader::{Loader, expand_block};
use crate::repo::look::Look;
use crate::repo::packer::{Packer, Settings, Sharing};
use crate::repo::presence::Presence;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Blobs packed in this run and kept in mind before those that the index has learnt are dropped.
const TAKEN_MAX: usize = 1 << 18;

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// Bytes of packs fetched from other mirrors.
    pub fetched: u64,
    /// Bytes of packs made anew.
    pub packed: u64,
    /// Packs that go and hold a needed blob that cannot be read: they stay.
    pub kept: BTreeSet<Id>,
    /// Needed blobs that nobody has.
    pub lost: u64,
}

impl Carried {
    /// Adds what was done later. What nobody has was counted each time.
    pub fn add(&mut self, later: Self) {
        self.fetched += later.fetched;
        self.packed += later.packed;
        self.kept.extend(later.kept);
        self.lost = self.lost.max(later.lost);
    }
}

/// Where the needed blobs are that the mirror lacks.
#[derive(Default)]
struct Wanted {
    fetch: BTreeSet<Id>,
    unpack: BTreeSet<Id>,
    lost: u64,
}

/// Carries to `repo` what it lacks. `presence` is the mirror's, with all marks that count; `whole` is all mirrors.
///
/// # Errors
/// `Full`, `Interrupted`, and those of the stores and the cache folder.
pub fn run(
    whole: &Look,
    repo: &Arc<Repo>,
    presence: &mut Presence,
    reached: &Reached,
    by: By<'_>,
) -> Result<Carried> {
    let mut carried = Carried::default();
    let mut bad = BTreeSet::new();
    let wanted = loop {
        let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
        let wanted = wanted(whole, &index, (presence, &bad), reached, by)?;
        let known = bad.len();
        fetch(
            whole,
            repo,
            (&wanted.fetch, &mut bad),
            presence,
            (&mut carried, by),
        )?;
        // What a pack that came damaged was to bring may lie in others, or parts of it be whole.
        if bad.len() == known {
            break wanted;
        }
    };
    if carried.fetched > 0 {
        bring_runs(whole, repo, presence, by)?;
    }
    carried.lost = wanted.lost;
    if !wanted.unpack.is_empty() {
        let index = Arc::new(Index::open(repo, presence, by.monitor, &mut |_| {
            Ok(Vec::new())
        })?);
        let stored = repack(
            whole,
            repo,
            &index,
            reached,
            (&wanted.unpack, &mut carried),
            by,
        )?;
        for (pack, len) in stored {
            presence.add(pack, len);
        }
    }
    Ok(carried)
}

/// Fetches these packs. Those that nobody gives whole are told, and noted as bad.
fn fetch(
    whole: &Look,
    repo: &Repo,
    (packs, bad): (&BTreeSet<Id>, &mut BTreeSet<Id>),
    presence: &mut Presence,
    (carried, by): (&mut Carried, By<'_>),
) -> Result<()> {
    let mut buffer = Vec::new();
    for pack in packs {
        require_patience(by)?;
        let Some(len) = whole.presence.packs().get(pack) else {
            continue;
        };
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        let from = &**whole.repo.store();
        match copy(&[from], &**repo.store(), &name, Wrong::Removed, &mut buffer) {
            Ok(_) => {
                presence.add(*pack, *len);
                carried.fetched += len;
            }
            Err(error) if error.is_about_the_object() => {
                by.monitor.problem(&error);
                bad.insert(*pack);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The index runs of what was fetched. What does not come the directories tell.
fn bring_runs(whole: &Look, repo: &Arc<Repo>, presence: &Presence, by: By<'_>) -> Result<()> {
    let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
    for run in lacking(&whole.index, &index, presence) {
        let name = Name::hashed(Folder::Index, &run.to_hex());
        let from = &**whole.repo.store();
        let copied = copy(
            &[from],
            &**repo.store(),
            &name,
            Wrong::Left,
            &mut Vec::new(),
        );
        match copied {
            Err(error) if error.is_about_the_object() => by.monitor.problem(&error),
            other => other.map(drop)?,
        }
    }
    Ok(())
}

/// Where each needed blob that the mirror does not have in a pack that stays can be had; packs known as bad are no more
/// than a place to look for parts.
fn wanted(
    whole: &Look,
    index: &Index,
    (presence, bad): (&Presence, &BTreeSet<Id>),
    reached: &Reached,
    by: By<'_>,
) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    reached.each(&mut |kind, prefix| {
        if index.holds(prefix, kind)? {
            return Ok(());
        }
        require_patience(by)?;
        let places = whole.index.places_of(prefix, kind)?;
        let stays = |place: &&Place| {
            !bad.contains(&place.pack)
                && !presence.is_tombed(&place.pack)
                && !whole.presence.is_tombed(&place.pack)
                && whole.presence.packs().get(&place.pack) == Some(&place.pack_len)
        };
        if let Some(place) = places.iter().find(stays) {
            wanted.fetch.insert(place.pack);
        } else if places.is_empty() {
            wanted.lost += 1;
        } else {
            // Any of them may be damaged, and what one gives the others need not.
            wanted.unpack.extend(places.iter().map(|place| place.pack));
        }
        Ok(())
    })?;
    Ok(wanted)
}

fn require_patience(by: By<'_>) -> Result<()> {
    match by.monitor.interrupted() {
        true => Err(Error::new(Kind::Interrupted, "interrupted")
            .hint("run the same command again: it goes on where it was")),
        false => Ok(()),
    }
}

/// Packs anew what is needed of `packs`; the packs that were made.
fn repack(
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
    for pack in packs {
        let Some(len) = whole.presence.packs().get(pack) else {
            continue;
        };
        require_patience(by)?;
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
                by.monitor.problem(&error);
                carried.kept.insert(*pack);
            }
            Err(error) => return Err(error),
        }
        let missed = std::mem::take(&mut moving.missed);
        if taken.len() > TAKEN_MAX {
            forget_known(&mut taken, index)?;
        }
        unread.extend(missed.into_iter().map(|(kind, id)| (*pack, kind, id)));
    }
    let stored = packer.finish()?;
    carried.packed += stored.stored;
    // What one pack did not give another may have given.
    for (pack, kind, id) in unread {
        if !taken.contains(&id.prefix()) && !index.holds(&id.prefix(), kind)? {
            carried.kept.insert(pack);
        }
    }
    Ok(stored.packs)
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

/// One pack from which the needed blobs move.
struct Moving<'a> {
    loader: &'a Loader,
    index: &'a Index,
    reached: &'a Reached,
    packer: &'a mut Packer,
    /// What was packed from others already, in this run.
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
        let mut expander = Expander::new();
        for (at, block) in directory.places() {
            let blobs = at.blobs.clone();
            let ids = directory.ids.get(blobs.clone()).unwrap_or_default();
            let lens = directory.lens.get(blobs).unwrap_or_default();
            let mut needed = Vec::new();
            let mut offset = 0usize;
            for (id, len) in ids.iter().zip(lens) {
                let end = offset + *len as usize;
                if self.is_needed(block.kind, id)? {
                    needed.push((*id, offset..end));
                }
                offset = end;
            }
            if needed.is_empty() {
                continue;
            }
            let place = place_of(pack, (kind, len), at.offset, block);
            match self.expanded(&place, &mut expander) {
                Ok(raw) => self.take(block, &raw, &needed)?,
                Err(error) if error.is_about_the_object() => {
                    self.missed
                        .extend(needed.iter().map(|(id, _)| (block.kind, *id)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_needed(&self, kind: BlobKind, id: &Id) -> Result<bool> {
        let prefix = id.prefix();
        Ok(!self.taken.contains(&prefix)
            && self.reached.contains(kind, &prefix)?
            && !self.index.holds(&prefix, kind)?)
    }

    fn expanded(&self, place: &Place, expander: &mut Expander) -> Result<Vec<u8>> {
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        self.loader.read_stored(place, &mut stored)?;
        expand_block(place, &stored, expander, &mut raw)?;
        Ok(raw)
    }

    /// A new block holds blobs of one old block alone: what was apart stays apart.
    fn take(
        &mut self,
        block: &BlockRow,
        raw: &[u8],
        needed: &[(Id, std::ops::Range<usize>)],
    ) -> Result<()> {
        let mut fresh = BlockBuilder::new(block.kind);
        for (id, range) in needed {
            let bytes = raw.get(range.clone()).unwrap_or_default();
            if blob_id(self.loader.repo().keys(), block.kind, bytes) != *id {
                self.missed.push((block.kind, *id));
                continue;
            }
            fresh.push(*id, bytes);
            self.taken.insert(id.prefix());
        }
        if fresh.is_empty() {
            return Ok(());
        }
        self.packer.block(FullBlock {
            block: fresh,
            compress: block.codec == Codec::Zstd,
        })
    }
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
