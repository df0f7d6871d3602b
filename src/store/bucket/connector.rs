//! Our HTTP under `object_store`, and what was heard on it.
//!
//! The crate hides the status of an answer and calls a lost one "not sent". So each call of the store runs inside
//! [`hearing`], and what the last request of that call met is read there, not from the crate's errors.

use crate::error::Error;
use crate::store::answer::{Answer, TEXT_MAX};
use crate::store::wire::{Lost, Wire, web_page};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where machines in a cloud ask for credentials of their own. Elsewhere nobody answers.
const METADATA: [&str; 3] = [
    "169.254.169.254",
    "169.254.170.2",
    "metadata.google.internal",
];
const METADATA_MAX: Duration = Duration::from_secs(3);

/// What the last request of a call met.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The server's answer.
    pub(super) answer: Option<Answer>,
    /// That none came, or not all of it.
    pub(super) lost: Option<Lost>,
    /// That no request was made, since the credentials were not to be had.
    pub(super) secret: Option<Error>,
}

impl Heard {
    /// The status, if the answer came whole.
    pub(super) fn status(&self) -> Option<u16> {
        let whole = self.lost.is_none() && self.secret.is_none();
        self.answer
            .as_ref()
            .filter(|_| whole)
            .map(|answer| answer.status)
    }

    /// Whether the server said that it did what it was asked.
    pub(super) fn is_success(&self) -> bool {
        self.status()
            .is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the answer uses one of these words.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|answer| answer.says(words))
    }
}

type Shared = Arc<Mutex<Heard>>;

tokio::task_local! {
    static HEARD: Shared;
}

/// Runs a call and says what was heard.
pub(super) async fn hearing<F: Future>(call: F) -> (F::Output, Heard) {
    let shared = Shared::default();
    let output = HEARD.scope(shared.clone(), call).await;
    let heard = std::mem::take(&mut *lock(&shared));
    (output, heard)
}

/// Notes that the credentials were not to be had.
pub(super) fn note_secret(error: Error) {
    if let Ok(shared) = HEARD.try_with(Arc::clone) {
        lock(&shared).secret = Some(error);
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Heard> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands the wire of one store to `object_store`.
#[derive(Debug)]
pub(super) struct Connector(pub(super) Arc<Wire>);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.clone())))
    }
}

#[derive(Debug)]
struct Service(Arc<Wire>);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let shared = HEARD.try_with(Arc::clone).unwrap_or_default();
        *lock(&shared) = Heard::default();
        let noted = shared.clone();
        let note = move |lost: Lost| {
            lock(&noted).lost = Some(lost.clone());
            HttpError::new(HttpErrorKind::Unknown, lost)
        };
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let is_head = parts.method == Method::HEAD;
        let url = reqwest::Url::parse(&parts.uri.to_string())
            .map_err(|error| note(Lost::for_good(error.to_string())))?;
        let is_metadata = url.host_str().is_some_and(|host| METADATA.contains(&host));
        let sent = self.0.send(parts.method, url, parts.headers, body);
        let reply = if is_metadata {
            let answer = tokio::time::timeout(METADATA_MAX, sent).await;
            answer
                .ok()
                .and_then(Result::ok)
                .ok_or_else(|| note(nobody()))?
        } else {
            sent.await.map_err(&note)?
        };
        let kind = reply.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if reply.status.is_success() && kind.is_some_and(|kind| kind.starts_with(b"text/html")) {
            // Taken for an answer, it would be a put that never was, or an empty list.
            return Err(note(web_page()));
        }
        // rclone sends the part it was asked for, and says 200 to it.
        let is_part = reply.status == StatusCode::OK && reply.headers.contains_key(CONTENT_RANGE);
        let status = match is_part {
            true => StatusCode::PARTIAL_CONTENT,
            false => reply.status,
        };
        let mut response = http::Response::builder().status(status);
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(&reply.headers);
        }
        let body = if status.is_success() {
            lock(&shared).answer = Some(Answer::new(status, &reply.headers, &[]));
            HttpResponseBody::new(reply.body.map_err(note))
        } else {
            let text = match is_head {
                true => Vec::new(),
                false => reply.body.read_some(TEXT_MAX).await,
            };
            lock(&shared).answer = Some(Answer::new(status, &reply.headers, &text));
            HttpResponseBody::from(Bytes::from(text))
        };
        response
            .body(body)
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))
    }
}

fn nobody() -> Lost {
    Lost::for_good("no credentials were given, and this machine has none from its cloud")
}
