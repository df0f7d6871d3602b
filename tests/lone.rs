//! The only mirror loses something small that everything hangs on: commit slots, entries, key slots. What this device has
//! copies of comes back from them; what nobody has a copy of is found again in the packs.

use crate::util::{Ran, TestEnv};
use std::fs;
use std::path::PathBuf;

/// A source of three states, each in a snapshot, in one folder.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.run([
        "init",
        "one",
        "--key-file",
        ".config/heirloom/key",
        "--kit",
        "kit.txt",
    ])
    .expect(0);
    env.write(
        ".config/heirloom/heirloom.toml",
        b"[mirror.one]\nlocation = \"~/one\"\nparity = \"0%\"\n",
    );
    for number in 0..3_u8 {
        env.write(&format!("docs/{number}"), &[number; 3000]);
        env.run(["backup", "docs"]).expect(0);
    }
    env.run(["verify"]).expect(0);
    env
}

fn lose(env: &TestEnv, folders: &[&str]) {
    for folder in folders {
        fs::remove_dir_all(env.path("one").join(folder)).unwrap();
    }
}

/// Another device, or this one after a reset: nothing is remembered and there are no copies.
fn forget_everything(env: &TestEnv) {
    for folder in [".cache", ".local"] {
        fs::remove_dir_all(env.path(folder)).unwrap();
    }
}

fn files(folder: PathBuf) -> Vec<(String, Vec<u8>)> {
    let all = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

/// The ids of all snapshots, oldest first.
fn snapshots(env: &TestEnv) -> Vec<String> {
    let ran = env.run(["snapshots", "--json"]).expect(0);
    let of = |event: &serde_json::Value| Some(event.get("id")?.as_str()?.to_owned());
    let events = ran.events();
    let snapshots = events.iter().filter(|event| event["event"] == "snapshot");
    snapshots.filter_map(of).collect()
}

/// Everything is there again, and the next backup goes on as if nothing had happened.
fn assert_as_before(env: &TestEnv, before: &[String]) {
    env.run(["verify"]).expect(0);
    assert_eq!(snapshots(env), before);
    env.run(["restore", "latest", "-t", "back"]).expect(0);
    let docs = env.path("docs");
    let back = format!("back{}", docs.display());
    assert_eq!(files(env.path(&back)), files(docs));
    env.run(["backup", "docs"]).expect(0);
    env.run(["verify"]).expect(0);
    assert_eq!(snapshots(env).len(), before.len() + 1);
}

fn told(ran: &Ran, what: &str) -> usize {
    ran.out().matches(what).count() + ran.err().matches(what).count()
}

#[test]
fn without_any_commit_slot_what_lies_there_is_listed_again() {
    for stranger in [false, true] {
        let env = env();
        let before = snapshots(&env);
        lose(&env, &["commits"]);
        if stranger {
            forget_everything(&env);
        }
        let ran = env.run(["verify"]).expect(5);
        assert_eq!(told(&ran, "no commit slot lists it"), 3, "{ran}");
        // Nothing is visible, so nothing would be needed.
        let ran = env.run(["prune"]).expect(5);
        assert_eq!(told(&ran, "no commit slot at all"), 1, "{ran}");
        let ran = env.run(["heal", "-n"]).expect(0);
        assert_eq!(told(&ran, "would be listed again"), 3, "{ran}");
        assert_eq!(snapshots(&env), Vec::<String>::new());
        let ran = env.run(["heal"]).expect(0);
        assert_eq!(told(&ran, "listed again"), 3, "{ran}");
        assert_as_before(&env, &before);
    }
}

/// Of one slot alone the next entry of its device knows that it was there.
#[test]
fn r3_one_commit_slot_in_the_middle_is_missed_and_its_entry_listed_again() {
    let env = env();
    let before = snapshots(&env);
    let slots = fs::read_dir(env.path("one/commits")).unwrap();
    let mut slots: Vec<_> = slots.map(|slot| slot.unwrap().path()).collect();
    slots.sort_by_key(|slot| fs::metadata(slot).unwrap().modified().unwrap());
    fs::remove_file(&slots[1]).unwrap();
    forget_everything(&env);
    let ran = env.run(["verify"]).expect(5);
    assert_eq!(told(&ran, "no commit slot lists it"), 1, "{ran}");
    env.run(["prune"]).expect(5);
    let ran = env.run(["heal"]).expect(0);
    assert_eq!(told(&ran, "listed again"), 1, "{ran}");
    assert_as_before(&env, &before);
}

#[test]
fn entries_come_back_from_what_this_device_has_copies_of() {
    for lost in [&["entries"][..], &["entries", "commits"]] {
        let env = env();
        let before = snapshots(&env);
        lose(&env, lost);
        // Whatever looks at the mirror meanwhile, the copies stay.
        env.run(["snapshots"]).expect(0);
        let code = if lost.len() == 1 { 5 } else { 17 };
        env.run(["verify"]).expect(code);
        env.run(["prune"])
            .expect(if lost.len() == 1 { 5 } else { 17 });
        env.run(["heal", "-n"]).expect(0);
        assert_eq!(snapshots(&env), Vec::<String>::new());
        env.run(["heal"]).expect(0);
        assert_as_before(&env, &before);
    }
}

#[test]
fn what_no_entry_names_any_more_is_found_in_the_packs() {
    for lost in [
        &["entries"][..],
        &["entries", "commits"],
        &["entries", "index"],
    ] {
        let env = env();
        lose(&env, lost);
        forget_everything(&env);
        let slots = !lost.contains(&"commits");
        let ran = env.run(["heal"]).expect(if slots { 5 } else { 0 });
        assert_eq!(told(&ran, "--find-snapshots"), usize::from(slots), "{ran}");
        if !slots {
            let ran = env.run(["verify"]).expect(0);
            assert_eq!(told(&ran, "--find-snapshots"), 1, "{ran}");
        }
        let ran = env.run(["heal", "--find-snapshots", "-n"]).expect(0);
        assert_eq!(told(&ran, "could be listed again"), 3, "{ran}");
        assert_eq!(snapshots(&env), Vec::<String>::new());
        let ran = env.run(["heal", "--find-snapshots"]).expect(0);
        assert_eq!(told(&ran, "found again"), 3, "{ran}");
        assert_eq!(
            told(&ran, "3 entries that no mirror has given up"),
            usize::from(slots)
        );
        let found = snapshots(&env);
        assert_eq!(found.len(), 3);
        // Again there is nothing to find, and nothing is listed twice.
        let ran = env.run(["heal", "--find-snapshots"]).expect(0);
        assert_eq!(told(&ran, "found again:"), 0, "{ran}");
        assert_as_before(&env, &found);
    }
}

/// An interrupted run leaves trees that nothing names; they are no snapshot that was lost, and a heal adds none by itself.
#[test]
fn a_mirror_that_lacks_nothing_is_left_as_it_is() {
    let env = env();
    let before = snapshots(&env);
    let objects = crate::util::contents(&env.path("one/entries"));
    let ran = env.run(["heal"]).expect(0);
    assert_eq!(told(&ran, "nothing to heal"), 1, "{ran}");
    let ran = env.run(["heal", "--find-snapshots"]).expect(0);
    assert_eq!(told(&ran, "no snapshot lies in the packs"), 1, "{ran}");
    assert!(crate::util::contents(&env.path("one/entries")) == objects);
    assert_eq!(snapshots(&env), before);
}

#[test]
fn k8_key_slots_come_back_from_what_this_device_has_copies_of() {
    for mends in [&["heal"][..], &["backup", "docs"]] {
        let env = env();
        lose(&env, &["keys", "keys2"]);
        let ran = env.run(["snapshots"]).expect(5);
        assert_eq!(told(&ran, "no key slot lies there any more"), 1, "{ran}");
        let ran = env.run(["verify"]).expect(5);
        assert_eq!(told(&ran, "both of its copies are gone"), 2, "{ran}");
        let slots =
            |folder: &str| fs::read_dir(env.path("one").join(folder)).map_or(0, Iterator::count);
        assert_eq!(slots("keys"), 0);
        env.run(mends.iter().copied())
            .expect(if mends[0] == "heal" { 0 } else { 5 });
        assert_eq!((slots("keys"), slots("keys2")), (2, 2));
        forget_everything(&env);
        env.run(["verify"]).expect(0);
    }
    // Nobody has a copy: the words and one pack.
    let env = env();
    lose(&env, &["keys", "keys2"]);
    forget_everything(&env);
    env.run(["snapshots"]).expect(12);
}
