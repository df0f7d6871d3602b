//! The contract of `Store`, which every store and every decorator is held to.

use heirloom::error::Kind;
use heirloom::name::{Folder, Name};
use heirloom::store::{Listed, Payload, Placed, Store};
use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More than any object here has.
pub(crate) const MAX: u64 = 64 << 20;

/// A pack's name.
pub(crate) fn pack(n: u8) -> Name {
    Name::hashed(Folder::Packs, &format!("{n:02x}").repeat(32))
}

/// A commit slot's name.
pub(crate) fn slot(n: u8) -> Name {
    Name::new(Folder::Commits, &format!("{n:02x}").repeat(16)).unwrap()
}

/// Bytes that no other seed has.
pub(crate) fn payload(seed: u8, len: usize) -> Payload {
    let next = |at: usize| {
        seed.wrapping_add(u8::try_from(at % 251).unwrap())
            .wrapping_mul(31)
    };
    Payload::new((0..len).map(next).collect())
}

/// All that is listed, and the number of strangers.
pub(crate) fn list(store: &dyn Store, folder: Folder) -> (BTreeMap<Name, u64>, u64) {
    let mut found = BTreeMap::new();
    let strangers = store.list(folder, &mut |Listed { name, len }| {
        assert_eq!(name.folder(), folder);
        assert!(found.insert(name, len).is_none(), "listed twice");
        Ok(())
    });
    (found, strangers.unwrap())
}

/// The contract of `Store`, on an empty one.
pub(crate) fn conforms(store: &dyn Store) {
    conforms_but_for_slots(store);
    first_writer_wins(store);
    eight_writers_have_one_winner(store);
}

/// The contract as far as it does not ask who was first.
pub(crate) fn conforms_but_for_slots(store: &dyn Store) {
    whole_objects_come_back(store);
    ranges_are_exact(store);
    long_ranges_are_exact(store);
    absent_things_are_not_found(store);
    every_folder_is_listed(store);
}

/// The contract of a store that is unable to decide who was first, and says so.
#[cfg(feature = "remote")]
pub(crate) fn conforms_and_cannot_decide(store: &dyn Store) {
    conforms_but_for_slots(store);
    for _ in 0..2 {
        let placed = store.put_if_absent(&slot(0), &payload(1, 100));
        assert_eq!(placed.unwrap(), Placed::Cannot);
    }
    assert_eq!(
        list(store, Folder::Commits).0.len(),
        0,
        "nothing was written"
    );
}

fn whole_objects_come_back(store: &dyn Store) {
    for (n, len) in [
        (0, 0),
        (1, 1),
        (2, 4096),
        (3, (1 << 20) - 1),
        (4, 1 << 20),
        (5, (9 << 20) + 4096),
        (6, (1 << 20) + 7),
    ] {
        let bytes = payload(n, len);
        store.put(&pack(n), &bytes).unwrap();
        assert!(
            store.get(&pack(n), MAX).unwrap() == bytes[..],
            "{len} bytes"
        );
        assert!(store.get(&pack(n), len as u64).unwrap() == bytes[..]);
        if len > 0 {
            let error = store.get(&pack(n), len as u64 - 1).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
        }
    }
    store.put(&pack(5), &payload(9, 100)).unwrap();
    assert_eq!(
        store.get(&pack(5), MAX).unwrap(),
        payload(9, 100)[..],
        "a put replaces"
    );
}

fn ranges_are_exact(store: &dyn Store) {
    let bytes = payload(7, 10_000);
    store.put(&pack(7), &bytes).unwrap();
    for range in [
        0..0,
        0..1,
        0..10_000,
        4095..4097,
        9999..10_000,
        10_000..10_000,
    ] {
        let at = |at: u64| usize::try_from(at).unwrap();
        let expected = &bytes[at(range.start)..at(range.end)];
        assert_eq!(store.get_range(&pack(7), range).unwrap(), expected);
    }
    for range in [
        0..10_001,
        10_000..10_001,
        20_000..20_001,
        1 << 63..(1 << 63) + 1,
    ] {
        let error = store.get_range(&pack(7), range).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
    }
}

fn long_ranges_are_exact(store: &dyn Store) {
    let len = (9 << 20) + 77;
    let bytes = payload(8, len);
    store.put(&pack(8), &bytes).unwrap();
    for start in [0, 1, 4095, 4096, 70_000] {
        for end in [
            (1 << 20) + 70_000,
            4 << 20,
            (4 << 20) + 1,
            (8 << 20) + 4097,
            len - 1,
            len,
        ] {
            let found = store.get_range(&pack(8), start as u64..end as u64).unwrap();
            assert!(found == bytes[start..end], "{start}..{end}");
        }
    }
    store.get_range(&pack(8), 0..len as u64 + 1).unwrap_err();
}

fn absent_things_are_not_found(store: &dyn Store) {
    let at = store.location().address.clone();
    let error = store.get(&pack(0xee), MAX).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(error.what(), format!("read pack eeeeeeee from {at}"));
    let error = store.get_range(&pack(0xee), 0..1).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    store.delete(&pack(0xee)).unwrap();
    store.put(&pack(0xee), &payload(1, 5)).unwrap();
    store.delete(&pack(0xee)).unwrap();
    store.delete(&pack(0xee)).unwrap();
    assert_eq!(
        store.get(&pack(0xee), MAX).unwrap_err().kind(),
        Kind::NotFound
    );
}

fn every_folder_is_listed(store: &dyn Store) {
    for folder in Folder::ALL.into_iter().chain([Folder::Tmp]) {
        let name = match folder {
            Folder::Tmp => Name::new(folder, "probe-1").unwrap(),
            Folder::Top => Name::marker(),
            Folder::Commits => slot(1),
            Folder::Intents => Name::new(folder, &format!("{}.0", "1".repeat(32))).unwrap(),
            _ => Name::new(folder, &"1f".repeat(32)).unwrap(),
        };
        let (before, _) = list(store, folder);
        store.put(&name, &payload(1, 33)).unwrap();
        let (mut after, strangers) = list(store, folder);
        assert_eq!((after.get(&name), strangers), (Some(&33), 0));
        after.remove(&name);
        assert_eq!(after, before);
        store.delete(&name).unwrap();
        assert_eq!(list(store, folder).0, before);
    }
    let stop = || heirloom::error::Error::new(Kind::Interrupted, "enough");
    let error = store.list(Folder::Packs, &mut |_| Err(stop())).unwrap_err();
    assert_eq!(
        error.kind(),
        Kind::Interrupted,
        "the caller's own error comes back"
    );
}

fn first_writer_wins(store: &dyn Store) {
    let (mine, theirs) = (payload(1, 4096), payload(2, 4096));
    assert_eq!(store.put_if_absent(&slot(0), &mine).unwrap(), Placed::Mine);
    for other in [theirs, payload(2, 1), payload(2, 9000)] {
        assert_eq!(
            store.put_if_absent(&slot(0), &other).unwrap(),
            Placed::Taken
        );
    }
    assert_eq!(
        store.put_if_absent(&slot(0), &mine).unwrap(),
        Placed::Mine,
        "a lost answer"
    );
    assert_eq!(store.get(&slot(0), MAX).unwrap(), mine[..]);
    store.delete(&slot(0)).unwrap();
}

fn eight_writers_have_one_winner(store: &dyn Store) {
    for round in 0..10 {
        let (start, winners) = (Barrier::new(8), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (start, winners) = (&start, &winners);
                scope.spawn(move || {
                    start.wait();
                    let placed = store
                        .put_if_absent(&slot(round), &payload(writer, 8192))
                        .unwrap();
                    match placed {
                        Placed::Mine => winners.fetch_add(1, Ordering::Relaxed),
                        Placed::Taken => 0,
                        Placed::Cannot => panic!("it said that it could"),
                    };
                });
            }
        });
        assert_eq!(winners.into_inner(), 1);
        store.delete(&slot(round)).unwrap();
    }
}
