//! One repository on several mirrors: read as one, written one by one.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::header::{BoxHeader, RepoId};
use crate::mirror::set::MirrorSet;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::author::Author;
use crate::repo::keyring::Unlock;
use crate::store::Store;
use std::path::Path;
use std::sync::Arc;

/// One mirror of the repository.
pub struct Mirror {
    /// What people call it.
    pub name: String,
    /// The repository there, and there alone.
    pub repo: Arc<Repo>,
}

/// A mirror that cannot be had.
pub struct Away {
    /// What people call it.
    pub name: String,
    /// Why.
    pub error: Error,
}

/// All of them.
pub struct Mirrors {
    /// The repository as all mirrors show it together; it reads from whichever has the right bytes.
    pub whole: Arc<Repo>,
    /// Those that are there, nearest first.
    pub here: Vec<Mirror>,
    /// Those that are not.
    pub away: Vec<Away>,
    /// What reads from several, where there are several.
    pub set: Option<Arc<MirrorSet>>,
}

/// A place that may hold a mirror: its name and its store, or why there is none.
pub type Place = (String, Result<Arc<dyn Store>>);

impl Mirrors {
    /// Opens the repository that lies at these places with one secret. `wanted` is the repository it must be, where that
    /// is known; otherwise the first place decides.
    ///
    /// # Errors
    /// Those of [`Repo::open`]; where no place can be had, what the first one said.
    pub fn open(
        places: Vec<Place>,
        wanted: Option<RepoId>,
        unlock: &Unlock,
        cache: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
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
            return Ok(Self {
                whole,
                here,
                away,
                set: None,
            });
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
        Ok(Self {
            whole: Arc::new(whole),
            here,
            away,
            set: Some(set),
        })
    }
}

impl Mirrors {
    /// A repository that is open already, on one mirror.
    pub fn one(name: &str, repo: Arc<Repo>) -> Self {
        Self {
            here: vec![Mirror {
                name: name.to_owned(),
                repo: Arc::clone(&repo),
            }],
            whole: repo,
            away: Vec::new(),
            set: None,
        }
    }

    /// What people call them, those that are away too.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        let here = self.here.iter().map(|mirror| &mirror.name);
        here.chain(self.away.iter().map(|away| &away.name))
    }

    /// The mirror that answers and is written first.
    ///
    /// # Errors
    /// Why none is there.
    pub fn leader(&self) -> Result<&Mirror> {
        self.here.first().ok_or_else(|| {
            let why: Vec<_> = self.away.iter().map(|away| away.error.chain()).collect();
            Error::new(Kind::Unreachable, "no mirror is there").because(why.join("; "))
        })
    }

    /// Takes for away the mirrors that are others than those added under their names, and pins the new ones.
    pub fn keep_pinned(&mut self, author: &Author) {
        let here = std::mem::take(&mut self.here);
        for mirror in here {
            let found = mirror.repo.mirror().map(|record| record.id);
            let pinned = author.pinned(&mirror.name);
            match (found, pinned) {
                (Some(found), Some(pinned)) if found != pinned => {
                    let at = mirror.repo.store().location();
                    let what = format!(
                        "{at} is another mirror than the one added as {}",
                        mirror.name
                    );
                    let error = Error::new(Kind::Refused, what).hint(
                        "perhaps it is another disk; heirloom mirror remove and mirror add take it on",
                    );
                    let name = mirror.name;
                    self.away.push(Away { name, error });
                }
                _ => self.here.push(mirror),
            }
        }
    }
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
