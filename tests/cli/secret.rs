//! Where the secret comes from: flag, environment, default key file; two at one level are an error.

use crate::util::TestEnv;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// With a repository that a passphrase opens, and no key file.
fn world() -> TestEnv {
    let env = TestEnv::new();
    let pass = env.write_secret("pass", "correct horse\r\nsecond line\n");
    env.run(["init", ".local/share/heirloom/repository", "-p", &pass])
        .expect(0);
    env
}

#[test]
fn a_passphrase_comes_in_five_ways() {
    let mut env = world();
    env.run(["snapshots", "--password-file", "pass"]).expect(0);
    env.run(["snapshots", "--passphrase-command", "echo correct horse"])
        .expect(0);
    env.run_typing(["snapshots", "--passphrase-fd", "0"], "correct horse\n")
        .expect(0);
    env.set("HEIRLOOM_PASSPHRASE", "correct horse");
    env.run(["snapshots"]).expect(0);
    let wrong = env
        .run(["snapshots", "--passphrase-command", "echo wrong"])
        .expect(12);
    assert!(wrong.stderr.contains("does not open"), "{wrong}");
    env.run(["snapshots", "--passphrase-command", "exit 3"])
        .expect(1);
    env.run(["snapshots", "--passphrase-command", "true"])
        .expect(2);
    env.set("HEIRLOOM_PASSPHRASE_FILE", "pass");
    let two = env.run(["snapshots"]).expect(2);
    assert!(
        two.stderr
            .contains("HEIRLOOM_PASSPHRASE_FILE and HEIRLOOM_PASSPHRASE both name a secret"),
        "{two}"
    );
}

#[test]
fn words_are_checked_before_they_are_tried() {
    let env = world();
    let kit = fs::read_to_string(env.path("heirloom-kit.txt")).unwrap();
    let words = kit
        .lines()
        .find_map(|line| line.strip_prefix("words: "))
        .unwrap();
    env.run_typing(["snapshots", "--words"], &words.to_uppercase())
        .expect(0);
    let mistyped = words.replacen(words.split(' ').nth(6).unwrap(), "orbti", 1);
    let ran = env
        .run_typing(["snapshots", "--words"], &mistyped)
        .expect(12);
    assert!(
        ran.stderr
            .contains("\"orbti\" is not in the list; did you mean \"orbit\"?"),
        "{ran}"
    );
    let other = format!("{}about", "abandon ".repeat(11));
    let ran = env.run_typing(["snapshots", "--words"], &other).expect(12);
    assert!(
        ran.stderr.contains("these words are valid but do not open"),
        "{ran}"
    );
    env.run_typing(["snapshots", "--words"], "too few")
        .expect(12);
}

#[test]
fn what_others_can_read_is_no_secret() {
    let env = world();
    for (mode, code) in [(0o644, 16), (0o640, 16), (0o600, 0), (0o400, 0)] {
        fs::set_permissions(env.path("pass"), fs::Permissions::from_mode(mode)).unwrap();
        let ran = env.run(["snapshots", "-p", "pass"]);
        assert_eq!(ran.code, code, "{mode:o} {ran}");
    }
    env.write_secret("empty", "\nsecond line\n");
    env.run(["snapshots", "-p", "empty"]).expect(2);
    env.run(["snapshots", "-p", "absent"]).expect(1);
    env.run(["snapshots", "--key-file", "pass"]).expect(2);
    env.run(["snapshots", "-p", "pass", "--words"]).expect(2);
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let mut env = world();
    let ran = env.run(["snapshots"]).expect(2);
    assert!(
        ran.stderr.contains("there is no terminal to ask on"),
        "{ran}"
    );
    env.set("RESTIC_PASSWORD", "correct horse");
    let ran = env.run(["snapshots"]).expect(2);
    assert!(
        ran.stderr
            .contains("export HEIRLOOM_PASSPHRASE=\"$RESTIC_PASSWORD\""),
        "{ran}"
    );
}

#[test]
fn variables_are_known_or_an_error() {
    for (name, value) in [
        ("HEIRLOOM_REPOS", "/x"),
        ("HEIRLOOM_PROGRESS", "sometimes"),
        ("HEIRLOOM_PASSPHRASE_FD", "first"),
        ("HEIRLOOM_PASSPHRASE", ""),
    ] {
        let mut env = TestEnv::with_repository();
        env.set(name, value);
        let ran = env.run(["snapshots"]).expect(2);
        assert!(
            ran.stderr.contains(name) || name == "HEIRLOOM_REPO",
            "{ran}"
        );
    }
}
