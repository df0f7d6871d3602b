//! `prune`: what is freed and what is said about it.

use crate::client::{Client, TestHost};
use crate::util::{TestEnv, contents};
use crate::world::noise;
use heirloom::crypto::secret::Secret;
use heirloom::format::facts::Facts;
use heirloom::format::key_slot::write_key_file;
use heirloom::host::Host;
use heirloom::monitor::Collected;
use heirloom::repo::Writer;
use heirloom::repo::publish::Session;
use heirloom::store::Store;
use heirloom::store::folder::FolderStore;
use std::fs;
use std::sync::Arc;

const CONFIG: &str = ".config/heirloom/heirloom.toml";
const MIRRORS: &str = "mirror.one.location = \"~/one\"\nmirror.two.location = \"~/two\"\n";

/// Four snapshots on two mirrors, of which two are forgotten.
fn env() -> TestEnv {
    let env = TestEnv::new();
    let key = ["--key-file", ".config/heirloom/key", "--no-kit"];
    env.run(["init", "one"].into_iter().chain(key)).expect(0);
    env.write(CONFIG, b"mirror.one.location = \"~/one\"\n");
    env.run(["mirror", "add", "two", &env.text("two")])
        .expect(0);
    for number in 0..4 {
        env.write("d/large", &noise(number, 2_000_000));
        env.run(["backup", "d", "--name", "d"]).expect(0);
    }
    env.run(["forget", "-l", "2", "--below-min-good"]).expect(0);
    env
}

fn purge_at_once(env: &TestEnv) {
    env.write(
        CONFIG,
        format!("{MIRRORS}[retention]\ngrace = \"0s\"\n").as_bytes(),
    );
}

fn size(env: &TestEnv, mirror: &str) -> usize {
    let packs = contents(&env.path(mirror).join("packs"));
    packs.iter().map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn a_rehearsal_writes_nothing_and_within_grace_nothing_goes() {
    let env = env();
    let before = [size(&env, "one"), size(&env, "two")];
    let ran = env.run(["prune"]).expect(0);
    let stay = "2 forgotten snapshots can still be taken back and stay for now, until ";
    assert!(ran.out().contains(stay), "{ran}");
    assert_eq!(before, [size(&env, "one"), size(&env, "two")]);
    purge_at_once(&env);
    let kept = ["one", "two"].map(|mirror| contents(&env.path(mirror)));
    let ran = env.run(["prune", "-n"]).expect(0);
    assert!(
        ran.out().contains("2 forgotten snapshots go for good"),
        "{ran}"
    );
    assert!(kept == ["one", "two"].map(|mirror| contents(&env.path(mirror))));
}

#[test]
fn space_is_freed_on_every_mirror_and_all_that_lives_restores() {
    let env = env();
    purge_at_once(&env);
    let before = size(&env, "one");
    let ran = env.run(["prune", "--json"]).expect(0);
    let events = ran.events();
    let pruned: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "pruned")
        .collect();
    assert_eq!(pruned.len(), 2, "{ran}");
    for event in pruned {
        assert!(event["freed"].as_u64().unwrap() > 3_000_000, "{ran}");
        assert_eq!(event["snapshots"], 2, "{ran}");
    }
    assert!(size(&env, "one") < before * 6 / 10);
    let packs = |mirror: &str| contents(&env.path(mirror).join("packs"));
    let files = |mirror: &str| -> Vec<_> {
        let all = packs(mirror).into_iter();
        all.filter(|(_, bytes)| !bytes.is_empty()).collect()
    };
    assert!(files("one") == files("two"));
    let verified = env.run(["verify"]).expect(0);
    assert_eq!(verified.stderr, "", "{verified}");
    for mirror in ["one", "two"] {
        env.run(["restore", "latest", "-t", mirror, "-M", mirror, "-n"]);
        drop(fs::remove_dir_all(env.path("back")));
        let latest = format!("latest:{}", env.text("d"));
        env.run(["-M", mirror, "restore", &latest, "-t", "back"])
            .expect(0);
        let back = fs::read(env.path("back/large")).unwrap();
        assert!(back == noise(3, 2_000_000), "{mirror}");
    }
    let kept = packs("one");
    env.run(["prune"]).expect(0);
    assert!(packs("one") == kept, "a second prune did something");
    env.run(["heal"]).expect(0);
    assert!(packs("one") == kept, "heal brought something back");
}

#[test]
fn what_was_away_is_freed_by_the_next_sync() {
    let env = env();
    purge_at_once(&env);
    fs::rename(env.path("two"), env.path("away")).unwrap();
    let ran = env.run(["prune"]).expect(4);
    assert!(ran.out().contains("two  not there"), "{ran}");
    fs::rename(env.path("away"), env.path("two")).unwrap();
    let before = size(&env, "two");
    env.run(["mirror", "sync"]).expect(0);
    assert!(size(&env, "two") < before, "S7 executes the marks");
    assert_eq!(size(&env, "two"), size(&env, "one"));
    env.run(["verify"]).expect(0);
}

/// A repository at a place that cannot decide between two, in which somebody has died.
fn undecided(env: &TestEnv) -> (Client, Arc<dyn Store>) {
    let folder = |name: &str| -> Arc<dyn Store> {
        Arc::new(FolderStore::create(&env.path(name), "test").unwrap())
    };
    let (first, plain) = (folder("first"), folder("plain"));
    let client = Client::new(
        &env.path(""),
        1,
        Arc::clone(&first),
        TestHost::new(1, "host"),
    );
    client.init().unwrap();
    let places = vec![("first".to_owned(), first)];
    let mirrors = client.open_all(&places, &Collected::default()).unwrap();
    let probe = (false, Facts::new());
    let planted = mirrors
        .whole
        .plant(Arc::clone(&plain), &[], &probe, &*client.host);
    planted.unwrap();
    (client.with_store(Arc::clone(&plain)), plain)
}

#[test]
fn g13_where_nothing_can_be_decided_a_prune_that_waits_says_so() {
    let env = TestEnv::new();
    let (client, _) = undecided(&env);
    env.write_secret("k", &write_key_file(&Secret::new([3; 32])));
    let config = "mirror.plain.location = \"~/plain\"\n[retention]\ngrace = \"0s\"\n";
    env.write(CONFIG, config.as_bytes());
    let run = |arguments: &[&str], code: i32| {
        let key = ["--key-file", "k"].iter();
        env.run(arguments.iter().chain(key).copied()).expect(code)
    };
    for number in 0..3 {
        env.write("d/large", &noise(number, 500_000));
        run(&["backup", "d", "--name", "d"], 0);
    }
    run(&["forget", "-l", "1", "--below-min-good"], 0);
    let host: Arc<dyn Host> = TestHost::new(9, "other");
    let writer = Writer {
        device: [9; 16],
        started_ns: 1,
    };
    let session = Session::begin(&client.open().unwrap(), &host, writer, "backup").unwrap();
    let commits = contents(&env.path("plain/commits"));
    let before = size(&env, "plain");
    let ran = run(&["prune", "--max-unused", "0%", "--wait", "1s"], 11);
    assert!(ran.stdout.contains("cannot decide between two"), "{ran}");
    run(&["prune", "--max-unused", "0%"], 0);
    assert!(size(&env, "plain") >= before, "something went under it");
    assert!(contents(&env.path("plain/commits")) == commits, "an ABORT");
    run(&["verify"], 0);
    // A person says that it has died: its intent goes.
    session.end(&Collected::default());
    run(&["prune", "--max-unused", "0%", "--wait", "1s"], 0);
    assert!(size(&env, "plain") < before * 2 / 3);
    run(&["verify"], 0);
}

/// What `forget -n --prune` says that a prune would free, and when.
fn foretold(env: &TestEnv) -> Vec<(String, u64)> {
    let rules = ["forget", "-n", "--prune", "-l", "1", "--below-min-good"];
    let ran = env.run(rules.into_iter().chain(["--json"])).expect(0);
    let told = |event: &serde_json::Value| {
        let what = event["what"].as_str().unwrap().to_owned();
        (what, event["bytes"].as_u64().unwrap())
    };
    let events = ran.events();
    let plans = events.iter().filter(|event| event["action"] == "prune");
    plans.map(told).collect()
}

#[test]
fn what_a_prune_would_free_is_said_before_anything_is_forgotten() {
    let env = env();
    let kept = ["one", "two"].map(|mirror| contents(&env.path(mirror)));
    // Two are removed and one would be: three times two million bytes, none of them before the grace is over.
    let told = foretold(&env);
    let [(now, nothing), (_, later)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((now.as_str(), *nothing), ("now", 0));
    assert!((6_000_000..7_000_000).contains(later), "{told:?}");
    let rules = ["forget", "-n", "--prune", "-l", "1", "--below-min-good"];
    let said = env.run(rules).expect(0).out();
    let lines: Vec<_> = said.lines().rev().take(2).collect();
    assert!(lines[1].starts_with("at once a prune frees about 0 B on each mirror"));
    assert!(lines[0].starts_with("after ") && lines[0].ends_with(" on each mirror"));
    purge_at_once(&env);
    assert_eq!(foretold(&env), [("now".to_owned(), *later)]);
    assert!(kept == ["one", "two"].map(|mirror| contents(&env.path(mirror))));
    // And so it comes.
    let before = size(&env, "one");
    let forget = ["forget", "-l", "1", "--below-min-good", "--prune"];
    env.run(forget).expect(0);
    let freed = (before - size(&env, "one")) as u64;
    assert!(freed.abs_diff(*later) < later / 20, "{freed}, not {later}");
}
