//! The bytes of every record, frozen.
//!
//! `tests/data/records.txt` has one line per vector: kind, verdict, hex. A `good` one must come back byte for byte; a
//! `damaged` or `new` one must be refused as that; `kept` is read although a newer heirloom wrote it, and therefore
//! does not come back. `UPDATE=1` writes the good ones anew, which is a change of the format.

use heirloom::crypto::derive::{Keys, RootKey};
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::Secret;
use heirloom::crypto::words::{from_words, to_words};
use heirloom::error::{Kind, Result};
use heirloom::format::BlobKind;
use heirloom::format::ObjectKind;
use heirloom::format::boxes::{Opener, Sealer};
use heirloom::format::chain::{Entry, Head, Removed, What};
use heirloom::format::commit::{CommitSlot, Intent};
use heirloom::format::directory::{BlockRow, Codec, Directory};
use heirloom::format::facts::{Fact, Facts};
use heirloom::format::header::{BoxHeader, RepoId, set_checksum};
use heirloom::format::index::{Run, RunBuilder};
use heirloom::format::key_slot::{KeySlot, SlotSecret, read_key_file, write_key_file};
use heirloom::format::ledger::LedgerRecord;
use heirloom::format::mark::Mark;
use heirloom::format::mirror::MirrorRecord;
use heirloom::format::pack::reader::{PackReader, read_directory};
use heirloom::format::snapshot::{Counts, Snapshot};
use heirloom::format::tree::content::List;
use heirloom::format::tree::node::{Node, NodeKind, XattrValue};
use heirloom::format::tree::{Child, Leaf, TreeBlob};
use heirloom::host::{FixedHost, Host, Timestamp};
use heirloom::id::{Id, from_hex, to_hex};
use std::fmt::Write as _;
use std::sync::Arc;

const VECTORS: &str = include_str!("data/records.txt");

fn id(byte: u8) -> Id {
    Id::new([byte; 32])
}

/// Reads a record and writes it again.
fn there_and_back(kind: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(match kind {
        "tree" => TreeBlob::decode(bytes)?.encode(),
        "list" => List::decode(bytes, 0, 3)?.encode(),
        "directory" => {
            Directory::decode(heirloom::format::ObjectKind::DataPack, bytes, 15)?.encode()
        }
        "entry" => Entry::decode(bytes)?.encode(),
        "intent" => Intent::decode(bytes)?.encode(),
        "slot" => CommitSlot::decode(bytes)?.encode(),
        "mark" => Mark::decode(bytes)?.encode(),
        "ledger" => LedgerRecord::decode(bytes)?.encode(),
        "mirror" => MirrorRecord::decode(bytes)?.encode(),
        "run" => {
            let (area, record) = run().encode();
            let (area, record) = match bytes.split_at_checked(area.len()) {
                Some(parts) => parts,
                None => (&area[..], &record[..]),
            };
            let (area, record) = Run::decode(area, record)?.encode();
            [area, record].concat()
        }
        _ => panic!("no such kind: {kind}"),
    })
}

fn directory() -> Directory {
    let row = |stored_len, raw_len, blobs, codec| BlockRow {
        stored_len,
        raw_len,
        blobs,
        codec,
        kind: BlobKind::Chunk,
    };
    Directory {
        blocks: vec![row(10, 70_000, 2, Codec::Zstd), row(5, 5, 1, Codec::Stored)],
        ids: vec![id(1), id(2), id(3)],
        lens: vec![1, 69_999, 5],
    }
}

fn run() -> Run {
    let mut builder = RunBuilder::new();
    builder.add_pack(id(0xaa), ObjectKind::DataPack, 12_288, &directory());
    builder.cover(id(0xcc));
    builder.finish()
}

fn nodes() -> Vec<Node> {
    let named = |name: &[u8], kind| Node {
        name: name.to_vec(),
        kind,
        mode: 0o755,
        uid: 1000,
        gid: 100,
        mtime: -1,
        mtime_ns: 999_999_999,
        ..Node::default()
    };
    let content = [id(7).as_bytes().as_slice(), &3_u32.to_le_bytes()].concat();
    let lists = [id(8).as_bytes().as_slice(), &(1_u64 << 40).to_le_bytes()].concat();
    vec![
        Node {
            rdev: Some((8, 1)),
            ..named(b"block", NodeKind::BlockDevice)
        },
        Node {
            rdev: Some((0, 0)),
            ..named(b"char", NodeKind::CharDevice)
        },
        named(b"fifo", NodeKind::Fifo),
        Node {
            size: 13,
            class: 3,
            content,
            holes: vec![(0, 4), (7, 6)],
            hard_link: Some((2, u64::MAX)),
            xattrs: vec![
                (
                    b"user.inline".to_vec(),
                    XattrValue::Inline(b"\0\xff".to_vec()),
                ),
                (b"user.long".to_vec(), XattrValue::Chunks(vec![id(9)])),
            ],
            seen: vec![(5, 12, 3)],
            version: b"\"etag\"".to_vec(),
            flags: 1,
            ..named(b"file \xff", NodeKind::File)
        },
        Node {
            tree: Some(id(10)),
            ..named(b"folder", NodeKind::Folder)
        },
        Node {
            link: b"../elsewhere".to_vec(),
            ..named(b"link", NodeKind::Symlink)
        },
        Node {
            size: 1 << 40,
            content: lists,
            depth: 1,
            ..named(b"long", NodeKind::File)
        },
    ]
}

fn entry(what: What) -> Entry {
    Entry {
        repo: [1; 16],
        device: [2; 16],
        seq: 300,
        prev: Some(id(3)),
        heads: vec![Head {
            device: [4; 16],
            seq: 5,
            entry: id(6),
        }],
        acked: vec![([7; 16], 299)],
        time: Timestamp {
            seconds: 1_795_305_600,
            nanos: 5,
        },
        zone: -90,
        host: "attic".to_owned(),
        user: "ada".to_owned(),
        program: "0.1.0".to_owned(),
        what,
        unknown: 0,
    }
}

fn entries() -> Vec<Entry> {
    let snapshot = Snapshot {
        source: "home".to_owned(),
        tree: id(11),
        parent: Some(id(12)),
        paths: vec![b"/home/ada".to_vec()],
        excludes: vec!["*.tmp".to_owned()],
        tags: vec!["nightly".to_owned()],
        counts: Counts {
            files: 1,
            folders: 2,
            bytes: 3,
            new_bytes: 4,
            skipped: 5,
        },
        kinds: vec![(1, 2, 4)],
        losses: vec![id(13)],
        suspect: Some("half of it is gone".to_owned()),
        unknown: 0,
    };
    let removed = |seq, prev| Removed {
        device: [2; 16],
        seq,
        entry: id(14),
        prev,
    };
    let facts = Facts::from([
        ("mirror".to_owned(), Fact::Bytes(vec![7; 16])),
        ("passed".to_owned(), Fact::Bool(true)),
        (
            "why".to_owned(),
            Fact::List(vec![Fact::Nothing, Fact::Int(-1)]),
        ),
    ]);
    let whats = [
        What::Snapshot(Box::new(snapshot)),
        What::Remove {
            entries: vec![removed(0, None), removed(1, Some(id(15)))],
            reason: "forget".to_owned(),
        },
        What::Undelete(vec![id(1), id(2)]),
        What::Pin {
            ids: vec![id(1)],
            reason: "tax".to_owned(),
        },
        What::Unpin(vec![]),
        What::Accept {
            source: "home".to_owned(),
            entry: id(1),
        },
        What::KitChecked(1_795_305_600),
        What::Drill(facts),
        What::SlotRemoved(id(1)),
        What::DeviceName("laptop".to_owned()),
    ];
    let mut entries: Vec<Entry> = whats.into_iter().map(entry).collect();
    entries.push(Entry {
        seq: 0,
        prev: None,
        heads: vec![],
        acked: vec![],
        zone: 0,
        host: String::new(),
        user: String::new(),
        program: String::new(),
        ..entry(What::KitChecked(0))
    });
    entries
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let leaf = Leaf {
        users: vec![(0, b"root".to_vec()), (1000, b"ada".to_vec())],
        groups: vec![(100, b"users".to_vec())],
        nodes: nodes(),
    };
    let child = |first: &[u8], tree, nodes| Child {
        first: first.to_vec(),
        tree,
        nodes,
    };
    let inner = vec![child(b"a", id(1), 300), child(b"b", id(2), u64::MAX - 300)];
    let list = List {
        depth: 0,
        items: [id(7).as_bytes().as_slice(), &3_u32.to_le_bytes()].concat(),
    };
    let (area, record) = run().encode();
    let mut samples = vec![
        ("tree", TreeBlob::Leaf(leaf).encode()),
        ("tree", TreeBlob::Leaf(Leaf::default()).encode()),
        ("tree", TreeBlob::Inner(inner).encode()),
        ("list", list.encode()),
        ("directory", directory().encode()),
        ("run", [area, record].concat()),
    ];
    samples.extend(entries().iter().map(|entry| ("entry", entry.encode())));
    samples.extend(small_records());
    samples
}

fn small_records() -> Vec<(&'static str, Vec<u8>)> {
    let intent = Intent {
        session: [1; 16],
        device: [2; 16],
        kind: "backup".to_owned(),
        marks: vec![id(3)],
        started: 1_795_305_600,
    };
    let abort = CommitSlot::Abort {
        mark: id(3),
        by: [4; 16],
    };
    let mark = Mark {
        device: [2; 16],
        time: 1_795_305_600,
        packs: vec![id(5), id(6)],
        entries: vec![id(7)],
        loss: false,
    };
    let lost = Mark {
        entries: vec![],
        loss: true,
        ..mark.clone()
    };
    let ledger = LedgerRecord {
        mirror: [7; 16],
        device: [2; 16],
        time: 1_795_305_600,
        level: 3,
        objects: vec![[1; 8], [2; 8]],
        damaged: vec![format!("packs/05/{}", id(5).to_hex())],
        healed: vec!["mirror".to_owned()],
        bytes: 1 << 33,
    };
    let mirror = MirrorRecord {
        protocol: 1,
        id: [7; 16],
        made: 1_795_305_600,
        cas: true,
        probe: Facts::from([("delete".to_owned(), Fact::Bool(true))]),
        unknown: 0,
    };
    vec![
        ("intent", intent.encode()),
        ("slot", CommitSlot::Commit(vec![id(1), id(2)]).encode()),
        ("slot", CommitSlot::Commit(vec![]).encode()),
        ("slot", abort.encode()),
        ("mark", mark.encode()),
        ("mark", lost.encode()),
        ("ledger", ledger.encode()),
        ("mirror", mirror.encode()),
    ]
}

fn vectors() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [kind, verdict, hex] = fields[..] else {
            panic!("a vector has three fields: {line}");
        };
        (kind, verdict, from_hex(hex).expect("hex digits"))
    })
}

#[test]
fn todays_records_have_the_frozen_bytes() {
    if std::env::var_os("UPDATE").is_some() {
        let mut text: String = VECTORS
            .lines()
            .filter(|line| !line.contains(" good "))
            .fold(String::new(), |text, line| text + line + "\n");
        for (kind, bytes) in samples() {
            writeln!(text, "{kind} good {}", to_hex(&bytes)).unwrap();
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/records.txt");
        std::fs::write(path, text).unwrap();
        return;
    }
    let frozen: Vec<_> = vectors()
        .filter(|(_, verdict, _)| *verdict == "good")
        .map(|(kind, _, bytes)| (kind, bytes))
        .collect();
    assert_eq!(frozen.len(), samples().len());
    for (ours, theirs) in samples().iter().zip(&frozen) {
        assert_eq!(ours, theirs, "{}", ours.0);
    }
}

#[test]
fn every_vector_gets_its_verdict() {
    for (kind, verdict, bytes) in vectors() {
        let answer = there_and_back(kind, &bytes);
        let line = format!("{kind} {verdict} {}", to_hex(&bytes));
        match verdict {
            "good" => assert_eq!(answer.expect(&line), bytes, "{line}"),
            "kept" => assert_ne!(answer.expect(&line), bytes, "{line}"),
            "damaged" => assert_eq!(answer.expect_err(&line).kind(), Kind::Damaged, "{line}"),
            "new" => assert_eq!(answer.expect_err(&line).kind(), Kind::TooNew, "{line}"),
            _ => panic!("no such verdict: {line}"),
        }
    }
}

#[test]
fn a_record_that_is_cut_or_extended_is_damaged() {
    for (kind, bytes) in samples() {
        let fixed = if kind == "run" {
            run().encode().0.len()
        } else {
            0
        };
        for len in fixed..bytes.len() {
            let answer = there_and_back(kind, &bytes[..len]);
            assert_eq!(answer.unwrap_err().kind(), Kind::Damaged, "{kind} {len}");
        }
        for more in [0, 0xc0, 0x91, 0xff] {
            let answer = there_and_back(kind, &[&bytes[..], &[more]].concat());
            assert_eq!(answer.unwrap_err().kind(), Kind::Damaged, "{kind} {more}");
        }
    }
}

#[test]
fn a_changed_byte_never_panics() {
    for (kind, mut bytes) in samples() {
        for at in 0..bytes.len() {
            let was = bytes[at];
            for to in [
                0,
                1,
                0x7f,
                0x80,
                0x90,
                0xc0,
                0xc6,
                0xd9,
                0xdd,
                0xdf,
                0xff,
                was ^ 1,
            ] {
                bytes[at] = to;
                let _ = there_and_back(kind, &bytes);
            }
            bytes[at] = was;
        }
    }
}

type Read = Box<dyn Fn(&[u8])>;

/// What reads bytes of a stranger, besides the records: each with a valid example.
fn readers() -> Vec<(&'static str, Vec<u8>, Read)> {
    let root = RootKey::from_bytes([1; 32]);
    let repo = RepoId::new([2; 16]);
    let keys = Arc::new(Keys::new(&root, repo.as_bytes()));
    let opener = Opener::new(Arc::clone(&keys), repo);
    let sealer = Sealer::new(keys, repo, None, [3; 16], 4);
    let secret = SlotSecret::KeyFile(Secret::new([5; 32]));
    let cost = Argon2Cost::default();
    let slot = KeySlot::seal(&secret, cost, &root, repo, [6; 32], 7, "label").unwrap();
    let seal =
        |kind, area: &[u8], record: &[u8]| sealer.seal(kind, area, record, &[8; 32]).unwrap();
    let entry = seal(ObjectKind::Entry, &[], &entries()[0].encode());
    let pack = seal(ObjectKind::DataPack, &[9; 15], &directory().encode());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let whole = opener.clone();
    let open = move |bytes: &[u8]| drop(whole.open(ObjectKind::Entry, bytes));
    let read = move |bytes: &[u8]| {
        let _ = read_directory(&opener, bytes.len() as u64, bytes);
        if let Ok(reader) = PackReader::open(&opener, bytes.to_vec()) {
            (0..4).for_each(|block| drop(reader.block(block).map(<[u8]>::len)));
        }
    };
    let try_slot =
        move |bytes: &[u8]| drop(KeySlot::parse(bytes).and_then(|slot| slot.open(&secret)));
    vec![
        (
            "header",
            entry[..4096].to_vec(),
            Box::new(|bytes: &[u8]| drop(BoxHeader::decode(bytes))),
        ),
        ("box", entry, Box::new(open)),
        ("pack", pack, Box::new(read)),
        ("key slot", slot.as_bytes().to_vec(), Box::new(try_slot)),
        (
            "key slot's object",
            slot.to_object(),
            Box::new(|bytes| drop(KeySlot::from_object(bytes))),
        ),
        (
            "words",
            to_words(&Secret::new([10; 16])).join(" ").into_bytes(),
            Box::new(move |bytes| drop(from_words(&text(bytes)))),
        ),
        (
            "key file",
            write_key_file(&Secret::new([11; 32])).into_bytes(),
            Box::new(move |bytes| drop(read_key_file(&text(bytes)))),
        ),
    ]
}

/// Some bytes changed, cut out, doubled or put in; in half of the cases the header's checksum is mended after that.
fn mutated(good: &[u8], random: &mut dyn FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=random(4) {
        let at = random(bytes.len().max(1)).min(bytes.len());
        let len = random(16).min(bytes.len() - at);
        match random(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + len)),
            2 => {
                let part = bytes[at..at + len].to_vec();
                bytes.splice(at..at, part);
            }
            3 => drop(bytes.splice(at..at, (0..len).map(|_| 0xff))),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(random(256)).unwrap();
                }
            }
        }
    }
    if let (0, Some(header)) = (random(2), bytes.first_chunk_mut()) {
        set_checksum(header);
    }
    bytes
}

/// Says which seed it was when a decoder panics.
struct Told(String);

impl Drop for Told {
    #[expect(
        clippy::print_stderr,
        reason = "the seed is what a failure is found again by"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

#[test]
fn mutations_get_an_answer() {
    let records = samples().into_iter().map(|(kind, bytes)| {
        let read: Read = Box::new(move |bytes| drop(there_and_back(kind, bytes)));
        (kind, bytes, read)
    });
    for (what, good, read) in records.chain(readers()) {
        let mut told = Told(String::new());
        for seed in 0..2000 {
            told.0 = format!("{what}, seed {seed}");
            let host = FixedHost::new(seed);
            let mut random = |below: usize| {
                let mut word = [0; 8];
                host.random(&mut word);
                usize::try_from(u64::from_le_bytes(word) % below as u64).unwrap()
            };
            read(&mutated(&good, &mut random));
        }
    }
}

#[test]
fn a_newer_protocol_or_key_may_be_read_and_not_written_to() {
    let record = |protocol| MirrorRecord {
        protocol,
        id: [7; 16],
        ..MirrorRecord::default()
    };
    assert!(
        MirrorRecord::decode(&record(1).encode())
            .unwrap()
            .may_write()
    );
    assert!(
        !MirrorRecord::decode(&record(2).encode())
            .unwrap()
            .may_write()
    );
    let mut bytes = record(1).encode();
    bytes[0] += 1;
    bytes.extend_from_slice(b"\xa3new\xc0");
    assert!(!MirrorRecord::decode(&bytes).unwrap().may_write());
}

#[test]
fn an_unknown_word_keeps_the_chain() {
    let unknown = entry(What::Unknown("split".to_owned()));
    let read = Entry::decode(&unknown.encode()).unwrap();
    assert_eq!(read, unknown);
}
