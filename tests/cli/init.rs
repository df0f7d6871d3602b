//! `init` makes a repository in an empty place and nowhere else.

use crate::util::{TestEnv, contents};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_new_repository_has_a_kit_and_opens() {
    let env = TestEnv::new();
    let pass = env.write_secret("pass", "correct horse\n");
    let ran = env.run(["init", "copy", "-p", &pass]).expect(0);
    assert_eq!(
        ran.out(),
        "repository REPOSITORY created at ~/copy\n\
         recovery kit: ~/heirloom-kit.txt: print it, then delete the file\n\
         nothing has been saved yet         next: heirloom backup PATH -r ~/copy\n"
    );
    let kit = env.path("heirloom-kit.txt");
    assert_eq!(
        fs::metadata(&kit).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&kit).unwrap();
    let words = text
        .lines()
        .find_map(|line| line.strip_prefix("words: "))
        .unwrap();
    assert_eq!(words.split(' ').count(), 12);
    env.run(["key", "list", "-r", "copy", "-p", &pass])
        .expect(0);
    env.run_typing(["key", "list", "-r", "copy", "--words"], words)
        .expect(0);
}

#[test]
fn what_is_there_is_never_overwritten() {
    let env = TestEnv::new();
    let key = env.text("key");
    env.run(["init", "copy", "--key-file", &key]).expect(0);
    let again = env.run(["init", "copy", "--key-file", &key]).expect(16);
    assert!(again.stderr.contains("is not empty"), "{again}");
    env.write("full/letter.txt", b"dear");
    env.run(["init", "full", "--key-file", &key]).expect(16);
    env.run([
        "init",
        "other",
        "--key-file",
        &key,
        "--kit",
        "heirloom-kit.txt",
    ])
    .expect(16);
    assert!(!env.path("other").exists());
    env.run(["init", "other", "--key-file", &key]).expect(0);
    assert!(env.path("heirloom-kit-2.txt").exists());
}

#[test]
fn a_kit_does_not_lie_in_what_it_opens() {
    let env = TestEnv::new();
    let key = env.text("key");
    env.run(["init", "copy", "--key-file", &key, "--kit", "copy/kit.txt"])
        .expect(16);
    assert!(!env.path("copy").exists() && !env.path("key").exists());
    let ran = env
        .run(["init", "copy", "--key-file", &key, "--no-kit"])
        .expect(0);
    assert!(!env.path("heirloom-kit.txt").exists());
    assert!(ran.stdout.contains("no recovery kit"), "{ran}");
}

#[test]
fn without_a_secret_nothing_is_made() {
    let env = TestEnv::new();
    let ran = env.run(["init", "copy"]).expect(2);
    assert!(ran.stderr.contains("no secret was given"), "{ran}");
    env.run(["init", "copy", "--words"]).expect(2);
    assert!(!env.path("copy").exists() && !env.path("heirloom-kit.txt").exists());
}

#[test]
fn places_that_hold_nothing_are_not_there() {
    let env = TestEnv::new();
    let ran = env.run(["snapshots", "-r", "a", "-r", "b"]).expect(13);
    assert!(ran.stderr.contains("no repository at"), "{ran}");
}

#[test]
fn several_places_are_made_at_once_and_entered() {
    let mut env = TestEnv::new();
    env.set("HEIRLOOM_KEY_FILE", &env.text("key"));
    let usb = format!("usb={}", env.text("disk one"));
    let ran = env.run(["init", &usb, &env.text("two")]).expect(0);
    let out = ran.out();
    assert!(out.contains("created on 2 mirrors: usb ("), "{ran}");
    assert!(out.contains("usb and mirror-2: "), "one disk: {ran}");
    let kit = fs::read_to_string(env.path("heirloom-kit.txt")).unwrap();
    assert!(
        kit.contains("disk one (from ") && kit.contains("two (from "),
        "{kit}"
    );
    env.write("source/a", b"a");
    let ran = env.run(["backup", "source"]).expect(0);
    assert!(ran.out().contains("usb current"), "{ran}");
    let packs = |place: &str| contents(&env.path(place).join("packs"));
    assert!(packs("disk one") == packs("two") && !packs("two").is_empty());

    // What stands in heirloom.toml is not made over.
    let ran = env.run(["init", "more=three"]).expect(16);
    assert!(ran.err().contains("another repository"), "{ran}");
    assert!(!env.path("three").exists());
    let ran = env.run(["init", "one", "one", "--config", "other.toml"]);
    assert_eq!(ran.code, 2, "{ran}");
}

#[test]
fn nothing_is_made_where_one_of_several_places_is_taken() {
    let mut env = TestEnv::new();
    env.set("HEIRLOOM_KEY_FILE", &env.text("key"));
    env.write("two/diary", b"mine");
    let ran = env.run(["init", "one", "two"]).expect(16);
    assert!(ran.err().contains("two is not empty"), "{ran}");
    assert!(
        !env.path("one").exists() && !env.path("key").exists(),
        "{ran}"
    );
    assert_eq!(contents(&env.path("two")).len(), 1);
}
