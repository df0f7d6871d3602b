//! What is saved comes back: all of it, where it is asked for, over what may stand there already.

use crate::world::{World, describe, make_fifo, noise, set_mtime};
use heirloom::compress::Level;
use heirloom::error::{Error, Kind};
use heirloom::monitor::{Collected, Counter, Monitor};
use heirloom::ops::restore::{Options, Overwrite};
use rustix::fs::XattrFlags;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
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
fn everything_comes_back() {
    let world = World::new();
    world.write("empty", b"");
    world.write("text", &b"all happy families are alike; ".repeat(3000));
    world.write(
        "again/text",
        &b"all happy families are alike; ".repeat(3000),
    );
    world.write("noise", &noise(1, 9 << 20));
    world.write("part", &noise(1, 3 << 20)[1 << 20..]);
    world.write("deep/er/and/deeper/file", b"x");
    fs::create_dir_all(world.source("nothing/in/here")).unwrap();
    let strange = world
        .source("")
        .join(OsStr::from_bytes(b"\xff\xfe line\nbreak \x1b[31m"));
    fs::write(&strange, b"named by bytes").unwrap();
    symlink("text", world.source("link")).unwrap();
    symlink("/nowhere/at/all", world.source("dangling")).unwrap();
    make_fifo(&world.source("pipe"));
    for (name, again) in [
        ("text", "z-text"),
        ("noise", "deep/noise"),
        ("link", "link-again"),
        ("empty", "empty-again"),
    ] {
        fs::hard_link(world.source(name), world.source(again)).unwrap();
    }
    let set = |path: &Path, name: &str, value: &[u8]| {
        rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
    };
    set(&world.source("part"), "user.short", b"value");
    set(&world.source("nothing"), "user.of-a-folder", b"");
    // More than a node holds, so it is a chunk; not every file system takes so much.
    let long = world.write("long-attribute", b"small");
    let _ = rustix::fs::lsetxattr(&long, "user.long", &[b'v'; 5000], XattrFlags::empty());
    chmod(&world.write("secret", b"s"), 0o000);
    chmod(&world.write("shut/in", b"s"), 0o640);
    chmod(&world.source("shut"), 0o500);
    set_mtime(&world.source("text"), 1_234_567_890, 987_654_321);
    set_mtime(&world.source("dangling"), -5, 1);
    set_mtime(&world.source("pipe"), 3, 3);
    set_mtime(&world.source("again"), 2_000_000_000, 999_999_999);
    set_mtime(&world.source("nothing/in"), 7, 7);
    let root = world.backup();
    let report = world.restore_whole(root);
    assert_eq!((report.files, report.others), (13, 4), "{report:?}");
    assert_eq!(report.folders, 9);
    let identical = world.restore_whole(root);
    assert_eq!((identical.files, identical.bytes), (0, 0), "{identical:?}");
}

#[test]
fn holes_stay_holes_and_zeros_become_some() {
    let world = World::new();
    let sparse = |name: &str, len: u64, at: &[u64]| {
        let file = fs::File::create(world.source(name)).unwrap();
        file.set_len(len).unwrap();
        for offset in at {
            file.write_all_at(&noise(*offset, 70_000), *offset).unwrap();
        }
    };
    sparse("begins", 10 << 20, &[5 << 20]);
    sparse("ends", 10 << 20, &[0]);
    sparse("only", 3 << 20, &[]);
    sparse("small", 200_000, &[]);
    sparse("huge", 1 << 40, &[1 << 30, 1 << 39]);
    world.write("zeros", &vec![0; 5 << 20]);
    let mut mixed = noise(9, 6 << 20);
    mixed[1 << 20..5 << 20].fill(0);
    world.write("mixed", &mixed);
    let root = world.backup();
    let options = world.options();
    let (report, problems) = world.restore(root, &options);
    assert_eq!(
        (problems, report.losses, report.not_applied),
        (vec![], vec![], vec![])
    );
    for name in ["begins", "ends", "only", "small", "zeros", "mixed"] {
        assert!(
            fs::read(world.source(name)).unwrap() == fs::read(world.target(name)).unwrap(),
            "{name}"
        );
    }
    for (name, most) in [
        ("begins", 200),
        ("ends", 200),
        ("only", 0),
        ("huge", 400),
        ("zeros", 0),
        ("mixed", 6000),
    ] {
        let blocks = fs::metadata(world.target(name)).unwrap().blocks();
        assert!(blocks <= most, "{name}: {blocks}");
    }
    let huge = fs::File::open(world.target("huge")).unwrap();
    let mut bytes = vec![0; 70_000];
    huge.read_exact_at(&mut bytes, 1 << 39).unwrap();
    assert!(bytes == noise(1 << 39, 70_000) && huge.metadata().unwrap().len() == 1 << 40);
}

#[test]
fn many_files_need_many_batches() {
    let world = World::new();
    for n in 0..9000 {
        world.write(
            &format!("{}/{}/{n}", n / 1000, n / 100),
            format!("file {n}").as_bytes(),
        );
    }
    for n in 0..300 {
        let (first, last) = (
            format!("{}/{}/{n}", n / 1000, n / 100),
            format!("8/89/link-{n}"),
        );
        fs::hard_link(world.source(&first), world.source(&last)).unwrap();
    }
    for folder in ["0", "8", "8/89", "3/31"] {
        set_mtime(&world.source(folder), 1_000_000_000, 5);
    }
    let root = world.backup();
    let report = world.restore_whole(root);
    assert_eq!(report.files, 9300);
}

#[test]
fn a_path_strips_what_is_above_it() {
    let world = World::new();
    world.write("a/b/file", b"1");
    world.write("a/other", b"2");
    let root = world.backup();
    let at = |path: &str, target: &str| Options {
        path: world.source(path).as_os_str().as_bytes().to_vec(),
        target: world.target(target),
        ..world.options()
    };
    world.restore(root, &at("a", "folder"));
    assert_eq!(names(&world.target("folder")), ["b", "other"]);
    world.restore(root, &at("a/b/file", "single"));
    assert_eq!(names(&world.target("single")), ["file"]);
    world.restore(
        root,
        &Options {
            path: Vec::new(),
            ..at("", "all")
        },
    );
    let whole = world
        .target("all")
        .join(world.source("a/b/file").strip_prefix("/").unwrap());
    assert_eq!(fs::read(whole).unwrap(), b"1");
    let missing = world.restore_heard(root, &at("a/none", "x"), &Collected::default());
    assert_eq!(missing.unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn include_and_exclude_choose() {
    let world = World::new();
    for file in [
        "a/1.jpg",
        "a/2.txt",
        "a/c/3.jpg",
        "b/4.txt",
        "docs/5.txt",
        "docs/6.tmp",
    ] {
        world.write(file, file.as_bytes());
    }
    set_mtime(&world.source("a/c"), 5, 5);
    let root = world.backup();
    let chosen = |target: &str, include: &[&str], exclude: &[&str]| {
        let texts = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        let options = Options {
            include: texts(include),
            exclude: texts(exclude),
            target: world.target(target),
            ..world.options()
        };
        world.restore(root, &options);
        let found = describe(&world.target(target));
        found
            .into_keys()
            .map(|path| String::from_utf8(path).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        chosen("1", &["*.jpg"], &[]),
        ["a", "a/1.jpg", "a/c", "a/c/3.jpg"]
    );
    assert_eq!(chosen("2", &["docs"], &["*.tmp"]), ["docs", "docs/5.txt"]);
    assert_eq!(chosen("3", &[], &["a", "docs"]), ["b", "b/4.txt"]);
    assert_eq!(chosen("4", &["none"], &[]), Vec::<String>::new());
    assert_eq!(
        chosen("5", &[world.source("b").to_str().unwrap()], &[]),
        ["b", "b/4.txt"]
    );
    assert_eq!(
        fs::metadata(world.target("1/a/c")).unwrap().mtime(),
        5,
        "a folder made for its content is dressed too"
    );
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

#[test]
fn a_dry_run_makes_nothing() {
    let world = World::new();
    world.write("a/file", b"12345");
    symlink("file", world.source("a/link")).unwrap();
    let root = world.backup();
    let (plan, _) = world.restore(
        root,
        &Options {
            dry_run: true,
            ..world.options()
        },
    );
    assert_eq!(
        (plan.files, plan.folders, plan.others, plan.bytes),
        (1, 1, 1, 5)
    );
    assert!(!world.target("").exists());
}

/// Asks to stop once so many bytes are counted.
struct StopAfter {
    left: AtomicU64,
    problems: Collected,
}

impl Monitor for StopAfter {
    fn phase(&self, _name: &'static str, _total: Option<u64>) {}

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

#[test]
fn what_is_unchanged_by_size_and_time_is_caught_by_reading_back() {
    for level in [Level::Off, Level::Fast] {
        let world = World::new();
        world.write("large", &noise(1, 3 << 20));
        world.write("small", b"small");
        let root = world.backup_with(level);
        let options = Options {
            verify: true,
            ..world.options()
        };
        let (report, problems) = world.restore(root, &options);
        assert_eq!((report.losses, problems), (vec![], vec![]));
        let stat = fs::metadata(world.target("large")).unwrap();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(world.target("large"))
            .unwrap();
        file.write_all_at(b"rot", 2 << 20).unwrap();
        set_mtime(&world.target("large"), stat.mtime(), stat.mtime_nsec());
        let (report, problems) = world.restore(root, &options);
        assert_eq!(
            (report.identical, problems.len(), report.losses.len()),
            (2, 1, 1)
        );
        let (start, len) = report.losses[0].ranges[0];
        assert!(start <= 2 << 20 && (2 << 20) + 3 <= start + len && len < 3 << 20);
    }
}
