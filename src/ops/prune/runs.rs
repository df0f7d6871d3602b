//! Index runs after packs have gone: those that say nothing any more go, and of many small ones one is made (format 7).
//! They are convenience: nothing leans on one, and whoever misses one reads directories of packs.

use crate::crypto::hash;
use crate::error::{Kind, Result};
use crate::format::ObjectKind;
use crate::format::index::{Run, RunBuilder};
use crate::id::Id;
use crate::limits::INDEX_ROWS_MAX;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::repo::index::Index;
use crate::repo::index::covers::Covers;
use crate::repo::mirrors::Mirror;
use crate::repo::presence::Presence;
use crate::store::Payload;
use std::collections::{BTreeMap, BTreeSet};

/// A run below this is small, in bytes of its file.
const SMALL: u64 = 8 << 20;
/// So many small ones may be.
const SMALL_MAX: usize = 64;
/// Rows of a run made of others: half of what readers take, since the blocks of small files take room too.
const ROWS_MAX: usize = INDEX_ROWS_MAX / 2;

/// A run made of others, for every mirror that has its packs.
pub(super) struct Merged {
    packs: Vec<(Id, u64)>,
    name: Name,
    payload: Payload,
}

/// What one mirror's runs say.
struct Runs {
    presence: Presence,
    /// Those that lie there, each with the packs it names, without those that have gone as a mark said.
    named: BTreeMap<Id, Vec<(Id, u64)>>,
    covers: Covers,
}

impl Runs {
    fn of(mirror: &Mirror, by: By<'_>) -> Result<Self> {
        let presence = Presence::to_collect(&mirror.repo, &BTreeSet::new())?;
        let index = Index::open(&mirror.repo, &presence, by.monitor, &mut |_| Ok(Vec::new()))?;
        let gone = |pack: &Id| presence.is_tombed(pack) && !presence.packs().contains_key(pack);
        let mut named = BTreeMap::new();
        for (run, mut packs) in index.runs() {
            if index.is_listed(&run) {
                packs.retain(|(pack, _)| !gone(pack));
                named.insert(run, packs);
            }
        }
        let covers = Covers::of(&index);
        Ok(Self {
            presence,
            named,
            covers,
        })
    }

    /// Deletes those of whose packs none is left, and those that another says again.
    fn delete_spare(&mut self, mirror: &Mirror) -> Result<()> {
        let covers = &self.covers;
        let spare = self
            .named
            .iter()
            .filter(|(run, packs)| covers.has(run, packs));
        let spare: Vec<Id> = spare.map(|(run, _)| *run).collect();
        for run in spare {
            let name = Name::hashed(Folder::Index, &run.to_hex());
            match mirror.repo.store().delete(&name) {
                Err(error) if error.kind() == Kind::Refused => {}
                other => other?,
            }
            // Where it may not go it is not joined once more.
            self.named.remove(&run);
        }
        Ok(())
    }

    /// The small ones of which all packs are there, the smallest first: what one knows of a lost pack must stay known.
    fn small(&self, mirror: &Mirror) -> Result<Vec<Id>> {
        let mut small = Vec::new();
        let whole = |(pack, len): &(Id, u64)| self.presence.packs().get(pack) == Some(len);
        mirror.repo.store().list(Folder::Index, &mut |listed| {
            let run = Id::from_hex(listed.name.leaf()).filter(|_| listed.len < SMALL);
            let packs = run.and_then(|run| Some((run, self.named.get(&run)?)));
            if let Some((run, _)) = packs.filter(|(_, packs)| packs.iter().all(whole)) {
                small.push((listed.len, run));
            }
            Ok(())
        })?;
        small.sort_unstable();
        Ok(small.into_iter().map(|(_, run)| run).collect())
    }
}

/// Tidies one mirror's runs. What was made of others for an earlier mirror serves where its packs are.
///
/// # Errors
/// Those of the store.
pub(super) fn tidy(mirror: &Mirror, merged: &mut Vec<Merged>, by: By<'_>) -> Result<()> {
    let mut runs = Runs::of(mirror, by)?;
    runs.delete_spare(mirror)?;
    if runs.small(mirror)?.len() <= SMALL_MAX {
        return Ok(());
    }
    let here = runs.presence.packs();
    let fits = |merged: &&Merged| {
        merged
            .packs
            .iter()
            .all(|(pack, len)| here.get(pack) == Some(len))
    };
    for one in merged.iter().filter(fits) {
        put(mirror, one)?;
    }
    let mut runs = Runs::of(mirror, by)?;
    runs.delete_spare(mirror)?;
    let small = runs.small(mirror)?;
    if small.len() <= SMALL_MAX {
        return Ok(());
    }
    if let Some(one) = join(mirror, &small, &runs.presence, by)? {
        put(mirror, &one)?;
        merged.push(one);
        Runs::of(mirror, by)?.delete_spare(mirror)?;
    }
    Ok(())
}

fn put(mirror: &Mirror, merged: &Merged) -> Result<()> {
    mirror.repo.store().put(&merged.name, &merged.payload)
}

/// One run of as many of these as it takes.
fn join(mirror: &Mirror, small: &[Id], presence: &Presence, by: By<'_>) -> Result<Option<Merged>> {
    let mut builder = RunBuilder::new();
    let (mut packs, mut joined) = (BTreeMap::new(), 0);
    for id in small {
        let name = Name::hashed(Folder::Index, &id.to_hex());
        let read = mirror.repo.read(ObjectKind::IndexRun, &name);
        let run = match read.and_then(|opened| Run::decode(&opened.area, &opened.record)) {
            Ok(run) => run,
            Err(error) if error.is_about_the_object() => {
                by.monitor.problem(&error);
                continue;
            }
            Err(error) => return Err(error),
        };
        if builder.rows() + run.rows.len() > ROWS_MAX {
            break;
        }
        let fresh: BTreeMap<Id, u64> = run
            .packs
            .iter()
            .filter(|pack| presence.packs().get(&pack.id) == Some(&pack.file_len))
            .filter(|pack| !packs.contains_key(&pack.id))
            .map(|pack| (pack.id, pack.file_len))
            .collect();
        builder.add_run(&run, &|pack| fresh.contains_key(&pack.id));
        builder.cover(*id);
        packs.extend(fresh);
        joined += 1;
    }
    if joined < 2 {
        return Ok(None);
    }
    let (area, record) = builder.finish().encode();
    let mut random = [0; 32];
    by.host.random(&mut random);
    let sealer = mirror.repo.sealer(by.writer);
    let bytes = sealer.seal(ObjectKind::IndexRun, &area, &record, &random)?;
    let id = hash::object_id(&bytes);
    Ok(Some(Merged {
        packs: packs.into_iter().collect(),
        name: Name::hashed(Folder::Index, &id.to_hex()),
        payload: Payload::new(bytes),
    }))
}
