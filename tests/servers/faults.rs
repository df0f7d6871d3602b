//! Every kind of harm to every kind of call of the HTTP stores, once and for good: what was asked for, or an error of
//! the right kind; never wrong bytes, never a hang.

use crate::contract::{MAX, pack, payload, slot};
use crate::proxy::{Action, Proxy};
use crate::servers::{access, dav, s3, unique};
use heirloom::error::{Error, Kind, Result};
use heirloom::name::Folder;
use heirloom::store::{Placed, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A pack that lies there from the beginning has this many bytes.
const LEN: usize = 300_000;
const GOOD: u32 = u32::MAX;

const HARM: [Action; 9] = [
    Action::DropBefore,
    Action::DropAfter,
    Action::Status(503, "SlowDown"),
    Action::Status(500, "InternalError"),
    Action::Delay(Duration::from_millis(300)),
    Action::Cut,
    Action::Reset,
    Action::Html,
    Action::Redirect,
];

const CALLS: [&str; 6] = ["get", "get_range", "put", "put_if_absent", "list", "delete"];

type Make = fn(port: u16, place: &str, patience: Duration) -> Arc<dyn Store>;

fn at_s3(port: u16, place: &str, patience: Duration) -> Arc<dyn Store> {
    let mut access = access();
    access.patience = patience;
    s3(port, "plain", place, access)
}

fn at_dav(port: u16, place: &str, patience: Duration) -> Arc<dyn Store> {
    let mut access = access();
    access.patience = patience;
    dav(port, place, access)
}

/// Does one call and looks at its answer; a wrong one is a panic.
fn call(store: &dyn Store, call: &str) -> Result<()> {
    let bytes = payload(1, LEN);
    match call {
        "get" => {
            let got = store.get(&pack(1), MAX)?;
            assert!(got == bytes[..], "wrong bytes");
        }
        "get_range" => {
            let got = store.get_range(&pack(1), 1000..200_000)?;
            assert!(got == bytes[1000..200_000], "wrong bytes");
        }
        "put" => store.put(&pack(2), &payload(2, LEN))?,
        "put_if_absent" => {
            let claims = store.location().abilities.put_if_absent;
            let placed = store.put_if_absent(&slot(1), &payload(3, 4096))?;
            assert!(placed == if claims { Placed::Mine } else { Placed::Cannot });
        }
        "list" => {
            let mut found = Vec::new();
            store.list(Folder::Packs, &mut |listed| {
                found.push((listed.name, listed.len));
                Ok(())
            })?;
            assert!(found.contains(&(pack(1), LEN as u64)), "{found:?}");
        }
        _ => store.delete(&pack(3))?,
    }
    Ok(())
}

/// What lies there when a call is through, seen without the proxy.
fn look(store: &dyn Store, call: &str, answer: &Result<()>) {
    assert!(store.get(&pack(1), MAX).unwrap() == payload(1, LEN)[..]);
    let stands = |name, bytes: &[u8], wanted: bool| match store.get(name, MAX) {
        Ok(found) => assert!(found == bytes, "half an object"),
        Err(error) => assert!(
            error.kind() == Kind::NotFound && !wanted,
            "{}",
            error.chain()
        ),
    };
    match call {
        "put" => stands(&pack(2), &payload(2, LEN), answer.is_ok()),
        "put_if_absent" => {
            let wanted = answer.is_ok() && store.location().abilities.put_if_absent;
            stands(&slot(1), &payload(3, 4096), wanted);
        }
        "delete" if answer.is_ok() => {
            assert_eq!(store.get(&pack(3), MAX).unwrap_err().kind(), Kind::NotFound);
        }
        _ => {}
    }
}

fn is_final(action: &Action) -> bool {
    matches!(action, Action::Html | Action::Redirect)
}

fn is_right(error: &Error, action: &Action) -> bool {
    match action {
        // Another place is named: the address is wrong.
        Action::Redirect => matches!(error.kind(), Kind::Unreachable | Kind::Usage),
        _ => error.kind() == Kind::Unreachable,
    }
}

fn harm(port: u16, make: Make, kind: &str) {
    for action in &HARM {
        for times in [1, GOOD] {
            let proxy = Proxy::http(port);
            let place = unique();
            let clean = make(port, &place, Duration::from_secs(10));
            clean.put(&pack(1), &payload(1, LEN)).unwrap();
            clean.put(&pack(3), &payload(1, 10)).unwrap();
            let patience = if times == GOOD { 1500 } else { 15_000 };
            let store = make(proxy.port(), &place, Duration::from_millis(patience));
            proxy.rule("*", "", times, action.clone());
            let begun = Instant::now();
            let answer = call(&*store, kind);
            let took = begun.elapsed();
            let case = format!("{kind} {action:?} times {times}: {answer:?} after {took:?}");
            assert!(took < Duration::from_secs(30), "{case}");
            let asked = proxy.hits() > 0;
            // An answer that is lost may not have been needed: what lies there is looked at below.
            if let Err(error) = &answer {
                assert!(
                    asked && is_right(error, action),
                    "{case}: {}",
                    error.chain()
                );
            }
            if times == 1 && !is_final(action) {
                assert!(answer.is_ok(), "{case}: {}", answer.unwrap_err().chain());
            }
            look(&*clean, kind, &answer);
        }
    }
}

/// Each kind of call on a thread of its own.
fn harm_all(port: u16, make: Make) {
    std::thread::scope(|scope| {
        for kind in CALLS {
            scope.spawn(move || harm(port, make, kind));
        }
    });
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn no_harm_to_a_call_of_s3_goes_unnoticed() {
    harm_all(28333, at_s3);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn no_harm_to_a_call_of_webdav_goes_unnoticed() {
    harm_all(28430, at_dav);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_flipped_bit_is_for_the_hash_to_find() {
    let makes: [(u16, Make); 2] = [(28333, at_s3), (28430, at_dav)];
    for (port, make) in makes {
        let proxy = Proxy::http(port);
        let store = make(proxy.port(), &unique(), Duration::from_secs(2));
        store.put(&pack(1), &payload(1, LEN)).unwrap();
        proxy.rule("GET", "", 1, Action::Flip);
        match store.get(&pack(1), MAX) {
            Ok(found) => {
                let bytes = payload(1, LEN);
                let wrong = found.iter().zip(&bytes[..]).filter(|(a, b)| a != b).count();
                assert_eq!((found.len(), wrong), (LEN, 1));
            }
            Err(error) => assert!(is_right(&error, &Action::Flip), "{}", error.chain()),
        }
        assert_eq!(proxy.hits(), 1);
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_server_that_is_away_for_a_while_is_waited_for() {
    let makes: [(u16, Make); 2] = [(28333, at_s3), (28430, at_dav)];
    for (port, make) in makes {
        let proxy = Proxy::http(port);
        let store = make(proxy.port(), &unique(), Duration::from_secs(30));
        store.put(&pack(1), &payload(1, LEN)).unwrap();
        proxy.down();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_secs(2));
                proxy.up();
            });
            store.put(&pack(2), &payload(2, LEN)).unwrap();
        });
        assert!(store.get(&pack(2), MAX).unwrap() == payload(2, LEN)[..]);
        proxy.down();
        let hasty = make(proxy.port(), &unique(), Duration::ZERO);
        assert_eq!(
            hasty.get(&pack(1), MAX).unwrap_err().kind(),
            Kind::Unreachable
        );
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn an_answer_that_never_comes_is_an_error_in_the_end() {
    let makes: [(u16, Make); 2] = [(28333, at_s3), (28430, at_dav)];
    std::thread::scope(|scope| {
        for (port, make) in makes {
            // Others make several requests, and wait a minute for each.
            for kind in ["get", "delete"] {
                scope.spawn(move || {
                    let proxy = Proxy::http(port);
                    let place = unique();
                    let clean = make(port, &place, Duration::from_secs(10));
                    clean.put(&pack(1), &payload(1, LEN)).unwrap();
                    let store = make(proxy.port(), &place, Duration::ZERO);
                    proxy.rule("*", "", GOOD, Action::Stall);
                    let begun = Instant::now();
                    let answer = call(&*store, kind);
                    let took = begun.elapsed();
                    assert!(took < Duration::from_secs(100), "{kind}: {took:?}");
                    match answer {
                        Err(error) => assert_eq!(error.kind(), Kind::Unreachable, "{kind}"),
                        Ok(()) => assert_eq!(proxy.hits(), 0, "{kind}"),
                    }
                    look(&*clean, kind, &Err(Error::new(Kind::Unreachable, kind)));
                });
            }
        }
    });
}
