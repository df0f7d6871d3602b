//! A restore over what stands there already, whoever put it there: the overwrite rules, deleting, going on.

use crate::world::{World, describe, noise, set_mtime};
use heirloom::error::{Error, Kind};
use heirloom::monitor::{Collected, Counter, Monitor};
use heirloom::ops::restore::{Options, Overwrite};
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn overwriting_follows_the_rule() {
    for (rule, same, newer, older) in [
        (Overwrite::Always, "snapshot", "snapshot", "snapshot"),
        (Overwrite::IfChanged, "tampered", "snapshot", "snapshot"),
        (Overwrite::IfNewer, "tampered", "tampered", "snapshot"),
        (Overwrite::Never, "tampered", "tampered", "tampered"),
    ] {
        let world = World::new();
        for name in ["same", "newer", "older", "missing"] {
            set_mtime(&world.write(name, b"snapshot"), 1_000_000, 7);
        }
        let root = world.backup();
        fs::create_dir(world.target("")).unwrap();
        for (name, seconds) in [
            ("same", 1_000_000),
            ("newer", 1_000_001),
            ("older", 999_999),
        ] {
            fs::write(world.target(name), b"tampered").unwrap();
            set_mtime(&world.target(name), seconds, 7);
        }
        let held = fs::File::open(world.target("older")).unwrap();
        let (report, problems) = world.restore(
            root,
            &Options {
                overwrite: rule,
                ..world.options()
            },
        );
        assert_eq!(
            (problems, &report.not_applied),
            (vec![], &vec![]),
            "{rule:?}"
        );
        for (name, expected) in [
            ("same", same),
            ("newer", newer),
            ("older", older),
            ("missing", "snapshot"),
        ] {
            assert_eq!(
                fs::read_to_string(world.target(name)).unwrap(),
                expected,
                "{rule:?} {name}"
            );
        }
        assert_eq!(
            report.files + report.identical + report.kept,
            4,
            "{report:?}"
        );
        let mut before = [0; 8];
        held.read_exact_at(&mut before, 0).unwrap();
        assert_eq!(
            &before, b"tampered",
            "whoever has the old file open keeps it"
        );
        assert_eq!(names(&world.target("")).len(), 4, "nothing is left over");
    }
}

#[test]
fn metadata_of_an_identical_file_is_mended() {
    let world = World::new();
    chmod(&world.write("file", b"1"), 0o640);
    let root = world.backup();
    world.restore_whole(root);
    chmod(&world.target("file"), 0o777);
    let inode = fs::metadata(world.target("file")).unwrap().ino();
    assert_eq!(world.restore_whole(root).identical, 1);
    assert_eq!(fs::metadata(world.target("file")).unwrap().ino(), inode);
}

#[test]
fn what_is_of_another_kind_gives_way() {
    let world = World::new();
    world.write("file", b"file");
    world.write("folder/inside", b"1");
    symlink("file", world.source("link")).unwrap();
    let root = world.backup();
    fs::create_dir_all(world.target("file")).unwrap();
    fs::write(world.target("folder"), b"in the way").unwrap();
    fs::write(world.target("link"), b"in the way").unwrap();
    world.restore_whole(root);
    // A folder that holds something is only removed when removing was asked for.
    fs::remove_file(world.target("file")).unwrap();
    fs::create_dir_all(world.target("file/full")).unwrap();
    let (report, _) = world.restore(root, &world.options());
    assert_eq!(report.not_applied.len(), 1, "{report:?}");
    assert!(world.target("file/full").is_dir());
    let (report, problems) = world.restore(
        root,
        &Options {
            delete: true,
            ..world.options()
        },
    );
    assert_eq!((problems, report.not_applied), (vec![], vec![]));
    world.assert_restored();
}

#[test]
fn deleting_removes_what_the_snapshot_does_not_have() {
    let world = World::new();
    world.write("a/kept", b"1");
    world.write("b/kept", b"1");
    let root = world.backup();
    world.restore_whole(root);
    for surplus in ["new/with/more", "a/0", "a/z", "b/x"] {
        fs::create_dir_all(world.target(surplus)).unwrap();
    }
    let (report, _) = world.restore(
        root,
        &Options {
            exclude: vec!["z".to_owned()],
            ..world.options()
        },
    );
    assert!(report.deleted == 0 && world.target("b/x").exists());
    let options = Options {
        delete: true,
        exclude: vec!["z".to_owned()],
        ..world.options()
    };
    let before = describe(&world.target(""));
    let (plan, _) = world.restore(
        root,
        &Options {
            dry_run: true,
            ..options.clone()
        },
    );
    assert_eq!(plan.to_delete, [&b"new"[..], b"a/0", b"b/x"]);
    assert_eq!((plan.identical, plan.files), (2, 0));
    assert_eq!(
        describe(&world.target("")),
        before,
        "a dry run touches nothing"
    );
    let (report, problems) = world.restore(root, &options);
    assert_eq!((report.deleted, problems), (3, vec![]));
    assert_eq!(
        names(&world.target("a")),
        ["kept", "z"],
        "what is excluded stays"
    );
    world.restore(
        root,
        &Options {
            delete: true,
            ..world.options()
        },
    );
    world.assert_restored();
}

/// Asks to stop once so many bytes are counted.
struct StopAfter {
    left: AtomicU64,
    problems: Collected,
}

impl Monitor for StopAfter {
    fn phase(&self, _name: &'static str, _total: Option<(Counter, u64)>) {}

    fn count(&self, what: Counter, n: u64) {
        if what == Counter::Bytes {
            let left = self.left.load(Ordering::Relaxed).saturating_sub(n);
            self.left.store(left, Ordering::Relaxed);
        }
    }

    fn problem(&self, problem: &Error) {
        self.problems.problem(problem);
    }

    fn interrupted(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn an_interrupted_restore_goes_on_where_it_was() {
    let world = World::new();
    for n in 0..2000 {
        world.write(&format!("{}/{n}", n / 100), &noise(n, 4000));
    }
    world.write("5/large", &noise(5000, 20 << 20));
    let root = world.backup();
    let mut runs = 0;
    for megabytes in 1.. {
        let monitor = StopAfter {
            left: AtomicU64::new(megabytes << 20),
            problems: Collected::default(),
        };
        runs += 1;
        match world.restore_heard(root, &world.options(), &monitor) {
            Ok(report) => {
                assert!(report.identical > 0);
                break;
            }
            Err(error) => assert_eq!(error.kind(), Kind::Interrupted),
        }
        let found = describe(&world.target(""));
        assert!(
            !found.keys().any(|path| path.ends_with(b".part")),
            "{:?}",
            found.keys()
        );
        let large = fs::metadata(world.target("5/large"));
        assert!(large.is_err() || large.unwrap().len() == 20 << 20);
    }
    assert!(runs > 2, "{runs}");
    world.assert_restored();
}

#[test]
fn leftovers_of_a_killed_restore_are_replaced() {
    let world = World::new();
    world.write("large", &noise(1, 6 << 20));
    let root = world.backup();
    fs::create_dir(world.target("")).unwrap();
    let mark = heirloom::crypto::hash::object_id(b"large").to_hex();
    fs::write(
        world.target(&format!(".heirloom-{}.part", &mark[..16])),
        b"half",
    )
    .unwrap();
    world.restore_whole(root);
}

#[test]
fn planted_links_lead_nowhere() {
    let world = World::new();
    world.write("folder/file", b"mine");
    world.write("large", &noise(1, 5 << 20));
    let root = world.backup();
    for rule in [
        Overwrite::Always,
        Overwrite::IfChanged,
        Overwrite::IfNewer,
        Overwrite::Never,
    ] {
        let outside = world.outside("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), b"theirs").unwrap();
        fs::create_dir(world.target("")).unwrap();
        symlink(&outside, world.target("folder")).unwrap();
        symlink(outside.join("file"), world.target("large")).unwrap();
        world.restore(
            root,
            &Options {
                overwrite: rule,
                delete: true,
                ..world.options()
            },
        );
        assert_eq!(names(&outside), ["file"], "{rule:?}");
        assert_eq!(
            fs::read(outside.join("file")).unwrap(),
            b"theirs",
            "{rule:?}"
        );
        let replaced = matches!(rule, Overwrite::Always | Overwrite::IfChanged);
        assert!(
            !replaced
                || fs::symlink_metadata(world.target("folder"))
                    .unwrap()
                    .is_dir()
        );
        fs::remove_dir_all(&outside).unwrap();
        fs::remove_dir_all(world.target("")).unwrap();
    }
}

#[test]
fn someone_elses_folder_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::new();
    world.write("file", b"1");
    let root = world.backup();
    fs::create_dir(world.target("")).unwrap();
    fs::write(world.target("theirs"), b"").unwrap();
    std::os::unix::fs::chown(world.target(""), Some(12_345), None).unwrap();
    let refused = world.restore_heard(root, &world.options(), &Collected::default());
    assert_eq!(refused.unwrap_err().kind(), Kind::Refused);
    let (report, _) = world.restore(
        root,
        &Options {
            privileged: true,
            ..world.options()
        },
    );
    assert_eq!(report.files, 1);
}
