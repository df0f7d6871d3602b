//! From a secret to the root key.
//!
//! A wrong secret and a damaged slot are never confused: `NoKey` is said only after an undamaged slot of the right
//! kind was tried, `Damaged` only when no copy of such a slot can be read.

use crate::crypto::derive::RootKey;
use crate::error::{Error, Kind, Result};
use crate::format::header::{BoxHeader, RepoId};
use crate::format::key_slot::{KeySlot, SlotKind, SlotSecret};
use crate::limits::{PAGE, PASSPHRASE_SLOTS_TRIED};
use crate::name::Folder;
use crate::repo::keyring::KeyRing;
use crate::store::Store;

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

/// The root key and the repository it belongs to. `whose` is the repository that the mirror's marker names: slots of any
/// other are tried last, since the same secret may open them.
///
/// # Errors
/// `NoKey` when undamaged slots of that kind were tried in vain, `Damaged` when none could be read, `TooNew`; `Refused`
/// when all that is left are slots that ask for too much.
pub fn run(
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
