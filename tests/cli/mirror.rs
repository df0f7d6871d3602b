//! `mirror`: places are added, listed, tried out, synced and forgotten; every other verb works on all of them at once.

use crate::util::{TestEnv, contents};
use crate::world::noise;
use heirloom::format::ObjectKind;
use heirloom::format::header::BoxHeader;
use heirloom::limits::PAGE;
use std::fs;
use std::path::{Path, PathBuf};

const CONFIG: &str = ".config/heirloom/heirloom.toml";

/// A repository in its default place, called `first`, and a second mirror in a folder, called `usb`.
fn world() -> TestEnv {
    let env = TestEnv::with_repository();
    env.write("d/big", &noise(1, 200_000));
    env.run(["mirror", "add", "usb", &env.text("usb")])
        .expect(0);
    env
}

fn backup(env: &TestEnv, number: u64) {
    change(env, number);
    env.run(["backup", "d"]).expect(0);
}

fn change(env: &TestEnv, number: u64) {
    env.write(&format!("d/{number}"), &noise(number, 50_000));
}

fn rename(env: &TestEnv, from: &str, to: &str) {
    fs::rename(env.path(from), env.path(to)).unwrap();
}

/// Packs below a mirror, newest last where a test makes one at a time; those of data.
fn data_packs(mirror: &Path) -> Vec<PathBuf> {
    let packs = contents(&mirror.join("packs")).into_iter();
    let packs = packs.filter(|(_, bytes)| {
        let header = bytes
            .get(..PAGE)
            .and_then(|page| BoxHeader::decode(page).ok());
        header.is_some_and(|header| header.kind == ObjectKind::DataPack)
    });
    packs
        .map(|(path, _)| mirror.join("packs").join(path))
        .collect()
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn set_config(env: &TestEnv, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(env.path(CONFIG)).unwrap();
    fs::write(env.path(CONFIG), change(text)).unwrap();
}

#[test]
fn an_added_mirror_is_written_down_and_brought_everything() {
    let env = TestEnv::with_repository();
    let ran = env
        .run(["mirror", "add", "usb", &env.text("usb"), "--site", "home"])
        .expect(0);
    for line in [
        "put-if-absent yes · read after write yes · listing complete yes",
        "usb is current after TIME: 1 snapshot, ",
    ] {
        assert!(ran.out().contains(line), "{line}\n{ran}");
    }
    assert!(
        ran.out().contains("! usb and ") && ran.out().contains("disk"),
        "{ran}"
    );
    let text = fs::read_to_string(env.path(CONFIG)).unwrap();
    let usb = format!(
        "\n[mirror.usb]\nlocation = \"{}\"\nsite = \"home\"\n",
        env.text("usb")
    );
    assert!(
        text.contains(&usb) && text.contains("[mirror.first]"),
        "{text}"
    );
    let again = env
        .run(["mirror", "add", "usb", &env.text("other")])
        .expect(2);
    assert!(
        again.err().contains("there is a mirror usb already"),
        "{again}"
    );
    env.run(["mirror", "add", "a b", &env.text("other")])
        .expect(2);
    assert!(!env.path("other").exists());
    let packs = |mirror: PathBuf| contents(&mirror.join("packs"));
    assert!(packs(env.path("usb")) == packs(env.repository()));
    env.write("d/file", b"content");
    let saved = env.run(["backup", "d"]).expect(0);
    assert!(
        saved.out().contains("first current      usb current\n"),
        "{saved}"
    );
    assert!(packs(env.path("usb")) == packs(env.repository()));
}

#[test]
fn a_mirror_that_is_away_is_behind_and_a_sync_brings_it_back() {
    let env = world();
    backup(&env, 2);
    rename(&env, "usb", "drawer");
    change(&env, 3);
    let ran = env.run(["backup", "d"]).expect(4);
    assert!(
        ran.out().contains("first current      usb behind ("),
        "{ran}"
    );
    assert!(
        ran.out().ends_with("next: heirloom mirror sync usb\n"),
        "{ran}"
    );
    assert!(
        !env.path("usb").exists(),
        "nothing is made where a disk is not mounted"
    );
    let listed = env.run(["mirror", "list"]).expect(4);
    assert!(listed.out().contains("first  current  "), "{listed}");
    assert!(listed.out().contains("usb  not there ("), "{listed}");
    assert!(
        listed.out().contains("next: heirloom mirror sync usb\n"),
        "{listed}"
    );
    env.run(["mirror", "sync", "usb"]).expect(4);
    // An empty folder is a disk that is not mounted, and no mirror to be filled.
    fs::create_dir(env.path("usb")).unwrap();
    env.run(["backup", "d"]).expect(4);
    assert_eq!(contents(&env.path("usb")), []);
    fs::remove_dir(env.path("usb")).unwrap();
    rename(&env, "drawer", "usb");
    let listed = env.run(["mirror", "list"]).expect(4);
    assert!(
        listed.out().contains("usb  behind by 2 snapshots  "),
        "{listed}"
    );
    let synced = env.run(["mirror", "sync", "usb"]).expect(0);
    assert!(
        synced
            .out()
            .contains("usb is current after TIME: 2 snapshots, "),
        "{synced}"
    );
    let synced = env.run(["mirror", "sync"]).expect(0);
    for line in [
        "first is current, nothing was missing",
        "usb is current, nothing was missing",
    ] {
        assert!(synced.out().contains(line), "{synced}");
    }
    let verified = env.run(["verify"]).expect(0);
    assert_eq!(
        verified.out().matches(": every object is whole").count(),
        2,
        "{verified}"
    );
    assert!(
        verified
            .stdout
            .ends_with("everything is whole on every mirror\n"),
        "{verified}"
    );
}

#[test]
fn a_removable_mirror_may_be_away_for_its_time() {
    let env = world();
    backup(&env, 2);
    let usb = format!("[mirror.usb]\nlocation = \"{}\"\n", env.text("usb"));
    set_config(&env, |text| {
        text.replace(&usb, &format!("{usb}removable = true\nmax_age = \"14d\"\n"))
    });
    rename(&env, "usb", "drawer");
    change(&env, 3);
    let ran = env.run(["backup", "d"]).expect(0);
    assert!(ran.out().contains("usb not connected, current "), "{ran}");
    set_config(&env, |text| text.replace("14d", "fortnight"));
    let ran = env.run(["backup", "d"]).expect(2);
    assert!(ran.err().contains("fortnight"), "{ran}");
}

/// Name, state and, where it is known, how many snapshots behind, of each mirror that a run tells of.
fn states(env: &TestEnv, arguments: &[&str], code: i32) -> Vec<(String, String, Option<u64>)> {
    let arguments = ["--json"].iter().chain(arguments);
    let ran = env.run(arguments.copied()).expect(code);
    let mirrors = ran.events().into_iter();
    let mirrors = mirrors.filter(|event| event["event"] == "mirror");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let state = |event: serde_json::Value| {
        let behind = event["snapshots_behind"].as_u64();
        (text(&event["name"]), text(&event["state"]), behind)
    };
    mirrors.map(state).collect()
}

#[test]
fn machines_are_told_the_state_of_each_mirror() {
    let env = world();
    let told = |name: &str, state: &str, behind| (name.to_owned(), state.to_owned(), behind);
    let both = |state, behind| {
        [
            told("first", "current", Some(0)),
            told("usb", state, behind),
        ]
    };
    change(&env, 2);
    assert_eq!(
        states(&env, &["backup", "d"], 0),
        [told("first", "current", None), told("usb", "current", None)]
    );
    rename(&env, "usb", "drawer");
    change(&env, 3);
    assert_eq!(
        states(&env, &["backup", "d"], 4),
        [
            told("first", "current", None),
            told("usb", "unreachable", None)
        ]
    );
    assert_eq!(
        states(&env, &["mirror", "list"], 4),
        both("unreachable", None)
    );
    assert_eq!(
        states(&env, &["mirror", "sync"], 4),
        both("unreachable", None)
    );
    rename(&env, "drawer", "usb");
    let list = ["mirror", "list"];
    assert_eq!(states(&env, &list, 4), both("behind", Some(1)));
    let ran = env.run(["--json", "mirror", "list"]).expect(4);
    assert!(
        ran.events()
            .iter()
            .filter(|event| event["event"] == "mirror")
            .all(|event| event["newest"].as_str().unwrap().ends_with('Z'))
    );
    assert_eq!(
        states(&env, &["mirror", "sync"], 0),
        both("current", Some(0))
    );
    assert_eq!(states(&env, &list, 0), both("current", Some(0)));
}

#[test]
fn a_mirror_is_tried_out_and_nothing_stays_behind() {
    let env = world();
    let before = contents(&env.path("usb"));
    let ran = env.run(["mirror", "test", "usb"]).expect(0);
    assert!(ran.out().contains("put-if-absent yes · "), "{ran}");
    assert!(contents(&env.path("usb")) == before);
    let ran = env.run(["mirror", "test", "nas"]).expect(2);
    assert!(ran.err().contains("no mirror is called nas"), "{ran}");
    assert!(ran.err().contains("there are first, usb"), "{ran}");
}

#[test]
fn what_it_alone_holds_keeps_a_mirror_from_being_forgotten() {
    let env = world();
    change(&env, 2);
    env.run(["backup", "d", "-M", "usb"]).expect(0);
    let ran = env.run(["mirror", "remove", "usb"]).expect(16);
    assert!(ran.err().contains("usb alone holds 1 snapshot"), "{ran}");
    env.run(["mirror", "sync", "first"]).expect(0);
    env.run(["mirror", "remove", "usb"]).expect(0);
    assert!(
        !fs::read_to_string(env.path(CONFIG))
            .unwrap()
            .contains("usb")
    );
    assert!(env.path("usb/mirror").exists(), "nothing is deleted there");
    env.run(["mirror", "remove", "usb"]).expect(2);
    env.run(["mirror", "add", "usb", &env.text("usb")])
        .expect(0);
    rename(&env, "usb", "drawer");
    let ran = env.run(["mirror", "remove", "usb"]).expect(16);
    assert!(ran.err().contains("nobody can tell"), "{ran}");
    env.run(["mirror", "remove", "usb", "--abandon"]).expect(0);
    env.run(["backup", "d"]).expect(0);
}

#[test]
fn mirrors_are_named_by_flags_by_the_environment_or_one_by_one() {
    let mut env = world();
    let (first, usb) = (env.repository(), env.text("usb"));
    let first = first.to_str().unwrap().to_owned();
    change(&env, 2);
    let ran = env.run(["backup", "d", "-r", &first, "-r", &usb]).expect(0);
    assert_eq!(ran.out().matches(" current").count(), 2, "{ran}");
    change(&env, 3);
    let ran = env.run(["backup", "d", "-M", "usb"]).expect(0);
    assert!(!ran.out().contains("first"), "{ran}");
    env.run(["backup", "d", "-M", "nas"]).expect(2);
    env.run(["backup", "d", "-M", "usb", "-r", &first])
        .expect(2);
    let count = |env: &TestEnv, more: &[&str]| {
        let ran = env.run([&["snapshots", "--json"], more].concat());
        let found = ran.events().into_iter();
        found.filter(|event| event["event"] == "snapshot").count()
    };
    assert_eq!(count(&env, &["-M", "first"]), 2);
    assert_eq!(count(&env, &["-M", "usb"]), 3);
    assert_eq!(count(&env, &[]), 3, "all of them together");
    fs::remove_file(env.path(CONFIG)).unwrap();
    assert_eq!(count(&env, &[]), 2);
    env.set("HEIRLOOM_REPO", &format!("{first}, {usb}"));
    assert_eq!(count(&env, &[]), 3);
    env.run(["mirror", "sync"]).expect(0);
    assert_eq!(count(&env, &["-r", &first]), 3);
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_its_line() {
    let env = world();
    set_config(&env, |text| format!("{text}removeable = true\n"));
    let line = fs::read_to_string(env.path(CONFIG))
        .unwrap()
        .lines()
        .count();
    let ran = env.run(["backup", "d"]).expect(2);
    assert!(ran.err().contains(&format!("line {line}")), "{ran}");
    assert!(ran.err().contains("removeable"), "{ran}");
}

#[test]
fn a_folder_that_holds_something_else_now_is_left_alone() {
    let env = world();
    backup(&env, 2);
    let other = TestEnv::with_repository();
    rename(&env, "usb", "drawer");
    // Another repository.
    fs::rename(other.repository(), env.path("usb")).unwrap();
    let before = contents(&env.path("usb"));
    change(&env, 3);
    let ran = env.run(["backup", "d"]).expect(4);
    assert!(
        ran.out().contains("usb behind (") && ran.out().contains("holds repository"),
        "{ran}"
    );
    assert!(contents(&env.path("usb")) == before);
    fs::rename(env.path("usb"), other.repository()).unwrap();
    // Another mirror of the same one.
    env.run(["mirror", "add", "nas", &env.text("nas")])
        .expect(0);
    env.run(["mirror", "remove", "nas"]).expect(0);
    rename(&env, "nas", "usb");
    let before = contents(&env.path("usb"));
    let ran = env.run(["backup", "d"]).expect(4);
    assert!(
        ran.out()
            .contains("is another mirror than the one added as usb"),
        "{ran}"
    );
    assert!(contents(&env.path("usb")) == before);
}

#[test]
fn mirrors_that_are_damaged_differently_give_everything_back_together() {
    let env = world();
    for number in 2..5 {
        backup(&env, number);
    }
    let names = data_packs(&env.path("usb"));
    assert!(names.len() >= 4, "{names:?}");
    for (number, pack) in names.iter().enumerate() {
        let below = pack.strip_prefix(env.path("usb")).unwrap();
        match number % 2 {
            0 => damage(pack),
            _ => damage(&env.repository().join(below)),
        }
    }
    let latest = format!("latest:{}", env.text("d"));
    let source = env.text("d");
    let restore = ["restore", &latest, "--source", &source, "-t"];
    env.run([&restore[..], &["one", "-M", "usb"]].concat())
        .expect(5);
    env.run([&restore[..], &["back"]].concat()).expect(0);
    assert!(contents(&env.path("back")) == contents(&env.path("d")));
    let verified = env.run(["verify"]).expect(5);
    let both = verified.out().matches("damaged or missing\n").count();
    assert_eq!(both, 2, "{verified}");
    assert!(
        verified
            .out()
            .contains("can be had whole from another mirror         next: heirloom heal"),
        "{verified}"
    );
    let without = env.run(["verify", "--no-key"]).expect(5);
    assert!(
        without.out().contains("usb") || without.err().contains("usb"),
        "{without}"
    );
}

#[test]
fn r1_a_mirror_put_back_in_time_ends_with_its_own_code() {
    let env = world();
    let copy = |from: &str, to: &str| {
        let (from, to) = (env.path(from), env.path(to));
        let status = std::process::Command::new("cp")
            .arg("-aT")
            .args([from, to])
            .status();
        assert!(status.unwrap().success());
    };
    copy("usb", "kept");
    backup(&env, 2);
    fs::remove_dir_all(env.path("usb")).unwrap();
    copy("kept", "usb");
    change(&env, 3);
    let ran = env.run(["backup", "d"]).expect(17);
    assert!(
        ran.out()
            .contains("first current      usb shows an older state"),
        "{ran}"
    );
    assert!(contents(&env.path("usb")) == contents(&env.path("kept")));
    let ran = env.run(["mirror", "list"]).expect(17);
    assert!(ran.out().contains("usb  shows an older state"), "{ran}");
    let ran = env.run(["mirror", "sync"]).expect(17);
    assert!(ran.err().contains("--accept-rollback"), "{ran}");
    env.run(["mirror", "sync", "--accept-rollback"]).expect(0);
    backup(&env, 4);
    env.run(["mirror", "list"]).expect(0);
    env.run(["verify"]).expect(0);
}

#[test]
fn a_lost_marker_is_put_back_where_it_was_the_only_one_too() {
    let env = TestEnv::new();
    env.write("source/letter", b"dear all");
    let key = ["--key-file", ".config/heirloom/key", "--no-kit"];
    env.run(["init", "one"].into_iter().chain(key)).expect(0);
    env.write(
        ".config/heirloom/heirloom.toml",
        b"[mirror.one]\nlocation = \"~/one\"\n",
    );
    env.run(["backup", "source"]).expect(0);
    std::fs::remove_file(env.path("one/mirror")).unwrap();
    let ran = env.run(["backup", "source"]).expect(16);
    assert!(ran.to_string().contains("mirror add"), "{ran}");
    env.run(["restore", "latest", "-t", "back"]);
    // Opening it has met damage; the next one meets none.
    env.run(["mirror", "add", "one"]).expect(5);
    env.run(["backup", "source"]).expect(0);
    env.run(["verify"]).expect(0);
}
