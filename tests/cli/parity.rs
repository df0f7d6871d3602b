//! Parity in folders: made by every backup, brought and removed by sync, and used by heal, with a secret and without.

use crate::util::TestEnv;
use std::fs;
use std::path::{Path, PathBuf};

/// A source of 1 MB, and its repository in one folder.
fn env() -> TestEnv {
    let env = TestEnv::new();
    for number in 0..10_u64 {
        env.write(
            &format!("photos/{number}"),
            &crate::world::noise(number, 100_000),
        );
    }
    env.run([
        "init",
        "usb=disk",
        "--key-file",
        ".config/heirloom/key",
        "--no-kit",
    ])
    .expect(0);
    env.run(["backup", "photos"]).expect(0);
    env
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(below(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn leaves(folder: &Path) -> Vec<String> {
    let leaf = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    below(folder).into_iter().map(leaf).collect()
}

fn spoil(path: &Path, pages: usize) {
    let mut bytes = fs::read(path).unwrap();
    for page in 0..pages {
        bytes[page * 4096 + 100] ^= 1;
    }
    fs::write(path, bytes).unwrap();
}

fn largest_pack(env: &TestEnv) -> PathBuf {
    let packs = below(&env.path("disk/packs"));
    let len = |path: &PathBuf| fs::metadata(path).unwrap().len();
    packs.into_iter().max_by_key(len).unwrap()
}

#[test]
fn a_folder_has_parity_from_the_first_backup_on() {
    let env = env();
    let mut objects = leaves(&env.path("disk/packs"));
    objects.extend(leaves(&env.path("disk/entries")));
    objects.sort();
    let mut parity = leaves(&env.path("disk/parity"));
    parity.sort();
    assert_eq!(parity, objects);
    env.run(["verify"]).expect(0);
    let ran = env.run(["mirror", "sync"]).expect(0);
    assert!(
        ran.out().contains("nothing was missing") && !ran.out().contains("parity"),
        "{ran}"
    );
    // The default repository too, which no heirloom.toml names.
    let env = TestEnv::with_repository();
    env.write("photos/one", b"one");
    env.run(["backup", "photos"]).expect(0);
    let count = |folder: &str| leaves(&env.repository().join(folder)).len();
    assert_eq!(count("parity"), count("packs") + count("entries"));
}

#[test]
fn heirloom_toml_says_how_much_and_sync_brings_it() {
    let env = env();
    let before = leaves(&env.path("disk/parity"));
    let text = fs::read_to_string(env.path(".config/heirloom/heirloom.toml")).unwrap();
    assert!(!text.contains("parity"));
    let set = |value: &str| {
        let text = format!("{text}parity = \"{value}\"\n");
        env.write(".config/heirloom/heirloom.toml", text.as_bytes());
    };
    set("0");
    let ran = env.run(["mirror", "sync"]).expect(0);
    assert!(
        ran.out().contains("usb  parity of 3 objects removed"),
        "{ran}"
    );
    assert!(leaves(&env.path("disk/parity")).is_empty());
    env.write("photos/more", b"more");
    env.run(["backup", "photos"]).expect(0);
    assert!(leaves(&env.path("disk/parity")).is_empty());
    env.run(["verify"]).expect(0);
    set("20%");
    let ran = env.run(["mirror", "list"]).expect(0);
    assert!(ran.out().contains("6 without parity"), "{ran}");
    let ran = env.run(["mirror", "sync"]).expect(0);
    assert!(
        ran.out().contains("usb  parity of 6 objects written, "),
        "{ran}"
    );
    assert!(
        before
            .iter()
            .all(|leaf| leaves(&env.path("disk/parity")).contains(leaf))
    );
    assert!(
        !env.run(["mirror", "list"])
            .expect(0)
            .out()
            .contains("without")
    );
    set("51%");
    let ran = env.run(["mirror", "list"]).expect(2);
    assert!(ran.err().contains("0 to 50 percent"), "{ran}");
}

#[test]
fn init_and_mirror_add_write_it_down() {
    let env = env();
    env.run(["mirror", "add", "two", "two", "--parity", "10"])
        .expect(0);
    let text = fs::read_to_string(env.path(".config/heirloom/heirloom.toml")).unwrap();
    assert!(text.contains("parity = \"10%\""), "{text}");
    let (one, two) = (
        below(&env.path("disk/parity")),
        below(&env.path("two/parity")),
    );
    assert_eq!(
        leaves(&env.path("two/parity")),
        leaves(&env.path("disk/parity"))
    );
    let len = |path: &PathBuf| fs::metadata(path).unwrap().len();
    assert!(one.iter().map(len).sum::<u64>() < two.iter().map(len).sum());
    env.run(["mirror", "add", "three", "three", "--parity", "51"])
        .expect(2);
    let env = TestEnv::new();
    let key = [
        "--key-file",
        ".config/heirloom/key",
        "--no-kit",
        "--parity",
        "0",
    ];
    env.run(["init", "disk"].into_iter().chain(key)).expect(2);
    env.run(["init", "usb=disk"].into_iter().chain(key))
        .expect(0);
    env.write("photos/one", b"one");
    env.run(["backup", "photos"]).expect(0);
    assert!(leaves(&env.path("disk/parity")).is_empty());
}

#[test]
fn heal_rebuilds_from_parity_with_a_secret_and_without() {
    let env = env();
    let (pack, entry) = (
        largest_pack(&env),
        below(&env.path("disk/entries"))[0].clone(),
    );
    let good = fs::read(&pack).unwrap();
    let most = good.len() / 4096 * 5 / 100;
    for no_key in [false, true] {
        spoil(&pack, most);
        spoil(&entry, 2);
        let ran = env.run(["verify"]).expect(5);
        assert!(ran.out().contains("heirloom heal"), "{ran}");
        let arguments: &[_] = if no_key {
            &["heal", "--no-key"]
        } else {
            &["heal"]
        };
        let dry = env.run(arguments.iter().copied().chain(["-n"])).expect(0);
        assert!(dry.out().contains("would be rebuilt from parity"), "{dry}");
        let ran = env.run(arguments.iter().copied()).expect(0);
        let told = ran.out();
        assert_eq!(
            told.matches("rebuilt from parity, read back: ok").count(),
            2,
            "{ran}"
        );
        assert!(fs::read(&pack).unwrap() == good);
        env.run(["verify"]).expect(0);
    }
    // An entry that is gone is in its parity as a whole.
    fs::remove_file(&entry).unwrap();
    let ran = env.run(["heal"]).expect(0);
    assert!(ran.out().contains("rebuilt from parity"), "{ran}");
    assert!(entry.exists());
}

#[test]
fn damaged_parity_is_found_and_made_again() {
    let env = env();
    let parity = below(&env.path("disk/parity"));
    spoil(&parity[0], 1);
    let ran = env.run(["verify"]).expect(5);
    assert!(ran.err().contains("! parity ID: read parity"), "{ran}");
    env.run(["verify", "--level", "structure"]).expect(0);
    env.run(["verify", "--no-key"]).expect(5);
    let ran = env.run(["heal"]).expect(0);
    assert!(
        ran.out()
            .contains("made again from its object, read back: ok"),
        "{ran}"
    );
    env.run(["verify", "--no-key"]).expect(0);
    let ran = env.run(["heal"]).expect(0);
    assert!(ran.out().contains("usb  nothing to heal"), "{ran}");
}

/// A mirror was away, and what it lacks the other one has lost: the new snapshot has its parity all the same, whoever leads.
#[test]
fn what_a_mirror_cannot_be_brought_keeps_no_parity_from_the_new_snapshot() {
    for spare in ["aside", "zip"] {
        let env = env();
        env.run(["mirror", "add", spare, &env.text(spare)])
            .expect(0);
        let (disk, drawer) = (env.path("disk"), env.path("drawer"));
        fs::rename(&disk, &drawer).unwrap();
        let packs = env.path(spare).join("packs");
        let before = below(&packs);
        env.write("photos/more", &crate::world::noise(50, 200_000));
        env.run(["backup", "photos"]).expect(4);
        fs::rename(&drawer, &disk).unwrap();
        for pack in below(&packs) {
            if !before.contains(&pack) {
                fs::remove_file(pack).unwrap();
            }
        }
        fs::remove_file(env.path("photos/more")).unwrap();
        env.write("photos/other", b"other");
        let ran = env.run(["backup", "photos"]).expect(5);
        let leads = ran
            .out()
            .contains("usb behind (a snapshot stays behind)      zip");
        assert_eq!(leads, spare == "zip", "{ran}");
        assert!(ran.out().contains("snapshot "), "{ran}");
        let count = |folder: &str| leaves(&disk.join(folder)).len();
        assert_eq!(count("parity"), count("packs") + count("entries"), "{ran}");
    }
}
