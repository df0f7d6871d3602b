//! Key slots: read both copies, add, remove.

use crate::crypto::derive::RootKey;
use crate::crypto::hash;
use crate::crypto::passphrase::Argon2Cost;
use crate::device::objects::Objects;
use crate::error::{During, Error, Kind, Result};
use crate::format::header::{BoxHeader, RepoId};
use crate::format::key_slot::{KeySlot, SlotKind, SlotSecret};
use crate::host::Host;
use crate::id::Id;
use crate::limits::{KEY_SLOTS_MAX, PAGE};
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::found::SlotNames;
use crate::store::{Payload, Store};
use std::collections::{BTreeMap, BTreeSet};

/// Names looked at until there are enough slots that can be read: files that are none must not crowd them out.
const NAMES_TRIED: usize = 1024;

/// A slot to be made.
pub struct NewSlot {
    /// What will open it.
    pub secret: SlotSecret,
    /// Cost of a guess; of passphrases alone.
    pub cost: Argon2Cost,
    /// What people see in `key list`.
    pub label: String,
}

impl NewSlot {
    /// Seals the root key under this secret.
    ///
    /// # Errors
    /// `Refused` for a cost below the floor.
    pub fn seal(&self, root: &RootKey, repo: RepoId, host: &dyn Host) -> Result<KeySlot> {
        let mut salt = [0; 32];
        host.random(&mut salt);
        let created = host.now().seconds.unsigned_abs();
        KeySlot::seal(
            &self.secret,
            self.cost,
            root,
            repo,
            salt,
            created,
            &self.label,
        )
    }
}

/// The slots of one mirror, by their names.
#[derive(Default)]
pub struct KeyRing {
    slots: BTreeMap<Id, KeySlot>,
    /// Slots of which one copy is not there, and where it belongs.
    single: Vec<(Id, Folder)>,
    pub(crate) damaged: usize,
    pub(crate) too_new: usize,
}

impl KeyRing {
    /// These and no others.
    pub fn of(slots: Vec<KeySlot>) -> Self {
        let slots = slots
            .into_iter()
            .map(|slot| (slot_id(&slot), slot))
            .collect();
        Self {
            slots,
            ..Self::default()
        }
    }

    /// Reads every slot that `names` lists, from `keys/`, and from `keys2/` where that copy is missing or damaged; says
    /// so. What `known` has read already, on whichever mirror, is taken from there, and so is what this device has a copy of:
    /// the bytes of a name are the same. No copy is made of a slot for a passphrase, which could be tried at leisure by
    /// whoever finds it here.
    ///
    /// # Errors
    /// Those of the store. A damaged slot is a problem, not an error.
    pub fn read(
        store: &dyn Store,
        names: &SlotNames,
        (known, cache): (&Self, Option<&Objects>),
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let mut ring = Self::default();
        let mut tried = 0;
        for (leaf, copies) in names.all().iter().take(NAMES_TRIED) {
            if ring.slots.len() >= KEY_SLOTS_MAX {
                break;
            }
            let known = Id::from_hex(leaf).and_then(|id| Some((id, known.slots.get(&id)?.clone())));
            match known.or_else(|| copied(cache?, leaf)) {
                Some((id, slot)) => drop(ring.slots.insert(id, slot)),
                None => ring.read_one(store, leaf, monitor)?,
            }
            tried += 1;
            let missing = match copies[..] {
                [Folder::Keys] => Folder::Keys2,
                [Folder::Keys2] => Folder::Keys,
                _ => continue,
            };
            let id = Id::from_hex(leaf).filter(|id| ring.slots.contains_key(id));
            ring.single.extend(id.map(|id| (id, missing)));
        }
        // Where every slot is gone it was lost: nobody takes the last one away.
        if let Some(cache) = cache.filter(|_| !ring.is_empty()) {
            ring.keep_copies(cache);
        }
        if names.all().len() > tried {
            let what = format!(
                "{}: {} key slots, only {tried} were looked at",
                store.location(),
                names.all().len()
            );
            monitor.problem(&Error::new(Kind::Damaged, what));
        }
        Ok(ring)
    }

    /// These slots, of which the mirror has neither copy.
    pub fn put_back(slots: impl Iterator<Item = KeySlot>) -> Self {
        let mut ring = Self::of(slots.collect());
        let both = |id: &Id| [Folder::Keys, Folder::Keys2].map(|folder| (*id, folder));
        ring.single = ring.slots.keys().flat_map(both).collect();
        ring
    }

    /// The slots that this device has copies of, for a mirror of `repo` on which there is none any more.
    pub fn of_copies(copies: &Objects, repo: RepoId) -> Self {
        let names = copies.names(Folder::Keys).into_iter();
        let slots = names.filter_map(|name| copied(copies, name.leaf()));
        Self::put_back(
            slots
                .map(|(_, slot)| slot)
                .filter(|slot| slot.repo() == repo),
        )
    }

    fn keep_copies(&self, copies: &Objects) {
        let mut kept = BTreeSet::new();
        for (id, slot) in self
            .slots
            .iter()
            .filter(|(_, slot)| slot.kind() != SlotKind::Passphrase)
        {
            let name = Name::hashed(Folder::Keys, &id.to_hex());
            if !copies.has(&name) {
                copies.put(&name, &slot.to_object());
            }
            kept.insert(id.to_hex());
        }
        copies.keep_only(Folder::Keys, &kept);
    }

    fn read_one(&mut self, store: &dyn Store, leaf: &str, monitor: &dyn Monitor) -> Result<()> {
        let first = read_copy(store, &Name::hashed(Folder::Keys, leaf));
        let first = match first {
            Ok(slot) => {
                self.slots.insert(slot_id(&slot), slot);
                return Ok(());
            }
            // No answer says nothing about the slot.
            Err(error) if error.kind() == Kind::Unreachable => return Err(error),
            Err(error) => error,
        };
        match read_copy(store, &Name::hashed(Folder::Keys2, leaf)) {
            Ok(slot) => {
                let what = format!(
                    "key slot {}: the first copy is missing or damaged; the second was used",
                    &leaf[..8]
                );
                monitor.problem(&Error::new(Kind::Damaged, what).because(first));
                self.slots.insert(slot_id(&slot), slot);
            }
            Err(second) if second.kind() == Kind::Unreachable => return Err(second),
            Err(second) if second.kind() == Kind::TooNew || first.kind() == Kind::TooNew => {
                self.too_new += 1
            }
            Err(second) => {
                monitor.problem(
                    &second.during(format!("key slot {}: both copies are damaged", &leaf[..8])),
                );
                self.damaged += 1;
            }
        }
        Ok(())
    }

    /// Slots of which a copy is not there, or neither, though what they hold is known.
    pub fn lacking(&self) -> BTreeSet<Id> {
        self.single.iter().map(|(id, _)| *id).collect()
    }

    /// Whether every slot that was seen could be read.
    pub fn is_whole(&self) -> bool {
        !self.slots.is_empty() && self.damaged == 0 && self.too_new == 0
    }

    /// Every readable slot.
    pub fn slots(&self) -> impl Iterator<Item = &KeySlot> {
        self.slots.values()
    }

    /// Every readable slot with its name.
    pub fn named(&self) -> impl Iterator<Item = (&Id, &KeySlot)> {
        self.slots.iter()
    }

    /// Whether no trace of a slot was found, readable or not.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.damaged == 0 && self.too_new == 0
    }
}

/// The name of a slot.
pub fn slot_id(slot: &KeySlot) -> Id {
    hash::object_id(&slot.to_object())
}

/// Puts the copies that an interrupted change of keys did not come to. What is there and damaged stays as it is.
///
/// # Errors
/// Those of the store.
pub fn complete(store: &dyn Store, ring: &KeyRing, repo: RepoId) -> Result<()> {
    for (id, folder) in &ring.single {
        if let Some(slot) = ring.slots.get(id).filter(|slot| slot.repo() == repo) {
            let payload = Payload::new(slot.to_object());
            store.put(&Name::hashed(*folder, &id.to_hex()), &payload)?;
        }
    }
    Ok(())
}

fn copied(copies: &Objects, leaf: &str) -> Option<(Id, KeySlot)> {
    let slot = KeySlot::from_object(&copies.get(&Name::hashed(Folder::Keys, leaf))?).ok()?;
    let id = slot_id(&slot);
    (id.to_hex() == leaf).then_some((id, slot))
}

fn read_copy(store: &dyn Store, name: &Name) -> Result<KeySlot> {
    let at = || format!("read {name} from {}", store.location());
    let bytes = store.get(name, PAGE as u64)?;
    if hash::object_id(&bytes).to_hex() != name.leaf() {
        BoxHeader::decode(&bytes).during(at)?;
        return Err(Error::new(Kind::Damaged, "its bytes do not match its name").during(at()));
    }
    KeySlot::from_object(&bytes).during(at)
}

/// Puts both copies of a slot.
///
/// # Errors
/// Those of the store.
pub fn put_slot(store: &dyn Store, slot: &KeySlot) -> Result<Id> {
    let object = slot.to_object();
    let id = hash::object_id(&object);
    let payload = Payload::new(object);
    for folder in [Folder::Keys, Folder::Keys2] {
        store.put(&Name::hashed(folder, &id.to_hex()), &payload)?;
    }
    Ok(id)
}

/// Deletes both copies of a slot.
///
/// # Errors
/// Those of the store.
pub fn delete_slot(store: &dyn Store, id: &Id) -> Result<()> {
    for folder in [Folder::Keys, Folder::Keys2] {
        store.delete(&Name::hashed(folder, &id.to_hex()))?;
    }
    Ok(())
}
