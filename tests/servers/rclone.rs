//! The rclone program on a local folder.

use crate::contract::{MAX, conforms_and_cannot_decide, list, pack, payload};
use crate::servers::access;
use heirloom::error::Kind;
use heirloom::name::Folder;
use heirloom::store::Store;
use heirloom::store::access::Access;
use heirloom::store::rclone::RcloneStore;
use heirloom::store::retry::Trouble;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

fn remote(path: &Path) -> String {
    format!(":local:{}", path.display())
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn rclone_conforms() {
    let place = tempfile::tempdir().unwrap();
    let store = RcloneStore::open(&remote(&place.path().join("a")), &access()).unwrap();
    conforms_and_cannot_decide(&store);
    store.put(&pack(1), &payload(1, 3)).unwrap();
    assert!(place.path().join("a").join(pack(1).path()).exists());
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn strangers_are_counted_and_an_empty_place_is_empty() {
    let place = tempfile::tempdir().unwrap();
    let store = RcloneStore::open(&remote(place.path()), &access()).unwrap();
    assert_eq!(list(&store, Folder::Packs), (BTreeMap::new(), 0));
    assert_eq!(list(&store, Folder::Top), (BTreeMap::new(), 0));
    store.put(&pack(1), &payload(1, 3)).unwrap();
    fs::write(place.path().join("packs/.DS_Store"), "").unwrap();
    fs::create_dir(place.path().join("packs/ff")).unwrap();
    fs::write(place.path().join("packs/ff").join(pack(1).leaf()), "two").unwrap();
    assert_eq!(list(&store, Folder::Packs).1, 2);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn four_calls_share_one_child_and_a_lost_one_is_started_again() {
    let place = tempfile::tempdir().unwrap();
    let store = RcloneStore::open(&remote(place.path()), &access()).unwrap();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let bytes = payload(n, 9 << 20);
                for _ in 0..3 {
                    store.put(&pack(n), &bytes).unwrap();
                    assert!(store.get(&pack(n), MAX).unwrap() == bytes[..]);
                }
            });
        }
    });
    let children = || {
        let found = Command::new("pgrep")
            .args(["-P", &std::process::id().to_string(), "-f", "--"])
            .arg(place.path())
            .output()
            .unwrap();
        let text = String::from_utf8(found.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let child = children();
    assert_eq!(child.len(), 1);
    assert!(
        Command::new("kill")
            .args(["-KILL", &child[0]])
            .status()
            .unwrap()
            .success()
    );
    let error = store.get(&pack(1), MAX).unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{}", error.chain());
    assert!(Trouble::of(&error).unwrap().again);
    assert!(
        error.chain().contains("rclone ended (signal: 9"),
        "{}",
        error.chain()
    );
    assert!(store.get(&pack(1), MAX).unwrap() == payload(1, 9 << 20)[..]);
    drop(store);
    assert!(children().is_empty(), "no child is left");
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_remote_that_nobody_made_is_told_with_a_hint() {
    let store = RcloneStore::open("nowhere:x", &access()).unwrap();
    let error = store.get(&pack(1), MAX).unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(!Trouble::of(&error).unwrap().again);
    assert!(
        error.hint_text().unwrap().contains("rclone config"),
        "{}",
        error.chain()
    );
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_full_place_is_named() {
    let place = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "heirloom-test"])
        .arg(place.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: mounting a tmpfs needs root");
        return;
    }
    let store = RcloneStore::open(&remote(place.path()), &access()).unwrap();
    let put = store.put(&pack(1), &payload(1, 9 << 20));
    drop(store);
    Command::new("umount").arg(place.path()).status().unwrap();
    let error = put.unwrap_err();
    assert_eq!(error.kind(), Kind::Full, "{}", error.chain());
}

#[test]
fn an_old_or_missing_rclone_is_refused() {
    let host: std::sync::Arc<dyn heirloom::host::Host> =
        std::sync::Arc::new(heirloom::host::FixedHost::new(1));
    let access = Access::new(host, "0a1b2c3d", heirloom::store::access::Limits::default());
    let shell = |script: &str| ["sh", "-c", script].map(OsString::from).to_vec();
    let cases = [
        (shell("echo rclone v1.61.0"), "this rclone is 1.61.0"),
        (
            shell("echo rclone v1.60.1-DEV; exit 0"),
            "this rclone is 1.60.1",
        ),
        (shell("echo 'no such thing' >&2; exit 9"), "no such thing"),
        (
            vec!["/nonexistent/rclone".into()],
            "start /nonexistent/rclone",
        ),
    ];
    for (rclone, words) in cases {
        let access = Access {
            rclone,
            ..access.clone()
        };
        let store = RcloneStore::open("remote:path", &access).unwrap();
        let error = store.put(&pack(1), &payload(1, 1)).unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable);
        assert!(error.chain().contains(words), "{}", error.chain());
        assert!(error.hint_text().unwrap().contains("1.61.1"));
        assert!(!Trouble::of(&error).unwrap().again);
    }
    assert_eq!(
        RcloneStore::open("--config=x:", &access)
            .err()
            .unwrap()
            .kind(),
        Kind::Usage
    );
}
