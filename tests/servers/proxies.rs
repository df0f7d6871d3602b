//! The proxy does the harm it is asked for, and none otherwise. Its server here is a few lines of our own.

use crate::proxy::{Action, Bytes, Proxy};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BODY: &str = "twenty bytes of text";

/// Answers each request with the same body, and counts them. Lives as long as the test process.
fn server() -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::<AtomicU32>::default();
    let count = asked.clone();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let count = count.clone();
            thread::spawn(move || {
                let mut seen = Vec::new();
                let mut byte = [0];
                while client.read(&mut byte).is_ok_and(|got| got == 1) {
                    seen.push(byte[0]);
                    if seen.ends_with(b"\r\n\r\n") {
                        count.fetch_add(1, Ordering::Relaxed);
                        seen.clear();
                        let len = BODY.len();
                        let _ = write!(
                            client,
                            "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{BODY}"
                        );
                    }
                }
            });
        }
    });
    (port, asked)
}

fn client(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    client
}

/// What comes for one request until the connection ends or falls silent, and how that was.
fn ask(client: &mut TcpStream, enough: usize) -> (String, Option<ErrorKind>) {
    client
        .write_all(b"GET /some/path HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 1024];
    while got.len() < enough {
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(some) => got.extend_from_slice(&buffer[..some]),
            Err(error) => return (String::from_utf8(got).unwrap(), Some(error.kind())),
        }
    }
    (String::from_utf8(got).unwrap(), None)
}

const WHOLE: usize = 39 + 20;

#[test]
fn what_meets_no_rule_passes_and_connections_serve_again() {
    let (port, asked) = server();
    let proxy = Proxy::http(port);
    proxy.rule("PUT", "", u32::MAX, Action::DropBefore);
    proxy.rule("*", "other", u32::MAX, Action::DropBefore);
    let mut client = client(&proxy);
    for _ in 0..3 {
        let (text, error) = ask(&mut client, WHOLE);
        assert!(text.ends_with(BODY) && error.is_none(), "{text} {error:?}");
    }
    assert_eq!((asked.load(Ordering::Relaxed), proxy.hits()), (3, 0));
    assert_eq!(proxy.asked(), ["GET /some/path"; 3]);
}

#[test]
fn each_harm_is_done_once_and_then_no_more() {
    let done = |action: Action| {
        let (port, asked) = server();
        let proxy = Proxy::http(port);
        proxy.rule("GET", "path", 1, action);
        let begun = Instant::now();
        let (text, error) = ask(&mut client(&proxy), WHOLE);
        let took = begun.elapsed();
        let arrived = asked.load(Ordering::Relaxed);
        let (whole, _) = ask(&mut client(&proxy), WHOLE);
        assert!(whole.ends_with(BODY), "{whole}");
        assert_eq!(proxy.hits(), 1);
        (text, error, arrived, took)
    };
    let (text, error, arrived, _) = done(Action::DropBefore);
    assert_eq!((&text[..], error, arrived), ("", None, 0));
    let (text, error, arrived, _) = done(Action::DropAfter);
    assert_eq!((&text[..], error, arrived), ("", None, 1));
    let (text, error, arrived, _) = done(Action::Cut);
    assert!(text.ends_with(&BODY[..10]), "{text}");
    assert_eq!((error, arrived), (None, 1));
    let (text, error, arrived, _) = done(Action::Reset);
    assert!(text.ends_with(&BODY[..10]), "{text}");
    assert_eq!((error, arrived), (Some(ErrorKind::ConnectionReset), 1));
    let (text, error, arrived, _) = done(Action::Stall);
    assert_eq!(
        (&text[..], error, arrived),
        ("", Some(ErrorKind::WouldBlock), 0)
    );
    let (text, _, _, took) = done(Action::Delay(Duration::from_millis(200)));
    assert!(text.ends_with(BODY) && took >= Duration::from_millis(200));
    let (text, ..) = done(Action::Flip);
    let wrong = text[text.len() - BODY.len()..]
        .bytes()
        .zip(BODY.bytes())
        .filter(|(a, b)| a != b);
    assert_eq!(wrong.count(), 1, "{text}");
    let (text, _, arrived, _) = done(Action::Status(503, "SlowDown"));
    assert!(
        text.starts_with("HTTP/1.1 503 SlowDown\r\n") && arrived == 0,
        "{text}"
    );
    assert!(done(Action::Html).0.contains("text/html"));
    assert!(
        done(Action::Redirect)
            .0
            .contains("Location: http://127.0.0.1:9/")
    );
}

#[test]
fn a_server_vanishes_and_returns() {
    let (port, _) = server();
    let proxy = Proxy::http(port);
    let mut open = client(&proxy);
    assert!(ask(&mut open, WHOLE).0.ends_with(BODY));
    proxy.down();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).is_err());
    assert_eq!(
        open.read(&mut [0]).unwrap_or(0),
        0,
        "also what was open ends"
    );
    proxy.up();
    assert!(ask(&mut client(&proxy), WHOLE).0.ends_with(BODY));
}

#[test]
fn bytes_are_slowed_stopped_and_cut() {
    let (port, _) = server();
    let proxy = Proxy::bytes(port);
    assert!(ask(&mut client(&proxy), WHOLE).0.ends_with(BODY));
    proxy.do_to_bytes(Bytes {
        stop_after: Some(10),
        ..Bytes::default()
    });
    assert_eq!(
        ask(&mut client(&proxy), WHOLE),
        (String::new(), Some(ErrorKind::WouldBlock))
    );
    proxy.do_to_bytes(Bytes {
        break_after: Some(10),
        ..Bytes::default()
    });
    assert_eq!(ask(&mut client(&proxy), WHOLE).0, "");
    proxy.do_to_bytes(Bytes {
        rate: Some(200),
        ..Bytes::default()
    });
    let begun = Instant::now();
    assert!(ask(&mut client(&proxy), WHOLE).0.ends_with(BODY));
    assert!(begun.elapsed() > Duration::from_millis(300));
    proxy.do_to_bytes(Bytes {
        refuse: true,
        ..Bytes::default()
    });
    let mut refused = client(&proxy);
    assert_eq!(refused.read(&mut [0]).unwrap_or(0), 0);
}
