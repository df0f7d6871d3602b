//! What has to be so before anything may be deleted.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::name::{Folder, Name};
use crate::ops::prune::{Options, collect};
use crate::repo::chain::Chains;
use crate::repo::look::Look;
use crate::repo::publish::has_intents;

/// What a mirror that has lost something is answered with.
const MEND_FIRST: &str = "heirloom heal, then prune again";
/// How far this device's clock may be behind the newest entry, in seconds.
const BEHIND_MAX: i64 = 86_400;
/// And ahead of it.
const AHEAD_MAX: i64 = 400 * 86_400;

/// Refuses where it is not known what is needed.
///
/// # Errors
/// `TooNew`, `Damaged`, `Refused` for a clock that cannot be right, `Unreachable` for a list that is too short; those of the
/// store.
pub(super) fn all(look: &Look, now: i64, options: &Options) -> Result<()> {
    require_known(&look.chains)?;
    require_shown(look)?;
    require_clock(&look.chains, now, options)
}

fn require_known(chains: &Chains) -> Result<()> {
    if chains.unknown() > 0 || chains.newer() > 0 {
        let what = "a newer heirloom has written entries whose meaning is not known here";
        return Err(Error::new(Kind::TooNew, what)
            .hint("upgrade heirloom; nothing is damaged, and restoring still works"));
    }
    match chains.damaged() {
        0 => Ok(()),
        n => {
            let what = format!(
                "{n} entries or commit slots cannot be read, so nobody knows what is needed"
            );
            Err(Error::new(Kind::Damaged, what).hint(MEND_FIRST))
        }
    }
}

/// The clock bounds nothing but how long a removal can be taken back; that much it has to be right.
fn require_clock(chains: &Chains, now: i64, options: &Options) -> Result<()> {
    let newest = chains.visible().map(|(_, entry)| entry.time.seconds).max();
    let Some(newest) = newest.filter(|_| !options.clock_ok) else {
        return Ok(());
    };
    let behind = newest.saturating_sub(now) > BEHIND_MAX;
    if behind || now.saturating_sub(newest) > AHEAD_MAX {
        let how = if behind { "behind" } else { "far ahead of" };
        let what = format!("this device's clock is {how} the newest entry");
        return Err(Error::new(Kind::Refused, what).hint("set the clock right, or: --clock-ok"));
    }
    Ok(())
}

/// Nothing goes while what is visible is not all known: a snapshot whose entry is lost may be found again in the packs, and
/// where every commit slot is lost nothing is visible at all.
fn require_shown(look: &Look) -> Result<()> {
    let chains = &look.chains;
    let at = look.repo.store().location();
    if let Some(id) = chains.missing().next() {
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        match look.repo.read(ObjectKind::Entry, &name) {
            Ok(_) => return Err(collect::listed_short(&at.to_string())),
            Err(error) if error.is_about_the_object() => {
                let what = format!("{at} has lost {name}, which a commit slot lists");
                return Err(Error::new(Kind::Damaged, what).hint(MEND_FIRST));
            }
            Err(error) => return Err(error),
        }
    }
    // A session that has not ended leaves an intent there, and one that was ended a slot.
    if !chains.has_slots()
        && chains.hidden().next().is_some()
        && !has_intents(&**look.repo.store())?
    {
        let what = format!("{at} has entries, and no commit slot at all");
        return Err(Error::new(Kind::Damaged, what).hint(MEND_FIRST));
    }
    Ok(())
}
