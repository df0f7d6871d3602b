//! WebDAV as bytes: the bodies that are sent, and what comes back. No network here.
//!
//! The answer to PROPFIND is a list of responses, each with an href and, per status, properties:
//!
//!     <D:multistatus xmlns:D="DAV:"> <D:response> <D:href>/dav/a%20b</D:href>
//!       <D:propstat> <D:prop> <D:getcontentlength>17</D:getcontentlength> </D:prop>
//!                    <D:status>HTTP/1.1 200 OK</D:status> </D:propstat> </D:response> </D:multistatus>
//!
//! Servers choose prefixes freely, give hrefs whole or from the root, and encode them in their own ways. What is read
//! comes from a stranger: every count and length has a maximum, and whatever does not fit is an error, never a panic.

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, Event};
use quick_xml::name::{Namespace, ResolveResult};
use std::fmt;

/// Asks for what a listing needs.
pub const PROPFIND: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?>"#,
    r#"<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:getcontentlength/></D:prop></D:propfind>"#
);

/// One answer is never longer: 60,000 names of 64 digits fit several times.
pub const MULTISTATUS_MAX: usize = 64 << 20;
const DEPTH_MAX: usize = 64;
const RESPONSES_MAX: usize = 1 << 20;
const TEXT_MAX: usize = 8 << 10;

const DAV: &[u8] = b"DAV:";

/// One thing that a folder holds, or the folder itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its path from the server's root, decoded; no slash at either end.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its length, where the server gives one.
    pub len: Option<u64>,
    /// Its own status, where one was given that is no success: the server lists it and cannot read it.
    pub failed: Option<u16>,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A web page, where an answer to a program was due: somebody wants the user to log in.
    Html,
    /// It stops in the middle.
    Cut,
    /// It has more of something than any listing has.
    TooLarge,
    /// It is not XML, or XML of another kind.
    Other(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Html => f.write_str("it is a web page"),
            Self::Cut => f.write_str("it stops in the middle"),
            Self::TooLarge => f.write_str("it is larger than any listing"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads the answer to a PROPFIND.
pub fn multistatus(body: &[u8]) -> Result<Vec<Found>, Malformed> {
    if body.len() > MULTISTATUS_MAX {
        return Err(Malformed::TooLarge);
    }
    if is_html(body) {
        return Err(Malformed::Html);
    }
    let text = std::str::from_utf8(body).map_err(|error| match error.error_len() {
        None => Malformed::Cut,
        Some(_) => Malformed::Other("it is not UTF-8".to_owned()),
    })?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut state = State::default();
    loop {
        let (space, event) = reader
            .read_resolved_event()
            .map_err(|error| state.malformed(&error))?;
        match event {
            Event::Start(tag) => {
                let ours = space == ResolveResult::Bound(Namespace(DAV));
                state.open(Tag::of(ours, tag.local_name().as_ref()))?;
            }
            Event::End(_) => state.close()?,
            Event::Text(text) => state.text(&text.decode().map_err(unclear)?)?,
            Event::CData(text) => state.text(&text.decode().map_err(unclear)?)?,
            Event::GeneralRef(reference) => state.text(&resolve(&reference)?)?,
            Event::DocType(_) => {
                let why = "it defines a document type".to_owned();
                return Err(Malformed::Other(why));
            }
            Event::Eof => return state.end(),
            _ => {}
        }
    }
}

fn unclear(error: impl fmt::Display) -> Malformed {
    Malformed::Other(error.to_string())
}

/// The five that XML knows and those by number; others would have to be defined somewhere.
fn resolve(reference: &BytesRef<'_>) -> Result<String, Malformed> {
    if let Some(c) = reference.resolve_char_ref().map_err(unclear)? {
        return Ok(c.to_string());
    }
    let known = match reference.decode().map_err(unclear)?.as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(Malformed::Other("it uses an unknown entity".to_owned())),
    };
    Ok(known.to_owned())
}

/// Whether a body looks like a page for people.
pub fn is_html(body: &[u8]) -> bool {
    let start: Vec<u8> = body
        .iter()
        .skip_while(|c| c.is_ascii_whitespace() || !c.is_ascii())
        .take(15)
        .map(u8::to_ascii_lowercase)
        .collect();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Multistatus,
    Response,
    Href,
    Propstat,
    Prop,
    Status,
    Length,
    Kind,
    Collection,
    Other,
}

impl Tag {
    fn of(ours: bool, name: &[u8]) -> Self {
        if !ours {
            return Self::Other;
        }
        match name {
            b"multistatus" => Self::Multistatus,
            b"response" => Self::Response,
            b"href" => Self::Href,
            b"propstat" => Self::Propstat,
            b"prop" => Self::Prop,
            b"status" => Self::Status,
            b"getcontentlength" => Self::Length,
            b"resourcetype" => Self::Kind,
            b"collection" => Self::Collection,
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct State {
    found: Vec<Found>,
    /// From the root to where we are.
    tags: Vec<Tag>,
    done: bool,
    text: String,
    current: Found,
    href: Option<String>,
    part: Part,
}

/// One propstat: its properties count only if its status, which comes last, is a success.
#[derive(Default)]
struct Part {
    is_folder: bool,
    len: Option<u64>,
    status: Option<u16>,
}

impl State {
    fn open(&mut self, tag: Tag) -> Result<(), Malformed> {
        if self.tags.len() >= DEPTH_MAX || self.found.len() >= RESPONSES_MAX {
            return Err(Malformed::TooLarge);
        }
        if self.tags.is_empty() && (tag != Tag::Multistatus || self.done) {
            return Err(Malformed::Other("it is XML of another kind".to_owned()));
        }
        self.tags.push(tag);
        self.text.clear();
        match self.tags[..] {
            [Tag::Multistatus, Tag::Response] => {
                self.current = Found::default();
                self.href = None;
            }
            [Tag::Multistatus, Tag::Response, Tag::Propstat] => self.part = Part::default(),
            [.., Tag::Propstat, Tag::Prop, Tag::Kind, Tag::Collection] => {
                self.part.is_folder = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Malformed> {
        let wanted = matches!(
            self.tags.last(),
            Some(Tag::Href | Tag::Status | Tag::Length)
        );
        if !wanted {
            return Ok(());
        }
        if self.text.len() + text.len() > TEXT_MAX {
            return Err(Malformed::TooLarge);
        }
        self.text.push_str(text);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Malformed> {
        let text = self.text.trim();
        match self.tags[..] {
            [Tag::Multistatus, Tag::Response, Tag::Href] => {
                // A response may name several; only answers to other methods do.
                self.href.get_or_insert_with(|| text.to_owned());
            }
            [Tag::Multistatus, Tag::Response, Tag::Status] => {
                self.current.failed = status(text).filter(|status| !is_success(*status));
            }
            [.., Tag::Propstat, Tag::Prop, Tag::Length] => self.part.len = text.parse().ok(),
            [.., Tag::Propstat, Tag::Status] => self.part.status = status(text),
            [Tag::Multistatus, Tag::Response, Tag::Propstat]
                if self.part.status.is_none_or(is_success) =>
            {
                self.current.is_folder |= self.part.is_folder;
                self.current.len = self.part.len.or(self.current.len);
            }
            [Tag::Multistatus, Tag::Response] => {
                let href = self.href.take();
                let path = href.as_deref().and_then(path_of_href);
                let no_path = || Malformed::Other("it names something without a path".to_owned());
                self.current.path = path.ok_or_else(no_path)?;
                self.found.push(std::mem::take(&mut self.current));
            }
            [Tag::Multistatus] => self.done = true,
            _ => {}
        }
        self.tags.pop();
        self.text.clear();
        Ok(())
    }

    fn malformed(&self, error: &quick_xml::Error) -> Malformed {
        match error {
            quick_xml::Error::Syntax(_) if !self.done => Malformed::Cut,
            _ => unclear(error),
        }
    }

    fn end(self) -> Result<Vec<Found>, Malformed> {
        if self.done && self.tags.is_empty() {
            return Ok(self.found);
        }
        Err(Malformed::Cut)
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// `HTTP/1.1 404 Not Found`
fn status(line: &str) -> Option<u16> {
    let code = line.split_ascii_whitespace().nth(1)?;
    code.parse().ok().filter(|code| (100..1000).contains(code))
}

/// The path in an href, decoded and without slashes at its ends: `/a%20b/` and `https://host/a%20b` are `a b`.
pub fn path_of_href(href: &str) -> Option<String> {
    let href = href.split(['?', '#']).next().unwrap_or_default();
    let path = match href.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|c| c.is_ascii_alphabetic()) => {
            rest.split_once('/').map_or("", |(_, path)| path)
        }
        _ => href,
    };
    let path = decode(path.trim_matches('/'))?;
    let odd = |part: &str| matches!(part, "." | "..") || part.contains('\0');
    (!path.split('/').any(odd)).then_some(path)
}

/// `%2F` and its like as the bytes they stand for.
fn decode(text: &str) -> Option<String> {
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// A path as it stands in a URL: all but letters, digits, slashes and `-._~` encoded.
pub fn encode(path: &str) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// What a status means to who asked for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It was done.
    Done,
    /// It is not there.
    Absent,
    /// The folder above it is missing.
    NoParent,
    /// The target exists, or what was to be moved does not.
    Precondition,
    /// The server does not know that method there.
    Unknown,
    /// Something else went wrong.
    Failed,
}

/// Sorts a status of PUT, MOVE, MKCOL, DELETE or PROPFIND.
pub fn meaning(status: u16) -> Meaning {
    match status {
        200..300 => Meaning::Done,
        404 | 410 => Meaning::Absent,
        409 => Meaning::NoParent,
        412 => Meaning::Precondition,
        405 | 501 => Meaning::Unknown,
        _ => Meaning::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Apache answers.
    const APACHE: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:" xmlns:lp2="http://apache.org/dav/props/">
<D:href>/dav/a%20b/</D:href>
<D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop>
<D:status>HTTP/1.1 200 OK</D:status></D:propstat>
<D:propstat><D:prop><ns0:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>
</D:response>
<D:response>
<D:href>/dav/a%20b/one</D:href>
<D:propstat><D:prop><lp1:getcontentlength xmlns:lp1="DAV:">17</lp1:getcontentlength><D:resourcetype/></D:prop>
<D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response>
</D:multistatus>"#;

    fn found(path: &str, is_folder: bool, len: Option<u64>) -> Found {
        Found {
            path: path.to_owned(),
            is_folder,
            len,
            failed: None,
        }
    }

    #[test]
    fn answers_of_several_servers() {
        let expected = vec![
            found("dav/a b", true, None),
            found("dav/a b/one", false, Some(17)),
        ];
        assert_eq!(multistatus(APACHE.as_bytes()).unwrap(), expected);
        let default = r#"<multistatus xmlns="DAV:"><response><href>https://host:8443/x/a%26b&amp;c&#33;</href>
            <propstat><prop><getcontentlength><![CDATA[5]]></getcontentlength><resourcetype/></prop>
            <status>HTTP/2 200</status></propstat></response></multistatus>"#;
        assert_eq!(
            multistatus(default.as_bytes()).unwrap(),
            [found("x/a&b&c!", false, Some(5))]
        );
        let broken = r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/x</d:href>
            <d:status>HTTP/1.1 403 Forbidden</d:status></d:response></d:multistatus>"#;
        assert_eq!(multistatus(broken.as_bytes()).unwrap()[0].failed, Some(403));
        let empty = r#"<d:multistatus xmlns:d="DAV:"/>"#;
        assert_eq!(multistatus(empty.as_bytes()).unwrap(), []);
    }

    #[test]
    fn only_the_right_namespace_and_place_count() {
        let foreign = r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/x</d:href><d:propstat><d:prop>
            <getcontentlength xmlns="urn:x">5</getcontentlength><x><d:href>/other</d:href></x></d:prop>
            </d:propstat></d:response></d:multistatus>"#;
        assert_eq!(
            multistatus(foreign.as_bytes()).unwrap(),
            [found("x", false, None)]
        );
        for odd in [
            r#"<multistatus/>"#,
            r#"<d:prop xmlns:d="DAV:"/>"#,
            r#"<d:multistatus xmlns:d="DAV:"><d:response/></d:multistatus>"#,
            r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/a/../b</d:href></d:response></d:multistatus>"#,
            r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/%</d:href></d:response></d:multistatus>"#,
            r#"<d:multistatus xmlns:d="DAV:"/><d:multistatus xmlns:d="DAV:"/>"#,
            r#"<!DOCTYPE x [<!ENTITY a "b">]><d:multistatus xmlns:d="DAV:"/>"#,
            r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>&a;</d:href></d:response></d:multistatus>"#,
        ] {
            assert!(
                matches!(multistatus(odd.as_bytes()), Err(Malformed::Other(_))),
                "{odd}"
            );
        }
    }

    #[test]
    fn a_login_page_is_told_apart() {
        for page in [
            "<!DOCTYPE html><html>",
            " \n<HTML lang=en>",
            "\u{feff}<html>",
        ] {
            assert_eq!(multistatus(page.as_bytes()), Err(Malformed::Html));
        }
    }

    #[test]
    fn every_cut_is_an_error_and_no_change_a_panic() {
        let whole = APACHE.len();
        for end in 0..whole {
            assert!(
                multistatus(&APACHE.as_bytes()[..end]).is_err(),
                "cut at {end}"
            );
        }
        for at in 0..whole {
            for byte in [b'<', b'>', b'&', b'/', b'"', 0, 0xff] {
                let mut bytes = APACHE.as_bytes().to_vec();
                bytes[at] = byte;
                let _ = multistatus(&bytes);
            }
        }
    }

    #[test]
    fn bounds_hold() {
        let deep = format!(r#"<d:multistatus xmlns:d="DAV:">{}"#, "<x>".repeat(100));
        assert_eq!(multistatus(deep.as_bytes()), Err(Malformed::TooLarge));
        let long = format!(
            r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/{}</d:href></d:response></d:multistatus>"#,
            "x".repeat(TEXT_MAX)
        );
        assert_eq!(multistatus(long.as_bytes()), Err(Malformed::TooLarge));
    }

    #[test]
    fn paths_go_there_and_back() {
        for path in ["", "a", "a b/c", "100%/ü", "a?b#c&d"] {
            assert_eq!(path_of_href(&format!("/{}/", encode(path))).unwrap(), path);
        }
        assert_eq!(path_of_href("http://host").unwrap(), "");
        assert_eq!(path_of_href("/a%2fb?x=y").unwrap(), "a/b");
        for bad in ["/%zz", "/%a", "/%ff", "/..", "/%2e%2e/a", "/%00"] {
            assert_eq!(path_of_href(bad), None, "{bad}");
        }
    }
}
