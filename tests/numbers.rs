//! Section 17 of FORMAT.txt: every number in it, computed anew.
//!
//! `UPDATE=1` writes what this program computes into the text, for numbers that are new there. A number that was
//! published once and differs is a change of the format, or an error.

use heirloom::chunker::filter::{STREAM_BYTES, Stage1};
use heirloom::crypto::derive::{self, KEY_FILE, Keys, RECOVERY_WORDS, RootKey};
use heirloom::crypto::hash;
use heirloom::crypto::passphrase::{self, Argon2Cost};
use heirloom::crypto::secret::{Secret, SecretText};
use heirloom::crypto::stream::SegmentKeys;
use heirloom::crypto::words;
use heirloom::format::block::blob_id;
use heirloom::format::boxes::Opener;
use heirloom::format::chain::{Entry, What};
use heirloom::format::commit::CommitSlot;
use heirloom::format::directory::{BlockRow, Codec, Directory};
use heirloom::format::header::{BoxHeader, CHUNKER, RepoId, body_len_of, capacity, file_len};
use heirloom::format::key_slot::{KeySlot, SlotSecret};
use heirloom::format::snapshot::{Counts, Snapshot};
use heirloom::format::tree::content::List;
use heirloom::format::{BlobKind, ObjectKind};
use heirloom::host::Timestamp;
use heirloom::id::{Id, from_hex, to_hex};
use heirloom::limits::{PAGE, SEGMENT_PLAIN};
use heirloom::rescue;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

const REPO: RepoId =
    RepoId::new(*b"\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f");
/// Where values begin in a line.
const COLUMN: usize = 32;

/// `N` bytes that count up from `first`.
fn count<const N: usize>(first: u8) -> [u8; N] {
    let mut next = first;
    [(); N].map(|()| {
        let byte = next;
        next = next.wrapping_add(1);
        byte
    })
}

fn root() -> RootKey {
    RootKey::from_bytes(count(0))
}

fn keys() -> Keys {
    Keys::new(&root(), REPO.as_bytes())
}

/// The numbers of the text by name; lines that continue one are joined.
fn published() -> BTreeMap<String, String> {
    let mut all = BTreeMap::<String, String>::new();
    let mut last = String::new();
    for line in section().lines().filter(|line| line.starts_with("  ")) {
        let (name, value) = line.split_at_checked(COLUMN).expect(line);
        if !name.trim().is_empty() {
            name.trim().clone_into(&mut last);
            assert!(!all.contains_key(&last), "{last} stands there twice");
        }
        let all = all.entry(last.clone()).or_default();
        let words = value
            .trim()
            .chars()
            .any(|c| c.is_ascii_lowercase() && c > 'f');
        if words && !all.is_empty() {
            all.push(' ');
        }
        all.push_str(value.trim());
    }
    all
}

fn section() -> &'static str {
    let (_, rest) = rescue::FORMAT
        .split_once("17  NUMBERS TO CHECK AGAINST\n")
        .unwrap();
    rest.split_once("18  THE 2,048 WORDS\n").unwrap().0
}

/// A box with this salt, segment by segment.
fn sealed(kind: ObjectKind, salt: u8, area: &[u8], record: &[u8]) -> Sealed {
    let body_len = body_len_of(kind, (area.len() + record.len()) as u64);
    let mut header = BoxHeader {
        kind,
        chunker: CHUNKER,
        body_len,
        repo: REPO,
        salt: count(salt),
        commitment: [0; 32],
        recovery: [0; 256],
    };
    let keys = SegmentKeys::derive(keys().box_key(kind as u8), &header.encode());
    header.commitment = *keys.commitment();
    let mut plain = [area, record].concat();
    plain.resize(usize::try_from(capacity(body_len)).unwrap() - 16, 0);
    for len in [area.len(), record.len()] {
        plain.extend(u32::try_from(len).unwrap().to_le_bytes());
    }
    plain.extend(*b"\0\0\0\0HLTR");
    let mut bytes = header.encode().to_vec();
    let segments = plain.chunks(SEGMENT_PLAIN).count();
    let mut tags = Vec::new();
    for (index, text) in plain.chunks(SEGMENT_PLAIN).enumerate() {
        let mut segment = [text, &[0; 16]].concat();
        keys.seal(index as u64, index + 1 == segments, &mut segment);
        tags.push(to_hex(&segment[text.len()..]));
        bytes.extend(segment);
    }
    if kind.has_tail() {
        bytes.extend(header.encode());
    }
    assert_eq!(bytes.len() as u64, file_len(kind, body_len));
    let opened = Opener::new(Arc::new(self::keys()), REPO)
        .open(kind, &bytes)
        .unwrap();
    assert!(opened.area == area && opened.record == record);
    Sealed {
        salt: to_hex(&header.salt),
        commitment: to_hex(&header.commitment),
        tags,
        name: hash::object_id(&bytes).to_hex(),
        bytes,
    }
}

struct Sealed {
    salt: String,
    commitment: String,
    tags: Vec<String>,
    name: String,
    bytes: Vec<u8>,
}

/// A pack's directory of one stored block with one blob.
fn directory(kind: BlobKind, id: Id, len: usize) -> Vec<u8> {
    let len = u32::try_from(len).unwrap();
    let row = BlockRow {
        stored_len: len,
        raw_len: len,
        blobs: 1,
        codec: Codec::Stored,
        kind,
    };
    Directory {
        blocks: vec![row],
        ids: vec![id],
        lens: vec![len],
    }
    .encode()
}

type Numbers = Vec<(&'static str, String)>;

fn keys_and_ids() -> Numbers {
    let keys = keys();
    let mut stream = [0; STREAM_BYTES];
    keys.chunker_stage1(&mut stream);
    let stage1 = Stage1::derive(&stream);
    let chunk = blob_id(&keys, BlobKind::Chunk, b"abc");
    let list = List {
        depth: 0,
        items: [&chunk.as_bytes()[..], &[3, 0, 0, 0]].concat(),
    };
    vec![
        ("root", to_hex(root().expose())),
        ("repository id", to_hex(REPO.as_bytes())),
        ("data pack key", to_hex(keys.box_key(1).expose())),
        ("tree pack key", to_hex(keys.box_key(2).expose())),
        ("entry key", to_hex(keys.box_key(4).expose())),
        ("commit key", to_hex(keys.box_key(6).expose())),
        ("chunk id key", to_hex(keys.chunk_ids().expose())),
        ("tree id key", to_hex(keys.tree_ids().expose())),
        ("list id key", to_hex(keys.list_ids().expose())),
        ("chunker key", to_hex(keys.chunker().expose())),
        ("id of chunk \"abc\"", chunk.to_hex()),
        ("id of tree 94 01 90 90 90", tree_id().to_hex()),
        ("list", to_hex(&list.encode())),
        (
            "id of the list",
            blob_id(&keys, BlobKind::List, &list.encode()).to_hex(),
        ),
        ("fingerprint", keys.fingerprint()),
        // The first number is an inner step of the second.
        (
            "chunker Q, M",
            format!("5a216d768d8a3ca2 {}", to_hex(&stage1.matrix())),
        ),
        ("chunker t", to_hex(&[stage1.target()])),
        ("chunker K", to_hex(&keys.chunker_stage2())),
        ("tree split key", to_hex(&keys.tree_split())),
    ]
}

const EMPTY_TREE: [u8; 5] = [0x94, 1, 0x90, 0x90, 0x90];

fn tree_id() -> Id {
    blob_id(&keys(), BlobKind::Tree, &EMPTY_TREE)
}

fn secrets() -> Numbers {
    let entropy = count::<16>(0x30);
    let derived = |context, material: &[u8]| {
        let mut out = [0; 32];
        derive::derive(context, &[material], &mut out);
        to_hex(&out)
    };
    let cost = Argon2Cost {
        memory_kib: 1024,
        passes: 2,
        lanes: 4,
    };
    let passphrase = SecretText::new("correct horse battery staple".to_owned());
    let stretched = passphrase::stretch(&passphrase, &count(0x60), cost).unwrap();
    vec![
        ("entropy", to_hex(&entropy)),
        ("words", words::to_words(&Secret::new(entropy)).join(" ")),
        ("KEK of the words", derived(RECOVERY_WORDS, &entropy)),
        (
            "KEK of key file 40..5f",
            derived(KEY_FILE, &count::<32>(0x40)),
        ),
        ("KEK of the passphrase", to_hex(stretched.expose())),
    ]
}

fn small_boxes() -> Numbers {
    let record = CommitSlot::Commit(vec![Id::new(count(0))]).encode();
    let slot = sealed(ObjectKind::Commit, 0x80, &[], &record);
    assert_eq!(slot.bytes.len(), 2 * PAGE);
    let entry = Entry {
        repo: *REPO.as_bytes(),
        device: count(0x50),
        seq: 0,
        prev: None,
        heads: Vec::new(),
        acked: Vec::new(),
        time: Timestamp {
            seconds: 1_795_305_600,
            nanos: 0,
        },
        zone: 60,
        host: "box".to_owned(),
        user: "ann".to_owned(),
        program: "0.1.0".to_owned(),
        what: What::Snapshot(Box::new(Snapshot {
            source: "docs".to_owned(),
            tree: tree_id(),
            paths: vec![b"/docs".to_vec()],
            counts: Counts {
                folders: 1,
                ..Counts::default()
            },
            ..Snapshot::default()
        })),
        unknown: 0,
    };
    let entry_record = entry.encode();
    assert_eq!(Entry::decode(&entry_record).unwrap(), entry);
    let entry = sealed(ObjectKind::Entry, 0xe0, &[], &entry_record);
    vec![
        ("record", to_hex(&record)),
        ("box salt", slot.salt),
        ("box commitment", slot.commitment),
        ("tag", slot.tags.concat()),
        ("H of the file, 8,192 bytes", slot.name),
        ("entry record", to_hex(&entry_record)),
        ("entry salt", entry.salt),
        ("entry commitment", entry.commitment),
        ("entry tag", entry.tags.concat()),
        ("entry id", entry.name),
    ]
}

fn packs() -> Numbers {
    let tree = directory(BlobKind::Tree, tree_id(), EMPTY_TREE.len());
    let small = sealed(ObjectKind::TreePack, 0xa0, &EMPTY_TREE, &tree);
    assert_eq!(small.bytes.len(), 12_288);
    let chunk: Vec<u8> = (0..=250).cycle().take(70_000).collect();
    let id = blob_id(&keys(), BlobKind::Chunk, &chunk);
    let large = directory(BlobKind::Chunk, id, chunk.len());
    let large = sealed(ObjectKind::DataPack, 0xc0, &chunk, &large);
    assert_eq!((large.bytes.len(), large.tags.len()), (81_920, 2));
    vec![
        ("tree pack directory", to_hex(&tree)),
        ("tree pack salt", small.salt),
        ("tree pack commitment", small.commitment),
        ("tree pack tag", small.tags.concat()),
        ("name of this pack, 12,288", small.name),
        ("id of this chunk", id.to_hex()),
        ("data pack salt", large.salt),
        ("data pack commitment", large.commitment),
        ("tag of segment 0", large.tags[0].clone()),
        ("tag of segment 1", large.tags[1].clone()),
        ("name of this pack, 81,920", large.name),
    ]
}

#[test]
fn every_number_is_right() {
    let numbers: Numbers = [keys_and_ids(), secrets(), small_boxes(), packs()].concat();
    if std::env::var_os("UPDATE").is_some() {
        return update(&numbers);
    }
    let mut published = published();
    for (name, computed) in &numbers {
        assert_eq!(published.remove(*name).as_ref(), Some(computed), "{name}");
    }
    // The slot's parts are checked below; the nonce goes into the tag.
    let others: Vec<&str> = published.keys().map(String::as_str).collect();
    let slot = [
        "name of this slot object",
        "nonce(0)",
        "sealed note",
        "slot commitment",
        "slot salt",
    ];
    assert_eq!(others, [&slot[..], &["wrapped root"]].concat());
}

/// Fills in what stands as `00`.
fn update(numbers: &Numbers) {
    let mut text = rescue::FORMAT.to_owned();
    for (name, computed) in numbers {
        let mut lines = String::new();
        for (at, line) in computed.as_bytes().chunks(64).enumerate() {
            let name = if at == 0 { name } else { "" };
            let line = std::str::from_utf8(line).unwrap();
            writeln!(lines, "  {name:<width$}{line}", width = COLUMN - 2).unwrap();
        }
        let empty = format!("  {name:<width$}00\n", width = COLUMN - 2);
        text = text.replace(&empty, &lines);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rescue/FORMAT.txt");
    std::fs::write(path, text).unwrap();
}

/// A salt cannot be asked for, so the slot of the text is opened.
#[test]
fn the_slot_of_the_text_opens() {
    let published = published();
    let bytes = |name: &str| from_hex(&published[name]).unwrap();
    let mut slot = [b"HLS1\x03\0\0\0".as_slice(), &[0; 16], REPO.as_bytes()].concat();
    for part in [
        "slot salt",
        "slot commitment",
        "wrapped root",
        "sealed note",
    ] {
        slot.extend(bytes(part));
    }
    slot.resize(256, 0);
    let slot = KeySlot::parse(&slot).unwrap();
    let secret = SlotSecret::Words(words::from_words(&published["words"]).unwrap());
    let opened = slot.open(&secret).unwrap().unwrap();
    assert_eq!(opened.expose(), root().expose());
    let note = Some((1_795_305_600, "recovery words".to_owned()));
    assert_eq!(slot.note(&opened), note);
    let name = hash::object_id(&slot.to_object());
    assert_eq!(name.to_hex(), published["name of this slot object"]);
}
