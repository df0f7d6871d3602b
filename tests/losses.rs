//! What is damaged costs its own range: the rest is restored, and what is lost is named.

use crate::forge::{Forge, file, folder, honest, leaf};
use crate::world::{World, noise};
use heirloom::compress::Level;
use heirloom::error::Kind;
use heirloom::format::BlobKind;
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::Folder;
use heirloom::ops::reach::Reach;
use heirloom::ops::restore::{Options, Overwrite};
use heirloom::store::Store;
use std::fs;
use std::os::unix::ffi::OsStrExt;

const MIB: usize = 1 << 20;

/// The source path of a file, as losses name it.
fn source(world: &World, path: &str) -> Vec<u8> {
    world.source(path).as_os_str().as_bytes().to_vec()
}

#[test]
fn e11_a_lost_pack_costs_what_only_it_holds() {
    for (rule, skip) in [
        (Overwrite::IfChanged, false),
        (Overwrite::Never, false),
        (Overwrite::IfChanged, true),
    ] {
        let world = World::new();
        world.write("both", &noise(1, 3 * MIB));
        world.write("old-small", b"in the pack that stays");
        world.backup();
        let kept = world.packs();
        let mut grown = noise(1, 3 * MIB);
        grown.extend(noise(2, 2 * MIB));
        world.write("both", &grown);
        world.write("new-small", b"in the pack that goes");
        fs::hard_link(world.source("both"), world.source("both-linked")).unwrap();
        let root = world.backup();
        let new = world
            .packs()
            .into_iter()
            .find(|pack| !kept.contains(pack))
            .unwrap();
        assert!(new.1 > MIB, "the larger one holds data");
        world.store.delete(&new.0).unwrap();
        let options = Options {
            overwrite: rule,
            skip_incomplete: skip,
            ..world.options()
        };
        let (report, problems) = world.restore(root, &options);
        assert!(!problems.is_empty());
        let paths: Vec<_> = report.losses.iter().map(|loss| loss.path.clone()).collect();
        let lost = ["both", "both-linked", "new-small"];
        assert_eq!(paths, lost.map(|path| source(&world, path)));
        let (start, len) = report.losses[0].ranges[0];
        assert_eq!(start + len, grown.len() as u64);
        assert_eq!(report.losses[2].ranges, [(0, 21)]);
        assert_eq!(
            fs::read(world.target("old-small")).unwrap(),
            b"in the pack that stays"
        );
        for path in lost {
            assert!(
                !world.target(path).exists(),
                "{path}: never under its real name"
            );
            assert_eq!(
                world.target(&format!("{path}.incomplete")).exists(),
                !skip,
                "{path}"
            );
        }
        if !skip {
            let bytes = fs::read(world.target("both.incomplete")).unwrap();
            let start = usize::try_from(start).unwrap();
            assert!(bytes.len() == grown.len() && bytes[..start] == grown[..start]);
            assert!(start > MIB && bytes[start..].iter().all(|byte| *byte == 0));
        }
        let listed = fs::read_to_string(world.target("heirloom-losses.txt")).unwrap();
        assert!(
            listed.contains("/both  ") && listed.contains("/new-small  0+21\n"),
            "{listed}"
        );
        let (again, _) = world.restore(root, &options);
        assert_eq!(again.losses, report.losses);
        assert!(world.target("heirloom-losses-2.txt").exists());
        assert!(
            !world.target("both.incomplete-2").exists(),
            "its own earlier try is replaced"
        );
    }
}

#[test]
fn a_flipped_bit_costs_the_chunk_it_is_in() {
    let world = World::new();
    let bytes = noise(3, 8 * MIB);
    world.write("noise", &bytes);
    world.write("text", &b"some words that go elsewhere; ".repeat(1000));
    let root = world.backup();
    let (pack, len) = world.packs()[0].clone();
    assert!(world.store.change(&pack, |bytes| bytes[len / 2] ^= 4));
    let (report, problems) = world.restore(root, &world.options());
    assert_eq!(
        (report.losses.len(), problems.len()),
        (1, 1),
        "{problems:?}"
    );
    let ranges = &report.losses[0].ranges;
    let lost: u64 = ranges.iter().map(|(_, len)| len).sum();
    assert!(lost < 2 * MIB as u64, "{ranges:?}");
    let mut expected = bytes;
    for (start, len) in ranges {
        let start = usize::try_from(*start).unwrap();
        expected[start..start + usize::try_from(*len).unwrap()].fill(0);
    }
    assert!(fs::read(world.target("noise.incomplete")).unwrap() == expected);
    assert!(world.target("text").exists());
}

#[test]
fn another_copy_serves() {
    for level in [Level::Off, Level::Fast] {
        let world = World::new();
        let empty = world.store.contents();
        world.write("noise", &noise(4, 5 * MIB));
        world.write("text", &b"some words that lie twice; ".repeat(100_000));
        world.backup_with(level);
        let first = world.store.contents();
        // The same content stored again by somebody who saw none of it.
        world.store.replace(empty);
        let (root, _) = world.backup_heard(level);
        let mut both = world.store.contents();
        both.extend(
            first
                .into_iter()
                .filter(|(name, _)| matches!(name.folder(), Folder::Packs | Folder::Index)),
        );
        world.store.replace(both);
        let packs: Vec<_> = world
            .packs()
            .into_iter()
            .filter(|(_, len)| *len > MIB)
            .collect();
        assert_eq!(packs.len(), 2);
        for (pack, len) in packs {
            let before = world.store.contents();
            // Every segment of one copy but its headers.
            assert!(world.store.change(&pack, |bytes| {
                for at in (70_000..len - 5000).step_by(65_536) {
                    bytes[at] ^= 1;
                }
            }));
            let (report, _) = world.restore(root, &world.options());
            assert_eq!((report.losses, report.not_applied), (vec![], vec![]));
            world.assert_restored();
            world.store.replace(before);
            fs::remove_dir_all(world.target("")).unwrap();
        }
    }
}

#[test]
fn a_lost_tree_costs_its_folder() {
    let world = World::new();
    for n in 0..20 {
        world.write(&format!("first/{n}"), format!("{n}").as_bytes());
    }
    world.backup();
    let kept = world.packs();
    world.write("second/file", b"of the second backup");
    let root = world.backup();
    // The second run's tree pack: folders that did not change are in the first.
    let new: Vec<_> = world
        .packs()
        .into_iter()
        .filter(|pack| !kept.contains(pack))
        .collect();
    let loader = world.loader();
    let options = Options {
        delete: true,
        ..world.options()
    };
    world.restore(root, &options);
    world.assert_restored();
    for (pack, _) in new {
        let before = world.store.contents();
        world.store.delete(&pack).unwrap();
        let outcome = world.restore_heard(root, &options, &Collected::default());
        match outcome {
            // Without the root there is nothing to begin with.
            Err(error) => assert_eq!(error.kind(), Kind::Damaged),
            Ok(report) => assert!(
                report.losses.len() <= 1 && report.deleted == 0,
                "{report:?}"
            ),
        }
        assert!(world.target("first/7").exists() && world.target("second/file").exists());
        world.store.replace(before);
    }
    drop(loader);
}

/// What a session that did not commit leans on is kept as far as it can be read: one bad folder leaves the others.
#[test]
fn what_a_half_readable_snapshot_needs_is_found_around_what_is_lost() {
    let world = honest();
    let forge = Forge::new(&world);
    let chunks = [b"one".to_vec(), b"two".to_vec()];
    let ids = forge.blobs(BlobKind::Chunk, &chunks);
    let good = |name: &[u8], id: Id| forge.tree(leaf(vec![file(name, &[(id, 3)])]));
    let (first, last) = (good(b"one", ids[0]), good(b"two", ids[1]));
    let root = forge.tree(leaf(vec![
        folder(b"a", first),
        folder(b"b", Id::new([7; 32])),
        folder(b"c", last),
    ]));
    let loader = world.loader();
    let mut chunks = Vec::new();
    let mut note = |kind: BlobKind, id: &Id| {
        chunks.extend((kind == BlobKind::Chunk).then_some(*id));
        Ok(())
    };
    let mut strict = Reach::new(&loader);
    let error = strict.snapshot(root, None, &mut note).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    let mut lenient = Reach::as_far_as_it_goes(&loader);
    lenient.snapshot(root, None, &mut note).unwrap();
    assert!(lenient.has_missed());
    assert_eq!(chunks, [ids[0], ids[0], ids[1]]);
}
