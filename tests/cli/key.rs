//! `key`: what opens the repository can be added, changed and removed, and never wholly.

use crate::util::TestEnv;

#[test]
fn slots_come_and_go() {
    let env = TestEnv::with_repository();
    let list = env.run(["key", "list"]).expect(0).out();
    assert!(list.contains("recovery words  recovery kit  DAY"), "{list}");
    assert!(list.contains("key file"), "{list}");
    let second = env.text("second.key");
    env.run(["key", "add", "--new-key-file", &second, "--label", "cron"])
        .expect(0);
    let list = env.run(["key", "list", "--key-file", &second]).expect(0);
    assert!(list.stdout.contains("cron"), "{list}");
    let id = list
        .stdout
        .lines()
        .find(|line| line.contains("cron"))
        .unwrap()[..8]
        .to_owned();
    let ran = env.run(["key", "remove", &id]).expect(0);
    assert!(
        ran.stderr.contains("made earlier still open with it"),
        "{ran}"
    );
    env.run(["key", "list", "--key-file", &second]).expect(12);
    env.run(["key", "remove", &id]).expect(1);
    env.run(["key", "remove", ""]).expect(2);
    let chain = env.run(["cat", "entry"]).expect(0);
    let removed = chain
        .stdout
        .lines()
        .find(|line| line.contains("slot removed"));
    assert!(removed.is_some_and(|line| line.contains(&id)), "{chain}");
}

#[test]
fn the_last_slot_stays() {
    let env = TestEnv::new();
    env.run(["init", "copy", "--key-file", "k", "--no-kit"])
        .expect(0);
    let id = env
        .run(["key", "list", "-r", "copy", "--key-file", "k"])
        .expect(0)
        .stdout[..8]
        .to_owned();
    let ran = env
        .run(["key", "remove", &id, "-r", "copy", "--key-file", "k"])
        .expect(16);
    assert!(ran.stderr.contains("the last key slot"), "{ran}");
    env.run(["key", "list", "-r", "copy", "--key-file", "k"])
        .expect(0);
}

#[test]
fn k9_a_passphrase_is_changed() {
    let env = TestEnv::new();
    let old = env.write_secret("old", "old one\n");
    let new = env.write_secret("new", "new one\n");
    env.run(["init", "copy", "-p", &old, "--no-kit"]).expect(0);
    env.run([
        "key",
        "passwd",
        "-r",
        "copy",
        "-p",
        &old,
        "--new-passphrase-file",
        &new,
    ])
    .expect(0);
    let ran = env
        .run(["key", "list", "-r", "copy", "-p", &old])
        .expect(12);
    assert!(ran.stderr.contains("does not open"), "{ran}");
    env.run(["key", "list", "-r", "copy", "-p", &new]).expect(0);
}

#[test]
fn a_new_key_file_is_not_taken_for_the_old_one() {
    let env = TestEnv::with_repository();
    let ran = env.run(["key", "add", "--key-file", "fresh"]).expect(2);
    assert!(ran.stderr.contains("--new-key-file"), "{ran}");
    let ran = env.run(["key", "add"]).expect(2);
    assert!(ran.stderr.contains("--new-passphrase-file"), "{ran}");
}
