//! Many key slots, and secrets that were in use once. The letters are those of format 19.1.

use crate::several::of;
use crate::stage::words;
use crate::world::{World, key, noise};
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::{Secret, SecretText};
use heirloom::error::Kind;
use heirloom::format::key_slot::SlotSecret;
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::Folder;
use heirloom::repo::Repo;
use heirloom::repo::keyring::{NewSlot, delete_slot, put_slot};
use heirloom::repo::unlock::Unlock;
use heirloom::store::Store;
use std::sync::Arc;

fn passphrase(text: &str) -> SlotSecret {
    SlotSecret::Passphrase(SecretText::new(text.to_owned()))
}

fn add(world: &World, text: &str) -> Id {
    let slot = NewSlot {
        secret: passphrase(text),
        cost: Argon2Cost {
            memory_kib: 64 << 10,
            passes: 1,
            lanes: 1,
        },
        label: text.to_owned(),
    };
    let repo = world.repo();
    let slot = slot.seal(repo.root(), repo.id(), world.host()).unwrap();
    put_slot(&world.store, &slot).unwrap()
}

/// A wrong passphrase is stretched once for each slot that may be tried and no more; a key file for none, and which slot
/// it is that opens makes no difference to what is answered.
#[test]
fn k1_of_ten_slots_so_many_are_tried_and_each_opens() {
    let mut world = World::new();
    let names: Vec<_> = (0..10)
        .map(|number| format!("passphrase {number}"))
        .collect();
    for text in &names {
        add(&world, text);
    }
    let open = |text: &str, tries: usize| {
        let mut unlock = Unlock::new(passphrase(text));
        unlock.slots_tried = tries;
        let store: Arc<dyn Store> = Arc::new(world.store.clone());
        Repo::open(store, &unlock, &world.outside("k1"), &Collected::default()).map(drop)
    };
    let three = open("wrong", 3).unwrap_err();
    assert_eq!(three.kind(), Kind::NoKey);
    assert!(three.chain().contains("3 slots"), "{}", three.chain());
    assert!(three.hint_text().unwrap().contains("--kdf-limit"));
    let all = open("wrong", 10).unwrap_err();
    assert!(all.chain().contains("10 slots"), "{}", all.chain());
    assert!(!all.hint_text().unwrap().contains("--kdf-limit"));
    let opened = names.iter().filter(|text| open(text, 3).is_ok()).count();
    assert_eq!(opened, 3, "those that come first, whichever they are");
    open(&names[9], 10).unwrap();
    world.reopen(key()).unwrap();
}

/// Once its slot is gone a passphrase opens nothing: not the repository, not by way of a pack, not beside a new slot.
#[test]
fn k9_an_old_passphrase_opens_nothing_current_and_no_pack() {
    let mut world = World::new();
    let old = add(&world, "old");
    world.write("file", b"content");
    let root = world.backup();
    world.reopen(passphrase("old")).unwrap();
    add(&world, "new");
    delete_slot(&world.store, &old).unwrap();
    let refused = world.reopen(passphrase("old")).unwrap_err();
    assert_eq!(refused.kind(), Kind::NoKey);
    world.reopen(passphrase("new")).unwrap();
    let before = world.store.contents();
    let mut packs = before.clone();
    packs.retain(|name, _| !matches!(name.folder(), Folder::Keys | Folder::Keys2));
    world.store.replace(packs);
    for text in ["old", "new"] {
        let error = world.reopen(passphrase(text)).unwrap_err();
        assert_eq!(error.kind(), Kind::NoKey, "{text}");
    }
    world.store.replace(before);
    world.reopen(passphrase("new")).unwrap();
    world.restore_whole(root);
}

#[test]
fn k8_words_and_one_pack_open_what_has_lost_its_slots() {
    let mut world = World::new();
    let new = NewSlot {
        secret: words(),
        cost: Argon2Cost::default(),
        label: "words".to_owned(),
    };
    let slot = new
        .seal(world.repo().root(), world.repo().id(), world.host())
        .unwrap();
    put_slot(&world.store, &slot).unwrap();
    world.reopen(key()).unwrap();
    for n in 0..2 {
        world.write(&format!("file-{n}"), &noise(n, 80_000));
        world.backup();
    }
    let whole = world.store.contents();
    for kept in of(&world.store, Folder::Packs) {
        let mut left = whole.clone();
        left.retain(|name, _| match name.folder() {
            Folder::Keys | Folder::Keys2 => false,
            Folder::Packs => *name == kept,
            _ => true,
        });
        for damage in [0, 1, 2] {
            world.store.replace(left.clone());
            // One header is enough; without any there is nothing.
            world.store.change(&kept, |bytes| {
                let tail = bytes.len() - 4096;
                bytes[..4096 * damage.min(1)].fill(0);
                bytes[tail..tail + 4096 * (damage / 2)].fill(0);
            });
            world.lose_cache();
            let opened = world.reopen(words());
            assert_eq!(opened.is_ok(), damage < 2, "{damage}");
            if damage < 2 {
                assert_eq!(world.snapshots().len(), 2);
            }
        }
        world.store.replace(left);
        world.lose_cache();
        let wrong = SlotSecret::Words(Secret::new([6; 16]));
        assert_eq!(world.reopen(wrong).unwrap_err().kind(), Kind::NoKey);
        assert_eq!(world.reopen(key()).unwrap_err().kind(), Kind::NoKey);
    }
    let mut left = whole;
    left.retain(|name, _| !matches!(name.folder(), Folder::Keys | Folder::Keys2));
    world.store.replace(left);
    let problems = world.reopen(words()).unwrap();
    assert!(
        problems[0].contains("no key slot lies there any more"),
        "{problems:?}"
    );
    let root = world.snapshots()[1].1;
    world.restore_whole(root);
}
