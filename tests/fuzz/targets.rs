//! One function for each family of parsers. It answers whether the bytes were taken, and panics where a promise does
//! not hold: what is taken comes back from its own writing, costs no more than a stated multiple of the input, and
//! what is refused is refused as damaged or as too new.

use crate::fuzz::fixed::{self, FIXED};
use heirloom::compress::{Compressor, Expander, Level};
use heirloom::crypto::hash::object_id;
use heirloom::error::{Error, Kind, Result};
use heirloom::format::ObjectKind;
use heirloom::format::chain::Entry;
use heirloom::format::commit::{CommitSlot, Intent};
use heirloom::format::directory::Directory;
use heirloom::format::header::{BoxHeader, set_checksum};
use heirloom::format::index::{Row, Run};
use heirloom::format::key_slot::{KeySlot, SlotKind, SlotSecret, read_key_file, write_key_file};
use heirloom::format::ledger::LedgerRecord;
use heirloom::format::mark::Mark;
use heirloom::format::mirror::MirrorRecord;
use heirloom::format::pack::reader::{DirectoryRead, PackReader, read_directory};
use heirloom::format::parity::{self, Repair};
use heirloom::format::tree::content::{self, List};
use heirloom::format::tree::{TreeBlob, encode_leaf};
use heirloom::id::Id;
use heirloom::limits::{BLOCK_BYTES_MAX, PACK_BYTES_MAX, PAGE};
use std::cell::RefCell;

/// A record written anew is at most this much longer than it was: keys that may be absent are written.
const SLACK: usize = 512;

pub(crate) fn refused(error: &Error) -> bool {
    let kind = error.kind();
    let fine = matches!(kind, Kind::Damaged | Kind::TooNew);
    assert!(fine, "{}", error.chain());
    false
}

/// What is read, written and read again is written alike.
fn twice<T>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> bool {
    let one = match decode(bytes) {
        Ok(one) => one,
        Err(error) => return refused(&error),
    };
    let written = encode(&one);
    assert!(written.len() <= bytes.len() + SLACK, "{}", written.len());
    let two = decode(&written).expect("what was written is read");
    assert!(encode(&two) == written, "it changes each time");
    true
}

/// The first `N` bytes, zeros where there are none, and the rest.
pub(crate) fn front<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes
        .split_first_chunk()
        .map_or(([0; N], &[]), |(front, rest)| (*front, rest))
}

pub(crate) fn header(bytes: &[u8]) -> bool {
    match BoxHeader::decode(bytes) {
        Err(error) => refused(&error),
        Ok(header) => {
            assert!(header.encode()[..] == bytes[..PAGE]);
            assert!(header.file_len() <= header.kind.bytes_max());
            true
        }
    }
}

/// A box that opens is one that was sealed, bit for bit, but for a pack's second header, which nobody needs then.
pub(crate) fn sealed(bytes: &[u8]) -> bool {
    let mut opened = false;
    for kind in ObjectKind::ALL {
        match FIXED.opener.open(kind, bytes) {
            Err(error) => _ = refused(&error),
            Ok(_) => {
                let len = bytes.len() - if kind.has_tail() { PAGE } else { 0 };
                let mut boxes = FIXED.boxes.iter();
                let same = |sealed: &Vec<u8>| sealed.len() == bytes.len();
                assert!(boxes.any(|sealed| same(sealed) && sealed[..len] == bytes[..len]));
                opened = true;
            }
        }
    }
    opened
}

/// kind, plaintext: an authentic box with any plaintext at all, the last 16 bytes of it where the trailer is.
pub(crate) fn plaintext(bytes: &[u8]) -> bool {
    let ([number], plain) = front::<1>(bytes);
    let kind = ObjectKind::ALL[usize::from(number) % 9];
    let (file, plain) = fixed::forged(kind, plain);
    let opened = match FIXED.opener.open(kind, &file) {
        Err(error) => {
            refused(&error);
            None
        }
        Ok(opened) => {
            let len = opened.area.len() + opened.record.len();
            let (content, rest) = plain.split_at(len);
            assert!(content == [&opened.area[..], &opened.record].concat());
            let (padding, trailer) = rest.split_at(rest.len() - 16);
            assert!(padding.iter().all(|byte| *byte == 0));
            let lens = [opened.area.len(), opened.record.len()]
                .map(|len| u32::try_from(len).unwrap().to_le_bytes());
            assert!(trailer[..8] == *lens.as_flattened());
            Some(opened)
        }
    };
    if kind.has_tail() {
        return pack(&file, opened.is_some());
    }
    opened.is_some()
}

fn pack(file: &[u8], sound: bool) -> bool {
    let quick = read_directory(&FIXED.opener, file.len() as u64, file);
    let reader = PackReader::open(&FIXED.opener, file.to_vec()).expect("its headers are good");
    assert!(reader.damage().is_none());
    let Ok(directory) = reader.directory() else {
        assert!(!matches!(quick, Ok(DirectoryRead::Found { .. })));
        return false;
    };
    match quick {
        Ok(DirectoryRead::Found {
            directory: quick, ..
        }) => assert!(quick == *directory),
        // Padding is of no interest to a directory, and all of a box to who opens it whole.
        other => panic!("{other:?}"),
    }
    for (at, row) in directory.blocks.iter().enumerate() {
        assert_eq!(reader.block(at).unwrap().len(), row.stored_len as usize);
    }
    sound
}

/// kind, length of the area, record
pub(crate) fn directory(bytes: &[u8]) -> bool {
    let ([kind, area @ ..], record) = front::<5>(bytes);
    let kind = ObjectKind::ALL[usize::from(kind) % 9];
    let area = u32::from_le_bytes(area).into();
    match Directory::decode(kind, record, area) {
        Err(error) => refused(&error),
        Ok(directory) => {
            assert!(directory.encode() == record, "there is one form only");
            let held = directory.blocks.len() * 16 + directory.ids.len() * 35;
            assert!(held <= record.len() && directory.area_len() == area);
            true
        }
    }
}

/// length of the area, area, record
pub(crate) fn run(bytes: &[u8]) -> bool {
    let split = |bytes: &[u8]| {
        let (len, rest) = front::<4>(bytes);
        let len = (u32::from_le_bytes(len) as usize).min(rest.len());
        (rest[..len].to_vec(), rest[len..].to_vec())
    };
    let decode = |bytes: &[u8]| {
        let (area, record) = split(bytes);
        let run = Run::decode(&area, &record)?;
        assert!(run.rows.len() * Row::BYTES == area.len());
        assert!(run.covers.len() * 32 <= record.len());
        Ok(run)
    };
    twice(bytes, decode, |run| {
        let (area, record) = run.encode();
        let len = u32::try_from(area.len()).unwrap().to_le_bytes();
        [&len[..], &area, &record].concat()
    })
}

pub(crate) fn entry(bytes: &[u8]) -> bool {
    twice(bytes, Entry::decode, Entry::encode)
}

pub(crate) fn intent(bytes: &[u8]) -> bool {
    twice(bytes, Intent::decode, Intent::encode)
}

pub(crate) fn slot(bytes: &[u8]) -> bool {
    twice(bytes, CommitSlot::decode, CommitSlot::encode)
}

pub(crate) fn mark(bytes: &[u8]) -> bool {
    twice(bytes, Mark::decode, Mark::encode)
}

pub(crate) fn ledger(bytes: &[u8]) -> bool {
    twice(bytes, LedgerRecord::decode, LedgerRecord::encode)
}

pub(crate) fn mirror(bytes: &[u8]) -> bool {
    twice(bytes, MirrorRecord::decode, MirrorRecord::encode)
}

pub(crate) fn tree(bytes: &[u8]) -> bool {
    twice(bytes, TreeBlob::decode, TreeBlob::encode)
}

/// A node, in a leaf of its own.
pub(crate) fn node(bytes: &[u8]) -> bool {
    tree(&encode_leaf(&[], &[], 1, bytes))
}

/// depth, what it covers, list
pub(crate) fn list(bytes: &[u8]) -> bool {
    let ([depth, covers @ ..], list) = front::<9>(bytes);
    let covers = u64::from_le_bytes(covers);
    let _ = content::check_inline(list, depth).map_err(|error| refused(&error));
    let plain = content::read_items(list).map_or(0, |items| items.len());
    let lists = content::read_list_items(list).map_or(0, |items| items.len());
    assert!(plain * 36 <= list.len() && lists * 40 <= list.len());
    let decode = |bytes: &[u8]| {
        let list = List::decode(bytes, depth, covers)?;
        assert_eq!(content::check_items(&list.items, depth).unwrap(), covers);
        Ok(list)
    };
    twice(list, decode, List::encode)
}

/// A slot, bare or as an object. What is opened is the root it was made of.
pub(crate) fn key_slot(bytes: &[u8]) -> bool {
    let object = KeySlot::from_object(bytes);
    if let Ok(slot) = &object {
        // But for the number of a chunker, which hinders nobody, and the checksum that covers it.
        let mut one = slot.to_object();
        one[12] = bytes[12];
        set_checksum(one.first_chunk_mut().unwrap());
        assert!(one == bytes, "there is one form only");
    }
    let slot = match object.or_else(|_| KeySlot::parse(bytes)) {
        Err(error) => return refused(&error),
        Ok(slot) => slot,
    };
    let secret: &SlotSecret = match slot.kind() {
        // A guess takes a second: that a slot asks for too much is told before it.
        SlotKind::Passphrase => return slot.cost().check().is_ok(),
        SlotKind::KeyFile => &FIXED.secrets[0],
        SlotKind::Words => &FIXED.secrets[1],
    };
    let _ = slot.note(&FIXED.root);
    match slot.open(secret) {
        Err(error) => refused(&error),
        Ok(root) => root.is_some_and(|root| {
            assert!(root.expose() == FIXED.root.expose());
            true
        }),
    }
}

/// Recovery words, or the text of a key file.
pub(crate) fn words(bytes: &[u8]) -> bool {
    use heirloom::crypto::words::{check_word, fingerprint, from_words, to_words};
    let text = String::from_utf8_lossy(bytes);
    for (position, word) in text.split(' ').enumerate().take(3) {
        let _ = check_word(word, position).map_err(|error| error.to_string());
    }
    assert!(fingerprint(&front(bytes).0).is_ascii());
    let key = read_key_file(&text);
    if let Ok(key) = &key {
        let again = read_key_file(&write_key_file(key)).unwrap();
        assert!(again.expose() == key.expose());
    }
    let Ok(secret) = from_words(&text) else {
        return key.is_ok();
    };
    let again = from_words(&to_words(&secret).join(" ")).unwrap();
    assert!(again.expose() == secret.expose());
    true
}

/// length of the parity, parity, copy: what a repair gives back has the name that was asked for.
pub(crate) fn parity(bytes: &[u8]) -> bool {
    let (len, rest) = front::<4>(bytes);
    let len = (u32::from_le_bytes(len) as usize).min(rest.len());
    let (parity, copy) = rest.split_at(len);
    let id = parity.get(32..64).and_then(Id::from_slice);
    let id = id.unwrap_or_default();
    let whole = parity::check(parity, &id);
    match Repair::new(parity, &id) {
        Err(error) => _ = refused(&error),
        Ok(mut repair) => {
            assert!(repair.len() <= PACK_BYTES_MAX);
            repair.take(copy);
            match repair.finish() {
                Err(error) => _ = refused(&error),
                Ok(object) => assert!(object_id(&object) == id),
            }
        }
    }
    match parity::repair(copy, parity, &id) {
        Err(error) => refused(&error),
        Ok(object) => {
            assert!(object_id(&object) == id);
            assert!(whole.is_err() || parity.len() < bytes.len());
            true
        }
    }
}

thread_local! {
    static ZSTD: RefCell<(Expander, Compressor)> =
        RefCell::new((Expander::new(), Compressor::new(Level::Fast)));
}

/// expanded length, frame
pub(crate) fn zstd(bytes: &[u8]) -> bool {
    let (len, frame) = front::<4>(bytes);
    let len = u32::from_le_bytes(len) as usize;
    ZSTD.with_borrow_mut(|(expander, compressor)| {
        let (mut out, mut packed) = (Vec::new(), Vec::new());
        let taken = expander.expand(frame, len, &mut out).is_some();
        assert!(out.capacity() <= BLOCK_BYTES_MAX && (!taken || out.len() == len));
        if compressor.compress(frame, &mut packed) {
            assert!(packed.len() < frame.len());
            expander.expand(&packed, frame.len(), &mut out).unwrap();
            assert!(out == frame);
        }
        taken
    })
}
