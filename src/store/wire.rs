//! HTTP for the stores: one request out, one answer back.
//!
//! What must hold:
//! - Nothing below tries again or follows a redirect: what the server said is what the store hears.
//! - No deadline for a whole request, since a pack takes 64 s at 512 KiB/s. Only standstill ends one: 10 s until the
//!   connection stands, 60 s in which not a byte moves.
//! - TLS trusts the system's roots and those handed in, and nothing switches its checks off.

use crate::error::{Error, Kind, Result};
use crate::store::access::Access;
use crate::store::throttle::{FRAME, Pace};
use crate::store::tls;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use reqwest::Url;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep, timeout};

const CONNECT_MAX: Duration = Duration::from_secs(10);
const STILL_MAX: Duration = Duration::from_secs(60);
/// Waiting for bandwidth is no standstill: a sign of life is given this often.
const WAIT_STEP: Duration = Duration::from_secs(10);
/// More than any object has; a listing that is longer is no listing.
const BODY_MAX: u64 = 128 << 20;

/// What hyper says of a server that hangs up instead of answering; some do that to plain HTTP on a port for TLS.
const CLOSED: &str = "connection closed before message completed";
/// What to do about that.
pub(crate) const SPEAKS_TLS: &str =
    "if this port is for TLS, the location must say webdavs://, and an endpoint https://";

/// The client of one store.
pub(crate) struct Wire {
    client: reqwest::Client,
    pace: Pace,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// No answer came, or none that HTTP understands.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    /// In the words of whoever noticed.
    pub(crate) why: String,
    /// Another attempt may go better.
    pub(crate) again: bool,
    /// What to do next, where that is known.
    pub(crate) hint: Option<&'static str>,
}

impl Lost {
    /// Nothing to be tried again.
    pub(crate) fn for_good(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: false,
            hint: None,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Lost {}

/// What the server said, its body still to be read.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Guarded,
}

impl Wire {
    /// A client that trusts the system's roots and those of `access`.
    pub(crate) fn new(access: &Access) -> Result<Self> {
        // An error only says that somebody was here before; reqwest takes whichever is set.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unusable = |error: reqwest::Error| {
            Error::new(Kind::Usage, "make an HTTP client").because(Lost::from(error).why)
        };
        let mut roots = Vec::new();
        if let Some(pem) = &access.roots {
            roots = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| {
                Error::new(Kind::Usage, "read ca_file").because(Lost::from(error).why)
            })?;
            if roots.is_empty() {
                let why = "there is no certificate in it";
                return Err(Error::new(Kind::Usage, "read ca_file").because(why));
            }
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("heirloom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tls_certs_merge(roots)
            .build()
            .map_err(unusable)?;
        Ok(Self {
            client,
            pace: access.pace.clone(),
        })
    }

    /// Sends one request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> std::result::Result<Reply, Lost> {
        let moved = Arc::new(AtomicU64::new(0));
        if !body.is_empty() || matches!(method, Method::PUT | Method::POST) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        if !body.is_empty() {
            let frames = frames(body, self.pace.clone(), moved.clone());
            *request.body_mut() = Some(reqwest::Body::wrap_stream(frames));
        }
        let is_plain = request.url().scheme() == "http";
        let answer = moving(self.client.execute(request), &moved).await;
        let answer = answer.ok_or_else(standstill)?.map_err(|error| {
            let mut lost = Lost::from(error);
            if is_plain && lost.why.starts_with(CLOSED) {
                lost.hint = Some(SPEAKS_TLS);
            }
            lost
        });
        let response = http::Response::<reqwest::Body>::from(answer?);
        let (parts, body) = response.into_parts();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body: Guarded {
                body,
                pace: self.pace.clone(),
                left: BODY_MAX,
                pause: None,
                still: None,
            },
        })
    }
}

/// The body in frames, each sent when there is bandwidth for it.
fn frames(
    body: Bytes,
    pace: Pace,
    moved: Arc<AtomicU64>,
) -> impl Stream<Item = std::result::Result<Bytes, Infallible>> + Send + 'static {
    stream::unfold((body, pace, moved), |(mut rest, pace, moved)| async move {
        if rest.is_empty() {
            return None;
        }
        let frame = rest.split_to(rest.len().min(FRAME));
        let mut wait = pace.upload(frame.len());
        while !wait.is_zero() {
            let step = wait.min(WAIT_STEP);
            sleep(step).await;
            moved.fetch_add(1, Ordering::Relaxed);
            wait -= step;
        }
        moved.fetch_add(1, Ordering::Relaxed);
        Some((Ok(frame), (rest, pace, moved)))
    })
}

/// Waits for `future` while `moved` grows; `None` once it stood still.
async fn moving<F: Future>(future: F, moved: &AtomicU64) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut seen = moved.load(Ordering::Relaxed);
    loop {
        if let Ok(answer) = timeout(STILL_MAX, future.as_mut()).await {
            return Some(answer);
        }
        let now = moved.load(Ordering::Relaxed);
        if now == seen {
            return None;
        }
        seen = now;
    }
}

fn standstill() -> Lost {
    Lost {
        why: format!("not a byte moved for {} seconds", STILL_MAX.as_secs()),
        again: true,
        hint: None,
    }
}

impl From<reqwest::Error> for Lost {
    /// The innermost cause says it best: `Connection refused`. A certificate that is refused now is refused next time.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let timed_out = error.is_timeout();
        let mut again = !error.is_builder();
        let mut why = error.to_string();
        let mut hint = None;
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            why = cause.to_string();
            if let Some(fault) = tls::find(cause) {
                again = false;
                if let Some((words, next)) = tls::explain(fault) {
                    (why, hint) = (words, Some(next));
                    break;
                }
            }
            next = cause.source();
        }
        if timed_out {
            why = format!("no connection within {} seconds", CONNECT_MAX.as_secs());
        }
        Self { why, again, hint }
    }
}

/// The body of an answer: paced, ended by standstill, never without an end.
pub(crate) struct Guarded {
    body: reqwest::Body,
    pace: Pace,
    left: u64,
    pause: Option<Pin<Box<Sleep>>>,
    still: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded")
    }
}

impl Guarded {
    /// All of it; `None` if there are more than `len_max` bytes. `len` is what the head promised, so that memory is
    /// taken once.
    pub(crate) async fn read(
        mut self,
        len_max: u64,
        len: Option<u64>,
    ) -> std::result::Result<Option<Vec<u8>>, Lost> {
        let expected = len.unwrap_or(0).min(len_max);
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            if bytes.len() as u64 + data.len() as u64 > len_max {
                return Ok(None);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Some(bytes))
    }

    /// As far as `len_max`, whatever comes after it and whatever goes wrong: the text of an error.
    pub(crate) async fn read_some(mut self, len_max: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len_max
            && let Some(Ok(frame)) = self.frame().await
        {
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data[..data.len().min(len_max - bytes.len())]);
            }
        }
        bytes
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Lost>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            let still = self.still.get_or_insert_with(|| Box::pin(sleep(STILL_MAX)));
            ready!(still.as_mut().poll(context));
            return Poll::Ready(Some(Err(standstill())));
        };
        self.still = None;
        let Some(frame) = frame else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Lost::from)?;
        if let Some(data) = frame.data_ref() {
            let wait = self.pace.download(data.len());
            self.pause = (!wait.is_zero()).then(|| Box::pin(sleep(wait)));
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                return Poll::Ready(Some(Err(Lost::for_good("the answer does not end"))));
            };
            self.left = left;
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

/// A page for people where a server should have answered.
pub(crate) fn web_page() -> Lost {
    Lost {
        hint: Some(
            "open a browser and log in to this network; if there is nothing to log in to, check the location",
        ),
        ..Lost::for_good("a web page came instead of an answer: a login may be due on this network")
    }
}

/// This machine itself, by name or number as it stands in a URL.
pub(crate) fn is_loopback(host: &str) -> bool {
    let number = host.trim_start_matches('[').trim_end_matches(']');
    let number = number.parse::<std::net::IpAddr>();
    host == "localhost" || number.is_ok_and(|number| number.is_loopback())
}
