//! Every parser of bytes that somebody else wrote, with inputs that nobody would think of.
//!
//! An ordinary test run takes the first few thousand inputs of each family. A campaign goes on from a number of its
//! own, so many seconds for each family:
//!
//! ```text
//! HEIRLOOM_FUZZ_SECONDS=3600 HEIRLOOM_FUZZ_FIRST=1000000 cargo test --test all -- fuzz --nocapture
//! ```
//!
//! Inputs are a function of the family and the number: what a finding prints as `HEIRLOOM_FUZZ_ONE=N` runs that input
//! alone, with the name of the test, as long as seeds and engine stay as they are. A finding becomes a test beside the
//! parser. There is no coverage feedback, and no entry for libFuzzer, which needs a nightly compiler; the targets have
//! its form, bytes in, and would do as they are.
//!
//! Not here, because no public function takes the bytes: XML of buckets, which a library reads (`answers` has lies of
//! that sort), and the files of time zones.

mod edges;
mod engine;
mod fixed;
mod seeds;
mod targets;

use crate::fuzz::engine::Family;

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
    b"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
];

fn none(_: &mut Vec<u8>) {}

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
