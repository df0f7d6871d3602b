//! What a newer version of heirloom wrote is "too new": never "damaged", never built upon blindly, never deleted, and no
//! hindrance to reading the rest (format 18).

use crate::forge::{Forge, assert_unharmed, file, folder, honest, leaf};
use crate::world::{World, key};
use heirloom::compress::Level;
use heirloom::error::Kind;
use heirloom::format::ObjectKind;
use heirloom::format::chain::What;
use heirloom::format::header::set_checksum;
use heirloom::format::mirror::{MirrorRecord, PROTOCOL};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::verify;
use heirloom::store::{Payload, Store};
use std::collections::BTreeMap;

/// Changes a header, and the one at the end of a pack, so that only a newer version knows it.
type Change = fn(&mut [u8; 4096]);

const CHANGES: [(&str, Change); 6] = [
    ("version 2", |header| header[8] = 2),
    ("mode 2", |header| header[11] = 2),
    ("segments of another size", |header| header[13] = 17),
    ("a feature", |header| header[17] = 0x20),
    ("an epoch", |header| header[20] = 1),
    ("a kind", |header| header[10] = 77),
];

fn changed(mut bytes: Vec<u8>, change: Change, tail: bool) -> Vec<u8> {
    let header = bytes.first_chunk_mut().unwrap();
    change(header);
    set_checksum(header);
    let header = *header;
    if tail {
        *bytes.last_chunk_mut().unwrap() = header;
    }
    bytes
}

/// Nothing is damaged, so much is newer, and all of it is still there.
fn assert_newer(world: &mut World, newer: u64) {
    let before: BTreeMap<_, _> = world.store.contents();
    let report = assert_unharmed(world);
    let damaged: Vec<_> = report.damaged.iter().map(|damage| &damage.what).collect();
    assert!(damaged.is_empty(), "{damaged:?}");
    assert_eq!((report.losses, report.newer), (vec![], newer));
    let after = world.store.contents();
    let kept = before
        .iter()
        .all(|(name, bytes)| after.get(name) == Some(bytes));
    assert!(kept, "nothing newer is changed or deleted");
}

#[test]
fn a_newer_header_is_too_new_in_every_kind_of_object() {
    for (what, change) in CHANGES {
        let mut world = honest();
        let forge = Forge::new(&world);
        let mut count = 0;
        for kind in ObjectKind::ALL {
            if matches!(
                kind,
                ObjectKind::Mirror | ObjectKind::Mark | ObjectKind::Commit
            ) {
                continue;
            }
            let bytes = match kind {
                ObjectKind::KeySlot => {
                    let all = world.store.contents();
                    all.into_iter()
                        .find(|(name, _)| name.folder() == Folder::Keys)
                        .unwrap()
                        .1
                }
                _ => forge.seal(kind, &[], b"\x80"),
            };
            let name = forge.place(kind, changed(bytes, change, kind.has_tail()));
            count += 1;
            if kind == ObjectKind::KeySlot {
                let twin = Name::hashed(Folder::Keys2, name.leaf());
                let bytes = world.store.contents()[&name].clone();
                world.store.put(&twin, &Payload::new(bytes)).unwrap();
                count += 1;
            }
        }
        println!("{what}");
        assert_newer(&mut world, count);
        world.write("next", b"and the next backup works beside them");
        world
            .try_backup(Level::Fast, false, &Collected::default())
            .unwrap();
        assert_newer(&mut world, count);
    }
}

#[test]
fn nobody_writes_beside_newer_marks_slots_and_markers() {
    for kind in [ObjectKind::Mark, ObjectKind::Commit, ObjectKind::Mirror] {
        for (what, change) in CHANGES {
            let mut world = honest();
            let forge = Forge::new(&world);
            let good = match kind {
                ObjectKind::Mirror => world.store.contents()[&Name::marker()].clone(),
                _ => forge.seal(kind, &[], b"\x80"),
            };
            forge.place(kind, changed(good, change, false));
            assert_newer(&mut world, 1);
            let done = world.try_backup(Level::Fast, false, &Collected::default());
            let error = done.unwrap_err();
            assert_eq!(error.kind(), Kind::TooNew, "{what}: {}", error.chain());
            assert!(error.hint_text().is_some());
            assert_newer(&mut world, 1);
        }
    }
}

#[test]
fn a_newer_record_is_too_new_in_every_kind_of_object() {
    for kind in [
        ObjectKind::Entry,
        ObjectKind::Intent,
        ObjectKind::Commit,
        ObjectKind::Mark,
        ObjectKind::Ledger,
    ] {
        let mut world = honest();
        Forge::new(&world).put(kind, &[], b"\x82\xa1v\x02\xa5fancy\xc3");
        assert_newer(&mut world, 1);
        let done = world.try_backup(Level::Fast, false, &Collected::default());
        let forbids = matches!(kind, ObjectKind::Commit | ObjectKind::Mark);
        assert_eq!(
            done.err().map(|error| error.kind()),
            forbids.then_some(Kind::TooNew),
            "{kind:?}"
        );
    }
    for kind in [
        ObjectKind::IndexRun,
        ObjectKind::DataPack,
        ObjectKind::TreePack,
    ] {
        let mut world = honest();
        Forge::new(&world).put(kind, &[], b"\x94\x02\xc4\x00\xc4\x00\xc4\x00");
        assert_newer(&mut world, 1);
        world
            .try_backup(Level::Fast, false, &Collected::default())
            .unwrap();
    }
}

#[test]
fn a_newer_protocol_may_be_read_and_not_written_to() {
    let mut world = honest();
    let mut marker = world.repo().mirror().unwrap().clone();
    marker.protocol = PROTOCOL + 1;
    let bytes = Forge::new(&world).seal(ObjectKind::Mirror, &[], &MirrorRecord::encode(&marker));
    world
        .store
        .put(&Name::marker(), &Payload::new(bytes))
        .unwrap();
    assert_newer(&mut world, 0);
    let error = world
        .try_backup(Level::Fast, false, &Collected::default())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::TooNew);
    // A record of version 2: the same.
    let bytes = Forge::new(&world).seal(ObjectKind::Mirror, &[], b"\x82\xa1v\x02\xa5fancy\xc3");
    world
        .store
        .put(&Name::marker(), &Payload::new(bytes))
        .unwrap();
    assert_newer(&mut world, 1);
    let error = world
        .try_backup(Level::Fast, false, &Collected::default())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::TooNew);
}

#[test]
fn an_unknown_word_is_shown_and_hinders_nobody() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let mut entry = forge.entry(0, None, Id::new([1; 32]));
    entry.what = What::Unknown("fancy".to_owned());
    let name = forge.put(ObjectKind::Entry, &[], &entry.encode());
    let id = Id::from_hex(name.leaf()).unwrap();
    let slot = heirloom::format::commit::CommitSlot::Commit(vec![id]);
    forge.put(ObjectKind::Commit, &[], &slot.encode());
    assert_newer(&mut world, 1);
    world
        .try_backup(Level::Fast, false, &Collected::default())
        .unwrap();
}

/// Tree number 3 and list number 4, below a tree that is known: the rest is restored.
#[test]
fn newer_trees_and_lists_cost_themselves() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let newer = forge.tree(b"\x92\x03\xa5fancy".to_vec());
    let list = forge.blobs(
        heirloom::format::BlobKind::List,
        &[b"\x92\x04\xa5fancy".to_vec()],
    )[0];
    let chunk = forge.blobs(heirloom::format::BlobKind::Chunk, &[b"plain".to_vec()])[0];
    let mut long = file(b"long", &[]);
    long.depth = 1;
    long.size = 70;
    long.content = [list.as_bytes().as_slice(), &70u64.to_le_bytes()].concat();
    let root = forge.tree(leaf(vec![
        folder(b"fancy", newer),
        long,
        file(b"plain", &[(chunk, 5)]),
    ]));
    forge.snapshot(root);
    let monitor = Collected::default();
    let options = heirloom::ops::restore::Options {
        path: Vec::new(),
        ..world.options()
    };
    let report = world.restore_heard(root, &options, &monitor).unwrap();
    assert_eq!(std::fs::read(world.target("plain")).unwrap(), b"plain");
    let lost: Vec<_> = report
        .losses
        .iter()
        .map(|loss| loss.path.escape_ascii().to_string())
        .collect();
    assert_eq!(lost, ["/fancy", "/long"]);
    let problems = monitor.problems();
    assert!(
        problems
            .iter()
            .all(|problem| problem.contains("tree number 3") || problem.contains("newer")),
        "{problems:?}"
    );
    assert_newer(&mut world, 2);
}

#[test]
fn a_pack_of_a_newer_version_is_not_judged() {
    let mut world = honest();
    let (pack, _) = world.packs()[0].clone();
    // As if a newer program had written this pack under the same name: only its header can be read.
    let bytes = world.store.contents()[&pack].clone();
    let newer = changed(bytes, CHANGES[0].1, true);
    world.store.put(&pack, &Payload::new(newer)).unwrap();
    world.reopen(key()).unwrap();
    for level in [
        verify::Level::Structure,
        verify::Level::Stored,
        verify::Level::Content,
    ] {
        let report = world.verify(level).unwrap();
        let damaged: Vec<_> = report.damaged.iter().map(|damage| &damage.what).collect();
        assert!(
            damaged.is_empty() && report.losses.is_empty(),
            "{level:?}: {damaged:?}"
        );
        assert!(report.newer > 0);
    }
    let root = world.snapshots()[0].1;
    let monitor = Collected::default();
    let report = world
        .restore_heard(root, &world.options(), &monitor)
        .unwrap();
    assert!(!report.losses.is_empty());
    assert!(
        monitor
            .problems()
            .iter()
            .all(|problem| problem.contains("version 2")),
        "{:?}",
        monitor.problems()
    );
}
