//! The rules of `boxes`, one test each.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a panic in a test is a failed test"
)]

use super::*;
use crate::crypto::derive::RootKey;
use crate::limits::SEGMENT_PLAIN;
use proptest::prelude::{ProptestConfig, any, proptest};

const REPO: RepoId = RepoId::new([7; 16]);

fn keys(root: u8) -> Arc<Keys> {
    Arc::new(Keys::new(&RootKey::from_bytes([root; 32]), REPO.as_bytes()))
}

fn sealer() -> Sealer {
    Sealer::new(keys(1), REPO, Some([8; 256]), [9; 16], 1)
}

fn opener() -> Opener {
    Opener::new(keys(1), REPO)
}

fn fill(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

fn kind_of(result: Result<impl Sized>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

#[test]
fn boxes_go_both_ways() {
    let (sealer, opener) = (sealer(), opener());
    for kind in &ObjectKind::ALL[..9] {
        let areas: &[usize] = match kind {
            ObjectKind::DataPack | ObjectKind::TreePack | ObjectKind::IndexRun => {
                &[0, 65_519, 500_000]
            }
            _ => &[0],
        };
        for (area, record) in areas.iter().flat_map(|area| {
            [
                (*area, 0),
                (*area, 1),
                (*area, 4064),
                (*area, 4064 - *area % 2),
            ]
        }) {
            let (area, record) = (fill(area), fill(record));
            let bytes = sealer.seal(*kind, &area, &record, &[0; 32]).unwrap();
            assert!(bytes.len().is_multiple_of(4096));
            assert_eq!(opener.open(*kind, &bytes).unwrap(), Opened { area, record });
            if kind.has_tail() {
                assert_eq!(bytes[..4096], bytes[bytes.len() - 4096..]);
                assert_eq!(bytes[128..384], [8; 256]);
            }
        }
    }
    let whole = sealer
        .seal(
            ObjectKind::IndexRun,
            &fill(SEGMENT_PLAIN * 3),
            &[],
            &[0; 32],
        )
        .unwrap();
    assert_eq!(
        opener
            .open(ObjectKind::IndexRun, &whole)
            .unwrap()
            .area
            .len(),
        SEGMENT_PLAIN * 3
    );
}

#[test]
fn the_name_is_the_hash_of_the_stored_bytes() {
    let sealer = sealer();
    for content in [1, 60_000, 61_400, 65_521, 300_000] {
        let kind = ObjectKind::TreePack;
        let body_len = body_len_of(kind, content);
        let mut bytes = vec![0; usize::try_from(header::file_len(kind, body_len)).unwrap()];
        let name = sealer.seal_layout(kind, body_len, [1; 32], &mut bytes);
        assert_eq!(name, hash::object_id(&bytes));
    }
}

#[test]
fn a_record_beyond_its_kind_is_refused() {
    let record = vec![0; 1 << 20];
    assert_eq!(
        kind_of(sealer().seal(ObjectKind::Entry, &[], &record, &[0; 32])),
        Some(Kind::Refused)
    );
    assert!(
        sealer()
            .seal(ObjectKind::Mark, &[], &record, &[0; 32])
            .is_ok()
    );
}

/// A1: each bit of a small box flipped, none is accepted and none panics.
#[test]
fn a1_no_flipped_bit_is_accepted() {
    let opener = opener();
    let good = sealer()
        .seal(ObjectKind::Entry, &[], b"a small record", &[0; 32])
        .unwrap();
    assert_eq!(good.len(), 8192);
    let mut bytes = good.clone();
    for at in 0..good.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert_eq!(
                kind_of(opener.open(ObjectKind::Entry, &bytes)),
                Some(Kind::Damaged),
                "byte {at}"
            );
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(opener.open(ObjectKind::Entry, &bytes).is_ok());
}

/// A2: two segments of one box swapped, and one taken from another box.
#[test]
fn a2_segments_keep_their_places() {
    let (sealer, opener) = (sealer(), opener());
    let area = fill(400_000);
    let good = sealer
        .seal(ObjectKind::IndexRun, &area, b"r", &[0; 32])
        .unwrap();
    let other = sealer
        .seal(ObjectKind::IndexRun, &area, b"r", &[0; 32])
        .unwrap();
    assert_ne!(good, other, "the counter alone makes another box");
    let (one, two) = (4096..4096 + 65_536, 4096 + 65_536..4096 + 131_072);
    let mut swapped = good.clone();
    swapped[one.clone()].copy_from_slice(&good[two.clone()]);
    swapped[two].copy_from_slice(&good[one.clone()]);
    assert_eq!(
        kind_of(opener.open(ObjectKind::IndexRun, &swapped)),
        Some(Kind::Damaged)
    );
    let mut mixed = good;
    mixed[one.clone()].copy_from_slice(&other[one]);
    assert_eq!(
        kind_of(opener.open(ObjectKind::IndexRun, &mixed)),
        Some(Kind::Damaged)
    );
}

/// A3: cut and extended at each 4 KiB; also with a header that was made to agree.
#[test]
fn a3_a_box_has_one_length() {
    let opener = opener();
    for kind in [ObjectKind::IndexRun, ObjectKind::DataPack] {
        let good = sealer()
            .seal(kind, &fill(200_000), b"record", &[0; 32])
            .unwrap();
        for len in (0..good.len() + 80_000)
            .step_by(4096)
            .chain([1, 4095, good.len() - 1])
        {
            if len == good.len() {
                continue;
            }
            let mut bytes = good.clone();
            bytes.resize(len, 0);
            assert_eq!(
                kind_of(opener.open(kind, &bytes)),
                Some(Kind::Damaged),
                "{len}"
            );
            let mut header = BoxHeader::decode(&good).unwrap();
            header.body_len = (len as u64).saturating_sub(good.len() as u64 - header.body_len);
            if len >= 8192 {
                bytes[..4096].copy_from_slice(&header.encode());
                assert_eq!(
                    kind_of(opener.open(kind, &bytes)),
                    Some(Kind::Damaged),
                    "{len}"
                );
            }
        }
    }
}

/// A4: each header byte changed, with a corrected checksum: never accepted.
#[test]
fn a4_a_header_with_a_corrected_checksum_is_refused() {
    let opener = opener();
    let good = sealer()
        .seal(ObjectKind::Entry, &[], b"record", &[0; 32])
        .unwrap();
    for at in 0..4064 {
        for flip in [0x01, 0x10, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            header::set_checksum(bytes.first_chunk_mut().unwrap());
            let kind = kind_of(opener.open(ObjectKind::Entry, &bytes)).unwrap();
            match at {
                8..=9 => assert!(matches!(kind, Kind::TooNew | Kind::Damaged)),
                10..=11 | 13 | 16..=23 => assert!(matches!(kind, Kind::TooNew | Kind::Damaged)),
                _ => assert_eq!(kind, Kind::Damaged, "byte {at}"),
            }
        }
    }
}

/// A5, A6: another kind, another repository, another root, each with its own message.
#[test]
fn a6_each_stranger_has_its_message() {
    let bytes = sealer()
        .seal(ObjectKind::Entry, &[], b"record", &[0; 32])
        .unwrap();
    let error = opener().open(ObjectKind::Commit, &bytes).unwrap_err();
    assert!(
        error
            .what()
            .contains("of kind Entry lies where Commit should be")
    );
    let other = Opener::new(keys(1), RepoId::new([6; 16]));
    let error = other.open(ObjectKind::Entry, &bytes).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(
        error
            .what()
            .contains("belongs to repository 0707-0707-0707-0707")
    );
    let error = Opener::new(keys(2), REPO)
        .open(ObjectKind::Entry, &bytes)
        .unwrap_err();
    assert_eq!(
        error.what(),
        "the box was sealed under another key, or its header was altered"
    );
    let mut renamed = BoxHeader::decode(&bytes).unwrap();
    renamed.kind = ObjectKind::Commit;
    let mut bytes = bytes;
    bytes[..4096].copy_from_slice(&renamed.encode());
    let error = opener().open(ObjectKind::Commit, &bytes).unwrap_err();
    assert_eq!(
        error.what(),
        "the box was sealed under another key, or its header was altered"
    );
}

/// N2: with a constant source of randomness no two salts are equal unless everything else is.
#[test]
fn n2_salts_differ_under_constant_randomness() {
    let salt = |sealer: &Sealer, record: &[u8], area: &[u8]| sealer.salt(&[0; 32], record, area);
    let new = |device, started| Sealer::new(keys(1), REPO, None, [device; 16], started);
    let first = salt(&new(1, 1), b"record", b"area");
    assert_eq!(
        first,
        salt(&new(1, 1), b"record", b"area"),
        "the very same box"
    );
    let used = new(1, 1);
    salt(&used, b"record", b"area");
    let others = [
        salt(&used, b"record", b"area"),
        salt(&new(1, 1), b"recorD", b"area"),
        salt(&new(1, 1), b"record", b"areA"),
        salt(&new(2, 1), b"record", b"area"),
        salt(&new(1, 2), b"record", b"area"),
        salt(&new(1, 1).with_compression(1, 3), b"record", b"area"),
        Sealer::new(keys(2), REPO, None, [1; 16], 1).salt(&[0; 32], b"record", b"area"),
        new(1, 1).salt(&[1; 32], b"record", b"area"),
    ];
    let mut all: Vec<[u8; 32]> = others.into_iter().chain([first]).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 9);
}

/// The padding is under the seal, and still checked: only a writer with the key could hide something there.
#[test]
fn what_is_behind_the_record_must_be_zero() {
    let kind = ObjectKind::Entry;
    let sealer = sealer();
    let seal = |plain: &dyn Fn(&mut [u8])| {
        let mut bytes = vec![0; 8192];
        let end = bytes.len() - TAG;
        bytes[4096..4102].copy_from_slice(b"record");
        bytes[end - 16..end].copy_from_slice(&Trailer::new(0, 6).encode());
        plain(&mut bytes[4096..end]);
        sealer.seal_layout(kind, 4096, [2; 32], &mut bytes);
        opener().open(kind, &bytes)
    };
    assert_eq!(seal(&|_| ()).unwrap().record, b"record");
    for change in [6, 4063, 4064, 4065, 4071, 4072, 4075, 4076, 4079] {
        assert_eq!(
            kind_of(seal(&|plain| plain[change] ^= 0x80)),
            Some(Kind::Damaged),
            "byte {change}"
        );
    }
    let area = seal(&|plain| plain[4064..4080].copy_from_slice(&Trailer::new(3, 3).encode()));
    assert_eq!(
        area.unwrap_err().what(),
        "the box has an area, which its kind has not"
    );
    let long = |area, record| {
        seal(&move |plain| plain[4064..4080].copy_from_slice(&Trailer::new(area, record).encode()))
    };
    assert_eq!(kind_of(long(0, 4065)), Some(Kind::Damaged));
    assert_eq!(
        kind_of(long(u32::MAX.into(), u32::MAX.into())),
        Some(Kind::Damaged)
    );
}

#[test]
fn a_box_is_read_piece_by_piece() {
    let area = fill(1_000_000);
    let bytes = sealer()
        .seal(ObjectKind::IndexRun, &area, b"record", &[0; 32])
        .unwrap();
    let reader = opener()
        .reader(ObjectKind::IndexRun, &bytes[..4096], bytes.len() as u64)
        .unwrap();
    assert_eq!(reader.file_len(), bytes.len() as u64);
    let slice = |range: &Range<u64>| {
        bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec()
    };
    for (offset, len) in [
        (0, 1),
        (0, 65_520),
        (0, 65_521),
        (65_519, 2),
        (65_520, 65_520),
        (300_000, 400_000),
        (999_999, 1),
    ] {
        let range = reader.range_of(offset, len);
        assert!((range.start - 4096).is_multiple_of(65_536));
        let mut piece = slice(&range);
        reader.open_range(range.start, &mut piece).unwrap();
        let skip = usize::try_from(offset - reader.plain_offset(range.start)).unwrap();
        let (from, len) = (
            usize::try_from(offset).unwrap(),
            usize::try_from(len).unwrap(),
        );
        assert_eq!(piece[skip..skip + len], area[from..from + len]);
        assert!(piece.len() < len + 2 * SEGMENT_PLAIN);
    }
    let last = reader.segment_range(reader.segments() - 1);
    assert_eq!(last.end, bytes.len() as u64);
    let mut piece = slice(&last);
    reader.open_range(last.start, &mut piece).unwrap();
    assert_eq!(
        reader.trailer(&piece).unwrap(),
        Trailer {
            area_len: 1_000_000,
            record_len: 6
        }
    );
    assert_eq!(reader.range_of(u64::MAX, u64::MAX), last.end..last.end);
    for (start, end) in [
        (4097, 4097 + 65_536),
        (4096, 4096 + 65_535),
        (4096, 4096 + 65_537),
        (last.start, last.end - 1),
    ] {
        let mut piece = slice(&(start..end));
        assert!(reader.open_range(start, &mut piece).is_err());
    }
    let mut beyond = vec![0; 65_536];
    assert!(reader.open_range(4096 + 65_536 * 100, &mut beyond).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_an_answer(mut bytes in proptest::collection::vec(any::<u8>(), 4096..20_000), kind in 0..10_usize) {
        let kind = ObjectKind::ALL[kind];
        assert!(opener().open(kind, &bytes).is_err());
        let body_len = (bytes.len() as u64 / 4096).saturating_sub(if kind.has_tail() { 2 } else { 1 }) * 4096;
        bytes.truncate(usize::try_from(header::file_len(kind, body_len)).unwrap().min(bytes.len()));
        let header = BoxHeader { kind, chunker: 1, body_len, repo: REPO, salt: [1; 32], commitment: [2; 32], recovery: [0; 256] };
        bytes[..4096].copy_from_slice(&header.encode());
        assert!(opener().open(kind, &bytes).is_err());
    }
}
