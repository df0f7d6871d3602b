//! `init` makes a repository in an empty place and nowhere else.

use crate::util::TestEnv;
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
fn one_folder_is_the_location() {
    let env = TestEnv::new();
    for location in ["s3://bucket/x", "sftp://host/x", "rclone:remote:x"] {
        let ran = env.run(["init", location]).expect(2);
        assert!(ran.stderr.contains("is no folder"), "{ran}");
    }
    let env = TestEnv::with_repository();
    let ran = env.run(["snapshots", "-r", "a", "-r", "b"]).expect(13);
    assert!(ran.stderr.contains("no repository at"), "{ran}");
}
