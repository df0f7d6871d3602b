//! Pure: what may not be forgotten without saying so. Each guard is lifted by its own word and by no other.

use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::ops::retention::{Candidate, Standing, good};
use std::collections::BTreeSet;

/// Guards that the user has lifted.
#[derive(Clone, Debug, Default)]
pub struct Lifted {
    /// Sources that may lose their last good snapshot.
    pub drop_sources: Vec<String>,
    /// The newest good snapshots may go.
    pub below_min_good: bool,
}

/// Lets `going` go, or says what stands against it.
///
/// # Errors
/// `Refused`.
pub fn check(
    all: &[Candidate],
    going: &BTreeSet<Id>,
    min_good: u32,
    lifted: &Lifted,
) -> Result<()> {
    let goes = |one: &&Candidate| going.contains(&one.id);
    if let Some(pinned) = all.iter().filter(goes).find(|one| one.pinned) {
        let id = pinned.id.short();
        return Err(refused(format!("{id} is pinned"))
            .hint(format!("unpin it first: heirloom pin --remove {id}")));
    }
    for source in all
        .iter()
        .filter(goes)
        .map(|one| (&one.device, &one.source))
    {
        let group = || {
            all.iter()
                .filter(|one| (&one.device, &one.source) == source)
        };
        let (_, name) = source;
        let stays = |one: &Candidate| !going.contains(&one.id);
        let good = |one: &&Candidate| one.standing == Standing::Good;
        let loses_good = group().filter(good).any(|one| !stays(one));
        let keeps_good = group().filter(good).any(stays);
        let is_left = group().any(stays);
        let dropped = !is_left || loses_good && !keeps_good;
        if dropped && !lifted.drop_sources.contains(name) {
            return Err(refused(format!(
                "this would forget the last good snapshot of {name}"
            ))
            .hint(format!("if that is what you want: --drop-source {name}")));
        }
    }
    for group in good(all) {
        let mut newest = group.iter().take(min_good as usize);
        let Some(one) = newest.find(|one| going.contains(&one.id)) else {
            continue;
        };
        if !lifted.below_min_good && !lifted.drop_sources.contains(&one.source) {
            let what = format!(
                "{} is one of the {min_good} newest good snapshots of {}",
                one.id.short(),
                one.source
            );
            return Err(refused(what).hint("if it is to go all the same: --below-min-good"));
        }
    }
    Ok(())
}

fn refused(what: String) -> Error {
    Error::new(Kind::Refused, what)
}
