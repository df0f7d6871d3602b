//! `cat` spells out one object and never a secret.

use crate::util::TestEnv;
use std::fs;

#[test]
fn every_kind_of_object_is_spelled_out() {
    let env = TestEnv::with_repository();
    let config = env.run(["cat", "config"]).expect(0).out();
    assert!(
        config.contains("location     ~/.local/share/heirloom/repository (default)"),
        "{config}"
    );
    let header = env.run(["cat", "header"]).expect(0);
    assert!(header.stdout.contains("kind        Mirror, 9"), "{header}");
    let slots = env.run(["cat", "slots"]).expect(0);
    assert!(slots.stdout.contains("recovery words"), "{slots}");
    let snapshot = env.run(["cat", "snapshot"]).expect(0).out();
    assert!(
        snapshot.contains("source      first\n") && snapshot.contains("path        ~/first\n"),
        "{snapshot}"
    );
    let tree = env
        .run(["cat", "tree", &format!("latest:{}", env.text(""))])
        .expect(0);
    assert!(tree.stdout.contains("first  6 bytes, class 0"), "{tree}");
    let root = snapshot_line(&env, "tree        ");
    assert_eq!(
        env.run(["cat", "tree", &root]).expect(0).stdout,
        env.run(["cat", "tree"]).expect(0).stdout
    );
    let blob = env.command(["cat", "blob", &root]).output().unwrap();
    assert!(blob.status.success() && blob.stdout.len() > 50);
    let index = env.run(["cat", "index"]).expect(0).stdout;
    let run = &index["run  ".len()..][..16];
    assert!(
        env.run(["cat", "index", run])
            .expect(0)
            .stdout
            .contains("DataPack")
    );
    let id = snapshot_line(&env, "entry       ");
    let header = env.run(["cat", "header", &id[..10]]).expect(0);
    assert!(header.stdout.contains("kind        Entry, 4"), "{header}");
}

fn snapshot_line(env: &TestEnv, head: &str) -> String {
    let text = env.run(["cat", "snapshot"]).expect(0).stdout;
    text.lines()
        .find_map(|line| line.strip_prefix(head))
        .unwrap()
        .to_owned()
}

#[test]
fn no_secret_is_shown() {
    let env = TestEnv::with_repository();
    let key = fs::read_to_string(env.path(".config/heirloom/key")).unwrap();
    let kit = fs::read_to_string(env.path("heirloom-kit.txt")).unwrap();
    let words = kit
        .lines()
        .find_map(|line| line.strip_prefix("words: "))
        .unwrap();
    for what in ["config", "header", "slots", "snapshot", "tree", "index"] {
        let ran = env.run(["cat", what, "-v"]).expect(0);
        assert!(
            !ran.stdout.contains(key.trim()) && !ran.stdout.contains(words),
            "{what}"
        );
    }
}

#[test]
fn what_is_not_there_is_named() {
    let env = TestEnv::with_repository();
    env.run(["cat", "blob"]).expect(2);
    env.run(["cat", "blob", &"0".repeat(64)]).expect(1);
    env.run(["cat", "header", "zz"]).expect(1);
    env.run(["cat", "header", ""]).expect(2);
    env.run(["cat", "nonsense"]).expect(2);
}
