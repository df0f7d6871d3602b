//! ns a byte of each stage on one thread, and what bounds it: `cargo bench --bench stages`.
//!
//! Input is made up from a seed: text of a small vocabulary and random bytes. The best of several passes; ratios between
//! lines of one run are worth more than any single figure.

#![expect(clippy::print_stdout, reason = "the figures are what a bench is for")]

use heirloom::compress::probe::Probe;
use heirloom::compress::{Compressor, Expander, Level};
use heirloom::crypto::derive::{Keys, RootKey};
use heirloom::crypto::hash;
use heirloom::device::table::writer::TableWriter;
use heirloom::device::table::{Row, Table};
use heirloom::format::block::blob_id;
use heirloom::format::boxes::{Opener, Sealer};
use heirloom::format::directory::Codec;
use heirloom::format::header::RepoId;
use heirloom::format::pack::reader::PackReader;
use heirloom::format::pack::{DataPackSize, PackBuilder, PackedBlock};
use heirloom::format::tree::TreeBlob;
use heirloom::format::tree::node::{Node, NodeKind};
use heirloom::format::tree::split::TreeWriter;
use heirloom::format::{BlobKind, ObjectKind};
use heirloom::host::{FixedHost, Host};
use heirloom::id::Id;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const BLOCK: usize = 2 << 20;
const PASSES: u32 = 9;

/// The best of several passes, in seconds.
fn best(mut pass: impl FnMut()) -> f64 {
    let run = |pass: &mut dyn FnMut()| {
        let start = Instant::now();
        pass();
        start.elapsed().as_secs_f64()
    };
    (0..PASSES).map(|_| run(&mut pass)).fold(f64::MAX, f64::min)
}

fn say(stage: &str, bytes: usize, seconds: f64, bound: &str) {
    let (ns, rate) = (seconds * 1e9 / bytes as f64, bytes as f64 / seconds / 1e9);
    println!("{stage:<34} {ns:>8.3} ns/B {rate:>8.2} GB/s   {bound}");
}

fn each(stage: &str, count: usize, seconds: f64, bound: &str) {
    println!(
        "{stage:<34} {:>8.3} us each           {bound}",
        seconds * 1e6 / count as f64
    );
}

fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    FixedHost::new(1).random(&mut bytes);
    bytes
}

fn text(len: usize) -> Vec<u8> {
    let pick = random(len);
    let words = [
        "let", "fn ", "(self)", "return", "match", "&mut ", "impl", "\n    ", "u64", "Some(",
        ");\n", "if ",
    ];
    let mut bytes = Vec::with_capacity(len + 16);
    for byte in pick {
        bytes.extend_from_slice(words[usize::from(byte) % words.len()].as_bytes());
        if bytes.len() >= len {
            break;
        }
    }
    bytes.truncate(len);
    bytes
}

fn compression() {
    let (text, noise) = (text(BLOCK), random(BLOCK));
    for (name, level) in [
        ("fast", Level::Fast),
        ("auto", Level::Auto),
        ("max", Level::Max),
    ] {
        let mut compressor = Compressor::new(level);
        let mut out = Vec::new();
        let seconds = best(|| assert!(compressor.compress(&text, &mut out)));
        say(
            &format!("compress {name}, 2 MiB of text"),
            BLOCK,
            seconds,
            "zstd's match finder",
        );
    }
    let mut out = Vec::new();
    Compressor::new(Level::Auto).compress(&text, &mut out);
    let (mut expander, mut raw) = (Expander::new(), Vec::new());
    let seconds = best(|| assert!(expander.expand(&out, BLOCK, &mut raw).is_some()));
    say(
        "expand the same",
        BLOCK,
        seconds,
        "zstd's sequences, then memory",
    );
    let mut probe = Probe::new();
    let seconds = best(|| assert!(probe.incompressible(&noise)));
    say(
        "probe random bytes",
        BLOCK,
        seconds,
        "one table look-up a byte looked at",
    );
    let seconds = best(|| assert!(!probe.incompressible(&text)));
    say("probe text", BLOCK, seconds, "the same, without the trial");
}

fn keys() -> (Arc<Keys>, RepoId) {
    let repo = RepoId::new([1; 16]);
    (
        Arc::new(Keys::new(&RootKey::from_bytes([2; 32]), repo.as_bytes())),
        repo,
    )
}

fn sealing() {
    let (keys, repo) = keys();
    let sealer = Sealer::new(Arc::clone(&keys), repo, None, [0; 16], 0);
    let opener = Opener::new(keys, repo);
    let block = random(BLOCK);
    let len = u32::try_from(BLOCK).expect("2 MiB");
    let mut buffer = Vec::new();
    let (mut laid_out, mut sealed) = (f64::MAX, f64::MAX);
    let mut whole = Vec::new();
    for _ in 0..PASSES {
        let start = Instant::now();
        let mut pack = PackBuilder::new(
            ObjectKind::DataPack,
            DataPackSize::ALONE,
            std::mem::take(&mut buffer),
        );
        for number in 0..14u8 {
            pack.push(&PackedBlock {
                stored: &block,
                raw_len: len,
                codec: Codec::Stored,
                kind: BlobKind::Chunk,
                blobs: &[(Id::new([number; 32]), len)],
            });
        }
        laid_out = laid_out.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let pack = pack.finish(&sealer, &[3; 32]);
        sealed = sealed.min(start.elapsed().as_secs_f64());
        whole.clone_from(&pack.bytes);
        buffer = pack.bytes;
    }
    say("lay out a pack of 28 MiB", 14 * BLOCK, laid_out, "memory");
    say(
        "seal and name it",
        whole.len(),
        sealed,
        "ChaCha20-Poly1305, then BLAKE3",
    );
    let seconds = best(|| {
        black_box(hash::object_id(&whole));
    });
    say("of that, its name", whole.len(), seconds, "BLAKE3");
    let seconds = best(|| {
        let reader = PackReader::open(&opener, whole.clone()).expect("it was sealed above");
        black_box(reader.directory().expect("it is whole"));
    });
    say(
        "copy and open it whole",
        whole.len(),
        seconds,
        "ChaCha20-Poly1305 and a fresh copy",
    );
}

fn ids() {
    let (keys, _) = keys();
    let bytes = random(1 << 20);
    for len in [1usize << 10, 4 << 10, 9 << 10, 64 << 10, 1 << 20] {
        let seconds = best(|| {
            for blob in bytes.chunks(len) {
                black_box(blob_id(&keys, BlobKind::Chunk, blob));
            }
        });
        say(
            &format!("ids of {} KiB blobs", len >> 10),
            bytes.len(),
            seconds,
            "keyed BLAKE3",
        );
    }
}

fn trees() {
    let nobody = |_| None;
    let nodes: Vec<Node> = (0..1000u32)
        .map(|number| Node {
            name: format!("file-{number:06}.rs").into_bytes(),
            kind: NodeKind::File,
            mode: 0o644,
            size: 9000,
            mtime: 1_700_000_000,
            content: [&[7; 32][..], &9000u32.to_le_bytes()].concat(),
            ..Node::default()
        })
        .collect();
    let mut blob = Vec::new();
    let seconds = best(|| {
        let mut tree = TreeWriter::new([0; 16], &nobody, &nobody);
        let mut sink = |_: BlobKind, bytes: &[u8]| {
            blob = bytes.to_vec();
            Ok(Id::default())
        };
        for node in &nodes {
            tree.push(node, &mut sink).expect("nodes in order");
        }
        tree.finish(&mut sink).expect("one leaf");
    });
    each("encode a node", nodes.len(), seconds, "MessagePack");
    let seconds = best(|| {
        black_box(TreeBlob::decode(&blob).expect("it was encoded above"));
    });
    each(
        "decode and check a node",
        nodes.len(),
        seconds,
        "MessagePack, one allocation a name",
    );
}

fn index() {
    let folder = std::env::temp_dir().join(format!("heirloom-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let path = folder.join("bench.table");
    let check = |bytes: &[u8]| *hash::object_id(bytes).as_bytes();
    let mut keys: Vec<[u8; 16]> = (0..2_000_000u32)
        .map(|number| hash::object_id(&number.to_le_bytes()).prefix())
        .collect();
    let asked: Vec<[u8; 16]> = keys.iter().step_by(20).copied().collect();
    keys.sort_unstable();
    let start = Instant::now();
    let mut writer = TableWriter::create(&path).expect("a new table");
    for key in &keys {
        let mut row: Row = [0; 40];
        row[..16].copy_from_slice(key);
        writer.push(&row).expect("rows in order");
    }
    writer.finish(&[], &check).expect("room for 80 MB");
    each(
        "write a row of 2,000,000",
        keys.len(),
        start.elapsed().as_secs_f64(),
        "copying",
    );
    let start = Instant::now();
    let table = Table::open(&path, &check).expect("it was written above");
    println!(
        "{:<34} {:>8.3} ms",
        "open that table",
        start.elapsed().as_secs_f64() * 1e3
    );
    let look = |keys: &[[u8; 16]], wanted: usize| {
        best(|| {
            let mut found = 0;
            for key in keys {
                table.find(key, &mut |_| found += 1).expect("a whole table");
            }
            assert_eq!(found, wanted);
        })
    };
    each(
        "look up an id that is there",
        asked.len(),
        look(&asked, asked.len()),
        "one pread of one page",
    );
    let absent: Vec<[u8; 16]> = (0..100_000u32)
        .map(|n| hash::object_id(&(n | 1 << 31).to_le_bytes()).prefix())
        .collect();
    each(
        "look up one that is not",
        absent.len(),
        look(&absent, 0),
        "the same",
    );
    std::fs::remove_dir_all(&folder).expect("our own folder");
}

fn main() {
    compression();
    ids();
    sealing();
    trees();
    index();
}
