//! What lies at a place under the names that tell whether a repository is there. It is looked at once, before anybody is
//! asked for a secret.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::boxes::Opener;
use crate::format::header::{BoxHeader, RepoId};
use crate::format::mirror::MirrorRecord;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::keyring::KeyRing;
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The names of key slots, each with the folders that have a copy.
#[derive(Clone, Default)]
pub struct SlotNames(BTreeMap<String, Vec<Folder>>);

impl SlotNames {
    /// Lists them.
    ///
    /// # Errors
    /// Those of the store.
    pub fn list(store: &dyn Store) -> Result<Self> {
        let mut names = Self::default();
        for folder in [Folder::Keys, Folder::Keys2] {
            store.list(folder, &mut |listed| {
                names.add(listed.name.leaf(), folder);
                Ok(())
            })?;
        }
        Ok(names)
    }

    fn add(&mut self, leaf: &str, folder: Folder) {
        let copies = self.0.entry(leaf.to_owned()).or_default();
        if !copies.contains(&folder) {
            copies.push(folder);
        }
    }

    /// Adds those of another mirror.
    pub fn join(&mut self, other: &Self) {
        for (leaf, copies) in &other.0 {
            for folder in copies {
                self.add(leaf, *folder);
            }
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &BTreeMap<String, Vec<Folder>> {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A place that was looked at.
#[derive(Clone)]
pub struct Found {
    pub(crate) store: Arc<dyn Store>,
    /// The bytes of the marker, none of them where it is damaged; `None` where there is no marker.
    pub(crate) marker: Option<Vec<u8>>,
    pub(crate) slots: SlotNames,
}

impl Found {
    /// Looks at a place.
    ///
    /// # Errors
    /// Those of the store. That nothing is there is an answer.
    pub fn at(store: Arc<dyn Store>) -> Result<Self> {
        Ok(Self {
            marker: read_marker(&*store)?,
            slots: SlotNames::list(&*store)?,
            store,
        })
    }

    /// The same of one mirror among several, where a place without a marker is not there: an unmounted disk looks like
    /// that.
    ///
    /// # Errors
    /// `Unreachable`; those of the store.
    pub fn among_several(store: Arc<dyn Store>) -> Result<Self> {
        let marker = read_marker(&*store)?;
        if marker.is_none() && !has_packs(&*store)? {
            return Err(not_connected(&*store));
        }
        Ok(Self {
            marker,
            slots: SlotNames::list(&*store)?,
            store,
        })
    }

    /// Several mirrors, read as one through `store`.
    pub fn together(store: Arc<dyn Store>, all: &[Self]) -> Self {
        let mut slots = SlotNames::default();
        for found in all {
            slots.join(&found.slots);
        }
        let mut markers = all.iter().filter_map(|found| found.marker.as_ref());
        Self {
            marker: markers.next().cloned(),
            slots,
            store,
        }
    }

    /// The store there.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The repository that the marker names.
    pub fn repo(&self) -> Option<RepoId> {
        let header = BoxHeader::decode(self.marker.as_ref()?).ok()?;
        Some(header.repo)
    }

    /// Whether anything of a repository lies there. Without its marker it can still be read: by any key slot, or with the
    /// words by any pack.
    ///
    /// # Errors
    /// Those of the store.
    pub fn is_something(&self) -> Result<bool> {
        Ok(self.marker.is_some() || !self.slots.is_empty() || has_packs(&*self.store)?)
    }
}

pub(crate) fn read_marker(store: &dyn Store) -> Result<Option<Vec<u8>>> {
    match store.get(&Name::marker(), ObjectKind::Mirror.bytes_max()) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) if error.kind() == Kind::Damaged => Ok(Some(Vec::new())),
        Err(error) => Err(error),
    }
}

fn has_packs(store: &dyn Store) -> Result<bool> {
    let mut found = false;
    store.list(Folder::Packs, &mut |_| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

pub(crate) fn not_connected(store: &dyn Store) -> Error {
    let at = store.location();
    let what = format!("no marker at {at}: treated as not connected");
    Error::new(Kind::Unreachable, what)
        .hint("is the disk plugged in? heirloom mirror add makes a mirror of another place, or of this one again")
}

pub(crate) fn another(store: &dyn Store, found: RepoId, wanted: RepoId) -> Error {
    let at = store.location();
    let what = format!("{at} holds repository {found}, not {wanted}");
    Error::new(Kind::Refused, what).hint("perhaps it is another disk; -r looks at it on purpose")
}

/// What a place without a repository is answered with.
pub(super) fn no_repository(store: &dyn Store) -> Error {
    Error::new(
        Kind::NoRepository,
        format!("no repository at {}", store.location()),
    )
    .hint("check the location; is the disk plugged in? `heirloom init` makes a new repository")
}

/// What is told where the repository opened although there is no key slot.
pub(super) fn no_slots(store: &dyn Store, ring: &KeyRing) -> Error {
    let what = format!("{}: no key slot lies there any more", store.location());
    let error = Error::new(Kind::Damaged, what);
    match ring.is_empty() {
        true => error.hint("a pack was enough for the words; heirloom key add makes a slot again"),
        false => {
            error.hint("this device's copies were used; the next backup or heal puts them there")
        }
    }
}

/// What the marker says, and whether it is newer than this program; that it cannot be read is told.
pub(super) fn open_marker_or_tell(
    opener: &Opener,
    bytes: &[u8],
    store: &dyn Store,
    monitor: &dyn Monitor,
) -> (Option<MirrorRecord>, bool) {
    match open_marker(opener, bytes) {
        Ok(record) => (Some(record), false),
        Err(error) => {
            let newer = error.kind() == Kind::TooNew;
            let at = format!("read the marker of {}", store.location());
            monitor.problem(&error.during(at));
            (None, newer)
        }
    }
}

pub(super) fn open_marker(opener: &Opener, bytes: &[u8]) -> Result<MirrorRecord> {
    MirrorRecord::decode(&opener.open(ObjectKind::Mirror, bytes)?.record)
}
