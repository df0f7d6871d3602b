//! What every source must do: order, what is left out, and what cannot be read.

#![expect(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by panicking"
)]

use heirloom::source::exclude::{Rules, Wishes};
use heirloom::source::files::Files;
use heirloom::source::{ItemKind, Source, Step};
use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The steps below `base` as text: `+name/`, `name`, `-` and `!name`; those above it only as signs.
fn walked(files: &mut Files, base: &Path) -> String {
    let cut = base.as_os_str().len();
    let mut told = Vec::new();
    let name =
        |path: &[u8]| String::from_utf8_lossy(path.get(cut + 1..).unwrap_or(b"^")).into_owned();
    while let Some(step) = files.next().expect("the source as a whole works") {
        told.push(match step {
            Step::Enter(item) => {
                assert_eq!(item.stat.kind, ItemKind::Folder);
                format!("+{}", name(&item.path))
            }
            Step::Item(item) => {
                assert!(item.path.ends_with(&item.name) && !item.name.is_empty());
                name(&item.path)
            }
            Step::Leave => "-".to_owned(),
            Step::Unreadable(path, _) => format!("!{}", name(&path)),
        });
    }
    let above = told.iter().filter(|step| *step == "+^").count();
    let told = told[above..told.len() - above].join(" ");
    assert!(!told.contains('^'), "{told}");
    told
}

fn walk(base: &Path, roots: &[&str], wishes: &Wishes) -> String {
    let roots: Vec<PathBuf> = roots.iter().map(|root| base.join(root)).collect();
    walked(
        &mut Files::new(roots, Rules::new(wishes).unwrap(), false),
        base,
    )
}

fn base() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

fn make(base: &Path, files: &[&str]) {
    for file in files {
        let path = base.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
}

#[test]
fn siblings_ascend_by_bytes_and_folders_close() {
    let (_keep, base) = base();
    make(&base, &["r/b", "r/a-b", "r/a/z", "r/a/y/x", "r/B"]);
    symlink("/nowhere", base.join("r/link")).unwrap();
    fs::write(base.join(OsStr::from_bytes(b"r/\xff")), b"").unwrap();
    assert_eq!(
        walk(&base, &["r"], &Wishes::default()),
        "+r r/B +r/a +r/a/y r/a/y/x - r/a/z - r/a-b r/b r/link r/\u{fffd} -"
    );
}

#[test]
fn only_what_leads_to_the_roots_is_seen_above_them() {
    let (_keep, base) = base();
    make(
        &base,
        &["p/q/r/file", "p/q/s/file", "p/q-z/one", "p/other", "lone"],
    );
    assert_eq!(
        walk(
            &base,
            &["p/q/r", "lone", "p/q-z/one", "p/q/r/file"],
            &Wishes::default()
        ),
        "lone +p +p/q +p/q/r p/q/r/file - - +p/q-z p/q-z/one - -"
    );
    assert_eq!(
        walk(
            &base,
            &["p/none", "none/at/all", "lone/x"],
            &Wishes::default()
        ),
        "!lone !none +p !p/none -",
        "a root that is not there is told"
    );
    let mut files = Files::new(vec!["/".into()], Rules::default(), true);
    match files.next().unwrap() {
        Some(Step::Enter(item)) => {
            assert_eq!((&item.path[..], &item.name[..]), (&b"/"[..], &b""[..]))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_left_out_is_counted_by_its_rule() {
    let (_keep, base) = base();
    make(
        &base,
        &["r/a.o", "r/deep/b.o", "r/deep/keep.o", "r/out/x/y", "r/src"],
    );
    make(
        &base,
        &[
            "r/cache/blob",
            "r/fake/blob",
            "r/fake/CACHEDIR.TAG",
            "r/skip/a",
            "r/skip/.no",
        ],
    );
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test";
    fs::write(base.join("r/cache/CACHEDIR.TAG"), tag).unwrap();
    fs::write(base.join("r/large"), vec![0; 2000]).unwrap();
    let wishes = Wishes {
        globs: vec![
            "*.o".into(),
            "!keep.o".into(),
            format!("{}/r/out", base.display()),
        ],
        globs_any_case: vec!["SRC".into()],
        caches: true,
        if_present: vec![".no:r/skip".into()],
        larger_than: Some(1000),
        ..Wishes::default()
    };
    let mut files = Files::new(vec![base.join("r")], Rules::new(&wishes).unwrap(), false);
    assert_eq!(
        walked(&mut files, &base),
        "+r +r/cache r/cache/CACHEDIR.TAG - +r/deep r/deep/keep.o - \
         +r/fake r/fake/CACHEDIR.TAG r/fake/blob - +r/skip r/skip/.no - -"
    );
    let told: Vec<(String, u64)> = files.left_out();
    let counts: Vec<u64> = told.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [2, 1, 1, 1, 1, 1], "{told:?}");
    assert_eq!(told[0].0, "*.o");
}

#[test]
fn an_unreadable_folder_is_entered_and_told_and_the_walk_goes_on() {
    let (_keep, base) = base();
    make(&base, &["r/a/x", "r/b/x", "r/c/x"]);
    let closed = base.join("r/b");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let expected = if rustix::process::geteuid().is_root() {
        "+r +r/a r/a/x - +r/b r/b/x - +r/c r/c/x - -"
    } else {
        "+r +r/a r/a/x - +r/b !r/b - +r/c r/c/x - -"
    };
    let told = walk(&base, &["r"], &Wishes::default());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(told, expected);
}

#[test]
fn what_vanishes_during_the_walk_is_not_told() {
    let (_keep, base) = base();
    make(&base, &["a", "b", "c/x"]);
    let mut files = Files::new(vec![base.clone()], Rules::default(), false);
    while !matches!(files.next().unwrap(), Some(Step::Item(item)) if item.name == b"a") {}
    fs::remove_file(base.join("b")).unwrap();
    fs::remove_dir_all(base.join("c")).unwrap();
    assert!(matches!(files.next().unwrap(), Some(Step::Leave)));
    assert_eq!(files.vanished(), 2);
}

#[test]
fn a_folder_swapped_for_a_link_is_not_followed() {
    let (_keep, base) = base();
    make(&base, &["r/a", "r/b/x", "secret/x"]);
    let mut files = Files::new(vec![base.join("r")], Rules::default(), false);
    while !matches!(files.next().unwrap(), Some(Step::Item(item)) if item.name == b"a") {}
    fs::rename(base.join("r/b"), base.join("r/old")).unwrap();
    symlink(base.join("secret"), base.join("r/b")).unwrap();
    match files.next().unwrap() {
        Some(Step::Item(item)) => assert_eq!(item.stat.kind, ItemKind::Symlink),
        other => panic!("{other:?}"),
    }
}

/// Nested deeper than a path may be long and than descriptors are held, and back up again.
#[test]
fn depth_is_no_limit_but_the_documented_one() {
    let (_keep, base) = base();
    let name = "d".repeat(40);
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut folder = rustix::fs::open(&base, flags, Mode::empty()).unwrap();
    let levels = 4200;
    for level in 0..levels {
        // A name after the folder's: seen only by a walk that finds its way back.
        if level % 64 == 0 {
            rustix::fs::symlinkat("x", &folder, "e").unwrap();
        }
        rustix::fs::mkdirat(&folder, &name, Mode::RWXU).unwrap();
        folder = rustix::fs::openat(&folder, &name, flags, Mode::empty()).unwrap();
    }
    let mut files = Files::new(vec![base.clone()], Rules::default(), false);
    let (mut entered, mut left, mut links, mut unreadable) = (0, 0, 0, 0);
    while let Some(step) = files.next().unwrap() {
        match step {
            Step::Enter(_) => entered += 1,
            Step::Leave => left += 1,
            Step::Item(item) => {
                links += 1;
                assert_eq!(
                    heirloom::source::metadata::read_link(&item.path).unwrap(),
                    b"x"
                );
            }
            Step::Unreadable(_, error) => {
                unreadable += 1;
                assert!(error.chain().contains("too deep"), "{}", error.chain());
            }
        }
    }
    assert_eq!((entered, left, unreadable), (4097, 4097, 1));
    assert_eq!(
        links,
        4096_usize.div_ceil(64) + usize::from(4096 % 64 == 0) - 1
    );
    remove_deep(&base, &name, levels);
}

/// The usual ways to remove a tree open a descriptor for each level.
fn remove_deep(base: &Path, name: &str, levels: usize) {
    let target = heirloom::target::Target::open(base, false, false).unwrap();
    let half = base.join("half");
    fs::create_dir(&half).unwrap();
    let mut below = base.to_path_buf();
    // Cut in pieces that the system can name.
    for level in 0..levels / 50 {
        let next = half.join(level.to_string());
        let deep = below.join([name; 50].join("/"));
        if rustix::fs::renameat(CWD, &deep, CWD, &next).is_err() {
            break;
        }
        below = next;
    }
    for (found, _) in target.list(b"half").unwrap() {
        target
            .remove(&[b"half/", &found[..]].concat(), true)
            .unwrap();
    }
}

#[test]
fn a_wide_folder_keeps_its_order() {
    let (_keep, base) = base();
    for n in 0..20_000 {
        rustix::fs::symlinkat("x", CWD, base.join(format!("{:x}", n * 7919))).unwrap();
    }
    let mut files = Files::new(vec![base], Rules::default(), false);
    let mut last = Vec::new();
    let mut seen = 0;
    while let Some(step) = files.next().unwrap() {
        if let Step::Item(item) = step {
            assert!(last < item.name);
            last = item.name;
            seen += 1;
        }
    }
    assert_eq!(seen, 20_000);
}
