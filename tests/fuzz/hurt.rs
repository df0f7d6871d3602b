//! Packs that are hurt as an input says. What still comes out of them is what was put in.

use crate::fuzz::fixed::{self, FIXED, directory};
use crate::fuzz::targets::{front, refused};
use heirloom::error::Error;
use heirloom::format::ObjectKind;
use heirloom::format::directory::{BlockRow, Codec, Directory};
use heirloom::format::header::set_checksum;
use heirloom::format::pack::reader::{DirectoryRead, PackReader, read_directory};
use heirloom::limits::{PAGE, SEGMENT, SEGMENT_PLAIN};
use std::sync::LazyLock;

/// Bytes of an input that hurt once.
const STEP: usize = 5;

/// A pack as it was: its kind, its file, its plaintext and its directory.
struct Sound(ObjectKind, Vec<u8>, Vec<u8>, Directory);

/// One of a single segment, one of four, one whose directory alone has three.
static SOUND: LazyLock<[Sound; 3]> = LazyLock::new(|| {
    let row = |stored_len, blobs| BlockRow {
        stored_len,
        raw_len: 70_000,
        blobs,
        codec: Codec::Zstd,
        ..directory().blocks[0]
    };
    let many = |blocks: Vec<BlockRow>| {
        let count = blocks.iter().map(|row| row.blobs as usize).sum();
        let mut whole = directory();
        whole.ids.resize(count, whole.ids[0]);
        whole.lens = vec![70_000; count];
        Directory { blocks, ..whole }
    };
    [
        sound(ObjectKind::DataPack, directory()),
        sound(ObjectKind::DataPack, many(vec![row(36_000, 1); 5])),
        sound(ObjectKind::DataPack, many(vec![row(3, 1); 3000])),
    ]
});

fn sound(kind: ObjectKind, directory: Directory) -> Sound {
    let area: Vec<u8> = (0..directory.area_len())
        .map(|at| at.to_le_bytes()[0])
        .collect();
    let record = directory.encode();
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let trailer = [&len(&area)[..], &len(&record), &[0; 4], b"HLTR"].concat();
    let (file, plain) = fixed::forged(kind, &[&area[..], &record, &trailer].concat());
    Sound(kind, file, plain, directory)
}

/// What is done, where, and how.
fn hurt(file: &mut Vec<u8>, step: [u8; STEP]) {
    let [what, place @ ..] = step;
    let (at, how) = ([place[0], place[1], place[2], 0], place[3]);
    let at = u32::from_le_bytes(at) as usize;
    let inside = at % file.len().max(1);
    let segments = (file.len() / SEGMENT).max(1);
    let len = file.len();
    let range = |number: usize| {
        let start = (PAGE + number % segments * SEGMENT).min(len);
        start..(start + SEGMENT).min(len)
    };
    match what % 9 {
        0 => file
            .iter_mut()
            .skip(inside)
            .take(1)
            .for_each(|byte| *byte ^= how),
        1 => file.truncate(inside),
        2 => file.truncate(file.len().saturating_sub(at % 9000)),
        3 => file.resize(file.len() + at % 9000, how),
        4 => mend(file.first_chunk_mut()),
        5 => mend(file.last_chunk_mut()),
        6 => file[range(at)].fill(how),
        7 => {
            let (from, to) = (range(at), range(usize::from(how)));
            let len = from.len().min(to.len());
            file.copy_within(from.start..from.start + len, to.start);
        }
        _ if len >= PAGE => file.copy_within(..PAGE, len - PAGE),
        _ => {}
    }
}

fn mend(header: Option<&mut [u8; PAGE]>) {
    if let Some(header) = header {
        set_checksum(header);
    }
}

/// which pack, how much of its end is at hand, steps: the directory, every block and every range are as they were or
/// are refused.
pub(crate) fn pack(bytes: &[u8]) -> bool {
    let ([which, tail @ ..], steps) = front::<4>(bytes);
    let Sound(kind, file, plain, directory) = &SOUND[usize::from(which) % 3];
    let mut file = file.clone();
    for step in steps.as_chunks().0.iter().take(40) {
        hurt(&mut file, *step);
    }
    let tail = u32::from_le_bytes([tail[0], tail[1], tail[2], 0]) as usize;
    by_its_end(&file, tail, directory);
    ranges(*kind, &file, plain);
    let reader = match PackReader::open(&FIXED.opener, file) {
        Err(error) => return refused(&error),
        Ok(reader) => reader,
    };
    assert_eq!(reader.kind(), *kind);
    let told = reader.directory().map_or_else(refused, |found| {
        assert!(found == directory);
        true
    });
    for at in 0..directory.blocks.len() {
        let (offset, len) = (directory.block_offset(at), directory.blocks[at].stored_len);
        let start = usize::try_from(offset).unwrap();
        let whole = &plain[start..start + len as usize];
        same(reader.stored(offset, len), whole);
        if told {
            same(reader.block(at), whole);
        }
    }
    for segment in &reader.damage().segments {
        let offset = segment.saturating_mul(SEGMENT_PLAIN as u64);
        assert!(reader.stored(offset, 1).is_err());
    }
    told
}

fn same(found: Result<&[u8], Error>, whole: &[u8]) {
    match found {
        Ok(found) => assert!(found == whole),
        Err(error) => _ = refused(&error),
    }
}

/// As one request for so much of the end brings it, and then for what it says is missing.
fn by_its_end(file: &[u8], tail: usize, directory: &Directory) {
    let len = file.len() as u64;
    // Whole segments to the end, as who asks is bound to.
    let body = (file.len().saturating_sub(PAGE + tail) / SEGMENT) * SEGMENT;
    let mut start = if tail >= file.len() { 0 } else { PAGE + body };
    while let Some(end) = file.get(start..) {
        match read_directory(&FIXED.opener, len, end) {
            Err(error) => {
                refused(&error);
                return;
            }
            Ok(DirectoryRead::Found {
                directory: found, ..
            }) => {
                assert!(found == *directory);
                return;
            }
            Ok(DirectoryRead::Need(more)) => {
                assert!(more.end == len && more.start < start as u64);
                start = usize::try_from(more.start).unwrap();
            }
        }
    }
}

/// Parts of the plaintext, each by the segments that cover it.
fn ranges(kind: ObjectKind, file: &[u8], plain: &[u8]) {
    let Some(header) = file.first_chunk::<PAGE>() else {
        return;
    };
    let reader = match FIXED.opener.reader(kind, header, file.len() as u64) {
        Err(error) => {
            refused(&error);
            return;
        }
        Ok(reader) => reader,
    };
    for (offset, len) in [(0, 1), (65_519, 2), (65_520, 70_000), (100_000, 1)] {
        if offset + len > reader.capacity() {
            continue;
        }
        let range = reader.range_of(offset, len);
        let bounds = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
        let Some(bytes) = file.get(bounds[0]..bounds[1]) else {
            continue;
        };
        let mut bytes = bytes.to_vec();
        match reader.open_range(range.start, &mut bytes) {
            Err(error) => _ = refused(&error),
            Ok(()) => {
                let start = usize::try_from(reader.plain_offset(range.start)).unwrap();
                assert!(bytes[..] == plain[start..start + bytes.len()]);
            }
        }
    }
}
