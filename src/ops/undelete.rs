//! Takes removals back, as long as no mark names the snapshot: nothing it needs has been deleted until then.

use crate::error::{Error, Kind, Result};
use crate::format::chain::Entry;
use crate::format::snapshot::Snapshot;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::ops::reach::Reach;
use crate::repo::loader;
use crate::repo::look::Look;
use std::time::Duration;

/// How long an undelete works at least, if nothing else is said.
pub const GRACE: Duration = Duration::from_secs(14 * 86_400);

/// A removed snapshot that can come back.
pub struct Removed<'a> {
    /// Which one.
    pub id: Id,
    /// Its step in the chain.
    pub entry: &'a Entry,
    /// What was saved.
    pub snapshot: &'a Snapshot,
    /// The newest remove that names it.
    pub by: &'a Entry,
    /// Until when no prune takes it, at the least, in seconds since 1970: one that hears of it later begins to count then.
    pub until: i64,
}

/// Until when what is removed at that second can be taken back.
pub fn until(removed: i64, grace: Duration) -> i64 {
    removed.saturating_add(i64::try_from(grace.as_secs()).unwrap_or(i64::MAX))
}

/// Every removed snapshot that no mark names, oldest first. A remove that is dated after `now` in seconds since 1970 may
/// count from now.
pub fn list(look: &Look, grace: Duration, now: i64) -> Vec<Removed<'_>> {
    let all = look.chains.removed_snapshots().into_iter();
    let all = all.filter(|(id, ..)| !look.presence.is_purged(id));
    all.filter_map(|(id, entry, snapshot)| {
        let by = look.chains.removal(&id)?;
        Some(Removed {
            id,
            entry,
            snapshot,
            by,
            until: until(by.time.seconds.min(now), grace),
        })
    })
    .collect()
}

/// The removed snapshot whose id begins so.
///
/// # Errors
/// `Usage` when several do, `NotFound`, `Refused` when it is being deleted already.
pub fn find<'a>(look: &Look, all: &'a [Removed<'a>], prefix: &str) -> Result<&'a Removed<'a>> {
    let mut fitting = all.iter().filter(|one| one.id.starts_with(prefix));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => {
            let what = format!("{prefix} is the beginning of several removed snapshots");
            Err(Error::new(Kind::Usage, what)
                .hint("give more digits; heirloom undelete lists them"))
        }
        (None, _) => Err(not_there(look, prefix)),
    }
}

fn not_there(look: &Look, prefix: &str) -> Error {
    let begins = |(id, ..): &(Id, &Entry, &Snapshot)| id.starts_with(prefix);
    let (kind, what) = if look.chains.removed_snapshots().iter().any(begins) {
        (
            Kind::Refused,
            format!("a prune is deleting snapshot {prefix} already"),
        )
    } else if look.chains.snapshots().iter().any(begins) {
        (Kind::NotFound, format!("snapshot {prefix} is not removed"))
    } else {
        (Kind::NotFound, format!("no removed snapshot {prefix}"))
    };
    Error::new(kind, what).hint("heirloom undelete lists what can come back")
}

/// Whether all mirrors together still have everything that a removed snapshot needs. The session that takes it back asks
/// once more, and then of each mirror.
///
/// # Errors
/// `Damaged`, naming what is missing; those of the stores, and `Interrupted`.
pub fn require_whole(look: &Look, removed: &Removed<'_>, monitor: &dyn Monitor) -> Result<()> {
    let mut missing = (0_u64, None);
    let tree = removed.snapshot.tree;
    let walked = Reach::new(&look.loader).snapshot(tree, None, &mut |kind, id| {
        if monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        let places = look.index.places(id, kind)?;
        if !places
            .iter()
            .any(|place| !look.presence.is_tombed(&place.pack))
        {
            missing.0 += 1;
            missing
                .1
                .get_or_insert_with(|| loader::missing(kind, id).chain());
        }
        Ok(())
    });
    match walked {
        Ok(()) => {}
        Err(error) if error.is_about_the_object() => {
            missing.0 += 1;
            missing.1.get_or_insert_with(|| error.chain());
        }
        Err(error) => return Err(error),
    }
    let (count, Some(first)) = missing else {
        return Ok(());
    };
    let what = format!(
        "snapshot {} cannot come back: {count} of what it needs is gone or being deleted",
        removed.id.short()
    );
    Err(Error::new(Kind::Damaged, what)
        .because(first)
        .hint("connect every mirror and try again: one may still have it"))
}
