//! What is said when nothing can be done, and which code it has.

use crate::util::TestEnv;
use std::fs;

#[test]
fn a_wrong_place_is_told_from_an_empty_one() {
    let env = TestEnv::new();
    fs::create_dir(env.path("empty")).unwrap();
    for name in ["config", "data/x", "index/x", "keys/x", "snapshots/x"] {
        env.write(&format!("restic/{name}"), b"");
    }
    env.write("full/letter", b"dear");
    env.write("file", b"");
    for (place, said) in [
        (
            "nowhere",
            "no repository at ~/nowhere: the folder does not exist",
        ),
        ("empty", "no repository at ~/empty: the folder is empty"),
        ("restic", "~/restic is a restic repository"),
        (
            "full",
            "~/full holds 1 file or folder that heirloom did not write",
        ),
        ("file", "no repository at ~/file: it is not a folder"),
    ] {
        let ran = env.run(["snapshots", "-r", place]).expect(10);
        assert!(
            ran.err()
                .starts_with(&format!("heirloom: {said}\n\nhint: ")),
            "{ran}"
        );
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let env = TestEnv::new();
    let help = env.run(["--help"]).expect(0);
    assert!(
        help.stdout.contains("Exit codes:") && help.stdout.contains("130  interrupted"),
        "{help}"
    );
    assert_eq!(
        env.run(["--version"]).expect(0).stdout,
        concat!("heirloom ", env!("CARGO_PKG_VERSION"), "\n")
    );
    env.run(["backup", "-h"]).expect(0);
    env.run([]).expect(2);
    let ran = env.run(["bakcup", "x"]).expect(2);
    assert!(ran.stderr.contains("did you mean backup?"), "{ran}");
}
