//! What targets know and an attacker does not: keys that never change, and boxes made with them.

use heirloom::compress::Expander;
use heirloom::crypto::derive::{Keys, RootKey};
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::Secret;
use heirloom::crypto::stream::SegmentKeys;
use heirloom::format::boxes::{Opener, Sealer};
use heirloom::format::directory::{BlockRow, Codec, Directory};
use heirloom::format::header::{BoxHeader, CHUNKER, RepoId, SLOT_BYTES, body_len_of, capacity};
use heirloom::format::key_slot::{KeySlot, SlotSecret};
use heirloom::format::pack::reader::PackReader;
use heirloom::format::{BlobKind, ObjectKind};
use heirloom::id::{Id, from_hex};
use heirloom::limits::{PAGE, SEGMENT, SEGMENT_PLAIN};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const VECTORS: &str = include_str!("../data/records.txt");

pub(crate) struct Fixed {
    pub(crate) root: RootKey,
    pub(crate) keys: Arc<Keys>,
    pub(crate) opener: Opener,
    pub(crate) boxes: Vec<Vec<u8>>,
    /// A key file and recovery words.
    pub(crate) secrets: [SlotSecret; 2],
    /// A slot for each.
    pub(crate) slots: Vec<KeySlot>,
}

pub(crate) static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    let root = RootKey::from_bytes([1; 32]);
    let repo = RepoId::new([2; 16]);
    let keys = Arc::new(Keys::new(&root, repo.as_bytes()));
    let sealer = Sealer::new(Arc::clone(&keys), repo, None, [3; 16], 4);
    let secrets = [
        SlotSecret::KeyFile(Secret::new([5; 32])),
        SlotSecret::Words(Secret::new([10; 16])),
    ];
    let slot = |secret| {
        let cost = Argon2Cost::default();
        KeySlot::seal(secret, cost, &root, repo, [6; 32], 7, "label").unwrap()
    };
    let boxes = ObjectKind::ALL.into_iter().take(9).map(|kind| {
        let area: &[u8] = match kind.has_tail() || kind == ObjectKind::IndexRun {
            true => &[9; 15],
            false => &[],
        };
        let record = directory().encode();
        sealer.seal(kind, area, &record, &[8; 32]).unwrap()
    });
    Fixed {
        opener: Opener::new(Arc::clone(&keys), repo),
        boxes: boxes.collect(),
        slots: secrets.iter().map(slot).collect(),
        root,
        keys,
        secrets,
    }
});

/// Two blocks of three blobs in 15 bytes.
pub(crate) fn directory() -> Directory {
    let row = |stored_len, raw_len, blobs, codec| BlockRow {
        stored_len,
        raw_len,
        blobs,
        codec,
        kind: BlobKind::Chunk,
    };
    Directory {
        blocks: vec![row(10, 70_000, 2, Codec::Zstd), row(5, 5, 1, Codec::Stored)],
        ids: [1, 2, 3].map(|byte| Id::new([byte; 32])).to_vec(),
        lens: vec![1, 69_999, 5],
    }
}

/// A box with this plaintext, the last 16 bytes of it where the trailer is and zeros between; and what it holds.
pub(crate) fn forged(kind: ObjectKind, plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let plain = &plain[..plain.len().min(200_000)];
    let (content, trailer) = plain.split_at(plain.len().saturating_sub(16));
    let body_len = body_len_of(kind, content.len() as u64);
    let mut whole = content.to_vec();
    let room = usize::try_from(capacity(body_len)).unwrap();
    whole.resize(room - trailer.len(), 0);
    whole.extend(trailer);
    let mut header = BoxHeader {
        kind,
        chunker: CHUNKER,
        body_len,
        repo: RepoId::new([2; 16]),
        salt: [3; 32],
        commitment: [0; 32],
        recovery: [0; SLOT_BYTES],
    };
    let keys = SegmentKeys::derive(FIXED.keys.box_key(kind as u8), &header.encode());
    header.commitment = *keys.commitment();
    let mut file = header.encode().to_vec();
    let count = whole.chunks(SEGMENT_PLAIN).len();
    for (index, part) in whole.chunks(SEGMENT_PLAIN).enumerate() {
        let mut segment = part.to_vec();
        segment.resize(part.len() + SEGMENT - SEGMENT_PLAIN, 0);
        keys.seal(index as u64, index + 1 == count, &mut segment);
        file.extend(segment);
    }
    if kind.has_tail() {
        file.extend_from_within(..PAGE);
    }
    (file, whole)
}

/// The frozen records of a kind, sound and not.
pub(crate) fn frozen(kind: &str) -> Vec<Vec<u8>> {
    let lines = VECTORS.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let mine = fields.next()? == kind;
        let hex = fields.nth(1)?;
        mine.then(|| from_hex(hex)).flatten()
    });
    lines.collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(folder).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

/// What lies in the golden repository.
#[derive(Default)]
pub(crate) struct Golden {
    /// Every object, as it is stored.
    pub(crate) objects: Vec<Vec<u8>>,
    /// Kind, area and record of every box but packs.
    pub(crate) opened: Vec<(ObjectKind, Vec<u8>, Vec<u8>)>,
    /// The directory of every pack.
    pub(crate) directories: Vec<(ObjectKind, Directory)>,
    /// Every block that is compressed: its expanded length and its frame.
    pub(crate) frames: Vec<(u32, Vec<u8>)>,
    /// Trees.
    pub(crate) trees: Vec<Vec<u8>>,
}

pub(crate) static GOLDEN: LazyLock<Golden> = LazyLock::new(|| {
    let mirror = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-1/mirror");
    let secret = SlotSecret::KeyFile(Secret::new([0x47; 32]));
    let files = files(&mirror);
    let objects: Vec<_> = files
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    let slots = objects
        .iter()
        .filter_map(|bytes| KeySlot::from_object(bytes).ok());
    let mut open = slots.filter_map(|slot| Some((slot.open(&secret).ok()??, slot.repo())));
    let (root, repo) = open.next().expect("its key file opens it");
    let opener = Opener::new(Arc::new(Keys::new(&root, repo.as_bytes())), repo);
    let mut golden = Golden::default();
    for bytes in &objects {
        let Ok(header) = BoxHeader::decode(bytes) else {
            continue;
        };
        if header.kind.has_tail() {
            take_pack(&mut golden, &opener, bytes);
        } else if let Ok(opened) = opener.open(header.kind, bytes) {
            let (area, record) = (opened.area, opened.record);
            golden.opened.push((header.kind, area, record));
        }
    }
    assert!(!golden.trees.is_empty() && golden.opened.len() > 5);
    golden.objects = objects;
    golden
});

fn take_pack(golden: &mut Golden, opener: &Opener, bytes: &[u8]) {
    let pack = PackReader::open(opener, bytes.to_vec()).unwrap();
    let directory = pack.directory().unwrap().clone();
    for (at, (place, row)) in directory.places().enumerate() {
        let stored = pack.block(at).unwrap();
        let mut raw = stored.to_vec();
        if row.codec == Codec::Zstd {
            golden.frames.push((row.raw_len, stored.to_vec()));
            let len = row.raw_len as usize;
            Expander::new().expand(stored, len, &mut raw).unwrap();
        }
        let mut rest = &raw[..];
        for len in directory.lens[place.blobs]
            .iter()
            .filter(|_| row.kind == BlobKind::Tree)
        {
            let (tree, after) = rest.split_at(*len as usize);
            golden.trees.push(tree.to_vec());
            rest = after;
        }
    }
    golden.directories.push((pack.kind(), directory));
}

impl Golden {
    /// The records of every box of a kind.
    pub(crate) fn records(&self, kind: ObjectKind) -> Vec<Vec<u8>> {
        let mine = self.opened.iter().filter(|(other, ..)| *other == kind);
        mine.map(|(_, _, record)| record.clone()).collect()
    }
}
