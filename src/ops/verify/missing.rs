//! What should lie on a mirror and does not: known from its index, its chains, its slots, or from another mirror.

use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::monitor::{Aside, Monitor};
use crate::name::{Folder, Name};
use crate::ops::verify::trees::Bad;
use crate::ops::verify::{Report, damaged};
use crate::repo::chain::Chains;
use crate::repo::look::Look;
use crate::repo::presence::Presence;
use crate::repo::{Repo, unlisted};
use std::collections::{BTreeSet, HashSet};

/// What index and chains know and the mirror lacks. Each pack is asked for by its name: one that has come since the others were
/// listed is there.
///
/// # Errors
/// Those of the store.
pub(super) fn known(look: &Look, report: &mut Report, monitor: &dyn Monitor) -> Result<()> {
    let (presence, index, chains) = (&look.presence, &look.index, &look.chains);
    // So many do not come by themselves.
    let there = match unlisted::are_too_many(presence, index) {
        true => Vec::new(),
        false => unlisted::find(&look.repo, presence, index)?,
    };
    let there: BTreeSet<Id> = there.into_iter().map(|(pack, _)| pack).collect();
    require_listed(&look.repo, &there, monitor)?;
    // One that is listed at another length is read below, and found damaged there.
    let gone = |pack: &&Id| !presence.packs().contains_key(pack) && !there.contains(pack);
    for pack in index.missing().iter().filter(gone) {
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        damaged(
            report,
            name,
            Error::new(Kind::Damaged, "the index knows it and it is gone"),
            monitor,
        );
    }
    let gone: Vec<&Id> = chains.missing().collect();
    let now = match gone.is_empty() {
        true => Chains::default(),
        false => Chains::read(&look.repo, &Aside(monitor))?,
    };
    let still: BTreeSet<&Id> = now.missing().collect();
    // Others were purged between the slots and the entries being listed.
    for id in gone.into_iter().filter(|id| still.contains(id)) {
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        if !report.damaged.iter().any(|damage| damage.name == name) {
            damaged(
                report,
                name,
                Error::new(Kind::Damaged, "a commit slot lists it and it is gone"),
                monitor,
            );
        }
    }
    Ok(())
}

/// Of packs that are there by their names each is listed by now, or was let go.
fn require_listed(repo: &Repo, there: &BTreeSet<Id>, monitor: &dyn Monitor) -> Result<()> {
    if there.is_empty() {
        return Ok(());
    }
    let now = Presence::read(repo, &Aside(monitor))?;
    let is_listed = |pack: &&Id| now.packs().contains_key(*pack) || now.is_tombed(pack);
    match there.iter().find(|pack| !is_listed(pack)) {
        None => Ok(()),
        Some(pack) => {
            let at = repo.store().location();
            let what = format!(
                "the listing of packs on {at} is short: pack {} is there and not in it",
                pack.short()
            );
            Err(Error::new(Kind::Unreachable, what)
                .hint("what is not listed cannot be judged: try again later"))
        }
    }
}

/// Of packs that went while they were read, those that no prune let go.
///
/// # Errors
/// Those of the store.
pub(super) fn went(
    repo: &Repo,
    report: &mut Report,
    bad: &mut Bad,
    monitor: &dyn Monitor,
) -> Result<()> {
    if bad.gone.is_empty() {
        return Ok(());
    }
    let now = Presence::read(repo, &Aside(monitor))?;
    let (let_go, lost): (HashSet<Id>, HashSet<Id>) =
        bad.gone.iter().partition(|pack| now.is_tombed(pack));
    bad.gone = let_go;
    bad.packs.extend(&lost);
    for pack in lost {
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        let error = Error::new(Kind::Damaged, "it went while it was being read");
        damaged(report, name, error, monitor);
    }
    Ok(())
}

/// Adds entries that were visible and lie there, and that no commit slot lists any more.
pub fn unlisted(entries: &[Id], report: &mut Report, monitor: &dyn Monitor) {
    for id in entries {
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        if !report.damaged.iter().any(|damage| damage.name == name) {
            let what = "no commit slot lists it";
            damaged(report, name, Error::new(Kind::Damaged, what), monitor);
        }
    }
}

/// Adds what is gone from one of several mirrors together with the index run that would have told.
pub fn gone(whole: &Look, here: &Look, report: &mut Report, monitor: &dyn Monitor) {
    for pack in whole.gone_from(here) {
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        if !report.damaged.iter().any(|damage| damage.name == name) {
            let error = Error::new(Kind::Damaged, "another mirror has it and it is gone here");
            damaged(report, name, error, monitor);
        }
    }
}
