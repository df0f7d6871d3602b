//! What is saved comes back: all of it, and only what was asked for.

use crate::world::{World, describe, make_fifo, noise, set_mtime};
use heirloom::compress::Level;
use heirloom::error::Kind;
use heirloom::monitor::Collected;
use heirloom::ops::restore::Options;
use rustix::fs::XattrFlags;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

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
    for n in 0..4500 {
        world.write(
            &format!("{}/{}/{n}", n / 1000, n / 100),
            format!("file {n}").as_bytes(),
        );
    }
    for n in 0..100 {
        let (first, last) = (
            format!("{}/{}/{n}", n / 1000, n / 100),
            format!("4/44/link-{n}"),
        );
        fs::hard_link(world.source(&first), world.source(&last)).unwrap();
    }
    for folder in ["0", "4", "4/44", "3/31"] {
        set_mtime(&world.source(folder), 1_000_000_000, 5);
    }
    let root = world.backup();
    let report = world.restore_whole(root);
    assert_eq!(report.files, 4600);
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
