//! A bucket in memory that keeps what it is given, and lies as a test tells it to.

use crate::script::{Answer, Asked, Script, say};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

/// How it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Not at all.
    None,
    /// Every request is from another time.
    Skewed,
    /// Whatever is asked, this page is the answer.
    Page,
    /// There is no such bucket.
    NoBucket,
    /// The secret is wrong.
    Refuses,
    /// There is no room.
    Full,
    /// A create replaces.
    NoCondition,
    /// No pack is listed.
    ShortLists,
    /// What is there stays.
    Keeps,
}

/// The server; it lives as long as the test.
pub(crate) struct Liar {
    pub(crate) server: Script,
    lie: Arc<Mutex<Lie>>,
}

impl Liar {
    pub(crate) fn new() -> Self {
        let lie = Arc::new(Mutex::new(Lie::None));
        let (objects, told) = (Mutex::default(), lie.clone());
        let server = Script::new(move |asked: &Asked, _| {
            let lie = *told.lock().unwrap();
            refusal(asked, lie).unwrap_or_else(|| act(asked, lie, &objects))
        });
        Self { server, lie }
    }

    pub(crate) fn lie(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }

    /// How often something below that folder was put so far.
    pub(crate) fn puts(&self, folder: &str) -> usize {
        let asked = self.server.asked();
        let put = |asked: &&Asked| asked.method == "PUT" && asked.path.contains(folder);
        asked.iter().filter(put).count()
    }
}

fn error(status: &'static str, code: &str) -> Answer {
    say(status, &format!("<Error><Code>{code}</Code></Error>"))
}

fn refusal(asked: &Asked, lie: Lie) -> Option<Answer> {
    let old = &["date: Sun, 06 Nov 1994 08:49:37 GMT"];
    let skewed = b"<Error><Code>RequestTimeTooSkewed</Code></Error>";
    match lie {
        Lie::Skewed => Some(Answer::Say("403 Forbidden", old, skewed.to_vec())),
        Lie::Page => Some(Answer::Say(
            "200 OK",
            &["content-type: text/html"],
            b"<html><body>Room number?</body></html>".to_vec(),
        )),
        Lie::NoBucket => Some(error("404 Not Found", "NoSuchBucket")),
        Lie::Refuses => Some(error("403 Forbidden", "SignatureDoesNotMatch")),
        Lie::Keeps if asked.method == "DELETE" => Some(error("403 Forbidden", "AccessDenied")),
        Lie::Full if asked.method == "PUT" => Some(say("507 Insufficient Storage", "")),
        _ => None,
    }
}

fn act(asked: &Asked, lie: Lie, objects: &Mutex<BTreeMap<String, Vec<u8>>>) -> Answer {
    let mut objects = objects.lock().unwrap();
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let Some(key) = path.strip_prefix("/box/").filter(|key| !key.is_empty()) else {
        return page(&objects, query, lie);
    };
    match asked.method.as_str() {
        "PUT" if asked.has("if-none-match") && lie != Lie::NoCondition => {
            if objects.contains_key(key) {
                return error("412 Precondition Failed", "PreconditionFailed");
            }
            objects.insert(key.to_owned(), asked.body.clone());
            Answer::Say("200 OK", &["etag: \"x\""], Vec::new())
        }
        "PUT" => {
            objects.insert(key.to_owned(), asked.body.clone());
            Answer::Say("200 OK", &["etag: \"x\""], Vec::new())
        }
        "DELETE" => {
            objects.remove(key);
            say("204 No Content", "")
        }
        _ => match objects.get(key) {
            Some(bytes) => part(asked, bytes),
            None => error("404 Not Found", "NoSuchKey"),
        },
    }
}

/// All of it, or the range that was asked for.
fn part(asked: &Asked, bytes: &[u8]) -> Answer {
    let range = asked.headers.iter().find_map(|line| {
        let (first, last) = line.strip_prefix("range: bytes=")?.split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
    });
    let Some((first, last)) = range else {
        return Answer::Say("200 OK", &["etag: \"x\""], bytes.to_vec());
    };
    if first >= bytes.len() {
        return error("416 Range Not Satisfiable", "InvalidRange");
    }
    let end = bytes.len().min(last + 1);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nconnection: close\r\netag: \"x\"\r\ncontent-length: {}\r\ncontent-range: bytes {first}-{}/{}\r\n\r\n",
        end - first,
        end - 1,
        bytes.len()
    );
    Answer::Raw([head.as_bytes(), &bytes[first..end]].concat())
}

/// A listing in one page.
fn page(objects: &BTreeMap<String, Vec<u8>>, query: &str, lie: Lie) -> Answer {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let prefix = pairs.find(|(name, _)| *name == "prefix");
    let prefix = prefix.map_or(String::new(), |(_, value)| value.replace("%2F", "/"));
    let mut text = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
    for (key, bytes) in objects.range(prefix.clone()..) {
        if !key.starts_with(&prefix) {
            break;
        }
        if lie == Lie::ShortLists && key.contains("/packs/") {
            continue;
        }
        let len = bytes.len();
        write!(
            text,
            "<Contents><Key>{key}</Key><Size>{len}</Size><LastModified>2026-11-22T00:00:00.000Z</LastModified></Contents>"
        )
        .unwrap();
    }
    say("200 OK", &format!("{text}</ListBucketResult>"))
}
