//! Names that some other system would refuse, confuse or obey: here they are bytes. The letters are those of format 19.1.

use crate::util::TestEnv;
use crate::world::{World, assert_same};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// Equal to whoever folds case or normalises, and different files all the same.
#[test]
fn p6_names_that_are_equal_elsewhere_stay_apart() {
    let world = World::new();
    let names = [
        "readme",
        "README",
        "ReadMe",
        "straße",
        "STRASSE",
        "ı",
        "i",
        "I",
        "İ",
        "\u{e9}",
        "e\u{301}",
        "\u{212b}",
        "\u{c5}",
        "A\u{30a}",
        "ﬁ",
        "fi",
        "\u{200b}x",
        "x",
    ];
    for (number, name) in names.iter().enumerate() {
        world.write(name, format!("{number} {name:?}").as_bytes());
        world.write(&format!("folder-{name}/{name}"), name.as_bytes());
    }
    let root = world.backup();
    world.restore_whole(root);
    assert_same(&world.source(""), &world.target(""));
    for (number, name) in names.iter().enumerate() {
        let back = fs::read(world.target(name)).unwrap();
        assert_eq!(back, format!("{number} {name:?}").as_bytes(), "{name:?}");
    }
}

/// What another system reserves, cuts or cannot write is an ordinary name here, and comes back byte for byte.
#[test]
fn p10_names_that_are_reserved_elsewhere_are_ordinary() {
    let world = World::new();
    let names: [&[u8]; 16] = [
        b"CON",
        b"nul",
        b"aux.txt",
        b"COM1",
        b"LPT9.",
        b"trailing.",
        b"trailing ",
        b"a:b",
        b"back\\slash",
        b"C:\\Windows",
        b"?*<>|\"",
        b"...",
        b"-rf",
        b"~",
        b"\xff\xfe not text",
        b"desktop.ini:stream",
    ];
    for name in names {
        fs::write(world.source("").join(OsStr::from_bytes(name)), name).unwrap();
    }
    let root = world.backup();
    world.restore_whole(root);
    for name in names {
        let back = fs::read(world.target("").join(OsStr::from_bytes(name))).unwrap();
        assert_eq!(back, name);
    }
    assert_same(&world.source(""), &world.target(""));
}

/// Whatever is said about a file whose name is made of escapes, the terminal hears none of them.
#[test]
fn p13_escapes_in_names_reach_no_terminal_from_any_verb() {
    let env = TestEnv::with_repository();
    let names: [&[u8]; 5] = [
        b"\x1b]0;title\x07",
        b"\x1b[2J\x1b[31mred",
        "\u{9b}31m".as_bytes(),
        b"line\nheirloom: all is well",
        "\u{202e}txt.exe".as_bytes(),
    ];
    env.write("d/plain", b"plain");
    for name in names {
        fs::write(env.path("d").join(OsStr::from_bytes(name)), name).unwrap();
    }
    env.run(["backup", "d", "--name", "d", "-v"]).expect(0);
    let at = format!("latest:{}", env.text("d"));
    let verbs: [&[&str]; 5] = [
        &["ls", "-s", "d", "-R", "-l", &at],
        &["restore", "-s", "d", &at, "-t", "back", "-n"],
        &["restore", "-s", "d", &at, "-t", "back", "-v"],
        &["ls", "-s", "d", &at, "--json"],
        &["verify"],
    ];
    let harmless = |text: &str, what: &str| {
        let bad = |letter: char| {
            (letter.is_control() && letter != '\n') || letter == '\u{202e}' || letter == '\u{9b}'
        };
        assert!(!text.contains(bad), "{what}: {text:?}");
        let forged = text
            .lines()
            .any(|line| line.starts_with("heirloom: all is"));
        assert!(!forged, "{what}: {text:?}");
    };
    let mut said = String::new();
    for verb in verbs {
        let ran = env.run(verb.iter().copied()).expect(0);
        harmless(&ran.stdout, verb[0]);
        harmless(&ran.stderr, verb[0]);
        said += &ran.stdout;
    }
    assert!(said.contains("u{1b}"), "the names were shown: {said}");
    assert_same(&env.path("d"), &env.path("back"));
    // And where they are lost, they are named.
    for (path, bytes) in crate::util::contents(&env.repository().join("packs")) {
        if bytes.len() > 4096 {
            let path = env.repository().join("packs").join(path);
            let mut ruined = bytes;
            ruined.iter_mut().for_each(|byte| *byte ^= 0x55);
            fs::write(path, ruined).unwrap();
        }
    }
    let verb: [&[&str]; 2] = [&["verify"], &["restore", "-s", "d", &at, "-t", "lost"]];
    for verb in verb {
        let ran = env.run(verb.iter().copied());
        assert_ne!(ran.code, 0, "{ran}");
        harmless(&ran.stdout, verb[0]);
        harmless(&ran.stderr, verb[0]);
    }
}
