//! A new repository: made in an empty place, the marker last; and a new mirror of one.

use crate::crypto::derive::{Keys, RootKey};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::boxes::Opener;
use crate::format::facts::Facts;
use crate::format::header::{BoxHeader, RepoId};
use crate::format::mirror::{MirrorRecord, PROTOCOL};
use crate::host::Host;
use crate::limits::PAGE;
use crate::monitor::Collected;
use crate::name::{Folder, Name};
use crate::repo::found::open_marker;
use crate::repo::found::{Found, read_marker};
use crate::repo::keyring::{self, KeyRing};
use crate::repo::publish::has_intents;
use crate::repo::{Repo, Writer, seal};
use crate::rescue;
use crate::store::{Payload, Store};
use std::path::Path;
use std::sync::Arc;

impl Repo {
    /// Makes a repository in an empty place: rescue files, key slots, and the marker last, so that a place without a
    /// marker is never half a repository that looks whole. Key slots of an init that was interrupted open nothing, and
    /// go. `ready` is called when the marker alone is missing: what must not be lost with a crash is written there.
    ///
    /// # Errors
    /// `Refused` where anything of a repository is found; those of `ready`.
    pub fn init(
        store: Arc<dyn Store>,
        slots: &[keyring::NewSlot],
        cache: &Path,
        host: &dyn Host,
        ready: &mut dyn FnMut(&Self) -> Result<()>,
    ) -> Result<Self> {
        for name in left_by_init(&*store)? {
            store.delete(&name)?;
        }
        let mut number = [0; 16];
        host.random(&mut number);
        let id = RepoId::new(number);
        let root = RootKey::random(|bytes| host.random(bytes));
        let mut sealed = Vec::new();
        for slot in slots {
            sealed.push(slot.seal(&root, id, host)?);
        }
        put_rescue_files(&*store)?;
        for slot in &sealed {
            keyring::put_slot(&*store, slot)?;
        }
        let mut mirror_id = [0; 16];
        host.random(&mut mirror_id);
        let mirror = MirrorRecord {
            protocol: PROTOCOL,
            id: mirror_id,
            made: host.now().seconds,
            cas: store.location().abilities.put_if_absent,
            ..MirrorRecord::default()
        };
        let keys = Arc::new(Keys::new(&root, id.as_bytes()));
        let repo = Self {
            opener: Opener::new(Arc::clone(&keys), id),
            store,
            id,
            root,
            keys,
            mirror: Some(mirror.clone()),
            newer: false,
            ring: KeyRing::of(sealed),
            cache: cache.join(crate::id::to_hex(id.as_bytes())),
            one_of_many: false,
        };
        let sealer = repo.sealer(Writer {
            device: [0; 16],
            started_ns: 0,
        });
        let marker = seal(&sealer, ObjectKind::Mirror, &mirror.encode(), host)?;
        ready(&repo)?;
        repo.store.put(&Name::marker(), &Payload::new(marker))?;
        Ok(repo)
    }
}

impl Repo {
    /// Makes a mirror of this repository at a place that is empty or holds a copy of it, be it one that has lost its
    /// marker: rescue files, key slots, and its own marker last. `taken` are the ids of mirrors: a copy carries the id of the
    /// one it was made from, and gets a new one. `probe` is what was found out about the place.
    ///
    /// # Errors
    /// `Refused` where another repository lies, or objects without a marker of which none opens with this one's keys.
    pub fn plant(
        &self,
        store: Arc<dyn Store>,
        taken: &[[u8; 16]],
        (cas, probe): &(bool, Facts),
        host: &dyn Host,
    ) -> Result<Self> {
        let marker = read_marker(&*store)?;
        let header = match marker.as_ref().map(|bytes| BoxHeader::decode(bytes)) {
            Some(Err(error)) if error.kind() == Kind::TooNew => return Err(error),
            header => header.and_then(Result::ok),
        };
        match (&marker, header) {
            (Some(_), Some(header)) if header.repo == self.id => {}
            // A marker can be lost like any other object; what lies there says whose it is.
            (_, None) if self.has_objects_at(&*store)? => {}
            (None, _) => drop(left_by_init(&*store)?),
            _ => {
                let what = format!(
                    "{} holds another repository, or a damaged marker",
                    store.location()
                );
                return Err(Error::new(Kind::Refused, what)
                    .hint("nothing is ever overwritten: choose an empty place"));
            }
        }
        let old = marker.and_then(|bytes| open_marker(&self.opener, &bytes).ok());
        // Who began where nothing could be decided commits with a plain put: over an ABORT, if one could be written now. What a
        // lost marker said nobody knows.
        let was_cas = old.as_ref().is_some_and(|record| record.cas);
        let kept = old.map(|record| record.id).filter(|id| !taken.contains(id));
        let mut id = [0; 16];
        host.random(&mut id);
        put_missing_rescue_files(&*store)?;
        for slot in self.ring.slots() {
            keyring::put_slot(&*store, slot)?;
        }
        let mirror = MirrorRecord {
            protocol: PROTOCOL,
            id: kept.unwrap_or(id),
            made: host.now().seconds,
            cas: *cas && (was_cas || !has_intents(&*store)?),
            probe: probe.clone(),
            ..MirrorRecord::default()
        };
        let sealer = self.sealer(Writer {
            device: [0; 16],
            started_ns: 0,
        });
        let marker = seal(&sealer, ObjectKind::Mirror, &mirror.encode(), host)?;
        store.put(&Name::marker(), &Payload::new(marker))?;
        self.on(Found::at(store)?, &Collected::default())
    }

    /// Whether an entry or a pack there was sealed with this repository's keys. A few are tried, since any may be damaged.
    fn has_objects_at(&self, store: &dyn Store) -> Result<bool> {
        for folder in [Folder::Entries, Folder::Packs] {
            let mut some = Vec::new();
            store.list(folder, &mut |listed| {
                if some.len() < TRIED {
                    some.push(listed);
                }
                Ok(())
            })?;
            for listed in some {
                let header = match store.get_range(&listed.name, 0..PAGE as u64) {
                    Err(error) if error.is_about_the_object() => continue,
                    header => header?,
                };
                let kinds = ObjectKind::ALL.iter();
                let mut own = kinds.filter(|kind| kind.folder() == folder);
                if own.any(|kind| self.opener.reader(*kind, &header, listed.len).is_ok()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Objects of a folder that are asked whose they are.
const TRIED: usize = 16;

/// Writes or renews the three files for a person without this program.
///
/// # Errors
/// Those of the store.
pub fn put_rescue_files(store: &dyn Store) -> Result<()> {
    for (leaf, text) in rescue::FILES {
        let name = Name::new(Folder::Top, leaf).expect("rescue files have names of the top folder");
        store.put(&name, &Payload::new(text.as_bytes().to_vec()))?;
    }
    Ok(())
}

/// Writes those of the three files that are not there.
///
/// # Errors
/// Those of the store.
pub fn put_missing_rescue_files(store: &dyn Store) -> Result<()> {
    let mut here = Vec::new();
    store.list(Folder::Top, &mut |listed| {
        here.push(listed.name.leaf().to_owned());
        Ok(())
    })?;
    for (leaf, text) in rescue::FILES {
        if !here.iter().any(|there| there == leaf) {
            let name = Name::new(Folder::Top, leaf).expect("a name of the top folder");
            store.put(&name, &Payload::new(text.as_bytes().to_vec()))?;
        }
    }
    Ok(())
}

/// Where there is neither a marker nor anything that key slots could open: the slots that an interrupted init left.
fn left_by_init(store: &dyn Store) -> Result<Vec<Name>> {
    let mut found = read_marker(store)?.is_some();
    for folder in [
        Folder::Packs,
        Folder::Entries,
        Folder::Commits,
        Folder::Marks,
    ] {
        store.list(folder, &mut |_| {
            found = true;
            Ok(())
        })?;
    }
    if found {
        return Err(Error::new(
            Kind::Refused,
            format!("{} already holds a repository", store.location()),
        )
        .hint(
            "nothing is ever overwritten; use it with `heirloom backup`, or choose an empty folder",
        ));
    }
    let mut slots = Vec::new();
    for folder in [Folder::Keys, Folder::Keys2] {
        store.list(folder, &mut |listed| {
            slots.push(listed.name);
            Ok(())
        })?;
    }
    Ok(slots)
}
