//! Key slots: read both copies, unlock, add, remove.
//!
//! A wrong secret and a damaged slot are never confused: `NoKey` is said only after an undamaged slot of the right
//! kind was tried, `Damaged` only when no copy of such a slot can be read.

use crate::crypto::derive::RootKey;
use crate::crypto::hash;
use crate::crypto::passphrase::Argon2Cost;
use crate::error::{During, Error, Kind, Result};
use crate::format::header::{BoxHeader, RepoId};
use crate::format::key_slot::{KeySlot, SlotKind, SlotSecret};
use crate::host::Host;
use crate::id::Id;
use crate::limits::{KEY_SLOTS_MAX, PAGE, PASSPHRASE_SLOTS_TRIED};
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::repo::found::SlotNames;
use crate::repo::slot_id;
use crate::store::{Payload, Store};
use std::collections::BTreeMap;

/// Names looked at until there are enough slots that can be read: files that are none must not crowd them out.
const NAMES_TRIED: usize = 1024;

/// A secret and how far to go with it.
pub struct Unlock {
    /// Passphrase, key file or words.
    pub secret: SlotSecret,
    /// Passphrase slots to try; each costs one run of Argon2id.
    pub slots_tried: usize,
    /// Argon2 memory this machine allows, in KiB.
    pub memory_kib_max: u32,
}

impl Unlock {
    /// With the usual limits.
    pub fn new(secret: SlotSecret) -> Self {
        Self {
            secret,
            slots_tried: PASSPHRASE_SLOTS_TRIED,
            memory_kib_max: u32::MAX,
        }
    }
}

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
    damaged: usize,
    too_new: usize,
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
    /// so. What `known` has read already, on whichever mirror, is taken from there: the bytes of a name are the same.
    ///
    /// # Errors
    /// Those of the store. A damaged slot is a problem, not an error.
    pub fn read(
        store: &dyn Store,
        names: &SlotNames,
        known: &Self,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let mut ring = Self::default();
        let mut tried = 0;
        for (leaf, copies) in names.all().iter().take(NAMES_TRIED) {
            if ring.slots.len() >= KEY_SLOTS_MAX {
                break;
            }
            match Id::from_hex(leaf).and_then(|id| Some((id, known.slots.get(&id)?))) {
                Some((id, slot)) => drop(ring.slots.insert(id, slot.clone())),
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

/// The root key and the repository it belongs to. `whose` is the repository that the mirror's marker names: slots of any
/// other are tried last, since the same secret may open them.
///
/// # Errors
/// `NoKey` when undamaged slots of that kind were tried in vain, `Damaged` when none could be read, `TooNew`; `Refused`
/// when all that is left are slots that ask for too much.
pub fn unlock(
    store: &dyn Store,
    ring: &KeyRing,
    unlock: &Unlock,
    whose: Option<RepoId>,
) -> Result<(RootKey, RepoId)> {
    let kind = unlock.secret.kind();
    let mut slots: Vec<_> = ring.slots().filter(|slot| slot.kind() == kind).collect();
    slots.sort_by_key(|slot| whose.is_some_and(|repo| repo != slot.repo()));
    let mut tried = 0;
    let mut refused = None;
    for slot in slots {
        if kind == SlotKind::Passphrase && tried >= unlock.slots_tried {
            return Err(no_key(store, kind, tried)
                .hint("more passphrase slots exist than are tried; allow more with --kdf-limit"));
        }
        if slot.cost().memory_kib > unlock.memory_kib_max {
            let what = format!(
                "a key slot asks for {} MiB to check a passphrase, more than half of this machine's memory",
                slot.cost().memory_kib >> 10
            );
            let hint = "use the key file or the recovery words (--words)";
            refused.get_or_insert(Error::new(Kind::Refused, what).hint(hint));
            continue;
        }
        match slot.open(&unlock.secret) {
            Ok(Some(root)) => return Ok((root, slot.repo())),
            Ok(None) => tried += 1,
            // Anybody can put a slot there that asks for too much; it must not keep the honest ones from being tried.
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    if kind == SlotKind::Words
        && let Some(found) = unlock_by_pack(store, ring, unlock, whose)?
    {
        return Ok(found);
    }
    if let Some(error) = refused {
        return Err(error);
    }
    if tried > 0 {
        return Err(no_key(store, kind, tried));
    }
    if ring.damaged > 0 {
        return Err(Error::new(
            Kind::Damaged,
            format!(
                "both copies of the key slots on {} are damaged; your secret was not tested",
                store.location()
            ),
        )
        .hint("try --words with the recovery sheet, for which any pack will do"));
    }
    if ring.too_new > 0 {
        return Err(Error::new(
            Kind::TooNew,
            format!(
                "the key slots on {} are newer than this program",
                store.location()
            ),
        )
        .hint("upgrade heirloom; nothing is damaged"));
    }
    Err(no_key(store, kind, 0))
}

fn no_key(store: &dyn Store, kind: SlotKind, tried: usize) -> Error {
    let what = match (kind, tried) {
        (_, 0) => format!("{} has no key slot for {}", store.location(), kind.noun()),
        (SlotKind::Words, _) => format!(
            "these words are valid but do not open the repository at {}",
            store.location()
        ),
        (_, 1) => format!(
            "this {} does not open {} (its slot was read and is undamaged)",
            kind.noun(),
            store.location()
        ),
        (_, n) => format!(
            "this {} opens none of the {n} slots on {} (slots read and undamaged)",
            kind.noun(),
            store.location()
        ),
    };
    Error::new(Kind::NoKey, what).hint(match kind {
        SlotKind::Passphrase => "check the keyboard layout, try another passphrase, or use --words with the recovery sheet",
        SlotKind::KeyFile => "another key file, a passphrase, or --words with the recovery sheet",
        SlotKind::Words => "look for the sheet that carries this repository's fingerprint",
    })
}

/// The recovery slot stands in every pack: one readable header is enough.
fn unlock_by_pack(
    store: &dyn Store,
    ring: &KeyRing,
    unlock: &Unlock,
    whose: Option<RepoId>,
) -> Result<Option<(RootKey, RepoId)>> {
    if ring.slots().any(|slot| slot.kind() == SlotKind::Words) {
        return Ok(None);
    }
    let mut packs = Vec::new();
    store.list(Folder::Packs, &mut |listed| {
        packs.push((listed.name, listed.len));
        Ok(())
    })?;
    let mut stranger = None;
    for (name, len) in &packs {
        let page = PAGE as u64;
        for start in [0, len.saturating_sub(page)] {
            let Ok(bytes) = store.get_range(name, start..start + page) else {
                continue;
            };
            let Ok(header) = BoxHeader::decode(&bytes) else {
                continue;
            };
            let Ok(slot) = KeySlot::parse(&header.recovery) else {
                continue;
            };
            let Ok(Some(root)) = slot.open(&unlock.secret) else {
                continue;
            };
            if whose.is_none_or(|repo| repo == slot.repo()) {
                return Ok(Some((root, slot.repo())));
            }
            stranger.get_or_insert((root, slot.repo()));
        }
    }
    Ok(stranger)
}
