//! A mirror that means harm, and whoever can put a file there: what is not authentic is found before it is used, and
//! what is authentic and wrong costs nobody else anything. The letters are those of format 19.1; bombs are in
//! `bombs.rs`, what a newer version wrote in `newer.rs`.

use crate::forge::{Forge, assert_unharmed, file, folder, honest, leaf};
use crate::world::{World, key, noise};
use heirloom::compress::Level;
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::{Secret, SecretText};
use heirloom::error::Kind;
use heirloom::format::block::blob_id;
use heirloom::format::commit::{CommitSlot, Intent};
use heirloom::format::directory::{BlockRow, Codec, Directory};
use heirloom::format::header::set_checksum;
use heirloom::format::index::{Row, Run, RunPack};
use heirloom::format::key_slot::{KeySlot, SlotSecret};
use heirloom::format::tree::content::List;
use heirloom::format::{BlobKind, ObjectKind};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::repo::keyring::{NewSlot, put_slot};
use heirloom::store::{Payload, Store};
use std::collections::BTreeSet;
use std::fs;

/// Names of this folder, in order.
fn names(world: &World, folder: Folder) -> Vec<Name> {
    let all = world.store.contents().into_keys();
    all.filter(|name| name.folder() == folder).collect()
}

/// The name of the only commit slot, and its bytes: a small box whose name says nothing of its bytes.
fn slot(world: &World) -> (Name, Vec<u8>) {
    let all = world.store.contents().into_iter();
    let mut slots = all.filter(|(name, _)| name.folder() == Folder::Commits);
    slots.next().unwrap()
}

fn assert_refused(world: &World, name: &Name, bytes: Vec<u8>, what: &str) {
    world.store.change(name, |object| *object = bytes);
    let error = world
        .repo()
        .read(ObjectKind::Commit, name)
        .map(drop)
        .unwrap_err();
    assert!(
        matches!(error.kind(), Kind::Damaged | Kind::TooNew),
        "{what}: {}",
        error.chain()
    );
}

#[test]
fn a1_no_flipped_bit_is_taken() {
    let world = honest();
    let (name, good) = slot(&world);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        assert_refused(&world, &name, bytes, &format!("byte {at}"));
    }
}

#[test]
fn a2_segments_keep_their_places() {
    let mut world = World::new();
    let bytes = noise(1, 500_000);
    world.write("noise", &bytes);
    let root = world.backup_with(Level::Off);
    let (pack, _) = world.packs()[0].clone();
    let before = world.store.contents();
    for (one, two) in [(0, 1), (1, 4), (2, 3)] {
        assert!(world.store.change(&pack, |bytes| {
            let at = |segment: usize| 4096 + 65_536 * segment;
            let (first, last) = bytes.split_at_mut(at(two));
            first[at(one)..at(one) + 65_536].swap_with_slice(&mut last[..65_536]);
        }));
        let (report, _) = world.restore(root, &world.options());
        assert_eq!(report.losses.len(), 1);
        assert!(!world.target("noise").exists());
        let report = world.verify(heirloom::ops::verify::Level::Content).unwrap();
        assert_eq!(
            (report.damaged[0].name.clone(), report.losses.len()),
            (pack.clone(), 1)
        );
        world.store.replace(before.clone());
    }
    world.reopen(key()).unwrap();
}

#[test]
fn a3_an_object_has_one_length() {
    let world = honest();
    let (name, good) = slot(&world);
    for len in [0, 1, 4095, 4096, 4097, 8191] {
        assert_refused(
            &world,
            &name,
            good[..len].to_vec(),
            &format!("cut to {len}"),
        );
    }
    for more in [1, 4096, 65_536] {
        let long = [&good[..], &vec![0; more]].concat();
        assert_refused(&world, &name, long, &format!("{more} more"));
    }
}

#[test]
fn a4_no_header_is_taken_for_another() {
    let world = honest();
    let (name, good) = slot(&world);
    for at in 0..4096 {
        for mend in [false, true].into_iter().filter(|mend| !mend || at < 4064) {
            let mut bytes = good.clone();
            bytes[at] ^= 0x40;
            if mend {
                set_checksum(bytes.first_chunk_mut().unwrap());
            }
            // The chunker is every repository's own affair, and part of the seal all the same.
            assert_refused(&world, &name, bytes, &format!("byte {at}, mended: {mend}"));
        }
    }
}

#[test]
fn a5_content_is_never_taken_for_anything_else() {
    let mut world = World::new();
    let tree = leaf(vec![file(b"planted", &[])]);
    let list = List {
        depth: 0,
        items: [&[7; 32][..], &5u32.to_le_bytes()].concat(),
    }
    .encode();
    let forged = {
        let forge = Forge::new(&world);
        forge.entry(0, None, Id::new([1; 32])).encode()
    };
    for (name, bytes) in [("tree", &tree), ("list", &list), ("entry", &forged)] {
        world.write(name, bytes);
    }
    world.backup();
    let keys = world.repo().keys().clone();
    for bytes in [&tree, &list, &forged] {
        let chunk = blob_id(&keys, BlobKind::Chunk, bytes);
        let loader = world.loader();
        assert_eq!(&loader.load(BlobKind::Chunk, &chunk).unwrap(), bytes);
        for kind in [BlobKind::Tree, BlobKind::List] {
            for id in [chunk, blob_id(&keys, kind, bytes)] {
                assert_eq!(loader.load(kind, &id).unwrap_err().kind(), Kind::Damaged);
            }
        }
    }
    // Not even if a snapshot says so.
    let forge = Forge::new(&world);
    let root = blob_id(&keys, BlobKind::Chunk, &tree);
    forge.snapshot(root);
    assert!(
        forge
            .restore(root)
            .is_ok_and(|report| report.losses.len() == 1)
    );
    assert!(!world.target("planted").exists());
    assert_eq!(assert_unharmed(&mut world).losses.len(), 1);
}

#[test]
fn a6_another_repository_stays_another() {
    // Whichever id sorts first, the same key file opens both.
    for seeds in [(1, 2), (2, 1)] {
        let other = World::seeded(seeds.1);
        other.write("theirs", &noise(5, 100_000));
        other.backup();
        let mut world = World::seeded(seeds.0);
        world.write("ours", b"and nobody else's");
        world.backup();
        let id = world.repo().id();
        let mut planted = BTreeSet::new();
        for (name, bytes) in other.store.contents() {
            if name.folder() != Folder::Top {
                planted.insert(name.clone());
                world.store.put(&name, &Payload::new(bytes)).unwrap();
            }
        }
        let report = assert_unharmed(&mut world);
        assert_eq!(world.repo().id(), id);
        assert_eq!((world.snapshots().len(), report.losses), (1, vec![]));
        let told: BTreeSet<_> = report
            .damaged
            .into_iter()
            .map(|damage| damage.name)
            .collect();
        assert_eq!(told, planted);
        world.write("more", b"and the next backup works");
        world
            .try_backup(Level::Fast, false, &Collected::default())
            .unwrap();
        assert_unharmed(&mut world);
    }
}

#[test]
fn a7_objects_keep_to_their_names() {
    let mut world = honest();
    let sealed = |record: &[u8], kind| Forge::new(&world).seal(kind, &[], record);
    let intent = Intent {
        session: [1; 16],
        device: [2; 16],
        kind: "backup".to_owned(),
        marks: Vec::new(),
        started: 0,
    };
    let intent = sealed(&intent.encode(), ObjectKind::Intent);
    let elsewhere = Name::new(Folder::Intents, &format!("{}.0", "ab".repeat(16))).unwrap();
    world.store.put(&elsewhere, &Payload::new(intent)).unwrap();
    // A slot of this repository from another mirror lists what is not here.
    let stranger = Id::new([0xab; 32]);
    let commit = sealed(
        &CommitSlot::Commit(vec![stranger]).encode(),
        ObjectKind::Commit,
    );
    let name = Name::new(Folder::Commits, &"cd".repeat(16)).unwrap();
    world.store.put(&name, &Payload::new(commit)).unwrap();
    // The slot under another name says what it said.
    let (_, bytes) = slot(&world);
    let copy = Name::new(Folder::Commits, &"ef".repeat(16)).unwrap();
    world.store.put(&copy, &Payload::new(bytes)).unwrap();
    let report = assert_unharmed(&mut world);
    assert_eq!(world.snapshots().len(), 1);
    let told: BTreeSet<_> = report
        .damaged
        .into_iter()
        .map(|damage| damage.name)
        .collect();
    let missing = Name::hashed(Folder::Entries, &stranger.to_hex());
    assert_eq!(told, BTreeSet::from([elsewhere, missing]));
}

#[test]
fn a8_entries_without_their_packs_are_told() {
    let mut world = honest();
    let before = world.store.contents();
    world.write("later", &noise(6, 50_000));
    world.backup();
    let mut short = world.store.contents();
    short.retain(|name, _| {
        before.contains_key(name) || matches!(name.folder(), Folder::Entries | Folder::Commits)
    });
    world.store.replace(short);
    let _ = fs::remove_dir_all(world.outside("cache"));
    world.reopen(key()).unwrap();
    assert_eq!(world.snapshots().len(), 2);
    let root = world.snapshots()[1].1;
    let lost = world.restore_heard(root, &world.options(), &Collected::default());
    assert_eq!(lost.unwrap_err().kind(), Kind::Damaged);
    let report = world.verify(heirloom::ops::verify::Level::Content).unwrap();
    assert_eq!(
        (report.losses.len(), report.losses[0].snapshots.len()),
        (1, 1)
    );
    assert_eq!(report.losses[0].snapshots[0], world.snapshots()[1].0);
    // And the next backup leans on nothing that is not there.
    let report = world.try_backup(Level::Fast, false, &Collected::default());
    report.unwrap();
    let root = world.snapshots()[2].1;
    let report = world.restore_heard(root, &world.options(), &Collected::default());
    assert_eq!(report.unwrap().losses, []);
    world.assert_restored();
}

#[test]
fn a9_directories_whose_sums_are_wrong_are_damage() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let keys = world.repo().keys().clone();
    let id = |bytes: &[u8]| blob_id(&keys, BlobKind::Chunk, bytes);
    let row = |len, blobs, kind| BlockRow {
        stored_len: len,
        raw_len: len,
        blobs,
        codec: Codec::Stored,
        kind,
    };
    let good = Directory {
        blocks: vec![row(3, 1, BlobKind::Chunk), row(2, 2, BlobKind::Chunk)],
        ids: vec![id(b"abc"), id(b"d"), id(b"e")],
        lens: vec![3, 1, 1],
    };
    let changes: [fn(&mut Directory); 8] = [
        |directory| directory.blocks[0].stored_len = 4,
        |directory| directory.blocks[0].raw_len = 4,
        |directory| directory.blocks[1].blobs = 3,
        |directory| directory.blocks[1].kind = BlobKind::Tree,
        |directory| directory.blocks.truncate(1),
        |directory| directory.ids.truncate(2),
        |directory| directory.lens.swap(0, 1),
        |directory| directory.lens[0] = 5,
    ];
    let mut wrong = Vec::new();
    for change in changes {
        let mut directory = good.clone();
        change(&mut directory);
        wrong.push(forge.pack(ObjectKind::DataPack, b"abcde", &directory));
    }
    // Sound, and its ids in another order than its blobs.
    let mut order = good.clone();
    order.ids.reverse();
    wrong.push(forge.pack(ObjectKind::DataPack, b"abcde", &order));
    let right = forge.pack(ObjectKind::DataPack, b"abcde", &good);
    let report = assert_unharmed(&mut world);
    let told: BTreeSet<_> = report
        .damaged
        .iter()
        .map(|damage| damage.name.leaf().to_owned())
        .collect();
    let wrong: BTreeSet<_> = wrong.iter().map(Id::to_hex).collect();
    assert!(told == wrong && !told.contains(&right.to_hex()), "{told:?}");
}

/// A slot that claims this cost; nobody can have made it.
fn bomb(world: &World, cost: [u32; 3]) -> KeySlot {
    let honest = NewSlot {
        secret: key(),
        cost: Argon2Cost::default(),
        label: String::new(),
    };
    let slot = honest
        .seal(world.repo().root(), world.repo().id(), world.host())
        .unwrap();
    let mut bytes = *slot.as_bytes();
    bytes[4] = 1;
    bytes[8..20].copy_from_slice(cost.map(u32::to_le_bytes).as_flattened());
    KeySlot::parse(&bytes).unwrap()
}

#[test]
fn k2_a_slot_that_asks_for_everything_gets_nothing() {
    let mut world = honest();
    let passphrase = || SlotSecret::Passphrase(SecretText::new("correct horse".to_owned()));
    for cost in [
        [u32::MAX; 3],
        [u32::MAX, u32::MAX, 1],
        [(2 << 20) + 1, 1, 1],
        [64 << 10, 33, 1],
        [64 << 10, 1, 17],
        [2 << 20, 5, 1],
        [0, 0, 0],
    ] {
        put_slot(&world.store, &bomb(&world, cost)).unwrap();
    }
    let error = world.reopen(passphrase()).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{}", error.chain());
    assert!(error.hint_text().is_some());
    // Whatever they ask for, the honest slot beside them opens, and so does another secret.
    let honest = NewSlot {
        secret: passphrase(),
        cost: Argon2Cost {
            memory_kib: 64 << 10,
            passes: 1,
            lanes: 1,
        },
        label: "honest".to_owned(),
    };
    let slot = honest
        .seal(world.repo().root(), world.repo().id(), world.host())
        .unwrap();
    put_slot(&world.store, &slot).unwrap();
    world.reopen(passphrase()).unwrap();
    let wrong = SlotSecret::Passphrase(SecretText::new("battery staple".to_owned()));
    assert!(matches!(
        world.reopen(wrong).unwrap_err().kind(),
        Kind::NoKey | Kind::Refused
    ));
    assert_unharmed(&mut world);
}

#[test]
fn k3_a_slot_with_any_change_opens_nothing() {
    let mut world = World::new();
    let folders = [Folder::Keys, Folder::Keys2];
    let name = names(&world, Folder::Keys)[0].clone();
    let good = world.store.contents()[&name].clone();
    for at in (0..256).chain([300, 4000]) {
        let mut bytes = good.clone();
        bytes[128 + at % 3800] ^= 0x10;
        set_checksum(bytes.first_chunk_mut().unwrap());
        folders.iter().for_each(|folder| {
            names(&world, *folder)
                .iter()
                .for_each(|name| world.store.delete(name).unwrap())
        });
        let id = heirloom::crypto::hash::object_id(&bytes).to_hex();
        for folder in folders {
            world
                .store
                .put(&Name::hashed(folder, &id), &Payload::new(bytes.clone()))
                .unwrap();
        }
        let error = world.reopen(key()).unwrap_err();
        assert!(
            matches!(error.kind(), Kind::NoKey | Kind::Damaged | Kind::TooNew),
            "byte {at}: {}",
            error.chain()
        );
    }
}

#[test]
fn k7_a_repository_that_was_swapped_shows_another_fingerprint() {
    let mut world = honest();
    let fingerprint = world.repo().keys().fingerprint();
    let other = World::seeded(99);
    world.store.replace(other.store.contents());
    // With the same secret it opens, as what it is.
    world.reopen(key()).unwrap();
    assert_ne!(world.repo().keys().fingerprint(), fingerprint);
    let stranger = SlotSecret::KeyFile(Secret::new([4; 32]));
    assert_eq!(world.reopen(stranger).unwrap_err().kind(), Kind::NoKey);
}

/// Everything that is backed up next, and the index run that claims to know it.
fn lie(world: &World, pack: (Id, u64), claimed: &[(Id, u32)]) -> Run {
    let _ = world;
    let mut at = 0;
    let mut rows: Vec<_> = claimed
        .iter()
        .map(|(id, len)| {
            let row = Row {
                prefix: id.prefix(),
                block: 0,
                offset: at,
                len: *len,
                kind: BlobKind::Chunk,
            };
            at += len;
            row
        })
        .collect();
    rows.sort_by_key(|row| row.prefix);
    let row = BlockRow {
        stored_len: at,
        raw_len: at,
        blobs: u32::try_from(rows.len()).unwrap(),
        codec: Codec::Stored,
        kind: BlobKind::Chunk,
    };
    let pack = RunPack {
        id: pack.0,
        kind: ObjectKind::DataPack,
        file_len: pack.1,
        blocks: vec![row],
    };
    Run {
        packs: vec![pack],
        covers: vec![],
        rows,
    }
}

#[test]
fn x1_an_index_run_cannot_lie_a_chunk_into_existence() {
    let bytes = noise(8, 3000);
    let mut world = honest();
    let id = blob_id(world.repo().keys(), BlobKind::Chunk, &bytes);
    let real = world.packs()[0].clone();
    let real = (Id::from_hex(real.0.leaf()).unwrap(), real.1 as u64);
    let before = world.store.contents();
    // A pack that is not there, and one that is there at another length: asked for, found wanting, sent.
    for pack in [(Id::new([5; 32]), 12_288), (real.0, real.1 + 4096)] {
        world.store.replace(before.clone());
        let forge = Forge::new(&world);
        let (area, record) = lie(&world, pack, &[(id, 3000)]).encode();
        forge.put(ObjectKind::IndexRun, &area, &record);
        world.write("new", &bytes);
        let _ = world.backup_heard(Level::Fast);
        let report = assert_unharmed(&mut world);
        assert_eq!(report.losses, []);
        assert!(!report.is_sound(), "the lie is told");
    }
    // A pack that is there whole and does not hold it: nothing can be asked, so verify reads, and names run and loss.
    world.store.replace(before);
    let forge = Forge::new(&world);
    let (area, record) = lie(&world, real, &[(id, 3000)]).encode();
    forge.put(ObjectKind::IndexRun, &area, &record);
    let root = world.backup_heard(Level::Fast).0;
    fs::remove_dir_all(world.target("")).unwrap();
    let (report, _) = world.restore(root, &world.options());
    assert_eq!(report.losses.len(), 1);
    let report = world.verify(heirloom::ops::verify::Level::Content).unwrap();
    assert_eq!(report.losses.len(), 1);
    assert!(
        report
            .damaged
            .iter()
            .any(|damage| damage.what.contains("what the index says"))
    );
}

#[test]
fn x2_without_an_index_all_is_the_same() {
    let mut world = honest();
    world.write("later", &noise(9, 40_000));
    let root = world.backup();
    for name in names(&world, Folder::Index) {
        world.store.delete(&name).unwrap();
    }
    let report = assert_unharmed(&mut world);
    assert!(report.is_sound(), "{report:?}");
    world.restore_whole(root);
    // The next backup finds everything, sends no more than the folders above, and puts the index back.
    fs::remove_dir_all(world.outside("cache")).unwrap();
    let report = world
        .try_backup(Level::Fast, true, &Collected::default())
        .unwrap();
    assert!(report.bytes_added < 4000, "{}", report.bytes_added);
    assert_eq!(names(&world, Folder::Index).len(), 2);
}

#[test]
fn x4_half_an_id_finds_a_chunk_and_the_whole_id_takes_it() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let ours = b"the chunk that is meant".to_vec();
    let id = forge.blobs(BlobKind::Chunk, std::slice::from_ref(&ours))[0];
    let mut twin = *id.as_bytes();
    twin[31] ^= 1;
    let twin = Id::new(twin);
    let len = u32::try_from(ours.len()).unwrap();
    // A block that holds something else of that length under the first half of the id.
    forge.block(b"a chunk that is no such", len, Codec::Stored, twin);
    let tree = forge.tree(leaf(vec![
        file(b"ours", &[(id, len)]),
        file(b"twin", &[(twin, len)]),
    ]));
    let root = forge.tree(leaf(vec![folder(b"both", tree)]));
    forge.snapshot(root);
    let report = forge.restore(root).unwrap();
    assert_eq!((report.losses.len(), report.files), (1, 1));
    assert_eq!(fs::read(world.target("both/ours")).unwrap(), ours);
    assert!(!world.target("both/twin").exists());
    // Verify asks by half an id, as a backup does: it names the pack that lies, not who might be deceived by it.
    assert!(!assert_unharmed(&mut world).is_sound());
}
