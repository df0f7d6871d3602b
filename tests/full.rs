//! A full disk and a read-only one, by the real kernel: a small tmpfs, which needs root. Without root nothing is tested
//! here, and the test says so.

use crate::util::TestEnv;
use crate::world::{World, assert_same, noise};
use heirloom::compress::Level;
use heirloom::error::Kind;
use heirloom::mirror::scrub;
use heirloom::monitor::Collected;
use heirloom::ops::verify;
use heirloom::store::Store;
use heirloom::store::folder::FolderStore;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// A file system of its own, unmounted when it is dropped.
struct Disk {
    path: PathBuf,
    _keep: tempfile::TempDir,
}

impl Disk {
    /// `None`, and a word about it, where that is not allowed.
    fn new(bytes: u64) -> Option<Self> {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().canonicalize().unwrap();
        if mount(
            &[
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes},mode=700"),
                "heirloom-test",
            ],
            &path,
        ) {
            return Some(Self { path, _keep: keep });
        }
        #[expect(
            clippy::print_stdout,
            reason = "who reads the tests should know what was not tested"
        )]
        let () = println!("skipped: mounting a tmpfs needs root");
        None
    }

    fn remount(&self, options: &str) {
        assert!(
            mount(&["-o", &format!("remount,{options}")], &self.path),
            "remount with {options}"
        );
    }

    fn repository(&self) -> PathBuf {
        self.path.join("repository")
    }

    fn store(&self) -> Arc<dyn Store> {
        let root = self.repository();
        Arc::new(FolderStore::create(&root, "test").unwrap())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for options in [&[][..], &["-l"]] {
            let done = Command::new("umount")
                .args(options)
                .arg(&self.path)
                .status();
            if done.is_ok_and(|status| status.success()) {
                return;
            }
        }
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    let done = Command::new("mount").args(options).arg(at).output();
    done.is_ok_and(|output| output.status.success())
}

/// Every file on the disk, by path.
fn files(disk: &Disk) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![disk.path.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// What lies under a final name is whole, and nothing lies under another.
fn assert_whole(disk: &Disk, world: &World) {
    let found = scrub::run(&**world.repo().store(), 1, &Collected::default()).unwrap();
    assert!(
        found.damaged.is_empty() && found.strangers == 0,
        "{:?}",
        found.damaged
    );
    let left = fs::read_dir(disk.repository().join("tmp")).unwrap();
    assert_eq!(left.count(), 0, "nothing is left in tmp/");
}

#[test]
fn a_full_disk_ends_a_backup_and_what_was_sent_is_used_again() {
    let Some(disk) = Disk::new(36 * MIB) else {
        return;
    };
    let world = World::over(disk.store());
    for n in 0..5 {
        world.write(&format!("noise-{n}"), &noise(n, 8 << 20));
    }
    let run = |force| world.try_backup(Level::Off, force, &Collected::default());
    let error = run(false).unwrap_err();
    assert_eq!(error.kind(), Kind::Full, "{}", error.chain());
    assert!(
        error
            .hint_text()
            .is_some_and(|hint| hint.contains("make room")),
        "{}",
        error.chain()
    );
    assert_whole(&disk, &world);
    assert_eq!(world.snapshots(), []);
    // Still full: the same answer, and not one byte more.
    let before = files(&disk).into_keys().collect::<Vec<_>>();
    assert_eq!(run(false).unwrap_err().kind(), Kind::Full);
    assert!(before.iter().all(|path| path.exists()));
    disk.remount("size=80m");
    let report = run(false).unwrap();
    assert!(
        report.bytes_added < 16 * MIB,
        "sent again: {}",
        report.bytes_added
    );
    assert_whole(&disk, &world);
    let root = world.snapshots()[0].1;
    world.restore_whole(root);
}

/// Enough for an empty repository and little more.
const ROOM: u64 = 256 * KIB;

/// The disk grows by four pages at a time, so it is full at one write after the other.
#[test]
fn g14_a_disk_that_is_full_at_any_write_leaves_nothing_half_written() {
    let Some(disk) = Disk::new(ROOM) else {
        return;
    };
    let world = World::over(disk.store());
    world.write("noise", &noise(1, 300_000));
    world.write("text", &b"words, and more words; ".repeat(1000));
    let mut room = ROOM;
    let mut full = 0;
    let report = loop {
        match world.try_backup(Level::Fast, false, &Collected::default()) {
            Ok(report) => break report,
            Err(error) => assert_eq!(error.kind(), Kind::Full, "{}", error.chain()),
        }
        assert_whole(&disk, &world);
        assert_eq!(world.snapshots(), []);
        full += 1;
        room += 16 * KIB;
        assert!(room < MIB, "{:?}", files(&disk).keys().collect::<Vec<_>>());
        disk.remount(&format!("size={room}"));
    };
    assert!(full > 8 && report.snapshot.is_some(), "{full} times");
    assert_whole(&disk, &world);
    let root = world.snapshots()[0].1;
    world.restore_whole(root);
    assert!(world.verify(verify::Level::Content).unwrap().is_sound());
}

#[test]
fn a_full_disk_among_several_is_behind_alone() {
    let Some(disk) = Disk::new(96 * MIB) else {
        return;
    };
    let env = TestEnv::with_repository();
    let place = disk.repository();
    env.run(["mirror", "add", "usb", place.to_str().unwrap()])
        .expect(0);
    disk.remount("size=6m");
    env.write("d/big", &noise(1, 8 << 20));
    let ran = env.run(["backup", "d"]).expect(4);
    assert!(
        ran.stdout.contains("first current      usb behind ("),
        "{ran}"
    );
    assert!(ran.stdout.contains("No space left on device"), "{ran}");
    assert!(
        ran.stdout.contains("next: heirloom mirror sync usb"),
        "{ran}"
    );
    env.run(["-M", "first", "verify"]).expect(0);
    let alone = env.run(["-M", "usb", "backup", "d"]).expect(14);
    assert!(alone.stderr.contains("No space left on device"), "{alone}");
    assert!(alone.stderr.contains("hint: "), "{alone}");
    disk.remount("size=96m");
    env.run(["mirror", "sync"]).expect(0);
    env.run(["verify"]).expect(0);
}

#[test]
fn a_read_only_disk_is_said_to_be_one_and_can_be_read() {
    let Some(disk) = Disk::new(8 * MIB) else {
        return;
    };
    let world = World::over(disk.store());
    world.write("file", &noise(2, 100_000));
    let root = world.backup();
    let before = files(&disk);
    disk.remount("ro");
    world.write("more", b"what cannot be stored");
    let error = world
        .try_backup(Level::Fast, false, &Collected::default())
        .unwrap_err();
    assert!(
        error
            .hint_text()
            .is_some_and(|hint| hint.contains("read-only")),
        "{}",
        error.chain()
    );
    assert_eq!(files(&disk), before);
    fs::remove_file(world.source("more")).unwrap();
    let (report, problems) = world.restore(root, &world.options());
    assert_eq!((report.losses, problems), (vec![], vec![]));
    assert_eq!(fs::read(world.target("file")).unwrap(), noise(2, 100_000));
    assert!(world.verify(verify::Level::Content).unwrap().is_sound());
    disk.remount("rw");
    world.write("more", b"what can be stored again");
    world.backup();
}

#[test]
fn a_full_target_ends_a_restore_and_with_room_it_goes_on() {
    let Some(disk) = Disk::new(MIB) else { return };
    let world = World::new();
    for n in 0..30 {
        world.write(&format!("file-{n:02}"), &noise(n, 100_000));
    }
    let root = world.backup();
    let mut options = world.options();
    options.target = disk.path.join("target");
    let error = world
        .restore_heard(root, &options, &Collected::default())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Full, "{}", error.chain());
    assert!(error.hint_text().is_some(), "{}", error.chain());
    for (path, bytes) in files(&disk) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let whole = name.starts_with("file-") && !name.contains("incomplete");
        assert!(
            !whole || bytes == fs::read(world.source(&name)).unwrap(),
            "{name}"
        );
    }
    disk.remount("size=8m");
    let report = world
        .restore_heard(root, &options, &Collected::default())
        .unwrap();
    assert_eq!(
        (report.losses, report.files + report.identical),
        (vec![], 30)
    );
    assert_same(&world.source(""), &options.target);
}
