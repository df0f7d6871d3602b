//! Buckets and WebDAV: what every store must do, and what becomes of it where a server lies.

use crate::contract::{conforms, conforms_and_cannot_decide, conforms_but_for_slots};
use crate::contract::{list, pack, payload, slot};
use crate::servers::{servers, unique};
use heirloom::cli::host::RealHost;
use heirloom::error::Kind;
use heirloom::name::{Folder, Name};
use heirloom::store::access::{Access, Limits};
use heirloom::store::address::parse;
use heirloom::store::open::open;
use heirloom::store::retry::Trouble;
use heirloom::store::{Placed, Store};
use std::sync::Arc;
use std::time::Duration;

const MAX: u64 = 64 << 20;

/// A second set of servers beside the first has other ports, all further by this much.
fn port(number: u16) -> u16 {
    servers();
    let shift = std::env::var("TEST_SERVERS_SHIFT").unwrap_or_default();
    number + shift.parse().unwrap_or(0)
}

/// Contended creates make that server wait in steps of a second.
fn access() -> Access {
    let mut access = crate::servers::access();
    access.patience = Duration::from_secs(60);
    access
}

fn s3_access() -> Access {
    let mut access = access();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "ciaccess"),
        ("AWS_SECRET_ACCESS_KEY", "cisecretcisecret"),
    ] {
        access.variables.insert(name.to_owned(), value.to_owned());
    }
    access
}

fn dav_access() -> Access {
    let mut access = access();
    access.user = Some("ci".to_owned());
    access.secret = Some(Arc::new(|| Ok(vec!["secret".to_owned()])));
    access
}

fn at(address: &str, access: &Access) -> Arc<dyn Store> {
    let (address, settings) = parse(address).unwrap();
    open(&address, &settings, access).unwrap()
}

fn seaweed(bucket: &str, prefix: &str) -> String {
    let port = port(28333);
    format!("s3://{bucket}/{prefix}?endpoint=http://127.0.0.1:{port}")
}

fn s3_liar(prefix: &str) -> String {
    let port = port(28401);
    format!("s3://bucket/{prefix}?endpoint=http://127.0.0.1:{port}")
}

fn apache(path: &str) -> String {
    format!("webdav://127.0.0.1:{}/{path}", port(28430))
}

fn dav_liar(path: &str) -> String {
    format!("webdav://127.0.0.1:{}/{path}", port(28402))
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_bucket_conforms() {
    conforms(&*at(&seaweed("plain", &unique()), &s3_access()));
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_webdav_folder_conforms_and_cannot_decide() {
    for base in [apache(&format!("{}/b c%25", unique())), dav_liar(&unique())] {
        let store = at(&base, &dav_access());
        conforms_and_cannot_decide(&*store);
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_bucket_that_lies_is_whole_and_caught() {
    let store = at(&s3_liar(&unique()), &s3_access());
    conforms_but_for_slots(&*store);
    let (mine, theirs) = (payload(1, 4096), payload(2, 4096));
    let first = store.put_if_absent(&slot(0), &mine).unwrap();
    let second = store.put_if_absent(&slot(0), &theirs).unwrap();
    let kept = store.get(&slot(0), MAX).unwrap() == mine[..];
    assert_eq!(
        (first, second, kept),
        (Placed::Mine, Placed::Mine, false),
        "a probe sees it"
    );
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn more_than_a_page_is_listed() {
    let store = at(&seaweed("plain", &unique()), &s3_access());
    let name = |n: u32| Name::new(Folder::Marks, &format!("{n:064x}")).unwrap();
    std::thread::scope(|scope| {
        for part in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for n in (part..1100).step_by(8) {
                    store.put(&name(n), &payload(1, 3)).unwrap();
                }
            });
        }
    });
    let (found, strangers) = list(&*store, Folder::Marks);
    assert_eq!((found.len(), strangers), (1100, 0));
    assert!(found.values().all(|len| *len == 3));
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn what_a_server_refuses_is_said() {
    let address = seaweed("no-such-bucket", "x");
    let store = at(&address, &s3_access());
    let error = store.list(Folder::Packs, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::NoRepository, "{}", error.chain());
    let mut stranger = s3_access();
    stranger
        .variables
        .insert("AWS_SECRET_ACCESS_KEY".to_owned(), "wrong".to_owned());
    let error = at(&seaweed("plain", "x"), &stranger)
        .get(&pack(1), MAX)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(
        error.chain().contains("refused the credentials (403"),
        "{}",
        error.chain()
    );
    let mut stranger = dav_access();
    stranger.secret = Some(Arc::new(|| Ok(vec!["wrong".to_owned()])));
    let error = at(&apache("x"), &stranger)
        .put(&pack(1), &payload(1, 1))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(
        error.chain().contains("refused the credentials (401"),
        "{}",
        error.chain()
    );
    let error = at(&apache("nowhere"), &dav_access());
    let error = error.list(Folder::Packs, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::NoRepository, "{}", error.chain());
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn nobody_there_is_unreachable_and_waited_for() {
    let mut access = s3_access();
    access.patience = Duration::from_secs(2);
    let begun = std::time::Instant::now();
    let store = at("s3://box/x?endpoint=http://127.0.0.1:9", &access);
    let error = store.get(&pack(1), MAX).unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.chain().contains("refused"), "{}", error.chain());
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn strangers_are_counted_and_leftovers_swept() {
    let place = unique();
    let own = Name::new(Folder::Tmp, "0a1b2c3d-0123456789abcdef").unwrap();
    let other = Name::new(Folder::Tmp, "ffffffff-0123456789abcdef").unwrap();
    for store in [
        at(&seaweed("plain", &place), &s3_access()),
        at(&apache(&place), &dav_access()),
        at(&s3_liar(&place), &s3_access()),
        at(&dav_liar(&place), &dav_access()),
    ] {
        store.put(&Name::marker(), &payload(1, 10)).unwrap();
        store.sweep().unwrap();
        store.put(&own, &payload(1, 5)).unwrap();
        store.put(&other, &payload(1, 5)).unwrap();
        store.sweep().unwrap();
        assert_eq!(store.get(&own, MAX).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(store.get(&other, MAX).unwrap(), payload(1, 5)[..]);
        assert_eq!(list(&*store, Folder::Tmp).1, 0);
        assert_eq!(list(&*store, Folder::Top).1, 0);
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn bandwidth_is_kept() {
    let host = Arc::new(RealHost::new());
    let limits = Limits {
        upload: Some(1 << 20),
        download: Some(2 << 20),
    };
    let place = unique();
    for (address, like) in [
        (seaweed("plain", &place), s3_access()),
        (apache(&place), dav_access()),
    ] {
        let mut access = Access::new(host.clone(), "0a1b2c3d", limits);
        access.patience = Duration::from_secs(30);
        (access.variables, access.secret, access.user) = (like.variables, like.secret, like.user);
        let store = at(&address, &access);
        let bytes = payload(3, 2 << 20);
        let begun = std::time::Instant::now();
        store.put(&pack(3), &bytes).unwrap();
        let sent = begun.elapsed().as_secs_f64();
        assert!((1.8..4.0).contains(&sent), "{sent} s for 2 s");
        let begun = std::time::Instant::now();
        assert!(store.get(&pack(3), MAX).unwrap() == bytes[..]);
        let received = begun.elapsed().as_secs_f64();
        assert!((0.4..3.0).contains(&received), "{received} s for 1 s");
    }
}

/// Ends with the test, however that ends.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_certificate_that_nobody_knows_is_refused_at_once() {
    servers();
    let place = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let mut command = std::process::Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(place.path());
        command.stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        command
    };
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=heirloom-test \
                   -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout key -out cert";
    assert!(openssl(request).status().unwrap().success());
    std::fs::write(place.path().join("mirror"), "seventeen bytes..").unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let serve = format!("s_server -accept 127.0.0.1:{port} -cert cert -key key -WWW -quiet");
    let _child = Child(openssl(&serve).spawn().unwrap());
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let address = format!("webdavs://localhost:{port}/");
    let mut access = access();
    let error = at(&address, &access).get(&Name::marker(), MAX).unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert_eq!(
        Trouble::of(&error),
        Some(Trouble::FINAL),
        "{}",
        error.chain()
    );
    assert!(error.chain().contains("certificate"), "{}", error.chain());
    access.roots = Some(std::fs::read(place.path().join("cert")).unwrap());
    let found = at(&address, &access).get(&Name::marker(), MAX).unwrap();
    assert_eq!(found, b"seventeen bytes..");
}
