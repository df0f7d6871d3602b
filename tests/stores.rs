//! Stores and decorators that need no server keep the contract; and what a folder must do beyond that.

use crate::contract::{MAX, conforms, list, pack, payload, slot};
use heirloom::error::Kind;
use heirloom::name::{Folder, Name};
use heirloom::store::append_only::AppendOnly;
use heirloom::store::calls::{Call, Counted};
use heirloom::store::faulty::{Counting, Fault, Faulty, Moment};
use heirloom::store::folder::FolderStore;
use heirloom::store::memory::MemoryStore;
use heirloom::store::{Abilities, Placed, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn folder() -> (TempDir, FolderStore) {
    let place = tempfile::tempdir().unwrap();
    let store = FolderStore::create(&place.path().join("a/b"), "0a1b").unwrap();
    (place, store)
}

fn leftovers(root: &Path) -> usize {
    fs::read_dir(root.join("a/b/tmp")).unwrap().count()
}

#[test]
fn a_memory_conforms() {
    conforms(&MemoryStore::new("memory"));
}

#[test]
fn a_folder_conforms() {
    let (place, store) = folder();
    conforms(&store);
    assert_eq!(leftovers(place.path()), 0);
}

#[test]
fn a_folder_without_direct_writes_conforms() {
    // A file system in memory where there is one: most refuse O_DIRECT.
    let place = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    conforms(&FolderStore::create(place.path(), "0a1b").unwrap());
}

#[test]
fn decorators_conform() {
    conforms(&Counted::new(MemoryStore::new("memory")));
    conforms(&Faulty::new(MemoryStore::new("memory")));
    let (_place, store) = folder();
    let shared: Arc<dyn Store> = Arc::new(store);
    conforms(&Counted::new(Faulty::new(shared)));
}

#[test]
fn a_place_that_cannot_decide_says_so_and_writes_nothing() {
    let abilities = Abilities {
        put_if_absent: false,
        delete: false,
        ranges: true,
    };
    let store = MemoryStore::with_abilities("plain", abilities);
    assert_eq!(
        store.put_if_absent(&slot(0), &payload(0, 1)).unwrap(),
        Placed::Cannot
    );
    assert!(store.contents().is_empty());
    assert_eq!(store.delete(&slot(0)).unwrap_err().kind(), Kind::Refused);
}

#[test]
fn an_append_only_place_is_never_asked_to_delete() {
    let store = AppendOnly::new(Counted::new(MemoryStore::new("memory")));
    store.put(&pack(1), &payload(1, 9)).unwrap();
    let error = store.delete(&pack(1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.chain().contains("append_only"), "{}", error.chain());
    assert!(!store.location().abilities.delete);
    assert!(store.get(&pack(1), MAX).unwrap()[..] == payload(1, 9)[..]);
    assert_eq!(
        store.put_if_absent(&slot(1), &payload(1, 9)).unwrap(),
        Placed::Mine
    );
}

#[test]
fn memory_can_be_looked_at_damaged_and_put_back() {
    let store = MemoryStore::new("memory");
    store.put(&pack(1), &payload(1, 9)).unwrap();
    let before = store.contents();
    let other_handle = store.clone();
    assert!(other_handle.change(&pack(1), |bytes| bytes.truncate(3)));
    assert!(!other_handle.change(&pack(2), |bytes| bytes.clear()));
    assert_eq!(store.get(&pack(1), MAX).unwrap().len(), 3);
    other_handle.replace(before.clone());
    assert_eq!(store.contents(), before);
}

#[test]
fn every_call_is_written_down() {
    let store = Counted::new(MemoryStore::new("memory"));
    store.put(&pack(1), &payload(1, 9)).unwrap();
    store.get(&pack(2), MAX).unwrap_err();
    store.get_range(&pack(1), 1..3).unwrap();
    list(&store, Folder::Packs);
    let short: Vec<_> = store
        .take()
        .into_iter()
        .map(|done| (done.call, done.name, done.amount))
        .collect();
    let expected = [
        (Call::Put, Some(pack(1)), 9),
        (Call::Get, Some(pack(2)), 0),
        (Call::GetRange, Some(pack(1)), 2),
        (Call::List, None, 1),
    ];
    assert_eq!(short, expected);
    assert!(store.calls().is_empty());
    store.delete(&pack(1)).unwrap();
    assert_eq!(store.count(Call::Delete), 1);
}

#[test]
fn a_planned_fault_comes_when_it_was_planned() {
    for (moment, for_good) in [
        (Moment::Before, false),
        (Moment::Before, true),
        (Moment::After, false),
        (Moment::After, true),
    ] {
        let store = Faulty::new(MemoryStore::new("memory"));
        let fault = Fault {
            at: 1,
            counting: Counting::Mutating,
            moment,
            for_good,
            kind: Kind::Unreachable,
        };
        store.plan(Some(fault));
        store.put(&pack(0), &payload(0, 1)).unwrap();
        store.get(&pack(0), MAX).unwrap();
        let error = store.put(&pack(1), &payload(1, 1)).unwrap_err();
        assert_eq!(
            (error.kind(), error.what()),
            (Kind::Unreachable, "write pack 01010101 to memory")
        );
        assert!(store.has_tripped());
        assert_eq!(store.get(&pack(1), MAX).is_ok(), moment == Moment::After);
        assert_eq!(store.put(&pack(2), &payload(2, 1)).is_err(), for_good);
        assert_eq!(store.get(&pack(2), MAX).is_err(), for_good);
        assert_eq!(store.calls(), 3);
        store.plan(None);
        store.put(&pack(2), &payload(2, 1)).unwrap();
    }
}

#[test]
fn a_lie_is_one_bit_and_the_same_for_one_seed() {
    let lies = |seed| {
        let store = Faulty::new(MemoryStore::new("memory"));
        for n in [1, 2] {
            store.put(&pack(n), &payload(n, 999)).unwrap();
        }
        let chosen = pack(1);
        store.lie_about(seed, move |name| *name == chosen);
        let true_bytes = payload(1, 999);
        let wrong: Vec<Vec<u8>> = (0..8).map(|_| store.get(&pack(1), MAX).unwrap()).collect();
        for bytes in &wrong {
            let flipped = bytes
                .iter()
                .zip(&true_bytes[..])
                .map(|(a, b)| (a ^ b).count_ones());
            assert_eq!(flipped.sum::<u32>(), 1);
        }
        assert_eq!(store.get(&pack(2), MAX).unwrap(), payload(2, 999)[..]);
        store.lie_no_more();
        assert_eq!(store.get(&pack(1), MAX).unwrap(), true_bytes[..]);
        wrong
    };
    assert_eq!(lies(5), lies(5));
    assert_ne!(lies(5), lies(6));
}

#[test]
fn no_repository_is_where_no_folder_is_or_an_empty_one() {
    let place = tempfile::tempdir().unwrap();
    let absent = place.path().join("absent");
    for (path, why) in [
        (absent.as_path(), "the folder does not exist"),
        (place.path(), "the folder is empty"),
    ] {
        let error = FolderStore::open(path, "0a").err().unwrap();
        let expected = format!("no repository at {}: {why}", path.display());
        assert_eq!(
            (error.kind(), error.what()),
            (Kind::NoRepository, &expected[..])
        );
        assert!(FolderStore::is_vacant(path).unwrap());
    }
    fs::create_dir(place.path().join("lost+found")).unwrap();
    assert!(
        FolderStore::is_vacant(place.path()).unwrap(),
        "a fresh disk"
    );
    fs::write(place.path().join("file"), "").unwrap();
    assert!(!FolderStore::is_vacant(place.path()).unwrap());
    let error = FolderStore::open(&place.path().join("file"), "0a")
        .err()
        .unwrap();
    assert_eq!(error.kind(), Kind::NoRepository);
}

#[test]
fn strangers_are_counted_and_never_touched() {
    let (place, store) = folder();
    let root = place.path().join("a/b");
    store.put(&pack(1), &payload(1, 1)).unwrap();
    fs::create_dir(root.join("packs/@eaDir")).unwrap();
    fs::write(root.join("packs/@eaDir/x"), "").unwrap();
    fs::write(root.join("packs/.DS_Store"), "").unwrap();
    fs::write(root.join("packs").join(pack(2).leaf()), "").unwrap();
    fs::write(root.join("packs/01").join(pack(2).leaf()), "").unwrap();
    std::os::unix::fs::symlink(
        "/dev/zero",
        root.join("packs/01").join("01".repeat(31) + "02"),
    )
    .unwrap();
    fs::write(root.join("tmp/0b-1-1"), "").unwrap();
    fs::write(root.join("notes.txt"), "").unwrap();
    assert_eq!(
        list(&store, Folder::Packs),
        (BTreeMap::from([(pack(1), 1)]), 5)
    );
    assert_eq!(list(&store, Folder::Top), (BTreeMap::new(), 1));
    assert!(root.join("packs/@eaDir/x").exists());
}

#[test]
fn only_regular_files_are_objects() {
    let (place, store) = folder();
    let at = |name: &Name| place.path().join("a/b").join(name.path());
    fs::create_dir_all(at(&pack(1))).unwrap();
    fs::create_dir_all(at(&pack(2)).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at(&pack(2))).unwrap();
    assert_eq!(store.get(&pack(1), MAX).unwrap_err().kind(), Kind::Damaged);
    assert!(store.get(&pack(2), MAX).is_err());
}

#[test]
fn a_failed_write_leaves_nothing() {
    let (place, store) = folder();
    let in_the_way = place.path().join("a/b/packs/01");
    fs::write(&in_the_way, "a file where a folder should be").unwrap();
    for len in [10, 2 << 20] {
        let error = store.put(&pack(1), &payload(1, len)).unwrap_err();
        assert!(
            error.what().starts_with("write pack 01010101 to /"),
            "{}",
            error.what()
        );
        store.put_if_absent(&pack(1), &payload(1, len)).unwrap_err();
        assert_eq!(leftovers(place.path()), 0);
    }
    fs::remove_file(in_the_way).unwrap();
    store.put(&pack(1), &payload(1, 10)).unwrap();
}

#[test]
fn folders_that_a_copy_left_out_are_made_again() {
    let (place, store) = folder();
    let root = place.path().join("a/b");
    for folder in ["tmp", "packs", "commits", "marks"] {
        fs::remove_dir(root.join(folder)).unwrap();
    }
    assert_eq!(list(&store, Folder::Packs), (BTreeMap::new(), 0));
    store.put(&pack(1), &payload(1, 10)).unwrap();
    assert_eq!(
        store.put_if_absent(&slot(1), &payload(1, 10)).unwrap(),
        Placed::Mine
    );
    assert_eq!(list(&store, Folder::Packs).0.len(), 1);
}

#[test]
fn a_folder_that_went_away_is_unreachable_and_never_empty() {
    let (place, store) = folder();
    store.put(&pack(1), &payload(1, 10)).unwrap();
    fs::rename(place.path().join("a/b"), place.path().join("a/unmounted")).unwrap();
    fs::create_dir(place.path().join("a/b")).unwrap();
    let error = store.list(Folder::Packs, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert_eq!(
        store.get(&pack(2), MAX).unwrap_err().kind(),
        Kind::Unreachable
    );
    store.put(&pack(3), &payload(3, 10)).unwrap();
    assert_eq!(
        fs::read_dir(place.path().join("a/b")).unwrap().count(),
        0,
        "the mount point stays empty"
    );
}

#[test]
fn what_is_half_written_is_not_listed() {
    let (place, store) = folder();
    let tmp = place.path().join("a/b/tmp");
    fs::write(tmp.join("0a1b-1-1"), "half").unwrap();
    fs::write(tmp.join("ffff-1-1"), "half").unwrap();
    fs::write(tmp.join("Notes"), "").unwrap();
    let name = Name::new(Folder::Tmp, "probe-1").unwrap();
    store.put(&name, &payload(1, 7)).unwrap();
    assert_eq!(list(&store, Folder::Tmp), (BTreeMap::from([(name, 7)]), 1));
}

#[test]
fn a_device_clears_its_own_leftovers_and_no_others() {
    let (place, store) = folder();
    let tmp = place.path().join("a/b/tmp");
    for name in ["0a1b-1-1", "0a1b-99-0", "0a1bc-1-1", "ffff-1-1"] {
        fs::write(tmp.join(name), "half").unwrap();
    }
    let in_use = fs::File::open(tmp.join("0a1b-99-0")).unwrap();
    in_use.lock().unwrap();
    assert_eq!(store.sweep_own_leftovers().unwrap(), 1);
    drop(in_use);
    assert_eq!(store.sweep_own_leftovers().unwrap(), 1);
    assert_eq!(leftovers(place.path()), 2);
    assert_eq!(store.sweep_own_leftovers().unwrap(), 0);
}
