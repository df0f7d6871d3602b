//! The ledger: what was read back is not read again before its time, and heal knows what verify found.

use crate::util::{TestEnv, contents};
use crate::world::noise;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const CONFIG: &str = ".config/heirloom/heirloom.toml";

/// A repository called `first` with a few packs, and the same again in `usb`.
fn world() -> TestEnv {
    let env = TestEnv::with_repository();
    env.run(["mirror", "add", "usb", &env.text("usb")])
        .expect(0);
    for number in 1..4 {
        env.write(&format!("d/{number}"), &noise(number, 100_000));
        env.run(["backup", "d"]).expect(0);
    }
    env
}

fn records(mirror: &Path) -> Vec<PathBuf> {
    let records = contents(&mirror.join("ledger")).into_iter();
    records
        .map(|(path, _)| mirror.join("ledger").join(path))
        .collect()
}

/// Flips a bit in the largest pack of a mirror.
fn damage(mirror: &Path) -> PathBuf {
    let packs = contents(&mirror.join("packs")).into_iter();
    let (path, mut bytes) = packs.max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let path = mirror.join("packs").join(path);
    fs::write(&path, bytes).unwrap();
    path
}

/// What `mirror list --json` says of `usb`.
fn listed(env: &TestEnv, field: &str) -> String {
    let ran = env.run(["mirror", "list", "--json"]).expect(0);
    let events = ran.events();
    let mut mirrors = events.iter().filter(|event| event["event"] == "mirror");
    let usb = mirrors.find(|event| event["name"] == "usb").unwrap();
    usb[field].to_string()
}

fn due_bytes(env: &TestEnv, more: &[&str]) -> u64 {
    let all = [&["verify", "--due", "--json", "-M", "usb"], more].concat();
    let ran = env.run(all).expect(0);
    ran.field("summary", "packs").parse().unwrap()
}

#[test]
fn what_was_read_back_is_not_due() {
    let env = world();
    let list = env.run(["mirror", "list"]).expect(0);
    assert_eq!(list.out().matches("never read back").count(), 2, "{list}");
    assert_eq!(listed(&env, "oldest_read"), "null");
    env.run(["verify"]).expect(0);
    assert_eq!(records(&env.path("usb")).len(), 1);
    let list = env.run(["mirror", "list"]).expect(0);
    assert!(list.stdout.contains("  read back 1 min ago  "), "{list}");
    assert!(listed(&env, "oldest_read").starts_with("\"2"));
    let ran = env.run(["verify", "--due"]).expect(0);
    assert!(ran.stdout.contains("usb  nothing due; all "), "{ran}");
    assert_eq!(due_bytes(&env, &[]), 0);
    // What came since is due; then nothing is, and two records say it.
    env.write("d/9", &noise(9, 100_000));
    env.run(["backup", "d"]).expect(0);
    assert_eq!(due_bytes(&env, &[]), 2);
    assert_eq!(due_bytes(&env, &[]), 0);
    assert_eq!(records(&env.path("usb")).len(), 2);
    // A full reading stands for both.
    env.run(["verify"]).expect(0);
    assert_eq!(records(&env.path("usb")).len(), 1);
    // Another promise, for one mirror or for all.
    let text = fs::read_to_string(env.path(CONFIG)).unwrap();
    let usb = text.replace("[mirror.usb]\n", "[mirror.usb]\nverify_every = \"0s\"\n");
    std::thread::sleep(std::time::Duration::from_millis(3100));
    fs::write(env.path(CONFIG), usb).unwrap();
    let ran = env.run(["verify", "--due"]).expect(0);
    assert!(ran.stdout.contains("first  nothing due"), "{ran}");
    assert!(
        ran.stdout.contains("usb  ") && ran.stdout.contains("all good"),
        "{ran}"
    );
    fs::write(env.path(CONFIG), text + "[verify]\nevery = \"never\"\n").unwrap();
    let ran = env.run(["verify", "--due"]).expect(2);
    assert!(ran.stderr.contains("[verify] every"), "{ran}");
}

#[test]
fn a_budget_ends_the_reading_and_the_next_run_goes_on() {
    let env = world();
    let packs = contents(&env.path("usb/packs")).into_iter();
    let packs = packs.filter(|(_, bytes)| !bytes.is_empty()).count() as u64;
    let mut read = 0;
    let mut runs = 0;
    while read < packs {
        read += due_bytes(&env, &["--budget", "130K"]);
        runs += 1;
        assert!(runs < 20, "{read} of {packs}");
    }
    assert!(runs > 2, "{runs}");
    let ran = env.run(["verify", "-M", "usb", "--due"]).expect(0);
    assert!(!ran.stdout.contains("left"), "{ran}");
    let ran = env
        .run(["verify", "-M", "usb", "--read-data-subset", "1/400"])
        .expect(0);
    assert!(ran.stdout.contains("a night usb takes"), "{ran}");
    env.run(["verify", "--read-data"]).expect(0);
    env.run(["verify", "--budget", "20"]).expect(2);
    env.run(["verify", "--due", "--level", "structure"])
        .expect(2);
}

#[test]
fn heal_knows_what_verify_found() {
    let env = world();
    env.run(["verify"]).expect(0);
    let pack = damage(&env.path("usb"));
    // Nobody has looked since.
    assert!(
        env.run(["heal", "usb"])
            .expect(0)
            .out()
            .contains("usb  nothing to heal")
    );
    env.run(["verify"]).expect(5);
    let list = env.run(["mirror", "list"]).expect(0);
    assert!(list.stdout.contains("1 damaged"), "{list}");
    // Known damage is looked at again by every run.
    env.run(["verify", "--due"]).expect(5);
    let ran = env.run(["heal"]).expect(0);
    assert_eq!(ran.out().matches("read back: ok").count(), 1, "{ran}");
    assert!(!ran.stdout.contains("so everything was read"), "{ran}");
    assert_eq!(listed(&env, "damaged"), "0");
    // Another pack that has rotted since, nobody knows of: heal has not read it.
    let before = fs::read(&pack).unwrap();
    damage(&env.path("usb"));
    assert_ne!(fs::read(&pack).unwrap(), before);
    let ran = env.run(["heal"]).expect(0);
    assert_eq!(ran.out().matches("nothing to heal").count(), 2, "{ran}");
    let ran = env.run(["heal", "--all"]).expect(0);
    assert_eq!(ran.out().matches("read back: ok").count(), 1, "{ran}");
    assert_eq!(fs::read(&pack).unwrap(), before);
    env.run(["verify"]).expect(0);
    damage(&env.path("usb"));
    env.run(["verify", "--heal"]).expect(0);
    assert_eq!(fs::read(&pack).unwrap(), before);
    env.run(["verify"]).expect(0);
}

#[test]
fn where_nobody_has_verified_heal_reads_everything() {
    let env = world();
    let pack = damage(&env.path("usb"));
    let ran = env.run(["heal"]).expect(0);
    assert!(
        ran.stdout
            .contains("usb  no verify has run yet, so everything was read"),
        "{ran}"
    );
    assert_eq!(ran.out().matches("read back: ok").count(), 1, "{ran}");
    assert!(pack.exists());
    // And the ledger knows that it has.
    assert!(listed(&env, "oldest_read").starts_with("\"2"));
    let ran = env.run(["heal"]).expect(0);
    assert!(!ran.stdout.contains("so everything was read"), "{ran}");
    env.run(["verify"]).expect(0);
}

#[test]
fn what_heal_cannot_mend_is_named_as_files() {
    let env = world();
    let name = damage(&env.path("usb"));
    // More than its parity brings back.
    let len = fs::metadata(&name).unwrap().len();
    fs::write(&name, vec![0; usize::try_from(len).unwrap()]).unwrap();
    let name = name.strip_prefix(env.path("usb")).unwrap().to_owned();
    fs::copy(env.path("usb").join(&name), env.repository().join(&name)).unwrap();
    env.run(["verify"]).expect(5);
    let ran = env.run(["heal", "--json"]).expect(5);
    assert!(ran.field("loss", "path").contains("d/"), "{ran}");
    assert!(ran.field("loss", "snapshots").len() > 64, "{ran}");
}

#[test]
fn records_of_another_mirror_and_damaged_ones_say_nothing() {
    let env = world();
    env.run(["verify", "-M", "first"]).expect(0);
    let [record] = &records(&env.repository())[..] else {
        panic!("one record")
    };
    let copy = env.path("usb/ledger").join(record.file_name().unwrap());
    fs::create_dir_all(env.path("usb/ledger")).unwrap();
    fs::copy(record, &copy).unwrap();
    let list = env.run(["mirror", "list"]).expect(0);
    assert_eq!(list.out().matches("never read back").count(), 1, "{list}");
    let mut bytes = fs::read(record).unwrap();
    bytes[5000] ^= 1;
    fs::write(record, bytes).unwrap();
    let list = env.run(["mirror", "list"]).expect(0);
    assert_eq!(list.out().matches("never read back").count(), 2, "{list}");
    // It is damage all the same, and goes.
    env.run(["verify", "-M", "first"]).expect(5);
    env.run(["heal"]).expect(0);
    assert!(!record.exists());
    env.run(["verify"]).expect(0);
}

#[test]
fn a_mirror_that_cannot_be_written_is_verified_all_the_same() {
    let env = world();
    env.run(["verify"]).expect(0);
    let before = records(&env.path("usb"));
    env.run_bound(["verify", "--level", "stored"]).expect(0);
    let ledger = env.path("usb/ledger");
    fs::set_permissions(&ledger, fs::Permissions::from_mode(0o500)).unwrap();
    let ran = env.run_bound(["verify", "-v"]).expect(0);
    let told = ran.stdout.contains("usb: not entered in the ledger")
        || ran.stderr.contains("usb: not entered in the ledger");
    assert!(told, "{ran}");
    let ran = env.run_bound(["verify"]).expect(0);
    assert!(
        !ran.stderr.contains("ledger") && !ran.stdout.contains("ledger"),
        "{ran}"
    );
    assert!(records(&env.path("usb")).len() >= before.len());
    fs::set_permissions(&ledger, fs::Permissions::from_mode(0o700)).unwrap();
}
