//! The repository on one mirror: made, opened, and handed to the verbs.
//!
//! Opening needs the least there can be: one readable key slot or, with the recovery words, one readable pack. A
//! marker or slot that is damaged is reported and passed by; only writing insists on a whole marker.

pub mod author;
pub mod blocks;
pub mod chain;
pub mod create;
pub mod heads;
pub mod index;
pub mod keyring;
pub mod ledger;
pub mod loader;
pub mod look;
pub mod mirrors;
pub mod packer;
pub mod publish;
pub mod snapshots;
pub mod view;

use crate::crypto::derive::{Keys, RootKey};
use crate::crypto::hash;
use crate::device::objects::Objects;
use crate::error::{During, Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::boxes::{Opened, Opener, Sealer};
use crate::format::header::{BoxHeader, RepoId};
use crate::format::key_slot::{KeySlot, SlotKind};
use crate::format::mirror::MirrorRecord;
use crate::host::Host;
use crate::id::Id;
use crate::limits::PAGE;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::keyring::{KeyRing, Unlock};
use crate::store::{Payload, Store};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let marker = read_marker(&*store)?;
        let ring = KeyRing::read(&*store, monitor)?;
        if marker.is_none() && ring.is_empty() {
            return Err(no_repository(&*store));
        }
        let whose = marker
            .as_ref()
            .and_then(|bytes| BoxHeader::decode(bytes).ok());
        let whose = whose.map(|header| header.repo);
        let (root, id) = keyring::unlock(&*store, &ring, unlock, whose)?;
        let keys = Arc::new(Keys::new(&root, id.as_bytes()));
        let opener = Opener::new(Arc::clone(&keys), id);
        let mut newer = false;
        let mirror = match marker.map(|bytes| open_marker(&opener, &bytes)) {
            Some(Ok(record)) => Some(record),
            Some(Err(error)) => {
                newer = error.kind() == Kind::TooNew;
                monitor.problem(&error.during("read the marker of this mirror"));
                None
            }
            None => {
                let what = format!("{}: the marker is missing; reading only", store.location());
                monitor.problem(&Error::new(Kind::Damaged, what));
                None
            }
        };
        let cache = cache.join(crate::id::to_hex(id.as_bytes()));
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
    pub fn on(&self, store: Arc<dyn Store>, monitor: &dyn Monitor) -> Result<Self> {
        let Some(marker) = read_marker(&*store)? else {
            let what = format!(
                "no marker at {}: treated as not connected",
                store.location()
            );
            return Err(Error::new(Kind::Unreachable, what).hint(
                "is the disk plugged in? heirloom mirror add makes a mirror of another place",
            ));
        };
        if let Ok(header) = BoxHeader::decode(&marker)
            && header.repo != self.id
        {
            let (at, found, own) = (store.location(), header.repo, self.id);
            let what = format!("{at} holds repository {found}, not {own}");
            return Err(Error::new(Kind::Refused, what)
                .hint("perhaps it is another disk; -r looks at it on purpose"));
        }
        let mut newer = false;
        let mirror = match open_marker(&self.opener, &marker) {
            Ok(record) => Some(record),
            Err(error) => {
                newer = error.kind() == Kind::TooNew;
                let at = format!("read the marker of {}", store.location());
                monitor.problem(&error.during(at));
                None
            }
        };
        Ok(Self {
            ring: KeyRing::read(&*store, monitor)?,
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
            .hint("what is stored can still be read: heirloom restore, heirloom verify")
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
        let copies = self.copies();
        let copy = copies.get(name);
        if let Some(opened) = copy.and_then(|bytes| self.open_named(kind, name, &bytes).ok()) {
            return Ok(opened);
        }
        let (bytes, opened) = self.fetch(kind, name)?;
        copies.put(name, &bytes);
        Ok(opened)
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

/// What a place without a repository is answered with.
fn no_repository(store: &dyn Store) -> Error {
    Error::new(
        Kind::NoRepository,
        format!("no repository at {}", store.location()),
    )
    .hint("check the location; is the disk plugged in? `heirloom init` makes a new repository")
}

fn read_marker(store: &dyn Store) -> Result<Option<Vec<u8>>> {
    match store.get(&Name::marker(), ObjectKind::Mirror.bytes_max()) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) if error.kind() == Kind::Damaged => Ok(Some(Vec::new())),
        Err(error) => Err(error),
    }
}

fn open_marker(opener: &Opener, bytes: &[u8]) -> Result<MirrorRecord> {
    MirrorRecord::decode(&opener.open(ObjectKind::Mirror, bytes)?.record)
}

/// Key slots as read back, for callers that hold several.
pub fn slot_id(slot: &KeySlot) -> Id {
    hash::object_id(&slot.to_object())
}
