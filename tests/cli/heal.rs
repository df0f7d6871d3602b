//! `heal` and `verify` over several mirrors: what one lost another gives back, and what is lost on all is named.

use crate::util::{TestEnv, contents};
use heirloom::crypto::hash::object_id;
use std::fs;
use std::path::{Path, PathBuf};

/// A source, its repository in two folders, `one` and `two`.
fn env() -> TestEnv {
    let env = TestEnv::new();
    let mut noise = 1_u32;
    for number in 0..40 {
        let bytes: Vec<u8> = (0..200_000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise.to_le_bytes()[3]
            })
            .collect();
        env.write(&format!("photos/{number}"), &bytes);
    }
    env.run([
        "init",
        "one",
        "--key-file",
        ".config/heirloom/key",
        "--no-kit",
    ])
    .expect(0);
    env.write(
        ".config/heirloom/heirloom.toml",
        b"mirror.one.location = \"~/one\"\n",
    );
    env.run(["mirror", "add", "two", "two"]).expect(0);
    env.run(["backup", "photos"]).expect(0);
    env.write("photos/more", b"in another pack");
    env.run(["backup", "photos"]).expect(0);
    env
}

/// Every pack of a mirror, the largest first.
fn packs(mirror: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(mirror.join("packs")).unwrap() {
        for pack in fs::read_dir(folder.unwrap().path()).unwrap() {
            found.push(pack.unwrap().path());
        }
    }
    found.sort_by_key(|pack| {
        (
            std::cmp::Reverse(fs::metadata(pack).unwrap().len()),
            pack.clone(),
        )
    });
    found
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// More than parity brings back.
fn ruin(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes.iter_mut().step_by(1000).for_each(|byte| *byte ^= 1);
    fs::write(path, bytes).unwrap();
}

#[test]
fn two_mirrors_mend_each_other() {
    let env = env();
    let (one, two) = (packs(&env.path("one")), packs(&env.path("two")));
    assert_eq!(one.len(), two.len());
    fs::remove_file(&one[0]).unwrap();
    flip(&two[1]);
    let ran = env.run(["verify"]).expect(5);
    assert!(
        ran.out()
            .contains("can be had whole from another mirror         next: heirloom heal"),
        "{ran}"
    );
    // A pack that is gone comes from elsewhere; of one with a bad sector its own mirror has enough.
    let ran = env.run(["heal", "-n"]).expect(0);
    for what in ["would be fetched from", "would be rebuilt from parity"] {
        assert_eq!(ran.out().matches(what).count(), 1, "{ran}");
    }
    assert!(!one[0].exists(), "a rehearsal wrote");
    let ran = env.run(["heal", "one"]).expect(0);
    assert!(
        ran.out().contains("read back: ok") && one[0].exists(),
        "{ran}"
    );
    env.run(["heal", "--no-key"]).expect(0);
    let ran = env.run(["verify"]).expect(0);
    assert!(
        ran.out().contains("everything is whole on every mirror"),
        "{ran}"
    );
    let left: Vec<_> = fs::read_dir(env.path("two/tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(
        env.run(["heal"])
            .expect(0)
            .out()
            .contains("one  nothing to heal")
    );
    env.run(["heal", "three"]).expect(2);
}

/// Nothing that is left on the mirror says that there ever were such packs.
#[test]
fn packs_that_went_with_their_index_run_come_back() {
    let env = env();
    let two = env.path("two");
    let before = contents(&two);
    for folder in ["packs", "index"] {
        fs::remove_dir_all(two.join(folder)).unwrap();
        fs::create_dir(two.join(folder)).unwrap();
    }
    let ran = env.run(["verify"]).expect(5);
    assert!(ran.out().contains("damaged or missing"), "{ran}");
    env.run(["heal"]).expect(0);
    let after = contents(&two);
    let stored = |all: &[(PathBuf, Vec<u8>)]| -> Vec<_> {
        let stored = all.iter().filter(|(path, _)| {
            ["packs", "index"]
                .iter()
                .any(|folder| path.components().any(|part| part.as_os_str() == *folder))
        });
        stored.cloned().collect()
    };
    assert!(stored(&before) == stored(&after) && !stored(&after).is_empty());
    env.run(["verify"]).expect(0);
    // Sync alone does the same, without being told that something is missing.
    fs::remove_dir_all(two.join("packs")).unwrap();
    fs::remove_dir_all(two.join("index")).unwrap();
    env.run(["mirror", "sync"]).expect(0);
    assert!(stored(&before) == stored(&contents(&two)));
}

#[test]
fn g20_what_is_lost_everywhere_is_named_and_sent_again() {
    let env = env();
    let lost = packs(&env.path("one")).remove(0);
    let name = lost.strip_prefix(env.path("one")).unwrap().to_owned();
    fs::remove_file(&lost).unwrap();
    ruin(&env.path("two").join(&name));
    fs::remove_dir_all(env.path(".cache")).unwrap();
    let ran = env.run(["verify"]).expect(5);
    assert!(ran.out().contains("lost on every mirror"), "{ran}");
    let ran = env.run(["heal"]).expect(5);
    assert!(ran.out().contains("1 pack is whole on no mirror"), "{ran}");
    // The files are still on this device: the next backup sends them again, though none has changed.
    let ran = env.run(["backup", "photos"]).expect(0);
    assert!(!ran.out().contains(" 0 B added"), "{ran}");
    let ran = env.run(["restore", "latest", "-t", "back"]).expect(0);
    let back = env
        .path("back")
        .join(env.path("photos").strip_prefix("/").unwrap());
    for number in 0..40 {
        let number = number.to_string();
        let (before, after) = (env.path("photos").join(&number), back.join(&number));
        assert!(
            fs::read(before).unwrap() == fs::read(after).unwrap(),
            "{number}\n{ran}"
        );
    }
    let again = env.run(["backup", "photos", "--json"]).expect(0);
    let added: u64 = again.field("summary", "bytes_added").parse().unwrap();
    assert!(added < 10_000, "sent once more: {again}");
}

#[test]
fn a_damaged_commit_slot_is_replaced_by_a_session_of_its_own() {
    let env = env();
    let slots: Vec<_> = fs::read_dir(env.path("one/commits")).unwrap().collect();
    for slot in slots {
        flip(&slot.unwrap().path());
    }
    fs::remove_dir_all(env.path(".cache")).unwrap();
    env.run(["verify", "-M", "one"]).expect(5);
    env.run(["heal"]).expect(0);
    env.run(["verify", "-M", "one"]).expect(0);
    let listed = env.run(["snapshots", "-M", "one", "--json"]).expect(0);
    assert_eq!(
        listed
            .events()
            .iter()
            .filter(|event| event["event"] == "snapshot")
            .count(),
        2
    );
}

#[test]
fn one_mirror_alone_keeps_what_a_damaged_slot_listed() {
    let env = env();
    env.run(["mirror", "remove", "two"]).expect(0);
    for slot in fs::read_dir(env.path("one/commits")).unwrap() {
        flip(&slot.unwrap().path());
    }
    fs::remove_dir_all(env.path(".cache")).unwrap();
    let listed = env.run(["snapshots", "--json"]);
    assert!(!listed.stdout.contains("\"snapshot\""), "{listed}");
    env.run(["heal"]).expect(0);
    let listed = env.run(["snapshots", "--json"]).expect(0);
    let snapshots = listed.events();
    let snapshots = snapshots
        .iter()
        .filter(|event| event["event"] == "snapshot");
    assert_eq!(snapshots.count(), 2, "{listed}");
    env.run(["verify"]).expect(0);
}

#[test]
fn what_a_loss_mark_names_is_not_taken_for_whole() {
    let env = env();
    env.run(["mirror", "remove", "two"]).expect(0);
    ruin(&packs(&env.path("one"))[0]);
    env.run(["verify"]).expect(5);
    env.run(["heal"]).expect(5);
    let ran = env.run(["verify"]).expect(5);
    assert!(ran.out().contains("lost: ~/photos  ~/photos/"), "{ran}");
    // What is still there comes back, and what the device still has is sent again.
    env.run(["restore", "latest", "-t", "back"]).expect(5);
    env.run(["backup", "photos"]).expect(0);
    fs::remove_dir_all(env.path("back")).unwrap();
    env.run(["restore", "latest", "-t", "back"]).expect(0);
}

#[test]
fn nothing_is_given_up_while_a_mirror_was_not_asked() {
    let env = env();
    let lost = packs(&env.path("one")).remove(0);
    ruin(&lost);
    env.run(["-M", "one", "verify"]).expect(5);
    let ran = env.run(["-M", "one", "heal"]).expect(5);
    assert!(
        ran.out().contains("that was asked, and two was not"),
        "{ran}"
    );
    assert!(fs::read_dir(env.path("one/marks")).is_ok_and(|mut marks| marks.next().is_none()));
    env.run(["heal"]).expect(0);
    env.run(["verify"]).expect(0);
}

/// Written so by a machine whose memory is bad: nobody has it otherwise, however many mirrors there are.
#[test]
fn a_pack_that_has_its_name_and_is_bad_inside_is_given_up_and_sent_again() {
    let env = env();
    for mirror in ["one", "two"] {
        let pack = packs(&env.path(mirror)).remove(0);
        flip(&pack);
        let name = object_id(&fs::read(&pack).unwrap()).to_hex();
        let folder = pack.parent().unwrap().parent().unwrap().join(&name[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::rename(&pack, folder.join(&name)).unwrap();
        fs::remove_dir_all(env.path(mirror).join("index")).unwrap();
        fs::remove_dir_all(env.path(mirror).join("parity")).unwrap();
    }
    fs::remove_dir_all(env.path(".cache")).unwrap();
    env.run(["verify"]).expect(5);
    let ran = env.run(["heal"]).expect(5);
    assert!(ran.out().contains("1 pack is whole on no mirror"), "{ran}");
    assert!(
        ran.out().contains("next: heirloom backup sends again"),
        "{ran}"
    );
    let ran = env.run(["backup", "photos"]).expect(0);
    assert!(!ran.out().contains(" 0 B added"), "{ran}");
    env.run(["restore", "latest", "-t", "back"]).expect(0);
    env.run(["heal"]).expect(0);
}

/// As a disk does whose file system is damaged there: what cannot be opened costs itself, and is mended like any other.
#[test]
fn an_object_that_cannot_even_be_opened_does_not_end_the_work() {
    let env = env();
    let pack = packs(&env.path("one")).remove(0);
    let entry = fs::read_dir(env.path("one/entries")).unwrap().next();
    for path in [&pack, &entry.unwrap().unwrap().path()] {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("nowhere", path).unwrap();
    }
    let ran = env.run(["verify", "-M", "one"]).expect(5);
    assert!(
        ran.out().contains("2 damaged or missing") || ran.out().contains("2 objects"),
        "{ran}"
    );
    env.run(["restore", "latest", "-t", "back"]).expect(0);
    env.run(["heal"]).expect(0);
    env.run(["verify"]).expect(0);
}

#[test]
fn an_index_run_that_nobody_has_is_made_again_and_that_is_all() {
    let env = env();
    env.run(["mirror", "remove", "two"]).expect(0);
    for (path, _) in contents(&env.path("one/index")) {
        ruin(&env.path("one/index").join(path));
    }
    fs::remove_dir_all(env.path("one/parity")).unwrap();
    env.run(["verify"]).expect(5);
    let ran = env.run(["heal"]).expect(0);
    assert!(ran.out().contains("is made again from the packs"), "{ran}");
    env.run(["backup", "photos"]).expect(0);
    env.run(["verify"]).expect(0);
    env.run(["restore", "latest", "-t", "back"]).expect(0);
}

#[test]
fn of_many_snapshots_that_share_a_loss_some_are_named_and_all_are_counted() {
    let env = env();
    env.run(["mirror", "remove", "two"]).expect(0);
    for number in 0..18 {
        env.write("photos/more", format!("{number}").as_bytes());
        env.run(["backup", "photos"]).expect(0);
    }
    ruin(&packs(&env.path("one"))[0]);
    fs::remove_dir_all(env.path("one/parity")).unwrap();
    let ran = env.run(["verify", "--json"]).expect(5);
    let losses = ran.events();
    let losses: Vec<_> = losses.iter().filter(|it| it["event"] == "loss").collect();
    assert!(!losses.is_empty(), "{ran}");
    for loss in losses {
        assert_eq!(loss["snapshots"].as_array().unwrap().len(), 16, "{loss}");
        assert_eq!(loss["more_snapshots"], 4, "{loss}");
    }
    let ran = env.run(["verify"]).expect(5);
    assert!(ran.out().contains(" in 20 snapshots"), "{ran}");
}
