//! The repository on one mirror: made, opened, and handed to the verbs.
//!
//! Opening needs the least there can be: one readable key slot or, with the recovery words, one readable pack. A
//! marker or slot that is damaged is reported and passed by; only writing insists on a whole marker.

pub mod author;
pub mod blocks;
pub mod chain;
pub mod create;
pub mod found;
pub mod heads;
pub mod index;
pub mod kept;
pub mod keyring;
pub mod ledger;
pub mod loader;
pub mod look;
pub mod mirrors;
mod opened;
pub mod packer;
pub mod presence;
pub mod publish;
mod recent;
mod renewal;
pub mod request;
pub mod snapshots;
mod standing;
pub mod unlisted;
pub mod unlock;
pub mod view;

use crate::crypto::derive::{Keys, RootKey};
use crate::crypto::hash;
use crate::device::objects::Objects;
use crate::error::{During, Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::boxes::{Opened, Opener, Sealer};
use crate::format::header::{BoxHeader, RepoId};
use crate::format::key_slot::SlotKind;
use crate::format::mirror::MirrorRecord;
use crate::host::Host;
use crate::id::Id;
use crate::limits::PAGE;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::found::Found;
use crate::repo::keyring::KeyRing;
use crate::repo::unlock::Unlock;
use crate::store::{Payload, Store};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Small objects that are asked for at once.
const AT_ONCE: usize = 16;

/// What identifies this device to the repository while a session writes.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// The device's id.
    pub device: [u8; 16],
    /// When this process started, in nanoseconds; goes into every salt.
    pub started_ns: u64,
}

/// An open repository on one mirror.
pub struct Repo {
    store: Arc<dyn Store>,
    id: RepoId,
    root: RootKey,
    keys: Arc<Keys>,
    opener: Opener,
    mirror: Option<MirrorRecord>,
    /// A newer heirloom wrote the marker.
    newer: bool,
    ring: KeyRing,
    cache: PathBuf,
    /// Of several mirrors this is one: what it does not list may lie on another.
    one_of_many: bool,
}

impl Repo {
    /// Opens the repository at `store` with one secret.
    ///
    /// # Errors
    /// `NoRepository`, `NoKey`, `Damaged` when no copy of any slot can be read, `TooNew`.
    pub fn open(
        store: Arc<dyn Store>,
        unlock: &Unlock,
        cache: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        Self::open_found(Found::at(store)?, unlock, cache, monitor)
    }

    /// The same where the place was looked at.
    ///
    /// # Errors
    /// As [`Repo::open`].
    pub fn open_found(
        found: Found,
        unlock: &Unlock,
        cache: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let (whose, store) = (found.repo(), found.store);
        let none = KeyRing::default();
        let copies = whose.map(|id| Objects::at(&folder_of(cache, id)));
        let mut ring = KeyRing::read(&*store, &found.slots, (&none, copies.as_ref()), monitor)?;
        let bare = ring.is_empty();
        if let (true, Some(copies), Some(whose)) = (bare, copies, whose) {
            ring = KeyRing::of_copies(&copies, whose);
        }
        if found.marker.is_none() && ring.is_empty() {
            return Err(found::no_repository(&*store));
        }
        let (root, id) = self::unlock::run(&*store, &ring, unlock, whose)?;
        if bare {
            monitor.problem(&found::no_slots(&*store, &ring));
        }
        let keys = Arc::new(Keys::new(&root, id.as_bytes()));
        let opener = Opener::new(Arc::clone(&keys), id);
        let (mirror, newer) = match &found.marker {
            Some(bytes) => found::open_marker_or_tell(&opener, bytes, &*store, monitor),
            None => {
                let what = format!("{}: the marker is missing; reading only", store.location());
                monitor.problem(&Error::new(Kind::Damaged, what));
                (None, false)
            }
        };
        let cache = folder_of(cache, id);
        Ok(Self {
            store,
            id,
            root,
            keys,
            opener,
            mirror,
            newer,
            ring,
            cache,
            one_of_many: false,
        })
    }

    /// The same repository on one mirror alone: its own marker, its own key slots.
    ///
    /// # Errors
    /// `Unreachable` where the marker is not there, since an unmounted disk looks like that; `Refused` where another
    /// repository lies.
    pub fn on(&self, found: Found, monitor: &dyn Monitor) -> Result<Self> {
        let (repo, store) = (found.repo(), found.store);
        let Some(marker) = found.marker else {
            return Err(found::not_connected(&*store));
        };
        if let Some(repo) = repo.filter(|repo| *repo != self.id) {
            return Err(found::another(&*store, repo, self.id));
        }
        let (mirror, newer) = found::open_marker_or_tell(&self.opener, &marker, &*store, monitor);
        let mut ring = KeyRing::read(&*store, &found.slots, (&self.ring, None), monitor)?;
        if ring.is_empty() {
            ring = KeyRing::put_back(self.ring.slots().cloned());
        }
        Ok(Self {
            ring,
            store,
            id: self.id,
            root: self.root.clone(),
            keys: Arc::clone(&self.keys),
            opener: Opener::new(Arc::clone(&self.keys), self.id),
            mirror,
            newer,
            cache: self.cache.clone(),
            one_of_many: self.store.copies().len() > 1,
        })
    }

    /// The objects.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Which repository this is.
    pub fn id(&self) -> RepoId {
        self.id
    }

    /// All sub-keys.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// The root key, for new key slots alone.
    pub fn root(&self) -> &RootKey {
        &self.root
    }

    /// Opens boxes of this repository.
    pub fn opener(&self) -> &Opener {
        &self.opener
    }

    /// What the marker says; `None` when it is missing or damaged and only reading is possible.
    pub fn mirror(&self) -> Option<&MirrorRecord> {
        self.mirror.as_ref()
    }

    /// Whether the marker is of a newer version: then only reading is possible, and nothing is damaged.
    pub fn is_newer(&self) -> bool {
        self.newer
    }

    /// The key slots found.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// This repository's folder in the cache.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Seals boxes for `writer`; packs carry the recovery slot.
    pub fn sealer(&self, writer: Writer) -> Sealer {
        let recovery = self
            .ring
            .slots()
            .find(|slot| slot.kind() == SlotKind::Words);
        Sealer::new(
            Arc::clone(&self.keys),
            self.id,
            recovery.map(|slot| *slot.as_bytes()),
            writer.device,
            writer.started_ns,
        )
    }

    /// Refuses to go on where only reading is safe.
    ///
    /// # Errors
    /// `Refused` without a whole marker, `TooNew` when it is of a newer version.
    pub fn require_writable(&self) -> Result<&MirrorRecord> {
        if self.newer {
            let what = format!(
                "the marker of {} is newer than this program",
                self.store.location()
            );
            return Err(Error::new(Kind::TooNew, what)
                .hint("upgrade heirloom; reading and restoring still work, nothing is damaged"));
        }
        self.mirror.as_ref().ok_or_else(|| {
            Error::new(
                Kind::Refused,
                format!(
                    "{}: the marker is missing or damaged, so nothing is written there",
                    self.store.location()
                ),
            )
            .hint("heirloom mirror add with its name puts a marker there again; until then it can be read")
        })
    }

    /// Reads and opens one small object.
    ///
    /// # Errors
    /// `NotFound`, `Damaged` (also when the bytes do not hash to the name), `TooNew`.
    pub fn read(&self, kind: ObjectKind, name: &Name) -> Result<Opened> {
        self.fetch(kind, name).map(|(_, opened)| opened)
    }

    /// The bytes and what they hold, from the first copy that opens.
    fn fetch(&self, kind: ObjectKind, name: &Name) -> Result<(Vec<u8>, Opened)> {
        let from = |store: &dyn Store| -> Result<_> {
            let bytes = store.get(name, kind.bytes_max())?;
            let opened = self.open_named(kind, name, &bytes)?;
            Ok((bytes, opened))
        };
        let first = from(&*self.store);
        if !matches!(&first, Err(error) if error.kind() == Kind::Damaged) {
            return first;
        }
        let mut copies = self.store.copies().into_iter();
        copies.find_map(|copy| from(&*copy).ok()).map_or(first, Ok)
    }

    /// As [`Repo::read`], for an object that never changes and was listed in this session: its bytes may come from the
    /// cache.
    ///
    /// # Errors
    /// As [`Repo::read`].
    pub fn read_listed(&self, kind: ObjectKind, name: &Name) -> Result<Opened> {
        if let Some(opened) = self.read_copy(kind, name) {
            return Ok(opened);
        }
        let (bytes, opened) = self.fetch(kind, name)?;
        self.copies().put(name, &bytes);
        Ok(opened)
    }

    /// Brings copies of many small objects at once: one after the other, each would cost a journey to a far mirror and
    /// back. What cannot be had is reported by whoever reads it.
    pub fn bring_copies(&self, kind: ObjectKind, names: &[Name]) {
        let copies = self.copies();
        let wanted = names.iter().filter(|name| !copies.has(name));
        let wanted: Vec<&Name> = wanted.collect();
        if wanted.len() < 2 || self.store.location().is_near() {
            return;
        }
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..wanted.len().min(AT_ONCE) {
                scope.spawn(|| {
                    while let Some(name) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                        drop(self.read_listed(kind, name));
                    }
                });
            }
        });
    }

    /// What the copy on this device holds, where there is one that opens.
    pub fn read_copy(&self, kind: ObjectKind, name: &Name) -> Option<Opened> {
        let bytes = self.copies().get(name)?;
        self.open_named(kind, name, &bytes).ok()
    }

    /// Drops the copies of what is not listed any more, where the listing is of all mirrors.
    pub fn keep_only(&self, folder: Folder, leaves: &BTreeSet<String>) {
        if !self.one_of_many {
            self.copies().keep_only(folder, leaves);
        }
    }

    /// Copies of small objects on this device.
    pub fn copies(&self) -> Objects {
        Objects::at(&self.cache)
    }

    fn open_named(&self, kind: ObjectKind, name: &Name, bytes: &[u8]) -> Result<Opened> {
        let at = || format!("read {name} from {}", self.store.location());
        if name.folder().is_named_by_hash() && hash::object_id(bytes).to_hex() != name.leaf() {
            // A future version keeps its version number in the same place: newer is not damaged.
            BoxHeader::decode(bytes.get(..PAGE).unwrap_or(bytes)).during(at)?;
            return Err(Error::new(Kind::Damaged, "its bytes do not match its name").during(at()));
        }
        self.opener.open(kind, bytes).during(at)
    }

    /// Seals a record and puts it under the hash of its bytes.
    ///
    /// # Errors
    /// Those of the store.
    pub fn put_hashed(
        &self,
        sealer: &Sealer,
        kind: ObjectKind,
        area: &[u8],
        record: &[u8],
        host: &dyn Host,
    ) -> Result<Id> {
        let mut random = [0; 32];
        host.random(&mut random);
        let bytes = sealer.seal(kind, area, record, &random)?;
        let id = hash::object_id(&bytes);
        let name = Name::hashed(kind.folder(), &id.to_hex());
        self.store.put(&name, &Payload::new(bytes))?;
        Ok(id)
    }
}

/// Seals a box without an area.
///
/// # Errors
/// Where the box would be larger than any reader accepts.
pub fn seal(sealer: &Sealer, kind: ObjectKind, record: &[u8], host: &dyn Host) -> Result<Vec<u8>> {
    let mut random = [0; 32];
    host.random(&mut random);
    sealer.seal(kind, &[], record, &random)
}

/// This repository's folder below the cache folder.
fn folder_of(cache: &Path, id: RepoId) -> PathBuf {
    cache.join(crate::id::to_hex(id.as_bytes()))
}
