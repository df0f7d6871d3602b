//! From places and a secret to an open repository on all its mirrors.

use crate::error::{Error, Kind, Result};
use crate::format::header::RepoId;
use crate::mirror::set::MirrorSet;
use crate::monitor::Monitor;
use crate::repo::Repo;
use crate::repo::found::{self, Found};
use crate::repo::mirrors::{Away, Mirror, Mirrors};
use crate::repo::unlock::Unlock;
use crate::store::Store;
use std::path::Path;
use std::sync::Arc;

/// A place that may hold a mirror: its name and its store, or why there is none.
pub type Place = (String, Result<Arc<dyn Store>>);

/// Places that were looked at, before anybody was asked for a secret.
pub struct Seen {
    found: Vec<(String, Found)>,
    away: Vec<Away>,
    several: bool,
}

/// Looks at these places. `wanted` is the repository it must be, where that is known; otherwise the first place decides.
///
/// # Errors
/// Where no place can be had, what the first one said.
pub fn look(places: Vec<Place>, wanted: Option<RepoId>) -> Result<Seen> {
    let several = places.len() > 1;
    let (mut found, mut away) = (Vec::new(), Vec::new());
    for (name, store) in places {
        let looked = store.and_then(|store| match several {
            true => Found::among_several(store),
            false => Found::at(store),
        });
        match looked {
            Ok(place) => found.push((name, place)),
            Err(error) => away.push(Away { name, error }),
        }
    }
    // Folders on this machine are asked first.
    found.sort_by_key(|(_, place)| !place.store().location().is_near());
    let wanted = wanted.or_else(|| found.iter().find_map(|(_, place)| place.repo()));
    let (found, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, place)| {
        wanted.is_none_or(|wanted| place.repo().is_none_or(|repo| repo == wanted))
    });
    for (name, place) in others {
        if let (Some(repo), Some(wanted)) = (place.repo(), wanted) {
            let error = found::another(&**place.store(), repo, wanted);
            away.push(Away { name, error });
        }
    }
    if found.is_empty() {
        let first = away.into_iter().next().map(|away| away.error);
        return Err(first.unwrap_or_else(|| Error::new(Kind::Usage, "no mirror is named")));
    }
    Ok(Seen {
        found,
        away,
        several,
    })
}

impl Seen {
    /// Whether these places hold anything of a repository.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn is_something(&self) -> Result<bool> {
        let mut all = self.found.iter();
        all.try_fold(false, |any, (_, place)| Ok(any || place.is_something()?))
    }

    /// Opens the repository with one secret; with another one it may be tried again.
    ///
    /// # Errors
    /// Those of [`Repo::open`].
    pub fn open(
        &mut self,
        unlock: &Unlock,
        cache: &Path,
        monitor: &dyn Monitor,
    ) -> Result<(Mirrors, Option<Arc<MirrorSet>>)> {
        if let ([(name, place)], false) = (&self.found[..], self.several) {
            let whole = Repo::open_found(place.clone(), unlock, cache, monitor)?;
            return Ok((Mirrors::one(name, Arc::new(whole)), None));
        }
        let places: Vec<_> = self.found.iter().map(|(_, place)| place.clone()).collect();
        let members = places.iter().map(|place| Arc::clone(place.store()));
        let set = Arc::new(MirrorSet::new(members.collect()));
        let together = Found::together(Arc::<MirrorSet>::clone(&set), &places);
        let whole = Repo::open_found(together, unlock, cache, monitor)?;
        let (mut here, mut away) = (Vec::new(), std::mem::take(&mut self.away));
        for (name, place) in self.found.iter().cloned() {
            match whole.on(place, monitor) {
                Ok(repo) => here.push(Mirror {
                    name,
                    repo: Arc::new(repo),
                    parity: None,
                    append_only: false,
                }),
                Err(error) => away.push(Away { name, error }),
            }
        }
        let whole = Arc::new(whole);
        Ok((Mirrors { whole, here, away }, Some(set)))
    }
}
