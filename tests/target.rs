//! What a restore must never do, whoever made the snapshot and whoever else is in the target (format P1-P14).

#![expect(
    clippy::unwrap_used,
    reason = "a test and its helpers fail by panicking"
)]

use heirloom::error::Kind;
use heirloom::host::Timestamp;
use heirloom::target::metadata::Metadata;
use heirloom::target::write::Node;
use heirloom::target::{Existing, FoundKind, Target};
use rustix::fs::{CWD, RenameFlags};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

struct Place {
    _keep: tempfile::TempDir,
    inside: PathBuf,
    outside: PathBuf,
    target: Target,
}

fn place(privileged: bool) -> Place {
    let keep = tempfile::tempdir().unwrap();
    let (inside, outside) = (keep.path().join("in/side"), keep.path().join("out"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), b"untouched").unwrap();
    fs::set_permissions(outside.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
    let target = Target::open(&inside, true, privileged).unwrap();
    Place {
        _keep: keep,
        inside,
        outside,
        target,
    }
}

impl Place {
    /// Nothing outside was made, changed or touched.
    fn assert_contained(&self) {
        let names: Vec<_> = fs::read_dir(&self.outside).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let file = self.outside.join("file");
        assert_eq!(fs::read(&file).unwrap(), b"untouched");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
    }

    fn file(
        &self,
        path: &str,
        content: &[u8],
        existing: Existing,
    ) -> heirloom::error::Result<Vec<String>> {
        let file = self.target.create_file(path.as_bytes(), existing)?;
        file.write_at(0, content)?;
        file.finish(&ours(0o644))
    }

    fn no_leftovers(&self) {
        let names = self.target.list(b"").unwrap();
        assert!(
            !names.iter().any(|(name, _)| name.starts_with(b".heirloom")),
            "{names:?}"
        );
    }
}

/// Metadata with the owner that new files have anyway.
fn ours(mode: u32) -> Metadata {
    Metadata {
        mode,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: Timestamp {
            seconds: -5,
            nanos: 123_456_789,
        },
        xattrs: Vec::new(),
    }
}

#[test]
fn p1_names_that_lead_elsewhere_are_refused() {
    let place = place(true);
    let long = vec![b'n'; 256];
    let deep = vec![b"d".to_vec(); 4097].join(&b'/');
    let wrong: [&[u8]; 12] = [
        b"",
        b"..",
        ".".as_bytes(),
        b"/etc/x",
        b"../out/x",
        b"a/../../x",
        b"a//b",
        b"a/",
        b"a/.",
        b"a\0b",
        &long,
        &deep,
    ];
    for path in wrong {
        let results = [
            place.target.make_folder(path, Existing::ReplaceAll).err(),
            place.target.create_file(path, Existing::ReplaceAll).err(),
            place
                .target
                .symlink(path, b"x", &ours(0), Existing::ReplaceAll)
                .err(),
            place
                .target
                .node(path, Node::Fifo, &ours(0o600), Existing::ReplaceAll)
                .err(),
            place.target.hard_link(path, b"new", Existing::Refuse).err(),
            place.target.remove(path, true).err(),
        ];
        for (act, error) in results.into_iter().enumerate() {
            let kind = error.map(|error| error.kind());
            assert_eq!(
                kind,
                Some(Kind::Refused),
                "{act} of {:?}",
                String::from_utf8_lossy(path)
            );
        }
    }
    assert_eq!(place.target.list(b"").unwrap(), []);
    place.assert_contained();
}

#[test]
fn p1_folders_nest_to_the_limit() {
    let place = place(false);
    let mut path = Vec::new();
    for level in 0..4096 {
        if level > 0 {
            path.push(b'/');
        }
        path.push(b'd');
        assert!(place.target.make_folder(&path, Existing::Refuse).unwrap());
    }
    place.target.finish_folder(&path, &ours(0o700)).unwrap();
    assert!(place.target.stat(&path).unwrap().is_some());
    place.target.remove(b"d", true).unwrap();
    assert_eq!(place.target.list(b"").unwrap(), []);
}

#[test]
fn p2_nothing_is_written_through_a_link_of_the_snapshot() {
    let place = place(true);
    let away = place.outside.as_os_str().as_encoded_bytes();
    place
        .target
        .symlink(b"a", away, &ours(0o777), Existing::Refuse)
        .unwrap();
    place
        .target
        .symlink(b"up", b"../../out", &ours(0o777), Existing::Refuse)
        .unwrap();
    for link in ["a", "up"] {
        let below = format!("{link}/file").into_bytes();
        let results = [
            place.target.create_file(&below, Existing::ReplaceAll).err(),
            place.target.make_folder(&below, Existing::ReplaceAll).err(),
            place
                .target
                .symlink(&below, b"x", &ours(0), Existing::ReplaceAll)
                .err(),
            place
                .target
                .hard_link(&below, b"new", Existing::Refuse)
                .err(),
            place
                .target
                .finish_folder(link.as_bytes(), &ours(0o777))
                .err(),
            place.target.read(&below).err(),
            place.target.list(link.as_bytes()).err(),
            place.target.remove(&below, true).err(),
            place.target.stat(&below).err(),
        ];
        for (act, error) in results.into_iter().enumerate() {
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(Kind::Refused), "act {act} through {link}");
        }
    }
    place.assert_contained();
}

#[test]
fn p3_a_planted_link_is_replaced_and_its_goal_left_alone() {
    let place = place(true);
    for name in ["one", "two", "three"] {
        symlink(place.outside.join("file"), place.inside.join(name)).unwrap();
    }
    symlink(&place.outside, place.inside.join("folder")).unwrap();
    assert_eq!(
        place
            .file("one", b"new", Existing::Refuse)
            .unwrap_err()
            .kind(),
        Kind::Refused
    );
    assert_eq!(
        place.file("one", b"new", Existing::Replace).unwrap(),
        [""; 0]
    );
    place
        .target
        .symlink(b"two", b"elsewhere", &ours(0), Existing::Replace)
        .unwrap();
    place
        .target
        .node(b"three", Node::Fifo, &ours(0o640), Existing::Replace)
        .unwrap();
    assert_eq!(
        place
            .target
            .make_folder(b"folder", Existing::Refuse)
            .unwrap_err()
            .kind(),
        Kind::Refused
    );
    assert!(
        place
            .target
            .make_folder(b"folder", Existing::Replace)
            .unwrap()
    );
    assert_eq!(fs::read(place.inside.join("one")).unwrap(), b"new");
    assert_eq!(place.target.read_link(b"two").unwrap(), b"elsewhere");
    assert_eq!(
        place.target.stat(b"three").unwrap().unwrap().kind,
        FoundKind::Other
    );
    assert_eq!(place.target.stat(b"three").unwrap().unwrap().mode, 0o640);
    assert_eq!(
        place.target.stat(b"folder").unwrap().unwrap().kind,
        FoundKind::Folder
    );
    place.assert_contained();
    place.no_leftovers();
}

/// Someone swaps a folder with a link to the outside, all the time, while files are written into it.
#[test]
fn p4_a_parent_swapped_in_a_race_leads_nowhere() {
    let place = place(true);
    let (folder, link) = (place.inside.join("a"), place.inside.join("b"));
    fs::create_dir(&folder).unwrap();
    symlink(&place.outside, &link).unwrap();
    let stop = AtomicBool::new(false);
    let (mut written, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let swapped =
                    rustix::fs::renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE);
                assert!(swapped.is_ok());
            }
        });
        for round in 0..100_000 {
            // A new target has no folder open yet, which is when the path is resolved.
            let target = Target::open(&place.inside, false, true).unwrap();
            let made = target
                .create_file(b"a/file", Existing::Replace)
                .and_then(|file| {
                    file.write_at(0, b"gone astray")?;
                    file.finish(&ours(0o666))
                });
            match made {
                Ok(_) => written += 1,
                Err(error) => {
                    assert!(
                        matches!(error.kind(), Kind::Refused | Kind::NotFound),
                        "{}",
                        error.chain()
                    );
                    refused += 1;
                }
            }
            if round % 16 == 0 {
                let _ = target.finish_folder(b"a", &ours(0o777));
                let _ = target.remove(b"a/file", true);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(
        written > 0 && refused > 0,
        "{written} written, {refused} refused"
    );
    place.assert_contained();
    assert_eq!(fs::metadata(&place.outside).unwrap().mode() & 0o022, 0);
}

#[test]
fn p5_a_hard_link_to_a_link_is_to_the_link_itself() {
    let place = place(false);
    symlink(place.outside.join("file"), place.inside.join("link")).unwrap();
    place
        .target
        .hard_link(b"link", b"second", Existing::Refuse)
        .unwrap();
    assert_eq!(
        place.target.stat(b"second").unwrap().unwrap().kind,
        FoundKind::Symlink
    );
    assert_eq!(fs::metadata(place.outside.join("file")).unwrap().nlink(), 1);
    // Again over what is there, and over its own other name.
    place.file("plain", b"1", Existing::Refuse).unwrap();
    place
        .target
        .hard_link(b"plain", b"second", Existing::Replace)
        .unwrap();
    place
        .target
        .hard_link(b"plain", b"second", Existing::Replace)
        .unwrap();
    assert_eq!(place.target.stat(b"plain").unwrap().unwrap().links, 2);
    place.assert_contained();
    place.no_leftovers();
}

#[test]
fn p7_set_id_bits_need_the_privilege_and_the_owner() {
    let place_without = place(false);
    let file = place_without
        .target
        .create_file(b"f", Existing::Refuse)
        .unwrap();
    assert_eq!(
        file.finish(&ours(0o6755)).unwrap(),
        ["set-id bits: left out"]
    );
    let mode = |place: &Place| place.target.stat(b"f").unwrap().unwrap().mode;
    assert_eq!(mode(&place_without), 0o755);

    let place_with = place(true);
    let file = place_with
        .target
        .create_file(b"f", Existing::Refuse)
        .unwrap();
    let path = place_with.inside.join("f");
    assert_eq!(
        fs::metadata(&path).unwrap().mode() & 0o7777,
        0o600,
        "private until complete"
    );
    file.finish(&ours(0o4755)).unwrap();
    assert_eq!(mode(&place_with), 0o4755);

    let mut foreign = ours(0o4755);
    foreign.uid += 12345;
    let file = place_with
        .target
        .create_file(b"f", Existing::Replace)
        .unwrap();
    let missed = file.finish(&foreign).unwrap();
    let found = place_with.target.stat(b"f").unwrap().unwrap();
    if rustix::process::geteuid().is_root() {
        assert_eq!(
            (found.mode, found.uid, missed.len()),
            (0o4755, foreign.uid, 0)
        );
    } else {
        assert_eq!((found.mode, found.uid), (0o755, ours(0).uid));
        assert_eq!(
            missed,
            ["owners: only root can set them", "set-id bits: left out"]
        );
        let file = place_with
            .target
            .create_file(b"g", Existing::Refuse)
            .unwrap();
        foreign.mode = 0o600;
        assert_eq!(file.finish(&foreign).unwrap(), [""; 0], "said once");
    }
}

#[test]
fn p8_p9_what_grants_something_needs_the_privilege() {
    let place = place(false);
    let mut metadata = ours(0o600);
    metadata.xattrs = vec![(b"security.capability".to_vec(), vec![1, 0, 0, 2])];
    let file = place.target.create_file(b"f", Existing::Refuse).unwrap();
    assert_eq!(
        file.finish(&metadata).unwrap(),
        ["security attributes: left out"]
    );
    for node in [Node::CharDevice(1, 3), Node::BlockDevice(7, 0)] {
        let error = place
            .target
            .node(b"n", node, &ours(0o600), Existing::Replace)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
    }
    assert!(place.target.stat(b"n").unwrap().is_none());
}

#[test]
fn p11_files_become_folders_and_back() {
    let place = place(false);
    place.file("x", b"1", Existing::Refuse).unwrap();
    assert!(place.target.make_folder(b"x", Existing::Replace).unwrap());
    assert!(!place.target.make_folder(b"x", Existing::Refuse).unwrap());
    place.file("x/y", b"2", Existing::Refuse).unwrap();
    let error = place.file("x", b"3", Existing::Replace).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.what().contains("not empty"), "{error}");
    place.file("x", b"3", Existing::ReplaceAll).unwrap();
    assert_eq!(fs::read(place.inside.join("x")).unwrap(), b"3");
    place.no_leftovers();
}

#[test]
fn p12_a_mode_is_never_set_through_a_link() {
    let place = place(true);
    let away = place.outside.join("file");
    let mut metadata = ours(0o777);
    metadata.xattrs = vec![(b"user.x".to_vec(), b"y".to_vec())];
    let goal = away.as_os_str().as_encoded_bytes();
    let before = fs::metadata(&away).unwrap();
    place
        .target
        .symlink(b"l", goal, &metadata, Existing::Refuse)
        .unwrap();
    let found = place.target.stat(b"l").unwrap().unwrap();
    assert_eq!(found.kind, FoundKind::Symlink);
    assert_eq!(found.mtime, metadata.mtime, "times are the link's own");
    let after = fs::metadata(&away).unwrap();
    assert_eq!(
        (before.ctime(), before.ctime_nsec()),
        (after.ctime(), after.ctime_nsec())
    );
    place.assert_contained();
}

#[test]
fn p14_a_foreign_folder_with_something_in_it_is_known() {
    let place = place(false);
    assert!(!place.target.is_foreign().unwrap());
    place.file("f", b"", Existing::Refuse).unwrap();
    assert!(!place.target.is_foreign().unwrap());
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&place.inside, Some(12345), None).unwrap();
        assert!(place.target.is_foreign().unwrap());
    }
}

#[test]
fn metadata_arrives_and_what_does_not_is_said() {
    let place = place(false);
    let mut metadata = ours(0o444);
    metadata.xattrs = vec![(b"user.note".to_vec(), b"kept".to_vec())];
    let file = place.target.create_file(b"f", Existing::Refuse).unwrap();
    file.set_len(10 << 20).unwrap();
    file.write_at(9 << 20, b"end").unwrap();
    let missed = file.finish(&metadata).unwrap();
    let found = place.target.stat(b"f").unwrap().unwrap();
    assert_eq!(
        (found.mode, found.mtime, found.size),
        (0o444, metadata.mtime, 10 << 20)
    );
    let mut value = [0; 16];
    match rustix::fs::getxattr(place.inside.join("f"), "user.note", &mut value[..]) {
        Ok(len) => assert_eq!((&value[..len], missed.len()), (&b"kept"[..], 0)),
        Err(_) => assert_eq!(missed.len(), 1, "{missed:?}"),
    }
    assert!(
        fs::metadata(place.inside.join("f")).unwrap().blocks() < 100,
        "holes stay holes"
    );

    place.target.make_folder(b"d", Existing::Refuse).unwrap();
    place.file("d/x", b"1", Existing::Refuse).unwrap();
    assert_eq!(
        place.target.finish_folder(b"d", &ours(0o555)).unwrap(),
        [""; 0]
    );
    let found = place.target.stat(b"d").unwrap().unwrap();
    assert_eq!((found.mode, found.mtime), (0o555, metadata.mtime));
    // A second restore must get in again.
    assert!(!place.target.make_folder(b"d", Existing::Refuse).unwrap());
    place.file("d/x", b"2", Existing::Replace).unwrap();
}

#[test]
fn a_file_is_whole_or_not_there() {
    let place = place(false);
    place.file("f", b"old", Existing::Refuse).unwrap();
    let file = place.target.create_file(b"f", Existing::Replace).unwrap();
    file.write_at(0, b"half").unwrap();
    assert_eq!(fs::read(place.inside.join("f")).unwrap(), b"old");
    drop(file);
    drop(place.target.create_file(b"g", Existing::Refuse).unwrap());
    assert_eq!(fs::read(place.inside.join("f")).unwrap(), b"old");
    assert_eq!(place.target.list(b"").unwrap(), [(b"f".to_vec(), false)]);

    let file = place.target.create_file(b"f", Existing::Replace).unwrap();
    file.write_at(0, b"gap").unwrap();
    file.finish_as(&ours(0o600), b"f.incomplete").unwrap();
    assert_eq!(fs::read(place.inside.join("f")).unwrap(), b"old");
    assert_eq!(fs::read(place.inside.join("f.incomplete")).unwrap(), b"gap");
    let file = place.target.create_file(b"h", Existing::Replace).unwrap();
    assert!(file.finish_as(&ours(0o600), b"../h").is_err());
    place.no_leftovers();
}

#[test]
fn pieces_come_from_many_threads_and_files_may_be_parked() {
    let place = place(false);
    place.target.make_folder(b"d", Existing::Refuse).unwrap();
    let file = place.target.create_file(b"d/f", Existing::Refuse).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let file = &file;
            scope.spawn(move || {
                for piece in 0..50_u64 {
                    let place = piece * 4 + u64::from(thread);
                    file.write_at(place * 100, &[thread + 1; 100]).unwrap();
                    file.park().unwrap();
                }
            });
        }
    });
    file.park().unwrap();
    file.finish(&ours(0o600)).unwrap();
    let content = fs::read(place.inside.join("d/f")).unwrap();
    assert_eq!(content.len(), 20_000);
    let right = |(at, byte): (usize, &u8)| usize::from(*byte) == at / 100 % 4 + 1;
    assert!(content.iter().enumerate().all(right));

    let file = place.target.create_file(b"d/g", Existing::Refuse).unwrap();
    file.park().unwrap();
    fs::remove_file(place.inside.join("d/g")).unwrap();
    symlink(place.outside.join("file"), place.inside.join("d/g")).unwrap();
    assert_eq!(file.write_at(0, b"x").unwrap_err().kind(), Kind::Refused);
    drop(file);
    place.assert_contained();
}
