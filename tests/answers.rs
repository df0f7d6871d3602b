//! What remote stores make of each answer that a server may give, and of none.

use crate::contract::{list, pack, payload, slot};
use crate::script::{Answer, Asked, Script, say};
use heirloom::cli::host::RealHost;
use heirloom::error::{Error, Kind};
use heirloom::name::{Folder, Name};
use heirloom::store::access::{Access, Limits};
use heirloom::store::address::parse;
use heirloom::store::open::open;
use heirloom::store::retry::Trouble;
use heirloom::store::{Placed, Store};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MAX: u64 = 64 << 20;

/// A store at that server whose calls are tried again for so many seconds.
fn store(address: &str, patience: u64) -> Arc<dyn Store> {
    let mut access = Access::new(Arc::new(RealHost::new()), "0a1b2c3d", Limits::default());
    access.patience = Duration::from_secs(patience);
    access.secret = Some(Arc::new(|| {
        Ok(vec!["ciaccess".to_owned(), "cisecret".to_owned()])
    }));
    let (address, settings) = parse(address).unwrap();
    open(&address, &settings, &access).unwrap()
}

fn bucket(server: &Script, patience: u64) -> Arc<dyn Store> {
    let port = server.port;
    store(
        &format!("s3://box/a?endpoint=http://127.0.0.1:{port}"),
        patience,
    )
}

fn webdav(server: &Script, patience: u64) -> Arc<dyn Store> {
    store(
        &format!("webdav://me@127.0.0.1:{}/a", server.port),
        patience,
    )
}

fn code(word: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{word}</Code><Message>so</Message></Error>")
}

fn stored(body: &[u8]) -> Answer {
    Answer::Say("200 OK", &["etag: \"x\""], body.to_vec())
}

/// What a bucket that answers each create with this says in the end, and how often it was asked to create.
fn create(status: &'static str, word: &'static str, there: Option<u8>) -> (Placed, usize) {
    let server = Script::new(
        move |asked: &Asked, _| match (asked.method.as_str(), there) {
            ("PUT", _) => say(status, &code(word)),
            (_, Some(seed)) => stored(&payload(seed, 100)),
            _ => say("404 Not Found", &code("NoSuchKey")),
        },
    );
    let store = bucket(&server, 0);
    let first = store.put_if_absent(&slot(1), &payload(1, 100)).unwrap();
    let second = store.put_if_absent(&slot(1), &payload(1, 100)).unwrap();
    assert_eq!(first, second);
    let creates = server.asked();
    let creates = creates.iter().filter(|asked| asked.method == "PUT");
    assert!(creates.clone().all(|asked| asked.has("if-none-match: *")));
    (first, creates.count())
}

#[test]
fn a_create_is_decided_by_reading_back() {
    assert_eq!(
        create("412 Precondition Failed", "PreconditionFailed", Some(1)),
        (Placed::Mine, 2)
    );
    assert_eq!(
        create("412 Precondition Failed", "PreconditionFailed", Some(2)),
        (Placed::Taken, 2)
    );
    assert_eq!(
        create("409 Conflict", "ConditionalRequestConflict", Some(1)),
        (Placed::Mine, 2)
    );
    assert_eq!(
        create("409 Conflict", "ConditionalRequestConflict", Some(2)),
        (Placed::Taken, 2)
    );
}

#[test]
fn a_server_that_does_not_know_the_condition_is_not_asked_again() {
    assert_eq!(
        create("501 Not Implemented", "NotImplemented", None),
        (Placed::Cannot, 1)
    );
    assert_eq!(
        create("400 Bad Request", "If-None-Match is odd", None),
        (Placed::Cannot, 1)
    );
}

#[test]
fn a_lost_answer_to_our_own_create_is_mine() {
    let kept = Arc::new(Mutex::new(None::<Vec<u8>>));
    let server = Script::new(move |asked: &Asked, _| {
        let mut kept = kept.lock().unwrap();
        match (asked.method.as_str(), kept.as_ref()) {
            ("PUT", None) => {
                *kept = Some(asked.body.clone());
                Answer::Nothing
            }
            ("PUT", Some(_)) => say("412 Precondition Failed", ""),
            (_, Some(bytes)) => stored(bytes),
            _ => say("404 Not Found", ""),
        }
    });
    let store = bucket(&server, 30);
    let placed = store.put_if_absent(&slot(1), &payload(1, 100)).unwrap();
    assert_eq!(placed, Placed::Mine);
    let placed = store.put_if_absent(&slot(1), &payload(2, 100)).unwrap();
    assert_eq!(placed, Placed::Taken);
}

#[test]
fn nothing_stored_is_tried_again() {
    let server = Script::new(
        |asked: &Asked, number| match (asked.method.as_str(), number) {
            ("PUT", 0) => say("409 Conflict", &code("OperationAborted")),
            ("PUT", _) => stored(b""),
            (_, 1) => say("404 Not Found", &code("NoSuchKey")),
            _ => stored(&payload(1, 100)),
        },
    );
    let store = bucket(&server, 30);
    let placed = store.put_if_absent(&slot(1), &payload(1, 100)).unwrap();
    assert_eq!((placed, server.asked().len()), (Placed::Mine, 4));
}

#[test]
fn a_busy_server_is_obeyed() {
    for status in [
        "503 Slow Down",
        "429 Too Many Requests",
        "500 Internal Server Error",
    ] {
        let server = Script::new(move |_: &Asked, number| match number {
            0 => Answer::Say(status, &["retry-after: 1"], Vec::new()),
            1 => Answer::Nothing,
            _ => stored(&payload(1, 100)),
        });
        let begun = std::time::Instant::now();
        let bytes = bucket(&server, 60).get(&pack(1), MAX).unwrap();
        assert!(bytes == payload(1, 100)[..] && begun.elapsed() >= Duration::from_secs(1));
        assert_eq!(server.asked().len(), 3);
    }
}

fn refused(store: &dyn Store) -> Error {
    store.get(&pack(1), MAX).unwrap_err()
}

#[test]
fn what_cannot_be_mended_is_said_at_once() {
    let skewed = "date: Sun, 06 Nov 1994 08:49:37 GMT";
    let cases: [(
        &'static str,
        &'static [&'static str],
        &'static str,
        Kind,
        &'static str,
    ); 6] = [
        (
            "301 Moved",
            &["x-amz-bucket-region: eu-north-1"],
            "",
            Kind::Usage,
            "region=eu-north-1",
        ),
        (
            "302 Found",
            &["location: https://login/"],
            "",
            Kind::Usage,
            "follows",
        ),
        (
            "403 Forbidden",
            &[],
            "AccessDenied",
            Kind::Unreachable,
            "mirror test",
        ),
        (
            "403 Forbidden",
            &["date: Sun, 06 Nov 1994 08:49:37 GMT"],
            "x",
            Kind::Unreachable,
            "clock is",
        ),
        ("404 Not Found", &[], "NoSuchBucket", Kind::NoRepository, ""),
        ("507 Insufficient Storage", &[], "", Kind::Full, "make room"),
    ];
    assert!(cases[3].1.contains(&skewed));
    for (status, headers, word, kind, hint) in cases {
        let server =
            Script::new(move |_: &Asked, _| Answer::Say(status, headers, code(word).into_bytes()));
        for store in [bucket(&server, 60), webdav(&server, 60)] {
            let error = refused(&*store);
            assert_eq!(error.kind(), kind, "{status}: {}", error.chain());
            assert!(
                error.hint_text().unwrap_or_default().contains(hint),
                "{error:?}"
            );
            assert_eq!(Trouble::of(&error), Some(Trouble::FINAL));
        }
        assert_eq!(server.asked().len(), 2, "{status}");
    }
}

#[test]
fn a_cut_body_is_no_object() {
    let server = Script::new(|_: &Asked, _| {
        Answer::Raw(b"HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: 100\r\n\r\nhalf".to_vec())
    });
    for store in [bucket(&server, 0), webdav(&server, 0)] {
        let error = refused(&*store);
        assert_eq!(error.kind(), Kind::Unreachable, "{}", error.chain());
        assert!(Trouble::of(&error).unwrap().again);
    }
}

#[test]
fn b8_more_than_allowed_is_damaged_and_not_read() {
    let server = Script::new(|_: &Asked, _| {
        let head = "HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: 99999999999\r\n\r\n";
        Answer::Raw(head.as_bytes().to_vec())
    });
    for store in [bucket(&server, 0), webdav(&server, 0)] {
        assert_eq!(refused(&*store).kind(), Kind::Damaged);
    }
}

#[test]
fn a_range_is_exact_or_damaged() {
    // Everything, whatever was asked for.
    let server = Script::new(|_: &Asked, _| stored(&payload(1, 100)));
    for store in [bucket(&server, 0), webdav(&server, 0)] {
        let error = store.get_range(&pack(1), 90..101).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{}", error.chain());
    }
    let dav = webdav(&server, 0).get_range(&pack(1), 10..20).unwrap();
    assert_eq!(dav, payload(1, 100)[10..20]);
    // Another part than was asked for.
    let server = Script::new(|_: &Asked, _| {
        let headers = &["etag: \"x\"", "content-range: bytes 5-14/100"];
        Answer::Say("206 Partial Content", headers, payload(1, 10).to_vec())
    });
    for store in [bucket(&server, 0), webdav(&server, 0)] {
        store.get_range(&pack(1), 10..20).unwrap_err();
    }
}

fn page(token: &str) -> String {
    format!(
        "<ListBucketResult><NextContinuationToken>{token}</NextContinuationToken><Contents>\
         <Key>a/marks/{}</Key><Size>3</Size><LastModified>2026-11-22T16:00:00.000Z</LastModified>\
         </Contents></ListBucketResult>",
        "1f".repeat(32)
    )
}

#[test]
fn b8_a_listing_ends() {
    let server = Script::new(|_: &Asked, number| say("200 OK", &page(["x", "y", "x"][number % 3])));
    let store = bucket(&server, 0);
    let error = store.list(Folder::Marks, &mut |_| Ok(())).unwrap_err();
    assert!(error.chain().contains("repeats"), "{}", error.chain());
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_missing_size_is_an_error() {
    let xml = page("").replace("<Size>3</Size>", "");
    let server = Script::new(move |_: &Asked, _| say("200 OK", &xml));
    let error = bucket(&server, 0)
        .list(Folder::Marks, &mut |_| Ok(()))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    let dav = r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/a/marks/</d:href><d:propstat><d:prop>
        <d:resourcetype><d:collection/></d:resourcetype></d:prop></d:propstat></d:response>
        <d:response><d:href>/a/marks/NAME</d:href></d:response></d:multistatus>"#;
    let dav = dav.replace("NAME", &"1f".repeat(32));
    let server = Script::new(move |_: &Asked, _| say("207 Multi-Status", &dav));
    let error = webdav(&server, 0)
        .list(Folder::Marks, &mut |_| Ok(()))
        .unwrap_err();
    assert!(error.chain().contains("no size"), "{}", error.chain());
}

#[test]
fn a_refused_delete_is_told_from_a_refused_stranger() {
    for (word, kind) in [
        ("AccessDenied", Kind::Refused),
        ("SignatureDoesNotMatch", Kind::Unreachable),
    ] {
        let server = Script::new(move |_: &Asked, _| say("403 Forbidden", &code(word)));
        let error = bucket(&server, 0).delete(&pack(1)).unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.chain());
    }
    let server = Script::new(|_: &Asked, _| say("404 Not Found", &code("NoSuchKey")));
    bucket(&server, 0).delete(&pack(1)).unwrap();
    webdav(&server, 0).delete(&pack(1)).unwrap();
}

#[test]
fn a_login_page_is_no_listing() {
    let server = Script::new(|_: &Asked, _| {
        let headers = &["content-type: text/html; charset=utf-8"];
        Answer::Say(
            "200 OK",
            headers,
            b"<!DOCTYPE html><html>Log in</html>".to_vec(),
        )
    });
    let store = webdav(&server, 60);
    let error = store.list(Folder::Packs, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.hint_text().unwrap().contains("login page"));
    assert!(refused(&*store).hint_text().unwrap().contains("login page"));
}

#[test]
fn a_folder_behind_another_server_is_listed() {
    let xml = r#"<d:multistatus xmlns:d="DAV:">
        <d:response><d:href>/inner/a/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype>
        </d:prop></d:propstat></d:response>
        <d:response><d:href>/inner/a/mirror</d:href><d:propstat><d:prop><d:getcontentlength>5</d:getcontentlength>
        </d:prop></d:propstat></d:response>
        <d:response><d:href>/inner/a/.DS_Store</d:href></d:response></d:multistatus>"#;
    let server = Script::new(move |_: &Asked, _| say("207 Multi-Status", xml));
    let (found, strangers) = list(&*webdav(&server, 0), Folder::Top);
    assert_eq!((found.get(&Name::marker()), strangers), (Some(&5), 1));
}

#[test]
fn a_move_goes_twice_only_to_replace() {
    let server = Script::new(|asked: &Asked, _| match asked.method.as_str() {
        "MOVE" if asked.has("overwrite: F") => say("412 Precondition Failed", ""),
        _ => say("201 Created", ""),
    });
    webdav(&server, 0)
        .put(&Name::marker(), &payload(1, 10))
        .unwrap();
    let asked = server.asked();
    let methods: Vec<&str> = asked.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["PUT", "MOVE", "MOVE"]);
    assert!(asked[0].path.starts_with("/a/tmp/0a1b2c3d-") && asked[2].has("overwrite: T"));
    let destination = format!("destination: http://127.0.0.1:{}/a/mirror", server.port);
    assert!(asked[1].has(&destination) && asked[1].has("authorization: Basic bWU6Y2lhY2Nlc3M="));
}

/// Credentials and objects go to the server that was named and to no other.
#[test]
fn b8_a_redirect_leads_nowhere() {
    let elsewhere = Arc::new(Script::new(|_: &Asked, _| stored(&payload(1, 100))));
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let to = format!("location: http://127.0.0.1:{}/box/a/x", elsewhere.port);
        let server = Script::new(move |_: &Asked, _| {
            let head = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\n{to}\r\ncontent-length: 0\r\n\r\n"
            );
            Answer::Raw(head.into_bytes())
        });
        for store in [bucket(&server, 0), webdav(&server, 0)] {
            refused(&*store);
            store.put(&pack(1), &payload(1, 100)).unwrap_err();
            store.list(Folder::Marks, &mut |_| Ok(())).unwrap_err();
            store.delete(&pack(1)).unwrap_err();
        }
        assert!(!server.asked().is_empty());
    }
    assert_eq!(elsewhere.asked().len(), 0, "nobody was led there");
}
