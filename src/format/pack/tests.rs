//! The rules of `pack`, one test each.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a panic in a test is a failed test"
)]

use super::*;
use crate::crypto::derive::{Keys, RootKey};
use crate::format::header::RepoId;
use crate::format::pack::reader::{
    DirectoryRead, PackDamage, PackReader, read_directory, tail_range,
};
use crate::host::{FixedHost, Host};
use proptest::prelude::{ProptestConfig, any, proptest};
use std::sync::Arc;

const REPO: RepoId = RepoId::new([7; 16]);

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&RootKey::from_bytes([1; 32]), REPO.as_bytes()))
}

fn sealer() -> Sealer {
    Sealer::new(keys(), REPO, Some([8; 256]), [9; 16], 1)
}

fn opener() -> Opener {
    Opener::new(keys(), REPO)
}

/// Stored blocks of these lengths, each of one blob.
fn builder(lens: &[usize], buffer: Vec<u8>) -> (PackBuilder, Vec<Vec<u8>>) {
    let host = FixedHost::new(lens.len() as u64);
    let mut builder = PackBuilder::new(ObjectKind::DataPack, DataPackSize::ALONE, buffer);
    let mut blocks = Vec::new();
    for len in lens {
        let mut stored = vec![0; *len];
        host.random(&mut stored);
        push(&mut builder, &stored);
        blocks.push(stored);
    }
    (builder, blocks)
}

fn push(builder: &mut PackBuilder, stored: &[u8]) {
    let len = stored.len() as u32;
    let blobs = [(Id::new([len as u8; 32]), len)];
    builder.push(&PackedBlock {
        stored,
        raw_len: len,
        codec: Codec::Stored,
        kind: BlobKind::Chunk,
        blobs: &blobs,
    });
}

fn check_whole(pack: &Pack, blocks: &[Vec<u8>]) {
    assert_eq!(pack.id, crate::crypto::hash::object_id(&pack.bytes));
    let opened = opener().open(pack.kind, &pack.bytes).unwrap();
    assert_eq!(opened.area, blocks.concat());
    assert_eq!(opened.record, pack.directory.encode());
    let reader = PackReader::open(&opener(), pack.bytes.clone()).unwrap();
    assert!(reader.damage().is_none());
    assert_eq!(reader.directory().unwrap(), &pack.directory);
    for (at, block) in blocks.iter().enumerate() {
        assert_eq!(reader.block(at).unwrap(), block);
    }
    assert!(reader.block(blocks.len()).is_err());
    recheck(pack, &opener(), 1).unwrap();
    recheck(pack, &opener(), 16).unwrap();
    recheck(pack, &opener(), 0).unwrap();
    let len = pack.bytes.len() as u64;
    let tail = tail_range(len).unwrap();
    let bytes = &pack.bytes[tail.start as usize..];
    match read_directory(&opener(), len, bytes).unwrap() {
        DirectoryRead::Found { kind, directory } => {
            assert_eq!((kind, &directory), (pack.kind, &pack.directory))
        }
        DirectoryRead::Need(range) => panic!("{range:?}"),
    }
}

#[test]
fn packs_go_both_ways_in_any_buffer() {
    let dirty = || vec![0xff; 3 << 20];
    for lens in [
        &[][..],
        &[1],
        &[65_519],
        &[65_520],
        &[65_521],
        &[65_520, 65_520, 65_520],
        &[65_504],
        &[65_400, 50, 1, 3],
        &[2 << 20, 5, 700_000, 65_520 * 3 - 5, 1],
    ] {
        let (builder, blocks) = builder(lens, dirty());
        let said = builder.would_be_len();
        let pack = builder.finish(&sealer(), &[0; 32]);
        assert_eq!(pack.bytes.len() as u64, said);
        check_whole(&pack, &blocks);
    }
}

#[test]
fn tree_packs_hold_trees_and_lists_and_close_early() {
    let mut builder = PackBuilder::new(ObjectKind::TreePack, DataPackSize::ALONE, Vec::new());
    let stored = vec![1; 1 << 20];
    for kind in [BlobKind::Tree, BlobKind::List].into_iter().cycle().take(6) {
        assert!(!builder.is_full());
        let blobs = [(Id::default(), 3 << 19), (Id::default(), 1 << 19)];
        builder.push(&PackedBlock {
            stored: &stored,
            raw_len: 2 << 20,
            codec: Codec::Zstd,
            kind,
            blobs: &blobs,
        });
    }
    assert!(builder.is_full());
    let pack = builder.finish(&sealer(), &[0; 32]);
    check_whole(&pack, &vec![stored; 6]);
}

#[test]
fn what_no_reader_accepts_is_not_packed() {
    for (stored, raw_len, codec, kind, blobs) in [
        (5, 5, Codec::Stored, BlobKind::Tree, vec![5]),
        (5, 5, Codec::Zstd, BlobKind::Chunk, vec![5]),
        (5, 6, Codec::Stored, BlobKind::Chunk, vec![6]),
        (5, 5, Codec::Stored, BlobKind::Chunk, vec![4]),
        (0, 0, Codec::Stored, BlobKind::Chunk, vec![]),
        (
            (4 << 20) + 1,
            (4 << 20) + 1,
            Codec::Stored,
            BlobKind::Chunk,
            vec![(4 << 20) + 1],
        ),
    ] {
        let refused = std::panic::catch_unwind(|| {
            let stored = vec![1; stored];
            let blobs: Vec<(Id, u32)> = blobs.iter().map(|len| (Id::default(), *len)).collect();
            let block = PackedBlock {
                stored: &stored,
                raw_len,
                codec,
                kind,
                blobs: &blobs,
            };
            PackBuilder::new(ObjectKind::DataPack, DataPackSize::ALONE, Vec::new()).push(&block);
        });
        assert!(refused.is_err());
    }
}

/// Either header may be lost; with both gone the pack is, and says so.
#[test]
fn one_good_header_is_enough() {
    let (builder, blocks) = builder(&[100_000, 50], Vec::new());
    let pack = builder.finish(&sealer(), &[0; 32]);
    let len = pack.bytes.len();
    for (front, tail) in [(true, false), (false, true)] {
        let mut bytes = pack.bytes.clone();
        bytes[if front { 2000 } else { len - 2000 }] ^= 1;
        let reader = PackReader::open(&opener(), bytes.clone()).unwrap();
        assert_eq!(
            reader.damage(),
            &PackDamage {
                front,
                tail,
                ..PackDamage::default()
            }
        );
        assert_eq!(reader.block(0).unwrap(), blocks[0]);
        assert!(opener().open(pack.kind, &bytes).is_err() == front);
        let found = read_directory(&opener(), len as u64, &bytes).unwrap();
        assert!(
            matches!(found, DirectoryRead::Found { directory, .. } if directory == pack.directory)
        );
        let start = tail_range(len as u64).unwrap().start as usize;
        match read_directory(&opener(), len as u64, &bytes[start..]).unwrap() {
            DirectoryRead::Need(range) => assert!(tail && range == (0..len as u64)),
            DirectoryRead::Found { .. } => assert!(front),
        }
    }
    let mut both = pack.bytes.clone();
    both[2000] ^= 1;
    both[len - 2000] ^= 1;
    assert_eq!(
        PackReader::open(&opener(), both.clone())
            .unwrap_err()
            .kind(),
        Kind::Damaged
    );
    assert!(read_directory(&opener(), len as u64, &both).is_err());
    let mut other = pack.bytes.clone();
    other[2000] ^= 1;
    let stranger = Opener::new(keys(), RepoId::new([6; 16]));
    assert_eq!(
        PackReader::open(&stranger, other).unwrap_err().kind(),
        Kind::Damaged
    );
}

/// One damaged segment costs the blocks that touch it and no other.
#[test]
fn damage_stays_in_its_segment() {
    let lens: Vec<usize> = (0..40).map(|at| 10_000 + at * 977).collect();
    let (builder, blocks) = builder(&lens, Vec::new());
    let pack = builder.finish(&sealer(), &[0; 32]);
    let segments = (pack.bytes.len() - 8192).div_ceil(65_536);
    for damaged in 0..segments {
        let mut bytes = pack.bytes.clone();
        bytes[4096 + damaged * 65_536 + 77] ^= 4;
        let reader = PackReader::open(&opener(), bytes).unwrap();
        assert_eq!(reader.damage().segments, [damaged as u64]);
        let lost = damaged * 65_520..(damaged + 1) * 65_520;
        if damaged + 1 == segments {
            assert!(reader.directory().is_err());
        }
        for (place, row) in pack.directory.places() {
            let (start, end) = (
                place.offset as usize,
                place.offset as usize + row.stored_len as usize,
            );
            let read = reader.stored(place.offset, row.stored_len);
            assert_eq!(read.is_err(), start < lost.end && lost.start < end);
            if let Ok(bytes) = read {
                assert_eq!(bytes, &blocks.concat()[start..end]);
            }
        }
    }
}

/// What was cut off is lost, and what lies in whole segments before it is not.
#[test]
fn a_pack_cut_short_gives_what_is_left() {
    let (builder, blocks) = builder(&[60_000; 10], Vec::new());
    let pack = builder.finish(&sealer(), &[0; 32]);
    let body = pack.bytes.len() - 8192;
    for len in [
        4096,
        4097,
        70_000,
        4096 + 65_536 * 4 + 100,
        pack.bytes.len() - 1,
    ] {
        let reader = PackReader::open(&opener(), pack.bytes[..len].to_vec()).unwrap();
        assert!(reader.damage().length && !reader.damage().front);
        for (at, block) in blocks.iter().enumerate() {
            let whole = 4096 + (((at + 1) * 60_000).div_ceil(65_520) * 65_536).min(body) <= len;
            let read = reader.stored(at as u64 * 60_000, 60_000);
            assert_eq!(read.is_ok(), whole, "block {at} of {len} bytes");
            assert!(read.is_err() || read.unwrap() == block);
        }
    }
    let longer = [&pack.bytes[..], &[0; 5]].concat();
    let reader = PackReader::open(&opener(), longer).unwrap();
    assert!(reader.damage().length && reader.damage().segments.is_empty());
    assert_eq!(reader.directory().unwrap(), &pack.directory);
    assert!(PackReader::open(&opener(), pack.bytes[..4095].to_vec()).is_err());
}

#[test]
fn a_long_directory_is_fetched_in_two_steps() {
    let mut builder = PackBuilder::new(ObjectKind::DataPack, DataPackSize::ALONE, Vec::new());
    let blobs: Vec<(Id, u32)> = (0..60_000_u32)
        .map(|at| (Id::new([at as u8; 32]), 1))
        .collect();
    let stored = vec![7; 60_000];
    let block = PackedBlock {
        stored: &stored,
        raw_len: 60_000,
        codec: Codec::Stored,
        kind: BlobKind::Chunk,
        blobs: &blobs,
    };
    builder.push(&block);
    builder.push(&block);
    let pack = builder.finish(&sealer(), &[0; 32]);
    let len = pack.bytes.len() as u64;
    let tail = tail_range(len).unwrap();
    let part = |range: &std::ops::Range<u64>| &pack.bytes[range.start as usize..range.end as usize];
    let DirectoryRead::Need(range) = read_directory(&opener(), len, part(&tail)).unwrap() else {
        panic!("the directory has over 4 MB");
    };
    assert!(range.start < tail.start && range.end == len);
    let found = read_directory(&opener(), len, part(&range)).unwrap();
    assert!(matches!(found, DirectoryRead::Found { directory, .. } if directory == pack.directory));
    recheck(&pack, &opener(), 16).unwrap();
}

#[test]
fn only_lengths_of_packs_have_a_tail() {
    assert_eq!(tail_range(12_288).unwrap(), 4096..12_288);
    assert_eq!(tail_range(32 << 20).unwrap(), 4096 + 65_536 * 508..32 << 20);
    for len in [0, 4096, 8192, 12_289, (64 << 20) + 4096, u64::MAX] {
        assert!(tail_range(len).is_err(), "{len}");
    }
}

#[test]
fn recheck_finds_what_changed_after_sealing() {
    let (builder, _) = builder(&[900_000], Vec::new());
    let mut pack = builder.finish(&sealer(), &[0; 32]);
    let len = pack.bytes.len();
    for at in [100, 4096 + 65_536 * 3, len - 8192, len - 1] {
        pack.bytes[at] ^= 1;
        assert!(recheck(&pack, &opener(), 1).is_err(), "byte {at}");
        pack.bytes[at] ^= 1;
    }
    pack.directory.ids[0] = Id::new([0xee; 32]);
    assert!(recheck(&pack, &opener(), 0).is_err());
}

/// Policy of 4.4: full packs pad under half a per cent, none exceeds 32 MiB, and nothing is lost on the way.
#[test]
fn full_packs_pad_little() {
    let sealer = sealer();
    let source = vec![3; 4 << 20];
    for (least, spread) in [
        (300_000, 900_000),
        (1 << 20, 1 << 20),
        (1_800_000, 600_000),
        (64 << 10, 4 << 20),
    ] {
        let host = FixedHost::new(least);
        let (mut padding, mut stored, mut packs, mut given) = (0, 0, 0_u64, 0_u64);
        let mut full = PackBuilder::new(ObjectKind::DataPack, DataPackSize::ALONE, Vec::new());
        let mut spare = Vec::new();
        while packs < 12 {
            let mut random = [0; 8];
            host.random(&mut random);
            let len = ((least + u64::from_le_bytes(random) % spread) as usize).min(4 << 20);
            if full.is_full() || !full.fits(len, 1) {
                let (closed, next) = full.split(std::mem::take(&mut spare));
                assert!(closed.would_be_len() <= 32 << 20 && closed.would_be_len() >= 24 << 20);
                padding += closed.padding();
                stored += closed.would_be_len();
                given -= closed.area_len;
                assert_eq!(next.area_len, given);
                if packs == 0 {
                    let pack = closed.finish(&sealer, &[0; 32]);
                    let reader = PackReader::open(&opener(), pack.bytes).unwrap();
                    let all = reader.stored(0, pack.directory.area_len() as u32).unwrap();
                    assert!(all.iter().all(|byte| *byte == 3));
                    spare = reader.into_buffer();
                }
                packs += 1;
                full = next;
            }
            push(&mut full, &source[..len]);
            given += len as u64;
        }
        assert!(
            padding * 200 < stored,
            "{padding} of {stored} at {least} + {spread}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_pack_never_lies(changes in proptest::collection::vec((any::<usize>(), 1..=255_u8), 1..6), cut in any::<usize>()) {
        let (builder, blocks) = builder(&[40_000, 90_000, 7, 65_520], Vec::new());
        let pack = builder.finish(&sealer(), &[0; 32]);
        let mut bytes = pack.bytes.clone();
        for (at, with) in changes {
            let at = at % bytes.len();
            bytes[at] ^= with;
        }
        if cut % 3 == 0 {
            bytes.truncate(cut % bytes.len());
        }
        let len = bytes.len() as u64;
        if let Ok(DirectoryRead::Found { directory, .. }) = read_directory(&opener(), len, &bytes) {
            assert_eq!(directory, pack.directory);
        }
        if let Ok(reader) = PackReader::open(&opener(), bytes) {
            for (at, block) in blocks.iter().enumerate() {
                let read = reader.block(at);
                assert!(read.is_err() || read.unwrap() == block);
            }
        }
    }
}

/// Processor time of this thread in nanoseconds; other programs on the machine do not count.
fn thread_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// `MEASURE=1 cargo test --release --lib -- --nocapture sealing_speed`
#[test]
fn sealing_speed() {
    if std::env::var_os("MEASURE").is_none() {
        println!("skipped: a measurement, made where MEASURE is set");
        return;
    }
    let source = vec![3; 1_700_000];
    let mut buffer = Vec::new();
    for _ in 0..6 {
        let began = thread_ns();
        let mut builder = PackBuilder::new(ObjectKind::DataPack, DataPackSize::ALONE, buffer);
        while builder.fits(source.len(), 1) {
            push(&mut builder, &source);
        }
        let laid = thread_ns();
        let pack = builder.finish(&sealer(), &[0; 32]);
        let sealed = thread_ns();
        let named = pack.id == crate::crypto::hash::object_id(&pack.bytes);
        let hashed = thread_ns();
        let bytes = pack.bytes.len() as f64;
        let opened = PackReader::open(&opener(), pack.bytes).unwrap();
        let steps = [
            laid - began,
            sealed - laid,
            hashed - sealed,
            thread_ns() - hashed,
        ];
        println!(
            "ns/B: lay out, seal and name, hash again, open: {:.3?} {named}",
            steps.map(|ns| ns / bytes)
        );
        buffer = opened.into_buffer();
    }
}
