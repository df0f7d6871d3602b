//! `restore` brings back what was saved, and touches nothing that it was not asked to.

use crate::util::{TestEnv, contents};
use heirloom::format::ObjectKind;
use heirloom::format::header::BoxHeader;
use heirloom::limits::PAGE;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// What does not compress, so that the largest pack is the one that holds it.
fn noise() -> Vec<u8> {
    let mixed = (0..300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).wrapping_add(n >> 3));
    mixed.map(|n| (n ^ n >> 15).to_le_bytes()[2]).collect()
}

fn world() -> TestEnv {
    let env = TestEnv::new();
    env.write("d/a/letter", b"dear");
    env.write("d/big", &noise());
    env.write("d/b", b"content");
    fs::set_permissions(env.path("d/b"), fs::Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("a/letter", env.path("d/link")).unwrap();
    env.run(["backup", "--init", "d"]).expect(0);
    env
}

#[test]
fn what_was_saved_comes_back() {
    let env = world();
    let ran = env
        .run(["restore", "latest", "-t", "back", "--verify"])
        .expect(0);
    assert!(ran.stdout.contains("restored 3 files, 293.0 KiB"), "{ran}");
    let back = env.path("back").join(env.text("d").trim_start_matches('/'));
    assert_eq!(contents(&env.path("d")), contents(&back));
    assert_eq!(
        fs::metadata(back.join("b")).unwrap().permissions().mode() & 0o777,
        0o750
    );
    let again = env.run(["restore", "latest", "-t", "back"]).expect(0);
    assert!(again.stdout.contains("restored 0 files, 0 B"), "{again}");
    let part = format!("latest:{}", env.text("d/a"));
    env.run(["restore", &part, "-t", "part"]).expect(0);
    assert_eq!(fs::read(env.path("part/letter")).unwrap(), b"dear");
    env.run(["restore", "-t", "chosen", "-i", "big"]).expect(0);
    let found = contents(&env.path("chosen"));
    assert!(
        found.iter().any(|(path, _)| path.ends_with("big")),
        "{found:?}"
    );
    assert!(
        !found.iter().any(|(path, _)| path.ends_with("b")),
        "{found:?}"
    );
}

#[test]
fn without_arguments_it_says_what_can_be_had() {
    let env = world();
    let ran = env.run(["restore"]).expect(0);
    assert!(ran.out().contains("~/d  3 files  293.0 KiB"), "{ran}");
    assert!(
        ran.out()
            .ends_with("next: heirloom restore latest --target ~/back\n"),
        "{ran}"
    );
    let ran = env.run(["restore", "latest"]).expect(2);
    assert!(ran.stderr.contains("In place is never implied"), "{ran}");
}

#[test]
fn each_source_has_a_folder_of_its_own() {
    let env = world();
    env.write("e/file", b"other");
    env.run(["backup", "e", "--name", "second"]).expect(0);
    env.run(["restore", "latest", "-t", "back"]).expect(0);
    assert!(
        env.path("back/second")
            .join(env.text("e/file").trim_start_matches('/'))
            .exists()
    );
    env.run(["restore", "latest", "-s", "second", "-t", "one"])
        .expect(0);
    assert!(
        env.path("one")
            .join(env.text("e/file").trim_start_matches('/'))
            .exists()
    );
}

#[test]
fn in_place_puts_back_what_is_missing() {
    let env = world();
    let before = contents(&env.path("d"));
    fs::remove_file(env.path("d/a/letter")).unwrap();
    fs::write(env.path("d/b"), b"changed since").unwrap();
    env.write("d/extra", b"new since");
    let plan = env.run(["restore", "latest", "--in-place", "-n"]).expect(0);
    assert!(plan.stdout.contains("would restore 2 files"), "{plan}");
    assert!(!env.path("d/a/letter").exists());
    env.run(["restore", "latest", "--in-place"]).expect(0);
    assert_eq!(fs::read(env.path("d/a/letter")).unwrap(), b"dear");
    assert!(env.path("d/extra").exists());
    let ran = env
        .run(["restore", "latest", "--in-place", "--delete"])
        .expect(2);
    assert!(
        ran.stderr.contains("delete ") && ran.stderr.contains("--yes"),
        "{ran}"
    );
    assert!(env.path("d/extra").exists());
    env.run(["restore", "latest", "--in-place", "--delete", "--yes"])
        .expect(0);
    assert_eq!(contents(&env.path("d")), before);
}

#[test]
fn losses_are_named_and_the_rest_is_restored() {
    let env = world();
    let packs = env.repository().join("packs");
    let all = contents(&packs);
    let (path, mut bytes) = all
        .into_iter()
        .filter(|(_, bytes)| !bytes.is_empty())
        .find(|(_, bytes)| BoxHeader::decode(&bytes[..PAGE]).unwrap().kind == ObjectKind::DataPack)
        .unwrap();
    bytes[5000] ^= 1;
    fs::write(packs.join(path), bytes).unwrap();
    let ran = env
        .run(["restore", "latest", "-t", "back", "--json"])
        .expect(5);
    assert_eq!(ran.field("exit", "kind"), "\"damaged\"");
    assert!(
        env.path("back")
            .join(env.text("d/link").trim_start_matches('/'))
            .is_symlink()
    );
}

#[test]
fn a_repository_is_no_target() {
    let env = world();
    let inside = env.repository().join("back");
    env.run(["restore", "latest", "-t", inside.to_str().unwrap()])
        .expect(16);
    env.run(["restore", "latest:/nowhere", "-t", "back"])
        .expect(1);
    env.run(["restore", "latest", "-t", "back", "-i", "["])
        .expect(2);
}
