//! Packs that a listing should have had.
//!
//! A listing proves presence, not absence: some servers cut long ones short. What the index knows and the listing lacks
//! is asked for by name, before anybody concludes that it is gone.

use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::index::Index;
use crate::repo::presence::Presence;
use std::collections::BTreeMap;

/// So many are asked for. Where more are lacking, it is the listing that cannot be relied on.
const ASKED_MAX: usize = 64;

/// Whether so many packs are lacking that nobody asks for each of them.
pub fn are_too_many(presence: &Presence, index: &Index) -> bool {
    lacking(presence, index).len() > ASKED_MAX
}

fn lacking(presence: &Presence, index: &Index) -> BTreeMap<Id, u64> {
    let is_lacking = |pack: &Id| {
        index.missing().binary_search(pack).is_ok() && !presence.packs().contains_key(pack)
    };
    let named = index.runs().into_values().flatten();
    named.filter(|(pack, _)| is_lacking(pack)).collect()
}

/// Packs that are there although the listing in `presence` does not have them, with their lengths.
///
/// # Errors
/// `Unreachable` where too many are lacking; those of the store.
pub fn find(repo: &Repo, presence: &Presence, index: &Index) -> Result<Vec<(Id, u64)>> {
    let lacking = lacking(presence, index);
    let store = repo.store();
    if lacking.len() > ASKED_MAX {
        let what = format!(
            "the listing of packs on {} is short: {} that the index knows are not in it",
            store.location(),
            lacking.len()
        );
        return Err(Error::new(Kind::Unreachable, what).hint(
            "try again later; if it stays so, heirloom heal reads that mirror and says what is lost",
        ));
    }
    let mut found = Vec::new();
    for (pack, len) in lacking {
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        match store.get_range(&name, len.saturating_sub(1)..len) {
            Ok(_) => found.push((pack, len)),
            // Another length is damage, and so is none.
            Err(error) if error.is_about_the_object() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
