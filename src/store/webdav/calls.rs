//! Single calls to a WebDAV server: URLs, the password, the answer.

use crate::dav::encode;
use crate::error::{Error, Kind, Result};
use crate::store::access::{Access, Secret};
use crate::store::address::{Settings, WebdavAddress};
use crate::store::answer::{Answer, TEXT_MAX, lost};
use crate::store::runtime::wait;
use crate::store::wire::{Lost, Wire, is_loopback, web_page};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE};
use http::{HeaderValue, Method};
use std::sync::{Mutex, PoisonError};

/// The way to one server.
pub(super) struct Calls {
    wire: Wire,
    /// `https://host:port`
    server: String,
    /// From the server's root; no slash at either end.
    root: String,
    user: Option<String>,
    password: Option<Secret>,
    authorization: Mutex<Option<HeaderValue>>,
}

/// What is to be asked.
pub(super) struct Ask<'a> {
    method: &'static str,
    path: &'a str,
    is_folder: bool,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    len_max: u64,
}

impl<'a> Ask<'a> {
    /// About the file at `path` from the server's root.
    pub(super) fn new(method: &'static str, path: &'a str) -> Self {
        Self {
            method,
            path,
            is_folder: false,
            headers: Vec::new(),
            body: Bytes::new(),
            len_max: 0,
        }
    }

    /// About a folder. Some servers send whoever forgets the last slash elsewhere.
    pub(super) fn folder(method: &'static str, path: &'a str) -> Self {
        Self {
            is_folder: true,
            ..Self::new(method, path)
        }
    }

    /// With a header.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With a body.
    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// Wants so many bytes of a successful answer at most.
    pub(super) fn len_max(mut self, len_max: u64) -> Self {
        self.len_max = len_max;
        self
    }
}

/// What was answered.
pub(super) struct Got {
    /// Its head, and its text where it was an error.
    pub(super) answer: Answer,
    /// The body of a success.
    pub(super) body: Vec<u8>,
    /// There were more bytes than wanted, and `body` is not all.
    pub(super) is_cut: bool,
    /// The server calls it a page for people.
    pub(super) is_page: bool,
    start: Option<u64>,
}

impl Got {
    /// Whether the part that was sent begins there; a server that does not say is believed.
    pub(super) fn starts_at(&self, start: u64) -> bool {
        self.start.is_none_or(|at| at == start)
    }
}

impl Calls {
    pub(super) fn new(
        address: &WebdavAddress,
        settings: &Settings,
        access: &Access,
    ) -> Result<Self> {
        if !address.tls && !settings.allow_http && !is_loopback(&address.host) {
            let why = "plain HTTP shows the password to everyone on the way";
            return Err(Error::new(Kind::Usage, format!("use {address}"))
                .because(why)
                .hint("write webdavs://, or allow_http = true if that network is yours alone"));
        }
        let scheme = if address.tls { "https" } else { "http" };
        let host = match address.host.contains(':') {
            true => format!("[{}]", address.host),
            false => address.host.clone(),
        };
        let port = address
            .port
            .map_or(String::new(), |port| format!(":{port}"));
        Ok(Self {
            wire: Wire::new(access)?,
            server: format!("{scheme}://{host}{port}"),
            root: address.path.clone(),
            user: address.user.clone().or_else(|| access.user.clone()),
            password: access.secret.clone(),
            authorization: Mutex::default(),
        })
    }

    /// A path below the root, from the server's root.
    pub(super) fn path(&self, below: &str) -> String {
        match (self.root.as_str(), below) {
            ("", path) | (path, "") => path.to_owned(),
            (root, below) => format!("{root}/{below}"),
        }
    }

    /// Whole, as a `Destination` has to be.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{}", self.server, encode(path))
    }

    /// Asks, and reads the answer whatever it is; an error only if none came.
    pub(super) fn send(&self, what: &str, ask: Ask<'_>) -> Result<Got> {
        let during = |error: Error| error.during(what.to_owned());
        let slash = if ask.is_folder && !ask.path.is_empty() {
            "/"
        } else {
            ""
        };
        let url = format!("{}{slash}", self.url(ask.path));
        let unfit =
            |why: String| during(Error::new(Kind::Usage, format!("use {url}")).because(why));
        let url = reqwest::Url::parse(&url).map_err(|error| unfit(error.to_string()))?;
        let method = Method::from_bytes(ask.method.as_bytes()).expect("a method is a word");
        let mut headers = HeaderMap::new();
        for (name, value) in &ask.headers {
            let value = HeaderValue::from_str(value).map_err(|error| unfit(error.to_string()))?;
            headers.insert(*name, value);
        }
        if let Some(value) = self.authorization().map_err(during)? {
            headers.insert(AUTHORIZATION, value);
        }
        let sent = wait(self.exchange(method, url, headers, ask.body, ask.len_max));
        sent.map_err(|trouble| lost(what.to_owned(), &trouble))
    }

    async fn exchange(
        &self,
        method: Method,
        url: reqwest::Url,
        headers: HeaderMap,
        body: Bytes,
        len_max: u64,
    ) -> std::result::Result<Got, Lost> {
        let is_head = method == Method::HEAD;
        // What is read whole, or as a list, is looked at by its reader.
        let is_looked_at =
            method.as_str() == "PROPFIND" || method == Method::GET && !headers.contains_key(RANGE);
        let reply = self.wire.send(method, url, headers, body).await?;
        let head = |name| {
            reply
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let len = head(CONTENT_LENGTH).and_then(|len| len.parse().ok());
        let is_page = head(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
        // Servers confirm with 201 and 204, some with a page; 200 and a page is a gateway that answers everything.
        if is_page && reply.status.as_u16() == 200 && !is_looked_at {
            return Err(web_page());
        }
        let start = head(CONTENT_RANGE).and_then(|part| part.strip_prefix("bytes "));
        let start = start.and_then(|part| part.split('-').next()?.trim().parse().ok());
        let mut got = Got {
            answer: Answer::default(),
            body: Vec::new(),
            is_cut: false,
            is_page,
            start,
        };
        let mut text = Vec::new();
        if !reply.status.is_success() {
            text = reply.body.read_some(TEXT_MAX).await;
        } else if is_head || len_max == 0 && len.unwrap_or(0) == 0 {
            // Nothing to read, and nobody to read it.
        } else if len.is_some_and(|len| len > len_max) {
            got.is_cut = true;
        } else {
            match reply.body.read(len_max, len).await? {
                Some(body) => got.body = body,
                None => got.is_cut = true,
            }
        }
        got.answer = Answer::new(reply.status, &reply.headers, &text);
        Ok(got)
    }

    /// The password is asked for once, when it is first needed.
    fn authorization(&self) -> Result<Option<HeaderValue>> {
        let Some(user) = &self.user else {
            return Ok(None);
        };
        let mut kept = self
            .authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            let lines = self
                .password
                .as_ref()
                .map_or_else(|| Ok(Vec::new()), |secret| secret())?;
            let Some(password) = lines.first().filter(|line| !line.is_empty()) else {
                return Err(
                    Error::new(Kind::Usage, format!("find the password of {user}"))
                        .because("password_command printed none")
                        .hint("set password_command of that mirror"),
                );
            };
            let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}"))
                .expect("Base64 is fit for a header");
            value.set_sensitive(true);
            *kept = Some(value);
        }
        Ok(kept.clone())
    }
}
