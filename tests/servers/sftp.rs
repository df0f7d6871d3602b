//! OpenSSH's server, and one that takes hard links for what it does not have.

use crate::contract::{MAX, conforms, conforms_and_cannot_decide, list, pack, payload, slot};
use crate::proxy::{Bytes, Proxy};
use crate::servers::{access, servers, unique};
use heirloom::error::Kind;
use heirloom::name::{Folder, Name};
use heirloom::store::access::Access;
use heirloom::store::address::SftpAddress;
use heirloom::store::retry::Trouble;
use heirloom::store::sftp::SftpStore;
use heirloom::store::{Placed, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn address(host: &str, path: &str) -> SftpAddress {
    SftpAddress {
        user: None,
        host: host.to_owned(),
        port: None,
        path: path.to_owned(),
    }
}

fn place() -> PathBuf {
    servers().join("sftp").join(unique())
}

fn store_at(path: &Path) -> SftpStore {
    SftpStore::open(&address("sftpci", path.to_str().unwrap()), &access()).unwrap()
}

fn again(error: &heirloom::error::Error) -> bool {
    Trouble::of(error).is_some_and(|trouble| trouble.again)
}

/// The ssh children of this process whose command line holds `mark`.
fn children(mark: &str) -> Vec<i32> {
    let mine = std::process::id().to_string();
    let found = Command::new("pgrep")
        .args(["-P", &mine, "-f", "--", mark])
        .output()
        .unwrap();
    let text = String::from_utf8(found.stdout).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn openssh_conforms() {
    let place = place();
    let store = store_at(&place.join("a/b"));
    conforms(&store);
    assert_eq!(fs::read_dir(place.join("a/b/tmp")).unwrap().count(), 0);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_folder_below_the_login_folder_conforms() {
    let path = format!("heirloom-test-{}", unique());
    let store = SftpStore::open(&address("sftpci", &path), &access()).unwrap();
    conforms(&store);
    let home = String::from_utf8(
        Command::new("sh")
            .args(["-c", "getent passwd $(id -u) | cut -d: -f6"])
            .output()
            .unwrap()
            .stdout,
    );
    fs::remove_dir_all(Path::new(home.unwrap().trim()).join(path)).unwrap();
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_server_without_links_cannot_decide_and_keeps_whole_objects() {
    let path = format!("/{}", unique());
    let store = SftpStore::open(&address("sftpliar", &path), &access()).unwrap();
    conforms_and_cannot_decide(&store);
    let tmp = servers().join("rclone-sftp").join(&path[1..]).join("tmp");
    assert_eq!(fs::read_dir(tmp).unwrap().count(), 0);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn four_calls_share_one_connection() {
    let place = place();
    let store = store_at(&place);
    store.put(&pack(9), &payload(9, 10)).unwrap();
    let before = children(place.to_str().unwrap()).len();
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
    assert_eq!(children(place.to_str().unwrap()).len(), before);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_lost_connection_is_made_again_by_the_next_call() {
    let place = place();
    let mark = format!("-oSetEnv=MARK={}", unique());
    let mut access = access();
    access.ssh.push(mark.clone().into());
    let path = place.to_str().unwrap();
    let store = SftpStore::open(&address("sftpci", path), &access).unwrap();
    store.put(&pack(1), &payload(1, 1 << 20)).unwrap();
    for signal in ["-KILL", "-TERM"] {
        let child = children(&mark);
        assert_eq!(child.len(), 1);
        let killed = Command::new("kill")
            .args([signal, &child[0].to_string()])
            .status();
        assert!(killed.unwrap().success());
        let error = store.get(&pack(1), MAX).unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable);
        assert!(again(&error), "{}", error.chain());
        assert!(store.get(&pack(1), MAX).unwrap() == payload(1, 1 << 20)[..]);
    }
    drop(store);
    assert_eq!(children(&mark), [0; 0], "no child is left");
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn an_upload_that_is_cut_leaves_nothing_under_its_name() {
    let place = place();
    let mark = format!("-oSetEnv=MARK={}", unique());
    let mut access = access();
    access.ssh.push(mark.clone().into());
    let store = SftpStore::open(&address("sftpci", place.to_str().unwrap()), &access).unwrap();
    store.put(&pack(1), &payload(1, 10)).unwrap();
    let tmp = place.join("tmp");
    let killer = std::thread::spawn(move || {
        for round in 0..12 {
            std::thread::sleep(Duration::from_millis(200 + 60 * round));
            let cut = children(&mark);
            for child in &cut {
                let _ = Command::new("kill")
                    .args(["-KILL", &child.to_string()])
                    .status();
            }
        }
    });
    let mut failed = 0;
    while !killer.is_finished() {
        let stands = match store.put(&pack(2), &payload(2, 20 << 20)) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unreachable, "{}", error.chain());
                failed += 1;
                false
            }
        };
        let there = fs::metadata(place.join(pack(2).path()));
        assert!(there.map_or(!stands, |there| there.len() == 20 << 20));
    }
    killer.join().unwrap();
    assert!(failed > 0);
    fs::write(tmp.join("0a1b2c3d-0123456789abcdef"), "half").unwrap();
    fs::write(tmp.join("ffffffff-0123456789abcdef"), "another's").unwrap();
    assert_eq!(list(&store, Folder::Tmp), (BTreeMap::new(), 0));
    store.sweep().unwrap();
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 1);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_root_that_is_not_there_is_no_empty_mirror() {
    let place = place();
    let store = store_at(&place);
    for error in [
        store.get(&pack(1), MAX).unwrap_err(),
        store.list(Folder::Packs, &mut |_| Ok(())).unwrap_err(),
        store.list(Folder::Top, &mut |_| Ok(())).unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::NoRepository, "{}", error.chain());
    }
    store.delete(&pack(1)).unwrap();
    store.sweep().unwrap();
    store.put(&pack(1), &payload(1, 10)).unwrap();
    fs::rename(&place, place.with_extension("unmounted")).unwrap();
    for error in [
        store.get(&pack(1), MAX).unwrap_err(),
        store.list(Folder::Packs, &mut |_| Ok(())).unwrap_err(),
        store.put(&pack(1), &payload(1, 10)).unwrap_err(),
        store.put_if_absent(&slot(1), &payload(1, 10)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Unreachable, "{}", error.chain());
    }
    assert!(!place.exists(), "nothing was made in its place");
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn strangers_are_counted_and_never_touched() {
    let place = place();
    let store = store_at(&place);
    store.put(&pack(1), &payload(1, 1)).unwrap();
    fs::create_dir(place.join("packs/@eaDir")).unwrap();
    fs::write(place.join("packs/.DS_Store"), "").unwrap();
    fs::write(place.join("packs").join(pack(2).leaf()), "").unwrap();
    fs::write(place.join("packs/01").join(pack(2).leaf()), "").unwrap();
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"packs/01/\xff\xfe");
    fs::write(place.join(odd), "").unwrap();
    let link = place.join("packs/01").join("01".repeat(31) + "02");
    std::os::unix::fs::symlink("/dev/zero", link).unwrap();
    assert_eq!(
        list(&store, Folder::Packs),
        (BTreeMap::from([(pack(1), 1)]), 6)
    );
    fs::write(place.join("notes.txt"), "").unwrap();
    assert_eq!(list(&store, Folder::Top), (BTreeMap::new(), 1));
    let linked = Name::hashed(Folder::Packs, &("01".repeat(31) + "02"));
    assert_eq!(store.get(&linked, MAX).unwrap_err().kind(), Kind::Damaged);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_full_disk_is_named() {
    let place = place();
    fs::create_dir_all(&place).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "heirloom-test"])
        .arg(&place)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: mounting a tmpfs needs root");
        return;
    }
    let store = store_at(&place);
    let put = store.put(&pack(1), &payload(1, 20 << 20));
    let created = store.put_if_absent(&slot(1), &payload(1, 20 << 20));
    let small = store.put(&pack(2), &payload(2, 1000));
    let left = fs::read_dir(place.join("tmp")).unwrap().count();
    Command::new("umount").arg(&place).status().unwrap();
    assert_eq!(put.unwrap_err().kind(), Kind::Full);
    assert_eq!(created.unwrap_err().kind(), Kind::Full);
    small.unwrap();
    assert_eq!(left, 0);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn what_a_person_must_mend_is_told_with_a_hint() {
    let config = fs::read_to_string(servers().join("ssh_config")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let unknown = place.path().join("unknown");
    let refused = place.path().join("refused");
    let known = servers().join("known_hosts");
    fs::write(
        &unknown,
        config.replace(known.to_str().unwrap(), "/dev/null"),
    )
    .unwrap();
    let id = servers().join("id");
    let other = place.path().join("id");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&other)
        .status();
    assert!(made.unwrap().success());
    fs::write(
        &refused,
        config.replace(id.to_str().unwrap(), other.to_str().unwrap()),
    )
    .unwrap();
    let cases: [(&Path, &str); 2] = [
        (&unknown, "Host key verification failed"),
        (&refused, "Permission denied"),
    ];
    for (config, words) in cases {
        let access = Access {
            ssh: vec!["ssh".into(), "-F".into(), config.into()],
            ..access()
        };
        let store = SftpStore::open(&address("sftpci", "/x"), &access).unwrap();
        let error = store.get(&pack(1), MAX).unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable);
        assert!(error.chain().contains(words), "{}", error.chain());
        assert!(!again(&error));
        assert!(
            error.hint_text().unwrap().contains("`ssh sftpci`"),
            "{:?}",
            error.hint_text()
        );
    }
    let nobody = SftpAddress {
        port: Some(1),
        ..address("sftpci", "/x")
    };
    let error = SftpStore::open(&nobody, &access())
        .unwrap()
        .get(&pack(1), MAX)
        .unwrap_err();
    assert!(
        error.chain().contains("Connection refused"),
        "{}",
        error.chain()
    );
    assert!(again(&error));
}

#[test]
fn no_word_of_an_address_becomes_an_option() {
    let host: std::sync::Arc<dyn heirloom::host::Host> =
        std::sync::Arc::new(heirloom::host::FixedHost::new(1));
    let access = Access::new(host, "0a1b2c3d", heirloom::store::access::Limits::default());
    let dashed = SftpAddress {
        user: Some("-oProxyCommand=x".into()),
        ..address("h", "/x")
    };
    for address in [address("-oProxyCommand=x", "/x"), dashed, address("", "/x")] {
        let error = SftpStore::open(&address, &access).err().unwrap();
        assert_eq!(error.kind(), Kind::Usage);
    }
    let access = Access {
        ssh: vec!["/nonexistent/ssh".into()],
        ..access
    };
    let store = SftpStore::open(&address("h", "/x"), &access).unwrap();
    let error = store
        .put_if_absent(&slot(1), &payload(1, 1))
        .map(|placed| placed == Placed::Mine)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(!again(&error) && error.hint_text().unwrap().contains("ssh -V"));
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_bad_line_costs_time_or_an_answer_and_never_bytes() {
    let proxy = Proxy::bytes(28422);
    let place = place();
    let bytes = payload(1, 3 << 20);
    store_at(&place).put(&pack(1), &bytes).unwrap();
    let mut access = access();
    // The first of two values counts: a dead line is noticed within seconds here.
    for option in [
        "-oServerAliveInterval=1",
        "-oHostKeyAlias=[127.0.0.1]:28422",
    ] {
        access.ssh.push(option.into());
    }
    let line = SftpAddress {
        port: Some(proxy.port()),
        ..address("sftpci", place.to_str().unwrap())
    };
    let store = SftpStore::open(&line, &access).unwrap();
    let harm = [
        Bytes {
            break_after: Some(100_000),
            ..Bytes::default()
        },
        Bytes {
            stop_after: Some(1_000_000),
            ..Bytes::default()
        },
        Bytes {
            stop_after: Some(100),
            ..Bytes::default()
        },
        Bytes {
            refuse: true,
            ..Bytes::default()
        },
    ];
    for bad in harm {
        proxy.do_to_bytes(bad);
        proxy.clear();
        let error = store.get(&pack(1), MAX).unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable, "{bad:?}");
        assert!(again(&error), "{bad:?}: {}", error.chain());
        proxy.do_to_bytes(Bytes::default());
        proxy.clear();
        // The connection that was cut is noticed by the first call, if it had not been given up before.
        let _ = store.get(&pack(1), MAX);
        assert!(store.get(&pack(1), MAX).unwrap() == bytes[..], "{bad:?}");
    }
    proxy.do_to_bytes(Bytes {
        rate: Some(1 << 20),
        ..Bytes::default()
    });
    assert!(store.get(&pack(1), MAX).unwrap() == bytes[..]);
    store.put(&pack(2), &bytes).unwrap();
    assert!(store_at(&place).get(&pack(2), MAX).unwrap() == bytes[..]);
}
