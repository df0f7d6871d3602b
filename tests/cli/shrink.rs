//! The shrink guard: a source that collapses is stored as suspect, and what it was stays the newest good.

use crate::util::{Ran, TestEnv, contents};
use serde_json::Value;
use std::fs;

/// Leaves `count` files in the source `d`.
fn have(env: &TestEnv, count: usize) {
    let _ = fs::remove_dir_all(env.path("d"));
    fs::create_dir_all(env.path("d")).unwrap();
    for number in 0..count {
        env.write(&format!("d/{number}"), format!("file {number}").as_bytes());
    }
}

/// A repository in which `d` was saved with a dozen files.
fn world() -> TestEnv {
    let env = TestEnv::new();
    have(&env, 12);
    env.run(["backup", "--init", "d", "--name", "d"]).expect(0);
    env
}

fn backup<'a>(env: &TestEnv, more: impl IntoIterator<Item = &'a str>) -> Ran {
    env.run(["backup", "d", "--name", "d"].into_iter().chain(more))
}

/// Each snapshot that is shown, oldest first.
fn shown(env: &TestEnv) -> Vec<Value> {
    let events = env.run(["snapshots", "--json"]).expect(0).events();
    let all = events.into_iter();
    all.filter(|event| event["event"] == "snapshot").collect()
}

fn short(snapshot: &Value) -> String {
    snapshot["id"].as_str().unwrap()[..8].to_owned()
}

/// Of each snapshot, whether it is suspect and whether it is pinned.
fn marks(env: &TestEnv) -> Vec<(bool, bool)> {
    let all = shown(env);
    let marks = all.iter().map(|snapshot| {
        let suspect = snapshot.get("suspect").is_some_and(Value::is_string);
        (suspect, snapshot["pinned"] == true)
    });
    marks.collect()
}

#[test]
fn an_empty_mount_point_does_not_take_the_place_of_what_was_there() {
    let env = world();
    have(&env, 0);
    let ran = backup(&env, []).expect(3);
    let all = shown(&env);
    let (good, suspect) = (short(&all[0]), short(&all[1]));
    let path = env.text("d");
    for line in [
        format!(
            "! d: files 12 -> 0. Snapshot {suspect} is stored but suspect; {good} is pinned.\n"
        ),
        "  if it is an accident: heirloom restore latest --source d --target rescued\n".to_owned(),
        format!("  if it is intended:    heirloom backup {path} --name d --accept {suspect}\n"),
    ] {
        assert!(ran.stderr.contains(&line), "{line}\n{ran}");
    }
    assert_eq!(marks(&env), [(false, true), (true, false)]);
    // As the message says.
    env.run(["restore", "latest", "--source", "d", "--target", "rescued"])
        .expect(0);
    let rescued = contents(&env.path("rescued"));
    assert!(
        rescued
            .iter()
            .any(|(path, bytes)| path.ends_with("d/11") && bytes == b"file 11")
    );
    // Nobody decides: later runs say it again, also those that find nothing new to store.
    let again = backup(&env, ["--json"]).expect(3);
    assert_eq!(
        again.field("snapshot", "suspect").trim_matches('"'),
        "files 12 -> 0"
    );
    assert_eq!(again.field("exit", "kind").trim_matches('"'), "suspect");
    assert_eq!(marks(&env), [(false, true), (true, false), (true, false)]);
    let unchanged = backup(&env, ["--skip-if-unchanged"]).expect(3);
    assert!(
        unchanged.stderr.contains("is stored but suspect"),
        "{unchanged}"
    );
}

#[test]
fn retention_neither_counts_nor_drops_what_is_suspect() {
    let env = world();
    have(&env, 2);
    for _ in 0..5 {
        backup(&env, []).expect(3);
    }
    env.run(["forget", "--keep-last", "1"]).expect(0);
    assert_eq!(marks(&env).len(), 6);
    let first = short(&shown(&env)[0]);
    let refused = env.run(["forget", &first]).expect(16);
    assert!(refused.stderr.contains("is pinned"), "{refused}");
}

#[test]
fn an_accepted_snapshot_is_what_the_next_ones_are_measured_by() {
    let env = world();
    have(&env, 0);
    backup(&env, []).expect(3);
    have(&env, 11);
    env.write("e", b"");
    let suspect = short(&shown(&env)[1]);
    backup(&env, ["--accept", &suspect]).expect(0);
    // None is pinned any more, and eleven files are enough to be guarded again.
    assert_eq!(marks(&env), [(false, false); 3]);
    have(&env, 5);
    let ran = backup(&env, []).expect(3);
    assert!(ran.stderr.contains("d: files 11 -> 5."), "{ran}");
    assert_eq!(
        marks(&env)[2..],
        [(false, true), (true, false)],
        "the last good one is the last"
    );
    // The same command once more is no mistake; with other snapshots it is.
    backup(&env, ["--accept", &suspect]).expect(3);
    let good = short(&shown(&env)[0]);
    let ran = backup(&env, ["--accept", &good]).expect(2);
    assert!(ran.stderr.contains("is not suspect"), "{ran}");
    let ran = env.run(["backup", "e", "--accept", &suspect]).expect(2);
    assert!(ran.stderr.contains("is a snapshot of d"), "{ran}");
    backup(&env, ["--accept", "00000000"]).expect(1);
}

#[test]
fn what_comes_back_is_good_again_and_nothing_stays_pinned_for_it() {
    let env = world();
    have(&env, 3);
    backup(&env, []).expect(3);
    have(&env, 12);
    backup(&env, []).expect(0);
    assert_eq!(marks(&env), [(false, false), (true, false), (false, false)]);
}

#[test]
fn a_pin_of_somebody_else_stays() {
    let env = world();
    let first = short(&shown(&env)[0]);
    env.run(["pin", &first, "--reason", "mine"]).expect(0);
    have(&env, 3);
    backup(&env, []).expect(3);
    have(&env, 12);
    backup(&env, []).expect(0);
    assert_eq!(marks(&env)[0], (false, true));
}

#[test]
fn how_much_may_go_is_for_its_owner_to_say() {
    let env = world();
    have(&env, 6);
    backup(&env, ["--shrink", "49%"]).expect(3);
    backup(&env, []).expect(0);
    have(&env, 2);
    // Six files are too few to be guarded.
    backup(&env, []).expect(0);
    have(&env, 30);
    backup(&env, []).expect(0);
    have(&env, 0);
    backup(&env, ["--shrink", "off"]).expect(0);
    backup(&env, ["--shrink", "101%"]).expect(2);
}

#[test]
fn a_rehearsal_says_it_and_writes_nothing() {
    let env = world();
    have(&env, 1);
    let before = contents(&env.repository());
    let ran = backup(&env, ["-n"]).expect(3);
    assert!(
        ran.stderr
            .contains("! d: files 12 -> 1. A snapshot of this would be suspect"),
        "{ran}"
    );
    assert!(contents(&env.repository()) == before, "a rehearsal wrote");
}

#[test]
fn a_device_that_was_reset_is_measured_by_what_it_was() {
    let env = world();
    fs::remove_dir_all(env.path(".local/state/heirloom")).unwrap();
    have(&env, 2);
    let ran = backup(&env, []).expect(3);
    let good = &shown(&env)[0];
    let device = good["device"].as_str().unwrap();
    let words = format!("{} of {device} is pinned", short(good));
    assert!(ran.stderr.contains(&words), "{words}\n{ran}");
    assert_eq!(marks(&env), [(false, true), (true, false)]);
    // With the last one those before it are accepted: else no rule would ever drop them.
    backup(&env, []).expect(3);
    let suspect = short(&shown(&env)[2]);
    backup(&env, ["--accept", &suspect]).expect(0);
    assert_eq!(marks(&env), [(false, false); 4]);
}

#[test]
fn what_is_pinned_for_another_device_stays() {
    let env = world();
    have(&env, 3);
    backup(&env, []).expect(3);
    // Another device, whose own source is as it should be.
    fs::remove_dir_all(env.path(".local/state/heirloom")).unwrap();
    have(&env, 12);
    backup(&env, []).expect(0);
    assert_eq!(marks(&env), [(false, true), (true, false), (false, false)]);
    have(&env, 2);
    backup(&env, []).expect(3);
    let suspect = short(&shown(&env)[3]);
    backup(&env, ["--accept", &suspect]).expect(0);
    assert_eq!(marks(&env)[..2], [(false, true), (true, false)]);
}

#[test]
fn every_mirror_has_the_pin_and_the_suspect_snapshot() {
    let mut env = TestEnv::new();
    env.set("HEIRLOOM_KEY_FILE", &env.text("key"));
    have(&env, 12);
    let (one, two) = (env.text("one"), env.text("two"));
    let both = |arguments: &[&str]| {
        let mirrors = ["-r", &one, "-r", &two];
        env.run(arguments.iter().copied().chain(mirrors))
    };
    env.run(["init", &one, &two, "--no-kit"]).expect(0);
    both(&["backup", "d", "--name", "d"]).expect(0);
    have(&env, 0);
    both(&["backup", "d", "--name", "d"]).expect(3);
    for one in [&one, &two] {
        let events = env
            .run(["snapshots", "--json", "-r", one])
            .expect(0)
            .events();
        let all = events.iter().filter(|event| event["event"] == "snapshot");
        let all: Vec<_> = all
            .map(|event| (event["suspect"].is_string(), event["pinned"] == true))
            .collect();
        assert_eq!(all, [(false, true), (true, false)]);
    }
    both(&["verify"]).expect(0);
}

/// The mirror that leads was away when the source grew: what it was is on the other one, and that counts.
#[test]
fn a_mirror_that_was_away_does_not_decide_alone_and_catches_up() {
    let env = TestEnv::new();
    have(&env, 3);
    env.run(["backup", "--init", "d", "--name", "d"]).expect(0);
    env.run(["mirror", "add", "usb", &env.text("usb")])
        .expect(0);
    let (first, drawer) = (env.repository(), env.path("drawer"));
    fs::rename(&first, &drawer).unwrap();
    have(&env, 12);
    backup(&env, []).expect(4);
    fs::rename(&drawer, &first).unwrap();
    have(&env, 0);
    let rehearsed = backup(&env, ["--dry-run"]).expect(3);
    assert!(rehearsed.err().contains("files 12 -> 0"), "{rehearsed}");
    let ran = backup(&env, []).expect(3);
    assert!(ran.err().contains("files 12 -> 0"), "{ran}");
    assert!(
        ran.out().contains("first current      usb current"),
        "{ran}"
    );
    assert_eq!(marks(&env), [(false, false), (false, true), (true, false)]);
    let listed = env.run(["mirror", "list"]).expect(0);
    assert!(!listed.out().contains("without parity"), "{listed}");
    // Each alone shows all three, whole.
    for mirror in ["first", "usb"] {
        let listed = env.run(["snapshots", "--mirror", mirror]).expect(0);
        assert_eq!(listed.out().matches("  d  ").count(), 3, "{listed}");
        env.run(["verify", "--mirror", mirror]).expect(0);
    }
}
