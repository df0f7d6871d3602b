//! From places and a secret to an open repository on all its mirrors.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::header::{BoxHeader, RepoId};
use crate::mirror::set::MirrorSet;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::keyring::Unlock;
use crate::repo::mirrors::{Away, Mirror, Mirrors};
use crate::store::Store;
use std::path::Path;
use std::sync::Arc;

/// A place that may hold a mirror: its name and its store, or why there is none.
pub type Place = (String, Result<Arc<dyn Store>>);

/// Opens the repository that lies at these places with one secret. `wanted` is the repository it must be, where that
/// is known; otherwise the first place decides.
///
/// # Errors
/// Those of [`Repo::open`]; where no place can be had, what the first one said.
pub fn run(
    places: Vec<Place>,
    wanted: Option<RepoId>,
    unlock: &Unlock,
    cache: &Path,
    monitor: &dyn Monitor,
) -> Result<(Mirrors, Option<Arc<MirrorSet>>)> {
    let several = places.len() > 1;
    let (mut found, mut away) = (Vec::new(), Vec::new());
    for (name, store) in places {
        match store.and_then(|store| belongs(store, several)) {
            Ok(place) => found.push((name, place)),
            Err(error) => away.push(Away { name, error }),
        }
    }
    // Folders on this machine are asked first.
    found.sort_by_key(|(_, (store, _))| !store.location().is_near());
    let wanted = wanted.or_else(|| found.iter().find_map(|(_, (_, repo))| *repo));
    let mut stores = Vec::new();
    for (name, (store, repo)) in found {
        match (repo, wanted) {
            (Some(repo), Some(wanted)) if repo != wanted => {
                let error = another(&*store, repo, wanted);
                away.push(Away { name, error });
            }
            _ => stores.push((name, store)),
        }
    }
    let Some((name, first)) = stores.first() else {
        let first = away.into_iter().next().map(|away| away.error);
        return Err(first.unwrap_or_else(|| Error::new(Kind::Usage, "no mirror is named")));
    };
    if !several {
        let whole = Arc::new(Repo::open(Arc::clone(first), unlock, cache, monitor)?);
        let here = vec![Mirror {
            name: name.clone(),
            repo: Arc::clone(&whole),
        }];
        return Ok((Mirrors { whole, here, away }, None));
    }
    let members = stores.iter().map(|(_, store)| Arc::clone(store));
    let set = Arc::new(MirrorSet::new(members.collect()));
    let objects: Arc<dyn Store> = Arc::<MirrorSet>::clone(&set);
    let whole = Repo::open(objects, unlock, cache, monitor)?;
    let mut here = Vec::new();
    for (name, store) in stores {
        match whole.on(store, monitor) {
            Ok(repo) => here.push(Mirror {
                name,
                repo: Arc::new(repo),
            }),
            Err(error) => away.push(Away { name, error }),
        }
    }
    let whole = Arc::new(whole);
    Ok((Mirrors { whole, here, away }, Some(set)))
}

/// The store and the repository that its marker names. Of several places one without a marker is not there: an unmounted
/// disk looks like that.
fn belongs(store: Arc<dyn Store>, several: bool) -> Result<(Arc<dyn Store>, Option<RepoId>)> {
    let marker = match store.get(&Name::marker(), ObjectKind::Mirror.bytes_max()) {
        Ok(marker) => marker,
        Err(error) if error.kind() == Kind::Damaged => Vec::new(),
        Err(error) if error.kind() != Kind::NotFound => return Err(error),
        Err(_) if !several || has_packs(&*store)? => Vec::new(),
        Err(_) => {
            let what = format!(
                "no marker at {}: treated as not connected",
                store.location()
            );
            return Err(Error::new(Kind::Unreachable, what).hint("is the disk plugged in?"));
        }
    };
    let repo = BoxHeader::decode(&marker).ok().map(|header| header.repo);
    Ok((store, repo))
}

fn has_packs(store: &dyn Store) -> Result<bool> {
    let mut found = false;
    store.list(Folder::Packs, &mut |_| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

fn another(store: &dyn Store, found: RepoId, wanted: RepoId) -> Error {
    let what = format!(
        "{} holds repository {found}, not {wanted}",
        store.location()
    );
    Error::new(Kind::Refused, what).hint("perhaps it is another disk; -r looks at it on purpose")
}
