//! Every parser of bytes that somebody else wrote, with inputs that nobody would think of.
//!
//! An ordinary test run takes the inputs that are kept in `tests/data/fuzz` and the first few thousand numbers of each
//! family; such an input is a function of the family and the number, and `HEIRLOOM_FUZZ_ONE=N` runs that of one number
//! alone, as long as seeds and engine stay as they are.
//!
//! A campaign wants a build that counts the edges it goes over. It keeps each input that reaches something new in
//! `HEIRLOOM_FUZZ_CORPUS` and changes these from then on, so many seconds for each family, one family at a time:
//!
//! ```text
//! export RUSTFLAGS="--cfg chacha20_avx512 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3
//!     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
//!     -Ccodegen-units=1 -Clink-arg=-Wl,--unresolved-symbols=ignore-all"
//! covered="cargo test --test all --target x86_64-unknown-linux-gnu --config profile.dev.opt-level=3"
//! export HEIRLOOM_FUZZ_CORPUS=/tmp/corpus
//! HEIRLOOM_FUZZ_SECONDS=3600 HEIRLOOM_FUZZ_FIRST=1000000 $covered -- fuzz --nocapture --test-threads=1
//! HEIRLOOM_FUZZ_MINIMISE=tests/data/fuzz $covered -- fuzz --nocapture --test-threads=1
//! ```
//!
//! (The linker's word is for the program itself, which is built too, counts and has nobody to tell; it does not run in
//! that build.) The second run packs few and small inputs that reach as much. `spent FAMILY SECONDS EXECUTIONS` are
//! seconds of processor time, to be added up; `edges` in the corpus says of each address whether it was reached.
//!
//! A finding prints where its input lies, and `HEIRLOOM_FUZZ_FILE=PATH` runs it alone, with the name of the test; where
//! the process ends without a word, the input of the moment is in the corpus under `moment`. A finding becomes a test
//! beside the parser. It is one when a target panics, takes too long, or holds more memory than its family may, which
//! the tests' allocator counts; what zstd allocates, which is C, is not counted and not covered, nor is assembler.
//! There is no entry for libFuzzer, which needs a nightly compiler; targets have its form, bytes in.
//!
//! Not here, because no public function takes the bytes: XML of buckets, which a library reads, and JSON of rclone
//! (`answers` has lies of that sort), and the files of time zones.

mod coverage;
mod edges;
mod engine;
mod fixed;
mod heap;
mod hurt;
mod kept;
mod seeds;
mod targets;

use crate::fuzz::engine::Family;
use heirloom::limits::{BLOCK_BYTES_MAX, PACK_BYTES_MAX};

const MSGPACK: &[&[u8]] = &[
    b"\x80",
    b"\x90",
    b"\x91",
    b"\xc0",
    b"\xc2",
    b"\xc3",
    b"\xc4\x10",
    b"\xc4\x20",
    b"\xc6\xff\xff\xff\xff",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xd3\x80\0\0\0\0\0\0\0",
    b"\xdc\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xa1v\x01",
    b"\xa1v\x02",
    b"\xa3new\xc0",
    b"\xa4what",
    b"\xa4time",
    b"\xa4zone",
    b"\xa4prev",
    b"\xa5heads",
    b"\xa5acked",
    b"\xa6remove",
    b"\xa8snapshot",
    b"\xa8undelete",
    b"\xa5drill",
    b"\xa3pin",
    b"\xa6commit",
    b"\xa5abort",
    b"\xa7entries",
    b"\xa6counts",
    b"\xa6losses",
    b"\xa7suspect",
    b"\xa8excludes",
    b"\xa5paths",
    b"\xa6parent",
    b"\xa5kinds",
    b"\xa4tags",
    b"\xa5packs",
    b"\xa4loss",
    b"\xa4time",
    b"\xa6device",
    b"\xa2by",
    b"\xa7started",
    b"\xa7session",
    b"\xa5marks",
    b"\xa4kind",
    b"\xa5probe",
    b"\xa8protocol",
    b"\xa3cas",
    b"\xa5level",
    b"\xa6healed",
    b"\xa7damaged",
    b"\xa7objects",
    b"\xabkit checked",
    b"\xacslot removed",
    b"\xa6accept",
    b"\xa5unpin",
    b"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
];

fn none(_: &mut Vec<u8>) {}

/// Bytes of memory that one execution may hold: a few times what is documented for its parser.
fn heap_of(name: &str) -> u64 {
    match name {
        // The object, its parity, and what the code works with.
        "parity" => 4 * PACK_BYTES_MAX,
        // The patterns are asked twice, with case and without; of each half a set's automata take 10 MiB forwards and
        // 10 MiB backwards, and their caches as much again.
        "exclude patterns" => 128 << 20,
        // A block is the longest thing that is read at once.
        _ => 4 * BLOCK_BYTES_MAX as u64,
    }
}

fn fuzz(
    name: &'static str,
    target: fn(&[u8]) -> bool,
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static [u8]],
    mend: fn(&mut Vec<u8>),
    brief: u64,
) {
    let family = Family {
        name,
        seeds,
        words,
        mend,
        target,
        heap: heap_of(name),
        brief,
    };
    family.run();
}

#[test]
fn header() {
    let seeds = seeds::headers();
    fuzz(
        "header",
        targets::header,
        seeds,
        &[],
        |bytes| seeds::mend_header(bytes),
        2000,
    );
}

#[test]
fn sealed_box() {
    let seeds = fixed::FIXED.boxes.clone();
    fuzz(
        "sealed box",
        targets::sealed,
        seeds,
        &[],
        |bytes| seeds::mend_header(bytes),
        1000,
    );
}

#[test]
fn trailer_and_padding() {
    let seeds = seeds::plaintexts();
    fuzz(
        "trailer and padding",
        targets::plaintext,
        seeds,
        &[b"HLTR"],
        seeds::mend_trailer,
        1000,
    );
}

#[test]
fn directory() {
    let seeds = seeds::directories();
    fuzz("directory", targets::directory, seeds, MSGPACK, none, 3000);
}

#[test]
fn index_run() {
    fuzz(
        "index run",
        targets::run,
        seeds::runs(),
        MSGPACK,
        none,
        3000,
    );
}

#[test]
fn entry() {
    fuzz(
        "entry",
        targets::entry,
        seeds::records("entry"),
        MSGPACK,
        none,
        4000,
    );
}

#[test]
fn intent() {
    fuzz(
        "intent",
        targets::intent,
        seeds::records("intent"),
        MSGPACK,
        none,
        3000,
    );
}

#[test]
fn commit_slot() {
    fuzz(
        "commit slot",
        targets::slot,
        seeds::records("slot"),
        MSGPACK,
        none,
        3000,
    );
}

#[test]
fn mark() {
    fuzz(
        "mark",
        targets::mark,
        seeds::records("mark"),
        MSGPACK,
        none,
        3000,
    );
}

#[test]
fn ledger() {
    fuzz(
        "ledger",
        targets::ledger,
        seeds::records("ledger"),
        MSGPACK,
        none,
        3000,
    );
}

#[test]
fn mirror_record() {
    fuzz(
        "mirror record",
        targets::mirror,
        seeds::records("mirror"),
        MSGPACK,
        none,
        3000,
    );
}

#[test]
fn tree() {
    fuzz(
        "tree",
        targets::tree,
        seeds::records("tree"),
        MSGPACK,
        none,
        4000,
    );
}

#[test]
fn node() {
    fuzz("node", targets::node, seeds::nodes(), MSGPACK, none, 4000);
}

#[test]
fn content_list() {
    fuzz(
        "content list",
        targets::list,
        seeds::lists(),
        MSGPACK,
        none,
        3000,
    );
}

#[test]
fn key_slot() {
    let seeds = seeds::slots();
    fuzz(
        "key slot",
        targets::key_slot,
        seeds,
        &[],
        |bytes| seeds::mend_header(bytes),
        2000,
    );
}

#[test]
fn recovery_words() {
    let words: &[&[u8]] = &[
        b"abandon",
        b"zoo",
        b"heirloom-key-1:",
        b" ",
        b"\n",
        b"\xc3\xa4",
    ];
    fuzz(
        "recovery words",
        targets::words,
        seeds::words(),
        words,
        none,
        300,
    );
}

#[test]
fn parity() {
    fuzz(
        "parity",
        targets::parity,
        seeds::parities(),
        &[],
        |bytes| seeds::mend_parity(bytes),
        100,
    );
}

#[test]
fn zstd() {
    let words: &[&[u8]] = &[
        b"\x28\xb5\x2f\xfd",
        b"\x50\x2a\x4d\x18\x04\0\0\0",
        b"\x03\0\x10x",
    ];
    fuzz("zstd", targets::zstd, seeds::frames(), words, none, 1000);
}

#[test]
fn state_file() {
    fuzz(
        "state file",
        edges::state,
        seeds::states(),
        &[],
        |bytes| seeds::mend_state(bytes),
        1500,
    );
}

#[test]
fn device_memory() {
    let words: &[&[u8]] = &[
        b"\nown ",
        b"\npin ",
        b"\nhead ",
        b"\nmark ",
        b" 18446744073709551616 ",
        b"\r",
        b"\ncheck ",
    ];
    fuzz(
        "device memory",
        edges::memory,
        seeds::memories(),
        words,
        seeds::mend_memory,
        3000,
    );
}

#[test]
fn index_table() {
    fuzz(
        "index table",
        edges::table,
        seeds::tables(),
        &[],
        |bytes| seeds::mend_table(bytes),
        1000,
    );
}

#[test]
fn chunker() {
    fuzz("chunker", edges::chunker, seeds::contents(), &[], none, 40);
}

#[test]
fn config() {
    let words: &[&[u8]] = &[
        b"[mirror.usb]\n",
        b"\"\"\"\n",
        b"'''",
        b"]\n",
        b"[",
        b"#",
        b" = ",
        b"location = \"/a\"\n",
        b"[[",
        b"\n",
    ];
    fuzz("config", edges::config, seeds::configs(), words, none, 1500);
}

#[cfg(feature = "remote")]
#[test]
fn webdav_listing() {
    let words: &[&[u8]] = &[
        b"<D:response>",
        b"</D:response>",
        b"<D:href>",
        b"%2e%2e/",
        b"%00",
        b"&amp;",
        b"&#x0;",
        b"<!--",
        b"<![CDATA[",
        b"<!DOCTYPE html>",
        b"xmlns:D=\"DAV:\"",
    ];
    fuzz(
        "webdav listing",
        edges::dav,
        seeds::listings(),
        words,
        none,
        2000,
    );
}

#[test]
fn addresses() {
    let words: &[&[u8]] = &[
        b"://",
        b"/~/",
        b"%2F",
        b"%2e",
        b"..",
        b"@",
        b":",
        b"[::1]",
        b"?",
        b"&region=",
        b"rclone:",
        b"file:///",
        b"%",
    ];
    fuzz(
        "addresses",
        edges::addresses,
        seeds::addresses(),
        words,
        none,
        4000,
    );
}

#[test]
fn names() {
    let words: &[&[u8]] = &[
        b"/",
        b".",
        b"latest~",
        b":",
        b"packs/",
        b"99999999999999999999",
    ];
    fuzz("names", edges::names, seeds::names(), words, none, 4000);
}

#[test]
fn hurt_pack() {
    fuzz("hurt pack", hurt::pack, seeds::hurts(), &[], none, 200);
}

#[test]
fn exclude_patterns() {
    let words: &[&[u8]] = &[
        b"**", b"/", b"*", b"?", b"[", b"]", b"[!", b"[^a-]", b"{", b"}", b",", b"\\", b"!", b"\n",
        b"\n#",
    ];
    fuzz(
        "exclude patterns",
        edges::patterns,
        seeds::patterns(),
        words,
        none,
        200,
    );
}

#[test]
fn amounts() {
    let words: &[&[u8]] = &[
        b"1000000",
        b"KiB",
        b".",
        b" ",
        b"y",
        b"18446744073709551615",
    ];
    fuzz(
        "amounts",
        edges::amounts,
        seeds::amounts(),
        words,
        none,
        2000,
    );
}
