//! Authentic boxes that would make a reader allocate, loop or wander off: each is passed by or named, and costs nobody
//! else anything. The numbers are those of format 19.1.

use crate::forge::{Forge, assert_unharmed, file, folder, honest, leaf};
use crate::world::noise;
use heirloom::compress::Level;
use heirloom::error::Kind;
use heirloom::format::directory::{BlockRow, Codec, Directory};
use heirloom::format::header::set_checksum;
use heirloom::format::index::{Row, Run, RunPack};
use heirloom::format::tree::node::Node;
use heirloom::format::tree::{Child, TreeBlob};
use heirloom::format::{BlobKind, ObjectKind};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::verify::Report;
use heirloom::store::{Payload, Store};

/// Rows of the longest index run.
const ROWS_MAX: u32 = 1 << 20;

/// A zstd frame of blocks that each stand for 128 KiB of one byte.
fn frame(header: &[u8], blocks: usize) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd];
    bytes.extend(header);
    for block in 1..=blocks {
        let head = u32::from(block == blocks) | 1 << 1 | (128 << 10) << 3;
        bytes.extend(&head.to_le_bytes()[..3]);
        bytes.push(b'x');
    }
    bytes
}

#[test]
fn b1_a_block_expands_to_what_it_says_or_not_at_all() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let window = |log: u8| (log - 10) << 3;
    let small = frame(&[0, window(17)], 1);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
    let raw = 128 << 10;
    let bombs: Vec<(&str, Vec<u8>, u32)> = vec![
        ("64 GiB", frame(&[0, window(20)], 64 << 13), 4 << 20),
        (
            "64 GiB by its own word",
            frame(&[0xe0, 0, 0, 0, 0, 16, 0, 0, 0], 4),
            1 << 20,
        ),
        ("window of 2^31", frame(&[0, window(31)], 1), raw),
        ("window of 2^41", frame(&[0, 0xff], 1), raw),
        ("dictionary", frame(&[3, window(17), 1, 2, 3, 4], 1), raw),
        (
            "checksum",
            [frame(&[4, window(17)], 1), vec![0; 4]].concat(),
            raw,
        ),
        ("skippable", skippable.clone(), raw),
        ("skippable first", [&skippable[..], &small].concat(), raw),
        ("skippable last", [&small[..], &skippable].concat(), raw),
        ("two frames", [&small[..], &small].concat(), 2 * raw),
        ("nothing", vec![0], raw),
    ];
    let mut nodes = Vec::new();
    let mut packs = Vec::new();
    for (number, (_, stored, raw_len)) in (0u8..).zip(&bombs) {
        let id = Id::new([number + 1; 32]);
        packs.push(forge.block(stored, *raw_len, Codec::Zstd, id));
        nodes.push(file(format!("{number:02}").as_bytes(), &[(id, *raw_len)]));
    }
    let tree = forge.tree(leaf(nodes));
    forge.snapshot(tree);
    let report = forge.restore(tree).unwrap();
    assert_eq!((report.losses.len(), report.files), (bombs.len(), 0));
    let report = assert_unharmed(&mut world);
    assert_eq!(report.losses.len(), bombs.len());
    for (pack, (what, ..)) in packs.iter().zip(&bombs) {
        let named = report
            .damaged
            .iter()
            .any(|damage| damage.name.leaf() == pack.to_hex());
        assert!(named, "{what}");
    }
}

/// Verify speaks of each of these.
fn assert_named(report: &Report, names: &[Name]) {
    for name in names {
        let named = report.damaged.iter().any(|damage| damage.name == *name);
        assert!(named, "{name:?}");
    }
}

/// What a parser of MessagePack may be fed.
fn records() -> Vec<(&'static str, Vec<u8>)> {
    let huge = |head: u8| [&[head][..], &[0xff; 4]].concat();
    vec![
        ("nothing", Vec::new()),
        ("2^32-1 items", huge(0xdd)),
        ("2^32-1 pairs", huge(0xdf)),
        ("2^32-1 bytes", huge(0xc6)),
        ("2^32-1 letters", huge(0xdb)),
        (
            "a leaf of 2^32-1 nodes",
            [&[0x94, 1, 0x90, 0x90][..], &huge(0xdd)].concat(),
        ),
        (
            "an inner tree of 2^32-1",
            [&[0x92, 2][..], &huge(0xdd)].concat(),
        ),
        ("depth", vec![0x91; 100_000]),
        ("depth in a map", b"\x81\xa1v".repeat(30_000)),
        ("one key twice", b"\x82\xa1v\x01\xa1v\x01".to_vec()),
        ("trailing", b"\x81\xa1v\x01\x00".to_vec()),
        ("a leaf and more", vec![0x94, 1, 0x90, 0x90, 0x90, 0]),
        ("never used", vec![0xc1; 100]),
        ("extension", vec![0xc9, 0xff, 0xff, 0xff, 0xff, 1]),
        ("not text", b"\x81\xa1\xff\x01".to_vec()),
    ]
}

#[test]
fn b2_records_are_bounded_before_memory() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let mut names = Vec::new();
    for kind in ObjectKind::ALL {
        let (skip, slot) = (kind == ObjectKind::Mirror, kind == ObjectKind::KeySlot);
        for (what, record) in records().iter().filter(|_| !skip && !slot) {
            // Number 2 is a newer version's layout of an index run or a directory.
            let numbered = kind == ObjectKind::IndexRun || kind.has_tail();
            if numbered && what.contains("inner tree") {
                continue;
            }
            names.push(forge.put(kind, &[], record));
            if kind.has_tail() || kind == ObjectKind::IndexRun {
                names.push(forge.put(kind, b"an area", record));
            }
        }
    }
    let mut nodes = Vec::new();
    for (number, (_, record)) in records().into_iter().enumerate().skip(1) {
        let tree = forge.tree(record);
        nodes.push(folder(format!("{number:02}").as_bytes(), tree));
    }
    let count = nodes.len();
    let tree = forge.tree(leaf(nodes));
    forge.snapshot(tree);
    assert_eq!(forge.restore(tree).unwrap().losses.len(), count);
    let report = assert_unharmed(&mut world);
    assert_eq!(report.losses.len(), count);
    assert_named(&report, &names);
    // Nobody writes where a mark cannot be read.
    let error = world
        .try_backup(Level::Fast, false, &Collected::default())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
}

#[test]
fn b3_lengths_are_compared_with_the_file() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let mut names = Vec::new();
    for kind in ObjectKind::ALL {
        if matches!(kind, ObjectKind::Mirror | ObjectKind::KeySlot) {
            continue;
        }
        let good = forge.seal(kind, &[], b"\x80");
        for body_len in [u64::MAX, u64::MAX - 4095, 1 << 63, 1 << 40, 8192, 0, 4097] {
            let mut bytes = good.clone();
            bytes[24..32].copy_from_slice(&body_len.to_le_bytes());
            set_checksum(bytes.first_chunk_mut().unwrap());
            if kind.has_tail() {
                let header: [u8; 4096] = *bytes.first_chunk().unwrap();
                *bytes.last_chunk_mut().unwrap() = header;
            }
            names.push(forge.place(kind, bytes));
        }
    }
    let report = assert_unharmed(&mut world);
    assert_named(&report, &names);
}

fn row(stored_len: u32, raw_len: u32, blobs: u32) -> BlockRow {
    let kind = BlobKind::Chunk;
    BlockRow {
        stored_len,
        raw_len,
        blobs,
        codec: Codec::Zstd,
        kind,
    }
}

#[test]
fn b4_sums_that_overflow_are_damage() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let id = Id::new([9; 32]);
    let directories = [
        Directory {
            blocks: vec![row(u32::MAX, u32::MAX, u32::MAX); 3],
            ids: vec![id],
            lens: vec![1],
        },
        Directory {
            blocks: vec![row(3, 10, 0)],
            ids: vec![],
            lens: vec![],
        },
        Directory {
            blocks: vec![row(0, 0, 0); 1000],
            ids: vec![],
            lens: vec![],
        },
        Directory {
            blocks: vec![row(3, 10, 1)],
            ids: vec![id],
            lens: vec![0],
        },
        Directory {
            blocks: vec![row(3, 10, 2)],
            ids: vec![id, id],
            lens: vec![10, 0],
        },
    ];
    let mut names: Vec<_> = directories
        .iter()
        .map(|directory| forge.put(ObjectKind::DataPack, b"xyz", &directory.encode()))
        .collect();
    let run = Run {
        packs: vec![RunPack {
            id,
            kind: ObjectKind::DataPack,
            file_len: u64::MAX - 4095,
            blocks: vec![row(3, 10, 1)],
        }],
        covers: vec![],
        rows: vec![],
    };
    let (area, record) = run.encode();
    names.push(forge.put(ObjectKind::IndexRun, &area, &record));
    let report = assert_unharmed(&mut world);
    assert_named(&report, &names);
}

#[test]
fn b4_trees_that_overflow_are_damage() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let id = Id::new([9; 32]);
    let child = |first: &[u8]| Child {
        first: first.to_vec(),
        tree: id,
        nodes: u64::MAX,
    };
    let many = [(id, u32::MAX), (id, 0)];
    let trees = vec![
        TreeBlob::Inner(vec![child(b"a"), child(b"b")]).encode(),
        TreeBlob::Inner(vec![]).encode(),
        leaf(vec![file(b"chunk too long, then none", &many)]),
        leaf(vec![Node {
            size: u64::MAX,
            ..file(b"short", &[(id, 1)])
        }]),
        leaf(vec![Node {
            size: 1,
            holes: vec![(u64::MAX, u64::MAX), (1, 1)],
            ..file(b"holes", &[])
        }]),
        leaf(vec![Node {
            depth: 1,
            size: u64::MAX,
            content: vec![0xff; 80],
            ..file(b"lists", &[])
        }]),
        leaf(vec![Node {
            depth: 255,
            ..file(b"deep", &[])
        }]),
    ];
    let count = trees.len();
    let nodes = trees.into_iter().enumerate().map(|(number, tree)| {
        let tree = forge.tree(tree);
        folder(format!("{number:02}").as_bytes(), tree)
    });
    let tree = forge.tree(leaf(nodes.collect()));
    forge.snapshot(tree);
    assert_eq!(forge.restore(tree).unwrap().losses.len(), count);
    let report = assert_unharmed(&mut world);
    assert_eq!(report.losses.len(), count);
}

/// Lists within lists, all of them one blob: 4,096 items at each of four depths would be 2^48 chunks.
#[test]
fn b4_lists_that_repeat_themselves_must_add_up() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let missing = Id::new([8; 32]);
    let item = |id: Id, covers: u64| [id.as_bytes().as_slice(), &covers.to_le_bytes()].concat();
    let list = heirloom::format::tree::content::List {
        depth: 1,
        items: item(missing, 5).repeat(4096),
    };
    let list = forge.blobs(BlobKind::List, &[list.encode()])[0];
    let node = |covers: u64| Node {
        depth: 2,
        size: covers,
        content: item(list, covers),
        ..file(b"repeating", &[])
    };
    for covers in [5 * 4096, 5 * 4096 + 1, u64::MAX] {
        let tree = forge.tree(leaf(vec![node(covers)]));
        let report = forge.restore(tree).unwrap();
        assert_eq!(report.losses.len(), 1);
        let lost: u64 = report.losses[0].ranges.iter().map(|(_, len)| len).sum();
        assert_eq!(lost, covers);
        forge.snapshot(tree);
    }
    let report = assert_unharmed(&mut world);
    assert_eq!(report.losses.len(), 3);
}

#[test]
fn b5_many_tiny_files_cost_time_alone() {
    let mut world = honest();
    let before = world.store.contents().len();
    for number in 0..20_000u64 {
        let digits = noise(number, 32)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        for (folder, leaf) in [
            (Folder::Entries, digits.clone()),
            (Folder::Intents, format!("{}.{}", &digits[..32], number % 7)),
            (Folder::Commits, digits[..32].to_owned()),
        ] {
            let name = Name::new(folder, &leaf).unwrap();
            world
                .store
                .put(&name, &Payload::new(b"junk".to_vec()))
                .unwrap();
        }
        for folder in [Folder::Keys, Folder::Keys2]
            .into_iter()
            .filter(|_| number < 500)
        {
            let name = Name::new(folder, &format!("00{}", &digits[2..])).unwrap();
            world
                .store
                .put(&name, &Payload::new(b"junk".to_vec()))
                .unwrap();
        }
    }
    let report = assert_unharmed(&mut world);
    assert_eq!(report.damaged.len(), 61_000);
    assert!(report.losses.is_empty());
    world.write("new", b"and a new file");
    world
        .try_backup(Level::Fast, false, &Collected::default())
        .unwrap();
    assert_unharmed(&mut world);
    assert!(
        world.store.contents().len() > before + 61_000,
        "nothing is deleted"
    );
}

#[test]
fn b6_folders_nest_so_deep_and_no_deeper() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let keys = world.repo().keys().clone();
    let mut blobs = vec![leaf(vec![file(b"bottom", &[])])];
    for _ in 0..5000 {
        let below = heirloom::format::block::blob_id(&keys, BlobKind::Tree, blobs.last().unwrap());
        blobs.push(leaf(vec![folder(b"d", below)]));
    }
    let root = *forge.blobs(BlobKind::Tree, &blobs).last().unwrap();
    forge.snapshot(root);
    let report = forge.restore(root).unwrap();
    assert_eq!(report.losses.len(), 1);
    assert!(report.losses[0].path.len() <= 2 * 4097);
    let report = assert_unharmed(&mut world);
    let depth: Vec<_> = report.losses.iter().map(|loss| loss.path.len()).collect();
    assert_eq!(depth, [2 * 4096]);
}

#[test]
fn b6_no_name_leads_anywhere() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let chunk = forge.blobs(BlobKind::Chunk, &[b"planted".to_vec()])[0];
    let planted = |name: &[u8]| file(name, &[(chunk, 7)]);
    let long = [b'n'; 256];
    let names: [&[u8]; 8] = [
        b"..",
        b".",
        b"",
        b"a/b",
        b"/etc/planted",
        b"../planted",
        b"nul\0",
        &long,
    ];
    let mut trees: Vec<_> = names.iter().map(|name| leaf(vec![planted(name)])).collect();
    trees.push(leaf(vec![planted(b"b"), planted(b"a")]));
    trees.push(leaf(vec![planted(b"a"), planted(b"a")]));
    let count = trees.len();
    let nodes = trees.into_iter().enumerate().map(|(number, tree)| {
        let tree = forge.tree(tree);
        folder(format!("{number:02}").as_bytes(), tree)
    });
    let mut nodes: Vec<_> = nodes.collect();
    nodes.push(planted(b"right"));
    let tree = forge.tree(leaf(nodes));
    forge.snapshot(tree);
    let report = forge.restore(tree).unwrap();
    assert_eq!((report.losses.len(), report.files), (count, 1));
    assert!(!world.outside("planted").exists() && !world.target("planted").exists());
    for number in 0..count {
        let folder = world.target(&format!("{number:02}"));
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }
    assert_eq!(assert_unharmed(&mut world).losses.len(), count);
}

#[test]
fn b7_index_runs_are_sorted_and_stay_inside() {
    let mut world = honest();
    let forge = Forge::new(&world);
    let place = |prefix: u8, block, offset, len| Row {
        prefix: [prefix; 16],
        block,
        offset,
        len,
        kind: BlobKind::Chunk,
    };
    let run = |rows: Vec<Row>| Run {
        packs: vec![RunPack {
            id: Id::new([1; 32]),
            kind: ObjectKind::DataPack,
            file_len: 12_288,
            blocks: vec![row(10, 100, 3)],
        }],
        covers: vec![],
        rows,
    };
    let runs = [
        run(vec![place(2, 0, 0, 10), place(1, 0, 10, 10)]),
        run(vec![place(1, 0, 0, 10), place(1, 0, 0, 10)]),
        run(vec![place(1, 1, 0, 10)]),
        run(vec![place(1, u32::MAX, 0, 10)]),
        run(vec![place(1, 0, 91, 10)]),
        run(vec![place(1, 0, 0xff_ffff, 0xff_ffff)]),
        run(vec![place(1, 0, 0, 0)]),
        run((0..=ROWS_MAX).map(|at| place(1, 0, at, 1)).collect()),
    ];
    let mut names = Vec::new();
    for run in runs {
        let (area, record) = run.encode();
        names.push(forge.put(ObjectKind::IndexRun, &area, &record));
    }
    let report = assert_unharmed(&mut world);
    assert_named(&report, &names);
}
