//! `forget`, `pin`, `undelete`: what goes, what stays and why, which guard says no, and how everything comes back.

use crate::util::{Ran, TestEnv, contents};
use std::fs;

const CONFIG: &str = ".config/heirloom/heirloom.toml";

/// A repository with `count` snapshots of the source `d`, and no other.
fn world(count: usize) -> TestEnv {
    let env = TestEnv::new();
    for number in 0..count {
        env.write("d/file", format!("{number}").as_bytes());
        let init: &[&str] = if number == 0 { &["--init"] } else { &[] };
        let backup = ["backup", "d", "--name", "d"].into_iter();
        env.run(backup.chain(init.iter().copied())).expect(0);
    }
    env
}

/// The ids that a list shows, oldest first.
fn ids<'a>(env: &TestEnv, arguments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let events = env.run(arguments).events();
    let all = events.iter().filter(|event| event["event"] == "snapshot");
    all.map(|event| event["id"].as_str().unwrap()[..8].to_owned())
        .collect()
}

fn shown(env: &TestEnv) -> Vec<String> {
    ids(env, ["snapshots", "--json"])
}

fn deleted(env: &TestEnv) -> Vec<String> {
    ids(env, ["snapshots", "--deleted", "--json"])
}

#[track_caller]
fn refused(ran: Ran, why: &str, flag: &str) {
    let ran = ran.expect(16);
    assert!(
        ran.stderr.contains(why) && ran.stderr.contains(flag),
        "{ran}"
    );
}

#[test]
fn rules_drop_snapshots_and_say_why_each_one_stays() {
    let env = world(5);
    let before = contents(&env.repository());
    let all = shown(&env);
    let rehearsed = env.run(["forget", "-n", "-l", "1"]).expect(0).out();
    let lines: Vec<_> = rehearsed.lines().collect();
    assert!(lines[0].starts_with("d@") && lines[0].ends_with(": keep 3, forget 2"));
    assert_eq!(
        lines[1..],
        [
            "  forget  ID  DATE  last 1 full",
            "  forget  ID  DATE  last 1 full",
            "  keep    ID  DATE  one of the 3 newest good ones",
            "  keep    ID  DATE  one of the 3 newest good ones",
            "  keep    ID  DATE  last 1 of 1",
            "would forget 2 of 5 snapshots; nothing was written",
        ]
    );
    assert!(contents(&env.repository()) == before, "a rehearsal wrote");
    let ran = env.run(["forget", "--keep-last", "1", "--json"]).expect(0);
    assert_eq!(ran.field("summary", "forgotten"), "2");
    assert_eq!(ran.field("summary", "kept"), "3");
    let events = ran.events();
    let plans = events.iter().filter(|event| event["event"] == "plan");
    let reasons: Vec<_> = plans
        .map(|event| event["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons[0], "last 1 full");
    assert_eq!(reasons[4], "last 1 of 1");
    let gone = events.iter().filter(|event| event["event"] == "snapshot");
    let gone: Vec<_> = gone
        .map(|event| (&event["id"].as_str().unwrap()[..8], &event["delete_after"]))
        .collect();
    assert_eq!(gone.len(), 2);
    assert!(gone.iter().all(|(_, until)| until.is_string()), "{ran}");
    assert_eq!(shown(&env), all[2..]);
    assert_eq!(deleted(&env), all[..2]);
    // What is not listed is found by no name either.
    env.run(["ls", &all[0]]).expect(1);
    env.run(["restore", &all[0], "-t", "back"]).expect(1);
    env.run(["ls", "latest~2"]).expect(0);
    env.run(["ls", "latest~3"]).expect(1);
    // Again there is nothing to forget, and nothing is written.
    let before = contents(&env.repository());
    let again = env.run(["forget", "-l", "1"]).expect(0);
    assert!(
        again
            .out()
            .ends_with("nothing to forget: 3 snapshots, all stay\n"),
        "{again}"
    );
    assert!(contents(&env.repository()) == before, "{again}");
    env.run(["verify"]).expect(0);
}

#[test]
fn the_rules_of_the_configuration_apply_where_none_is_given() {
    let env = world(5);
    let ran = env.run(["forget"]).expect(2);
    assert!(ran.err().contains("no rule says what to keep"), "{ran}");
    env.run(["forget", "-l", "0"]).expect(2);
    env.run(["forget", "--keep-within", "2 years"]).expect(2);
    env.run(["forget", "--keep-tag", "a,"]).expect(2);
    env.run(["forget", "latest", "-l", "1"]).expect(2);
    env.write(CONFIG, b"[retention]\nkeep = { dialy = 14 }\n");
    let ran = env.run(["forget"]).expect(2);
    assert!(
        ran.err().contains("line 2") && ran.err().contains("dialy"),
        "{ran}"
    );
    env.write(CONFIG, b"[retention]\nkeep = { within-daily = \"soon\" }\n");
    let ran = env.run(["forget"]).expect(2);
    assert!(
        ran.err()
            .contains("[retention] keep: within-daily: \"soon\""),
        "{ran}"
    );
    env.write(
        CONFIG,
        b"[retention]\nkeep = { last = 1 }\ngrace = \"a while\"\n",
    );
    let ran = env.run(["forget"]).expect(2);
    assert!(ran.err().contains("[retention] grace"), "{ran}");
    env.write(
        CONFIG,
        b"[retention]\nkeep = { daily = 1 }\nmin_good = 2\ngrace = \"1d\"\n",
    );
    let ran = env.run(["forget"]).expect(0);
    assert!(ran.out().contains(": keep 2, forget 3\n"), "{ran}");
    assert!(
        ran.out().contains("a newer one of its day is kept"),
        "{ran}"
    );
    let events = env.run(["snapshots", "--deleted", "--json"]).events();
    let until = events[1]["delete_after"].as_str().unwrap();
    let made = events[1]["time"].as_str().unwrap();
    assert!(until[..10] > made[..10], "{until}");
}

#[test]
fn each_guard_has_its_own_flag() {
    let env = world(4);
    let all = shown(&env);
    env.run(["forget", &all[0]]).expect(0);
    refused(
        env.run(["forget", &all[3]]),
        "is one of the 3 newest good snapshots of d",
        "--below-min-good",
    );
    env.run(["forget", &all[3], "--below-min-good"]).expect(0);
    let last = [&all[1][..], &all[2]];
    refused(
        env.run(["forget", last[0], last[1], "--below-min-good"]),
        "the last good snapshot of d",
        "--drop-source d",
    );
    refused(
        env.run(["forget", "--keep-tag", "none", "--below-min-good"]),
        "the last good snapshot of d",
        "--drop-source d",
    );
    env.run(["pin", last[0], "--reason", "the wedding"])
        .expect(0);
    for forget in [
        &["forget", last[0], "--below-min-good"][..],
        &["forget", "--drop-source", "d"],
    ] {
        let remove = format!("heirloom pin --remove {}", last[0]);
        refused(env.run(forget.iter().copied()), "is pinned", &remove);
    }
    assert_eq!(shown(&env), last);
    env.run(["pin", "--remove", last[0]]).expect(0);
    env.run(["forget", "--drop-source", "other", "-l", "1", "-s", "d"])
        .expect(0);
    refused(
        env.run(["forget", last[0], last[1], "--drop-source", "other"]),
        "the last good snapshot of d",
        "--drop-source d",
    );
    env.run(["forget", "--drop-source", "d"]).expect(0);
    assert!(shown(&env).is_empty());
    env.run(["restore", "latest", "-t", "back"]).expect(1);
    assert_eq!(deleted(&env), all);
}

#[test]
fn a_pinned_snapshot_stays_whatever_the_rules_say() {
    let env = world(5);
    let all = shown(&env);
    let ran = env.run(["pin", &all[0], "--reason", "the wedding", "--json"]);
    assert_eq!(ran.expect(0).field("snapshot", "pinned"), "true");
    let list = env.run(["snapshots"]).expect(0).out();
    assert!(list.lines().next().unwrap().ends_with("  pinned"), "{list}");
    let ran = env.run(["forget", "-l", "1"]).expect(0);
    assert!(ran.out().contains("  keep    ID  DATE  pinned\n"), "{ran}");
    assert_eq!(shown(&env), [&all[0][..], &all[2], &all[3], &all[4]]);
    let again = env.run(["pin", &all[0]]).expect(0);
    assert!(again.out().contains("is pinned already"), "{again}");
    env.run(["pin", "--remove", &all[0]]).expect(0);
    let again = env.run(["pin", "--remove", &all[0]]).expect(0);
    assert!(again.out().contains("was not pinned"), "{again}");
    env.run(["pin", "latest:/d"]).expect(2);
    env.run(["pin", &all[1]]).expect(1);
    env.run(["pin"]).expect(2);
    env.run(["forget", "-l", "1"]).expect(0);
    assert_eq!(shown(&env), all[2..]);
}

#[test]
fn what_was_forgotten_comes_back() {
    let env = world(5);
    let all = shown(&env);
    let ran = env.run(["undelete"]).expect(0);
    assert!(ran.err().contains("nothing was forgotten"), "{ran}");
    env.run(["forget", "-l", "1"]).expect(0);
    let ran = env.run(["undelete"]).expect(0).out();
    assert_eq!(ran.lines().count(), 2);
    assert!(
        ran.contains("removed DATE by tester@") && ran.contains("undelete works until DATE"),
        "{ran}"
    );
    env.run(["undelete", "-n", &all[0]]).expect(0);
    assert_eq!(deleted(&env), all[..2]);
    let ran = env.run(["undelete", &all[0]]).expect(0);
    assert!(ran.out().contains("ID  DATE  d  is back"), "{ran}");
    assert_eq!(deleted(&env), all[1..2]);
    let ran = env.run(["restore", &all[0], "-t", "back"]).expect(0);
    let back = contents(&env.path("back"));
    assert!(back.iter().any(|(_, bytes)| bytes == b"0"), "{ran}");
    let ran = env.run(["undelete", &all[0]]).expect(1);
    assert!(ran.err().contains("is not removed"), "{ran}");
    env.run(["undelete", "0000"]).expect(1);
    env.run(["undelete", ""]).expect(2);
    // Forgotten once more it goes once more.
    env.run(["forget", &all[0]]).expect(0);
    assert_eq!(deleted(&env), all[..2]);
    env.run(["verify"]).expect(0);
}

#[test]
fn what_lost_something_does_not_come_back() {
    let env = world(5);
    let all = shown(&env);
    env.run(["forget", &all[4], "--below-min-good"]).expect(0);
    let mut packs = contents(&env.repository().join("packs"));
    packs.retain(|(_, bytes)| !bytes.is_empty());
    packs.sort_by_key(|(path, _)| {
        let meta = fs::metadata(env.repository().join("packs").join(path)).unwrap();
        meta.modified().unwrap()
    });
    for (path, _) in &packs[packs.len() - 2..] {
        fs::remove_file(env.repository().join("packs").join(path)).unwrap();
    }
    fs::remove_dir_all(env.path(".cache")).unwrap();
    let ran = env.run(["undelete", &all[4]]).expect(5);
    assert!(ran.err().contains("cannot come back"), "{ran}");
    assert_eq!(shown(&env), all[..4]);
}

#[test]
fn every_mirror_learns_of_it() {
    let env = world(5);
    env.run(["mirror", "add", "usb", &env.text("usb")])
        .expect(0);
    let all = shown(&env);
    let on = |name: &str| ids(&env, ["snapshots", "--json", "-M", name]);
    let ran = env.run(["forget", &all[0]]).expect(0);
    assert!(ran.out().contains(" current      usb current\n"), "{ran}");
    assert_eq!(on("usb"), all[1..]);
    let rename = |from: &str, to: &str| fs::rename(env.path(from), env.path(to)).unwrap();
    rename("usb", "drawer");
    let ran = env.run(["forget", &all[1]]).expect(4);
    assert!(ran.out().contains("usb behind ("), "{ran}");
    assert!(
        ran.out().ends_with("next: heirloom mirror sync usb\n"),
        "{ran}"
    );
    env.run(["pin", &all[2]]).expect(4);
    env.run(["undelete", &all[0]]).expect(4);
    rename("drawer", "usb");
    assert_eq!(on("usb"), all[1..]);
    env.run(["mirror", "sync"]).expect(0);
    let left = [&all[0][..], &all[2], &all[3], &all[4]];
    assert_eq!(on("usb"), left);
    let listed = env.run(["snapshots", "-M", "usb"]).expect(0);
    assert_eq!(listed.out().matches("pinned").count(), 1, "{listed}");
    env.run(["verify"]).expect(0);
    // A mirror that never had it is brought what an undelete takes back.
    rename("usb", "drawer");
    env.write("d/file", b"while it was away");
    env.run(["backup", "d", "--name", "d"]).expect(4);
    let new = shown(&env).pop().unwrap();
    env.run(["forget", &new, "--below-min-good"]).expect(4);
    rename("drawer", "usb");
    env.run(["mirror", "sync"]).expect(0);
    assert_eq!(on("usb"), left);
    env.run(["undelete", &new]).expect(0);
    assert_eq!(on("usb").last(), Some(&new));
    env.run(["restore", &new, "-t", "back", "-M", "usb"])
        .expect(0);
    env.run(["verify"]).expect(0);
}

#[test]
fn sources_are_kept_apart() {
    let env = world(4);
    env.write("e/file", b"other");
    env.run(["backup", "e", "--name", "e"]).expect(0);
    let ran = env.run(["forget", "-l", "1", "-s", "e"]).expect(0);
    assert!(
        ran.out()
            .ends_with("nothing to forget: 1 snapshot, all stay\n"),
        "{ran}"
    );
    let ran = env.run(["forget", "-l", "3"]).expect(0);
    assert!(
        ran.out().contains(": keep 3, forget 1\n") && ran.out().contains(": keep 1, forget 0\n"),
        "{ran}"
    );
    let elsewhere = env.run(["forget", "-l", "1", "--device", "elsewhere"]);
    assert!(
        elsewhere
            .expect(0)
            .out()
            .contains("nothing to forget: 0 snapshots")
    );
}
